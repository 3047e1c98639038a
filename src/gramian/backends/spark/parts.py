"""Files of matrices as the workers see them: blocks that are read from them, and parts that are written.

All workers have to see the files under the same paths as the driver: on a cluster of several machines, in a shared file
system.
"""

from __future__ import annotations

import os
import re
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from gramian.backends.spark.blocks import OWN_BYTES, Array, Cut, Recipe, Store
from gramian.backends.spark.cells import as_worth, stacked
from gramian.backends.spark.work import Step
from gramian.errors import OperationError
from gramian.io import binary, csv, libsvm, parquet, text
from gramian.io.chunks import Place
from gramian.io.plan import ReadPlan
from gramian.io.rows import nonzeros
from gramian.io.writing import fill, fill_frame
from gramian.ir.frame import Frame
from gramian.ir.sparse import worth

Unit = tuple[int, Callable[[int, int], "Piece"]]  # so many rows, and how to get some of them
PIECE_BYTES = 100  # about what the place of some rows in a file takes in a job
SHARED = "workers need the file under the same path as the driver: put it into a file system that they share"
_NO_ROW = re.compile(rb"^[ \t\r]*(?:#|\n)", re.MULTILINE)


# -- what is read --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """A file as it was when the script read it."""

    path: str
    size: int
    changed: int

    @classmethod
    def now(cls, path: str) -> Seen:
        there = os.stat(path)
        return cls(path, there.st_size, there.st_mtime_ns)

    def check(self) -> None:
        """Refuse what is not the same file, or cannot be read: a block of it would be wrong."""
        try:
            with open(self.path, "rb"):
                there = Seen.now(self.path)
        except OSError as problem:
            reason = problem.strerror or str(problem)
            raise OperationError(
                f"the worker on {socket.gethostname()} cannot read '{self.path}': {reason}", SHARED
            ) from None
        if there != self:
            raise OperationError(
                f"'{self.path}' is not the file any more that the script has read, as the worker on "
                f"{socket.gethostname()} sees it",
                "write results under another name than that of an input that is still needed",
            )


@dataclass(frozen=True)
class Piece:
    """Rows of a file that belong to one panel."""

    file: Seen
    first: int
    last: int

    def rows(self, plan: ReadPlan, cols: int) -> Array:
        raise NotImplementedError

    def joined(self, other: Piece) -> Piece | None:
        """This and the next piece as one, if that is the same to read."""
        return None


@dataclass(frozen=True)
class Cells(Piece):
    """Rows of a .npy file."""

    def rows(self, plan: ReadPlan, cols: int) -> Array:
        return binary.rows_of(self.file.path, self.first, self.last)


@dataclass(frozen=True)
class Group(Piece):
    """Rows of a group of a Parquet file."""

    number: int

    def rows(self, plan: ReadPlan, cols: int) -> Array:
        return parquet.rows_of(self.file.path, self.number, self.first, self.last)


@dataclass(frozen=True)
class Lines(Piece):
    """Lines of a text file, one a row, counted from a byte at which one begins."""

    start: int
    stop: int

    def rows(self, plan: ReadPlan, cols: int) -> Array:
        chunk = self._exact().read()
        if plan.format == "libsvm":
            return libsvm.parse_chunk(chunk, plan)
        return csv.parse_chunk(chunk, cols, plan).reshape(-1, cols)

    def joined(self, other: Piece) -> Piece | None:
        if not isinstance(other, Lines) or other.file != self.file or other.start != self.stop or other.first:
            return None
        return replace(self, last=self.last + other.last, stop=other.stop)

    def _exact(self) -> Place:
        """Where just these lines are."""
        with open(self.file.path, "rb") as file:
            file.seek(self.start)
            text = file.read(self.stop - self.start)
        ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n")) + 1
        first = int(ends[self.first - 1]) if self.first else 0
        last = int(ends[self.last - 1]) if self.last <= len(ends) else len(text)
        return Place(self.file.path, self.start + first, self.start + last)


def cut_up(units: Sequence[Unit], cut: Cut) -> Iterator[list[Piece]]:
    """The pieces of each panel."""
    rest = iter(units)
    size, piece, used = 0, None, 0
    for panel in range(cut.panels):
        first, last = cut.limits(panel)
        wanted, found = last - first, list[Piece]()
        while wanted:
            if used == size:
                (size, piece), used = next(rest), 0
                continue
            assert piece is not None
            taken = min(wanted, size - used)
            new = piece(used, used + taken)
            joined = found[-1].joined(new) if found else None
            found[-1:] = [joined] if joined else [*found[-1:], new]
            used, wanted = used + taken, wanted - taken
        yield found


@dataclass(frozen=True)
class FromPieces(Recipe):
    """A matrix in files that have it row by row."""

    plan: ReadPlan
    pieces: tuple[tuple[Piece, ...], ...]  # of each panel

    @cached_property
    def weight(self) -> int:
        return OWN_BYTES + PIECE_BYTES * sum(map(len, self.pieces))

    def reads(self, panel: int) -> Iterator[tuple[Recipe, int, int]]:
        yield from ()

    def make(self, panel: int, store: Store) -> Array:
        found = []
        for piece in self.pieces[panel]:
            piece.file.check()
            found.append(piece.rows(self.plan, self.cols))
        return stacked(found)


@dataclass(frozen=True)
class FromSparsePieces(FromPieces):
    """The same where most cells are zero."""

    def make(self, panel: int, store: Store) -> Array:
        return as_worth(super().make(panel, store))


@dataclass(frozen=True)
class InPlace(FromPieces):
    """A matrix whose files hold its cells as they are: its blocks are parts of them, and need no files of their own."""

    @property
    def is_landmark(self) -> bool:
        return False  # no worker would ever find a block of it

    def block(self, panel: int, store: Store) -> Array:
        if len(self.pieces[panel]) > 1:
            return super().block(panel, store)
        return np.ascontiguousarray(self.make(panel, store), self.dtype)


@dataclass(frozen=True)
class FromCells(Recipe):
    """A matrix in files of one cell a line, row by row or nearly so; of a cell that occurs twice the later one counts."""

    plan: ReadPlan
    places: tuple[tuple[tuple[Seen, Place], ...], ...]  # of each panel, those with cells of it

    @cached_property
    def weight(self) -> int:
        return OWN_BYTES + PIECE_BYTES * sum(map(len, self.places))

    def make(self, panel: int, store: Store) -> Array:
        first, last = self.cut.limits(panel)
        found = []
        for file, place in self.places[panel]:
            file.check()
            i, j, values = text.cells_in(self.plan, place.read())
            here = (i >= first) & (i < last)
            found.append((i[here] - first, j[here], values[here]))
        if worth((last - first) * self.cols, sum(len(values) for _, _, values in found)):
            return text.sparse_of(last - first, self.cols, found)
        out = np.zeros((last - first, self.cols), self.dtype)
        for i, j, values in found:
            out[i, j] = values
        return out


@dataclass(frozen=True)
class CountLines(Step):
    """The rows in each chunk of a text file and, for libsvm, its cells; None if lines are not rows."""

    plan: ReadPlan
    places: tuple[tuple[Seen, Place], ...]

    def answer(self, panel: int, store: Store) -> tuple[int, int] | None:
        file, place = self.places[panel]
        file.check()
        text = place.read().text
        if self.plan.format != "libsvm":
            return text.count(b"\n"), 0
        return None if _NO_ROW.search(text) else (text.count(b"\n"), text.count(self.plan.ind_sep.encode()))


@dataclass(frozen=True)
class Extent:
    """The number of cells in a chunk, their lowest and highest row, the first and the last cell, and are they in order?"""

    count: int
    first: int
    last: int
    begin: tuple[int, int]
    end: tuple[int, int]
    ascending: bool


@dataclass(frozen=True)
class Extents(Step):
    """What each chunk of a file of one cell a line holds."""

    plan: ReadPlan
    places: tuple[tuple[Seen, Place], ...]

    def answer(self, panel: int, store: Store) -> Extent:
        file, place = self.places[panel]
        file.check()
        i, j, values = text.cells_in(self.plan, place.read())
        if not len(values):
            return Extent(0, 0, -1, (0, 0), (0, 0), ascending=True)
        ascending = (np.diff(i) > 0) | ((np.diff(i) == 0) & (np.diff(j) > 0))
        begin, end = (int(i[0]), int(j[0])), (int(i[-1]), int(j[-1]))
        return Extent(len(values), int(i.min()), int(i.max()), begin, end, ascending=bool(ascending.all()))


# -- what is written -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WritePart(Step):
    """Writes each panel as a file of a folder; answers with the nonzeros and the bytes of the file."""

    recipe: Recipe
    folder: str
    names: Sequence[str]
    options: Mapping[str, Any]

    def answer(self, panel: int, store: Store) -> tuple[int, int]:
        block = self.recipe.block(panel, store)
        first, _ = self.recipe.cut.limits(panel)
        frame = isinstance(block, Frame)
        with whole_file(os.path.join(self.folder, self.names[panel])) as file:
            (fill_frame if frame else fill)(file, block, self.options, first)
        return 0 if frame else nonzeros(block), os.path.getsize(os.path.join(self.folder, self.names[panel]))


@contextmanager
def whole_file(path: str) -> Iterator[Any]:
    """A file that gets its name when it is complete: several workers may happen to write the same part."""
    folder = os.path.dirname(path)
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".part-", delete=False) as file:
            try:
                yield file
                file.flush()
                os.chmod(file.name, 0o666 & ~_umask())
                os.replace(file.name, path)
            except BaseException:
                with suppress(OSError):
                    os.unlink(file.name)
                raise
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise OperationError(
            f"the worker on {socket.gethostname()} cannot write into '{folder}': {reason}", SHARED
        ) from None


def _umask() -> int:
    """The process's, which can only be asked by setting it."""
    found = os.umask(0o022)
    os.umask(found)
    return found
