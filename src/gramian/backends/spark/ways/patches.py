"""Distributed matrices that are written by index: a base, and what is different from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gramian.backends.spark.matrix import SparkMatrix, distributed
from gramian.backends.spark.ways.recipes import Patched
from gramian.backends.spark.work import Given
from gramian.ir.disk import panel_of
from gramian.ir.sparse import array_bytes, by_rows, is_sparse

MOST, MOST_BYTES = 1024, 1 << 25  # regions, and bytes of their cells, before there are new blocks with them


class PatchedMatrix(SparkMatrix):
    """A matrix that nobody else holds. What is written goes with the jobs that read it; now and then, into new blocks."""

    recipe: Patched

    @classmethod
    def of(cls, base: SparkMatrix) -> PatchedMatrix:
        recipe = Patched(base.cluster.fresh(), base.recipe.cut, base.shape[1], base.recipe.dtype, base.recipe, ())
        found = cls(recipe, base.cluster, base.folder, base.sparsity)
        found.held = [base]
        return found

    def __init__(self, recipe: Patched, cluster: Any, folder: str, sparsity: float) -> None:
        super().__init__(recipe, cluster, folder, sparsity)
        self.held: list[SparkMatrix] = []  # with the matrices that the patches come from: their blocks stay meanwhile
        self.bytes = 0
        self.seen = cluster.jobs  # how many jobs there were when the recipe got its name

    def __setitem__(self, key: tuple[int | slice, int | slice], value: Any) -> None:
        rows, cols = (slice(k, k + 1) if isinstance(k, int) else k for k in key)
        limits = rows.indices(self.shape[0])[:2], cols.indices(self.shape[1])[:2]
        patches = (*self.recipe.patches, (*limits, self._cells(value)))
        self._change(replace(self.recipe, patches=patches))
        if len(patches) >= MOST or self.bytes > MOST_BYTES:
            self._settle()

    def _cells(self, value: Any) -> Any:
        if not hasattr(value, "shape"):
            return float(value)
        if isinstance(value, SparkMatrix):
            self.held.append(value)
            return value.recipe
        cells = Given(by_rows(value) if is_sparse(value) else panel_of(value, 0, value.shape[0]), True)
        self.bytes += array_bytes(cells.value)
        return cells

    def _change(self, recipe: Patched) -> None:
        """Another recipe needs another name if there may be blocks of the old one."""
        if self.seen != self.cluster.jobs:
            old, name = self.recipe.name, self.cluster.fresh()
            recipe = replace(recipe, name=name)
            self.unwatch()
            self.cluster.forget(old)
            self.watch(name)
            self.seen = self.cluster.jobs
        self.recipe = recipe

    def _settle(self) -> None:
        """Makes blocks, from which later changes start."""
        settled = distributed(self.recipe, self, self.cluster.make(self.recipe))
        self.unwatch()
        self.held, self.sparsity = [settled], settled.sparsity
        self.recipe = replace(self.recipe, name=self.cluster.fresh(), base=settled.recipe, patches=())
        self.watch(self.recipe.name)
        self.bytes, self.seen = 0, self.cluster.jobs
