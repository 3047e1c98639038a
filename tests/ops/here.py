"""A cluster that is this process: the logic of distributed operators without Spark, where a step costs no job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from gramian.backends.spark.anchors import Anchors
from gramian.backends.spark.blocks import Store
from gramian.backends.spark.cluster import Cluster
from gramian.backends.spark.work import Task


class Here(Cluster):
    """A cluster of several machines, all of them this process. What travels is pickled all the same."""

    def __init__(self, machines: int = 2) -> None:
        super().__init__(None)
        self.anchors = cast(Anchors, Places(machines))
        self.stores = [Store(f"{self.name}-{machine}") for machine in range(machines)]

    def _execute(self, task: Task) -> Iterator[tuple[int, bytes]]:
        for anchor, machine in enumerate(self.anchors.machines):
            store = self.stores[machine]
            store.recipes = task.recipes
            yield from task.answers(anchor, store)

    def close(self) -> None:
        for store in self.stores:
            store.remove_all()


class Places:
    """Anchors of this process: two for each machine."""

    def __init__(self, machines: int) -> None:
        self.machines = [*range(machines)] * 2
        self.keys = [anchor + 100 for anchor in range(len(self.machines))]

    def __len__(self) -> int:
        return len(self.keys)
