"""The benchmarks on Spark, small: all sides run, and those of the same algorithm agree. No time matters here."""

from __future__ import annotations

from pathlib import Path

import pytest
from on_spark import data
from on_spark.measures import Plan, conjugate_gradient, small_driver


@pytest.fixture
def plan(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    if way != "local":
        pytest.skip("its sides start sessions of their own")
    monkeypatch.setattr(data, "DATA", tmp_path / "data")
    return Plan("local[2]", 4000, 2 << 20, 3, 1, tmp_path)


def test_sides_of_conjugate_gradient_agree(plan: Plan) -> None:
    lines = list(conjugate_gradient(plan))
    assert sum("ms per iteration" in line for line in lines) == 4
    assert sum("coefficients differ by" in line for line in lines) == 2
    assert (plan.folder / "Spark MLlib, L-BFGS.csv").exists()


def test_a_small_driver(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = 300 << 20
    monkeypatch.setattr("on_spark.measures.COLUMNS", 20)
    monkeypatch.setattr("on_spark.measures.CELL", 8 * 1024)  # so that there are few rows for so much memory
    lines = list(small_driver(Plan(plan.master, plan.rows, memory, 2, 1, plan.folder)))
    assert [line.split()[0] for line in lines] == ["driver", "kmeans", "softmax_regression"]
    assert all("Java" in line for line in lines[1:])
