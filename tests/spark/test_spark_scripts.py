"""Scripts whose matrices live on the cluster print what they print on one machine."""

from __future__ import annotations

from typing import Any

import pytest

from gramian.api.script import Script
from gramian.backends.spark import SparkBackend
from gramian.budget import Budget
from gramian.runtime.run import Execution
from gramian.settings import Settings
from gramian.source import Source

SCRIPTS = {
    "cells and aggregates": """
        X = rand(rows=3000, cols=20, seed=7, min=-1, max=1)
        Z = (X - colMeans(X)) / 2
        print(sum(exp(-abs(Z))) + " " + min(Z) + " " + max(rowSums(X)) + " " + sum(colVars(X)) + " " + mean(X) + " " + sd(X))
        print(sum(X * t(colSums(t(X))) + X %% 0.3) + " " + sum(X > 0 & Z < 0.2))
    """,
    "products": """
        X = rand(rows=3000, cols=20, seed=7, min=-1, max=1)
        w = rand(rows=3000, cols=1, seed=3)
        v = matrix(seq(1, 20), 20, 1)
        print(sum(t(X) %*% X) + " " + sum(t(X) %*% (w * (X %*% v))) + " " + sum(X %*% matrix(2, 20, 30)))
        print(sum(X %*% t(X[1:50, ])) + " " + sum(t(X) %*% w))
    """,
    "iterations": """
        X = rand(rows=3000, cols=20, seed=7, min=-1, max=1)
        y = X %*% matrix(1, 20, 1) + 0.1 * rand(rows=3000, cols=1, seed=9, pdf="normal")
        b = matrix(0, 20, 1)
        r = -(t(X) %*% y)
        p = -r
        norm = sum(r ^ 2)
        i = 0
        while (i < 5) {
          q = t(X) %*% (X %*% p)
          a = norm / sum(p * q)
          b = b + a * p
          r = r + a * q
          before = norm
          norm = sum(r ^ 2)
          p = -r + norm / before * p
          i = i + 1
        }
        print(toString(b, decimal=6))
    """,
    "parts": """
        X = rand(rows=3000, cols=20, seed=7, min=-1, max=1)
        Y = X[1000:2000, 3:7]
        print(sum(Y) + " " + as.scalar(X[2999, 20]) + " " + nrow(X) + " " + sum(rbind(X, X)) + " " + sum(cbind(X, X)))
        X[5, 5] = 100
        print(sum(X) + " " + max(X) + " " + sum(rev(X)[1:10, ]) + " " + sum(cumsum(X)))
        print(sum(order(target=X, by=2)[1:9, ]))
        print(sum(removeEmpty(target=X * (X > 0.5), margin="rows")) + " " + sum(seq(1, 5000) ^ 2) + " " + sum(t(X)[2:3, ]))
    """,
}


def printed(text: str, backend: Any, capsys: pytest.CaptureFixture[str]) -> str:
    program = Script.compile(Source("test.dml", text)).program
    Execution(program, backend, Settings(), None).run()
    return capsys.readouterr().out


def numbers(text: str) -> list[float]:
    return [float(word) for word in text.split()]


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_same_as_on_one_machine(name: str, spark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    Script.compile(Source("test.dml", SCRIPTS[name])).run()
    expected = capsys.readouterr().out
    backend = SparkBackend(lambda: spark, budget=Budget(), least=1 << 14)
    found = printed(SCRIPTS[name], backend, capsys)
    assert numbers(found) == pytest.approx(numbers(expected), rel=1e-9)
    assert backend.cluster.jobs > 0
    backend.cluster.close()
