"""A distributed matrix: rows in panels, as blocks of the machines of a cluster."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from gramian.backends.spark.blocks import Array, Cut, Recipe
from gramian.backends.spark.cluster import Cluster
from gramian.backends.spark.work import Fetch, Rows
from gramian.ir.disk import DiskMatrix, DiskTranspose, InPanels

PANEL_BYTES = 1 << 25  # of a panel: large enough for a task to be worth while, small enough for several in a worker


def cut_of(rows: int, cols: int, cell: int, multiple: int = 1) -> Cut:
    """Panels of about PANEL_BYTES, each of a multiple of so many rows."""
    step = max(1, PANEL_BYTES // max(1, cols * cell))
    return Cut(rows, max(multiple, step // multiple * multiple))


class OnCluster:
    """What has its rows as blocks on a cluster."""

    def __init__(self, recipe: Recipe, cluster: Cluster, folder: str) -> None:
        self.recipe = recipe
        self.base: list[Any] = []  # those whose blocks it reads, which stay meanwhile
        self.cluster = cluster
        self.folder = folder  # on the driver, for what has to be on disk there
        recipe.is_landmark  # noqa: B018  now, while what it rests on knows: later that could be deep
        self.watch(recipe.name)

    def watch(self, name: str) -> None:
        """The blocks of that name go when this does."""
        self._end = weakref.finalize(self, self.cluster.forget, name)
        self._end.atexit = False

    def unwatch(self) -> None:
        """They stay, since somebody else has them."""
        self._end.detach()

    def fetched(self, rows: tuple[int, int], cols: tuple[int, int | None] = (0, None)) -> Any:
        """Some cells on the driver, in one job over the panels that have them."""
        cut = self.recipe.cut
        panels = rows[0] // cut.step, -(-rows[1] // cut.step)
        parts = self.cluster.run(Fetch(self.recipe, *rows, cols), cut, panels) if rows[1] > rows[0] else []
        return self.recipe.format.joined(parts, self.recipe.cols)


class SparkMatrix(OnCluster, InPanels):
    """A matrix on a cluster. What has no distributed kernel gets its rows through the driver, some at a time."""

    def __init__(self, recipe: Recipe, cluster: Cluster, folder: str) -> None:
        super().__init__(recipe, cluster, folder)
        self.shape = recipe.cut.rows, recipe.cols
        self.dtype = np.dtype(recipe.dtype)

    def __repr__(self) -> str:
        return f"SparkMatrix({self.shape[0]}x{self.shape[1]})"

    def __reduce__(self) -> Any:
        return _on_disk, (self.load(), self.folder)

    def panel(self, first: int, last: int) -> Array:
        return self.fetched((first, last))

    def load(self) -> Array:
        """The whole matrix in the driver's memory."""
        return self.panel(0, self.shape[0])

    def __getitem__(self, key: tuple[int | slice, int | slice]) -> Any:
        rows, cols = key
        if isinstance(rows, slice):
            first, last, _ = rows.indices(self.shape[0])
            return self.panel(first, last)[:, cols]
        return self.panel(rows, rows + 1)[0, cols]

    def rows(self, first: int, last: int) -> SparkMatrix:
        """Some rows, as a distributed matrix."""
        found = SparkMatrix(rows_recipe(self.recipe, self.cluster.fresh(), first, last), self.cluster, self.folder)
        found.base = [self]
        return found

    def panels(self, cells: int = 0) -> Iterator[tuple[int, Array]]:
        """All rows as they are cut, whatever number of cells is asked for: each panel is a job."""
        for number in range(self.recipe.cut.panels):
            first, last = self.recipe.cut.limits(number)
            yield first, self.panel(first, last)

    def reshaped(self, rows: int, cols: int) -> DiskMatrix:
        return self.on_disk.reshaped(rows, cols)

    @cached_property
    def on_disk(self) -> DiskMatrix:
        """The same on the driver's disk, panel by panel."""
        found = DiskMatrix.new(self.shape, self.folder, self.dtype)
        for first, cells in self.panels():
            found.write(first, cells)
        return found

    @property
    def T(self) -> DiskTranspose:
        return DiskTranspose(self)

    def turned(self) -> SparkMatrix:
        """The transpose as a matrix of rows, made on the cluster."""
        from gramian.backends.spark.ways.recipes import Turned

        rows, cols = self.shape
        cut = cut_of(cols, rows, self.dtype.itemsize)
        recipe = Turned(self.cluster.fresh(), cut, rows, self.recipe.dtype, self.recipe)
        self.cluster.make(recipe)
        return SparkMatrix(recipe, self.cluster, self.folder)

    def writable(self) -> SparkMatrix:
        """A matrix of its own with the same cells, to write into."""
        from gramian.backends.spark.ways.patches import PatchedMatrix

        return PatchedMatrix.of(self)

    def copy(self) -> DiskMatrix:
        """A matrix of its own to write into."""
        return self.on_disk.copy()

    def zeros(self) -> DiskMatrix:
        return DiskMatrix.new(self.shape, self.folder, self.dtype)


def rows_recipe(base: Recipe, name: str, first: int, last: int) -> Rows:
    """Some rows of another one."""
    if isinstance(base, Rows):
        first, last, base = first + base.first, last + base.first, base.base
    return Rows(name, Cut(last - first, base.cut.step), base.cols, base.dtype, base, first)


def _on_disk(cells: Array, folder: str) -> DiskMatrix:
    found = DiskMatrix.new((cells.shape[0], cells.shape[1]), folder, cells.dtype)
    found.write(0, cells)
    return found
