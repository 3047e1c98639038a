"""Functions that combine the cells of a matrix, of each row or of each column into one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gramian.errors import SizeError
from gramian.ir.op import Op, Trait, define, missing
from gramian.ir.types import DOUBLE, Type, scalar
from gramian.ops.rules import (
    Matrix,
    Shape,
    column_aggregate,
    full_aggregate,
    row_aggregate,
    shape,
    shape_text,
    square,
)

Kernel = Callable[..., Any]
# Sums over a long axis are taken in blocks of this many cells, then over the blocks: rounding errors stay small.
_BLOCK = 512
# Of float32, sums of so many cells are taken as such, and added up in double: as quick as float32 and almost as exact as
# double, while counts of more than 2^24 cells stay right.
_RUN, _ROWS = 4096, 32
_FEW = 1 << 15  # cells that are quicker added up as double


def size(x: Matrix) -> Shape:
    return x.shape[0], x.shape[1]


def check_columns(what: str, **sizes: Shape) -> None:
    """Refuse arguments that are not column vectors of one length, as far as their sizes are known."""
    for name, (rows, cols) in sizes.items():
        if cols is not None and cols != 1:
            hint = "transpose it with t()" if rows == 1 else None
            raise SizeError(
                f"argument '{name}' of {what} must be a column vector, found a {shape_text((rows, cols))} matrix", hint
            )
    known = {name: rows for name, (rows, _) in sizes.items() if rows is not None}
    if len(set(known.values())) > 1:
        found = " and ".join(f"{rows} in '{name}'" for name, rows in known.items())
        raise SizeError(f"the arguments of {what} must have equally many rows, found {found}")


def total(x: Matrix) -> float:
    """The sum of all cells; NumPy adds pairwise."""
    return float(np.sum(x)) if x.itemsize == 8 else _total_of_singles(x)


def _total_of_singles(x: Matrix) -> float:
    if x.size > _FEW and x.flags.forc:
        cells = (x if x.flags.c_contiguous else x.T).reshape(-1)
        whole = cells.size // _RUN * _RUN
        runs = np.sum(cells[:whole].reshape(-1, _RUN), axis=1)
        if not np.isinf(runs).any():  # else a run may be too large for float32 where its cells are not
            return float(np.sum(runs, dtype=np.float64) + np.sum(cells[whole:], dtype=np.float64))
    return float(np.sum(x, dtype=np.float64))


def column_sums(x: Matrix) -> Matrix:
    """The sum of each column, with an error that does not grow with the number of rows."""
    if abs(x.strides[0]) < abs(x.strides[1]):  # columns lie together in memory: NumPy adds pairwise
        return np.asarray(np.sum(x, axis=0, keepdims=True))
    if x.itemsize < 8 and x.shape[0] > _ROWS:
        return column_sums_in_double(x).astype(x.dtype)
    while x.shape[0] > _BLOCK:
        blocks, rest = divmod(x.shape[0], _BLOCK)
        head = x[: blocks * _BLOCK].reshape(blocks, _BLOCK, x.shape[1])
        x = np.concatenate([np.einsum("bij->bj", head), x[x.shape[0] - rest :]])
    return np.asarray(np.einsum("ij->j", x)[np.newaxis])


def column_sums_in_double(x: Matrix) -> Matrix:
    """The same, as double also of float32."""
    return column_sums(x if x.itemsize == 8 else _sums_of_singles(x))


def _sums_of_singles(x: Matrix) -> Matrix:
    """Double sums of blocks of rows; pairwise sums of whole columns where these lie together in memory."""
    if x.size <= _FEW:
        return x.astype(np.float64)
    if abs(x.strides[0]) < abs(x.strides[1]):
        sums = np.sum(x, axis=0, keepdims=True)
    elif x.shape[0] <= _ROWS:
        sums = np.einsum("ij->j", x)[np.newaxis]
    else:
        blocks, rest = divmod(x.shape[0], _ROWS)
        head = x[: blocks * _ROWS].reshape(blocks, _ROWS, x.shape[1])
        sums = np.concatenate([np.einsum("bij->bj", head), x[x.shape[0] - rest :]])
    return x.astype(np.float64) if np.isinf(sums).any() else sums.astype(np.float64)


def over_rows(of_columns: Callable[[Matrix], Matrix]) -> Callable[[Matrix], Matrix]:
    """The same aggregate of each row."""

    def kernel(x: Matrix) -> Matrix:
        return of_columns(x.T).T

    return kernel


def mean(x: Matrix, w: Matrix | None = None) -> float:
    if w is None:
        return total(x) / x.size if x.size else math.nan
    check_columns("mean()", x=size(x), w=size(w))
    return float(np.divide(total(w * x), total(w)))


def column_means(x: Matrix) -> Matrix:
    return column_sums_in_double(x) / np.float64(x.shape[0])


def variance(x: Matrix) -> float:
    """In two passes; the sum of the deviations, which rounding keeps from zero, corrects the second."""
    if not x.size:
        return math.nan
    deviations = x - mean(x)
    rest = total(deviations)
    np.square(deviations, out=deviations)
    return float(np.maximum(total(deviations) - rest * rest / x.size, 0.0)) / max(x.size - 1, 1)


def column_variances(x: Matrix) -> Matrix:
    rows = x.shape[0]
    if rows == 0:
        return np.full((1, x.shape[1]), np.nan)
    deviations = x - column_means(x).astype(x.dtype, copy=False)
    rest = column_sums_in_double(deviations)
    np.square(deviations, out=deviations)
    return np.asarray(np.maximum(column_sums_in_double(deviations) - rest * rest / rows, 0.0) / max(rows - 1, 1))


def deviation(x: Matrix) -> float:
    return math.sqrt(variance(x))


def column_deviations(x: Matrix) -> Matrix:
    return np.sqrt(column_variances(x))


def product(x: Matrix) -> float:
    return float(np.prod(x, dtype=np.float64))


def column_products(x: Matrix) -> Matrix:
    return np.asarray(np.prod(x, axis=0, keepdims=True, dtype=np.float64))


def column_minima(x: Matrix) -> Matrix:
    return np.asarray(np.min(x, axis=0, keepdims=True, initial=np.inf))


def column_maxima(x: Matrix) -> Matrix:
    return np.asarray(np.max(x, axis=0, keepdims=True, initial=-np.inf))


def trace(x: Matrix) -> float:
    if x.shape[0] != x.shape[1]:
        raise SizeError(f"trace() needs a square matrix, found a {shape_text(size(x))} matrix")
    return float(np.sum(np.diagonal(x), dtype=np.float64))


def row_index(ignoring_nan: np.ufunc) -> Callable[[Matrix], Matrix]:
    """Where each row has its extreme, from 1: the last place among equals; 1 if all cells are NaN, 0 without cells."""

    def kernel(x: Matrix) -> Matrix:
        rows, cols = x.shape
        if cols == 0:
            return np.zeros((rows, 1))
        extreme = ignoring_nan.reduce(x, axis=1, keepdims=True)
        from_the_end = np.argmax((x == extreme)[:, ::-1], axis=1).reshape(rows, 1)
        return np.where(np.isnan(extreme), 1.0, cols - from_the_end)

    return kernel


def _mean_type(x: Type, w: Type) -> Type:
    if not missing(w):
        check_columns("mean()", x=shape(x), w=shape(w))
    return scalar(DOUBLE)


def _trace_type(x: Type) -> Type:
    square("trace()", x)
    return scalar(DOUBLE)


CELLS = (
    'matrix("1 -2 3 4 5 6.5", 2, 3)',
    'matrix("1 NaN 3 4", 2, 2)',
    'matrix("Infinity 1 2 -Infinity", 2, 2)',
    "matrix(-3.5, 1, 1)",
    "matrix(0, 0, 3)",
    "matrix(0, 3, 0)",
    "t(seq(1, 5))",
    "seq(1, 5)",
)
_LINEAR = (Trait.AGGREGATE, Trait.ZERO_PRESERVING)


def _aggregate(name: str, infer: Callable[..., Type], kernel: Kernel, doc: str, gradient: str = "", **rest: Any) -> Op:
    return define(
        f"{name}(X: matrix)",
        infer,
        kernel,
        doc,
        family="aggregate",
        gradient={"X": gradient} if gradient else {},
        samples=CELLS,
        **{"traits": (Trait.AGGREGATE,), **rest},
    )


_SPREAD = "matrix(1, nrow(X), ncol(X)) * dout"

_aggregate("sum", full_aggregate, total, "sum of all cells", _SPREAD, traits=_LINEAR)
define(
    "mean(x: matrix, w: matrix = missing)",
    _mean_type,
    mean,
    "arithmetic mean of all cells; of a column vector with weights, sum(w * x) / sum(w)",
    family="aggregate",
    aliases=("avg",),
    traits=(Trait.AGGREGATE,),
    gradient={
        "x": lambda x, w: "matrix(1 / length(x), nrow(x), ncol(x)) * dout" if missing(w) else "w * (dout / sum(w))",
        "w": lambda x, w: None if missing(w) else "(x - out) * (dout / sum(w))",
    },
    samples=(*CELLS, 'matrix("1 2 3", 3, 1), matrix("1 1 2", 3, 1)', "seq(1, 3), matrix(0, 3, 1)"),
)
_aggregate(
    "var",
    full_aggregate,
    variance,
    "sample variance of all cells, with divisor n - 1; 0 for one cell",
    "2 * (X - mean(X)) / max(length(X) - 1, 1) * dout",
)
_aggregate(
    "sd",
    full_aggregate,
    deviation,
    "sample standard deviation of all cells",
    "(X - mean(X)) / (max(length(X) - 1, 1) * ifelse(out == 0, 1, out)) * dout",
)
_aggregate("prod", full_aggregate, product, "product of all cells")
define(
    "trace(X: matrix)",
    _trace_type,
    trace,
    "sum of the diagonal of a square matrix",
    family="aggregate",
    aliases=("tr",),
    traits=_LINEAR,
    gradient={"X": "diag(matrix(1, nrow(X), 1)) * dout"},
    samples=('matrix("1 2 3 4", 2, 2)', "matrix(7, 1, 1)", "matrix(0, 0, 0)", 'matrix("NaN 2 3 4", 2, 2)'),
)

for _row, _column, _kernel, _doc, _gradient in (
    ("rowSums", "colSums", column_sums, "sum", _SPREAD),
    ("rowMeans", "colMeans", column_means, "arithmetic mean", "matrix(1 / {count}, nrow(X), ncol(X)) * dout"),
    (
        "rowVars",
        "colVars",
        column_variances,
        "sample variance",
        "2 * (X - {means}) / max({count} - 1, 1) * dout",
    ),
    (
        "rowSds",
        "colSds",
        column_deviations,
        "sample standard deviation",
        "(X - {means}) * (dout / (max({count} - 1, 1) * ifelse(out == 0, 1, out)))",
    ),
    ("rowMins", "colMins", column_minima, "smallest cell", "(X == out) * (dout / {sums}(X == out))"),
    ("rowMaxs", "colMaxs", column_maxima, "largest cell", "(X == out) * (dout / {sums}(X == out))"),
    ("rowProds", "colProds", column_products, "product", ""),
):
    _traits = _LINEAR if _kernel is column_sums else (Trait.AGGREGATE,)
    _aggregate(
        _row,
        row_aggregate,
        over_rows(_kernel),
        f"{_doc} of each row",
        _gradient.format(count="ncol(X)", means="rowMeans(X)", sums="rowSums"),
        traits=(*_traits, Trait.ROWWISE),
    )
    _aggregate(
        _column,
        column_aggregate,
        _kernel,
        f"{_doc} of each column",
        _gradient.format(count="nrow(X)", means="colMeans(X)", sums="colSums"),
        traits=_traits,
    )

_RULE = "the last one among equals; NaN loses against numbers"
_PLACE = (Trait.AGGREGATE, Trait.ROWWISE, Trait.STEPS)
_aggregate(
    "rowIndexMax", row_aggregate, row_index(np.fmax), f"column of the largest cell of each row, {_RULE}", traits=_PLACE
)
_aggregate(
    "rowIndexMin", row_aggregate, row_index(np.fmin), f"column of the smallest cell of each row, {_RULE}", traits=_PLACE
)
