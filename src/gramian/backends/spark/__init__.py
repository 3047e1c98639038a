"""The Spark backend: large matrices live on a cluster as blocks of rows, everything else on the driver.

    blocks      the rows of a matrix as files of the workers, and recipes to make them again
    lineage     what a job carries of recipes that rest on recipes
    work        what runs in the workers: recipes, and steps over panels
    cluster     the driver's side: jobs, and what is to be cleaned up
    matrix      a distributed matrix as a value
    pipelines   pipelines over the rows of distributed matrices
    make        rand() and seq()
    files, parts   read() and write(): what the driver plans, and what the workers do
    session, master, java, probe   Spark itself

A distributed matrix comes in panels, as one on disk does. What has no way of its own to run on the cluster works through
its rows on the driver, by the same machinery that serves matrices on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gramian.backends.local import READERS, LocalBackend
from gramian.budget import Budget
from gramian.ir.fused import Pipeline
from gramian.ir.op import Op
from gramian.runtime.backend import Kernel

if TYPE_CHECKING:
    from gramian.backends.spark.cluster import Cluster

LEAST = 1 << 20  # bytes of a matrix that goes to the cluster with `-exec spark`: for less, a job is never worth while


class SparkBackend(LocalBackend):
    """Runs operators on this machine, and on a cluster where large matrices live there.

    `start` gives the Spark session, when the first matrix goes to the cluster; `least` is how many bytes such a matrix has
    at least.
    """

    name = "spark"

    def __init__(
        self, start: Callable[[], Any], precision: str = "double", budget: Budget | None = None, least: int = LEAST
    ) -> None:
        super().__init__(precision, budget)
        self.start = start
        self.least = least

    @cached_property
    def cluster(self) -> Cluster:
        from gramian.backends.spark.cluster import Cluster

        return Cluster(self.start())

    def end(self) -> None:
        """The blocks of a run go with it."""
        if "cluster" in self.__dict__:
            self.cluster.close()

    def kernel(self, op: Op) -> Kernel | None:
        from gramian.backends.spark.files import reader, writer
        from gramian.backends.spark.make import MAKERS

        local = super().kernel(op)
        if op.name in READERS:
            assert local is not None
            return reader(self, op, local)
        if op.name == "write":
            return writer(op.kernel)
        if op.name not in MAKERS:
            return local

        def made(*values: Any) -> Any:
            found = MAKERS[op.name](self, values)
            return (local or op.kernel)(*values) if found is None else found

        return made

    def pipeline(self, pipeline: Pipeline) -> Kernel | None:
        from gramian.backends.spark.pipelines import DistributedPipeline

        local = super().pipeline(pipeline)
        assert local is not None
        return DistributedPipeline(pipeline, self, local)
