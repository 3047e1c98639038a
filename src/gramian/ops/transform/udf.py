"""The functions that a specification names under "udf": those of the running program, or registered operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from gramian.errors import OperationError, SizeError, did_you_mean
from gramian.ir.op import REGISTRY
from gramian.ir.scalar import describe
from gramian.ir.sparse import densify

Caller = Callable[[str, Sequence[Any]], tuple[Any, ...]]

_caller: ContextVar[Caller | None] = ContextVar("functions by name", default=None)


@contextmanager
def functions_called_by(caller: Caller) -> Iterator[None]:
    """Meanwhile, functions are called by this: it gets a name and arguments, and gives all results."""
    before = _caller.set(caller)
    try:
        yield
    finally:
        _caller.reset(before)


def call_function(name: str, cells: Any) -> Any:
    """The result of a function of one matrix, which must have the size of that matrix.

    Raises:
        OperationError: there is no such function, or its result is something else.
    """
    cells = densify(cells)
    caller = _caller.get() or _call_operator
    results = caller(name, [cells])
    result = densify(results[0]) if results else None
    if not isinstance(result, np.ndarray):
        found = "nothing" if result is None else describe(result)
        raise OperationError(f"the function '{name}' of the transform specification must give a matrix, found {found}")
    if result.shape != cells.shape:
        raise SizeError(
            f"the function '{name}' of the transform specification must keep the size of its argument: "
            f"it gets {describe(cells)} and gives {describe(result)}"
        )
    return result


def _call_operator(name: str, args: Sequence[Any]) -> tuple[Any, ...]:
    op = REGISTRY.get(name)
    if op is None or op.internal:
        raise OperationError(
            f"the transform specification names the function '{name}', which does not exist",
            did_you_mean(name, REGISTRY),
        )
    slots = op.bind([None] * len(args))
    result = op.kernel(*(op.params[at].default if slot is None else args[slot] for at, slot in enumerate(slots)))
    return result if op.outputs else (result,)
