"""What runs in Spark's Python workers: steps over the panels of matrices."""

from __future__ import annotations

import gc
import pickle
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, ClassVar

import numpy as np

from gramian.backends.local.dispatch import TooDenseError
from gramian.backends.spark.anchors import panels_of
from gramian.backends.spark.blocks import Array, Cut, Recipe, Store
from gramian.backends.spark.cells import DENSE_ROOM, settled, stored_cells
from gramian.backends.spark.formats import format_for
from gramian.backends.spark.lineage import MissingBlockError, answered, loaded
from gramian.errors import OperationError, SizeError
from gramian.ir.sparse import densify, is_sparse, worth

SCHEMA = "panel long, answer binary"
MORE_MEMORY = "give workers more memory, or make the rows of the matrix shorter"
DEFECT = "this is a defect of gramian; please report it"
KINDS = (SizeError, TooDenseError, OperationError)  # of errors that the driver distinguishes


@dataclass(frozen=True)
class Task:
    """A job's function of batches of anchors: the answer of each of their panels, pickled, or the error that it met."""

    session: str
    step: bytes
    recipes: Mapping[str, bytes]  # those that were missed
    live: frozenset[str]  # matrices that somebody holds,
    newest: int  # of those up to this number
    anchors: Sequence[int]  # what they are called in Spark
    cut: Cut
    wanted: Collection[int]  # of its panels

    @property
    def size(self) -> int:
        """About how many bytes go with the job."""
        return len(self.step) + sum(map(len, self.recipes.values()))

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        store = Store(self.session, self.recipes)
        for batch in batches:
            for name in batch.column(0).to_pylist():
                for panel, answer in self.answers(self.anchors.index(name), store):
                    yield answer_batch(panel, answer)
        settle()

    def answers(self, anchor: int, store: Store) -> Iterator[tuple[int, bytes]]:
        """What there is to answer where an anchor is."""
        store.open(self.live, self.newest)
        panels = [n for n in panels_of(anchor, len(self.anchors), self.cut) if n in self.wanted]
        load = cache(lambda: loaded(self.step, store))
        for panel in panels:
            yield panel, answer_of(load, panel, store)


_settled = 0  # modules that this worker had when it settled


def settle() -> None:
    """Spark's workers collect garbage after each task, which takes longer than most tasks if all that they imported is
    looked through each time.
    """
    global _settled
    if len(sys.modules) > _settled:
        gc.collect()
        gc.freeze()
        _settled = len(sys.modules)


def answer_batch(panel: int, answer: bytes) -> Any:
    import pyarrow

    columns = [pyarrow.array([panel], pyarrow.int64()), pyarrow.array([answer], pyarrow.binary())]
    return pyarrow.RecordBatch.from_arrays(columns, ["panel", "answer"])


def answer_of(load: Callable[[], Step], panel: int, store: Store) -> bytes:
    """The pickled answer of a panel, or what came instead of one."""
    try:
        with np.errstate(all="ignore"):
            return pickle.dumps(answered(load, panel, store))
    except MissingBlockError as missing:
        return pickle.dumps(Missed(missing.name))
    except OperationError as error:
        return pickle.dumps(Refusal(error.message, error.hint, next(k for k in KINDS if isinstance(error, k))))
    except MemoryError as error:
        said = f": {error}" if str(error) else ""
        return pickle.dumps(Refusal(f"a worker of the cluster has not enough memory{said}", MORE_MEMORY))
    except Exception as error:  # whatever it is, the driver knows which line of the script it belongs to
        return pickle.dumps(Refusal(f"a worker of the cluster failed: {type(error).__name__}: {error}", DEFECT))


@dataclass(frozen=True)
class Refusal:
    """An error of an operator, on its way to the driver."""

    message: str
    hint: str | None
    kind: type[OperationError] = OperationError


@dataclass(frozen=True)
class Missed:
    """The answer of a panel for which a recipe was left out that is needed after all."""

    name: str


class Step:
    """What is done with one panel. One that `makes` blocks of its `recipe` for the first time has to have it with it."""

    makes: ClassVar[bool] = False

    def answer(self, panel: int, store: Store) -> Any:
        """What the driver gets; it should be small."""
        raise NotImplementedError


@dataclass(frozen=True)
class Keep(Step):
    """Makes the blocks of a matrix."""

    makes: ClassVar[bool] = True
    recipe: Recipe

    def answer(self, panel: int, store: Store) -> int:
        """The number of cells that the block stores."""
        return self.recipe.format.stored(self.recipe.block(panel, store))


@dataclass(frozen=True)
class Fetch(Step):
    """The rows of a matrix or frame from `first` up to, but without, `last`, or some columns of them."""

    recipe: Recipe
    first: int
    last: int
    columns: tuple[int, int | None] = (0, None)

    def answer(self, panel: int, store: Store) -> Any:
        start, stop = self.recipe.cut.limits(panel)
        rows = rows_of(self.recipe, max(self.first, start), min(self.last, stop), store)
        format = self.recipe.format
        return format.sent(format.columns(rows, *self.columns))


def kept(value: Any) -> Any:
    """A value of the script's as it is now. A script may write into its matrices before a block is made again."""
    return value.copy() if isinstance(value, np.ndarray) or is_sparse(value) else value


@dataclass(frozen=True)
class Given:
    """An operand that came with the job: whole, or of each panel the rows that belong to it."""

    value: Any
    by_panels: bool

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", kept(self.value))


@dataclass(frozen=True)
class RowNumbers:
    """As an operand: a column of the numbers of the rows, from 0."""


Source = Recipe | Given | RowNumbers


def rows_of(source: Source, first: int, last: int, store: Store) -> Any:
    """Some rows of a matrix; all of an operand that is needed as a whole."""
    if isinstance(source, RowNumbers):
        return np.arange(first, last).reshape(-1, 1)
    if isinstance(source, Given):
        return format_for(source.value).rows(source.value, first, last) if source.by_panels else source.value
    format = source.format
    parts = [format.rows(source.block(n, store), *within) for n, within in blocks_of(source.cut, first, last)]
    return format.joined(parts, source.cols)


def blocks_of(cut: Cut, first: int, last: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """The panels that rows lie in, and where in each."""
    if last <= first:
        return
    for number in range(first // cut.step, -(-last // cut.step)):
        begin, end = cut.limits(number)
        yield number, (max(first, begin) - begin, min(last, end) - begin)


@dataclass(frozen=True)
class PipelineStep(Step):
    """A pipeline over one panel of its operands.

    The results named in `kept` become blocks, under those names, and the answer has the number of cells that these store;
    of the others, it has rows or partial aggregates.
    """

    pipeline: bytes
    operands: tuple[Source, ...]
    cut: Cut
    kept: tuple[str | None, ...]
    precision: str

    def answer(self, panel: int, store: Store) -> list[Any]:
        answers = []
        for name, result in zip(self.kept, self.results(panel, store), strict=True):
            if name is not None:
                block = settled(result, result.dtype)
                store.write(name, panel, block)
            answers.append(result if name is None else stored_cells(block))
        return answers

    def results(self, panel: int, store: Store) -> Sequence[Any]:
        first, last = self.cut.limits(panel)
        run = kernel(self.pipeline, last - first, self.precision)
        operands = [rows_of(operand, first, last, store) for operand in self.operands]
        if last - first == 1:  # of which a column is a single cell, as only the dense kernel knows
            operands = [densify(operand) for operand in operands]
        found = run(*operands)
        return found if isinstance(found, tuple) else (found,)


@lru_cache(maxsize=256)
def kernel(pipeline: bytes, rows: int, precision: str) -> Any:
    """The local backend's way to run a pipeline over so many rows, on the one core that a task has."""
    import gramian.ops  # noqa: F401  registers the operators
    from gramian.backends.local.fused.kernel import PipelineKernel
    from gramian.ir.cores import limited
    from gramian.ir.fused import Pipeline

    roots = pickle.loads(pipeline)
    backend, panel = panel_backend(precision), Pipeline(roots, rows)
    run = PipelineKernel(panel, backend) if rows == 1 else backend.pipeline(panel)

    def on_one_core(*values: Any) -> Any:
        with limited(1):
            return run(*values)

    return on_one_core


def panel_backend(precision: str) -> Any:
    """The local backend, which refuses to make sparse panels dense that are too large for it."""
    from gramian.backends.local import LocalBackend

    class PanelBackend(LocalBackend):
        goes_through_panels = False  # the driver gives smaller ones

        def has_room_for(self, size: int) -> bool:
            return size <= DENSE_ROOM

    return PanelBackend(precision)


@dataclass(frozen=True)
class Result(Recipe):
    """One of the results of a pipeline. Those that are kept come together, so that making one makes them all."""

    step: PipelineStep
    index: int

    def make(self, panel: int, store: Store) -> Array:
        found = self.step.results(panel, store)
        for at, name in enumerate(self.step.kept):
            if name is not None and at != self.index:
                store.write(name, panel, settled(found[at], found[at].dtype))
        return found[self.index]


@dataclass(frozen=True)
class Random(Recipe):
    """Random numbers: the same ones as on one machine, whoever draws them."""

    is_quick: ClassVar[bool] = True
    cells: Any  # a RandomCells

    def make(self, panel: int, store: Store) -> Array:
        first, last = self.cut.limits(panel)
        count = (last - first) * self.cols
        if worth(count, int(count * self.cells.sparsity)):
            return self.cells.rows(first, last)
        out = np.zeros((last - first, self.cols), self.dtype)
        rows = self.cells.block_rows
        for start in range(first, last, rows):
            self.cells.fill(start // rows, out[start - first : min(last, start + rows) - first])
        return out


@dataclass(frozen=True)
class Steps(Recipe):
    """The numbers of seq()."""

    is_quick: ClassVar[bool] = True
    start: float
    by: float

    def make(self, panel: int, store: Store) -> Array:
        return (np.arange(*self.cut.limits(panel), dtype=np.float64) * self.by + self.start).reshape(-1, 1)


@dataclass(frozen=True)
class Filled(Recipe):
    """Equal cells."""

    is_quick: ClassVar[bool] = True
    value: float

    def make(self, panel: int, store: Store) -> Array:
        first, last = self.cut.limits(panel)
        return np.full((last - first, self.cols), self.value, self.dtype)


@dataclass(frozen=True)
class Rows(Recipe):
    """Some rows of another matrix, in panels of their own. Their cells are in its blocks, and get no files of their own."""

    base: Recipe
    first: int

    @property
    def is_landmark(self) -> bool:
        return False

    def block(self, panel: int, store: Store) -> Array:
        return self.make(panel, store)

    def make(self, panel: int, store: Store) -> Array:
        first, last = self.cut.limits(panel)
        return rows_of(self.base, self.first + first, self.first + last, store)

    def reads(self, panel: int) -> Iterator[tuple[Recipe, int, int]]:
        return self.behind(*self.cut.limits(panel))

    def behind(self, first: int, last: int) -> Iterator[tuple[Recipe, int, int]]:
        yield self.base, self.first + first, self.first + last
