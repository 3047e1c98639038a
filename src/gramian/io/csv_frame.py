"""Format csv for frames: quotes as in RFC 4180, missing cells as empty fields, a schema for types of columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

from gramian.errors import OperationError
from gramian.io import numbers
from gramian.io.chunks import Chunk
from gramian.io.files import BOM, failing_as, part_files
from gramian.ir import imputed
from gramian.ir.frame import BOOLEAN, FP64, STRING, Frame, default_names

if TYPE_CHECKING:
    from gramian.io.plan import ReadPlan

_BATCH_ROWS = 1 << 16
_MIN_BLOCK = _HEAD_BYTES = 1 << 20
_META = "#Meta·".encode()
_EMPTY_LINE = re.compile(rb"(^|\n)\r?\n")


def read_frame(plan: ReadPlan) -> Frame:
    """A frame from a file or a folder of part files, whose header is in the first part.

    Short lines are padded with missing cells, as SystemDS does.

    Raises:
        OperationError: a line has too many fields, or a cell does not fit the schema.
    """
    import pyarrow as pa

    tables = []
    header: list[str] | None = None
    values: list[str] | None = None  # what fills missing cells, in the files of metadata frames
    cols = plan.cols
    for part in part_files(plan.path):
        with failing_as("read", part), open(part, "rb") as file:
            data = file.read().removeprefix(BOM)
        with _about(part):
            lines = 0
            if plan.header:
                length, fields = _first_record(data, plan.sep)
                if header in (None, fields):
                    header = fields
                    data, lines = data[length:], data.count(b"\n", 0, length)
            while data.startswith(_META):
                length, fields = _first_record(data, plan.sep)
                values = fields if fields[0] == imputed.VALUES_LINE else values
                data, lines = data[length:], lines + 1
            if data:
                cols = cols or _count_columns(data, header, plan)
                tables.append(_table(data, cols, plan, Lines(lines)))
    if not tables:
        raise OperationError(f"'{plan.path}' has no rows" if plan.header else f"'{plan.path}' is empty")
    table = pa.concat_tables(tables).combine_chunks()
    frame = typed(Frame(table.rename_columns(_names(header, table.num_columns, plan.path))), plan)
    with _about(plan.path):
        return frame if values is None else imputed.with_csv_line(frame, values)


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a file before some text: so many, or those before a byte, which are counted when a message needs them."""

    count: int
    path: str = ""
    start: int = 0

    def __int__(self) -> int:
        return Chunk(b"", self.path, self.start).line - 1 if self.start else self.count


def records(data: bytes, names: Sequence[str], plan: ReadPlan, before: Lines) -> Frame:
    """Some records of a file, which has columns of these names.

    Raises:
        OperationError: as `read_frame`.
    """
    with _about(before.path):
        table = _table(data, len(names), plan, before)
    return typed(Frame(table.rename_columns(list(names))), plan)


def first_record(path: str, plan: ReadPlan) -> tuple[int, list[str]] | None:
    """The place behind the first record of a file, and its fields; None if the file begins as a metadata frame does."""
    with failing_as("read", path), open(path, "rb") as file:
        size = _HEAD_BYTES
        while True:
            data = file.read(size)
            mark = len(BOM) if data.startswith(BOM) else 0
            with _about(path):
                length, fields = _first_record(data[mark:], plan.sep)
            if mark + length < len(data) or len(data) < size:
                break
            file.seek(0)
            size *= 16
    after = data[mark + length :]
    return None if data.startswith(_META, mark) or after.startswith(_META) else (mark + length, fields)


def names_of(header: Sequence[str] | None, first: Sequence[str], plan: ReadPlan) -> list[str]:
    """The names of the columns, from the header or else from the fields of the first record."""
    cols = plan.cols or len(header or ()) or (len(plan.schema) if len(plan.schema) > 1 else len(first))
    return _names(header, cols, plan.path)


def _count_columns(data: bytes, header: Sequence[str] | None, plan: ReadPlan) -> int:
    if header:
        return len(header)
    return len(plan.schema) if len(plan.schema) > 1 else len(_first_record(data, plan.sep)[1])


def _names(header: Sequence[str] | None, cols: int, path: str) -> list[str]:
    """The names of the header, with default names where it has none."""
    names = default_names(cols)
    if header is None:
        return names
    if len(header) != cols:
        raise OperationError(f"the header of '{path}' has {len(header)} names, but there are {cols} columns")
    return [name or default for name, default in zip(header, names, strict=True)]


def typed(frame: Frame, plan: ReadPlan) -> Frame:
    """The frame with the types of the schema, which names one for each column or one for all."""
    if not plan.schema:
        return frame
    cols = frame.shape[1]
    types = plan.schema * cols if len(plan.schema) == 1 else plan.schema
    if len(types) != cols:
        raise OperationError(f"the schema of '{plan.path}' has {len(types)} types, but the frame has {cols} columns")
    with _about(plan.path):
        return frame.with_types(types)


def check_flat(field: Any, path: str) -> None:
    """Refuse columns whose cells are lists or structures."""
    import pyarrow as pa

    if pa.types.is_nested(field.type):
        raise OperationError(
            f"column '{field.name}' of '{path}' is nested ({field.type}); the cells of a frame are single values",
            "write each part of it as a column of its own first",
        )


@contextmanager
def _about(path: str) -> Iterator[None]:
    """Errors name the file."""
    try:
        yield
    except OperationError as problem:
        raise OperationError(f"'{path}' {problem.message}", problem.hint) from None


def write_frame(file: IO[bytes], frame: Frame, *, header: bool, sep: str) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    if header:
        names = _quoted(pa.array(frame.names, pa.string()), sep)
        file.write((sep.join(names.to_pylist()) + "\n").encode())
    file.writelines(f"{line}\n".encode() for line in imputed.csv_lines(frame, sep))
    for start in range(0, frame.shape[0], _BATCH_ROWS):
        columns = [
            _quoted(cells, sep) if kind == STRING else cells
            for cells, kind in zip(texts(frame, start, _BATCH_ROWS), frame.types, strict=True)
        ]
        rows = pc.binary_join_element_wise(*columns, sep, null_handling="replace", null_replacement="")
        file.write(numbers.buffer_of(pc.binary_join_element_wise(rows, "", "\n")))


def texts(frame: Frame, start: int, count: int) -> list[Any]:
    """The cells of some rows as text, column by column, missing ones missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def text(cells: Any, kind: str) -> Any:
        if kind == FP64:
            missing = cells.is_null()
            return pc.if_else(missing, None, numbers.texts(numbers.to_numpy(pc.fill_null(cells, 0.0))))
        return pc.if_else(cells, "TRUE", "FALSE") if kind == BOOLEAN else cells.cast(pa.string())

    columns = frame.table.slice(start, count).columns
    return [text(column.combine_chunks(), kind) for column, kind in zip(columns, frame.types, strict=True)]


def _quoted(cells: Any, sep: str) -> Any:
    """Quotes around texts that need them; an empty text differs from a missing cell by its quotes."""
    import pyarrow.compute as pc

    needed = pc.or_(pc.match_substring_regex(cells, rf'["\r\n]|\x{ord(sep):02x}'), pc.equal(cells, ""))
    if not pc.any(needed).as_py():
        return cells
    doubled = pc.replace_substring(cells, '"', '""')
    return pc.if_else(needed, pc.binary_join_element_wise('"', doubled, '"', ""), cells)


def _first_record(data: bytes, sep: str) -> tuple[int, list[str]]:
    """The length of the first record, which may go on over several lines within quotes, and its fields."""
    length = 0

    def lines() -> Iterator[str]:
        nonlocal length
        for line in BytesIO(data):
            length += len(line)
            yield line.decode("utf-8", "replace")

    try:
        fields = next(csv.reader(lines(), delimiter=sep), [])
    except csv.Error as problem:
        raise OperationError(f"line 1: {problem}", "check the quotes around texts") from None
    return length, fields or [""]


def _table(data: bytes, cols: int, plan: ReadPlan, lines_before: Lines) -> Any:
    """The cells as text."""
    import pyarrow as pa

    if not data.endswith(b"\n"):  # without one, Arrow takes a missing cell at the end for an empty text
        data += b"\n"
    # Arrow passes over quotes that are not closed, and takes an empty line for one of missing cells.
    if data.count(b'"') % 2 == 0 and not (cols > 1 and _EMPTY_LINE.search(data)):
        try:
            return _parse(data, cols, plan, max(_MIN_BLOCK, 2 * _first_record(data, plan.sep)[0]))
        except pa.ArrowInvalid:
            pass  # what is wrong, and whether padding helps, shows below
    padded = _padded(data, cols, plan, lines_before)
    try:
        return _parse(padded, cols, plan, max(_MIN_BLOCK, len(padded)))
    except pa.ArrowInvalid as problem:
        raise OperationError(f"cannot be read: {problem}") from None


def _parse(data: bytes, cols: int, plan: ReadPlan, block_bytes: int) -> Any:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names = [str(j) for j in range(cols)]
    return arrow_csv.read_csv(
        pa.py_buffer(data),
        read_options=arrow_csv.ReadOptions(column_names=names, block_size=block_bytes),
        parse_options=arrow_csv.ParseOptions(
            delimiter=plan.sep, newlines_in_values=b'"' in data, ignore_empty_lines=False
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=["", *plan.na_strings],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _padded(data: bytes, cols: int, plan: ReadPlan, lines_before: Lines) -> bytes:
    """The text with the missing separators at the ends of its short lines."""
    try:
        lines = data.decode().removesuffix("\n").split("\n")
    except UnicodeDecodeError as problem:
        raise OperationError(f"is not UTF-8 text: {problem.reason} at byte {problem.start + 1}") from None
    reader = csv.reader((line + "\n" for line in list(lines)), delimiter=plan.sep, strict=True)

    def line() -> int:
        return int(lines_before) + reader.line_num

    try:
        for row in reader:
            if len(row) > cols:
                raise OperationError(f"line {line()}: expected {cols} fields, found {len(row)}")
            if not row and cols > 1:
                raise OperationError(f"line {line()}: the line is empty")
            last = lines[reader.line_num - 1]
            lines[reader.line_num - 1] = last.rstrip("\r") + plan.sep * (cols - max(1, len(row)))
    except csv.Error as problem:
        raise OperationError(f"line {line()}: {problem}", "check the quotes around texts") from None
    return ("\n".join(lines) + "\n").encode()
