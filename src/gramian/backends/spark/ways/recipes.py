"""What the workers do for operators that are no pipelines: recipes of their results, and steps that give small ones.

Recipes read blocks of their machine. What they need of others (`reads`) is copied there before, or, for those that take
parts of many blocks (`exchange.Scattered`), sent part by part; a block that is missing all the same is made again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter
from typing import Any, ClassVar

import numpy as np

from gramian.backends.spark.blocks import Array, Cut, Recipe, Store, recipes_in
from gramian.backends.spark.cells import dense, product, reshaped, stacked
from gramian.backends.spark.exchange import Scattered
from gramian.backends.spark.work import Source, Step, kept, panel_backend, rows_of
from gramian.ir.frame import after_rows
from gramian.ir.sparse import densify, is_sparse

# -- panels for themselves ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Panels(Recipe):
    """A function of the same rows of other matrices."""

    function: Callable[..., Array]
    sources: tuple[Source, ...]

    def make(self, panel: int, store: Store) -> Array:
        limits = self.cut.limits(panel)
        with after_rows(limits[0]):
            return self.function(*(rows_of(source, *limits, store) for source in self.sources))


@dataclass(frozen=True)
class View(Panels):
    """The same for a function that copies nothing: blocks get no files of their own."""

    @property
    def is_landmark(self) -> bool:
        return False

    def block(self, panel: int, store: Store) -> Array:
        return self.make(panel, store)

    def behind(self, first: int, last: int) -> Iterator[tuple[Recipe, int, int]]:
        return ((recipe, first, last) for recipe in recipes_in(self.sources))


@dataclass(frozen=True)
class Parts(Step):
    """The same for a result that goes to the driver."""

    function: Callable[..., Any]
    sources: tuple[Source, ...]
    cut: Cut

    def answer(self, panel: int, store: Store) -> Any:
        limits = self.cut.limits(panel)
        with after_rows(limits[0]):
            return self.function(*(rows_of(source, *limits, store) for source in self.sources))


@dataclass(frozen=True)
class Answer(Step):
    """The cells of a small matrix or frame, for the driver."""

    makes: ClassVar[bool] = True
    recipe: Recipe

    def answer(self, panel: int, store: Store) -> Any:
        format = self.recipe.format
        return format.sent(format.settled(self.recipe.make(panel, store)))


@dataclass(frozen=True)
class Kernel:
    """An operator of which each row of the result is made of the same row of some operands, those at `places`.

    A list of sizes at `images` says in its first entry how many rows there are.
    """

    op: str
    values: tuple[Any, ...]
    places: tuple[int, ...]
    images: int | None
    precision: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(map(kept, self.values)))

    def __call__(self, *panels: Array) -> Any:
        from gramian.ir.cores import limited

        values = list(self.values)
        for place, panel in zip(self.places, panels, strict=True):
            values[place] = panel
        if self.images is not None:
            values[self.images] = values[self.images].replace(0, [panels[0].shape[0]])
        with limited(1):
            found = local_kernel(self.op, self.precision)(*values)
        return found[0] if isinstance(found, tuple) else found


@lru_cache(maxsize=64)
def local_kernel(name: str, precision: str) -> Callable[..., Any]:
    """The kernel for matrices in memory."""
    import gramian.ops  # noqa: F401  registers the operators
    from gramian.ir.op import REGISTRY

    kernel: Callable[..., Any] = panel_backend(precision).kernel_in_memory(REGISTRY[name])
    return kernel


@dataclass(frozen=True)
class Columns:
    """Some columns: a slice, or marks."""

    chosen: Any

    def __call__(self, panel: Array) -> Array:
        return panel[:, self.chosen]


def side_by_side(*panels: Array) -> Array:
    return stacked(panels, axis=1)


# -- rows at other places ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pieces(Recipe):
    """Rows of other matrices one below the other: of each source those from a first one up to, but without, a last one.

    `columns` are the limits of those that there are.
    """

    pieces: tuple[tuple[Source, int, int], ...]
    columns: tuple[int, int | None] = (0, None)

    def make(self, panel: int, store: Store) -> Array:
        parts = [rows_of(source, first, last, store) for source, first, last in self._parts(panel)]
        return self.format.joined([self.format.columns(part, *self.columns) for part in parts], self.cols)

    def reads(self, panel: int) -> Iterator[tuple[Recipe, int, int]]:
        return ((part[0], *part[1:]) for part in self._parts(panel) if isinstance(part[0], Recipe))

    def _parts(self, panel: int) -> Iterator[tuple[Source, int, int]]:
        first, last = self.cut.limits(panel)
        start = 0
        for source, begin, end in self.pieces:
            low, high = max(first - start, 0), min(last - start, end - begin)
            if low < high:
                yield source, begin + low, begin + high
            start += end - begin


@dataclass(frozen=True)
class Reversed(Recipe):
    base: Recipe

    def make(self, panel: int, store: Store) -> Array:
        ((_, first, last),) = self.reads(panel)
        return rows_of(self.base, first, last, store)[::-1]

    def reads(self, panel: int) -> Iterator[tuple[Recipe, int, int]]:
        first, last = self.cut.limits(panel)
        yield self.base, self.cut.rows - last, self.cut.rows - first


@dataclass(frozen=True)
class Gathered(Scattered):
    """The rows with these numbers."""

    base: Recipe
    numbers: Array

    def parts(self, panel: int) -> Collection[int]:
        return frozenset((self._numbers(panel) // self.base.cut.step).tolist())

    def part(self, panel: int, number: int, block: Array) -> Array:
        return block[self._numbers(panel)[self._here(panel, number)] - number * self.base.cut.step]

    def together(self, panel: int, parts: Iterable[tuple[int, Array]]) -> Array:
        there = list(parts)
        if any(is_sparse(rows) for _, rows in there):
            places = np.concatenate([np.flatnonzero(self._here(panel, number)) for number, _ in there])
            return stacked([rows for _, rows in there])[np.argsort(places)]
        found = np.empty((len(self._numbers(panel)), self.cols), self.dtype)
        for number, rows in there:
            found[self._here(panel, number)] = rows
        return found

    def _numbers(self, panel: int) -> Array:
        return self.numbers[slice(*self.cut.limits(panel))]

    def _here(self, panel: int, number: int) -> Array:
        return self._numbers(panel) // self.base.cut.step == number


@dataclass(frozen=True)
class Kept(Recipe):
    """The rows that are marked; `ends` counts those up to the end of each panel of the base."""

    base: Recipe
    marks: Source
    ends: tuple[int, ...]

    def make(self, panel: int, store: Store) -> Array:
        first, last = self.cut.limits(panel)
        parts = []
        for number, start, end in overlapping(self.ends, first, last):
            marks = densify(rows_of(self.marks, *self.base.cut.limits(number), store))
            here = np.flatnonzero(marks[:, 0])[max(first - start, 0) : min(last, end) - start]
            parts.append(self.format.take(self.base.block(number, store), here))
        return self.format.joined(parts, self.cols)

    def reads(self, panel: int) -> Iterator[tuple[Recipe, int, int]]:
        for number, _, _ in overlapping(self.ends, *self.cut.limits(panel)):
            for source in recipes_in((self.base, self.marks)):
                yield source, *self.base.cut.limits(number)


def overlapping(ends: Sequence[int], first: int, last: int) -> Iterator[tuple[int, int, int]]:
    """The panels that some of the kept rows are in, each with how many are kept before it and up to its end."""
    for number, (start, end) in enumerate(pairwise((0, *ends))):
        if start < last and end > first:
            yield number, start, end


@dataclass(frozen=True)
class Reshaped(Recipe):
    """The same cells, row by row, in rows of another length."""

    base: Recipe

    def make(self, panel: int, store: Store) -> Array:
        first, last = self.cut.limits(panel)
        ((_, begin, end),) = self.reads(panel)
        cells = rows_of(self.base, begin, end, store)
        return reshaped(cells, first * self.cols - begin * self.base.cols, (last - first, self.cols))

    def reads(self, panel: int) -> Iterator[tuple[Recipe, int, int]]:
        first, last = self.cut.limits(panel)
        yield self.base, first * self.cols // self.base.cols, -(-last * self.cols // self.base.cols)


@dataclass(frozen=True)
class Turned(Scattered):
    """The transpose: each of its rows comes from all panels."""

    base: Recipe

    def part(self, panel: int, number: int, block: Array) -> Array:
        return block[:, slice(*self.cut.limits(panel))].T

    def together(self, panel: int, parts: Iterable[tuple[int, Array]]) -> Array:
        first, last = self.cut.limits(panel)
        columns = sorted(parts, key=itemgetter(0))
        if any(is_sparse(cells) for _, cells in columns):
            return stacked([cells for _, cells in columns], axis=1)
        found = np.empty((last - first, self.cols), self.dtype)
        for number, cells in columns:
            found[:, slice(*self.base.cut.limits(number))] = cells
        return found


@dataclass(frozen=True)
class Patched(Recipe):
    """A matrix with other cells in some regions; later ones count."""

    base: Recipe
    patches: tuple[tuple[tuple[int, int], tuple[int, int], Any], ...]  # rows, columns, a number or a source

    def make(self, panel: int, store: Store) -> Array:
        first, last = self.cut.limits(panel)
        base = rows_of(self.base, first, last, store)
        # Few cells of a large sparse panel are changed: all others stay compressed.
        found: Any = base.tolil() if is_sparse(base) else np.array(base, self.dtype)
        for (top, bottom), columns, value in self.patches:
            low, high = max(first, top), min(last, bottom)
            if low < high:
                cells = value if isinstance(value, float) else dense(rows_of(value, low - top, high - top, store))
                found[low - first : high - first, slice(*columns)] = cells
        return found.tocsr() if is_sparse(base) else found

    def reads(self, panel: int) -> Iterator[tuple[Recipe, int, int]]:
        first, last = self.cut.limits(panel)
        yield self.base, first, last
        for (top, bottom), _, value in self.patches:
            if isinstance(value, Recipe) and max(first, top) < min(last, bottom):
                yield value, max(first, top) - top, min(last, bottom) - top


# -- products ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Product(Recipe):
    """left %*% right, or left %*% t(right): every panel of the left side meets all panels of the right one."""

    left: Recipe
    right: Recipe
    turned: bool

    def make(self, panel: int, store: Store) -> Array:
        first, last = self.cut.limits(panel)
        left = rows_of(self.left, first, last, store)
        found = np.zeros((last - first, self.cols))
        for number in range(self.right.cut.panels):
            here = slice(*self.right.cut.limits(number))
            block = self.right.block(number, store)
            if self.turned:
                found[:, here] = product(left, block.T)
            else:
                found += product(left[:, here], block)
        return found

    def reads(self, panel: int) -> Iterator[tuple[Recipe, int, int]]:
        yield self.left, *self.cut.limits(panel)
        yield self.right, 0, self.right.cut.rows


@dataclass(frozen=True)
class Crossed(Recipe):
    """t(left) %*% right, of which a panel belongs to some columns of the left side."""

    left: Recipe
    right: Source

    def make(self, panel: int, store: Store) -> Array:
        first, last = self.cut.limits(panel)
        found = np.zeros((last - first, self.cols))
        for number in range(self.left.cut.panels):
            limits = self.left.cut.limits(number)
            found += product(self.left.block(number, store)[:, first:last].T, rows_of(self.right, *limits, store))
        return found

    def reads(self, panel: int) -> Iterator[tuple[Recipe, int, int]]:
        return ((source, 0, source.cut.rows) for source in recipes_in((self.left, self.right)))


def crossed(left: Array, right: Array) -> Array:
    """What a panel adds to t(left) %*% right."""
    return np.asarray(product(left.T, right), np.float64)


def gram(panel: Array) -> Array:
    return np.asarray(product(panel.T, panel), np.float64)


# -- what goes on from row to row --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Running(Recipe):
    """A running sum, product or extreme that goes on from what the panels before it came to."""

    combine: np.ufunc
    base: Recipe
    before: Array  # a row for each panel but the first

    def make(self, panel: int, store: Store) -> Array:
        cells = dense(rows_of(self.base, *self.cut.limits(panel), store)).astype(np.float64, copy=False)
        if panel == 0:
            return np.asarray(self.combine.accumulate(cells, axis=0))
        whole = np.concatenate([self.before[panel - 1 : panel], cells])
        return np.asarray(self.combine.accumulate(whole, axis=0)[1:])


@dataclass(frozen=True)
class Total:
    """What a panel comes to, in a row."""

    combine: np.ufunc

    def __call__(self, panel: Array) -> Array:
        return np.asarray(self.combine.reduce(dense(panel).astype(np.float64, copy=False), axis=0, keepdims=True))


@dataclass(frozen=True)
class SumProduct(Recipe):
    """cumsumprod(): each panel begins with the last number of the one before it."""

    base: Recipe
    before: tuple[float, ...]

    def make(self, panel: int, store: Store) -> Array:
        from gramian.ops.cumulative import sum_product

        cells = np.array(dense(rows_of(self.base, *self.cut.limits(panel), store)), np.float64)
        if panel > 0:
            cells[0, 0] += cells[0, 1] * self.before[panel - 1]
        return sum_product(cells)


def sum_product_step(panel: Array) -> tuple[float, float]:
    """The last number that a panel comes to is a + b * the one before the panel."""
    from gramian.ops.cumulative import sum_product

    cells = np.array(dense(panel), np.float64)
    return float(sum_product(cells)[-1, 0]), float(np.prod(cells[:, 1]))
