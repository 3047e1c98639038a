"""Values of all kinds on their way to workers: large arrays in them become blocks, which each machine gets once.

An array is known by its identity, and so must not change as long as it is there.
"""

from __future__ import annotations

import io
import pickle
import shutil
import tempfile
import uuid
import weakref
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from gramian.backends.spark.blocks import LANDMARK, Array, Cut, Recipe, Store
from gramian.backends.spark.matrix import SparkMatrix
from gramian.backends.spark.work import Step
from gramian.ir.sparse import is_sparse

if TYPE_CHECKING:
    from gramian.backends.spark.cluster import Cluster

LARGE = 2 * LANDMARK  # bytes of an array that gets a block
OWN = "worker-"  # begins names of matrices that only a worker knows
ROWS, COLUMNS, LINE, MATRIX = "rows", "columns", "line", "matrix"  # how a block is used


@dataclass(frozen=True)
class Cells(Recipe):
    """An array of the script's process, in one block."""

    value: Any

    def make(self, panel: int, store: Store) -> Array:
        return self.value


@dataclass(frozen=True)
class Parcel:
    """A value without its large arrays, and those, each with how it is used."""

    text: bytes
    blocks: tuple[tuple[str, Recipe], ...]

    def opened(self, store: Store) -> Any:
        """The value. Arrays are mapped into memory, and cannot be written.

        Raises:
            MissingBlockError: a block is not there, and this does not bring it.
        """
        return _Unpickler(self, store).load()


class _Unpickler(pickle.Unpickler):
    def __init__(self, parcel: Parcel, store: Store) -> None:
        super().__init__(io.BytesIO(parcel.text))
        self.parcel = parcel
        self.store = store

    def persistent_load(self, pid: Any) -> Any:
        use, recipe = self.parcel.blocks[pid]
        if use == MATRIX:
            here: Any = InWorker(self.store)
            return SparkMatrix(recipe, here, tempfile.gettempdir())
        cells = np.asarray(recipe.block(0, self.store))
        return {ROWS: cells, COLUMNS: cells.T, LINE: cells.reshape(-1)}[use]


class Parcels:
    """Makes parcels, and knows the blocks that were sent before."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._names: dict[int, str] = {}  # of arrays, by identity, as long as they live
        self._lock = Lock()

    def packed(self, value: Any, new: set[str]) -> Parcel:
        """Adds the names of blocks that no worker has to `new`."""
        out = io.BytesIO()
        pickler = _Pickler(out, self, new)
        pickler.dump(value)
        return Parcel(out.getvalue(), tuple(pickler.blocks))

    def name_of(self, value: Any, new: set[str]) -> str:
        with self._lock:
            if id(value) not in self._names:
                name = self._names[id(value)] = self.cluster.fresh()
                weakref.finalize(value, self._forget, id(value), name).atexit = False
                new.add(name)
            return self._names[id(value)]

    def _forget(self, identity: int, name: str) -> None:
        del self._names[identity]
        self.cluster.forget(name)


class _Pickler(pickle.Pickler):
    def __init__(self, out: io.BytesIO, parcels: Parcels, new: set[str]) -> None:
        super().__init__(out, protocol=pickle.HIGHEST_PROTOCOL)
        self.parcels = parcels
        self.new = new
        self.blocks: list[tuple[str, Recipe]] = []
        self._known: dict[int, int] = {}

    def persistent_id(self, value: Any) -> int | None:
        if is_sparse(value):
            value.sum_duplicates()  # now: later it would change arrays in place
        if not isinstance(value, SparkMatrix) and not _is_large(value):
            return None
        if id(value) not in self._known:
            self._known[id(value)] = len(self.blocks)
            self.blocks.append((MATRIX, value.recipe) if isinstance(value, SparkMatrix) else self._block(value))
        return self._known[id(value)]

    def _block(self, value: Any) -> tuple[str, Recipe]:
        name = self.parcels.name_of(value, self.new)
        use, cells = ROWS, value
        if value.ndim == 1:
            use, cells = LINE, value.reshape(1, -1)
        elif value.flags.f_contiguous and not value.flags.c_contiguous:
            use, cells = COLUMNS, value.T
        rows, cols = cells.shape
        return use, Cells(name, Cut(rows, rows), cols, str(value.dtype), cells)


def _is_large(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.nbytes >= LARGE and value.ndim <= 2 and not value.dtype.hasobject


@dataclass(frozen=True)
class Part(Step):
    """Work for a worker: a function, and for each task what it is applied to."""

    work: Parcel
    parts: tuple[Parcel | None, ...]

    def answer(self, panel: int, store: Store) -> Any:
        part = self.parts[panel]
        return None if part is None else self.work.opened(store)(part.opened(store))


class InWorker:
    """What a distributed matrix takes for its cluster inside a worker: steps run at once."""

    jobs = 0

    def __init__(self, store: Store) -> None:
        self.store = store

    def fresh(self) -> str:
        """A name that no matrix of the script has."""
        return f"{OWN}{uuid.uuid4().hex[:12]}"

    def forget(self, name: str) -> None:
        if name.startswith(OWN):
            shutil.rmtree(self.store.place(name, 0).parent, ignore_errors=True)

    def run(self, step: Step, cut: Cut, panels: tuple[int, int] | None = None) -> list[Any]:
        return [step.answer(panel, self.store) for panel in (range(*panels) if panels else range(cut.panels))]
