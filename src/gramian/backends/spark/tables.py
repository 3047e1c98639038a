"""DataFrames of Spark as matrices and back, without any row passing through the driver; as frames, see frame_tables.

The rows of a DataFrame have no order of their own. A matrix takes them partition by partition, in the order in which the
partitions have them, and a DataFrame made of a matrix has its rows in the matrix's order. Each partition is written once,
as a part file that all workers see; from there on it is a matrix in files as any other.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gramian.backends.spark.anchors import panels_of
from gramian.backends.spark.blocks import Store
from gramian.backends.spark.files import matrix_of
from gramian.backends.spark.matrix import OnCluster, SparkMatrix, cut_of
from gramian.backends.spark.parts import SHARED, Cells, InPlace, Seen, whole_file
from gramian.backends.spark.session import failed
from gramian.backends.spark.work import Refusal
from gramian.errors import OperationError
from gramian.io import binary
from gramian.io.plan import ReadPlan
from gramian.ir.disk import is_on_disk
from gramian.ir.frame import default_names
from gramian.ir.sparse import densify

if TYPE_CHECKING:
    from gramian.backends.spark import SparkBackend

Table = Any  # a pyspark DataFrame
NUMBERS = ("tinyint", "smallint", "int", "bigint", "float", "double", "boolean")
ROWS = 4096  # of a table that goes to Spark at a time


def is_table(value: object) -> bool:
    return type(value).__name__ == "DataFrame" and type(value).__module__.startswith("pyspark.sql")


# -- in ------------------------------------------------------------------------------------------------------------------


def matrix_of_table(backend: SparkBackend, table: Table, folder: str) -> SparkMatrix:
    """The rows of a DataFrame as a matrix: its columns of numbers, and those of vectors or arrays cell by cell.

    The cells go into a new folder in `folder`, which all workers have to see.

    Raises:
        OperationError: a column holds something else, its vectors have different lengths, or there are no rows.
    """
    target, files = taken(_numbers(table), _TakeRows, folder)
    found = binary.parts(target)
    if [rows for _, rows in found] != [rows for _, rows in files]:
        raise OperationError(f"the parts in '{target}' are not what the workers have written")
    rows, cols = sum(rows for _, rows in found), int(binary.rows_of(files[0][0], 0, 1).shape[1])
    units = [(count, partial(Cells, Seen.now(path))) for path, count in found]
    plan = ReadPlan(target, format="npy", rows=rows, cols=cols)
    return matrix_of(backend, InPlace, plan, cut_of(rows, cols, backend.cell_bytes), units)


def taken(table: Table, take: type[Take], folder: str) -> tuple[str, list[tuple[str, int]]]:
    """A new folder in `folder` with the partitions of a DataFrame as files, and these with their rows.

    Raises:
        OperationError: a worker refused a row, the driver does not see the files, or there are no rows.
    """
    target = tempfile.mkdtemp(prefix="gramian-table-", dir=folder)
    os.chmod(target, 0o777)  # workers may run as somebody else
    taken = table.mapInArrow(take(target), "part long, rows long, answer binary")
    try:
        written = taken.toArrow()
    except Exception as error:
        raise failed(error) from error
    for answer in written["answer"].to_pylist():
        if answer is not None:
            refusal = pickle.loads(answer)
            raise OperationError(refusal.message, refusal.hint)
    parts = sorted(zip(written["part"].to_pylist(), written["rows"].to_pylist(), strict=True))
    files = [(take.place(target, part), rows) for part, rows in parts if rows]
    if not files:
        raise OperationError("the DataFrame has no rows")
    missing = [path for path, _ in files if not os.path.exists(path)]
    if missing:
        raise OperationError(f"a worker has written '{missing[0]}', which the driver does not see", SHARED)
    return target, files


def _numbers(table: Table) -> Table:
    """The columns as numbers and arrays of them."""
    from pyspark.sql.functions import col

    chosen = []
    for name, kind in table.dtypes:
        column = col("`" + name.replace("`", "``") + "`")
        if kind in NUMBERS or kind.startswith("decimal"):
            chosen.append(column.cast("double"))
        elif kind in ("vector", "udt") or "vector" in kind.lower():
            from pyspark.ml.functions import vector_to_array

            chosen.append(vector_to_array(column))
        elif kind.startswith("array<") and (kind[6:-1] in NUMBERS or kind[6:].startswith("decimal")):
            chosen.append(column.cast("array<double>"))
        else:
            raise OperationError(
                f"column '{name}' of the DataFrame holds {kind}, not numbers or vectors",
                "leave it out with select(), or encode it first",
            )
    names = [f"c{at}" for at in range(len(chosen))]
    return table.select(*(column.alias(name) for column, name in zip(chosen, names, strict=True)))


@dataclass(frozen=True)
class Take:
    """Writes the rows of a partition as one file."""

    folder: str
    suffix: ClassVar[str]

    @classmethod
    def place(cls, folder: str, part: int) -> str:
        return os.path.join(folder, f"part-{part:09d}{cls.suffix}")

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None
        part, rows, answer = context.partitionId(), 0, None
        place = self.place(self.folder, part)
        try:
            with whole_file(place) as file:
                rows = self.write(file, batches)
            if not rows:
                os.unlink(place)
        except OperationError as error:
            answer = pickle.dumps(Refusal(error.message, error.hint))
        columns = ([part], pyarrow.int64()), ([rows], pyarrow.int64()), ([answer], pyarrow.binary())
        yield pyarrow.RecordBatch.from_arrays(
            [pyarrow.array(cells, kind) for cells, kind in columns], ["part", "rows", "answer"]
        )

    def write(self, file: Any, batches: Iterable[Any]) -> int:
        """The number of rows that were written."""
        raise NotImplementedError


@dataclass(frozen=True)
class _TakeRows(Take):
    suffix = ".npy"

    def write(self, file: Any, batches: Iterable[Any]) -> int:
        """The head of the file is known at the end, and has the same length then."""
        rows, cols = 0, None
        file.write(b"\0" * len(_head(0, 0)))
        for batch in batches:
            if not batch.num_rows:
                continue
            cells = np.hstack([_cells(column) for column in batch.columns])
            if cols not in (None, cells.shape[1]):
                raise _ragged(cols, cells.shape[1])
            rows, cols = rows + len(cells), cells.shape[1]
            file.write(np.ascontiguousarray(cells).data.cast("B"))
        file.seek(0)
        file.write(_head(rows, cols or 0))
        return rows


def _head(rows: int, cols: int) -> bytes:
    """The head of a .npy file of so many rows, always of the same length."""
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({rows}, {cols}), }}".ljust(117) + "\n"
    return binary.NUMPY + b"\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def _cells(column: Any) -> Any:
    """A column, or the cells of one of arrays; missing numbers are NaN."""
    import pyarrow

    if not pyarrow.types.is_list(column.type) and not pyarrow.types.is_large_list(column.type):
        return column.to_numpy(zero_copy_only=False).astype(np.float64).reshape(-1, 1)
    if column.null_count:
        raise OperationError("a vector of the DataFrame is missing", "leave out such rows with dropna()")
    lengths = np.unique(np.diff(column.offsets.to_numpy()))
    if len(lengths) != 1:
        raise _ragged(int(lengths[0]), int(lengths[-1]))
    return column.flatten().to_numpy(zero_copy_only=False).astype(np.float64).reshape(len(column), int(lengths[0]))


def _ragged(one: Any, other: int) -> OperationError:
    return OperationError(f"the rows of the DataFrame have different lengths: {one} and {other} numbers")


# -- out -----------------------------------------------------------------------------------------------------------------


def table_of_matrix(matrix: SparkMatrix, array: str | None = None, row: str | None = None) -> Table:
    """A DataFrame of a distributed matrix, in its order: columns C1, C2, ..., or one of arrays that is called `array`.

    `row` is the name of a further column with the numbers of the rows, from 1.
    """
    names = named(matrix.shape[1], array, row)
    kinds = dict.fromkeys(names, "double") | ({array: "array<double>"} if array else {})
    schema = ", ".join(f"`{name}` {'long' if name == row else kinds[name]}" for name in names)
    return matrix.cluster.anchors.table.mapInArrow(_GiveCells(matrix, array, row), schema)


def named(cols: int, array: str | None, row: str | None) -> list[str]:
    return ([row] if row else []) + ([array] if array else default_names(cols))


def batch_of(cells: Any, first: int, names: list[str], array: str | None, row: str | None) -> Any:
    """Rows for Spark; `first` is the position of the first of them."""
    import pyarrow

    cells = np.asarray(cells, np.float64)
    columns = [pyarrow.array(np.arange(first + 1, first + 1 + len(cells)))] if row else []
    if array:
        offsets = pyarrow.array(np.arange(len(cells) + 1, dtype=np.int32) * cells.shape[1])
        columns.append(pyarrow.ListArray.from_arrays(offsets, pyarrow.array(np.ascontiguousarray(cells).ravel())))
    else:
        columns += [pyarrow.array(np.ascontiguousarray(column)) for column in cells.T]
    return pyarrow.RecordBatch.from_arrays(columns, names)


class GiveRows:
    """The rows of the panels of the anchors that come."""

    def __init__(self, value: OnCluster, row: str | None) -> None:
        self.session = value.cluster.name
        self.anchors = value.cluster.anchors.keys
        self.recipe = value.recipe
        self.row = row

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        store = Store(self.session)
        for batch in batches:
            for panel in chain.from_iterable(self._panels(name) for name in batch.column(0).to_pylist()):
                start, stop = self.recipe.cut.limits(panel)
                block = self.recipe.block(panel, store)
                for first in range(start, stop, ROWS):
                    yield self.batch(self.recipe.format.rows(block, first - start, first - start + ROWS), first)
                store.unwritten.clear()

    def _panels(self, name: int) -> range:
        return panels_of(self.anchors.index(name), len(self.anchors), self.recipe.cut)

    def batch(self, rows: Any, first: int) -> Any:
        """Rows for Spark; `first` is the position of the first of them."""
        raise NotImplementedError


class _GiveCells(GiveRows):
    def __init__(self, matrix: SparkMatrix, array: str | None, row: str | None) -> None:
        super().__init__(matrix, row)
        self.names = named(matrix.shape[1], array, row)
        self.array = array

    def batch(self, rows: Any, first: int) -> Any:
        return batch_of(densify(rows), first, self.names, self.array, self.row)


def table_of(backend: SparkBackend, value: Any, array: str | None = None, row: str | None = None) -> Table:
    """A DataFrame of any matrix; one in the driver's memory travels from there."""
    if type(value) is SparkMatrix:
        return table_of_matrix(value, array, row)
    import pyarrow

    cells = densify(value.load() if is_on_disk(value) else value)
    names = named(cells.shape[1], array, row)
    step = max(1, len(cells) // 64)
    batches = [batch_of(cells[first : first + step], first, names, array, row) for first in range(0, len(cells), step)]
    return backend.cluster.session.createDataFrame(pyarrow.Table.from_batches(batches))
