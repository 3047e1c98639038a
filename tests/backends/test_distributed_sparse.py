"""Distributed matrices whose blocks are sparse, or some of them, give what matrices in memory give.

As in test_distributed, the workers' part runs in this process.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from many_rows import CASES
from placements import SAMPLES, check, loaded, run
from samples import Sample, convert
from scipy.sparse import csr_array
from test_distributed import Here, near

from gramian.backends.local import LocalBackend
from gramian.backends.spark import SparkBackend, matrix
from gramian.backends.spark.blocks import Array, Cut, Recipe, Store
from gramian.backends.spark.matrix import SparkMatrix
from gramian.budget import Budget
from gramian.ir import sparse
from gramian.ir.op import REGISTRY


@dataclass(frozen=True)
class Sent(Recipe):
    """Cells from the driver in compressed rows, but for each panel whose number is a multiple of `dense`."""

    cells: Array
    dense: int | None

    def make(self, panel: int, store: Store) -> Array:
        rows = self.cells[slice(*self.cut.limits(panel))]
        return rows if self.dense and panel % self.dense == 0 else csr_array(rows)


@pytest.fixture(scope="module")
def backend() -> Iterator[SparkBackend]:
    found = SparkBackend(lambda: None, budget=Budget(), least=1)
    found.cluster = Here()
    yield found
    found.end()


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sparse stays sparse, however small and dense it is."""
    monkeypatch.setattr(matrix, "PANEL_BYTES", 32)
    monkeypatch.setattr(sparse, "SMALLEST", 0)
    monkeypatch.setattr(sparse, "DENSEST", 2.0)


def distributed(backend: SparkBackend, cells: Any, step: int = 2, dense: int | None = None) -> SparkMatrix:
    kept = np.ascontiguousarray(cells)
    recipe = Sent(backend.cluster.fresh(), Cut(len(cells), step), kept.shape[1], str(kept.dtype), kept, dense)
    share = np.count_nonzero(kept) / max(1, kept.size)
    return SparkMatrix(recipe, backend.cluster, backend.budget.scratch, share)


def variants(backend: SparkBackend, values: list[Any]) -> Iterator[list[Any]]:
    """Every choice of matrices to be distributed with sparse blocks, with some dense ones, or as a transpose."""
    matrices = [at for at, v in enumerate(values) if isinstance(v, np.ndarray) and v.size]
    forms: dict[str, Callable[[Any, int], Any]] = {
        "sparse": lambda m, at: distributed(backend, m, 2 if at == matrices[0] else 3),
        "mixed": lambda m, _: distributed(backend, m, 1, 2),
        "turned": lambda m, _: distributed(backend, m.T, 1).T,
        "driver": lambda m, _: m,
        "stored": lambda m, _: csr_array(m),
    }
    for chosen in itertools.product(forms, repeat=len(matrices)):
        if set(chosen) - {"driver", "stored"}:
            made = list(values)
            for at, form in zip(matrices, chosen, strict=True):
                made[at] = forms[form](made[at], at)
            yield made


@pytest.mark.usefixtures("always")
@pytest.mark.filterwarnings("ignore:Changing the sparsity", "ignore::RuntimeWarning")
@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_samples(sample: Sample, backend: SparkBackend) -> None:
    values = convert(sample.op, sample.values())
    expected = run(sample.op, values, LocalBackend())
    for made in itertools.islice(variants(backend, values), 16):
        check(run(sample.op, made, backend), expected)


@pytest.mark.usefixtures("always")
@pytest.mark.filterwarnings("ignore:Changing the sparsity", "ignore::RuntimeWarning")
@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("family", CASES)
def test_many_panels(family: str, precision: str, backend: SparkBackend) -> None:
    spark = SparkBackend(lambda: None, precision, Budget(), least=1)
    spark.cluster = backend.cluster
    kind = np.float64 if precision == "double" else np.float32
    for name, values in CASES[family]:
        given = [v.astype(kind) if isinstance(v, np.ndarray) else v for v in values]
        expected = loaded(run(REGISTRY[name], given, LocalBackend(precision)))
        for dense in (None, 2):
            made = [distributed(spark, v, 7, dense) if isinstance(v, np.ndarray) and len(v) >= 20 else v for v in given]
            found = loaded(run(REGISTRY[name], made, spark))
            assert getattr(found, "dtype", None) == getattr(expected, "dtype", None), name
            check(found, expected) if precision == "double" else near(found, expected, name)
