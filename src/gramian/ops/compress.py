"""Compression. Here it is only a hint, which this engine need not take; with bins it also makes values coarser.

Values stay as they are, in the representation that they have: `gramian.ir.sparse` decides that one already.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from gramian.errors import OperationError, SizeError
from gramian.ir.frame import STRING, Frame
from gramian.ir.op import Trait, define, missing
from gramian.ir.scalar import as_int, double_text
from gramian.ir.types import Type, frame, results
from gramian.ops.rules import Matrix, Shape, broadcast, same_size, shape, shape_text

MARK = "·"  # between the lower and the upper edge of a bin


def compress(x: Any, bins: Any = None) -> Any:
    if bins is None:
        return x
    if not isinstance(x, np.ndarray):
        raise _no_bins()
    counts = _bin_counts(x, bins)
    columns = [_binned(column, count, j) for j, (column, count) in enumerate(zip(x.T, counts, strict=True), 1)]
    codes = np.empty(x.shape)
    for j, (code, _) in enumerate(columns):
        codes[:, j] = code
    return codes, _metadata([edges for _, edges in columns])


def _no_bins() -> OperationError:
    return OperationError("compress() with bins needs a matrix, found a frame", "use transformencode() for frames")


def _bin_counts(x: Matrix, bins: Any) -> list[int]:
    given = np.atleast_2d(np.asarray(bins, dtype=np.float64))
    _check_bins((x.shape[0], x.shape[1]), (given.shape[0], given.shape[1]))
    _check_counts(given)
    counts = [as_int(float(n)) for n in given[0]]
    return counts * x.shape[1] if len(counts) == 1 else counts


def _check_counts(given: Matrix) -> None:
    wrong = ~(np.isfinite(given) & (given >= 1))
    if wrong.any():
        raise OperationError(f"argument 'bins' of compress() must be at least 1, found {double_text(given[wrong][0])}")


def _check_bins(x: Shape, bins: Shape) -> None:
    if (bins[0] is not None and bins[0] != 1) or (None not in (x[1], bins[1]) and bins[1] not in (1, x[1])):
        hint = "transpose it with t()" if bins[1] == 1 else None
        wanted = "?" if x[1] is None else x[1]
        raise SizeError(
            f"argument 'bins' of compress() must be a number or a 1x{wanted} matrix, found {shape_text(bins)}", hint
        )


def _binned(column: Matrix, count: int, position: int) -> tuple[Matrix, Matrix]:
    """The number, from 1, of the bin that each cell is in, and the edges of the bins, of equal width.

    An edge belongs to the bin below it. NaN stays NaN. A constant column has one bin, one without values none.
    """
    values = column[~np.isnan(column)]
    if values.size == 0:
        return column, np.empty(0)
    low, high = values.min(), values.max()
    if not np.isfinite(high - low):
        raise OperationError(
            f"compress() cannot make bins of equal width for column {position}, which reaches from {low:g} to {high:g}"
        )
    count = count if high > low else 1
    edges = low + (high - low) * np.arange(count + 1) / count
    edges[-1] = high
    codes = np.searchsorted(edges[1:-1], column, side="left") + 1.0
    return np.where(np.isnan(column), np.nan, codes), edges


def _metadata(edges: list[Matrix]) -> Frame:
    """The bins as transformencode() describes them: a column of `lower·upper` for each column, the rest missing."""
    texts = [[MARK.join(map(double_text, bin)) for bin in pairwise(e.tolist())] for e in edges]
    rows = max(map(len, texts), default=0)
    return Frame.of([column + [None] * (rows - len(column)) for column in texts], [STRING] * len(texts))


def _compress_type(x: Type, bins: Type) -> Type:
    if missing(bins):
        return x
    if not x.is_matrix:
        raise _no_bins()
    if bins.is_matrix:
        _check_bins(shape(x), shape(bins))
    elif isinstance(bins.value, int | float):
        _check_counts(np.array([float(bins.value)]))
    return results(same_size(x), frame(None, x.cols))


define(
    "compress(X: matrix|frame, bins: matrix|number = missing)",
    _compress_type,
    compress,
    "X itself, a hint that it compresses well; with bins for the columns, the bin of each cell and the edges",
    family="compress",
    outputs=("R", "M"),
    traits=(Trait.SHARES,),
    samples=(
        'matrix("1 2 2 NaN", 2, 2)',
        "matrix(seq(1, 10), 10, 1), 3",
        'matrix("1 2 3 NaN 5 7 7 7 7 7", 5, 2), matrix("2 4", 1, 2)',
        "matrix(0, 0, 2), 4",
    ),
)
define(
    "decompress(X: matrix|frame)",
    lambda x: x,
    lambda x: x,
    "X itself: undoes compress()",
    family="compress",
    traits=(Trait.SHARES,),
    gradient={"X": "dout"},
    samples=('matrix("1 2 2 NaN", 2, 2)', "matrix(0, 0, 2)", 'matrix("1 2.5", 1, 2)', "as.frame(matrix(1, 2, 2))"),
)


def quantize(x: Matrix, s: Any) -> Matrix:
    if isinstance(s, np.ndarray):
        _check_factors((x.shape[0], x.shape[1]), (s.shape[0], s.shape[1]))
    result: Matrix = np.floor(x * s)
    return result


def _check_factors(x: Shape, s: Shape) -> None:
    found = broadcast("quantize_compress()", x, s)
    if any(n is not None and m is not None and n != m for n, m in zip(found, x, strict=True)):
        raise SizeError(
            f"argument 's' of quantize_compress() must be a number, a column with a factor for each row of 'X', or a "
            f"{shape_text(x)} matrix, found {shape_text(s)}"
        )


def _quantize_type(x: Type, s: Type) -> Type:
    if s.is_matrix:
        _check_factors(shape(x), shape(s))
    return same_size(x)


define(
    "quantize_compress(X: matrix, s: number|matrix)",
    _quantize_type,
    quantize,
    "X times a number, a factor for each row, or one for each cell, rounded down; a hint that it compresses well",
    family="compress",
    definition="compress(floor(X * s))",
    samples=(
        'matrix("1.25 -2.5 NaN 0.3", 2, 2), 10',
        'matrix("1.25 -2.5 3 0.3", 2, 2), matrix("10 100", 2, 1)',
        'matrix("1.25 -2.5 3 0.3", 2, 2), matrix("1 2 3 4", 2, 2)',
        "matrix(0, 0, 2), 2.5",
    ),
)
