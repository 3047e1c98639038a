"""Parts of a program on the cluster: iterations of loops, and what workers of a parameter server compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from gramian.backends.spark.anchors import TASKS_PER_CORE
from gramian.backends.spark.blocks import Cut
from gramian.backends.spark.parcels import Parcel, Part
from gramian.runtime.backend import Backend

if TYPE_CHECKING:
    from gramian.backends.spark import SparkBackend


class SparkRemote:
    """The machines of a cluster, for work that the local backend does there: each part of it is a task of one job."""

    def __init__(self, backend: SparkBackend) -> None:
        self._backend = backend

    @property
    def is_near(self) -> bool:
        return self._backend.has_started

    @property
    def cores(self) -> int:
        return max(1, len(self._backend.cluster.anchors) // TASKS_PER_CORE)

    @property
    def backend(self) -> Callable[[], Backend]:
        return partial(in_worker, self._backend.precision)

    def holds(self, value: Any) -> bool:
        from gramian.backends.spark.ways import is_distributed

        return is_distributed(value)

    def run(self, work: Callable[[Any], Any], parts: Sequence[Any]) -> list[Any]:
        step = Part(Parcel.of(work), tuple(None if part is None else Parcel.of(part) for part in parts))
        there = [at for at, part in enumerate(parts) if part is not None]
        found = self._backend.cluster.run(step, Cut(len(parts), 1), (there[0], there[-1] + 1))
        return [*[None] * there[0], *found, *[None] * (len(parts) - there[-1] - 1)]


def in_worker(precision: str) -> Backend:
    from gramian.backends.local import LocalBackend

    return LocalBackend(precision)
