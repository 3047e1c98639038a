"""Blocks: some rows of a distributed matrix or frame, as a file of the machine that computed them.

A block is made where it is first needed, by its recipe, and stays there for all later jobs, which map it into memory. A
block that is not there any more, or that is damaged, is made again: by whichever worker needs it, from the recipe that every
job carries, down to the data that it began with (of long recipes only what is new: see lineage). Nothing else is needed
when an executor is lost. No worker asks another one for a block: what a job needs of other machines is sent there before
(see moves and exchange).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, ClassVar

from gramian.backends.spark.cells import DENSE_ROOM
from gramian.backends.spark.formats import Block, Format, format_for, format_of
from gramian.ir.sparse import array_bytes

Array = Any  # dense, or compressed rows: see cells
OWN_BYTES = 1 << 10  # of a recipe, pickled, without what it rests on
LANDMARK = 1 << 15  # bytes of recipes that a job carries without need


@dataclass(frozen=True)
class Cut:
    """How a matrix of so many rows is cut into panels: each has `step` rows, the last one perhaps fewer."""

    rows: int
    step: int

    @property
    def panels(self) -> int:
        return -(-self.rows // self.step)

    def limits(self, panel: int) -> tuple[int, int]:
        """The first row of a panel, and the first one after it."""
        return panel * self.step, min(self.rows, (panel + 1) * self.step)


@dataclass(frozen=True)
class Recipe:
    """How the blocks of one matrix or frame, known by its name, are made."""

    is_quick: ClassVar[bool] = False  # to make: no machine gets such blocks from another one
    travels: ClassVar[bool] = True  # with jobs, if somebody misses it? Else its blocks are sent from the driver
    name: str
    cut: Cut
    cols: int
    dtype: str

    def make(self, panel: int, store: Store) -> Block:
        """The cells of a block."""
        raise NotImplementedError

    def reads(self, panel: int) -> Iterator[tuple[Recipe, int, int]]:
        """Which rows of which matrices a block is made of: here the same ones of all that the recipe rests on."""
        limits = self.cut.limits(panel)
        for field in fields(self):
            for recipe in recipes_in(getattr(self, field.name)):
                yield recipe, *limits

    def behind(self, first: int, last: int) -> Iterator[tuple[Recipe, int, int]]:
        """Where the cells of some rows are, if not in blocks of its own: these rows of these matrices."""
        yield from ()

    def block(self, panel: int, store: Store) -> Block:
        """The block, from its file if there is a sound one."""
        first, last = self.cut.limits(panel)
        shape = last - first, self.cols
        found = store.read(self.name, panel, shape, self.dtype)
        if found is None:
            found = self.format.settled(self.make(panel, store))
            if found.shape != shape:
                raise ValueError(f"{self} makes a block of {found.shape}, where {shape} is needed")
            store.write(self.name, panel, found)
        return found

    @property
    def format(self) -> Format:
        return format_of(self.dtype)

    @property
    def row_bytes(self) -> int:
        """The bytes of a row, about: a panel that would be too large cell by cell was cut for sparse rows."""
        return min(self.format.row_bytes(self.cols), max(1, DENSE_ROOM // self.cut.step))

    def bytes_of(self, panel: int) -> int:
        """The bytes of a block."""
        return len(range(*self.cut.limits(panel))) * self.row_bytes

    @cached_property
    def weight(self) -> int:
        """About how many bytes of it travel with a job."""
        return OWN_BYTES + sum(_weight(getattr(self, field.name)) for field in fields(self))

    @property
    def is_landmark(self) -> bool:
        """Do jobs leave it out, as long as nobody misses it?"""
        return self.weight > LANDMARK


def recipes_in(part: Any) -> Iterator[Recipe]:
    """The recipes that a part of a step or of a recipe is, or has."""
    if isinstance(part, Recipe):
        yield part
    elif isinstance(part, tuple | list):
        for item in part:
            yield from recipes_in(item)
    elif is_dataclass(part):
        for field in fields(part):
            yield from recipes_in(getattr(part, field.name))


def _weight(part: Any) -> int:
    match part:
        case Recipe():
            return 0 if part.is_landmark else part.weight
        case tuple() | list():
            return sum(map(_weight, part))
    if is_dataclass(part):
        return sum(_weight(getattr(part, field.name)) for field in fields(part))
    return array_bytes(part)


class Store:
    """The blocks of one session of gramian on one machine.

    `recipes` are those that a job brings because they were missed, pickled, by name.
    """

    def __init__(self, session: str, recipes: Mapping[str, bytes] | None = None) -> None:
        self.folder = Path(_local_folder()) / f"gramian-{session}"
        self.recipes = recipes or {}
        self.unwritten: dict[tuple[str, int], Block] = {}  # blocks that the disk had no room for, for the panel at work

    def open(self, live: Collection[str], newest: int) -> None:
        """Makes the folder, and removes the blocks of matrices that are neither live nor newer than those.

        Only this makes the folder: what is still at work when the session ends cannot leave blocks behind.
        """
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            for found in os.listdir(self.folder):
                if found not in live and found[1:].isdigit() and int(found[1:]) <= newest:
                    shutil.rmtree(self.folder / found, ignore_errors=True)

    def place(self, name: str, panel: int) -> Path:
        return self.folder / name / f"{panel}.block"

    def read(self, name: str, panel: int, shape: tuple[int, int], dtype: str) -> Block | None:
        """The block, mapped into memory; None if it is not there, or not whole."""
        if (name, panel) in self.unwritten:
            return self.unwritten[name, panel]
        found = format_of(dtype).load(self.place(name, panel))
        return found if found is not None and found.shape == shape else None

    def write(self, name: str, panel: int, block: Block) -> None:
        """Whole or not at all. A disk without room only means that the block is made again when it is needed next."""
        try:
            with self._new_file(name, panel) as out:
                format_for(block).save(out, block)
        except OSError:
            self.unwritten[name, panel] = block

    def file(self, name: str, panel: int) -> bytes:
        """The file of a block as it is; nothing if there is none."""
        try:
            return self.place(name, panel).read_bytes()
        except OSError:
            return b""

    def write_file(self, name: str, panel: int, parts: Iterable[bytes]) -> None:
        """The file of a block that is one elsewhere. Where it cannot be written, it is missing."""
        with suppress(OSError), self._new_file(name, panel) as out:
            for part in parts:
                out.write(part)

    @contextmanager
    def _new_file(self, name: str, panel: int) -> Iterator[IO[bytes]]:
        place = self.place(name, panel)
        place.parent.mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=place.parent, suffix=".tmp", delete=False) as out:
            try:
                yield out
                out.flush()
                os.replace(out.name, place)
            except BaseException:
                os.unlink(out.name)
                raise

    def remove_all(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _local_folder() -> str:
    """Where Spark has its workers put what belongs to a job; Spark itself cleans up there when an executor ends."""
    for variable in ("SPARK_EXECUTOR_DIRS", "SPARK_LOCAL_DIRS", "LOCAL_DIRS"):
        if os.environ.get(variable):
            return os.environ[variable].split(",")[0]
    return tempfile.gettempdir()
