"""Where the blocks of a cluster live: with anchors, the rows of one small cached DataFrame.

Each partition has one anchor, and stays cached in one executor as long as that lives. Anchor number i of n has the panels
that begin in the i-th of n equal parts of a matrix's rows: so a panel's task goes to the executor that has its block, and
matrices with the same number of rows lie side by side, however they are cut.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from gramian.backends.spark.blocks import Cut, Store

Table = Any  # a pyspark DataFrame
TASKS_PER_CORE = 2
KEYS = 64  # numbers tried for each anchor, so that every partition gets one
MANY = 10_000  # rows, so that every part has some
WAIT = 0.05  # seconds that a task takes at least while executors start, so that each of them gets some


def panels_of(anchor: int, anchors: int, cut: Cut) -> range:
    """The panels of an anchor, one of so many."""
    first, last = (-(-number * cut.rows // (anchors * cut.step)) for number in (anchor, anchor + 1))
    return range(first, last)


def anchor_of(panel: int, anchors: int, cut: Cut) -> int:
    """The anchor of a panel."""
    return panel * cut.step * anchors // cut.rows


class Anchors:
    """The anchors of a session. `machines` tells of each on which machine it is, by numbers from 0."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.keys = self._keys(TASKS_PER_CORE * self._parallelism())
        self.table = self._table()
        self.machines: list[int] = []
        self.look()

    def __len__(self) -> int:
        return len(self.keys)

    def _parallelism(self) -> int:
        """How many tasks run at a time: into so many parts Spark cuts what it is not told how to cut."""
        self.session.range(0, MANY).mapInArrow(_wait, "id long").count()  # meanwhile executors come up
        return int(self.session.range(0, MANY).selectExpr("spark_partition_id() as part").distinct().count())

    def _keys(self, count: int) -> list[int]:
        """A number for each partition that Spark's hash puts there."""
        tried = self.session.range(0, KEYS * count)
        found = tried.selectExpr("id", f"pmod(hash(id), {count}) as partition").toArrow().to_pydict()
        keys = dict(zip(reversed(found["partition"]), reversed(found["id"]), strict=True))
        return [keys[partition] for partition in sorted(keys)]

    def _table(self) -> Table:
        import pyarrow

        count = len(self.keys)
        keys = pyarrow.table({"anchor": pyarrow.array(self.keys, pyarrow.int64())})
        return self.session.createDataFrame(keys).repartition(count, "anchor").persist()

    def look(self) -> None:
        """Find out on which machines they are now."""
        found = self.table.mapInArrow(_machine, "anchor long, machine string").toArrow().to_pydict()
        names = sorted(set(found["machine"]))
        where = dict(zip(found["anchor"], found["machine"], strict=True))
        self.machines = [names.index(where[key]) for key in self.keys]


def on_machine(machines: Sequence[int], machine: int) -> list[int]:
    """The anchors of a machine."""
    return [anchor for anchor, found in enumerate(machines) if found == machine]


def _wait(batches: Iterable[Any]) -> Iterator[Any]:
    for batch in batches:
        time.sleep(WAIT)
        yield batch


def _machine(batches: Iterable[Any]) -> Iterator[Any]:
    import pyarrow

    name = f"{socket.gethostname()}:{Store('').folder}"
    for batch in batches:
        names = pyarrow.array([name] * batch.num_rows)
        yield pyarrow.RecordBatch.from_arrays([batch.column(0), names], ["anchor", "machine"])
