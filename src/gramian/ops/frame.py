"""Making frames, and looking at and changing the names and types of their columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from gramian.errors import OperationError, SizeError
from gramian.ir.frame import BOOLEAN, FP64, INT64, STRING, Frame, as_cell, column_type, shown
from gramian.ir.op import define
from gramian.ir.scalar import text
from gramian.ir.types import Kind, ScalarValue, Type, frame as frame_type, size_text
from gramian.ir.values import ListValue
from gramian.ops.rules import Matrix, shape_text

MISSING_MARK = "·n"  # behind a type that detectSchema() names: some cells are missing


def row_of_texts(texts: list[str]) -> Frame:
    """A frame of one row, as the functions about columns return it."""
    return Frame.of([[t] for t in texts], [STRING] * len(texts))


def schema_types(schema: Any) -> list[str]:
    """The column types that a schema names: a list of strings, a frame of one row, or one string with commas."""
    match schema:
        case str():
            names: list[Any] = schema.split(",")
        case Frame():
            names = first_row(schema)
        case ListValue():
            names = list(schema)
        case _:
            names = [schema]
    for name in names:
        if not isinstance(name, str):
            raise OperationError("a schema must hold the names of types as strings", 'write ["STRING", "FP64"]')
    return [column_type(name.removesuffix(MISSING_MARK)) for name in names]


def first_row(schema: Frame) -> list[str]:
    if schema.shape[0] != 1:
        raise SizeError(f"a schema must be a frame of one row, found {schema.shape[0]} rows")
    return [schema.texts(j)[0] for j in range(schema.shape[1])]


def fill(data: Any, rows: int, cols: int, schema: Any = None) -> Frame:
    for name, size in (("rows", rows), ("cols", cols)):
        _check_size(name, size)
    types = [STRING] * cols if schema is None else schema_types(schema)
    if len(types) != cols:
        raise SizeError(f"frame() of {cols} columns gets a schema of {len(types)} types")
    if not types:
        return Frame.from_matrix(np.empty((rows, 0)))
    return Frame.of([[_cell(data, t)] * rows for t in types], types)


def _cell(data: Any, kind: str) -> Any:
    try:
        return as_cell(data, kind)
    except ValueError:
        raise OperationError(f"frame() cannot fill a column of type {kind} with {shown(data)}") from None


def _check_size(name: str, size: int | None) -> None:
    if size is not None and size < 0:
        raise SizeError(f"argument '{name}' of frame() must not be negative, found {size}")


def _fill_type(data: Type, rows: Type, cols: Type, schema: Type) -> Type:
    sizes = rows.int_value(), cols.int_value()
    for name, size in zip(("rows", "cols"), sizes, strict=True):
        _check_size(name, size)
    return frame_type(*sizes)


def _one_row(target: Type) -> Type:
    return frame_type(1, target.cols)


def apply_schema(target: Frame, schema: Frame) -> Frame:
    return target.with_types(schema_types(schema))


def _with_schema(name: str) -> Callable[[Type, Type], Type]:
    """The rule of a function of a frame and the types of its columns."""

    def infer(target: Type, schema: Type) -> Type:
        if schema.rows not in (1, None):
            raise SizeError(f"the schema of {name}() must be a frame of one row, found {schema.describe()}")
        if None not in (target.cols, schema.cols) and target.cols != schema.cols:
            raise SizeError(f"{name}() needs one type per column, found {schema.cols} types for {target.cols} columns")
        return frame_type(target.rows, target.cols)

    return infer


_TRUTHS = frozenset({"true", "false", "t", "f", "0", "1", "0.0", "1.0"})
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_NUMBER = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|inf|infinity)", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{8}(?:[0-9a-f]{8})?")
_SHORT = 7  # characters of a number that certainly are within the precision of FP32
_LONGEST = 20  # characters of an integer of 64 bits
_NUMERIC = (BOOLEAN, "INT32", INT64, "FP32", FP64)  # each can hold the ones before it, but for INT64 in FP32


def guessed_type(cell: str) -> str:
    """The narrowest type of a cell's text, under its name in SystemDS; `column_type` says what that means here."""
    content = cell.strip().lower()
    if content in _TRUTHS:
        return BOOLEAN
    if _WHOLE.fullmatch(content):
        number = int(content) if len(content) <= _LONGEST else 2**63
        return "INT32" if -(2**31) <= number < 2**31 else INT64 if -(2**63) <= number < 2**63 else FP64
    if _NUMBER.fullmatch(content):
        return "FP32" if len(content) <= _SHORT or _is_single(float(content)) else FP64
    if len(content) == 1:
        return "CHARACTER"
    if _HEX.fullmatch(content):
        return "HASH32" if len(content) == 8 else "HASH64"
    return STRING


def _is_single(value: float) -> bool:
    with np.errstate(over="ignore"):
        return value != value or float(np.float32(value)) == value


def wider_type(a: str | None, b: str) -> str:
    if a is None or a == b:
        return b
    if a in _NUMERIC and b in _NUMERIC:
        return FP64 if {a, b} == {INT64, "FP32"} else _NUMERIC[max(_NUMERIC.index(a), _NUMERIC.index(b))]
    return "HASH64" if {a, b} == {"HASH32", "HASH64"} else STRING


@dataclass(frozen=True)
class Guess:
    """What the cells of a column look like: their type if there are any, is one of them t or f, and is one missing?"""

    kind: str | None
    has_letter: bool
    has_missing: bool

    @classmethod
    def together(cls, parts: Iterable[Guess]) -> Guess:
        """That of a column of which these are parts."""
        parts = list(parts)
        kind = reduce(wider_type, (part.kind for part in parts if part.kind is not None), None)
        return cls(kind, any(part.has_letter for part in parts), any(part.has_missing for part in parts))

    def __str__(self) -> str:
        # true is the number 1 in a column of numbers, t is not
        kind = STRING if self.kind in _NUMERIC[1:] and self.has_letter else self.kind or STRING
        return kind + MISSING_MARK if self.has_missing else kind


def detect_schema(target: Frame) -> Frame:
    return row_of_texts(list(map(str, guesses(target))))


def guesses(target: Frame) -> list[Guess]:
    """One for each column."""
    return [_guessed(set(target.column(j))) for j in range(target.shape[1])]


def _guessed(cells: set[Any]) -> Guess:
    texts = {text(cell) for cell in cells if cell is not None}
    filled = {t for t in texts if t.strip()}
    kind = reduce(wider_type, map(guessed_type, filled), None)
    letters = {"t", "f"} & {t.strip().lower() for t in filled}
    return Guess(kind, bool(letters), None in cells or len(filled) < len(texts))


def fits(cell: ScalarValue, kind: str) -> bool:
    """Does the cell look like the type, or like a narrower one? The text `3.0` is no INT64, the number 3.0 is."""
    if kind == STRING:
        return True
    if not isinstance(cell, str):
        try:
            return as_cell(cell, kind) is not None
        except ValueError:
            return False
    guess = guessed_type(cell)
    return guess in _NUMERIC and _NUMERIC.index(guess) <= _NUMERIC.index(kind)


def drop_invalid_type(target: Frame, schema: Frame) -> Frame:
    types = column_types("dropInvalidType", target, schema)
    return _kept(target, lambda column, j: _fitting(column, types[j]))


def column_types(name: str, target: Frame, schema: Frame) -> list[str]:
    """The types of a schema, which must have one for each column."""
    types = schema_types(schema)
    if len(types) != target.shape[1]:
        raise SizeError(f"{name}() needs one type per column, found {len(types)} types for {target.shape[1]} columns")
    return types


def _kept(target: Frame, keep: Callable[[Any, int], Any]) -> Frame:
    """The frame with the cells missing for which `keep`, a function of a column and its position, has no TRUE."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = [pc.if_else(keep(c, j), c, pa.scalar(None, c.type)) for j, c in enumerate(target.table.columns)]
    return Frame.of(columns, target.types, target.names) if columns else target


def _fitting(column: Any, kind: str) -> Any:
    """Marks the cells of a column that fit a type; each distinct cell is looked at once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    good = [cell for cell in column.drop_null().unique().to_pylist() if fits(cell, kind)]
    return pc.is_in(column, value_set=pa.array(good, column.type))


def drop_invalid_length(target: Frame, lengths: Matrix) -> Frame:
    import pyarrow.compute as pc

    _check_lengths(lengths.shape[0], lengths.shape[1], target.shape[1])
    texts = target.with_types([STRING] * target.shape[1]).table.columns
    most = [np.inf if length < 0 else length for length in lengths.ravel()]
    return _kept(target, lambda _, j: pc.less_equal(pc.utf8_length(texts[j]), most[j]))


def _check_lengths(rows: int | None, cols: int | None, count: int | None) -> None:
    if rows not in (1, None) or (None not in (cols, count) and cols != count):
        raise SizeError(
            f"argument 'lengths' of dropInvalidLength() must be one row of {size_text(count)} cells, "
            f"one for each column, found a {shape_text((rows, cols))} matrix"
        )


def _drop_invalid_length_type(target: Type, lengths: Type) -> Type:
    _check_lengths(lengths.rows, lengths.cols, target.cols)
    return frame_type(target.rows, target.cols)


def replicate(target: Frame, row: Frame) -> Frame:
    import pyarrow as pa

    _check_row(*row.shape, target.shape[1])
    columns = [pa.repeat(column[0], target.shape[0]) for column in row.table.columns]
    return Frame.of(columns, row.types, target.names) if columns else target


def _check_row(rows: int | None, cols: int | None, count: int | None) -> None:
    if rows not in (1, None) or (None not in (cols, count) and cols != count):
        raise SizeError(
            f"argument 'row' of freplicate() must be a 1x{size_text(count)} frame, "
            f"found a {shape_text((rows, cols))} frame"
        )


def _replicate_type(target: Type, row: Type) -> Type:
    _check_row(row.rows, row.cols, target.cols)
    return frame_type(target.rows, target.cols)


_NARROWEST = (BOOLEAN, INT64, FP64, STRING)


def value_swap(target: Frame, schema: Frame) -> Frame:
    """Exchange each cell that does not fit its column with the one in its row for which both then fit.

    Of several, a cell that does not fit either comes first, then one in a column of a narrower type, then the left one.
    """
    types = column_types("valueSwap", target, schema)
    count = len(types)
    texts = target.with_types([STRING] * count)
    columns = [texts.column(j) for j in range(count)]
    changed = set()
    for i in _rows_to_repair(texts, types):
        row = [column[i] for column in columns]
        for a, b in _exchanges(row, types):
            changed |= {a, b}
            columns[a][i], columns[b][i] = columns[b][i], columns[a][i]
    kept = target.table.columns
    new_types = [STRING if j in changed else t for j, t in enumerate(target.types)]
    return Frame.of([columns[j] if j in changed else kept[j] for j in range(count)], new_types, target.names)


def _rows_to_repair(texts: Frame, types: list[str]) -> list[int]:
    wrong = np.zeros(texts.shape[0], dtype=np.bool_)
    for column, kind in zip(texts.table.columns, types, strict=True):
        wrong |= ~_fitting(column, kind).to_numpy() & column.is_valid().to_numpy()
    return [int(i) for i in np.flatnonzero(wrong)]


def _exchanges(row: list[Any], types: list[str]) -> Iterator[tuple[int, int]]:
    """Pairs of positions to exchange, one after the other."""

    def good(cell: Any, position: int) -> bool:
        return cell is None or fits(cell, types[position])

    for a in range(len(row)):
        if good(row[a], a):
            continue
        others = [b for b in range(len(row)) if b != a and good(row[a], b) and good(row[b], a)]
        if others:
            best = min(others, key=lambda b: (good(row[b], b), _NARROWEST.index(types[b]), b))
            row[a], row[best] = row[best], row[a]
            yield a, best


def _compare_type(a: Type, b: Type, op: Type) -> Type:
    if not (a.kind is b.kind is Kind.FRAME):
        raise OperationError(
            f"operator {op.value} cannot compare {a.describe()} and {b.describe()}",
            "frames are compared with frames; as.matrix() or as.scalar() take numbers out of one",
        )
    if any(None not in sizes and sizes[0] != sizes[1] for sizes in ((a.rows, b.rows), (a.cols, b.cols))):
        raise SizeError(f"operator {op.value} cannot compare {a.describe()} and {b.describe()}")
    return frame_type(a.rows if a.rows is not None else b.rows, a.cols if a.cols is not None else b.cols)


_FRAME = 'as.frame(matrix("1 2.5 3 0", 2, 2))'

define(
    "frame(data: scalar, rows: int, cols: int, schema: list|frame|string = missing)",
    _fill_type,
    fill,
    "frame with the same value in every cell; columns are STRING without a schema",
    samples=('"a", 2, 3', '1, 3, 1, "INT64"', "0.5, 0, 2"),
)
define(
    "colnames(target: frame)",
    _one_row,
    lambda target: row_of_texts(target.names),
    "names of the columns of a frame, as a frame of one row",
    samples=(_FRAME, 'frame("a", 0, 3)'),
)
define(
    "typeof(target: frame)",
    _one_row,
    lambda target: row_of_texts(list(target.types)),
    "types of the columns of a frame, as a frame of one row",
    samples=(_FRAME, 'frame("a", 0, 3)'),
)
define(
    "detectSchema(target: frame)",
    _one_row,
    detect_schema,
    "narrowest type that holds all cells of a column, as a frame of one row; ·n marks missing cells",
    samples=(_FRAME, 'frame("a", 0, 3)'),
)
define(
    "applySchema(target: frame, schema: frame)",
    _with_schema("applySchema"),
    apply_schema,
    "frame with its columns converted to the types that a frame of one row names",
    samples=(f'{_FRAME}, frame("STRING", 1, 2)', f'{_FRAME}, frame("fp32·n", 1, 2)'),
)
_SCHEMA = 'frame("INT64", 1, 2)'

define(
    "dropInvalidType(target: frame, schema: frame)",
    _with_schema("dropInvalidType"),
    drop_invalid_type,
    "frame without the cells that do not look like the types that a frame of one row names; they become missing",
    samples=(f"{_FRAME}, {_SCHEMA}", f'frame("x", 2, 2), {_SCHEMA}', f'frame("x", 0, 2), {_SCHEMA}'),
)
define(
    "dropInvalidLength(target: frame, lengths: matrix)",
    _drop_invalid_length_type,
    drop_invalid_length,
    "frame without the cells whose text is longer than the length for their column; -1 allows any",
    samples=(f'{_FRAME}, matrix("3 -1", 1, 2)', 'frame("long", 2, 2), matrix("3 4", 1, 2)'),
)
define(
    "freplicate(target: frame, row: frame)",
    _replicate_type,
    replicate,
    "frame of the size of another one, with every row equal to a frame of one row",
    samples=(f'{_FRAME}, frame("a", 1, 2)', 'frame("a", 0, 3), frame(1, 1, 3)'),
)
define(
    "valueSwap(target: frame, schema: frame)",
    _with_schema("valueSwap"),
    value_swap,
    "frame with cells that do not look like the types of their columns exchanged with cells of their rows, "
    "where both fit then",
    samples=(
        f"{_FRAME}, {_SCHEMA}",
        'cbind(frame("1", 2, 1), frame("x", 2, 1)), applySchema(frame("STRING", 1, 2), frame("STRING", 1, 2))',
    ),
)
define(
    "frameCompare(a: any, b: any, op: string)",
    _compare_type,
    lambda a, b, op: a.compare(b, op),
    "BOOLEAN frame of the comparisons of cells, written a == b and so on",
    internal=True,
    samples=(
        f'{_FRAME}, {_FRAME}, "=="',
        'frame("a", 2, 2), frame("b", 2, 2), "<"',
        'frame("a", 0, 2), frame("b", 0, 2), "!="',
    ),
)
