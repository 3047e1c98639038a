"""What some iterations changed in a value of which each worker has its own: found by comparison with what was before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from gramian.ir.disk import is_on_disk
from gramian.ir.frame import Frame
from gramian.ir.sparse import by_rows, densify, is_sparse
from gramian.ir.values import ListValue


class Change(Protocol):
    """Gives the value with the change made to it; can be sent to another process."""

    def __call__(self, value: Any, mine: bool = False) -> Any:
        """A matrix that is `mine` may be written into, since nobody else holds it."""


PLACE_BITS = 128  # of the numbers of a row and a column


def difference(before: Any, after: Any) -> Change | None:
    """What makes `after` of `before`, which has the same size; None if nothing does."""
    if after is before:
        return None
    if isinstance(after, ListValue):
        return _entries(before, after)
    if isinstance(after, Frame):
        return _frame_cells(before, after)
    if is_sparse(after) or is_sparse(before):
        return _sparse_cells(before, after)
    return _cells(before, after)


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries of a list, by position."""

    found: Sequence[tuple[int, Any]]

    def __call__(self, value: ListValue, mine: bool = False) -> ListValue:
        items = list(value.items)
        for at, item in self.found:
            items[at] = item
        return ListValue(items, value.names)


def _entries(before: ListValue, after: ListValue) -> Entries:
    pairs = zip(before.items, after.items, strict=True)
    return Entries([(at, new) for at, (old, new) in enumerate(pairs) if new is not old])


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells of a matrix: their rows and columns (or those of all cells, row by row, as one), and what is in them."""

    places: Any
    cells: Any

    def __call__(self, value: Any, mine: bool = False) -> Any:
        changed = by_rows(value).copy() if is_sparse(value) else value if mine else value.copy()
        if len(self.cells):
            changed[self.places] = self.cells
        return changed


@dataclass(frozen=True, slots=True)
class Region:
    """Cells of a part of a dense matrix, most of which changed: the rows and columns, marks in bits, and the cells."""

    rows: slice
    cols: slice
    marks: Any
    cells: Any

    def __call__(self, value: Any, mine: bool = False) -> Any:
        changed = value if mine else value.copy()
        part = changed[self.rows, self.cols]
        part[np.unpackbits(self.marks, count=part.size).view(bool).reshape(part.shape)] = self.cells
        return changed


def _cells(before: Any, after: Any) -> Change:
    before, after = (densify(m.load()) if is_on_disk(m) else m for m in (before, after))
    # Bits are compared, since NaN is not equal to itself, and -0 is equal to 0.
    bits = np.dtype(f"i{after.dtype.itemsize}")
    unlike = np.ascontiguousarray(before).view(bits) != np.ascontiguousarray(after).view(bits)
    rows, cols = (_extent(unlike.any(axis=axis)) for axis in (1, 0))
    part = unlike[rows, cols]
    if np.count_nonzero(part) * PLACE_BITS > part.size:
        return Region(rows, cols, np.packbits(part), after[rows, cols][part])
    places = np.nonzero(unlike)
    return Cells(places, after[places])


def _extent(marks: Any) -> slice:
    found = np.flatnonzero(marks)
    return slice(int(found[0]), int(found[-1]) + 1) if found.size else slice(0, 0)


def _sparse_cells(before: Any, after: Any) -> Cells:
    places = (after != before).nonzero()
    found = after[places]
    return Cells(places, np.asarray(found.toarray() if is_sparse(found) else found).reshape(-1))


@dataclass(frozen=True, slots=True)
class FrameCells:
    """Cells of a frame: for each column that changed a mask of its rows, and what is in them."""

    columns: Sequence[tuple[int, Any, Any]]

    def __call__(self, value: Frame, mine: bool = False) -> Frame:
        import pyarrow.compute as pc

        columns = value.table.columns
        for at, mask, cells in self.columns:
            columns[at] = pc.replace_with_mask(columns[at].combine_chunks(), mask, cells)
        return Frame.of(columns, value.types, value.names)


def _frame_cells(before: Frame, after: Frame) -> FrameCells:
    import pyarrow.compute as pc

    found = []
    for at, (old, new) in enumerate(zip(before.table.columns, after.table.columns, strict=True)):
        if new is old or new.equals(old):
            continue
        old, new = old.combine_chunks(), new.combine_chunks()
        unlike = pc.fill_null(pc.not_equal(old, new), False)
        mask = pc.or_(unlike, pc.xor(pc.is_null(old), pc.is_null(new)))
        found.append((at, mask, new.filter(mask)))
    return FrameCells(found)
