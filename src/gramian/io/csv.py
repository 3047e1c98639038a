"""Format csv: one row a line, fields between separators.

Matrices are read in chunks of whole lines, by several threads. Arrow parses a chunk, which is fast; a chunk that is not
clean takes a slower way, which knows all forms of numbers and where they stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gramian.errors import OperationError
from gramian.io import numbers
from gramian.io.chunks import Chunk, in_order, places
from gramian.io.files import total_bytes
from gramian.io.rows import dense_blocks
from gramian.ir.disk import Room, put
from gramian.ir.sparse import LARGEST_ZERO, settle, worth

if TYPE_CHECKING:
    from gramian.io.plan import ReadPlan

Matrix = npt.NDArray[np.float64]

_LINE_FEED = 10
_WIDE = 1000  # columns; from here on Arrow spends more on columns than on cells
_BLOCK_BYTES = 1 << 20  # what Arrow parses at a time: its buffers stay in the cache


def read_matrix(plan: ReadPlan, room: Room) -> Any:
    """A matrix from a file or a folder of part files; a very large one of few cells other than zero becomes sparse.

    Raises:
        OperationError: a line has another number of fields than the first, or a field is no number.
    """
    rest = places(plan.path, skip_header=plan.header)
    first = next(rest, None)
    if first is None:
        raise OperationError(f"'{plan.path}' has no rows" if plan.header else f"'{plan.path}' is empty")
    text = first.read().text
    cols = plan.cols or text.partition(b"\n")[0].count(plan.sep.encode()) + 1
    cells = Cells(cols, text.count(b"\n") * total_bytes(plan.path) // len(text), room)
    del text
    for block in in_order(lambda place: parse_chunk(place.read(), cols, plan), chain([first], rest)):
        cells.append(block)
    return cells.matrix()


def write_matrix(file: IO[bytes], matrix: Any, *, header: bool, sep: str, sparse: bool) -> None:
    if header:
        file.write((sep.join(f"C{j}" for j in range(1, matrix.shape[1] + 1)) + "\n").encode())
    for lines in _matrix_lines(matrix, sep, zero="" if sparse else "0"):
        file.write(lines)


def _matrix_lines(matrix: Any, sep: str, zero: str) -> Iterator[memoryview]:
    import pyarrow as pa
    import pyarrow.compute as pc

    cols = matrix.shape[1]
    blocks = dense_blocks(matrix)
    first = next(blocks)
    ends = np.zeros(first.shape, np.int8)
    ends[:, -1] = 1
    behind = pc.take(pa.array([sep, "\n"]), pa.array(ends.ravel()))

    def lines(block: Matrix) -> memoryview:
        cells = numbers.texts(block.ravel(), zero)
        return numbers.buffer_of(pc.binary_join_element_wise(cells, behind.slice(0, len(block) * cols), ""))

    return in_order(lines, chain([first], blocks))


class Cells:
    """The rows read so far, in one matrix that grows, or in sparse blocks if that would be very large."""

    def __init__(self, cols: int, rows: int, room: Room) -> None:
        self.cols = cols
        self.room = room
        self._expected = int(rows * 1.01) + 1
        self._matrix: Any = None
        self._blocks: list[Any] = []
        self._used = 0

    def append(self, cells: Matrix) -> None:
        """Cells of whole rows."""
        is_first = self._matrix is None and not self._blocks
        cells = cells.reshape(-1, self.cols)
        if is_first and self._expected * self.cols >= LARGEST_ZERO and worth(cells.size, int(np.count_nonzero(cells))):
            self._expected = 0
        elif is_first:
            self._matrix = self.room.place(max(self._expected, len(cells)), self.cols)
        if self._matrix is None:
            from scipy.sparse import csr_array

            self._blocks.append(csr_array(cells))
            return
        self._make_room(self._used + len(cells))
        put(self._matrix, self._used, cells)
        self._used += len(cells)

    def _make_room(self, rows: int) -> None:
        """A matrix in memory grows, or goes to disk if there is no room for more of it."""
        if not isinstance(self._matrix, np.ndarray) or rows <= len(self._matrix):
            return
        grown = self.room.place(rows + rows // 8, self.cols)
        if isinstance(grown, np.ndarray) and self._matrix.flags.owndata:
            del grown  # which has taken nothing yet
            self._matrix.resize((rows + rows // 8, self.cols), refcheck=False)
        else:
            put(grown, 0, self._matrix[: self._used])
            self._matrix = grown

    def matrix(self) -> Any:
        if self._matrix is None:
            from scipy.sparse import vstack

            return settle(vstack(self._blocks, format="csr"))
        if not isinstance(self._matrix, np.ndarray):
            return self._matrix.rows(0, self._used)
        if self._matrix.flags.owndata:
            self._matrix.resize((self._used, self.cols), refcheck=False)
            return self._matrix
        return self._matrix[: self._used]  # memory that an earlier matrix has left cannot shrink


def parse_chunk(chunk: Chunk, cols: int, plan: ReadPlan) -> Matrix:
    """All cells of a chunk in one vector."""
    cells = _parse_columns(chunk.text, cols, plan) if cols < _WIDE else None
    if cells is None:
        _check_fields(chunk, cols, plan)
        one_column = chunk.text.replace(plan.sep.encode(), b"\n")
        cells = _parse_column(one_column, chunk.text.count(b"\n") * cols, plan)
        if cells is None:
            cells = _parse_any(one_column, chunk, cols, plan)
    return cells


def _parse_columns(text: bytes, cols: int, plan: ReadPlan) -> Matrix | None:
    """The fast way, if it is certain to be right."""
    table = _parsed(text, cols, plan.sep, plan)
    if table is None:
        return None
    missing = sum(column.null_count for column in table.columns)
    # Arrow takes an empty line for one of empty fields.
    if missing and (not (plan.na_strings or plan.fill) or (cols > 1 and (b"\n\n" in text or text[0] == _LINE_FEED))):
        return None
    return _cells(table, missing, text, plan)


def _parse_column(text: bytes, count: int, plan: ReadPlan) -> Matrix | None:
    """The way for many columns: all fields stand in one."""
    table = _parsed(text, 1, "\x01", plan)
    if table is None or len(table) != count:
        return None
    missing = table.column(0).null_count
    return None if missing and not (plan.na_strings or plan.fill) else _cells(table, missing, text, plan)


def _parsed(text: bytes, cols: int, sep: str, plan: ReadPlan) -> Any:
    """Arrow's table of a text of fields that are numbers or missing, None if there are others."""
    import pyarrow as pa
    from pyarrow import csv

    if b"\r" in text:
        return None  # Arrow would begin a new line
    if any(_is_number(name) for name in plan.na_strings):
        return None  # with blanks around it, Arrow would take it for the number
    names = [str(j) for j in range(cols)]
    try:
        return csv.read_csv(
            pa.py_buffer(text),
            read_options=csv.ReadOptions(column_names=names, use_threads=False, block_size=_BLOCK_BYTES),
            parse_options=csv.ParseOptions(delimiter=sep, quote_char=False, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.float64()), null_values=list(plan.na_strings) or [""]
            ),
        )
    except pa.ArrowInvalid:
        return None


def _cells(table: Any, missing: int, text: bytes, plan: ReadPlan) -> Matrix | None:
    """The cells of a table, row by row, with what stands for missing ones; None if they may not be what was written."""
    import pyarrow.compute as pc

    stand_in = np.nan if plan.na_strings else plan.default
    block = np.empty((table.num_rows, table.num_columns))
    for j, column in enumerate(table.columns):
        block[:, j] = (pc.fill_null(column, stand_in) if column.null_count else column).to_numpy()
    odd = int(np.count_nonzero(~np.isfinite(block))) - (0 if np.isfinite(stand_in) else missing)
    return block.ravel() if odd == 0 or odd == _named(text, plan) else None


def _named(text: bytes, plan: ReadPlan) -> int:
    """The number of cells that are called NaN or Infinity, exactly so; -1 if that cannot be told."""
    if any(form in text for form in (b"-NaN", b"+NaN", b"(")):
        return -1
    if any(form in name for form in ("NaN", "Infinity") for name in plan.na_strings):
        return -1
    return text.count(b"NaN") + text.count(b"Infinity")


def _check_fields(chunk: Chunk, cols: int, plan: ReadPlan) -> None:
    """Every line must have `cols` fields."""
    text = np.frombuffer(chunk.text, np.uint8)
    ends = text[(text == ord(plan.sep)) | (text == _LINE_FEED)]
    if len(ends) % cols == 0:
        last = ends[cols - 1 :: cols] == _LINE_FEED
        if last.all() and np.count_nonzero(ends == _LINE_FEED) == len(last):
            return
    fields = np.diff(np.flatnonzero(ends == _LINE_FEED), prepend=-1)
    at = int(np.flatnonzero(fields != cols)[0])
    line = chunk.text.split(b"\n", at + 1)[at]
    raise OperationError(
        f"'{chunk.path}' line {chunk.line + at}: "
        + (f"expected {cols} fields, found {fields[at]}" if line else "the line is empty"),
        _hint_on_fields(plan, int(fields[at]), line),
    )


def _hint_on_fields(plan: ReadPlan, found: int, line: bytes) -> str | None:
    other = next((sep for sep in (",", ";", "\t", "|") if sep != plan.sep and sep.encode() in line), None)
    if found == 1 and other:
        return f"the fields seem to be separated by {_sep_text(other)}: give sep={_sep_text(other)}"
    if plan.cols is not None:
        return f"the read statement or the metadata file says cols={plan.cols}"
    return None


def _sep_text(sep: str) -> str:
    return '"\\t"' if sep == "\t" else f'"{sep}"'


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parse_any(text: bytes, chunk: Chunk, cols: int, plan: ReadPlan) -> Matrix:
    """The thorough way."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lines = pc.split_pattern(pa.array([text.decode("utf-8", "replace")]), "\n")
    fields = pc.utf8_trim_whitespace(lines.flatten()).slice(0, chunk.text.count(b"\n") * cols)
    cells, bad = numbers.parse(fields)
    missing = numbers.to_numpy(pc.is_in(fields, pa.array([name.strip() for name in plan.na_strings], pa.string())))
    cells[missing] = np.nan
    bad &= ~missing
    if bad.any() and plan.fill:
        empty = numbers.to_numpy(pc.equal(fields, "")) & bad
        cells[empty] = plan.default
        bad &= ~empty
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        raise _not_a_number(fields[at].as_py(), chunk, chunk.line + at // cols, at % cols + 1, plan)
    return cells


def _not_a_number(text: str, chunk: Chunk, line: int, column: int, plan: ReadPlan) -> OperationError:
    where = f"'{chunk.path}' line {line}, column {column}"
    if not text:
        return OperationError(f"{where}: the field is empty", "give fill=TRUE and default=... to fill empty fields")
    hint = f'give naStrings=["{_short(text)}"] to read it as NaN, or data_type="frame" if the data is not all numbers'
    if other := next((sep for sep in (",", ";", "\t", "|") if sep != plan.sep and sep in text), None):
        hint = f"the fields seem to be separated by {_sep_text(other)}: give sep={_sep_text(other)}"
    elif (line, column) == (1, 1) and not plan.header:
        hint = "if the first line holds the names of the columns, give header=TRUE"
    elif text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        hint = "numbers that are not finite are written NaN, Infinity and -Infinity"
    return OperationError(f"{where}: '{_short(text)}' is not a number", hint)


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
