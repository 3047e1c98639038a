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
from typing import Any

import numpy as np

from gramian.backends.spark.blocks import Array, Cut, Recipe, Store
from gramian.backends.spark.exchange import ROUND, Piece, chunks

LEAST = 1 << 20  # bytes of an array that is sent apart from jobs when it is needed again,
ALWAYS = 1 << 23  # and when it is needed for the first time
KEPT = 1 << 29  # bytes of arrays that are kept because they may be needed again


@dataclass(frozen=True)
class Sent(Recipe):
    """Rows of an array of the driver's as one block. It is never in a job: workers that miss it get it sent."""

    value: Any

    @property
    def is_landmark(self) -> bool:
        return True

    def make(self, panel: int, store: Store) -> Array:
        return self.value


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
        self._at: dict[str, tuple[Sent, set[int]]] = {}  # by name, with the machines that have it
        self._lock = Lock()

    def block_of(self, array: Array) -> Recipe | None:
        """The block that stands for an array, which nobody may change any more; None if it travels with the job."""
        if array.nbytes < LEAST or array.dtype.hasobject:
            return None
        cells = np.ascontiguousarray(array.reshape(1, -1) if array.ndim != 2 else array)
        key = hashlib.blake2b(cells.data, digest_size=20).digest() + f"{cells.dtype.str}{cells.shape}".encode()
        with self._lock:
            is_new = key not in self._known
            found = self._known.setdefault(key, None)
            self._known.move_to_end(key)
            if found is None and (not is_new or cells.nbytes >= ALWAYS):
                found = self._known[key] = self._block(cells)
            while len(self._known) > 1 and sum(recipe.value.nbytes for recipe, _ in self._at.values()) > KEPT:
                self._drop(self._known.popitem(last=False)[1])
        return found

    def _block(self, cells: Array) -> Recipe:
        step = max(1, len(cells) * ROUND // (2 * cells.nbytes))
        parts = tuple(self._sent(cells[first : first + step]) for first in range(0, len(cells), step))
        if len(parts) == 1:
            return parts[0]
        return Joined(self._fresh(), Cut(len(cells), len(cells)), cells.shape[1], str(cells.dtype), parts)

    def _sent(self, cells: Array) -> Sent:
        rows, cols = cells.shape
        found = Sent(self._fresh(), Cut(rows, rows), cols, str(cells.dtype), cells)
        self._at[found.name] = found, set()
        return found

    def _drop(self, old: Recipe | None) -> None:
        parts = old.parts if isinstance(old, Joined) else ()
        for recipe in (old, *parts):
            if recipe is not None:
                self._at.pop(recipe.name, None)
                self._forget(recipe.name)

    def lacking(self, names: Collection[str], machines: Collection[int]) -> Iterator[tuple[Sent, list[int]]]:
        """Which of these arrays, if any of them is one, is missing on which machines."""
        for name in names:
            if name in self._at:
                recipe, have = self._at[name]
                missing = [machine for machine in machines if machine not in have]
                if missing:
                    yield recipe, missing

    def arrived(self, recipe: Sent, machines: Collection[int]) -> None:
        self._at[recipe.name][1].update(machines)

    def missed(self, names: Collection[str]) -> set[str]:
        """Those of the names that are arrays, which some machine has lost."""
        found = {name for name in names if name in self._at}
        for name in found:
            self._at[name][1].clear()
        return found


def pieces_of(recipe: Sent, item: int, anchors: Collection[int]) -> Iterator[Piece]:
    """The file of an array, for some anchors."""
    out = io.BytesIO()
    np.save(out, recipe.value)
    for anchor in anchors:
        yield from chunks(anchor, item, out.getbuffer())
