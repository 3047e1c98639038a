"""Making frames, and looking at and changing the names and types of their columns."""

from __future__ import annotations

import re
from functools import reduce
from typing import Any

import numpy as np

from gramian.errors import OperationError, SizeError
from gramian.ir.frame import BOOLEAN, FP64, INT64, STRING, Frame, as_cell, column_type, shown
from gramian.ir.op import define
from gramian.ir.scalar import text
from gramian.ir.types import Type
from gramian.ir.types import frame as frame_type
from gramian.ir.values import ListValue

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


def _apply_schema_type(target: Type, schema: Type) -> Type:
    if schema.rows not in (1, None):
        raise SizeError(f"the schema of applySchema() must be a frame of one row, found {schema.describe()}")
    if None not in (target.cols, schema.cols) and target.cols != schema.cols:
        raise SizeError(f"applySchema() needs one type per column, found {schema.cols} types for {target.cols} columns")
    return frame_type(target.rows, target.cols)


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


def detect_schema(target: Frame) -> Frame:
    return row_of_texts([_detected(target, j) for j in range(target.shape[1])])


def _detected(target: Frame, position: int) -> str:
    cells = set(target.column(position))
    texts = {text(cell) for cell in cells if cell is not None}
    filled = {t for t in texts if t.strip()}
    kind = reduce(wider_type, map(guessed_type, filled), None) or STRING
    if kind in _NUMERIC[1:] and {"t", "f"} & {t.strip().lower() for t in filled}:
        kind = STRING  # true is the number 1 in a column of numbers, t is not
    return kind + MISSING_MARK if None in cells or len(filled) < len(texts) else kind


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
    _apply_schema_type,
    apply_schema,
    "frame with its columns converted to the types that a frame of one row names",
    samples=(f'{_FRAME}, frame("STRING", 1, 2)', f'{_FRAME}, frame("fp32·n", 1, 2)'),
)
