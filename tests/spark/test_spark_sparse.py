"""Sparse matrices on a cluster: the same numbers as locally, and blocks that are damaged are made again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import random_array
from test_spark_reliability import block_files, execute, sums

import gramian
from gramian.backends.local import LocalBackend
from gramian.backends.spark import SparkBackend, matrix
from gramian.ir.sparse import is_sparse

ITERATIVE = """
    X = rand(rows=60000, cols=500, seed=7, min=-1, max=1, sparsity=0.01)
    w = rand(rows=60000, cols=1, seed=8)
    v = matrix(0.01, rows=500, cols=1)
    i = 0
    while (i < 4) {
      g = t(X) %*% (w * (X %*% v))
      v = v + g / sum(g * g)
      X = X * 0.9
      print("step " + i)
      i = i + 1
    }
    print("sums " + sum(v) + " " + sum(X != 0) + " " + min(colMins(X)) + " " + sum(X[59990:60000, ]))
    print("sums " + sum(exp(X)) + " " + sum(rowSums(X) ^ 2))
"""


@pytest.fixture
def backend(spark: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[SparkBackend]:
    monkeypatch.setattr(matrix, "PANEL_BYTES", 1 << 19)  # eight panels
    found = SparkBackend(lambda: spark, least=1 << 14)
    yield found
    found.end()


@pytest.fixture(scope="module")
def expected() -> list[float]:
    return sums(execute(ITERATIVE, LocalBackend()))


def delete(path: Path) -> None:
    path.unlink()


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def wrong_columns(path: Path) -> None:
    """Numbers of columns that are beyond the matrix."""
    with open(path, "r+b") as file:
        file.seek(-8, os.SEEK_END)
        file.write(b"\xff\xff\xff\x7f")


@pytest.mark.parametrize("damage", [None, delete, cut_short, wrong_columns])
def test_damaged_blocks_are_made_again(
    damage: Callable[[Path], None] | None, spark: Any, backend: SparkBackend, expected: list[float]
) -> None:
    damaged: list[Path] = []

    def at_steps(text: str) -> None:
        if damage is not None and text.strip() in ("step 1", "step 2"):
            for path in block_files(spark, backend.cluster.name):
                if np.load(path, mmap_mode="r").ndim == 1:  # compressed rows
                    damage(path)
                    damaged.append(path)

    assert sums(execute(ITERATIVE, backend, at_steps)) == pytest.approx(expected, rel=1e-9)
    assert damage is None or len(damaged) >= 8


def test_scipy_goes_to_the_cluster_and_back(spark: Any, tmp_path: Path) -> None:
    x = random_array((6000, 300), density=0.01, rng=np.random.default_rng(1)).tocsr()
    script = "R = rand(rows=6000, cols=300, seed=3)\nZ = X * R\nv = t(R) %*% (X %*% matrix(1, 300, 1))\ns = sum(abs(Z))"
    outputs = ["Z", "v", "s"]
    with gramian.Session(spark=spark, shared=str(tmp_path)) as session:
        found = session.run(script, {"X": x}, outputs)
        z, v, s = (found[name] for name in outputs)
    with gramian.Session() as session:
        right = session.run(script, {"X": x}, outputs)
        assert is_sparse(z)
        assert z.nnz == right["Z"].nnz
        assert abs(z - right["Z"]).sum() == 0
        np.testing.assert_allclose(v, right["v"])
        assert s == pytest.approx(right["s"])
