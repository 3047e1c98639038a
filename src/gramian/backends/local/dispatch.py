"""Choosing between an operator's dense and sparse kernel by the values that it gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from typing import Any

import numpy as np
from numpy import ndarray

from gramian.budget import machine_memory
from gramian.errors import OperationError
from gramian.ir.disk import is_on_disk
from gramian.ir.node import describe_op
from gramian.ir.op import Op
from gramian.ir.sparse import is_sparse
from gramian.ir.values import ListValue
from gramian.runtime.backend import Kernel

PLAIN = frozenset({np.ndarray, int, float, bool, str, type(None)})


def dispatching(op: Op, dense: Kernel, sparse: Kernel, large: Kernel | None = None, cells: float = inf) -> Kernel:
    """A kernel that calls `sparse` if one of its arguments is sparse, or has one inside a list.

    It calls `large` if one is on disk or has at least so many cells, or if the result has.
    """
    result = CELLS.get(op.name)
    if large is None or not (result or takes_matrices(op)):
        return _without_large(op, dense, sparse)

    def kernel(*values: Any) -> Any:
        any_sparse = False
        for value in values:
            if value.__class__ is ndarray:
                if value.size >= cells:
                    return large(*values)
            elif value.__class__ not in PLAIN:
                if has_disk(value):
                    return large(*values)
                any_sparse = any_sparse or has_sparse(value)
        return sparse(*values) if any_sparse else dense(*values)

    if result is None:
        return kernel
    return lambda *values: large(*values) if result(*values) >= cells else kernel(*values)


def _without_large(op: Op, dense: Kernel, sparse: Kernel) -> Kernel:
    if not takes_matrices(op):
        return dense

    def kernel(*values: Any) -> Any:
        for value in values:
            if value.__class__ not in PLAIN and has_sparse(value):
                return sparse(*values)
        return dense(*values)

    return kernel


def takes_matrices(op: Op) -> bool:
    return any({"matrix", "list", "any"} & param.accepts for param in op.params)


# Operators whose result may be much larger than their arguments: about how many cells it has, roughly is enough.
CELLS: Mapping[str, Callable[..., float]] = {
    "%*%": lambda a, b: a.shape[0] * b.shape[1],
    "outer": lambda u, v, _: u.size * v.size,
    "matrix": lambda data, rows, cols, byrow: rows * cols,
    "rand": lambda rows, cols, *_: rows * cols,
    "sample": lambda range, size, *_: size,
    "seq": lambda first, last, step: abs(last - first) / (abs(step or 1) or 1),
    "cbind": lambda *values: sum(getattr(value, "size", 0) for value in values),
    "rbind": lambda *values: sum(getattr(value, "size", 0) for value in values),
}


def has_disk(value: Any) -> bool:
    if isinstance(value, ListValue):
        return any(map(has_disk, value.items))
    return is_on_disk(value)


def has_sparse(value: Any) -> bool:
    if isinstance(value, ListValue):
        return any(has_sparse(item) for item in value.items)
    return is_sparse(value)


class TooDenseError(OperationError):
    """A sparse matrix is needed cell by cell, and memory has no room for that."""


_has_room: ContextVar[Callable[[int], bool]] = ContextVar("room for dense matrices", default=lambda size: True)


@contextmanager
def making_dense_if(has_room: Callable[[int], bool]) -> Iterator[None]:
    """Meanwhile sparse matrices become dense ones only where there is room for so many bytes."""
    token = _has_room.set(has_room)
    try:
        yield
    finally:
        _has_room.reset(token)


def made_dense(op: Op, value: Any) -> Any:
    """The value with sparse matrices made dense.

    Raises:
        TooDenseError: there is no room for it.
        OperationError: that would take more memory than the machine has.
    """
    if isinstance(value, ListValue):
        return ListValue([made_dense(op, item) for item in value.items], value.names)
    if not is_sparse(value):
        return value
    rows, cols = value.shape
    needed, there = rows * cols * value.dtype.itemsize, machine_memory()
    if not _has_room.get()(needed):
        raise TooDenseError(f"{describe_op(op)} needs {needed / 1e9:.1f} GB for a sparse matrix cell by cell")
    if needed > there:
        raise OperationError(
            f"{describe_op(op)} needs the sparse {rows}x{cols} matrix cell by cell, which takes "
            f"{needed / 1e9:.1f} GB; this machine has {there / 1e9:.1f} GB",
            "take fewer rows or columns at a time, or operations that keep zeros zero",
        )
    return value.toarray()
