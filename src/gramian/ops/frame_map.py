"""map(): a new frame by an expression of the cells, rows, columns or pairs of cells of a frame.

An expression sees the texts of cells. Expressions of cells and of pairs are evaluated once for each distinct text.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from gramian.errors import OperationError, SizeError
from gramian.ir.frame import STRING, Frame, default_names, row_number, shown
from gramian.ir.op import define
from gramian.ir.types import Type, frame as frame_type
from gramian.ops import frame_lambda, frame_python
from gramian.ops.frame_lambda import Lambda

Cell = str | None
CELLS, ROWS, COLUMNS = range(3)
_REST = "0.0"  # below and on the diagonal of a frame of pairs
_FAILURES = (ArithmeticError, AttributeError, LookupError, OperationError, TypeError, ValueError, re.error)


def translate(text: str) -> Lambda:
    """The function that an expression describes, in Java's manner or, behind a prefix, in Python."""
    if text.lstrip().startswith(frame_python.PREFIX):
        return frame_python.translate(text.lstrip())
    return frame_lambda.translate(text)


def map_frame(target: Frame, expression: str, margin: int) -> Frame:
    function = translate(expression)
    _check(function, margin, target.shape[1])
    texts = target.with_types([STRING] * target.shape[1])
    if function.params == 2:
        return _pairs(texts, function)
    return (_cells, _rows, _columns)[margin](texts, function)


def _check(function: Lambda, margin: int | None, cols: int | None) -> None:
    if margin not in (CELLS, ROWS, COLUMNS, None):
        raise OperationError(f"argument 'margin' of map() must be 0 (cells), 1 (rows) or 2 (columns), found {margin}")
    if function.params == 1:
        return
    if margin not in (CELLS, None):
        raise OperationError("an expression of map() with two parameters works on cells, not on rows or columns")
    if cols not in (1, None):
        raise SizeError(
            f"an expression of map() with two parameters needs a frame of one column, found {cols} columns",
            "take a column with F[, i]",
        )


def _map_type(target: Type, expression: Type, margin: Type) -> Type:
    if not isinstance(expression.value, str):
        return frame_type()
    function = translate(expression.value)
    _check(function, margin.int_value(), target.cols)
    return frame_type(target.rows, target.rows if function.params == 2 else target.cols)


# -- cells ------------------------------------------------------------------------------------------------------------


def _cells(texts: Frame, function: Lambda) -> Frame:
    count = texts.shape[1]
    columns = [_mapped(texts, j, function) for j in range(count)]
    return Frame.of(columns, [STRING] * count, texts.names) if columns else texts


def _mapped(texts: Frame, position: int, function: Lambda) -> Any:
    """A column with the expression applied to each distinct text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = texts.table.column(position)
    distinct = column.drop_null().unique()
    call, results, text = function.call, [], ""
    try:
        for text in distinct.to_pylist():
            value = call(text)
            results.append(value if value.__class__ is str else _result(value, function))
    except _FAILURES as error:
        raise _failure(error, function, _Place(texts, position, text=text), text) from None
    return pa.array(results, pa.string()).take(pc.index_in(column, value_set=distinct).combine_chunks())


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a cell stands, for messages."""

    texts: Frame
    position: int | None
    row: int | None = None
    text: str | None = None  # for one of many cells with this text, of which the first is named

    def __str__(self) -> str:
        parts = []
        row = self.row
        if self.position is not None and self.text is not None:
            row = self.texts.column(self.position).index(self.text)
        if row is not None:
            parts.append(f"row {row_number(row)}")
        if self.position is not None:
            parts.append(f"column {self.position + 1} ({self.texts.names[self.position]})")
        return ", ".join(parts)


def _failure(error: Exception, function: Lambda, place: _Place, *cells: str) -> OperationError:
    """What went wrong in an expression, with the cells that it was for."""
    found = f" for {' and '.join(map(shown, cells))}" if cells else ""
    hint = error.hint if isinstance(error, OperationError) else None
    reason = str(error) or type(error).__name__
    return OperationError(f"map() cannot compute {function.body}{found} in {place}: {reason}", hint)


def _result(value: Any, function: Lambda) -> Cell:
    """One result as the text of a cell; null or None is a missing one."""
    if value is None:
        return None
    if isinstance(value, bool | int | float | str):
        return function.show(value)
    hint = "take one entry of it with [i], or use margin=1 or margin=2" if isinstance(value, list) else None
    kind = "an array" if isinstance(value, list) else f"a {type(value).__name__}"
    raise OperationError(f"the result is {kind}, not text or a number", hint)


# -- rows and columns -------------------------------------------------------------------------------------------------


def _rows(texts: Frame, function: Lambda) -> Frame:
    cols = texts.shape[1]
    cells = zip(*(texts.column(j) for j in range(cols)), strict=True)
    results: dict[Hashable, list[Cell]] = {}
    table = []
    for i, row in enumerate(cells):
        if row not in results:
            results[row] = _array(function, list(row), _Place(texts, None, row=i))
        table.append(results[row])
    if not table:
        return texts
    return Frame.of(list(zip(*table, strict=True)), [STRING] * cols, texts.names)


def _columns(texts: Frame, function: Lambda) -> Frame:
    columns = [_array(function, texts.column(j), _Place(texts, j)) for j in range(texts.shape[1])]
    return Frame.of(columns, [STRING] * len(columns), texts.names) if columns else texts


def _array(function: Lambda, cells: list[Any], place: _Place) -> list[Cell]:
    """The expression of an array, which must give one of the same length."""
    try:
        found = function.call(cells)
        if isinstance(found, list | tuple):
            result = [_result(value, function) for value in found]
        else:
            hint = "leave out margin for an expression of single cells"
            raise OperationError(f"the result is no array of {len(cells)} cells", hint)
    except _FAILURES as error:
        raise _failure(error, function, place) from None
    if len(result) != len(cells):
        raise SizeError(
            f"map() needs an array of {len(cells)} cells from {function.body} in {place}, found {len(result)}"
        )
    return result


# -- pairs ------------------------------------------------------------------------------------------------------------


def _pairs(texts: Frame, function: Lambda) -> Frame:
    """Cell i, j holds the expression of the cells in rows i and j, above the diagonal."""
    cells: list[Any] = texts.column(0)

    @cache
    def compare(a: str, b: str) -> Cell:
        try:
            return _result(function.call(a, b), function)
        except _FAILURES as error:
            raise _failure(error, function, _Place(texts, 0, text=a), a, b) from None

    def column(j: int) -> Iterable[Cell]:
        for i, cell in enumerate(cells):
            if i >= j:
                yield _REST
            else:
                yield None if cell is None or cells[j] is None else compare(cell, cells[j])

    count = len(cells)
    if not count:
        return Frame.of([], [])
    return Frame.of([list(column(j)) for j in range(count)], [STRING] * count, default_names(count))


_WORDS = 'rbind(frame("abc", 1, 1), frame("de", 1, 1))'

define(
    "map(target: frame, lambda: string, margin: int = 0)",
    _map_type,
    map_frame,
    'each cell replaced by an expression of it, as in map(F, "x -> x.length()") or map(F, "py: x.title()"); margin=1 '
    "and margin=2 map arrays of rows and columns, (x, y) all pairs of cells of one column",
    family="frame_map",
    samples=(
        f'{_WORDS}, "x -> x.length()"',
        f'{_WORDS}, "(x, y) -> UtilFunctions.jaccardSim(x, y)"',
        f'{_WORDS}, "py: x.upper() + x"',
        f'{_WORDS}, "py: sorted(x)", 2',
        'frame("a", 2, 2), "x -> new String[]{x[1], x[0]}", margin=1',
        'as.frame(matrix("1 2 NaN 4", 2, 2)), "x -> x"',
        'frame("a", 0, 2), "x -> x.trim()"',
        'frame("a", 0, 1), "(x, y) -> x + y"',
        'frame("a", 2, 0), "x -> x.trim()"',
    ),
)
