"""Large arrays of the driver that jobs need: each machine gets one once, and keeps it as a block.

An array is known by its cells, not by who holds it: so what a loop computes again and again and finds the same is sent once.
What is small, or is needed for the first time and not very large, travels with the job.
"""

from __future__ import annotations

import hashlib
import io
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any, ClassVar
from weakref import ReferenceType, finalize, ref

import numpy as np

from gramian.backends.local.threads import in_parallel
from gramian.backends.spark.blocks import Array, Cut, Recipe, Store
from gramian.backends.spark.cells import save, settled
from gramian.backends.spark.exchange import ROUND, Piece, chunks
from gramian.ir.disk import is_on_disk, panel_of
from gramian.ir.sparse import is_sparse

LEAST = 1 << 20  # bytes of an array that is sent apart from jobs when it is needed again,
ALWAYS = 1 << 25  # and when it is needed for the first time
KEPT = 1 << 29  # bytes of arrays that are kept because they may be needed again,
MOST_LARGE = 4  # and large matrices
HASHED = 1 << 24  # bytes that a core hashes at a time


@dataclass(frozen=True)
class Sent(Recipe):
    """A matrix of the driver's, of which blocks are sent to where they are needed: one of one block to every machine."""

    travels: ClassVar[bool] = False
    value: Any

    @property
    def is_landmark(self) -> bool:
        return True


@dataclass(frozen=True)
class Joined(Recipe):
    """An array that is sent in several parts."""

    parts: tuple[Sent, ...]

    def make(self, panel: int, store: Store) -> Array:
        return np.concatenate([part.block(0, store) for part in self.parts])


class Arrays:
    """The arrays of a cluster's driver. `fresh` gives names, `forget` takes them back."""

    def __init__(self, fresh: Callable[[], str], forget: Callable[[str], None]) -> None:
        self._fresh = fresh
        self._forget = forget
        self._known: OrderedDict[bytes, Recipe | None] = (
            OrderedDict()
        )  # by their cells; None: needed once, and not sent
        self._there: dict[str, tuple[ReferenceType[Sent], set[int]]] = {}  # by name, with the machines that have it
        self._large: OrderedDict[bytes, Sent] = OrderedDict()  # by their cells
        self._lock = Lock()

    def block_of(self, array: Array) -> Recipe | None:
        """The block that stands for an array, which nobody may change any more; None if it travels with the job."""
        if array.nbytes < LEAST or array.dtype.hasobject:
            return None
        cells = np.ascontiguousarray(array.reshape(1, -1) if array.ndim != 2 else array)
        key = digest(cells)
        with self._lock:
            is_new = key not in self._known
            found = self._known.setdefault(key, None)
            self._known.move_to_end(key)
            if found is None and (not is_new or cells.nbytes >= ALWAYS):
                found = self._known[key] = self._block(cells)
            while len(self._known) > 1 and sum(map(_size, self._known.values())) > KEPT:
                self._known.popitem(last=False)
        return found

    def _block(self, cells: Array) -> Recipe:
        step = max(1, len(cells) * ROUND // (2 * cells.nbytes))
        rows = (cells[first : first + step] for first in range(0, len(cells), step))
        parts = tuple(self.matrix(part, Cut(len(part), len(part))) for part in rows)
        if len(parts) == 1:
            return parts[0]
        found = Joined(self._fresh(), Cut(len(cells), len(cells)), cells.shape[1], str(cells.dtype), parts)
        finalize(found, self._forget, found.name).atexit = False
        return found

    def large(self, cells: Any, cut: Cut, own: Callable[[], Any]) -> Sent:
        """The same for a large matrix, of which `own` gives a copy that nobody changes; for one that is asked for again, the
        same recipe.
        """
        key = None if is_on_disk(cells) else digest(cells)
        if key is not None and key in self._large:
            self._large.move_to_end(key)
            return self._large[key]
        found = self.matrix(own(), cut)
        if key is not None:
            self._large[key] = found
            if len(self._large) > MOST_LARGE:
                self._large.popitem(last=False)
        return found

    def matrix(self, cells: Any, cut: Cut) -> Sent:
        """The recipe of a matrix of the driver's, which nobody may change any more. Its blocks live as long."""
        found = Sent(self._fresh(), cut, cells.shape[1], str(cells.dtype), cells)
        self._there[found.name] = ref(found), set()
        finalize(found, self._gone, found.name).atexit = False
        return found

    def _gone(self, name: str) -> None:
        del self._there[name]
        self._forget(name)

    def lacking(self, names: Collection[str], machines: Collection[int]) -> Iterator[tuple[Sent, list[int]]]:
        """Which of these matrices, if any of them is one, is missing on which machines."""
        for name in names:
            if name in self._there:
                there, have = self._there[name]
                missing = [machine for machine in machines if machine not in have]
                if missing and (recipe := there()) is not None:
                    yield recipe, missing

    def arrived(self, recipe: Sent, machines: Collection[int]) -> None:
        self._there[recipe.name][1].update(machines)

    def missed(self, names: Collection[str]) -> set[str]:
        """Those of the names that are such matrices, of which some machine has lost a block."""
        found = {name for name in names if name in self._there}
        for name in found:
            self._there[name][1].clear()
        return found


def digest(cells: Any) -> bytes:
    """What tells matrices in memory with other cells, or of another type or shape, from this one."""
    arrays = (cells.data, cells.indices, cells.indptr) if is_sparse(cells) else (cells,)
    parts = []
    for array in arrays:
        flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        parts += [flat[first : first + HASHED] for first in range(0, len(flat), HASHED)]
    hashes = in_parallel(lambda part: hashlib.blake2b(part.data, digest_size=20).digest(), parts)
    return hashlib.blake2b(b"".join(hashes)).digest() + f"{cells.dtype.str}{cells.shape}{type(cells)}".encode()


def _size(recipe: Recipe | None) -> int:
    return 0 if recipe is None else recipe.cut.rows * recipe.cols * np.dtype(recipe.dtype).itemsize


def pieces_of(recipe: Sent, panel: int, anchors: Collection[int]) -> Iterator[Piece]:
    """The file of a block, for some anchors."""
    out = io.BytesIO()
    first, last = recipe.cut.limits(panel)
    rows = recipe.value[first:last] if is_sparse(recipe.value) else panel_of(recipe.value, first, last)
    save(out, settled(rows, recipe.dtype))
    for anchor in anchors:
        yield from chunks(anchor, panel, out.getbuffer())
