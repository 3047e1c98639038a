"""What moves between machines, by a shuffle of Spark: copies of blocks, parts of blocks, and cells of the driver's.

Pieces are sent to anchors. A join of the anchors with the pieces moves the pieces alone, so that each arrives in the
executor where its anchor is: there they become blocks. Nobody asks for pieces: what goes where is known before the job.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, ClassVar, NamedTuple

from gramian.backends.spark.blocks import Array, Recipe, Store
from gramian.backends.spark.cells import load, save, settled
from gramian.backends.spark.lineage import loaded
from gramian.backends.spark.work import Step, Task, answer_batch

PIECES = "to long, item long, part long, cells binary"
CHUNK = 1 << 22  # bytes of a piece of a file
ROUND = 1 << 27  # bytes that an anchor gets in one job: Spark holds them in Java's memory
FAILED = -1  # the item of a piece that is the answer of a panel which could not send


class Piece(NamedTuple):
    """`to` is an anchor; `item` and `part` are for the receiver, who gets the pieces in their order."""

    to: int
    item: int
    part: int
    cells: bytes


class Sender(Step):
    """A step that gives pieces."""

    def answer(self, panel: int, store: Store) -> list[Piece]:
        raise NotImplementedError


@dataclass(frozen=True)
class SendTask(Task):
    """A job's function of anchors that gives the pieces of their panels; a panel that fails sends its answer to itself."""

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        store = Store(self.session, self.recipes)
        for batch in batches:
            for name in batch.column(0).to_pylist():
                for piece in self.pieces(self.anchors.index(name), store):
                    yield piece_batch([piece], self.anchors)

    def pieces(self, anchor: int, store: Store) -> Iterator[Piece]:
        for panel, answer in self.answers(anchor, store):
            found = pickle.loads(answer)
            if isinstance(found, list):
                yield from found
            else:
                yield Piece(anchor, FAILED, panel, answer)


def piece_batch(pieces: Sequence[Piece], anchors: Sequence[int]) -> Any:
    import pyarrow

    to, items, parts, cells = zip(*pieces, strict=True)
    numbers = [pyarrow.array(column, pyarrow.int64()) for column in ([anchors[at] for at in to], items, parts)]
    return pyarrow.RecordBatch.from_arrays([*numbers, pyarrow.array(cells, pyarrow.binary())], list(Piece._fields))


@dataclass(frozen=True)
class Receiver:
    """A job's function of pieces, item by item. Its answers are what panels said that could not send."""

    session: str
    live: frozenset[str]  # as of a Task
    newest: int

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        for panel, answer in self.answers(_arrived(batches), Store(self.session)):
            yield answer_batch(panel, answer)

    def answers(self, pieces: Iterable[Piece], store: Store) -> Iterator[tuple[int, bytes]]:
        store.open(self.live, self.newest)
        for item, mine in groupby(pieces, key=itemgetter(1)):
            if item == FAILED:
                yield from ((piece.part, piece.cells) for piece in mine)
            else:
                self.receive(item, mine, store)
                store.unwritten.clear()

    def receive(self, item: int, pieces: Iterator[Piece], store: Store) -> None:
        raise NotImplementedError


def _arrived(batches: Iterable[Any]) -> Iterator[Piece]:
    for batch in batches:
        columns = [batch.column(name) for name in Piece._fields]
        for at in range(batch.num_rows):
            yield Piece(*(column[at].as_py() for column in columns))


def chunks(to: int, item: int, file: bytes | memoryview) -> Iterator[Piece]:
    """A file as pieces."""
    for part, start in enumerate(range(0, len(file), CHUNK)):
        yield Piece(to, item, part, bytes(file[start : start + CHUNK]))


# -- files -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SendBlocks(Sender):
    """Copies of blocks of one matrix, for each panel to some anchors."""

    makes: ClassVar[bool] = True
    recipe: Recipe
    to: Mapping[int, Sequence[int]]

    def answer(self, panel: int, store: Store) -> list[Piece]:
        self.recipe.block(panel, store)
        file = store.file(self.recipe.name, panel)  # none where the disk is full: then it is made again over there
        return [piece for anchor in self.to[panel] for piece in chunks(anchor, panel, file)]


@dataclass(frozen=True)
class ReceiveFiles(Receiver):
    """Blocks of matrices: for each item the name of the matrix, and the panel."""

    blocks: Mapping[int, tuple[str, int]]

    def receive(self, item: int, pieces: Iterator[Piece], store: Store) -> None:
        store.write_file(*self.blocks[item], (piece.cells for piece in pieces))


# -- rows and columns that change places -------------------------------------------------------------------------------


class Scattered(Recipe):
    """A matrix each of whose blocks has parts of many blocks of its `base`.

    On one machine they are read where they are. Between machines they are sent, each part where it belongs.
    """

    base: Recipe

    def parts(self, panel: int) -> Collection[int]:
        """The panels of the base that a block needs."""
        return range(self.base.cut.panels)

    def part(self, panel: int, number: int, block: Array) -> Array:
        """What a panel of the result needs of a block of the base."""
        raise NotImplementedError

    def together(self, panel: int, parts: Iterable[tuple[int, Array]]) -> Array:
        """A block of the result, of parts of blocks with those numbers."""
        raise NotImplementedError

    def make(self, panel: int, store: Store) -> Array:
        parts = ((at, self.part(panel, at, self.base.block(at, store))) for at in self.parts(panel))
        return self.together(panel, parts)

    def reads(self, panel: int) -> Iterator[tuple[Recipe, int, int]]:
        return ((self.base, *self.base.cut.limits(number)) for number in self.parts(panel))


@dataclass(frozen=True)
class SendParts(Sender):
    """The parts of a block, to the anchors of the panels that they belong to."""

    makes: ClassVar[bool] = True
    recipe: Scattered
    to: Mapping[int, int]  # the anchor of each panel of this round

    def answer(self, panel: int, store: Store) -> list[Piece]:
        block = self.recipe.base.block(panel, store)
        found = []
        for target, anchor in self.to.items():
            if panel in self.recipe.parts(target):
                out = io.BytesIO()
                save(out, self.recipe.part(target, panel, block))
                found.append(Piece(anchor, target, panel, out.getvalue()))
        return found


@dataclass(frozen=True)
class ReceiveParts(Receiver):
    """The blocks of a matrix, of which these are the name and the pickled recipe."""

    name: str
    recipe: bytes

    def receive(self, item: int, pieces: Iterator[Piece], store: Store) -> None:
        recipe = loaded(self.recipe, store)
        parts = [(piece.part, load(io.BytesIO(piece.cells), recipe.dtype)) for piece in pieces]
        if len(parts) == len(recipe.parts(item)):  # else somebody could not send, and the job will be run again
            store.write(self.name, item, settled(recipe.together(item, parts), recipe.dtype))
