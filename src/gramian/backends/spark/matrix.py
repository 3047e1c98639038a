"""A distributed matrix: rows in panels, as blocks of the machines of a cluster."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from gramian.backends.local.disk.home import parts_of
from gramian.backends.local.dispatch import TooDenseError
from gramian.backends.spark.blocks import Array, Cut, Recipe
from gramian.backends.spark.cells import row_bytes
from gramian.backends.spark.cluster import Cluster
from gramian.backends.spark.work import Fetch, Rows
from gramian.budget import Budget
from gramian.ir.disk import BATCH, DiskMatrix, DiskTranspose, InPanels, SparsePanels, panel_of
from gramian.ir.sparse import array_bytes, by_rows, densify, is_sparse, worth

T = TypeVar("T")
KEPT = 1 << 24  # bytes of a matrix of which the driver keeps a copy
PANEL_BYTES = 1 << 25  # of a panel: large enough for a task to be worth while, small enough for several in a worker


def cut_of(rows: int, cols: int, cell: int, multiple: int = 1, sparsity: float = 1.0) -> Cut:
    """Panels of which about PANEL_BYTES are stored, each of a multiple of so many rows."""
    step = max(1, PANEL_BYTES // max(1, row_bytes(cols, cell, sparsity)))
    return Cut(rows, max(multiple, step // multiple * multiple))


class OnCluster:
    """What has its rows as blocks on a cluster.


    `sparsity` is the share of the cells that its blocks store, as far as that is known before they are made.
    """

    def __init__(self, recipe: Recipe, cluster: Cluster, folder: str, sparsity: float = 1.0) -> None:
        self.recipe = recipe
        self.sparsity = sparsity
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
        """Some rows and columns on the driver, dense or sparse, in one job over the panels that have them."""
        cut = self.recipe.cut
        panels = rows[0] // cut.step, -(-rows[1] // cut.step)
        parts = self.cluster.run(Fetch(self.recipe, *rows, cols), cut, panels) if rows[1] > rows[0] else []
        format = self.recipe.format
        return format.settled(format.joined(parts, len(range(*slice(*cols).indices(self.recipe.cols)))))


class SparkMatrix(OnCluster, InPanels):
    """A matrix on a cluster. What has no distributed kernel gets its rows through the driver, some at a time."""

    def __init__(self, recipe: Recipe, cluster: Cluster, folder: str, sparsity: float = 1.0) -> None:
        super().__init__(recipe, cluster, folder, sparsity)
        self._copy: tuple[Recipe, Array] | None = None  # its cells, as of this recipe
        self.shape = recipe.cut.rows, recipe.cols
        self.dtype = np.dtype(recipe.dtype)

    def __repr__(self) -> str:
        return f"SparkMatrix({self.shape[0]}x{self.shape[1]})"

    def __reduce__(self) -> Any:
        return _on_disk, (self.load(), self.folder)

    @property
    def nbytes(self) -> int:
        return self.stored_bytes(*self.shape)

    @property
    def loads_sparse(self) -> bool:
        return worth(self.size, int(self.size * self.sparsity))

    def stored_bytes(self, rows: int, cols: int) -> int:
        """About the bytes of so many of its rows and columns in memory."""
        return rows * row_bytes(cols, self.dtype.itemsize, self.sparsity)

    def panel(self, first: int, last: int) -> Array:
        return densify(self.fetched((first, last)))

    def load(self) -> Array:
        """The whole matrix in the driver's memory, sparse if that is worth it. A small one stays there, since loops ask
        for it again and again.
        """
        if self._copy is not None and self._copy[0] is self.recipe:
            return self._copy[1]
        found = self.fetched((0, self.shape[0]))
        if array_bytes(found) <= KEPT:
            if not is_sparse(found):
                found.flags.writeable = False
            self._copy = self.recipe, found
        return found

    def __getitem__(self, key: tuple[int | slice, int | slice]) -> Any:
        rows, cols = key
        if isinstance(rows, slice):
            first, last, _ = rows.indices(self.shape[0])
            return self.panel(first, last)[:, cols]
        return self.panel(rows, rows + 1)[0, cols]

    def rows(self, first: int, last: int) -> SparkMatrix:
        """Some rows, as a distributed matrix."""
        recipe = rows_recipe(self.recipe, self.cluster.fresh(), first, last)
        found = SparkMatrix(recipe, self.cluster, self.folder, self.sparsity)
        found.base = [self]
        return found

    def panels(self, cells: int = 0) -> Iterator[tuple[int, Array]]:
        """All rows. Each panel is a job, and comes whole if it is dense, whatever number of cells is asked for."""
        for number in range(self.recipe.cut.panels):
            first, last = self.recipe.cut.limits(number)
            rows = self.fetched((first, last))
            if is_sparse(rows):
                yield from ((first + at, part) for at, part in SparsePanels(by_rows(rows)).panels(cells or BATCH))
            else:
                yield first, rows

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
        cut = cut_of(cols, rows, self.dtype.itemsize, sparsity=self.sparsity)
        recipe = Turned(self.cluster.fresh(), cut, rows, self.recipe.dtype, self.recipe)
        self.cluster.make(recipe)
        return SparkMatrix(recipe, self.cluster, self.folder, self.sparsity)

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


def distributed(recipe: Recipe, like: OnCluster, stored: int | None) -> SparkMatrix:
    """The matrix of a recipe whose blocks are made, and store so many cells; unless that is known, the same share."""
    sparsity = like.sparsity if stored is None else stored / max(1, recipe.cut.rows * recipe.cols)
    return SparkMatrix(recipe, like.cluster, like.folder, sparsity)


def _on_disk(cells: Array, folder: str) -> Any:
    if is_sparse(cells):
        return cells
    found = DiskMatrix.new((cells.shape[0], cells.shape[1]), folder, cells.dtype)
    found.write(0, cells)
    return found


def spread(value: Any, cluster: Cluster, budget: Budget) -> SparkMatrix:
    """A matrix of the driver's that goes to the cluster. It keeps a copy, since the script may write into its own."""
    rows, cols = value.shape
    sparsity = value.nnz / (rows * cols) if is_sparse(value) else 1.0
    cut = cut_of(rows, cols, value.dtype.itemsize, sparsity=sparsity)
    recipe = cluster.spread(value, cut, lambda: by_rows(value).copy() if is_sparse(value) else _copied(value, budget))
    found = SparkMatrix(recipe, cluster, budget.scratch, sparsity)
    found.unwatch()  # what is made of it may need its blocks again
    return found


def _copied(value: Any, budget: Budget) -> DiskMatrix:
    rows, cols = value.shape
    found = DiskMatrix.new((rows, cols), budget.scratch, value.dtype)
    for first, last in parts_of(rows, cols):
        found.write(first, panel_of(value, first, last))
    return found


# -- cuts of several matrices --------------------------------------------------------------------------------------------


def finest(matrices: Sequence[Any]) -> Cut:
    """The cut of those that are distributed, with the smallest panels if there are several."""
    return min((m.recipe.cut for m in matrices if isinstance(m, OnCluster)), key=lambda cut: cut.step)


def dense_cut(matrices: Sequence[Any], cols: int = 1) -> Cut:
    """The same with panels that are small enough for sparse matrices among them, and a result of so many columns, to be
    dense.
    """
    cut = finest(matrices)
    sparse = [m for m in matrices if isinstance(m, SparkMatrix) and m.sparsity < 1]
    if not sparse:
        return cut
    small = cut_of(cut.rows, max(cols, *(m.shape[1] for m in sparse)), sparse[0].dtype.itemsize)
    return min(cut, small, key=lambda cut: cut.step)


def in_panels(matrices: Sequence[Any], run: Callable[[Cut], T]) -> T:
    """What `run` gives with the panels of these matrices; with smaller ones if it needs larger panels cell by cell than
    there is room for.
    """
    cut = finest(matrices)
    try:
        return run(cut)
    except TooDenseError:
        small = dense_cut(matrices)
        if small.step == cut.step:
            raise
        return run(small)
