"""Values of all kinds on their way to workers.

Large arrays in them are apart, so that the job treats them as any large array of the driver: each machine gets them once.
Distributed matrices and frames travel as their recipes.
"""

from __future__ import annotations

import io
import pickle
import shutil
import tempfile
import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np

from gramian.backends.spark.blocks import Cut, Recipe, Store
from gramian.backends.spark.frame import SparkFrame
from gramian.backends.spark.given import LEAST
from gramian.backends.spark.matrix import OnCluster, SparkMatrix
from gramian.backends.spark.work import Step
from gramian.ir.sparse import is_sparse

OWN = "worker-"  # begins names of matrices that only a worker knows


@dataclass(frozen=True)
class Parcel:
    """A value without its large arrays and what is distributed, and those. Of an array in columns, it has the transpose."""

    text: bytes
    apart: tuple[tuple[bool, Any], ...]

    @classmethod
    def of(cls, value: Any) -> Parcel:
        out = io.BytesIO()
        pickler = _Pickler(out)
        pickler.dump(value)
        return cls(out.getvalue(), tuple(pickler.apart))

    def opened(self, store: Store) -> Any:
        """The value, in a worker."""
        return _Unpickler(self, store).load()


class _Pickler(pickle.Pickler):
    def __init__(self, out: io.BytesIO) -> None:
        super().__init__(out, protocol=pickle.HIGHEST_PROTOCOL)
        self.apart: list[tuple[bool, Any]] = []
        self._known: dict[int, int] = {}

    def persistent_id(self, value: Any) -> tuple[int, Any] | None:
        if is_sparse(value):
            value.sum_duplicates()  # now: later it would change arrays in place
        is_large = isinstance(value, np.ndarray) and value.nbytes >= LEAST and not value.dtype.hasobject
        if not is_large and not isinstance(value, OnCluster):
            return None
        if id(value) not in self._known:
            self._known[id(value)] = len(self.apart)
            if is_large:
                in_columns = value.flags.f_contiguous and not value.flags.c_contiguous
                self.apart.append((in_columns, value.T if in_columns else value))
            else:
                self.apart.append((False, value.recipe))
        columns = (value.names, value.types, value.row_bytes) if isinstance(value, SparkFrame) else None
        return self._known[id(value)], columns


class _Unpickler(pickle.Unpickler):
    def __init__(self, parcel: Parcel, store: Store) -> None:
        super().__init__(io.BytesIO(parcel.text))
        self.parcel = parcel
        self.store = store

    def persistent_load(self, pid: Any) -> Any:
        place, columns = pid
        in_columns, found = self.parcel.apart[place]
        if isinstance(found, Recipe):
            here: Any = InWorker(self.store)
            if columns is not None:
                names, types, row_bytes = columns
                return SparkFrame(found, names, types, row_bytes, here, tempfile.gettempdir())
            return SparkMatrix(found, here, tempfile.gettempdir())
        return found.T if in_columns else found


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
