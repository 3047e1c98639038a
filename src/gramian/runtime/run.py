"""Running a program: generate its Python source, compile it, call its main function."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from gramian.errors import OperationError
from gramian.ir import scalar
from gramian.ir.program import Program
from gramian.ir.values import ListValue
from gramian.ops.index import out_of_range, store
from gramian.runtime.backend import Backend, kernel_of
from gramian.runtime.codegen import Generated, generate
from gramian.runtime.failure import script_error
from gramian.runtime.functions import FunctionTable
from gramian.runtime.statistics import Statistics

# Generated functions take no space on the C stack, so scripts may recurse deeper than Python allows by default.
RECURSION = 10_000


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

    def __init__(self, program: Program, backend: Backend, statistics: Statistics | None = None) -> None:
        self.program = program
        self.generated: Generated = generate(program)
        self.filename = f"<gramian {program.source.name}>"
        self.statistics = statistics
        self.namespace = self._namespace(backend)
        code = compile(self.generated.source, self.filename, "exec")
        exec(code, self.namespace)
        table = FunctionTable(
            {
                name: (program.functions[unique], self.namespace[f"f_{unique}"])
                for name, unique in program.callable.items()
                if unique in program.functions
            }
        )
        self.namespace["eval_function"] = table.eval
        self.namespace["evalList_function"] = table.eval_list

    def _namespace(self, backend: Backend) -> dict[str, Any]:
        kernels: dict[str, Callable[..., Any]] = {}
        for name, op in self.generated.kernels.items():
            kernel = kernel_of(op, backend)
            kernels[name] = self.statistics.timed(op.name, kernel) if self.statistics else kernel
        functions = {name: value for name, value in vars(scalar).items() if callable(value)}
        return {
            **functions,
            **kernels,
            "Inf": math.inf,
            "NaN": math.nan,
            "ListValue": ListValue,
            "loop_range": loop_range,
            "store": store,
            "out_of_range": out_of_range,
        }

    def run(self) -> None:
        """Run the main script.

        Raises:
            ScriptError: something went wrong, with its place.
        """
        try:
            with np.errstate(all="ignore"), deep_recursion():
                self.namespace["f_main"]()
        except Exception as error:
            raise script_error(error, self.generated, self.filename) from error


@contextmanager
def deep_recursion() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, RECURSION))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
