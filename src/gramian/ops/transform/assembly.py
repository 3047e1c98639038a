"""From encoded columns to one matrix, sparse if that is worth it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from gramian.ir.sparse import densify, is_sparse, settle, worth
from gramian.ops.transform.cells import Codes, Vector

_ROWS = 1 << 13  # rows that are written at a time, so that they stay in the cache


@dataclass(frozen=True, slots=True)
class Values:
    """A column of numbers as it is."""

    cells: Vector
    width: int = 1

    @property
    def stored(self) -> int:
        return int(np.count_nonzero(self.cells))


@dataclass(frozen=True, slots=True)
class Indicators:
    """For each code from 1 a column that is 1 where a row has that code."""

    codes: Codes
    width: int

    @property
    def stored(self) -> int:
        return int(np.count_nonzero(self.codes))


@dataclass(frozen=True, slots=True)
class Part:
    """Several columns that are a matrix already, dense or sparse."""

    matrix: Any

    @property
    def width(self) -> int:
        return int(self.matrix.shape[1])

    @property
    def stored(self) -> int:
        return int(self.matrix.nnz if is_sparse(self.matrix) else np.count_nonzero(self.matrix))


Block = Values | Indicators | Part


def as_values(codes: Codes) -> Values:
    """Codes as numbers, NaN for code 0."""
    cells = codes.astype(np.float64)
    cells[codes == 0] = np.nan
    return Values(cells)


def assemble(blocks: Sequence[Block], rows: int) -> Any:
    """The matrix of all blocks side by side."""
    width = sum(block.width for block in blocks)
    if worth(rows * width, sum(block.stored for block in blocks)):
        return _sparse(blocks, rows)
    return _dense(blocks, rows, width)


def _dense(blocks: Sequence[Block], rows: int, width: int) -> Any:
    result = np.zeros((rows, width))
    starts = np.cumsum([0, *(block.width for block in blocks)]).tolist()
    blocks = [Part(densify(block.matrix)) if isinstance(block, Part) else block for block in blocks]
    for first in range(0, rows, _ROWS):
        part = slice(first, first + _ROWS)
        for block, start in zip(blocks, starts, strict=False):
            match block:
                case Values():
                    result[part, start] = block.cells[part]
                case Indicators():
                    codes = block.codes[part]
                    there = np.flatnonzero(codes)
                    result[first + there, start - 1 + codes[there]] = 1
                case Part():
                    result[part, start : start + block.width] = block.matrix[part]
    return result


def _sparse(blocks: Sequence[Block], rows: int) -> Any:
    from scipy.sparse import csr_array, hstack

    parts = []
    for is_part, group in groupby(blocks, lambda block: isinstance(block, Part)):
        if is_part:
            parts += [csr_array(block.matrix) for block in group if isinstance(block, Part)]
        else:
            parts.append(_rows([block for block in group if not isinstance(block, Part)], rows))
    return settle(parts[0] if len(parts) == 1 else hstack(parts, format="csr"))


def _rows(blocks: Sequence[Values | Indicators], rows: int) -> Any:
    """Compressed rows of columns that have at most one cell a row each."""
    from scipy.sparse import csr_array

    count = len(blocks)
    cols = np.empty((rows, count), np.int32)
    cells = np.ones((rows, count))
    kept = np.ones((rows, count), np.bool_)
    starts = np.cumsum([0, *(block.width for block in blocks)]).tolist()
    for first in range(0, rows, _ROWS):
        part = slice(first, first + _ROWS)
        for j, block in enumerate(blocks):
            if isinstance(block, Indicators):
                np.add(block.codes[part], starts[j] - 1, out=cols[part, j])
                np.not_equal(block.codes[part], 0, out=kept[part, j])
            else:
                cols[part, j] = starts[j]
                cells[part, j] = block.cells[part]
                np.not_equal(block.cells[part], 0, out=kept[part, j])
    ends = np.zeros(rows + 1, np.int64)
    if kept.all():
        ends[:] = np.arange(rows + 1) * count
        indices, data = cols.reshape(-1), cells.reshape(-1)
    else:
        np.cumsum(kept.sum(axis=1), out=ends[1:])
        indices, data = cols[kept], cells[kept]
    places = ends.astype(np.int32) if ends[-1] < 2**31 else ends
    result = csr_array((data, indices, places), shape=(rows, starts[-1]))
    result.has_canonical_format = True  # columns of a row ascend by construction
    return result
