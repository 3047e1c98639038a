"""Products with sparse matrices, on all cores.

SciPy multiplies on one core but lets other threads run meanwhile, so blocks of rows are multiplied side by side. An
implicit zero times NaN or infinity is NaN: rows of the dense operand that hold such cells go through a dense product.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from gramian.backends.local.threads import in_parallel
from gramian.errors import SizeError
from gramian.ir.cores import cores
from gramian.ir.sparse import Dense, by_rows, is_sparse, settle
from gramian.runtime.backend import Kernel

PARALLEL = 200_000  # multiplications; fewer are not worth the threads


def product(a: Any, b: Any) -> Any:
    if a.shape[1] != b.shape[0]:
        raise SizeError(
            f"operator %*% cannot multiply a {a.shape[0]}x{a.shape[1]} and a {b.shape[0]}x{b.shape[1]} matrix: "
            f"{a.shape[1]} columns meet {b.shape[0]} rows"
        )
    if is_sparse(a) and is_sparse(b):
        if np.isfinite(a.data).all() and np.isfinite(b.data).all():
            return settle(a @ b)
        return a.toarray() @ b.toarray()
    if is_sparse(a):
        return sparse_dense(a, b)
    return sparse_dense(b.T, a.T).T


def sparse_dense(a: Any, b: Dense) -> Dense:
    """Sparse times dense; the dense result."""
    finite = np.isfinite(b).all(axis=1)
    if finite.all():
        return _in_parallel(a, b)
    plain, odd = np.flatnonzero(finite), np.flatnonzero(~finite)
    result: Dense = _in_parallel(by_rows(a[:, plain]), b[plain]) + a[:, odd].toarray() @ b[odd]
    return result


def _in_parallel(a: Any, b: Dense) -> Dense:
    workers = cores()
    # Rows of b must be contiguous; a copy is small beside the product.
    b = np.ascontiguousarray(b)
    if workers == 1 or a.nnz * b.shape[1] < PARALLEL:
        return _times(a, b)
    blocks = _split(a, workers)
    if a.format == "csr":
        return np.concatenate(in_parallel(lambda block: _times(block[0], b), blocks))
    result, *parts = in_parallel(lambda block: _times(block[0], b[block[1]]), blocks)
    for part in parts:
        result += part
    return result


def _times(a: Any, b: Dense) -> Dense:
    if b.shape[1] == 1:
        vector: Dense = (a @ b[:, 0]).reshape(-1, 1)
        return vector
    result: Dense = a @ b
    return result


def _split(a: Any, parts: int) -> list[tuple[Any, slice]]:
    """Blocks of rows (of columns, if it is stored by columns) with about the same number of stored cells; no copies."""
    ends = np.searchsorted(a.indptr, np.linspace(0, a.nnz, parts + 1)[1:-1])
    edges = [0, *np.unique(ends).tolist(), len(a.indptr) - 1]
    blocks = []
    for start, stop in pairwise(edges):
        first, last = int(a.indptr[start]), int(a.indptr[stop])
        block = type(a)((stop - start, a.shape[1]) if a.format == "csr" else (a.shape[0], stop - start))
        # Given to the constructor, parts of arrays would be copied.
        block.data, block.indices = a.data[first:last], a.indices[first:last]
        block.indptr = a.indptr[start : stop + 1] - a.indptr.dtype.type(first)
        blocks.append((block, slice(start, stop)))
    return blocks


KERNELS: Mapping[str, Kernel] = {"%*%": product}
