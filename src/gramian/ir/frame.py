"""Frames: tables with typed and named columns, as immutable values around an Arrow table.

Every column has one of four types, all of which have room for missing cells; other names of types are aliases of these.
PyArrow is imported where it is used, since most scripts have no frames.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gramian.errors import OperationError, SizeError, did_you_mean
from gramian.ir.scalar import text
from gramian.ir.types import ScalarValue

STRING, BOOLEAN, INT64, FP64 = "STRING", "BOOLEAN", "INT64", "FP64"
COLUMN_TYPES = (STRING, BOOLEAN, INT64, FP64)
NULL = "null"  # the text of a missing cell
_NAMES_OF = {
    STRING: "string str character char hash32 hash64 unknown",
    BOOLEAN: "boolean bool",
    INT64: "int64 int integer int32 uint8 uint4 long",
    FP64: "fp64 double float fp32",
}
_ALIASES = {alias: name for name, aliases in _NAMES_OF.items() for alias in aliases.split()}
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")  # longer ones do not fit into INT64
_MANY_CHUNKS = 64


_rows_before: ContextVar[int] = ContextVar("rows of a frame before those at hand", default=0)


@contextmanager
def after_rows(count: int) -> Iterator[None]:
    """Meanwhile, messages number the rows of frames as if so many came before them: they are parts of a larger frame."""
    token = _rows_before.set(count)
    try:
        yield
    finally:
        _rows_before.reset(token)


def row_number(row: int) -> int:
    """The number, from 1, under which messages name a row."""
    return row + 1 + _rows_before.get()


def column_type(name: str) -> str:
    """The column type that a name in a schema means, in upper or lower case.

    Raises:
        OperationError: there is no such type.
    """
    found = _ALIASES.get(name.strip().lower())
    if found is None:
        hint = (
            did_you_mean(name.strip().upper(), map(str.upper, _ALIASES)) or f"the types are {', '.join(COLUMN_TYPES)}"
        )
        raise OperationError(f"'{name}' is no type of a frame column", hint)
    return found


def default_names(count: int) -> list[str]:
    return [f"C{j}" for j in range(1, count + 1)]


class Frame:
    """A table. Columns have positions from 0 here and names for the reader; operations return new frames."""

    __slots__ = ("table", "types")

    table: Final[Any]
    types: tuple[str, ...]  # the type of each column

    def __init__(self, table: Any) -> None:
        """A frame of any Arrow table: its columns get the nearest of the four types."""
        given = table.columns
        columns = [_standard(column) for column in given]
        if any(new is not old for new, old in zip(columns, given, strict=True)):
            table = _arrow().table(columns, names=table.column_names)
        self.table = table
        self.types = tuple(_type_of(column) for column in columns)

    @classmethod
    def of(cls, columns: Sequence[Any], types: Sequence[str], names: Sequence[str] | None = None) -> Frame:
        """From columns of Python values or Arrow arrays, None for a missing cell."""
        pa = _arrow()
        arrays = [
            c if isinstance(c, pa.ChunkedArray | pa.Array) else pa.array(c, type=_arrow_type(t))
            for c, t in zip(columns, types, strict=True)
        ]
        return cls(pa.table(arrays, names=list(names) if names is not None else default_names(len(arrays))))

    @classmethod
    def from_matrix(cls, matrix: npt.NDArray[np.float64], names: Sequence[str] | None = None) -> Frame:
        """FP64 columns, whatever their cells hold; NaN is a number here, not a missing cell."""
        rows, cols = matrix.shape
        if cols == 0:
            return cls(_empty(rows))
        return cls.of([_arrow().array(np.array(column, np.float64)) for column in matrix.T], [FP64] * cols, names)

    def __reduce__(self) -> Any:
        """Only the cells travel that it has, not all those of a larger frame that it is a part of."""
        if not self.types:
            return Frame.without_columns, (self.shape[0],)
        pa = _arrow()
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.table.schema) as writer:
            writer.write_table(self.table)
        return _unpickled, (sink.getvalue().to_pybytes(),)

    @classmethod
    def without_columns(cls, rows: int) -> Frame:
        return cls(_empty(rows))

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.table.num_rows), len(self.types)

    @property
    def nbytes(self) -> int:
        return int(self.table.nbytes)

    @property
    def names(self) -> list[str]:
        return list(self.table.column_names)

    @property
    def has_default_names(self) -> bool:
        return self.names == default_names(len(self.types))

    def __repr__(self) -> str:
        rows, cols = self.shape
        return f"Frame({rows}x{cols}, {dict(zip(self.names, self.types, strict=True))})"

    def with_names(self, names: Sequence[str]) -> Frame:
        if len(names) != len(self.types):
            raise SizeError(f"a frame of {len(self.types)} columns cannot take {len(names)} names")
        return Frame(self.table.rename_columns(list(names))) if names else self

    def with_types(self, types: Sequence[str]) -> Frame:
        """The frame with its columns converted.

        Raises:
            OperationError: a cell does not fit the type.
            SizeError: the number of types is not that of columns.
        """
        if len(types) != len(self.types):
            raise SizeError(f"a frame of {len(self.types)} columns cannot take {len(types)} types")
        if tuple(types) == self.types:
            return self
        return Frame.of([self._converted(j, t) for j, t in enumerate(types)], types, self.names)

    def column(self, position: int) -> list[ScalarValue | None]:
        """The cells of a column, None where missing."""
        cells: list[ScalarValue | None] = self.table.column(position).to_pylist()
        return cells

    def texts(self, position: int) -> list[str]:
        """The cells of a column as text, missing ones as `null`."""
        return [NULL if cell is None else text(cell) for cell in self.column(position)]

    def cell(self, row: int, col: int) -> ScalarValue:
        """One cell. A missing one is NaN in a column of numbers and the text `null` elsewhere."""
        value: ScalarValue | None = self.table.column(col)[row].as_py()
        if value is not None:
            return value
        return math.nan if self.types[col] in (INT64, FP64) else NULL

    def select(self, rows: slice, cols: slice) -> Frame:
        """A region, by positions that lie within the frame. Default names start again at C1."""
        start, stop, _ = rows.indices(self.shape[0])
        positions = list(range(*cols.indices(len(self.types))))
        part = Frame(self.table.select(positions).slice(start, stop - start))
        return part.with_names(default_names(len(positions))) if self.has_default_names else part

    def replace(self, rows: slice, cols: slice, value: Frame | npt.NDArray[np.float64] | ScalarValue) -> Frame:
        """The frame with a region replaced by a frame or matrix of its size, or filled with a scalar; types stay.

        Raises:
            OperationError: a cell does not fit the type of its column.
            SizeError: the frame has another size than the region.
        """
        start, stop, _ = rows.indices(self.shape[0])
        positions = list(range(*cols.indices(len(self.types))))
        size = (stop - start, len(positions))
        if isinstance(value, np.ndarray):
            value = Frame.from_matrix(value)
        if isinstance(value, Frame) and value.shape != size:
            raise SizeError(f"a {_size(value.shape)} frame cannot replace a {_size(size)} region of a frame")
        if isinstance(value, Frame):
            value = value.with_names([self.names[j] for j in positions])  # those that messages are to show
        columns = self.table.columns
        for k, j in enumerate(positions):
            if isinstance(value, Frame):
                new = value._converted(k, self.types[j])
            else:
                cell = self._fitted(value, start, j, self.types[j])
                new = _arrow().repeat(_arrow().scalar(cell, type=_arrow_type(self.types[j])), size[0])
            columns[j] = _joined([columns[j].slice(0, start), new, columns[j].slice(stop)], self.types[j])
        return Frame.of(columns, self.types, self.names) if positions else self

    @classmethod
    def cbind(cls, frames: Sequence[Frame]) -> Frame:
        """Frames side by side. Names stay, except that default names count through."""
        rows = frames[0].shape[0]
        for frame in frames:
            if frame.shape[0] != rows:
                raise SizeError(f"cbind() needs frames of equal numbers of rows, found {rows} and {frame.shape[0]}")
        names: list[str] = []
        for frame in frames:
            count = len(names) + len(frame.types)
            names += default_names(count)[len(names) :] if frame.has_default_names else frame.names
        if not names:
            return frames[0]
        return cls.of([c for f in frames for c in f.table.columns], [t for f in frames for t in f.types], names)

    @classmethod
    def rbind(cls, frames: Sequence[Frame]) -> Frame:
        """Frames below each other, with the names of the first. Types that differ become STRING, or FP64 of numbers."""
        first = frames[0]
        for frame in frames:
            if len(frame.types) != len(first.types):
                raise SizeError(
                    f"rbind() needs frames of equal numbers of columns, found {len(first.types)} and {len(frame.types)}"
                )
        if not first.types:
            return cls(_empty(sum(f.shape[0] for f in frames)))
        types = common_types(frames)
        columns = [_joined([f._converted(j, t) for f in frames], t) for j, t in enumerate(types)]
        return cls.of(columns, types, first.names)

    def to_matrix(self) -> npt.NDArray[np.float64]:
        """The cells as numbers: TRUE is 1, FALSE 0, missing and blank cells are NaN.

        Raises:
            OperationError: a cell holds text that is no number.
        """
        result = np.empty(self.shape)
        for j in range(len(self.types)):
            result[:, j] = self._converted(j, FP64).to_numpy()
        return result

    def compare(self, other: Frame, symbol: str) -> Frame:
        """A BOOLEAN frame of cell-by-cell comparisons: of numbers as numbers, of other columns as text.

        A missing cell equals missing cells only, and is neither less nor greater than any.
        """
        if self.shape != other.shape:
            raise SizeError(f"operator {symbol} cannot compare a {_size(self.shape)} and a {_size(other.shape)} frame")
        columns = [self._compared(other, j, symbol) for j in range(len(self.types))]
        return Frame.of(columns, [BOOLEAN] * len(columns)) if columns else self

    def _compared(self, other: Frame, position: int, symbol: str) -> Any:
        pc = _compute()
        numeric = {self.types[position], other.types[position]} <= {INT64, FP64}
        a, b = (f._converted(position, FP64 if numeric else STRING) for f in (self, other))
        result = pc.fill_null(_comparisons(pc)[symbol](a, b), False)
        if symbol in ("==", "!="):
            one, both = pc.xor(pc.is_null(a), pc.is_null(b)), pc.and_(pc.is_null(a), pc.is_null(b))
            result = pc.or_(result, both if symbol == "==" else one)
        return result

    def _converted(self, position: int, target: str) -> Any:
        """A column in another type."""
        column = self.table.column(position)
        if self.types[position] == target:
            return column
        fast = _cast(column, self.types[position], target)
        if fast is not None:
            return fast
        cells = [self._fitted(v, i, position, target) for i, v in enumerate(column.to_pylist())]
        return _arrow().chunked_array([_arrow().array(cells, type=_arrow_type(target))])

    def _fitted(self, value: ScalarValue | None, row: int, position: int, target: str) -> ScalarValue | None:
        """A cell in another type; the row and column are named if it does not fit."""
        try:
            return as_cell(value, target)
        except ValueError:
            what = "not a number" if target == FP64 else f"not of type {target}"
            place = f"row {row_number(row)}, column {position + 1} ({self.names[position]}) of a frame"
            hint = "transformencode() turns text into numbers" if target == FP64 else None
            raise OperationError(f"{shown(value)} in {place} is {what}", missing_hint(value) or hint) from None


def _unpickled(data: bytes) -> Frame:
    return Frame(_arrow().ipc.open_stream(data).read_all())


def missing_hint(value: ScalarValue | None) -> str | None:
    """What to do about a text that is no number, if such texts usually stand for a missing value."""
    if not isinstance(value, str) or value.strip().lower() not in ("na", "n/a", "null", "none", "?", "-", "."):
        return None
    return f"if '{value}' stands for a missing value, read the csv file with naStrings=\"{value}\""


def shown(value: ScalarValue | None) -> str:
    """A cell in a message."""
    return f"'{value}'" if isinstance(value, str) else NULL if value is None else text(value)


def as_cell(value: ScalarValue | None, target: str) -> ScalarValue | None:
    """A cell in another column type; None is a missing cell, and so is blank text where a number is due.

    Raises:
        ValueError: the type cannot hold it without a change.
    """
    if value is None:
        return None
    if target == STRING:
        return text(value)
    if target == BOOLEAN and isinstance(value, str) and value.strip().lower() in ("t", "f"):
        return value.strip().lower() == "t"
    number = _number(value)
    if number is None:
        return None
    if target == FP64:
        return float(number)
    if target == BOOLEAN and number in (0, 1):
        return number == 1
    if target == INT64 and -(2**63) <= number < 2**63 and number == int(number):
        return int(number)
    raise ValueError(value)


def _number(value: ScalarValue) -> int | float | None:
    if not isinstance(value, str):
        return value if isinstance(value, float) else int(value)
    digits = value.strip().lower()
    if not digits:
        return None
    if digits in ("true", "false"):
        return int(digits == "true")
    if "_" in digits:  # Python also reads 1_000
        raise ValueError(value)
    return int(digits) if _WHOLE.fullmatch(digits) else float(digits)


def _cast(column: Any, source: str, target: str) -> Any:
    """Arrow's conversion of a whole column, or None where it may refuse or mean something else than `as_cell`."""
    pa, pc = _arrow(), _compute()
    if target == STRING:
        if source == BOOLEAN:
            return pc.if_else(column, "TRUE", "FALSE")
        return column.cast(pa.string()) if source == INT64 else None
    if target == BOOLEAN:
        return None
    if source == STRING and target == INT64 and pc.any(pc.match_substring(column, "x", ignore_case=True)).as_py():
        return None  # Arrow reads 0x10
    try:
        return column.cast(_arrow_type(target), safe=source != INT64)
    except pa.ArrowInvalid:
        return None  # as_cell reads more forms, and says what is wrong


def common_types(frames: Sequence[Frame]) -> tuple[str, ...]:
    """For each column of some frames of equal width the type that holds the cells of all."""
    return tuple(_common_type({frame.types[j] for frame in frames}) for j in range(len(frames[0].types)))


def _common_type(types: set[str]) -> str:
    if len(types) == 1:
        return next(iter(types))
    return FP64 if types == {INT64, FP64} else STRING


def _joined(parts: Sequence[Any], kind: str) -> Any:
    """Columns or pieces of them below each other."""
    pa = _arrow()
    pieces = [chunk for part in parts for chunk in (part.chunks if isinstance(part, pa.ChunkedArray) else [part])]
    column = pa.chunked_array([p for p in pieces if len(p)], type=_arrow_type(kind))
    return column.combine_chunks() if column.num_chunks > _MANY_CHUNKS else column


def _standard(column: Any) -> Any:
    """A column in the nearest of the four types."""
    kind, pa = column.type, _arrow()
    if kind in (pa.string(), pa.bool_(), pa.int64(), pa.float64()):
        return column
    if pa.types.is_dictionary(kind):
        return _standard(column.cast(kind.value_type))
    if pa.types.is_integer(kind):
        return column.cast(pa.int64())
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return column.cast(pa.float64())
    return column.cast(pa.string())


def _type_of(column: Any) -> str:
    pa = _arrow()
    names = {pa.string(): STRING, pa.bool_(): BOOLEAN, pa.int64(): INT64, pa.float64(): FP64}
    return names[column.type]


def _arrow_type(kind: str) -> Any:
    pa = _arrow()
    return {STRING: pa.string(), BOOLEAN: pa.bool_(), INT64: pa.int64(), FP64: pa.float64()}[kind]


def _empty(rows: int) -> Any:
    """A table of rows without columns."""
    return _arrow().table([_arrow().nulls(rows)], names=["C1"]).select([])


def _comparisons(pc: Any) -> dict[str, Callable[[Any, Any], Any]]:
    return {
        "==": pc.equal,
        "!=": pc.not_equal,
        "<": pc.less,
        "<=": pc.less_equal,
        ">": pc.greater,
        ">=": pc.greater_equal,
    }


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[0]}x{shape[1]}"


def _arrow() -> Any:
    import pyarrow

    return pyarrow


def _compute() -> Any:
    import pyarrow.compute

    return pyarrow.compute
