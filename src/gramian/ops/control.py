"""Operators that look at the program rather than at values: eval, exists, time."""

from __future__ import annotations

import time
from typing import Any

from gramian.ir.op import Effect, Trait, define
from gramian.ir.types import BOOLEAN, INT, LIST, STRING, matrix, scalar


def by_the_runtime(*_: Any) -> Any:
    """These need the functions or variables of the running program, which the runtime supplies."""
    raise AssertionError("handled by the runtime")


define(
    "eval(function: string, args: any... = missing)",
    lambda *types: matrix(),
    by_the_runtime,
    "the first result, as a matrix, of the function with that name",
    family="control",
    effect=Effect.ORDERED,
    functions=("function",),
)
define(
    "evalList(function: string, args: any... = missing)",
    lambda *types: LIST,
    by_the_runtime,
    "all results of the function with that name, as a list",
    family="control",
    effect=Effect.ORDERED,
    functions=("function",),
)
define(
    "exists()",
    lambda: scalar(BOOLEAN),
    by_the_runtime,
    'TRUE if the variable has a value here: exists(x) or exists("x")',
    family="control",
    effect=Effect.FRESH,
)
define(
    "lineage(x: any)",
    lambda x: scalar(STRING),
    by_the_runtime,
    "the operations that make x, as text, a line each",
    family="control",
)
define(
    "local(X: matrix)",
    lambda x: x,
    lambda x: x,
    "X itself: on one machine every matrix is where it is needed",
    family="control",
    traits=(Trait.SHARES,),
    gradient={"X": "dout"},
    samples=('matrix("1 2 3 4", 2, 2)', "matrix(0, 0, 3)"),
)
define(
    "time()",
    lambda: scalar(INT),
    time.monotonic_ns,
    "nanoseconds of a clock that only goes forward; a barrier between what stands before and after",
    family="control",
    effect=Effect.ORDERED,
)
