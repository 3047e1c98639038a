"""What surrounds training: initial weights, data, and the check of gradients for layers of one's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from harness import run

RNG = np.random.default_rng(8)
ROWS, COLS, IN, OUT = 300, 200, 50, 150
SCHEMES = {
    "he_normal": 2 / IN,
    "he_uniform": 2 / IN,
    "glorot_normal": 2 / (IN + OUT),
    "glorot_uniform": 2 / (IN + OUT),
    "lecun_normal": 1 / IN,
    "truncated_normal": 1 / IN,
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_initial_weights(scheme: str) -> None:
    call = f"init::{scheme}({ROWS}, {COLS}, {IN}, {OUT}"
    text = f'source("nn/init.dml") as init\nA = {call}, 3)\nB = {call}, seed=3)\nC = {call})\nD = {call})'
    found = {name: np.asarray(value) for name, value in run(text, {}, ["A", "B", "C", "D"]).items()}
    deviation = np.sqrt(SCHEMES[scheme])
    np.testing.assert_array_equal(found["A"], found["B"])
    assert not np.array_equal(found["C"], found["D"])
    assert found["A"].shape == (ROWS, COLS)
    assert found["A"].mean() == pytest.approx(0, abs=0.02 * deviation)
    assert found["A"].std() == pytest.approx(deviation, rel=0.01)
    if "uniform" in scheme:
        assert np.abs(found["A"]).max() <= np.sqrt(3) * deviation
    elif scheme == "truncated_normal":
        assert 2.2 * deviation < np.abs(found["A"]).max() < 2.3 * deviation
    else:
        assert np.abs(found["A"]).max() > 3 * deviation


@pytest.mark.parametrize(("rows", "cols"), [(5, 3), (3, 5), (4, 4), (1, 1)])
def test_orthogonal_weights(rows: int, cols: int) -> None:
    text = 'source("nn/init.dml") as init\nW = init::orthogonal(rows, cols, 0, 0, 9)'
    w = np.asarray(run(text, {"rows": rows, "cols": cols}, ["W"])["W"])
    assert w.shape == (rows, cols)
    product = w.T @ w if rows >= cols else w @ w.T
    np.testing.assert_allclose(product, np.eye(min(rows, cols)), atol=1e-12)


def test_seeds_of_layers() -> None:
    text = """source("nn/init.dml") as init
s = matrix(0, 20, 1)
for (i in 1:20) { s[i, 1] = init::layer_seed(9000000000000000000, i) }
none = init::layer_seed(-1, 3)"""
    found = run(text, {}, ["s", "none"])
    assert len(np.unique(found["s"])) == 20
    assert found["none"] == -1


DATA = 'source("nn/data.dml") as data\n'


def test_order_and_batches() -> None:
    x = np.arange(20.0).reshape(10, 2)
    text = (
        DATA
        + """[A, B] = data::shuffle(X, X[, 1], 5)
[C, D] = data::shuffle(X, X[, 1], seed=5)
[X3, Y3] = data::batch(X, X[, 1], 3, 4)
[X1, Y1] = data::batch(X, X[, 1], 1, 4)
[M, N] = data::mixup(X, X[, 1], 0.75, 5)"""
    )
    found = {k: np.asarray(v) for k, v in run(text, {"X": x}, [*"ABCDMN", "X3", "Y3", "X1"]).items()}
    np.testing.assert_array_equal(found["A"][:, :1], found["B"])
    np.testing.assert_array_equal(found["A"], found["C"])
    assert not np.array_equal(found["A"], x)
    np.testing.assert_array_equal(found["A"][np.argsort(found["A"][:, 0])], x)
    np.testing.assert_array_equal(found["X1"], x[:4])
    np.testing.assert_array_equal(found["X3"], x[8:])
    np.testing.assert_array_equal(found["Y3"], x[8:, :1])
    np.testing.assert_allclose(found["M"], 0.75 * x + 0.25 * found["A"])
    np.testing.assert_allclose(found["N"], found["M"][:, :1])


def test_labels_and_accuracy() -> None:
    y = np.array([[2.0], [1], [3], [3]])
    probs = np.array([[0.2, 0.5, 0.3], [0.3, 0.6, 0.1], [0.5, 0.2, 0.3], [0.1, 0.2, 0.7]])
    text = (
        DATA
        + """Y = data::one_hot(y, 3)
a = data::accuracy(P, Y)
k1 = data::top_k_accuracy(P, Y, 1)
k2 = data::top_k_accuracy(P, Y, 2)
k3 = data::top_k_accuracy(P, Y, 3)"""
    )
    found = run(text, {"y": y, "P": probs}, ["Y", "a", "k1", "k2", "k3"])
    np.testing.assert_array_equal(found["Y"], np.eye(3)[[1, 0, 2, 2]])
    assert (found["a"], found["k1"], found["k2"], found["k3"]) == (0.5, 0.5, 1, 1)
    with pytest.raises(Exception, match=r"numbers from 1 to 2, found 1.0 to 3.0"):
        run(DATA + "Y = data::one_hot(y, 2)", {"y": y}, ["Y"])


@pytest.mark.parametrize("n", [40, 1])
def test_changes_to_images(n: int) -> None:
    c, h, w = 2, 5, 4
    images = RNG.uniform(1, 2, size=(n, c, h, w))
    text = (
        DATA
        + """F = data::flip(X, C, H, W, 0.5, 3)
A = data::flip(X, C, H, W, 1.0)
S = data::crop(X, C, H, W, 1, 4)
K = data::cutout(X, C, H, W, 2, 6)"""
    )
    inputs = {"X": images.reshape(n, -1), "C": c, "H": h, "W": w}
    found = {name: np.asarray(v).reshape(n, c, h, w) for name, v in run(text, inputs, list("FASK")).items()}
    np.testing.assert_array_equal(found["A"], images[..., ::-1])
    flipped = [np.array_equal(a, b[..., ::-1]) for a, b in zip(found["F"], images, strict=True)]
    kept = [np.array_equal(a, b) for a, b in zip(found["F"], images, strict=True)]
    assert all(a != b for a, b in zip(flipped, kept, strict=True))
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    moves = [
        [(i, j) for i in range(3) for j in range(3) if np.array_equal(p[:, i : i + h, j : j + w], s)]
        for p, s in zip(padded, found["S"], strict=True)
    ]
    assert all(len(found_moves) == 1 for found_moves in moves)
    for image, cut in zip(images, found["K"], strict=True):
        gone = cut == 0
        np.testing.assert_array_equal(gone[0], gone[1])
        rows, columns = np.nonzero(gone[0].any(axis=1))[0], np.nonzero(gone[0].any(axis=0))[0]
        assert gone[0].sum() == len(rows) * len(columns) <= 4
        assert len(rows) >= 1 <= len(columns)
        np.testing.assert_array_equal(cut[~gone], image[~gone])
    if n > 1:
        assert 0 < sum(flipped) < n
        assert len({found_moves[0] for found_moves in moves}) == 9


LAYER = """
forward = function(matrix[double] X, matrix[double] W, double s) return (matrix[double] out, int k, matrix[double] H) {
  H = X %*% W
  out = tanh(H) * s
  k = 3
}
backward = function(matrix[double] dout, int k, matrix[double] H, matrix[double] X, matrix[double] W, double s)
  return (matrix[double] dW, matrix[double] dX) {
  D = dout * s * (1 - tanh(H)^2)
  dW = t(X) %*% D
  dX = D %*% t(W) * 1.01
}
"""
LOSS = """
forward = function(matrix[double] pred, matrix[double] y) return (double loss) { loss = sum((pred - y)^4) }
backward = function(matrix[double] pred, matrix[double] y) return (matrix[double] d) { d = 4 * (pred - y)^3 }
"""


def test_check_of_gradients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "layer.dml").write_text(LAYER)
    (tmp_path / "loss.dml").write_text(LOSS)
    text = """source("layer.dml") as layer
source("loss.dml") as loss
source("nn/layers/affine.dml") as affine
source("nn/grad_check.dml") as grad_check
right = grad_check::check("layer", list(X=X, W=W, s=2), 2, gradient=1)
wrong = grad_check::check("layer", list(X, W, 2), 1, gradient=2)
right_loss = grad_check::check_loss("loss", list(X, 0.5 * X), 1)
b = matrix(0.5, 1, ncol(W))
last = grad_check::check("affine", list(X, W, b), 3)"""
    names = ["right", "wrong", "right_loss", "last"]
    found = run(text, {"X": RNG.normal(size=(3, 4)), "W": RNG.normal(size=(4, 2))}, names)
    assert found["wrong"] == pytest.approx(0.01, rel=0.02)
    assert max(value for name, value in found.items() if name != "wrong") < 1e-7
