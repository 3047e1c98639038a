"""Format text: one cell a line, as row, column and value with blanks between them; cells that are not there are zero or
missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gramian.errors import OperationError
from gramian.io import numbers
from gramian.io.chunks import Chunk, in_order, places
from gramian.io.csv_frame import texts, typed
from gramian.io.files import total_bytes
from gramian.io.rows import stored_blocks
from gramian.ir.disk import Room
from gramian.ir.frame import STRING, Frame
from gramian.ir.sparse import SMALLEST, compact, settle

if TYPE_CHECKING:
    from gramian.io.plan import ReadPlan

Matrix = npt.NDArray[np.float64]
Indices = npt.NDArray[Any]

_CELL = r"^\s*(?P<i>[0-9]+)\s+(?P<j>[0-9]+)\s+(?P<v>\S+)\s*$"
_FRAME_CELL = r"(?s)^\s*(?P<i>[0-9]+)[ \t]+(?P<j>[0-9]+)[ \t]?(?P<v>.*)$"


def read_matrix(plan: ReadPlan, room: Room) -> Any:
    """A matrix of the size in the plan, sparse if that suits it; of a cell that occurs twice the later value counts.

    Raises:
        OperationError: a line is not a cell, or lies outside of the matrix.
    """
    rows, cols = plan.rows or 0, plan.cols or 0
    found = in_order(lambda place: cells_in(plan, place.read()), places(plan.path))
    # A line is longer than a stored cell: a file of at least half the matrix's size has many cells for certain.
    if rows * cols < SMALLEST or rows * cols * 4 <= total_bytes(plan.path):
        matrix = room.place(rows, cols)
        if isinstance(matrix, np.ndarray):
            matrix.fill(0)
            for i, j, values in found:
                matrix[i, j] = values
            return compact(matrix)
        for i, j, values in found:
            matrix.scatter(i, j, values)
        return matrix
    room.require(total_bytes(plan.path), f"reading '{plan.path}'")
    try:
        return sparse_of(rows, cols, list(found))
    except ValueError:  # SciPy's answer to sizes beyond the address space
        raise OperationError(f"cannot read '{plan.path}': a {rows}x{cols} matrix does not fit into memory") from None


def cells_in(plan: ReadPlan, chunk: Chunk) -> tuple[Indices, Indices, Matrix]:
    """Rows and columns, both from 0, and values."""
    at, i, j, values = _parse_clean(chunk) or _parse_any(chunk)
    _check_inside(plan, chunk, at, i, j)
    narrow = np.int32 if max(plan.rows or 0, plan.cols or 0) < 1 << 31 else np.int64
    return (i - 1).astype(narrow), (j - 1).astype(narrow), values


def sparse_of(rows: int, cols: int, found: list[tuple[Indices, Indices, Matrix]]) -> Any:
    """The matrix of these cells, which it takes out of the list; of a cell that occurs twice the later value counts."""
    from scipy.sparse import coo_array

    empty = np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0)
    i, j, values = (np.concatenate(parts) for parts in zip(empty, *found, strict=True))
    found.clear()
    matrix = coo_array((values, (i, j)), shape=(rows, cols)).tocsr()
    if matrix.nnz < len(values):  # it has added up the cells that occur twice
        order = np.lexsort((np.arange(len(values)), j, i))
        i, j, values = i[order], j[order], values[order]
        last = np.append((i[1:] != i[:-1]) | (j[1:] != j[:-1]), True)
        matrix = coo_array((values[last], (i[last], j[last])), shape=(rows, cols)).tocsr()
    matrix.eliminate_zeros()
    return settle(matrix)


def read_frame(plan: ReadPlan) -> Frame:
    import pyarrow as pa

    rows, cols = plan.rows or 0, plan.cols or 0
    cells = np.full((rows, cols), None, dtype=object)
    for place in places(plan.path):
        chunk = place.read()
        at, i, j, values = _cells(chunk, _FRAME_CELL)
        _check_inside(plan, chunk, at, i, j)
        cells[i - 1, j - 1] = numbers.to_numpy(values)
    return typed(Frame.of([pa.array(column, pa.string()) for column in cells.T], [STRING] * cols), plan)


def write_matrix(file: IO[bytes], matrix: Any, above: int = 0) -> None:
    """The cells other than zero, with numbers of rows that count those `above` the matrix, which stand elsewhere."""
    for lines in matrix_lines(matrix, above):
        file.write(lines)


def write_frame(file: IO[bytes], frame: Frame) -> None:
    """The cells column by column.

    Raises:
        OperationError: a cell has several lines, which would break the format.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for j, cells in enumerate(texts(frame, 0, frame.shape[0]), start=1):
        if pc.any(pc.match_substring_regex(cells, r"[\r\n]")).as_py():
            raise OperationError(
                f"column {j} of the frame holds texts of several lines, which format text cannot hold",
                'write the frame with format="csv" or format="binary"',
            )
        present = cells.is_valid()
        rows = pc.filter(_counted(np.arange(1, len(cells) + 1)), present)
        lines = pc.binary_join_element_wise(rows, pa.scalar(str(j)), pc.filter(cells, present), " ")
        file.write(numbers.buffer_of(pc.binary_join_element_wise(lines, "", "\n")))


def matrix_lines(matrix: Any, above: int = 0) -> Iterator[memoryview]:
    """The cells other than zero, row by row."""

    def lines(part: tuple[int, Any]) -> memoryview:
        import pyarrow.compute as pc

        start, block = part
        rows = np.arange(block.shape[0]) + (above + start + 1)
        i, j = np.repeat(rows, np.diff(block.indptr)), block.indices.astype(np.int64) + 1
        cells = pc.binary_join_element_wise(_counted(i), _counted(j), numbers.texts(block.data), " ")
        return numbers.buffer_of(pc.binary_join_element_wise(cells, "", "\n"))

    return in_order(lines, stored_blocks(matrix))


def _counted(indices: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.cast(pa.array(indices), pa.string())


def _parse_clean(chunk: Chunk) -> tuple[Indices, Indices, Indices, Matrix] | None:
    """Lines, rows, columns and values of a chunk in which single blanks separate them; None if it is not so."""
    import pyarrow as pa
    from pyarrow import csv

    types = {"i": pa.int64(), "j": pa.int64(), "v": pa.float64()}
    try:
        table = csv.read_csv(
            pa.py_buffer(chunk.text),
            read_options=csv.ReadOptions(column_names=list(types)),
            parse_options=csv.ParseOptions(delimiter=" ", quote_char=False, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(column_types=types, null_values=[]),
        )
    except pa.ArrowInvalid:
        return None
    i, j, values = (numbers.to_numpy(column) for column in table.columns)
    if not np.isfinite(values).all():
        return None  # Arrow also reads nan, inf and the like
    return np.arange(len(values)), i, j, values


def _parse_any(chunk: Chunk) -> tuple[Indices, Indices, Indices, Matrix]:
    at, i, j, fields = _cells(chunk, _CELL)
    values, bad = numbers.parse(fields)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise OperationError(f"'{chunk.path}' line {chunk.line + at[first]}: '{fields[first].as_py()}' is not a number")
    return at, i, j, values


def _cells(chunk: Chunk, pattern: str) -> tuple[Indices, Indices, Indices, Any]:
    """Lines, rows, columns and the texts of values; empty lines count for nothing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = chunk.text.decode("utf-8", "replace")
    lines = pc.split_pattern(pa.array([text]), "\n").flatten()
    at = np.flatnonzero(numbers.to_numpy(pc.match_substring_regex(lines, r"\S")))
    lines = pc.take(lines, pa.array(at))
    found = pc.extract_regex(lines, pattern)
    if found.null_count:
        first = int(np.flatnonzero(numbers.to_numpy(found.is_null()))[0])
        line = lines[first].as_py()
        hint = 'the file looks like Matrix Market: give format="mm"' if line.startswith("%%") else None
        raise OperationError(
            f"'{chunk.path}' line {chunk.line + at[first]}: expected row, column and value, found '{line[:40]}'", hint
        )
    # Doubles hold all indices that can be right, and do not overflow with others.
    i, j = (numbers.to_numpy(pc.cast(found.field(name), pa.float64())) for name in ("i", "j"))
    limit = 2.0**62
    return at, np.minimum(i, limit).astype(np.int64), np.minimum(j, limit).astype(np.int64), found.field("v")


def _check_inside(plan: ReadPlan, chunk: Chunk, at: Indices, i: Indices, j: Indices) -> None:
    rows, cols = plan.rows or 0, plan.cols or 0
    outside = (i < 1) | (i > rows) | (j < 1) | (j > cols)
    if outside.any():
        first = int(np.flatnonzero(outside)[0])
        raise OperationError(
            f"'{chunk.path}' line {chunk.line + at[first]}: row {i[first]}, column {j[first]} lies outside of the "
            f"{rows}x{cols} {plan.data_type}",
            "correct rows and cols in the read statement or in the metadata file",
        )
