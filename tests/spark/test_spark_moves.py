"""What moves between machines, in real shuffles: one machine has none of them but for the driver's arrays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from placements import check, loaded, run

from gramian.backends.spark import SparkBackend, given, matrix, moves
from gramian.ir.op import REGISTRY

ROWS, COLS = 3000, 40


@pytest.fixture
def backend(spark: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[SparkBackend]:
    monkeypatch.setattr(matrix, "PANEL_BYTES", 1 << 17)  # eight panels
    monkeypatch.setattr(moves, "WORTH", 0)
    monkeypatch.setattr(given, "LEAST", 1 << 10)
    monkeypatch.setattr(given, "ALWAYS", 1 << 10)
    found = SparkBackend(lambda: spark, least=1 << 14)
    yield found
    found.end()


def op(backend: SparkBackend, name: str, *values: Any) -> Any:
    return run(REGISTRY[name], list(values), backend)


@pytest.fixture
def x(backend: SparkBackend) -> Any:
    return op(backend, "*", op(backend, "rand", ROWS, COLS, 0.0, 1.0, 1.0, 7, "uniform", None), 2.0)


def test_rows_in_another_order(backend: SparkBackend, x: Any) -> None:
    cells = loaded(x)
    check(op(backend, "order", x, 2, False, False), cells[np.argsort(cells[:, 1], kind="stable")])


def test_a_product_of_two_large_matrices(backend: SparkBackend, x: Any) -> None:
    w = op(backend, "*", op(backend, "rand", COLS, ROWS, 0.0, 1.0, 1.0, 8, "uniform", None), 2.0)
    check(op(backend, "rowSums", op(backend, "%*%", x, w)), (loaded(x) @ loaded(w)).sum(axis=1, keepdims=True))


def test_a_transpose_by_rows(backend: SparkBackend, x: Any) -> None:
    w = op(backend, "rand", COLS, ROWS, 0.0, 1.0, 1.0, 8, "uniform", None)
    check(op(backend, "+", op(backend, "t", x), w), loaded(x).T + loaded(w))


def test_an_array_of_the_driver(backend: SparkBackend, x: Any, way: str, cluster_folders: list[Path]) -> None:
    row = np.arange(COLS, dtype=np.float64).reshape(1, COLS) * np.ones((COLS, 1))
    for _ in range(2):
        check(op(backend, "%*%", x, row), loaded(x) @ row)
    files = [path for folder in cluster_folders for path in folder.rglob(f"gramian-{backend.cluster.name}/m*/0.block")]
    sizes = [path.stat().st_size for path in files]
    assert sizes.count(row.nbytes + 128) == (2 if way == "cluster" else 1)


@pytest.fixture
def cluster_folders(spark: Any) -> list[Path]:
    """The folders of the workers on this machine."""

    def work(batches: Iterator[Any]) -> Iterator[Any]:
        import time

        import pyarrow as pa

        from gramian.backends.spark.blocks import Store

        list(batches)
        time.sleep(0.1)
        yield pa.RecordBatch.from_arrays([pa.array([str(Store("any").folder.parent)])], names=["told"])

    told = spark.range(0, 8, 1, 8).mapInArrow(work, "told string").toArrow()
    return [Path(folder) for folder in sorted(set(told.column("told").to_pylist()))]
