"""The Spark backend: large matrices live on a cluster as blocks of rows, everything else on the driver.

    blocks      the rows of a matrix or frame as files of the workers, and recipes to make them again
    formats     what such files hold: cells, or the columns of a frame
    cells       those of a matrix, dense or in compressed rows
    lineage     what a job carries of recipes that rest on recipes
    work        what runs in the workers: recipes, and steps over panels
    cluster     the driver's side: jobs, and what is to be cleaned up
    anchors     where blocks live
    moves, exchange   what a job reads of other machines, and the shuffles that bring it
    given       large arrays of the driver that jobs need
    matrix, frame   a distributed matrix, and a distributed frame, as values
    pipelines   pipelines over the rows of distributed matrices
    ways        operators that are no pipelines, and run on the cluster all the same
    make        rand(), seq() and matrix()
    loops, parcels   parts of a program as tasks, and how what they need gets to workers
    files, parts, frame_files   read() and write(): what the driver plans, and what the workers do
    tables, frame_tables   DataFrames of Spark
    session, master, java, probe   Spark itself

A distributed matrix comes in panels, as one on disk does. What has no way of its own to run on the cluster works through
its rows on the driver, by the same machinery that serves matrices on disk. A distributed frame comes to the driver whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gramian.backends.local import READERS, LocalBackend
from gramian.backends.local.dispatch import PLAIN
from gramian.budget import Budget, room_in
from gramian.cost.placement import FORCED, Placement
from gramian.ir.fused import Pipeline
from gramian.ir.node import describe_op
from gramian.ir.op import Op
from gramian.runtime.backend import Kernel
from gramian.runtime.remote import Remote
from gramian.runtime.statistics import Count, uncounted

if TYPE_CHECKING:
    from gramian.backends.spark.cluster import Cluster


def on_driver(op: Op, local: Kernel, values: tuple[Any, ...]) -> Any:
    """The result of a local kernel: by a pipeline, or with the operands on the driver.

    Raises:
        OperationError: they do not fit there, among others.
    """
    from gramian.backends.local.disk.home import NotEnoughMemoryError

    try:
        return local(*values)
    except NotEnoughMemoryError as error:
        hint = (
            f"{describe_op(op)} needs its input on the driver, not on the cluster; allow the driver more with --memory"
        )
        raise NotEnoughMemoryError(error.message, hint) from None


class SparkBackend(LocalBackend):
    """Runs operators on this machine, and on a cluster where large matrices live there.

    `start` gives the Spark session, when the first matrix goes to the cluster. `placement` decides which do; without one,
    those of at least `least` bytes. `count` is told of jobs, and of bytes that travel.
    """

    name = "spark"

    def __init__(
        self,
        start: Callable[[], Any],
        precision: str = "double",
        budget: Budget | None = None,
        least: int = FORCED,
        placement: Placement | None = None,
        count: Count = uncounted,
    ) -> None:
        super().__init__(precision, budget)
        self.start = start
        placement = placement or Placement(room_in(self.budget.limit), least=least)
        self.placement = replace(placement, keeps=self.budget.keeps)
        self.count = count

    @cached_property
    def cluster(self) -> Cluster:
        from gramian.backends.spark.cluster import Cluster

        return Cluster(self.start(), self.count)

    def stays(self, size: int) -> bool:
        """Does a new matrix of so many bytes belong on the driver?"""
        return not self.placement.new(size).on_cluster

    def comes_back(self, size: int, beside: bool = False) -> bool:
        """Is a result of so many bytes small enough for the driver? One `beside` an operand has its rows."""
        return self.placement.comes_back(size, beside)

    @property
    def has_started(self) -> bool:
        return "cluster" in self.__dict__

    @cached_property
    def remote(self) -> Remote:
        from gramian.backends.spark.loops import SparkRemote

        return SparkRemote(self)

    def joined(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Values of which some are on the cluster: what is too large to travel with a job goes there as well."""
        from gramian.backends.spark.matrix import spread
        from gramian.backends.spark.ways.making import is_distributed, travels

        return tuple(v if is_distributed(v) or travels(v) else spread(v, self.cluster, self.budget) for v in values)

    def end(self) -> None:
        """The blocks of a run go with it."""
        if self.has_started:
            self.cluster.close()

    def kernel(self, op: Op) -> Kernel | None:
        from gramian.backends.spark.files import reader, writer
        from gramian.backends.spark.make import MAKERS

        local = self._with_ways(op, super().kernel(op))
        if op.name in READERS:
            assert local is not None
            return reader(self, op, local)
        if op.name == "write":
            return writer(self, op.kernel)
        if op.name not in MAKERS:
            return local

        def made(*values: Any) -> Any:
            found = MAKERS[op.name](self, values)
            return (local or op.kernel)(*values) if found is None else found

        return made

    def _with_ways(self, op: Op, local: Kernel | None) -> Kernel | None:
        """The kernel that looks for a way on the cluster first, if an operand lives there."""
        from gramian.backends.spark.frame import is_distributed_frame
        from gramian.backends.spark.ways import FRAME_WAYS, NO, is_distributed, way_of

        if local is None:
            return None
        way, frame_way = way_of(op), FRAME_WAYS.get(op.name)

        def kernel(*values: Any) -> Any:
            others = [value for value in values if value.__class__ not in PLAIN]
            if any(map(is_distributed_frame, others)):
                found = NO if frame_way is None else frame_way(self, op, values)
                return on_driver(op, self._with_frames(op, local), values) if found is NO else found
            if not any(map(is_distributed, others)):
                return local(*values)
            values = self.joined(values)
            found = NO if way is None else way(self, op, values)
            return on_driver(op, local, values) if found is NO else found

        return kernel

    def _with_frames(self, op: Op, local: Kernel) -> Kernel:
        """The kernel with frames of the cluster on the driver."""
        from gramian.backends.spark.frame import frame_bytes, frames_in_memory

        def kernel(*values: Any) -> Any:
            self.home.require(sum(map(frame_bytes, values)), describe_op(op))
            return local(*map(frames_in_memory, values))

        return kernel

    def writable(self, target: Any) -> Any:
        from gramian.backends.spark.ways import is_distributed
        from gramian.backends.spark.ways.making import by_rows

        return by_rows(target).writable() if is_distributed(target) else super().writable(target)

    def pipeline(self, pipeline: Pipeline) -> Kernel | None:
        from gramian.backends.spark.pipelines import DistributedPipeline

        local = super().pipeline(pipeline)
        assert local is not None
        return DistributedPipeline(pipeline, self, local)
