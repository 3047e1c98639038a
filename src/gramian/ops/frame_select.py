"""Selecting, replacing and looking for cells of frames: what removeEmpty, replace and contains mean for them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from gramian.errors import OperationError
from gramian.ir.frame import BOOLEAN, FP64, INT64, STRING, Frame, as_cell, default_names, shown
from gramian.ir.scalar import text
from gramian.ir.types import ScalarValue

Marks = npt.NDArray[np.bool_]
_EMPTY: dict[str, ScalarValue] = {STRING: "", BOOLEAN: False, INT64: 0, FP64: 0.0}


def filled(target: Frame, axis: int) -> Marks:
    """Marks the rows or columns with a cell that is neither missing nor empty text, zero or FALSE."""
    marks = np.zeros(target.shape[axis], dtype=np.bool_)
    for j, column in enumerate(target.table.columns):
        found = _valid(column) & ~_same(column, target.types[j], _EMPTY[target.types[j]])
        if axis == 0:
            marks |= found
        else:
            marks[j] = bool(found.any())
    return marks


def kept(target: Frame, axis: int, keep: Marks, empty_return: bool) -> Frame:
    """The marked rows or columns; if there are none, one of missing cells or nothing."""
    import pyarrow as pa

    rows, cols = target.shape
    if axis == 0:
        if empty_return and not keep.any():
            return _frame([[None]] * cols, list(target.types), target.names, 1)
        columns = [column.filter(pa.array(keep)) for column in target.table.columns]
        return _frame(columns, list(target.types), target.names, int(keep.sum()))
    if empty_return and not keep.any():
        return Frame.of([[None] * rows], [STRING])
    chosen = [int(j) for j in np.flatnonzero(keep)]
    names = default_names(len(chosen)) if target.has_default_names else [target.names[j] for j in chosen]
    return _frame([target.table.column(j) for j in chosen], [target.types[j] for j in chosen], names, rows)


def _frame(columns: list[Any], types: list[str], names: list[str], rows: int) -> Frame:
    return Frame.of(columns, types, names) if columns else Frame.from_matrix(np.empty((rows, 0)))


def replace(target: Frame, pattern: ScalarValue, replacement: ScalarValue) -> Frame:
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = target.table.columns
    for j, column in enumerate(columns):
        marks = _same(column, target.types[j], pattern)
        if marks.any():
            cell = pa.scalar(_fitted(target, j, replacement), column.type)
            columns[j] = pc.if_else(pa.array(marks), cell, column)
    return Frame.of(columns, target.types, target.names) if columns else target


def _fitted(target: Frame, position: int, replacement: ScalarValue) -> ScalarValue | None:
    kind = target.types[position]
    try:
        return as_cell(replacement, kind)
    except ValueError:
        raise OperationError(
            f"replace() cannot put {shown(replacement)} into column {position + 1} ({target.names[position]}) "
            f"of type {kind}",
            "applySchema() changes the types of columns",
        ) from None


def contains(target: Frame, pattern: ScalarValue) -> bool:
    return any(
        _same(column, kind, pattern).any() for column, kind in zip(target.table.columns, target.types, strict=True)
    )


def contains_row(target: Frame, row: Frame) -> bool:
    marks = np.ones(target.shape[0], dtype=np.bool_)
    for j, (column, kind) in enumerate(zip(target.table.columns, target.types, strict=True)):
        cell = row.column(j)[0]
        marks &= ~_valid(column) if cell is None else _same(column, kind, cell)
    return bool(marks.any())


def _same(column: Any, kind: str, pattern: ScalarValue) -> Marks:
    """Marks the cells equal to a scalar: as text in columns of text, else as far as the pattern is of their type.

    NaN finds missing cells of numeric columns too, since as.scalar() of these is NaN.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        cell = text(pattern) if kind == STRING else as_cell(pattern, kind)
    except ValueError:
        cell = None
    if isinstance(pattern, float) and math.isnan(pattern) and kind in (INT64, FP64):
        return _marks(pc.is_null(column, nan_is_null=True))
    if cell is None:
        return np.zeros(len(column), dtype=np.bool_)
    return _marks(pc.fill_null(pc.equal(column, pa.scalar(cell, column.type)), False))


def _valid(column: Any) -> Marks:
    return _marks(column.is_valid())


def _marks(found: Any) -> Marks:
    marks: Marks = found.to_numpy()
    return marks
