"""Reorganising sparse matrices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gramian.errors import SizeError
from gramian.ir.op import REGISTRY
from gramian.ir.sparse import by_rows, densify, is_sparse, settle
from gramian.ir.values import ListValue
from gramian.ops.reorg import matrices_of
from gramian.runtime.backend import Kernel


def bind(name: str, axis: int) -> Kernel:
    """cbind and rbind, with at least one sparse operand."""

    def kernel(*values: Any) -> Any:
        from scipy.sparse import csr_array, hstack, vstack

        first = values[0]
        matrices = matrices_of(name, first) if isinstance(first, ListValue) else list(values)
        across = {m.shape[1 - axis] for m in matrices}
        if len(across) > 1:
            what = "columns" if axis == 0 else "rows"
            shapes = ", ".join(f"{m.shape[0]}x{m.shape[1]}" for m in matrices)
            raise SizeError(f"{name}() needs matrices of as many {what}, found {shapes}")
        parts = [m if is_sparse(m) else csr_array(m) for m in matrices]
        return settle((vstack if axis == 0 else hstack)(parts, format="csr"))

    return kernel


def order(target: Any, by: Any, decreasing: bool, index_return: bool) -> Any:
    """Rows in the order of some columns, which alone become dense."""
    columns = np.atleast_1d(np.asarray(by.toarray() if is_sparse(by) else by)).reshape(-1).astype(np.int64)
    if len(columns) and (columns.min() < 1 or columns.max() > target.shape[1]):
        return REGISTRY["order"].kernel(np.zeros((1, target.shape[1])), by, decreasing, index_return)  # its error
    keys = by_rows(target)[:, columns - 1].toarray()
    positions = np.arange(1, len(columns) + 1, dtype=np.float64).reshape(1, -1)
    places = REGISTRY["order"].kernel(keys, positions, decreasing, True)
    return places if index_return else settle(by_rows(target)[places[:, 0].astype(np.int64) - 1])


def diag(x: Any) -> Any:
    from scipy.sparse import diags_array

    rows, cols = x.shape
    if rows == cols and rows > 1:
        return x.diagonal().reshape(-1, 1)
    if cols == 1 and rows > 1:
        return settle(diags_array(x.toarray()[:, 0], format="csr"))
    return REGISTRY["diag"].kernel(x.toarray())


def matrix(data: Any, rows: int, cols: int, byrow: bool) -> Any:
    """Reshape."""
    if rows * cols != data.shape[0] * data.shape[1] or rows < 0:
        return REGISTRY["matrix"].kernel(data.toarray(), rows, cols, byrow)  # its error
    reshaped = data.tocoo().reshape((rows, cols), order="C" if byrow else "F")
    return settle(reshaped.tocsr())


def roll(x: Any, k: int) -> Any:
    rows = x.shape[0]
    return by_rows(x)[(np.arange(rows) - k) % rows] if rows else x


def append(*values: Any) -> Any:
    """An entry to a list, or columns to a matrix."""
    kernel = REGISTRY["append"].kernel if isinstance(values[0], ListValue) else bind("cbind", 1)
    return kernel(*values)


def as_matrix(x: Any) -> Any:
    """A matrix as it is, also out of a list."""
    if isinstance(x, ListValue) and len(x) == 1:
        return as_matrix(x.items[0])
    return x if is_sparse(x) else REGISTRY["as.matrix"].kernel(densify_list(x))


def densify_list(x: Any) -> Any:
    return ListValue([densify(item) for item in x.items], x.names) if isinstance(x, ListValue) else x


BINDING: Mapping[str, Kernel] = {
    "cbind": bind("cbind", 1),
    "rbind": bind("rbind", 0),
    "append": append,
    "as.matrix": as_matrix,
}


def compress(x: Any, bins: Any = None) -> Any:
    """Without bins the matrix is as compressed as it can be."""
    return x if bins is None else REGISTRY["compress"].kernel(x.toarray(), densify(bins))


KERNELS: Mapping[str, Kernel] = {
    "compress": compress,
    "decompress": lambda x: x,
    "t": lambda x: x.T,
    "rev": lambda x: by_rows(x)[::-1],
    "roll": roll,
    "order": order,
    "diag": diag,
    "matrix": matrix,
}
