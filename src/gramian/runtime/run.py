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

from gramian.errors import GramianError, OperationError
from gramian.ir import scalar
from gramian.ir.op import REGISTRY
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
from gramian.runtime.codegen import Generated, generate, generate_part
from gramian.runtime.failure import InternalError, script_error
from gramian.runtime.functions import Entry, FunctionTable, expect
from gramian.runtime.late import Late, LatePoint
from gramian.runtime.paramserv import paramserv
from gramian.runtime.parfor.loops import ParallelLoops, running_script
from gramian.runtime.progress import Progress
from gramian.runtime.remote import Codes, Unit
from gramian.runtime.statistics import PIPELINE, Statistics, untimed
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
        self,
        program: Program,
        backend: Backend,
        settings: Settings,
        statistics: Statistics | None = None,
        units: dict[str, Generated] | None = None,
        main: Unit | None = None,
    ) -> None:
        self.program = program
        self.backend = backend
        self.settings = settings
        self.statistics = statistics
        self.units = {} if units is None else units
        self.late_parts = 0  # compiled so far
        self.table = FunctionTable({}, self._library_function, lambda op: kernel_of(op, backend))
        self.main = main or Unit(program, generate(program), self._fresh_file(program))
        self.table.code = Codes(self, self.main)
        self.namespace = self.load(self.main)
        self.table.functions |= self.functions()

    def _fresh_file(self, program: Program) -> str:
        """A name by which Python knows a unit."""
        number = len(self.units)
        while (file := f"<gramian {program.source.name} {number}>") in self.units:
            number += 1
        return file

    def load(self, unit: Unit) -> dict[str, Any]:
        """The functions of generated source, by name."""
        self.units[unit.file] = unit.generated
        if self.statistics is not None:
            self.statistics.units[unit.file] = unit.generated
        namespace = self._namespace(unit)
        exec(compile(unit.generated.source, unit.file, "exec"), namespace)
        return namespace

    def load_part(
        self, program: Program, point: LatePoint, *, generic: bool, last: bool = False
    ) -> Callable[[list[Any]], Any]:
        """The rest of a region, compiled while the script runs: the main function of a program of its own."""
        name = f"part_{len(self.units)}"
        self.late_parts += 1
        generated = generate_part(program, point, name, generic=generic, last=last)
        unit = Unit(program, generated, self._fresh_file(program))
        part: Callable[[list[Any]], Any] = self.load(unit)[name]
        if self.statistics is not None:
            self.statistics.parts[unit.file] = program
        return part

    def count(self, what: str) -> None:
        if self.statistics is not None:
            self.statistics.count(what)

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
        found = Execution(run_passes(program, Facts()), self.backend, self.settings, self.statistics, self.units)
        return found.functions()[name]

    def _namespace(self, unit: Unit) -> dict[str, Any]:
        program, generated = unit.program, unit.generated
        timed = untimed if self.statistics is None else self.statistics.timed
        kernels = {name: timed(op.name, kernel_of(op, self.backend)) for name, op in generated.kernels.items()}
        for name, pipeline in generated.pipelines.items():
            kernels[name] = timed(PIPELINE, pipeline_kernel(pipeline, self.backend))
        functions = {name: value for name, value in vars(scalar).items() if callable(value)}
        return {
            **functions,
            **kernels,
            **{f"{name}_function": partial(kernel, self.table) for name, kernel in CALLING.items()},
            **{name: Late(point, program, self) for name, point in generated.late.items()},
            "Inf": math.inf,
            "NaN": math.nan,
            "ListValue": ListValue,
            "expect": expect,
            "loop_range": loop_range,
            "ndarray": np.ndarray,
            "store": timed("leftIndex", store),
            "writable": self.backend.writable,
            "out_of_range": out_of_range,
            "parallel_for": ParallelLoops(Codes(self, unit), kernel_of(REGISTRY["+"], self.backend), self.statistics),
        }

    def run(self, *inputs: Any) -> tuple[Any, ...]:
        """Run the main script, with the values of its inputs; the values of its outputs.

        Raises:
            ScriptError: something went wrong, with its place.
        """
        start = perf_counter()
        try:
            with ExitStack() as stack:
                stack.enter_context(self.environment())
                stack.enter_context(fresh_seeds.fixed_by(self.settings.seed))
                stack.enter_context(running_script(self._explained))
                if self.settings.progress:
                    stack.enter_context(Progress(self.units))
                found = self.namespace["f_main"](*inputs)
                return found if len(self.program.main.outputs) > 1 else (found,)[: len(self.program.main.outputs)]
        except BrokenPipeError:
            raise  # nobody reads what the script prints: that is not the script's fault
        except Exception as error:
            raise script_error(error, self.units) from error
        finally:
            if self.statistics is not None:
                self.statistics.total += perf_counter() - start

    @contextmanager
    def environment(self) -> Iterator[None]:
        """What functions of the program need around them, in the script's process and in workers."""
        with ExitStack() as stack:
            stack.enter_context(np.errstate(all="ignore"))
            stack.enter_context(deep_recursion())
            stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", message="Changing the sparsity structure")
            stack.enter_context(functions_called_by(self.table.call_on_matrix))
            yield

    def _explained(self, error: Exception) -> GramianError:
        try:
            return script_error(error, self.units)
        except InternalError as defect:
            return defect


@contextmanager
def deep_recursion() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, RECURSION))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
