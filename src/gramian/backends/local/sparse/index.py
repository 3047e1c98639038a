"""Indexing sparse matrices, and turning them into numbers and text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gramian.ir.op import REGISTRY
from gramian.ir.sparse import by_rows, is_sparse, settle
from gramian.ops.index import bounds, store, writable
from gramian.runtime.backend import Kernel


def right_index(target: Any, row: Any, row_end: Any, column: Any, column_end: Any) -> Any:
    return settle(by_rows(target)[bounds(target, 0, row, row_end), bounds(target, 1, column, column_end)])


def left_index(target: Any, value: Any, *region: Any) -> Any:
    changed = writable(target)
    store(changed, value, *region)
    return changed


def as_scalar(x: Any) -> Any:
    return REGISTRY["as.scalar"].kernel(x.toarray() if is_sparse(x) and x.shape == (1, 1) else x)


def to_string(target: Any, rows: int, cols: int, decimal: int, sparse: bool, sep: str, linesep: str) -> str:
    if is_sparse(target):
        top = by_rows(target)[: rows if rows >= 0 else None, : cols if cols >= 0 else None]
        target = top.toarray()
    text: str = REGISTRY["toString"].kernel(target, rows, cols, decimal, sparse, sep, linesep)
    return text


KERNELS: Mapping[str, Kernel] = {
    "rightIndex": right_index,
    "leftIndex": left_index,
    "as.scalar": as_scalar,
    "toString": to_string,
}
