"""Format csv for frames: quotes as in RFC 4180, missing cells as empty fields, a schema for types of columns."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

from gramian.errors import OperationError
from gramian.io import numbers
from gramian.io.files import BOM, failing_as, part_files
from gramian.ir.frame import BOOLEAN, FP64, STRING, Frame, default_names

if TYPE_CHECKING:
    from gramian.io.plan import ReadPlan

_BATCH_ROWS = 1 << 16
_MIN_BLOCK = 1 << 20


def read_frame(plan: ReadPlan) -> Frame:
    """A frame from a file or a folder of part files, whose header is in the first part.

    Short lines are padded with missing cells, as SystemDS does.

    Raises:
        OperationError: a line has too many fields, or a cell does not fit the schema.
    """
    import pyarrow as pa

    tables = []
    names: list[str] | None = None
    cols = plan.cols
    for part in part_files(plan.path):
        with failing_as("read", part), open(part, "rb") as file:
            data = file.read().removeprefix(BOM)
        lines = 0
        if plan.header:
            record, rest = _first_record(data)
            if names is None:
                header, names = record, [n or f"C{j + 1}" for j, n in enumerate(_fields(record, plan.sep))]
            if record == header:
                data, lines = rest, record.count(b"\n")
        if data:
            cols = cols or _count_columns(data, names, plan)
            tables.append(_table(data, cols, plan, part, lines))
    if not tables:
        raise OperationError(f"'{plan.path}' has no rows" if plan.header else f"'{plan.path}' is empty")
    table = pa.concat_tables(tables).combine_chunks()
    return typed(Frame(table.rename_columns(names_for(names, table.num_columns, plan.path))), plan)


def _count_columns(data: bytes, names: Sequence[str] | None, plan: ReadPlan) -> int:
    if names:
        return len(names)
    return len(plan.schema) if len(plan.schema) > 1 else len(_fields(_first_record(data)[0], plan.sep))


def names_for(names: Sequence[str] | None, cols: int, path: str) -> list[str]:
    """The names of the header, or default names if there is none."""
    if names is None:
        return default_names(cols)
    if len(names) != cols:
        raise OperationError(f"the header of '{path}' has {len(names)} names, but there are {cols} columns")
    return list(names)


def typed(frame: Frame, plan: ReadPlan) -> Frame:
    """The frame with the types of the schema, which names one for each column or one for all."""
    if not plan.schema:
        return frame
    cols = frame.shape[1]
    types = plan.schema * cols if len(plan.schema) == 1 else plan.schema
    if len(types) != cols:
        raise OperationError(f"the schema of '{plan.path}' has {len(types)} types, but the frame has {cols} columns")
    try:
        return frame.with_types(types)
    except OperationError as problem:
        raise OperationError(f"'{plan.path}': {problem.message}", problem.hint) from None


def write_frame(file: IO[bytes], frame: Frame, *, header: bool, sep: str) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    if header:
        names = _quoted(pa.array(frame.names, pa.string()), sep)
        file.write((sep.join(names.to_pylist()) + "\n").encode())
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


def _first_record(data: bytes) -> tuple[bytes, bytes]:
    """The first line, together with those that belong to it because a quoted text goes on, and the rest."""
    end, quotes = 0, 0
    while True:
        stop = data.find(b"\n", end) + 1 or len(data)
        quotes += data.count(b'"', end, stop)
        end = stop
        if quotes % 2 == 0 or end == len(data):
            return data[:end], data[end:]


def _fields(record: bytes, sep: str) -> list[str]:
    lines = record.decode("utf-8", "replace").splitlines(keepends=True)
    return next(csv.reader(lines, delimiter=sep), [""]) or [""]


def _table(data: bytes, cols: int, plan: ReadPlan, path: str, lines_before: int) -> Any:
    """The cells as text."""
    import pyarrow as pa

    try:
        return _parse(data, cols, plan, max(_MIN_BLOCK, 2 * len(_first_record(data)[0])))
    except pa.ArrowInvalid:
        padded = _padded(data, cols, plan, path, lines_before)
    try:
        return _parse(padded, cols, plan, max(_MIN_BLOCK, len(padded)))
    except pa.ArrowInvalid as problem:
        raise OperationError(f"cannot read '{path}': {problem}") from None


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


def _padded(data: bytes, cols: int, plan: ReadPlan, path: str, lines_before: int) -> bytes:
    """The text with the missing separators at the ends of its short lines."""
    try:
        lines = data.decode().removesuffix("\n").split("\n")
    except UnicodeDecodeError as problem:
        raise OperationError(f"'{path}' is not UTF-8 text: {problem.reason} at byte {problem.start + 1}") from None
    reader = csv.reader((line + "\n" for line in list(lines)), delimiter=plan.sep, strict=True)
    try:
        for row in reader:
            line = lines_before + reader.line_num
            if len(row) > cols:
                raise OperationError(f"'{path}' line {line}: expected {cols} fields, found {len(row)}")
            if not row and cols > 1:
                raise OperationError(f"'{path}' line {line}: the line is empty")
            last = lines[reader.line_num - 1]
            lines[reader.line_num - 1] = last.rstrip("\r") + plan.sep * (cols - max(1, len(row)))
    except csv.Error as problem:
        line = lines_before + reader.line_num
        raise OperationError(f"'{path}' line {line}: {problem}", "check the quotes around texts") from None
    return ("\n".join(lines) + "\n").encode()
