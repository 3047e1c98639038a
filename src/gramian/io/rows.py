"""Matrices, dense or sparse, some rows at a time: for writers, which never need all of a matrix in another form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from gramian.ir.disk import DiskTranspose, is_on_disk, panel_of
from gramian.ir.sparse import by_rows, is_sparse

Matrix = npt.NDArray[np.float64]

BATCH_CELLS = 1 << 18


def dense_blocks(matrix: Any) -> Iterator[Matrix]:
    """Blocks of rows as dense matrices, all of the same size except for the last."""
    matrix = by_rows(matrix) if is_sparse(matrix) else matrix
    step = max(1, BATCH_CELLS // max(1, matrix.shape[1]))
    for start in range(0, matrix.shape[0], step):
        yield np.ascontiguousarray(panel_of(matrix, start, min(matrix.shape[0], start + step)))


def stored_blocks(matrix: Any) -> Iterator[tuple[int, Any]]:
    """Blocks of rows in compressed rows, without stored zeros, and the position of the first row of each."""
    from scipy.sparse import csr_array

    if not is_sparse(matrix):
        start = 0
        for block in dense_blocks(matrix):
            yield start, csr_array(block)
            start += len(block)
        return
    matrix = by_rows(matrix)
    rows = matrix.shape[0]
    start = 0
    while start < rows:
        stop = int(np.searchsorted(matrix.indptr, matrix.indptr[start] + BATCH_CELLS, "right")) - 1
        stop = min(max(stop, start + 1), start + BATCH_CELLS, rows)
        block = matrix[start:stop]
        if not block.data.all():
            block = block.copy()  # slices may share their cells with the matrix
            block.eliminate_zeros()
        yield start, block
        start = stop


def nonzeros(matrix: Any) -> int:
    """The number of cells that are not zero."""
    if is_on_disk(matrix):
        base = matrix.T if isinstance(matrix, DiskTranspose) else matrix
        return sum(int(np.count_nonzero(block)) for block in dense_blocks(base))
    return int(np.count_nonzero(matrix.data if is_sparse(matrix) else matrix))
