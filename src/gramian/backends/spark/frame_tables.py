"""DataFrames of Spark with columns of texts as frames and back, without any row passing through the driver.

Order and parts are as with matrices. Numbers and truth values keep their kind; dates and times are texts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from gramian.backends.spark.blocks import Store
from gramian.backends.spark.formats import FRAME, format_of
from gramian.backends.spark.frame import SparkFrame
from gramian.backends.spark.frame_files import FrameFromPieces, frame_of
from gramian.backends.spark.parts import Piece, Seen
from gramian.backends.spark.tables import NUMBERS, ROWS, GiveRows, Take, taken
from gramian.errors import OperationError, UsageError
from gramian.io.plan import ReadPlan
from gramian.ir.frame import BOOLEAN, FP64, INT64, STRING, Frame

if TYPE_CHECKING:
    from gramian.backends.spark import SparkBackend

Table = Any  # a pyspark DataFrame
TEXTS = ("string", "varchar", "char", "date", "timestamp", "timestamp_ntz")
KINDS = {STRING: "string", BOOLEAN: "boolean", INT64: "bigint", FP64: "double"}


def is_frame(table: Table) -> bool:
    """Has a DataFrame a column of texts?"""
    return any(kind.partition("(")[0] in TEXTS for _, kind in table.dtypes)


def frame_of_table(backend: SparkBackend, table: Table, folder: str) -> SparkFrame:
    """The rows of a DataFrame as a frame; they go into a new folder in `folder`, which all workers have to see.

    Raises:
        OperationError: a column holds something else than single cells, or there are no rows.
    """
    target, files = taken(_columns(table), _TakeFrame, folder)
    size, rows = sum(os.path.getsize(path) for path, _ in files), sum(count for _, count in files)
    like = Columns(Seen.now(files[0][0]), 0, 0).rows(ReadPlan(target), 0)
    units = [(count, partial(Columns, Seen.now(path))) for path, count in files]
    return frame_of(backend, ReadPlan(target, data_type="frame"), like, units, size / rows, kind=InPlace)


def _columns(table: Table) -> Table:
    from pyspark.sql.functions import col

    chosen = []
    for name, kind in table.dtypes:
        base = kind.partition("(")[0]
        if base not in (*TEXTS, *NUMBERS, "decimal"):
            raise OperationError(
                f"column '{name}' of the DataFrame holds {kind}; beside columns of texts, cells are texts or numbers",
                "leave it out with select()",
            )
        column = col("`" + name.replace("`", "``") + "`")
        target = STRING if base in TEXTS else BOOLEAN if base == "boolean" else INT64 if "int" in base else FP64
        chosen.append(column.cast(KINDS[target]).alias(name))
    return table.select(*chosen)


@dataclass(frozen=True)
class _TakeFrame(Take):
    suffix = ".arrow"

    def write(self, file: Any, batches: Iterable[Any]) -> int:
        import pyarrow as pa

        rows, writer = 0, None
        for batch in batches:
            if batch.num_rows:
                writer = writer or pa.ipc.new_file(file, batch.schema)
                writer.write_batch(batch)
                rows += batch.num_rows
        if writer is not None:
            writer.close()
        return rows


@dataclass(frozen=True)
class Columns(Piece):
    """Rows of an Arrow file, mapped into memory."""

    def rows(self, plan: ReadPlan, cols: int) -> Frame:
        import pyarrow as pa

        table = pa.ipc.open_file(pa.memory_map(self.file.path)).read_all()
        found: Frame = format_of(FRAME).rows(Frame(table), self.first, self.last)
        return found


@dataclass(frozen=True)
class InPlace(FrameFromPieces):
    """A frame in Arrow files: its blocks are parts of them, and need no files of their own."""

    is_quick: ClassVar[bool] = True

    @property
    def is_landmark(self) -> bool:
        return False  # no worker would ever find a block of it

    def block(self, panel: int, store: Store) -> Frame:
        return self.make(panel, store)


# -- out -----------------------------------------------------------------------------------------------------------------


def table_of_frame(backend: SparkBackend, frame: Frame, row: str | None = None) -> Table:
    """A DataFrame of any frame, in its order; `row` is the name of a further column with the numbers of the rows, from 1.

    Raises:
        UsageError: two columns have the same name.
    """
    names = ([row] if row else []) + frame.names
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"a DataFrame cannot have two columns '{twice}'")
    if not isinstance(frame, SparkFrame):
        return backend.cluster.session.createDataFrame(_numbered(frame.table, row, 0))
    kinds = (["bigint"] if row else []) + [KINDS[kind] for kind in frame.types]
    schema = ", ".join(f"`{name.replace('`', '``')}` {kind}" for name, kind in zip(names, kinds, strict=True))
    return frame.cluster.anchors.table.mapInArrow(_GiveColumns(frame, row), schema)


def _numbered(table: Any, row: str | None, first: int) -> Any:
    import pyarrow as pa

    if row is None:
        return table
    return table.add_column(0, row, pa.array(range(first + 1, first + 1 + table.num_rows), pa.int64()))


class _GiveColumns(GiveRows):
    def __init__(self, frame: SparkFrame, row: str | None) -> None:
        super().__init__(frame, row)
        self.names: Sequence[str] = frame.names

    def batch(self, rows: Any, first: int) -> Any:
        table = _numbered(rows.table.rename_columns(list(self.names)), self.row, first).combine_chunks()
        (batch,) = table.to_batches(max_chunksize=ROWS)
        return batch
