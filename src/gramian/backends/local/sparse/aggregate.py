"""Aggregates of sparse matrices. Implicit zeros count as cells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from gramian.ir.op import REGISTRY
from gramian.ir.sparse import Dense, by_rows, is_sparse
from gramian.runtime.backend import Kernel

BLOCK = 1 << 22  # cells that are made dense at a time


def by_row_blocks(name: str) -> Kernel:
    """A dense kernel whose result has a row for each row, applied to blocks of rows."""

    def kernel(x: Any) -> Dense:
        x = by_rows(x)
        rows, cols = x.shape
        step = max(1, BLOCK // max(1, cols))
        parts = [REGISTRY[name].kernel(x[at : at + step].toarray()) for at in range(0, rows, step)]
        return np.concatenate(parts) if parts else REGISTRY[name].kernel(np.zeros(x.shape))

    return kernel


def by_column_blocks(name: str) -> Kernel:
    """A dense kernel whose result has a column for each column, applied to blocks of columns."""

    def kernel(x: Any) -> Dense:
        x = x if x.format == "csc" else x.tocsc()
        rows, cols = x.shape
        step = max(1, BLOCK // max(1, rows))
        parts = [REGISTRY[name].kernel(x[:, at : at + step].toarray()) for at in range(0, cols, step)]
        return np.concatenate(parts, axis=1) if parts else REGISTRY[name].kernel(np.zeros(x.shape))

    return kernel


def full_sum(x: Any) -> float:
    return float(np.sum(x.data))


def row_sums(x: Any) -> Dense:
    return np.asarray(x.sum(axis=1), dtype=np.float64).reshape(-1, 1)


def column_sums(x: Any) -> Dense:
    return np.asarray(x.sum(axis=0), dtype=np.float64).reshape(1, -1)


def mean(x: Any, weights: Any = None) -> float:
    if weights is not None:
        dense = [v.toarray() if is_sparse(v) else v for v in (x, weights)]
        return float(REGISTRY["mean"].kernel(*dense))
    cells = int(x.shape[0] * x.shape[1])
    return full_sum(x) / cells if cells else math.nan


def variance(x: Any) -> float:
    cells = x.shape[0] * x.shape[1]
    if cells <= 1:
        return 0.0 if cells else math.nan
    centre = mean(x)
    return float((np.sum((x.data - centre) ** 2) + (cells - x.nnz) * centre**2) / (cells - 1))


def _variances(x: Any, axis: int) -> Dense:
    """Variances down the rows (axis 0) or along them (axis 1), in two passes over the stored cells."""
    x = x.tocoo()
    count = x.shape[axis]
    place = x.coords[1 - axis]
    groups = x.shape[1 - axis]
    if count <= 1:
        return np.full(groups, 0.0 if count else np.nan)
    centre = np.bincount(place, weights=x.data, minlength=groups) / count
    stored = np.bincount(place, minlength=groups)
    squares = np.bincount(place, weights=(x.data - centre[place]) ** 2, minlength=groups)
    result: Dense = (squares + (count - stored) * centre**2) / (count - 1)
    return result


def product(x: Any) -> float:
    stored = float(np.prod(x.data))
    return stored if x.nnz == x.shape[0] * x.shape[1] else stored * 0.0


KERNELS: Mapping[str, Kernel] = {
    "sum": full_sum,
    "rowSums": row_sums,
    "colSums": column_sums,
    "mean": mean,
    "rowMeans": lambda x: row_sums(x) / x.shape[1],
    "colMeans": lambda x: column_sums(x) / x.shape[0],
    "var": variance,
    "sd": lambda x: math.sqrt(variance(x)),
    "rowVars": lambda x: _variances(x, 1).reshape(-1, 1),
    "colVars": lambda x: _variances(x, 0).reshape(1, -1),
    "rowSds": lambda x: np.sqrt(_variances(x, 1)).reshape(-1, 1),
    "colSds": lambda x: np.sqrt(_variances(x, 0)).reshape(1, -1),
    "prod": product,
    "trace": lambda x: float(np.sum(x.diagonal())),
    **{name: by_row_blocks(name) for name in ("rowMins", "rowMaxs", "rowProds", "rowIndexMax", "rowIndexMin")},
    **{name: by_column_blocks(name) for name in ("colMins", "colMaxs", "colProds")},
}
