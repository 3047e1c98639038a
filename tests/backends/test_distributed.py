"""Distributed matrices give what matrices in memory give, on the samples of all records.

Here the workers' part runs in this process, where a step costs no job: Spark itself is in tests/spark.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from here import backend_here, check_family
from many_rows import CASES
from placements import SAMPLES, check, in_forms, run, sent
from samples import Sample, convert

from gramian.backends.local import LocalBackend
from gramian.backends.spark import SparkBackend, matrix
from gramian.backends.spark.blocks import Cut
from gramian.backends.spark.matrix import SparkMatrix


@pytest.fixture(scope="module")
def backend() -> Iterator[SparkBackend]:
    with backend_here() as found:
        yield found


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
    return in_forms(values, matrices, forms, {"driver"})


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_samples(sample: Sample, backend: SparkBackend) -> None:
    values = convert(sample.op, sample.values())
    expected = run(sample.op, values, LocalBackend())
    for made in itertools.islice(variants(backend, values), 12):
        check(run(sample.op, made, backend), expected)


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("family", CASES)
def test_many_panels(family: str, precision: str, backend: SparkBackend) -> None:
    check_family(family, precision, backend.cluster, [lambda spark, v: distributed(spark, v, 7)])
