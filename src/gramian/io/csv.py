"""Format csv: one row a line, fields between separators.

Matrices are read in chunks of whole lines. All fields of a chunk are parsed as one long column, which is fast for any
number of columns; a chunk that is not clean takes a slower way, which knows all forms of numbers and where they stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gramian.errors import OperationError
from gramian.io import numbers
from gramian.io.files import Chunk, chunks, total_bytes

if TYPE_CHECKING:
    from gramian.io.plan import ReadPlan

Matrix = npt.NDArray[np.float64]

_BATCH_CELLS = 1 << 18
_LINE_FEED = 10


def read_matrix(plan: ReadPlan) -> Matrix:
    """A matrix from a file or a folder of part files.

    Raises:
        OperationError: a line has another number of fields than the first, or a field is no number.
    """
    cells: Cells | None = None
    for chunk in chunks(plan.path, skip_header=plan.header):
        if cells is None:
            cells = Cells(plan.cols or _fields_of_first_line(chunk, plan.sep))
            cells.expect(chunk, total_bytes(plan.path))
        cells.append(_parse(chunk, cells.cols, plan))
    if cells is None:
        raise OperationError(f"'{plan.path}' has no rows" if plan.header else f"'{plan.path}' is empty")
    return cells.matrix()


def write_matrix(file: IO[bytes], matrix: Matrix, *, header: bool, sep: str, sparse: bool) -> None:
    if header:
        file.write((sep.join(f"C{j}" for j in range(1, matrix.shape[1] + 1)) + "\n").encode())
    for lines in _matrix_lines(matrix, sep, zero="" if sparse else "0"):
        file.write(lines)


def _matrix_lines(matrix: Matrix, sep: str, zero: str) -> Iterator[memoryview]:
    import pyarrow as pa
    import pyarrow.compute as pc

    rows, cols = matrix.shape
    step = max(1, _BATCH_CELLS // cols)
    ends = np.zeros((step, cols), np.int8)
    ends[:, -1] = 1
    behind = pc.take(pa.array([sep, "\n"]), pa.array(ends.ravel()))
    for start in range(0, rows, step):
        cells = numbers.texts(np.ascontiguousarray(matrix[start : start + step]).ravel(), zero)
        yield numbers.buffer_of(pc.binary_join_element_wise(cells, behind.slice(0, len(cells)), ""))


class Cells:
    """The cells read so far, row by row, in one array that grows."""

    def __init__(self, cols: int) -> None:
        self.cols = cols
        self._array = np.empty(0)
        self._used = 0

    def expect(self, first: Chunk, bytes: int) -> None:
        """Make room for a file of so many bytes that goes on as it begins."""
        rows = first.text.count(b"\n") * bytes / len(first.text)
        self._array = np.empty((int(rows * 1.01) + 1) * self.cols)

    def append(self, cells: Matrix) -> None:
        end = self._used + cells.size
        if end > self._array.size:
            self._array.resize(end + end // 8, refcheck=False)
        self._array[self._used : end] = cells
        self._used = end

    def matrix(self) -> Matrix:
        self._array.resize(self._used, refcheck=False)
        return self._array.reshape(-1, self.cols)


def _fields_of_first_line(chunk: Chunk, sep: str) -> int:
    return chunk.text.partition(b"\n")[0].count(sep.encode()) + 1


def _parse(chunk: Chunk, cols: int, plan: ReadPlan) -> Matrix:
    """All cells of a chunk in one vector."""
    _check_fields(chunk, cols, plan)
    one_column = chunk.text.replace(plan.sep.encode(), b"\n")
    count = chunk.text.count(b"\n") * cols
    cells = _parse_clean(one_column, count, plan)
    return _parse_any(one_column, chunk, cols, plan) if cells is None else cells


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


def _parse_clean(text: bytes, count: int, plan: ReadPlan) -> Matrix | None:
    """The fast way, if it is certain to be right."""
    import pyarrow as pa
    from pyarrow import csv

    if any(_is_number(name) for name in plan.na_strings):
        return None  # with blanks around it, Arrow would take it for the number
    try:
        table = csv.read_csv(
            pa.py_buffer(text),
            read_options=csv.ReadOptions(column_names=["v"]),
            parse_options=csv.ParseOptions(delimiter="\x01", quote_char=False, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(
                column_types={"v": pa.float64()}, null_values=list(plan.na_strings) or [""]
            ),
        )
    except pa.ArrowInvalid:
        return None
    column = table.column(0)
    if len(column) != count:
        return None
    cells: Matrix = numbers.to_numpy(column)
    odd = np.count_nonzero(~np.isfinite(cells))
    if odd != column.null_count or (odd and not plan.na_strings and not plan.fill):
        return None  # Arrow also reads nan, inf and the like
    if odd and not plan.na_strings:
        return np.where(np.isnan(cells), plan.default, cells)
    return cells


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
