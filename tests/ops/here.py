"""A cluster without Spark: what its workers do is done in the process of the tests."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from typing import cast

from gramian.backends.spark.anchors import Anchors
from gramian.backends.spark.blocks import Store
from gramian.backends.spark.cluster import Cluster
from gramian.backends.spark.exchange import Piece, Receiver, SendTask
from gramian.backends.spark.work import Task


class Here(Cluster):
    """A cluster of several machines, all of them this process. What travels is pickled all the same."""

    def __init__(self, machines: int = 2) -> None:
        super().__init__(None)
        self.anchors = cast(Anchors, Places(machines))
        self.stores = [Store(f"{self.name}-{machine}") for machine in range(machines)]

    def _execute(self, task: Task) -> Iterator[tuple[int, bytes]]:
        for anchor, store in self._anchored(task):
            yield from task.answers(anchor, store)

    def close(self) -> None:
        for store in self.stores:
            store.remove_all()

    def _exchange(self, pieces: SendTask | Sequence[Piece], receiver: Receiver) -> Iterator[tuple[int, bytes]]:
        machines = self.anchors.machines
        if isinstance(pieces, SendTask):
            pieces = [piece for anchor, store in self._anchored(pieces) for piece in pieces.pieces(anchor, store)]
        receiver = pickle.loads(pickle.dumps(receiver))
        for anchor, machine in enumerate(machines):
            mine = sorted(piece for piece in pieces if piece.to == anchor)
            yield from receiver.answers(mine, self.stores[machine])

    def _anchored(self, task: Task) -> Iterator[tuple[int, Store]]:
        for anchor, machine in enumerate(self.anchors.machines):
            self.stores[machine].recipes = task.recipes
            yield anchor, self.stores[machine]


class Places:
    """Anchors of this process: two for each machine."""

    def __init__(self, machines: int) -> None:
        self.machines = [*range(machines)] * 2
        self.keys = [anchor + 100 for anchor in range(len(self.machines))]

    def __len__(self) -> int:
        return len(self.keys)
