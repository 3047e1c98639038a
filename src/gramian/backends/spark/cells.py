"""The cells of some rows of a distributed matrix: a dense array, or compressed rows where that is worth it.

Which of the two is a matter of each block, not of the matrix: `settled` decides, as locally. Both lie in files in NumPy's
format, which are mapped into memory: a dense block as a matrix, one in compressed rows as bytes, one array after the other.
What needs cells in the dense form asks `dense` for them; of panels that are too large for that, the driver takes fewer
rows at a time (see `matrix.in_panels`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any

import numpy as np

from gramian.backends.local.dispatch import TooDenseError
from gramian.ir.sparse import by_rows, compact, is_sparse, settle, worth

Cells = Any  # a dense array, or a sparse one of SciPy by rows
DENSE_ROOM = 1 << 27  # bytes of a panel that may become dense
HEAD = 8  # numbers that begin a block in compressed rows


def settled(cells: Cells, dtype: Any) -> Cells:
    """What a block keeps: contiguous rows, or compressed ones in order and without zeros if that is worth it."""
    if not is_sparse(cells):
        return np.ascontiguousarray(cells, dtype)
    found = by_rows(cells).astype(dtype, copy=False)
    if not found.has_canonical_format or not found.data.all():
        found = found.copy()  # others may hold its arrays
        found.sum_duplicates()
        found.eliminate_zeros()
    return settle(found)


def as_worth(cells: Cells) -> Cells:
    """Cells that were read, as they suit: settled() would leave dense ones as they are."""
    return cells if is_sparse(cells) else compact(cells)


def stored_cells(cells: Cells) -> int:
    """How many cells are kept: of a dense array, all of them."""
    return int(cells.nnz if is_sparse(cells) else cells.size)


def stacked(parts: Sequence[Cells], axis: int = 0) -> Cells:
    """Some parts, dense or not, as one."""
    if len(parts) == 1:
        return parts[0]
    if not any(map(is_sparse, parts)):
        return np.concatenate(parts, axis=axis)
    from gramian.backends.local.sparse import ANY

    return ANY["cbind" if axis else "rbind"](*parts)


def dense(cells: Cells) -> Any:
    """The cells as a dense array.

    Raises:
        TooDenseError: it would be too large.
    """
    if not is_sparse(cells):
        return cells
    rows, cols = cells.shape
    needed = rows * cols * cells.dtype.itemsize
    if needed > DENSE_ROOM:
        raise TooDenseError(f"a panel of {rows} rows of a sparse matrix needs {needed / 1e9:.1f} GB cell by cell")
    return cells.toarray()


def product(a: Cells, b: Cells) -> Any:
    """a %*% b, dense."""
    if not is_sparse(a) and not is_sparse(b):
        return a @ b
    from gramian.backends.local.sparse import ANY
    from gramian.ir.cores import limited

    with limited(1):
        return dense(ANY["%*%"](a, b))


def reshaped(cells: Cells, offset: int, shape: tuple[int, int]) -> Cells:
    """So many cells from some place on, counted row by row, in rows of another length."""
    rows, cols = shape
    if not is_sparse(cells):
        return cells.reshape(-1)[offset : offset + rows * cols].reshape(shape)
    from scipy.sparse import csr_array

    here = np.repeat(np.arange(cells.shape[0], dtype=np.int64), np.diff(cells.indptr))
    place = here * cells.shape[1] + cells.indices - offset
    inside = (place >= 0) & (place < rows * cols)
    place = place[inside]
    return csr_array((cells.data[inside], (place // cols, place % cols)), shape=shape)


# -- sizes ---------------------------------------------------------------------------------------------------------------


def row_bytes(cols: int, cell: int, sparsity: float) -> int:
    """About how many bytes a row takes of which that share of the cells is stored."""
    if not is_worth(sparsity):
        return cols * cell
    return int(cols * sparsity * (cell + 4)) + 8


def is_worth(sparsity: float) -> bool:
    """Are large blocks in compressed rows if that share of the cells is stored?"""
    return worth(1 << 30, int(sparsity * (1 << 30)))


# -- files ---------------------------------------------------------------------------------------------------------------


def save(file: IO[bytes], cells: Cells) -> None:
    np.save(file, packed(by_rows(cells)) if is_sparse(cells) else cells)


def load(file: IO[bytes], dtype: Any) -> Cells:
    """What was saved, of a whole file."""
    found = np.load(file)
    return unpacked(found, None, dtype) if found.ndim == 1 else found


def packed(cells: Cells) -> Any:
    """Compressed rows as bytes, each array at a place that suits its numbers."""
    numbers = (*cells.shape, cells.nnz, cells.indptr.dtype.itemsize, cells.indices.dtype.itemsize)
    head = np.zeros(HEAD, np.int64)
    head[: len(numbers)] = numbers
    parts = []
    for part in (head, cells.data[: cells.nnz], cells.indptr, cells.indices[: cells.nnz]):
        flat = np.ascontiguousarray(part).view(np.uint8)
        parts += [flat, np.zeros(-flat.size % 8, np.uint8)]
    return np.concatenate(parts)


def unpacked(raw: Any, shape: tuple[int, int] | None, dtype: Any) -> Cells | None:
    """The compressed rows in these bytes; None if they are not whole, or not of the shape that is expected, if one is."""
    from scipy.sparse import csr_array

    at = HEAD * 8
    if raw.dtype != np.uint8 or raw.size < at:
        return None
    rows, cols, stored, *widths = raw[:at].view(np.int64)[:5].tolist()
    if shape not in (None, (rows, cols)) or min(stored, *widths) < 0 or not set(widths) <= {4, 8}:
        return None
    arrays = []
    for count, kind in ((stored, np.dtype(dtype)), (rows + 1, f"i{widths[0]}"), (stored, f"i{widths[1]}")):
        size = count * np.dtype(kind).itemsize
        if at + size > raw.size:
            return None
        arrays.append(raw[at : at + size].view(kind))
        at += size + -size % 8
    data, starts, columns = arrays
    # SciPy's loops trust these numbers: wrong ones would end the worker.
    if at != raw.size or starts[0] != 0 or starts[-1] != stored or (starts[1:] < starts[:-1]).any():
        return None
    if stored and columns.view(f"u{widths[1]}").max() >= cols:
        return None
    found = csr_array((data, columns, starts), shape=(rows, cols))
    found.has_canonical_format = True
    return found
