"""Selecting and replacing cells of sparse matrices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gramian.ir.op import REGISTRY
from gramian.ir.sparse import Dense, by_rows, densify, is_sparse, settle, with_cells
from gramian.runtime.backend import Kernel


def remove_empty(target: Any, margin: str, selected: Any, empty_return: bool) -> Any:
    if not is_sparse(target):
        return REGISTRY["removeEmpty"].kernel(target, margin, densify(selected), empty_return)
    rows, cols = target.shape
    across = margin == "rows"
    if selected is None:
        target = target.copy()  # others may hold its arrays
        target.eliminate_zeros()
        keep = target.count_nonzero(axis=1 if across else 0) > 0
    else:
        flags: Dense = selected.toarray() if is_sparse(selected) else selected
        keep = flags.reshape(-1) != 0
    if margin not in ("rows", "cols") or len(keep) != (rows if across else cols) or not keep.any():
        small = np.zeros((1, cols) if across else (rows, 1))
        flags = np.zeros((1, 1)) if selected is None or len(keep) == (rows if across else cols) else selected
        return REGISTRY["removeEmpty"].kernel(small, margin, flags, empty_return)  # its error, or nothing kept
    return settle(by_rows(target)[keep] if across else target.tocsc()[:, keep])


def replace(target: Any, pattern: float, replacement: float) -> Any:
    if pattern == 0:
        return REGISTRY["replace"].kernel(target.toarray(), pattern, replacement)
    hits = np.isnan(target.data) if pattern != pattern else target.data == pattern
    return settle(with_cells(target, np.where(hits, replacement, target.data)))


def contains(target: Any, pattern: Any) -> bool:
    if not is_sparse(target):
        return bool(REGISTRY["contains"].kernel(target, densify(pattern)))
    if isinstance(pattern, np.ndarray) or is_sparse(pattern):
        row = pattern.toarray() if is_sparse(pattern) else pattern
        block = 4096
        x = by_rows(target)
        parts = (x[at : at + block].toarray() for at in range(0, x.shape[0], block))
        return any(REGISTRY["contains"].kernel(part, row) for part in parts)
    if pattern == 0 and target.nnz < target.shape[0] * target.shape[1]:
        return True
    return bool(REGISTRY["contains"].kernel(target.data.reshape(1, -1), pattern))


def triangle(name: str) -> Kernel:
    def kernel(target: Any, diag: bool, values: bool) -> Any:
        from scipy.sparse import tril, triu

        if not values:
            return REGISTRY[name].kernel(np.zeros(target.shape), diag, values)
        if name == "lower.tri":
            return settle(tril(target, 0 if diag else -1, format="csr"))
        return settle(triu(target, 0 if diag else 1, format="csr"))

    return kernel


KERNELS: Mapping[str, Kernel] = {
    "removeEmpty": remove_empty,
    "replace": replace,
    "contains": contains,
    "lower.tri": triangle("lower.tri"),
    "upper.tri": triangle("upper.tri"),
}
