"""A cluster without Spark: what its workers do is done in the process of the tests."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
from many_rows import CASES
from placements import check, loaded, run

from gramian.backends.local import LocalBackend
from gramian.backends.spark import SparkBackend
from gramian.backends.spark.anchors import Anchors
from gramian.backends.spark.blocks import Store
from gramian.backends.spark.cluster import Cluster
from gramian.backends.spark.exchange import Piece, Receiver, SendTask
from gramian.backends.spark.work import Task
from gramian.budget import Budget
from gramian.ir.op import REGISTRY


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

    def look(self) -> None:
        """They stay where they are."""

    def __len__(self) -> int:
        return len(self.keys)


@contextmanager
def backend_here(machines: int = 2) -> Iterator[SparkBackend]:
    """A backend that puts everything on such a cluster."""
    found = SparkBackend(lambda: None, budget=Budget(), least=1)
    found.cluster = Here(machines)
    yield found
    found.end()


def check_family(
    family: str, precision: str, cluster: Cluster, forms: Sequence[Callable[[SparkBackend, Any], Any]]
) -> None:
    """The operators of a family with operands of many rows, in each of these forms on a cluster."""
    spark = SparkBackend(lambda: None, precision, Budget(), least=1)
    spark.cluster = cluster
    kind = np.float64 if precision == "double" else np.float32
    for name, values in CASES[family]:
        given = [v.astype(kind) if isinstance(v, np.ndarray) else v for v in values]
        expected = loaded(run(REGISTRY[name], given, LocalBackend(precision)))
        for form in forms:
            made = [form(spark, v) if isinstance(v, np.ndarray) and len(v) >= 20 else v for v in given]
            found = loaded(run(REGISTRY[name], made, spark))
            assert getattr(found, "dtype", None) == getattr(expected, "dtype", None), name
            check(found, expected) if precision == "double" else near(found, expected, name)


def near(found: Any, expected: Any, name: str) -> None:
    pairs = zip(found, expected, strict=True) if isinstance(expected, tuple) else [(found, expected)]
    for one, other in pairs:
        assert getattr(one, "dtype", None) == getattr(other, "dtype", None), name
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-4, err_msg=name)
