"""Inputs of the workloads, made once under benchmarks/data/workloads and read by all sides.

Numbers have few decimals, so that a csv file on the way to SystemDS's own format holds exactly the same ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

DATA = Path(__file__).parents[1] / "data" / "workloads"
DECIMALS = 3

Matrices = dict[str, Any]
Draw = np.random.Generator


@dataclass(frozen=True)
class Dataset:
    """Matrices that are made together, by `make(draw, *sizes)`."""

    name: str
    make: Callable[..., Matrices]
    full: tuple[int, ...]
    quick: tuple[int, ...]
    names: tuple[str, ...]

    def folder(self, quick: bool) -> Path:
        sizes = self.quick if quick else self.full
        return DATA / "_".join([self.name, "x".join(map(str, sizes))])

    def files(self, quick: bool) -> dict[str, Path]:
        """The file of each matrix; they are made if they are not there."""
        folder = self.folder(quick)
        if not folder.exists():
            _write(folder, self.make(np.random.default_rng(42), *(self.quick if quick else self.full)))
        return {name: found(folder, name) for name in self.names}


def found(folder: Path, name: str) -> Path:
    """The file of a matrix or table, whatever its format."""
    return next(path for path in folder.iterdir() if path.stem == name and path.suffix in (".npy", ".npz", ".csv"))


def _write(folder: Path, matrices: Matrices) -> None:
    unfinished = folder.with_suffix(".tmp")
    unfinished.mkdir(parents=True, exist_ok=True)
    for name, matrix in matrices.items():
        if isinstance(matrix, str):
            (unfinished / f"{name}.csv").write_text(matrix)
        elif sparse.issparse(matrix):
            sparse.save_npz(unfinished / f"{name}.npz", matrix, compressed=False)
        else:
            np.save(unfinished / f"{name}.npy", matrix)
    unfinished.rename(folder)


def _rounded(matrix: Any) -> Any:
    return np.round(matrix, DECIMALS, out=matrix)


def _regression(draw: Draw, n: int, m: int) -> Matrices:
    """Correlated columns, with a condition number that conjugate gradient does not get rid of in twenty steps."""
    mix = np.linalg.qr(draw.standard_normal((m, m)))[0] * np.geomspace(3, 0.1, m)
    x = np.empty((n, m))
    for first in range(0, n, 100_000):
        rows = slice(first, min(first + 100_000, n))
        x[rows] = draw.standard_normal((rows.stop - rows.start, m)) @ mix.T
    x = _rounded(x)
    return {"X": x, "y": _rounded(x @ draw.standard_normal((m, 1)) + draw.standard_normal((n, 1)))}


def _weighted(draw: Draw, n: int, m: int) -> Matrices:
    return {
        "X": _rounded(draw.standard_normal((n, m))),
        "w": _rounded(draw.random((n, 1))),
        "v": _rounded(draw.standard_normal((m, 1))),
    }


def _classes(draw: Draw, n: int, m: int, k: int) -> Matrices:
    """Classes that overlap, of correlated features on different scales."""
    x = draw.standard_normal((n, m)) @ (np.eye(m) + 0.3 * draw.standard_normal((m, m)) / np.sqrt(m))
    x = _rounded(x * np.geomspace(0.5, 2, m))
    scores = 0.5 * x @ draw.standard_normal((m, k)) + draw.gumbel(size=(n, k))
    return {"X": x, "y": scores.argmax(axis=1).reshape(-1, 1) + 1.0}


def _clusters(draw: Draw, n: int, m: int, k: int) -> Matrices:
    """More clusters than are looked for, close to one another, so that centroids still move after twenty rounds."""
    centres = draw.standard_normal((3 * k, m))
    x = _rounded(centres[draw.integers(0, 3 * k, n)] + draw.standard_normal((n, m)))
    return {"X": x, "C": x[:k].copy()}


def _svm(draw: Draw, n: int, m: int, per_row: int) -> Matrices:
    """The same number of cells in every row, in columns of which some are much more frequent than others."""
    places = np.minimum((m * draw.random((n, per_row)) ** 2).astype(np.int32), m - 1)
    values = _rounded(draw.standard_normal((n, per_row)))
    values[values == 0] = 1
    x = sparse.csr_array((values.ravel(), places.ravel(), np.arange(0, n * per_row + 1, per_row)), shape=(n, m))
    x.sum_duplicates()
    x.data = _rounded(x.data)
    x.eliminate_zeros()
    scores = x @ draw.standard_normal(m) + draw.standard_normal(n)
    return {"X": x, "y": np.where(scores > 0, 1.0, -1.0).reshape(-1, 1)}


def _ratings(draw: Draw, n: int, m: int, rank: int) -> Matrices:
    """One cell in a hundred, which two factors of the rank explain, and weights from 1 to 5."""
    cells = np.unique(draw.integers(0, n * m, n * m // 100))
    rows, cols = (cells // m).astype(np.int32), (cells % m).astype(np.int32)
    u, v = draw.standard_normal((n, rank)), draw.standard_normal((m, rank))
    values = np.empty(len(cells))
    for first in range(0, len(cells), 1_000_000):
        some = slice(first, first + 1_000_000)
        values[some] = (u[rows[some]] * v[cols[some]]).sum(axis=1)
    values = _rounded(values)
    values[values == 0] = 0.001
    x = sparse.csr_array((values, (rows, cols)), shape=(n, m))
    w = sparse.csr_array((draw.integers(1, 6, len(cells)).astype(float), x.indices, x.indptr), shape=(n, m))
    return {
        "X": x,
        "W": w,
        "U": _rounded(draw.standard_normal((n, rank))),
        "V": _rounded(draw.standard_normal((m, rank))),
    }


def _two(draw: Draw, n: int, m: int) -> Matrices:
    return {"X": _rounded(draw.standard_normal((n, m))), "Y": _rounded(draw.standard_normal((n, m)))}


def _square(draw: Draw, n: int) -> Matrices:
    return {"Z": _rounded(draw.standard_normal((n, n)))}


def _small(draw: Draw, n: int) -> Matrices:
    return {"A": _rounded(draw.standard_normal((n, n)) / n), "B": _rounded(draw.standard_normal((n, n)))}


def _customers(draw: Draw, n: int) -> Matrices:
    """A table of 50 columns with a header: what the script `whole_process` describes."""
    measured = draw.standard_normal((n, 40)) @ (np.eye(40) + 0.2 * draw.standard_normal((40, 40)))
    amounts = draw.lognormal(1, 1, (n, 5))
    codes = np.column_stack([draw.integers(1, classes + 1, n) for classes in (6, 8, 4)])
    numbers = np.hstack([measured, np.log1p(amounts), codes == 2])
    odds = numbers @ draw.standard_normal(48) / 6 - 0.5
    left = draw.random(n) < 1 / (1 + np.exp(-odds))
    spent = 20 + numbers @ draw.standard_normal(48) + 3 * draw.standard_normal(n)
    measured[draw.random((n, 40)) < 0.02] = np.nan
    table = np.column_stack([measured.round(DECIMALS), amounts.round(2), codes, left, spent.round(2)])
    header = ",".join(f"C{j + 1}" for j in range(50))
    rows = [",".join("NaN" if np.isnan(x) else repr(float(x)) for x in row) for row in table]
    return {"X": "\n".join([header, *rows, ""])}


REGRESSION = Dataset("regression", _regression, (1_000_000, 100), (5000, 20), ("X", "y"))
WEIGHTED = Dataset("weighted", _weighted, (1_000_000, 200), (5000, 20), ("X", "w", "v"))
CLASSES = Dataset("classes", _classes, (500_000, 50, 5), (3000, 10, 3), ("X", "y"))
CLUSTERS = Dataset("clusters", _clusters, (1_000_000, 50, 10), (3000, 10, 4), ("X", "C"))
SVM = Dataset("svm", _svm, (500_000, 10_000, 20), (3000, 500, 10), ("X", "y"))
RATINGS = Dataset("ratings", _ratings, (20_000, 10_000, 20), (400, 200, 5), ("X", "W", "U", "V"))
TWO = Dataset("two", _two, (20_000, 1000), (200, 100), ("X", "Y"))
SQUARE = Dataset("square", _square, (2000,), (100,), ("Z",))
SMALL = Dataset("small", _small, (100,), (20,), ("A", "B"))
CUSTOMERS = Dataset("customers", _customers, (10_000,), (500,), ("X",))
