"""parfor with iterations as tasks of Spark prints what it prints on one machine."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from gramian.api.script import Script
from gramian.backends.spark import SparkBackend
from gramian.budget import Budget
from gramian.errors import ScriptError
from gramian.runtime.run import Execution
from gramian.settings import Settings
from gramian.source import Source

SCRIPTS = {
    "results, sums and lines in order": """
        X = rand(rows=2000, cols=40, seed=1)                  # large enough to be brought once
        A = matrix(0, rows=30, cols=3); s = matrix(0, 1, 40)
        for (k in 1:3) {
          parfor (i in 1:30, mode=REMOTE_SPARK) {
            print(k + " " + i + " " + sum(X[i, ]))
            A[i, 1] = sum(X[, i]) * k
            A[i, 2] = as.scalar(rand(rows=1, cols=1))
            for (j in 1:2) A[i, 3] = as.scalar(A[i, 2]) + i * 2
            s += X[i, ] / 3
          }
        }
        print(toString(A, decimal=17)); print(toString(s, decimal=17))""",
    "functions, late plans, lists and frames": """
        f = function(matrix[double] X, int k) return (double y) {
          Y = removeEmpty(target=X * (X > 0.1 * k), margin="rows")
          y = sum(t(Y) %*% Y)
        }
        X = rand(rows=300, cols=30, seed=3)
        L = list(x=X, n=3); F = as.frame(matrix(seq(1, 4), 4, 1)); R = list(1, 2, 3, 4)
        parfor (i in 1:4, mode=REMOTE_SPARK) {
          R[i] = matrix(f(as.matrix(L["x"]), i), 1, 1) + eval("mean", X)
          F[i, 1] = as.frame(-i)
        }
        print(toString(R)); print(toString(F))""",
    "distributed matrices": """
        X = rand(rows=4000, cols=20, seed=1, min=-1, max=1)
        Z = abs(X)
        R = matrix(0, rows=10, cols=2)
        parfor (i in 1:10) {
          R[i, 1] = sum(Z[((i - 1) * 400 + 1):(i * 400), ] %*% matrix(i, 20, 1))
          R[i, 2] = sum(X * i)
        }
        print(toString(R, decimal=9))""",
}


@pytest.fixture
def backend(spark: Any) -> Iterator[SparkBackend]:
    found = SparkBackend(lambda: spark, budget=Budget(), least=1 << 19)
    yield found
    found.end()


def run(text: str, backend: SparkBackend) -> None:
    script = Script.compile(Source("script.dml", text), Settings(seed=5))
    Execution(script.program, backend, script.settings).run()


def run_here(text: str) -> None:
    Script.compile(Source("script.dml", text), Settings(seed=5)).run()


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_same_as_on_one_machine(name: str, backend: SparkBackend, capsys: pytest.CaptureFixture[str]) -> None:
    run_here(SCRIPTS[name])
    expected = capsys.readouterr().out
    run(SCRIPTS[name], backend)
    assert capsys.readouterr().out == expected
    assert 0 < backend.cluster.jobs < 10


FAILS = """
f = function(matrix[double] x, int i) return (double y) {
  if (i == 5)
    stop("no " + i)
  y = sum(x)
}
X = rand(rows=2000, cols=40, seed=1)
R = matrix(0, rows=9, cols=1)
parfor (i in 1:9, mode=REMOTE_SPARK) {
  print(i)
  R[i, 1] = f(X, i)
}
"""


def test_an_error_shows_the_line_of_the_script(backend: SparkBackend, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ScriptError) as here:
        run_here(FAILS)
    expected = capsys.readouterr().out
    with pytest.raises(ScriptError) as there:
        run(FAILS, backend)
    assert there.value.render() == here.value.render()
    assert "script.dml:4" in there.value.render()
    assert capsys.readouterr().out == expected == "1\n2\n3\n4\n5\n"


@pytest.fixture
def interrupts() -> Iterator[None]:
    """An interrupt raises KeyboardInterrupt, also where whoever started the tests ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


FEW = "R = matrix(0, 4, 1)\nparfor (i in 1:4, mode=REMOTE_SPARK) R[i, 1] = i\nprint(sum(R))"
ENDLESS = "R = matrix(0, 4, 1)\nparfor (i in 1:4, mode=REMOTE_SPARK) { k = 0; while (k < 1e12) k = k + 1; R[i, 1] = k }"


@pytest.mark.usefixtures("interrupts")
def test_interrupting_ends_the_job(backend: SparkBackend, capsys: pytest.CaptureFixture[str]) -> None:
    run(FEW, backend)
    timer = threading.Timer(2.0, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run(ENDLESS, backend)
    timer.join()
    run(FEW, backend)
    assert capsys.readouterr().out == "10.0\n10.0\n"
