"""Distributed matrices give what matrices in memory give, on the samples of all records.

Here the workers' part runs in this process, where a step costs no job: Spark itself is in tests/spark.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from here import Here
from many_rows import CASES
from placements import SAMPLES, check, loaded, run, sent
from samples import Sample, convert

from gramian.backends.local import LocalBackend
from gramian.backends.spark import SparkBackend, matrix
from gramian.backends.spark.blocks import Cut
from gramian.backends.spark.matrix import SparkMatrix
from gramian.budget import Budget
from gramian.ir.op import REGISTRY


@pytest.fixture(scope="module")
def backend() -> Iterator[SparkBackend]:
    found = SparkBackend(lambda: None, budget=Budget(), least=1)
    found.cluster = Here()
    yield found
    found.end()


@pytest.fixture(autouse=True)
def small_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "PANEL_BYTES", 32)


def distributed(backend: SparkBackend, cells: Any, step: int = 2) -> SparkMatrix:
    return SparkMatrix(
        sent(backend.cluster.fresh(), Cut(len(cells), step), cells), backend.cluster, backend.budget.scratch
    )


def variants(backend: SparkBackend, values: list[Any]) -> Iterator[list[Any]]:
    """Every choice of matrices to be distributed, as they are, in panels of different lengths, or as a transpose."""
    matrices = [at for at, v in enumerate(values) if isinstance(v, np.ndarray) and v.size]
    forms = {
        "driver": lambda m, _: m,
        "rows": lambda m, at: distributed(backend, m, 2 if at == matrices[0] else 3),
        "turned": lambda m, _: distributed(backend, m.T, 1).T,
    }
    for chosen in itertools.product(forms, repeat=len(matrices)):
        if set(chosen) != {"driver"}:
            made = list(values)
            for at, form in zip(matrices, chosen, strict=True):
                made[at] = forms[form](made[at], at)
            yield made


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_samples(sample: Sample, backend: SparkBackend) -> None:
    values = convert(sample.op, sample.values())
    expected = run(sample.op, values, LocalBackend())
    for made in itertools.islice(variants(backend, values), 12):
        check(run(sample.op, made, backend), expected)


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("family", CASES)
def test_many_panels(family: str, precision: str, backend: SparkBackend) -> None:
    spark = SparkBackend(lambda: None, precision, Budget(), least=1)
    spark.cluster = backend.cluster
    kind = np.float64 if precision == "double" else np.float32
    for name, values in CASES[family]:
        given = [v.astype(kind) if isinstance(v, np.ndarray) else v for v in values]
        made = [distributed(spark, v, 7) if isinstance(v, np.ndarray) and len(v) >= 20 else v for v in given]
        found = loaded(run(REGISTRY[name], made, spark))
        expected = loaded(run(REGISTRY[name], given, LocalBackend(precision)))
        assert getattr(found, "dtype", None) == getattr(expected, "dtype", None), name
        if precision == "double":
            check(found, expected)
        else:
            near(found, expected, name)


def near(found: Any, expected: Any, name: str) -> None:
    pairs = zip(found, expected, strict=True) if isinstance(expected, tuple) else [(found, expected)]
    for one, other in pairs:
        assert getattr(one, "dtype", None) == getattr(other, "dtype", None), name
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-4, err_msg=name)
