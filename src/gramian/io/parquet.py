"""Format parquet: columns of numbers are a matrix, typed columns a frame. PyArrow reads and writes the files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gramian.errors import OperationError
from gramian.io.csv_frame import check_flat, typed
from gramian.io.files import failing_as, part_files
from gramian.io.rows import BATCH_CELLS, dense_blocks
from gramian.ir.disk import Room, put
from gramian.ir.frame import Frame, default_names

if TYPE_CHECKING:
    from gramian.io.plan import ReadPlan

MAGIC = b"PAR1"
_FEWEST = 1024  # rows that are read at a time


def sizes(path: str) -> tuple[int, int]:
    """Rows and columns, without reading the data."""
    with _opened(path) as files:
        return sum(file.metadata.num_rows for file in files), len(files[0].schema_arrow)


def read_matrix(plan: ReadPlan, room: Room) -> Any:
    """A matrix; missing cells are NaN.

    Raises:
        OperationError: a column holds something else than numbers.
    """
    with _opened(plan.path) as files:
        for field in files[0].schema_arrow:
            _check_number(field, plan.path)
        cols = len(files[0].schema_arrow)
        matrix = room.place(sum(file.metadata.num_rows for file in files), cols)
        start = 0
        for file in files:
            for batch in file.iter_batches(max(_FEWEST, BATCH_CELLS // cols)):
                block = np.empty((batch.num_rows, cols))
                for j, column in enumerate(batch.columns):
                    block[:, j] = _doubles(column)
                put(matrix, start, block)
                start += batch.num_rows
    return matrix


def row_groups(path: str) -> list[tuple[str, int, int]]:
    """The groups of rows of a matrix, each with its file, its number there and its rows.

    Raises:
        OperationError: a column holds something else than numbers.
    """
    with _opened(path) as files:
        for field in files[0].schema_arrow:
            _check_number(field, path)
        return _groups(path, files)


def frame_groups(path: str) -> tuple[list[tuple[str, int, int]], int, Frame]:
    """The same of a frame, the bytes of its columns unpacked, and its columns without rows.

    Raises:
        OperationError: a column is nested, or holds what none of a frame's types can hold.
    """
    with _opened(path) as files:
        for field in files[0].schema_arrow:
            check_flat(field, path)
        size = sum(file.metadata.row_group(g).total_byte_size for file in files for g in range(file.num_row_groups))
        return _groups(path, files), size, Frame(files[0].schema_arrow.empty_table())


def _groups(path: str, files: list[Any]) -> list[tuple[str, int, int]]:
    return [
        (name, group, file.metadata.row_group(group).num_rows)
        for name, file in zip(part_files(path), files, strict=True)
        for group in range(file.num_row_groups)
    ]


def rows_of(path: str, group: int, first: int, last: int) -> npt.NDArray[np.float64]:
    """Some rows of a group of one file."""
    with _opened(path) as files:
        table = files[0].read_row_group(group).slice(first, last - first)
        block = np.empty((table.num_rows, table.num_columns))
        for j, column in enumerate(table.columns):
            block[:, j] = _doubles(column.combine_chunks())
        return block


def frame_rows_of(path: str, group: int, first: int, last: int, plan: ReadPlan) -> Frame:
    """Some rows of a group of one file of a frame."""
    with _opened(path) as files:
        table = files[0].read_row_group(group).slice(first, last - first)
        table.validate(full=True)
        return typed(Frame(table), plan)


def read_frame(plan: ReadPlan) -> Frame:
    """A frame.

    Raises:
        OperationError: a column is nested, or holds what none of a frame's types can hold.
    """
    import pyarrow as pa

    with _opened(plan.path) as files:
        for field in files[0].schema_arrow:
            check_flat(field, plan.path)
        table = pa.concat_tables([file.read() for file in files])
        table.validate(full=True)  # texts must be UTF-8
        return typed(Frame(table), plan)


def write_matrix(file: IO[bytes], matrix: Any) -> None:
    """Columns C1, C2, ... of the matrix's precision."""
    import pyarrow as pa
    from pyarrow import parquet

    names = default_names(matrix.shape[1])
    schema = pa.schema([(name, pa.from_numpy_dtype(matrix.dtype)) for name in names])
    with parquet.ParquetWriter(file, schema) as writer:
        for table in _tables(matrix, names):
            writer.write_table(table)


def write_frame(file: IO[bytes], frame: Frame) -> None:
    from pyarrow import parquet

    parquet.write_table(frame.table, file)


def _tables(matrix: Any, names: list[str]) -> Iterator[Any]:
    """Groups of rows, large enough to compress well."""
    import pyarrow as pa

    rows, blocks = 0, []
    for block in dense_blocks(matrix):
        blocks.append(block)
        rows += len(block)
        if rows * len(names) >= 1 << 24:
            yield pa.table([pa.array(column) for column in np.concatenate(blocks).T.copy()], names=names)
            rows, blocks = 0, []
    if blocks:
        yield pa.table([pa.array(column) for column in np.concatenate(blocks).T.copy()], names=names)


@contextmanager
def _opened(path: str) -> Iterator[list[Any]]:
    """The parts of a data set, which have the same columns; what Arrow refuses becomes an error about the path."""
    import pyarrow as pa
    from pyarrow import parquet

    files: list[Any] = []
    try:
        with failing_as("read", path):
            for part in part_files(path):
                files.append(parquet.ParquetFile(part))
                if not files[-1].schema_arrow.equals(files[0].schema_arrow):
                    raise OperationError(f"the parts of '{path}' have different columns: see '{part}'")
            if not len(files[0].schema_arrow):
                raise OperationError(f"'{path}' has no columns")
            yield files
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as problem:
        raise OperationError(f"cannot read '{path}': {problem}") from None
    finally:
        for file in files:
            file.close()


def _check_number(field: Any, path: str) -> None:
    import pyarrow as pa

    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal, pa.types.is_null)
    if not any(test(kind) for test in tests):
        check_flat(field, path)
        raise OperationError(
            f"column '{field.name}' of '{path}' holds {field.type}, not numbers",
            'read it as a frame: give data_type="frame"',
        )


def _doubles(column: Any) -> npt.NDArray[np.float64]:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.type != pa.float64():
        column = column.cast(pa.float64(), safe=False)
    cells: npt.NDArray[np.float64] = column.to_numpy(zero_copy_only=False)
    return cells
