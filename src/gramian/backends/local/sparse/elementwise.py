"""Cell-by-cell operators on sparse matrices, exactly as IEEE 754 has them on dense ones.

One idea serves all of them: where every implicit zero gives zero, the operator is applied to the stored cells alone. Whether
it does is found out by applying it to a zero, so that NaN and infinity in the other operand are noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gramian.backends.local.dispatch import made_dense
from gramian.ir.op import REGISTRY, Op, Trait
from gramian.ir.sparse import Dense, by_rows, is_sparse, settle, with_cells
from gramian.ops.rules import broadcast
from gramian.runtime.backend import Kernel

ZERO = np.zeros((1, 1))


def on_cells(function: Kernel, cells: Dense) -> Dense:
    """A matrix function applied to an array of cells."""
    result: Dense = function(cells.reshape(1, -1)).reshape(-1)
    return result


def unary(op: Op) -> Kernel:
    def kernel(x: Any) -> Any:
        if op.kernel(ZERO)[0, 0] != 0:
            return op.kernel(made_dense(op, x))
        return settle(with_cells(x, on_cells(op.kernel, x.data)))

    return kernel


def binary(op: Op) -> Kernel:
    def kernel(a: Any, b: Any) -> Any:
        a, b = as_operand(a, b), as_operand(b, a)
        if not is_sparse(a) and not is_sparse(b):
            return op.kernel(a, b)
        if is_sparse(a) and is_sparse(b):
            return _both_sparse(op, a, b)
        if is_sparse(a):
            return _one_sparse(op, op.kernel, a, b)
        return _one_sparse(op, lambda x, y: op.kernel(y, x), b, a)

    return kernel


def as_operand(x: Any, other: Any) -> Any:
    """A 1x1 matrix on either side is as good as a number; small sparse operands of other shapes are better dense."""
    if getattr(x, "shape", None) == (1, 1) and getattr(other, "shape", (1, 1)) != (1, 1):
        return float(x[0, 0])
    shapes_differ = is_sparse(x) and getattr(other, "shape", x.shape) != x.shape
    return x.toarray() if shapes_differ and 1 in x.shape else x


def _one_sparse(op: Op, function: Callable[[Any, Any], Any], x: Any, other: Any) -> Any:
    """`function(x, other)` for a sparse x and a scalar, vector or matrix."""
    if isinstance(other, np.ndarray):
        broadcast("the operator", x.shape, other.shape)
    if other_vanishes(function, other):
        x = by_rows(x)
        cells = other if not isinstance(other, np.ndarray) else _gather(x, other)
        return settle(with_cells(x, function(x.data.reshape(1, -1), cells).reshape(-1)))
    return function(made_dense(op, x), other)


def other_vanishes(function: Callable[[Any, Any], Any], other: Any) -> bool:
    """Does an implicit zero give zero with every cell of the other operand?"""
    result = function(ZERO, other) if not isinstance(other, np.ndarray) else function(np.zeros_like(other), other)
    return not np.any(result)  # NaN counts as not zero


def _gather(x: Any, other: Dense) -> Dense:
    """The cells of the other operand at the stored places of x, as a row."""
    rows, cols = other.shape
    if rows == 1 and cols == x.shape[1]:
        across: Dense = other[:, x.indices]
        return across
    row = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))
    picked: Dense = other[row, 0] if cols == 1 and rows == x.shape[0] else other[row, x.indices]
    return picked.reshape(1, -1)


def _both_sparse(op: Op, a: Any, b: Any) -> Any:
    broadcast(f"operator {op.name}", a.shape, b.shape)
    native = {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b}
    if op.name in ("+", "-") or (op.name == "*" and np.isfinite(a.data).all() and np.isfinite(b.data).all()):
        return settle(native[op.name]())
    if op.kernel(ZERO, ZERO)[0, 0] != 0:
        return op.kernel(made_dense(op, a), made_dense(op, b))
    return _on_union(op, by_rows(a), by_rows(b))


def _on_union(op: Op, a: Any, b: Any) -> Any:
    """The operator at all places that one of the two stores."""
    from scipy.sparse import csr_array

    cols = a.shape[1]
    places = [np.repeat(np.arange(x.shape[0], dtype=np.int64), np.diff(x.indptr)) * cols + x.indices for x in (a, b)]
    union = np.union1d(*places)
    values = []
    for x, place in zip((a, b), places, strict=True):
        cells = np.zeros((1, union.size), x.dtype)
        cells[0, np.searchsorted(union, place)] = x.data
        values.append(cells)
    cells = op.kernel(*values).reshape(-1)
    return settle(csr_array((cells, (union // cols, union % cols)), shape=a.shape))


def extreme(op: Op) -> Kernel:
    """min and max: of all cells of one matrix, or cell by cell."""
    pair = binary(op)

    def kernel(*values: Any) -> Any:
        if len(values) == 1:
            (x,) = values
            cells = np.append(x.data, 0.0) if x.nnz < x.shape[0] * x.shape[1] else x.data
            return op.kernel(cells.reshape(1, -1))
        result = values[0]
        for value in values[1:]:
            result = pair(result, value) if is_sparse(result) or is_sparse(value) else op.kernel(result, value)
        return result

    return kernel


def log(x: Any, base: Any = None) -> Any:
    op = REGISTRY["log"]
    return op.kernel(made_dense(op, x)) if base is None else binary(op)(x, base)


BINARY = (
    *("+", "-", "*", "/", "^", "%/%", "%%", "==", "!=", "<", "<=", ">", ">=", "&", "|"),
    *("xor", "bitwAnd", "bitwOr", "bitwXor"),
)

KERNELS: Mapping[str, Kernel] = {
    **{
        op.name: unary(op)
        for op in REGISTRY.records()
        if op.family == "elementwise" and op.has(Trait.CELLWISE) and len(op.params) == 1 and not op.variadic
    },
    **{name: binary(REGISTRY[name]) for name in BINARY},
    "min": extreme(REGISTRY["min"]),
    "max": extreme(REGISTRY["max"]),
    "log": log,
}
