"""Sparse matrices: SciPy's compressed rows or columns, and the one place that decides which matrices are sparse.

A transposed sparse matrix is the same arrays read by columns, so that `t(X)` copies nothing; whoever needs rows asks
`by_rows`. SciPy is imported only where a sparse matrix is made.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Dense = npt.NDArray[np.float64]  # float32 in single precision

# Sparse arrays take 12 bytes a stored cell instead of 8 a cell (in single precision 8 instead of 4), and their kernels
# several times as long for it.
DENSEST = 0.3
SMALLEST = 1 << 14  # cells; below, dense is always faster
LARGEST_ZERO = 1 << 27  # cells; constant zero matrices from this size on (1 GiB) are not stored cell by cell


def is_sparse(value: object) -> bool:
    return type(value) is not np.ndarray and hasattr(value, "indptr")


def worth(cells: int, stored: int) -> bool:
    """Should a matrix with that many stored cells be sparse?"""
    return cells >= SMALLEST and stored <= cells * DENSEST


def settle(value: Any) -> Any:
    """A sparse result in the representation that suits it: canonical rows or columns, or dense."""
    rows, cols = value.shape
    if not worth(rows * cols, value.nnz):
        return value.toarray()
    if value.format not in ("csr", "csc"):
        value = value.tocsr()
    value.sum_duplicates()
    return value


def compact(value: Dense) -> Any:
    """A dense matrix that was just made, as a sparse one if it is worth it. Costs one pass over its cells."""
    if value.size < SMALLEST or not worth(value.size, int(np.count_nonzero(value))):
        return value
    from scipy.sparse import csr_array

    return csr_array(value)


def densify(value: Any) -> Any:
    """Any value with sparse matrices replaced by dense ones."""
    return value.toarray() if is_sparse(value) else value


def by_rows(value: Any) -> Any:
    return value if value.format == "csr" else value.tocsr()


def zeros(rows: int, cols: int, dtype: npt.DTypeLike = np.float64) -> Any:
    """A matrix of zeros; a very large one takes no memory."""
    if rows * cols < LARGEST_ZERO:
        return np.zeros((rows, cols), dtype)
    from scipy.sparse import csr_array

    return csr_array((rows, cols), dtype=dtype)


def array_bytes(value: Any) -> int:
    """The bytes of the arrays of a matrix in memory; zero for what is none."""
    if is_sparse(value):
        return int(value.data.nbytes + value.indices.nbytes + value.indptr.nbytes)
    return int(getattr(value, "nbytes", 0))


def with_cells(value: Any, cells: Dense) -> Any:
    """The same places with other cells."""
    return type(value)((cells, value.indices, value.indptr), shape=value.shape)
