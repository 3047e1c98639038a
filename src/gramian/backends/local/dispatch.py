"""Choosing between an operator's dense and sparse kernel by the values that it gets."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from gramian.errors import OperationError
from gramian.ir.node import describe_op
from gramian.ir.op import Op
from gramian.ir.sparse import is_sparse
from gramian.ir.values import ListValue
from gramian.runtime.backend import Kernel

PLAIN = frozenset({np.ndarray, int, float, bool, str, type(None)})


def dispatching(op: Op, dense: Kernel, sparse: Kernel) -> Kernel:
    """A kernel that calls `sparse` if one of its arguments is sparse, or has one inside a list."""
    if not any({"matrix", "list", "any"} & param.accepts for param in op.params):
        return dense

    def kernel(*values: Any) -> Any:
        for value in values:
            if value.__class__ not in PLAIN and has_sparse(value):
                break
        else:
            return dense(*values)
        return sparse(*values)

    return kernel


def has_sparse(value: Any) -> bool:
    if isinstance(value, ListValue):
        return any(has_sparse(item) for item in value.items)
    return is_sparse(value)


def made_dense(op: Op, value: Any) -> Any:
    """The value with sparse matrices made dense.

    Raises:
        OperationError: that would take more memory than the machine has.
    """
    if isinstance(value, ListValue):
        return ListValue([made_dense(op, item) for item in value.items], value.names)
    if not is_sparse(value):
        return value
    rows, cols = value.shape
    needed, there = rows * cols * value.dtype.itemsize, memory()
    if needed > there:
        raise OperationError(
            f"{describe_op(op)} needs the sparse {rows}x{cols} matrix cell by cell, which takes "
            f"{needed / 1e9:.1f} GB; this machine has {there / 1e9:.1f} GB",
            "take fewer rows or columns at a time, or operations that keep zeros zero",
        )
    return value.toarray()


def memory() -> int:
    """The machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
