"""Whole scripts whose pipelines are long enough to be fused, by NumPy's panels and by compiled loops, against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, softmax

from gramian.api.script import Script
from gramian.backends.local.fused.kernel import PipelineKernel
from gramian.ir.fused import FUSED
from gramian.ir.node import walk
from gramian.ir.program import item_roots, items
from gramian.settings import Settings
from gramian.source import Source

Array = np.ndarray[Any, Any]


def soft(x: Array, _: Array) -> Array:
    return softmax(x, axis=1)


def standardised(x: Array, _: Array) -> Array:
    return (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)


def k_means(x: Array, _: Array) -> Array:
    centres = x[:5]
    for _ in range(4):
        distances = ((x[:, None, :] - centres[None]) ** 2).sum(axis=2)
        nearest = distances.argmin(axis=1)
        centres = np.stack([x[nearest == k].mean(axis=0) for k in range(5)])
    return centres


def logistic(x: Array, y: Array) -> Array:
    w = np.zeros((x.shape[1], 1))
    for _ in range(5):
        w = w - 0.5 * (x.T @ (expit(x @ w) - y) / len(x) + 0.01 * w)
    return w


def multinomial(x: Array, y: Array) -> Array:
    classes = np.eye(3)[np.clip(x[:, :1].round(), 0, 2).astype(int)[:, 0]]
    w = np.zeros((x.shape[1], 3))
    for _ in range(3):
        w -= x.T @ (softmax(x @ w, axis=1) - classes) / len(x)
    return w


def least_squares(x: Array, y: Array) -> Array:
    return np.linalg.solve(x.T @ x + 0.1 * np.eye(x.shape[1]), x.T @ y)


def imputed(x: Array, _: Array) -> Array:
    holes = np.where(x > 1.5, np.nan, x)
    means = np.nansum(holes, axis=0) / np.isfinite(holes).sum(axis=0)
    return np.where(np.isnan(holes), means, holes)


def factorised(x: Array, _: Array) -> Array:
    v = abs(x)
    w, h = np.full((len(v), 4), 0.5), abs(x[:4])
    for _ in range(2):
        h = h * (w.T @ v) / (w.T @ w @ h + 1e-9)
        w = w * (v @ h.T) / (w @ (h @ h.T) + 1e-9)
    return w @ h


SCRIPTS: dict[str, tuple[Callable[[Array, Array], Array], str]] = {
    "softmax": (soft, "S = exp(X - rowMaxs(X)); R = S / rowSums(S)"),
    "standardising": (standardised, "R = (X - colMeans(X)) / colSds(X)"),
    "k-means": (
        k_means,
        """
        R = X[1:5, ]
        for (i in 1:4) {
          D = -2 * (X %*% t(R)) + t(rowSums(R ^ 2))
          P = D <= rowMins(D)
          P = P / rowSums(P)
          R = (t(P) %*% X) / t(colSums(P))
        }
        """,
    ),
    "logistic regression": (
        logistic,
        """
        R = matrix(0, rows=ncol(X), cols=1)
        for (i in 1:5) {
          gradient = t(X) %*% (1 / (1 + exp(-X %*% R)) - y) / nrow(X) + 0.01 * R
          R = R - 0.5 * gradient
        }
        """,
    ),
    "multinomial regression": (
        multinomial,
        """
        Y = table(seq(1, nrow(X)), 1 + max(0, min(2, round(X[, 1]))), nrow(X), 3)
        R = matrix(0, rows=ncol(X), cols=3)
        for (i in 1:3) {
          S = X %*% R
          E = exp(S - rowMaxs(S))
          R = R - t(X) %*% (E / rowSums(E) - as.matrix(Y)) / nrow(X)
        }
        """,
    ),
    "conjugate gradients": (
        least_squares,
        """
        R = matrix(0, rows=ncol(X), cols=1)
        r = -(t(X) %*% y)
        p = -r
        norm = sum(r ^ 2)
        i = 0
        while (i < 60 & norm > 1e-24) {
          q = t(X) %*% (X %*% p) + 0.1 * p
          a = norm / sum(p * q)
          R = R + a * p
          r = r + a * q
          old = norm
          norm = sum(r ^ 2)
          p = -r + norm / old * p
          i = i + 1
        }
        """,
    ),
    "missing values": (
        imputed,
        """
        H = ifelse(X > 1.5, NaN, X)
        there = 1 - is.nan(H)
        R = replace(target=H, pattern=NaN, replacement=0)
        R = R + (1 - there) * (colSums(R) / colSums(there))
        """,
    ),
    "factorisation": (
        factorised,
        """
        V = abs(X); W = matrix(0.5, rows=nrow(V), cols=4); H = abs(X[1:4, ])
        for (i in 1:2) {
          H = H * (t(W) %*% V) / (t(W) %*% W %*% H + 1e-9)
          W = W * (V %*% t(H)) / (W %*% (H %*% t(H)) + 1e-9)
        }
        R = W %*% H
        """,
    ),
}


@pytest.mark.parametrize("compiled", [False, True], ids=["panels", "loops"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_script(name: str, compiled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, text = SCRIPTS[name]
    noise = np.random.default_rng(8)
    x = noise.normal(size=(7001, 19))
    y = (x[:, :1] + noise.normal(size=(7001, 1)) > 0).astype(float)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    read = f'X = read("{tmp_path}/x.npy")\ny = read("{tmp_path}/y.npy")\n'
    script = f'{read}{text}\nwrite(R, "{tmp_path}/r.npy", format="npy")\n'
    monkeypatch.setattr(PipelineKernel, "repays_compiling", lambda self, operands: compiled)
    program = Script.compile(Source(name, script), Settings())
    functions = program.program.all_functions
    nodes = {n for f in functions for item in items(f.body) for n in walk(item_roots(item))}
    assert any(node.op is FUSED for node in nodes)
    program.run()
    found = np.load(tmp_path / "r.npy")
    np.testing.assert_allclose(found, expected(x, y), rtol=1e-9, atol=1e-11)
