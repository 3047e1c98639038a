"""Inputs of any number of rows, made once under benchmarks/data/spark, chunk by chunk: they need not fit into memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DATA = Path(__file__).parents[1] / "data" / "spark"
CHUNK = 50_000  # rows that are drawn together, from a seed of their own: more rows begin with the same ones
SEED = 42
CLASSES = CLUSTERS = 5

Array = np.ndarray
Draw = np.random.Generator
Chunk = Callable[[Draw, int], tuple[Array, Array]]  # rows of X and of y


@dataclass(frozen=True)
class Input:
    """X and y of a workload; `chunks` gives for a number of columns what draws some of their rows."""

    name: str
    chunks: Callable[[int], Chunk]

    def files(self, rows: int, cols: int) -> dict[str, Path]:
        """The files; they are made if they are not there."""
        folder = DATA / f"{self.name}_{rows}x{cols}"
        if not folder.exists():
            self._write(folder, rows, cols)
        return {name: folder / f"{name}.npy" for name in ("X", "y")}

    def _write(self, folder: Path, rows: int, cols: int) -> None:
        unfinished = folder.with_suffix(".tmp")
        unfinished.mkdir(parents=True, exist_ok=True)
        shapes = {"X": (rows, cols), "y": (rows, 1)}
        files = {
            name: np.lib.format.open_memmap(unfinished / f"{name}.npy", "w+", np.float64, shape)
            for name, shape in shapes.items()
        }
        chunk = self.chunks(cols)
        for number, first in enumerate(range(0, rows, CHUNK)):
            last = min(first + CHUNK, rows)
            # A chunk is drawn whole, so that its first rows do not depend on how many are needed.
            x, y = chunk(np.random.default_rng([SEED, number]), CHUNK)
            files["X"][first:last], files["y"][first:last] = x[: last - first], y[: last - first]
        for file in files.values():
            file.flush()
        unfinished.rename(folder)


def _regression(cols: int) -> Chunk:
    """Correlated columns, with a condition number that conjugate gradient does not get rid of in twenty steps."""
    draw = np.random.default_rng(SEED)
    mix = np.linalg.qr(draw.standard_normal((cols, cols)))[0] * np.geomspace(3, 0.1, cols)
    truth = draw.standard_normal((cols, 1))

    def chunk(draw: Draw, rows: int) -> tuple[Array, Array]:
        x = draw.standard_normal((rows, cols)) @ mix.T
        return x, x @ truth + draw.standard_normal((rows, 1))

    return chunk


def _clusters(cols: int) -> Chunk:
    """More clusters than are looked for, close to one another; y is not used."""
    centres = np.random.default_rng(SEED).standard_normal((3 * CLUSTERS, cols))

    def chunk(draw: Draw, rows: int) -> tuple[Array, Array]:
        own = draw.integers(0, len(centres), rows)
        return centres[own] + draw.standard_normal((rows, cols)), own.reshape(-1, 1).astype(np.float64)

    return chunk


def _classes(cols: int) -> Chunk:
    """Classes that overlap."""
    scores = 0.5 * np.random.default_rng(SEED).standard_normal((cols, CLASSES))

    def chunk(draw: Draw, rows: int) -> tuple[Array, Array]:
        x = draw.standard_normal((rows, cols))
        return x, (x @ scores + draw.gumbel(size=(rows, CLASSES))).argmax(axis=1).reshape(-1, 1) + 1.0

    return chunk


REGRESSION = Input("regression", _regression)
CLUSTERED = Input("clusters", _clusters)
CLASSIFIED = Input("classes", _classes)


def first_rows(file: Path, count: int) -> Path:
    """The first rows of a matrix, in a file beside its own."""
    target = file.with_name(f"first{count}.npy")
    if not target.exists():
        np.save(target, np.load(file, mmap_mode="r")[:count])
    return target
