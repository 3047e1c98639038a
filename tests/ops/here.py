"""A cluster that is this process: the logic of distributed operators without Spark, where a step costs no job."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from typing import Any

from gramian.backends.spark.blocks import Cut, Store
from gramian.backends.spark.cluster import Cluster
from gramian.backends.spark.lineage import pickled
from gramian.backends.spark.work import _answer


class Here(Cluster):
    """A cluster that is this process. What travels is pickled all the same."""

    def __init__(self) -> None:
        super().__init__(None)
        self.store = Store(self.name)

    def _answers(self, step: Any, cut: Cut, wanted: Sequence[int], recipes: Mapping[str, bytes]) -> dict[int, Any]:
        self.jobs += 1
        self.store.recipes = recipes
        self.store.open(frozenset(self._live), self._names)
        there = pickle.loads(pickled(step))
        return {panel: pickle.loads(_answer(there, panel, self.store)) for panel in wanted}

    @property
    def parallelism(self) -> int:  # type: ignore[override]
        return 2

    def close(self) -> None:
        self.store.remove_all()
