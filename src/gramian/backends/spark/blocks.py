"""Blocks: some rows of a distributed matrix, as a file of the machine that computed them.

A block is made where it is first needed, by its recipe, and stays there for all later jobs, which map it into memory. A
block that is not there any more, or that is damaged, is made again: by whichever worker needs it, from the recipe that every
job carries, down to the data that it began with. Nothing else is needed when an executor is lost, and no worker ever
asks another one for a block.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Array = Any


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
    """How the blocks of one matrix, known by its name, are made."""

    name: str
    cut: Cut
    cols: int
    dtype: str

    def make(self, panel: int, store: Store) -> Array:
        """The cells of a block."""
        raise NotImplementedError

    def block(self, panel: int, store: Store) -> Array:
        """The block, from its file if there is a sound one."""
        first, last = self.cut.limits(panel)
        found = store.read(self.name, panel, (last - first, self.cols), self.dtype)
        if found is None:
            found = np.ascontiguousarray(self.make(panel, store), self.dtype)
            store.write(self.name, panel, found)
        return found


class Store:
    """The blocks of one session of gramian on one machine."""

    def __init__(self, session: str) -> None:
        self.folder = Path(_local_folder()) / f"gramian-{session}"

    def place(self, name: str, panel: int) -> Path:
        return self.folder / name / f"{panel}.npy"

    def read(self, name: str, panel: int, shape: tuple[int, int], dtype: str) -> Array | None:
        """The block, mapped into memory; None if it is not there, or not whole."""
        try:
            found = np.load(self.place(name, panel), mmap_mode="r")
        except (OSError, ValueError, EOFError):
            return None
        return found if found.shape == shape and found.dtype == dtype else None

    def write(self, name: str, panel: int, cells: Array) -> None:
        """Whole or not at all. A disk without room only means that the block is made again when it is needed next."""
        place = self.place(name, panel)
        with suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=place.parent, suffix=".tmp", delete=False) as out:
                try:
                    np.save(out, cells)
                except BaseException:
                    os.unlink(out.name)
                    raise
            os.replace(out.name, place)

    def remove(self, names: Sequence[str]) -> None:
        """The blocks of matrices that nobody holds any more."""
        for name in names:
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def remove_all(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _local_folder() -> str:
    """Where Spark has its workers put what belongs to a job; Spark itself cleans up there when an executor ends."""
    for variable in ("SPARK_EXECUTOR_DIRS", "SPARK_LOCAL_DIRS", "LOCAL_DIRS"):
        if os.environ.get(variable):
            return os.environ[variable].split(",")[0]
    return tempfile.gettempdir()
