"""Running a program: generate its Python source, compile it, call its main function."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from gramian.errors import OperationError
from gramian.ir import scalar
from gramian.ir.program import Program
from gramian.ir.values import ListValue
from gramian.lang.dml import parse
from gramian.lang.lower import lower
from gramian.ops.generate import fresh_seeds
from gramian.ops.index import out_of_range, store
from gramian.ops.transform.udf import functions_called_by
from gramian.passes.facts import Facts
from gramian.passes.pipeline import run_passes
from gramian.runtime.backend import Backend, kernel_of, pipeline_kernel
from gramian.runtime.codegen import Generated, generate
from gramian.runtime.failure import script_error
from gramian.runtime.functions import Entry, FunctionTable, expect
from gramian.runtime.paramserv import paramserv
from gramian.runtime.progress import Progress
from gramian.runtime.statistics import Statistics
from gramian.settings import Settings
from gramian.source import Source

# Generated functions take no space on the C stack, so scripts may recurse deeper than Python allows by default.
RECURSION = 10_000

# The kernels of the operators that call functions of the program, which they get as their first argument.
CALLING: Mapping[str, Callable[..., Any]] = {
    "eval": FunctionTable.eval,
    "evalList": FunctionTable.eval_list,
    "paramserv": paramserv,
}


def loop_range(start: Any, stop: Any, step: Any = None) -> range:
    """The values of a loop variable; both ends are included, and without a step the loop runs towards `stop`."""
    first, last = scalar.as_int_argument(start), scalar.as_int_argument(stop)
    if step is None:
        return range(first, last + 1) if first <= last else range(first, last - 1, -1)
    by = scalar.as_int_argument(step)
    if by == 0:
        raise OperationError("the step of a loop must not be zero")
    return range(first, last + (1 if by > 0 else -1), by)


class Execution:
    """A compiled program, ready to run."""

    def __init__(
        self, program: Program, backend: Backend, settings: Settings, statistics: Statistics | None = None
    ) -> None:
        self.program = program
        self.generated: Generated = generate(program)
        self.filename = f"<gramian {program.source.name}>"
        self.settings = settings
        self.statistics = statistics
        self.namespace = self._namespace(backend)
        code = compile(self.generated.source, self.filename, "exec")
        exec(code, self.namespace)
        self.backend = backend
        self.table = table = FunctionTable(self.functions(), self._library_function, lambda op: kernel_of(op, backend))
        for name, kernel in CALLING.items():
            self.namespace[f"{name}_function"] = partial(kernel, table)

    def functions(self) -> dict[str, Entry]:
        """The functions that eval() may call, by name, with their compiled form."""
        return {
            name: (self.program.functions[unique], self.namespace[f"f_{unique}"])
            for name, unique in self.program.callable.items()
            if unique in self.program.functions
        }

    def _library_function(self, name: str) -> Entry | None:
        """Compile a function of the library that the program calls by a name made at run time."""
        if not name.isidentifier():
            return None
        program = lower(Source("<eval>", f'found = eval("{name}")'), parse, self.settings)
        if name not in program.callable:
            return None
        return Execution(run_passes(program, Facts()), self.backend, self.settings, self.statistics).functions()[name]

    def _namespace(self, backend: Backend) -> dict[str, Any]:
        kernels: dict[str, Callable[..., Any]] = {}
        for name, op in self.generated.kernels.items():
            kernel = kernel_of(op, backend)
            kernels[name] = self.statistics.timed(op.name, kernel) if self.statistics else kernel
        for name, pipeline in self.generated.pipelines.items():
            kernel = pipeline_kernel(pipeline, backend)
            kernels[name] = self.statistics.timed("fused", kernel) if self.statistics else kernel
        functions = {name: value for name, value in vars(scalar).items() if callable(value)}
        return {
            **functions,
            **kernels,
            "Inf": math.inf,
            "NaN": math.nan,
            "ListValue": ListValue,
            "expect": expect,
            "loop_range": loop_range,
            "ndarray": np.ndarray,
            "store": store,
            "writable": backend.writable,
            "out_of_range": out_of_range,
        }

    def run(self) -> None:
        """Run the main script.

        Raises:
            ScriptError: something went wrong, with its place.
        """
        start = perf_counter()
        try:
            with ExitStack() as stack:
                stack.enter_context(np.errstate(all="ignore"))
                stack.enter_context(deep_recursion())
                stack.enter_context(warnings.catch_warnings())
                warnings.filterwarnings("ignore", message="Changing the sparsity structure")
                stack.enter_context(functions_called_by(self.table.call_on_matrix))
                stack.enter_context(fresh_seeds.fixed_by(self.settings.seed))
                if self.settings.progress:
                    stack.enter_context(Progress(self.generated, self.filename))
                self.namespace["f_main"]()
        except BrokenPipeError:
            raise  # nobody reads what the script prints: that is not the script's fault
        except Exception as error:
            raise script_error(error, self.generated, self.filename) from error
        finally:
            if self.statistics is not None:
                self.statistics.total += perf_counter() - start


@contextmanager
def deep_recursion() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, RECURSION))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
