"""Loops whose iterations are tasks, in a cluster that is this process: what they read, and what it takes."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import pytest
from here import Here

from gramian.api.script import Script
from gramian.backends.spark import SparkBackend, matrix
from gramian.backends.spark.frame import SparkFrame
from gramian.budget import Budget
from gramian.errors import ScriptError
from gramian.runtime.run import Execution
from gramian.runtime.statistics import Statistics
from gramian.settings import Settings
from gramian.source import Source

NEVER = 1 << 60  # bytes: nothing is distributed


class Counted(Here):
    """Says how many bytes its jobs carried."""

    def __init__(self) -> None:
        super().__init__()
        self.carried: list[int] = []

    def _execute(self, task: Any) -> Any:
        self.carried.append(len(task.step))
        return super()._execute(task)


def backend(least: int = NEVER) -> SparkBackend:
    found = SparkBackend(lambda: None, budget=Budget(), least=least)
    found.cluster = Counted()
    return found


@pytest.fixture
def here() -> Iterator[SparkBackend]:
    found = backend()
    yield found
    found.end()


@pytest.fixture
def spread() -> Iterator[SparkBackend]:
    """Matrices of 16 KB are distributed."""
    found = backend(1 << 14)
    yield found
    found.end()


@pytest.fixture(autouse=True)
def small_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "PANEL_BYTES", 1 << 12)


def output(text: str, backend: SparkBackend | None = None, seed: int | None = None) -> str:
    """What a script prints, on one machine or with a backend, and the error that it ends with."""
    script = Script.compile(Source("script.dml", text), Settings(seed=seed))
    stream = io.StringIO()
    with redirect_stdout(stream):
        try:
            if backend is None:
                script.run()
            else:
                Execution(script.program, backend, script.settings).run()
        except ScriptError as error:
            stream.write(error.render())
    return stream.getvalue()


LARGE = """
X = rand(rows=4000, cols=50, seed=1)                     # 1.6 MB
S = rand(rows=4000, cols=1000, sparsity=0.09, seed=2)    # 4.3 MB
L = list(x=X + 1, t=t(X), s=S, name="list")
R = matrix(0, rows=6, cols=4)
for (k in 1:4) {
  parfor (i in 1:6, mode=REMOTE_SPARK) {
    A = as.matrix(L["x"]); B = as.matrix(L["t"]); C = as.matrix(L["s"])
    R[i, 1] = sum(X[i, ]) * k
    R[i, 2] = sum(A[, i]) + sum(B[i, ] %*% X[, 1:3])
    R[i, 3] = sum(C[, i])
    R[i, 4] = sum(S[i, ]) + length(L)
  }
}
print(toString(R, decimal=17))
"""


def test_large_arrays_are_brought_once(here: SparkBackend) -> None:
    assert output(LARGE, here) == output(LARGE)
    assert max(here.cluster.carried[-2:]) < 100_000


def test_an_array_that_is_lost_is_brought_again(here: SparkBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = here.cluster
    execute = cluster._execute
    lost: list[int] = []

    def losing(task: Any) -> Any:
        if len(cluster.carried) == 2:
            lost.append(1)
            shutil.rmtree(cluster.stores[0].folder)
        return execute(task)

    monkeypatch.setattr(cluster, "_execute", losing)
    assert output(LARGE, here) == output(LARGE)
    assert lost


def test_distributed_frames_are_read_where_they_are(spread: SparkBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
    F = as.frame(rand(rows=3000, cols=3, seed=1))
    L = list(F[, 1:2], F)
    R = matrix(0, rows=4, cols=3)
    parfor (i in 1:4, mode=REMOTE_SPARK) {
      R[i, 1] = as.double(as.scalar(F[i * 700, 2]))
      R[i, 2] = sum(as.matrix(F[(i * 10):(i * 500), 3]))
      G = as.frame(L[1])
      R[i, 3] = nrow(G) + ncol(F) + as.double(as.scalar(G[i, 2]))
    }
    print(toString(R, decimal=17))
    """
    expected = output(text)

    def brought(frame: SparkFrame) -> Any:
        raise AssertionError("a frame came to the driver")

    monkeypatch.setattr(SparkFrame, "load", brought)
    assert output(text, spread) == expected
    assert spread.cluster.jobs > 1


def test_what_is_written_between_loops_is_seen(here: SparkBackend) -> None:
    text = """
    X = rand(rows=300, cols=50, seed=1)
    X[1, 1] = 5                                       # from now on nobody else holds it
    R = matrix(0, rows=4, cols=300)
    for (k in 1:4) {
      parfor (i in 1:300, mode=REMOTE_SPARK) { R[k, i] = sum(X[i, ]) }
      X[k, ] = X[k, ] * 0 + k
      X[300, k] = -k
    }
    print(toString(R, decimal=17, cols=300))
    """
    assert output(text, here) == output(text)


def test_results_are_changed_where_they_are(here: SparkBackend) -> None:
    text = """
    R = rand(rows=300, cols=50, seed=1)
    R[1, 1] = 3
    B = R
    for (k in 1:3) parfor (i in 1:300, mode=REMOTE_SPARK) { R[i, ] = R[i, ] * k + i }
    print(toString(R[1:300, 1:5], decimal=17, rows=300)); print(sum(R)); print(sum(B))
    """
    assert output(text, here) == output(text)


LATE = """
f = function(matrix[double] X, int k) return (double y) {
  Y = removeEmpty(target=X * (X > 0.1 * k), margin="rows")
  Z = Y %*% t(Y)
  y = sum(Z) + sum(t(Y) %*% Y)
}
X = rand(rows=200, cols=30, seed=3)
Y = removeEmpty(target=X * (X > 0.2), margin="rows")
s = matrix(0, 1, 1)
R = matrix(0, rows=nrow(Y), cols=1)
parfor (i in 1:8, mode=REMOTE_SPARK) {
  s += matrix(f(X, i), 1, 1) / 7
  R[i, 1] = sum(Y[i, ]) + as.scalar(eval("sum", Y))
}
print(toString(s, decimal=17)); print(toString(R[1:8, ], decimal=17))
"""


def test_parts_compiled_late(here: SparkBackend) -> None:
    assert output(LATE, here) == output(LATE)
    assert here.cluster.jobs == 1


def test_distributed_matrices_are_read_in_tasks(spread: SparkBackend) -> None:
    text = """
    X = rand(rows=400, cols=50, seed=1, min=-1, max=1)
    Z = abs(X)
    L = list(z=Z + 1)
    R = matrix(0, rows=10, cols=3)
    parfor (i in 1:10) {
      b = Z[((i - 1) * 40 + 1):(i * 40), ]
      R[i, 1] = sum(b %*% matrix(i, 50, 1))
      R[i, 2] = sum(X * i)
      R[i, 3] = sum(t(X)[i, ]) + sum(as.matrix(L["z"])[i, ])
    }
    print(toString(R, decimal=9))
    """
    assert output(text, spread) == output(text)
    assert spread.cluster.jobs < 10


ERRORS = {
    "in the body": """
        X = rand(rows=200, cols=100, seed=1)
        outer = function(matrix[double] X) return (matrix[double] R) {
          R = matrix(0, rows=9, cols=2)
          parfor (i in 1:9, mode=REMOTE_SPARK) {
            print("at " + i)
            v = X[1:(20 + i), 1]
            if (i > 4) R[i, 1] = sum(v + X[1:25, 2])
          }
        }
        R = outer(X)
        print(sum(R))""",
    "in a function": """
        inner = function(matrix[double] x, int i) return (double y) { if (i == 7) stop("seven"); y = sum(x) }
        X = rand(rows=200, cols=100, seed=1); R = matrix(0, rows=9, cols=1)
        parfor (i in 1:9, mode=REMOTE_SPARK) {
          R[i, 1] = inner(X, i)
        }
        print(sum(R))""",
    "in the library": """
        source("nn/layers/affine.dml") as affine
        X = rand(rows=200, cols=100, seed=1); R = matrix(0, rows=9, cols=1)
        outer = function(matrix[double] X, matrix[double] R) return (matrix[double] R) {
          parfor (i in 1:9, mode=REMOTE_SPARK) {
            R[i, 1] = sum(affine::forward(X[, 1:(90 + i)], matrix(1, 95, 1), matrix(0, 1, 1)))
          }
        }
        R = outer(X, R)
        print(sum(R))""",
    "no value": """
        X = rand(rows=200, cols=100, seed=1); R = matrix(0, rows=9, cols=1)
        if (sum(X) < 0) q = 5
        parfor (i in 1:9, mode=REMOTE_SPARK) { R[i, 1] = i; if (i == 3) R[i, 1] = q }
        print(sum(R))""",
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_those_of_one_machine(name: str, here: SparkBackend) -> None:
    found = output(ERRORS[name], here)
    assert "error:" in found
    assert found == output(ERRORS[name])
    assert here.cluster.jobs == 1


def test_files_are_where_the_script_runs(here: SparkBackend, tmp_path: Any) -> None:
    text = f"""
    save = function(matrix[double] x, int i) {{ write(x, "{tmp_path}/" + i + ".csv", format="csv") }}
    parfor (i in 1:4, mode=REMOTE_SPARK) {{ save(matrix(i, 1, 1), i) }}
    """
    assert output(text, here) == ""
    assert here.cluster.jobs == 0
    assert sorted(p.name for p in tmp_path.glob("*.csv")) == ["1.csv", "2.csv", "3.csv", "4.csv"]


def test_loops_that_are_to_stay_do(spread: SparkBackend) -> None:
    text = """
    X = rand(rows=400, cols=50, seed=1); R = matrix(0, rows=8, cols=1); Y = matrix(1, 3, 3)
    parfor (i in 1:8, mode=LOCAL) { R[i, 1] = sum(Y) * i }
    print(sum(R))
    """
    assert output(text, spread) == output(text)
    assert spread.cluster.jobs == 0


def test_what_workers_do_is_counted(here: SparkBackend) -> None:
    text = "R = matrix(0, 5, 1)\nparfor (i in 1:5, mode=REMOTE_SPARK) R[i, 1] = sum(rand(rows=9, cols=9, seed=i))\nprint(R)"
    script = Script.compile(Source("script.dml", text))
    statistics = Statistics()
    with redirect_stdout(io.StringIO()):
        Execution(script.program, here, script.settings, statistics).run()
    (found,) = [t for t in statistics.timings() if t.name == "rand"]
    assert found.calls == 5
    assert found.span is not None
    assert found.span.line == 2
