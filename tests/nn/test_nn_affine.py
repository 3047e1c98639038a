"""Fully connected layers, low-rank ones and factorisation machines."""

from __future__ import annotations

import numpy as np
import pytest
from harness import check_gradient, relative_error, run
from test_nn_activations import by_torch

RNG = np.random.default_rng(3)


@pytest.mark.parametrize(("n", "d", "m"), [(3, 5, 4), (1, 1, 1), (4, 2, 1)])
def test_affine(n: int, d: int, m: int) -> None:
    x, w, b, dout = (RNG.normal(size=shape) for shape in ((n, d), (d, m), (1, m), (n, m)))
    found = check_gradient(
        'source("nn/layers/affine.dml") as affine',
        "out = affine::forward(X, W, b)",
        "[dX, dW, db] = affine::backward(dout, X, W, b)",
        {"X": x, "W": w, "b": b, "dout": dout},
        {"X": "dX", "W": "dW", "b": "db"},
        also=["out"],
    )
    out, gradients = by_torch(lambda *given: given[0] @ given[1] + given[2], dout, x, w, b)
    for name, expected in zip(("out", "dX", "dW", "db"), (out, *gradients), strict=True):
        assert relative_error(found[name], expected) < 1e-12


@pytest.mark.parametrize(("n", "d", "m", "r"), [(3, 5, 4, 2), (1, 3, 2, 1)])
def test_low_rank_affine(n: int, d: int, m: int, r: int) -> None:
    x, u, v, b, dout = (RNG.normal(size=shape) for shape in ((n, d), (d, r), (r, m), (1, m), (n, m)))
    found = check_gradient(
        'source("nn/layers/low_rank_affine.dml") as affine',
        "out = affine::forward(X, U, V, b)",
        "[dX, dU, dV, db] = affine::backward(dout, X, U, V, b)",
        {"X": x, "U": u, "V": v, "b": b, "dout": dout},
        {"X": "dX", "U": "dU", "V": "dV", "b": "db"},
        also=["out"],
    )
    out, gradients = by_torch(lambda *given: given[0] @ given[1] @ given[2] + given[3], dout, x, u, v, b)
    for name, expected in zip(("out", "dX", "dU", "dV", "db"), (out, *gradients), strict=True):
        assert relative_error(found[name], expected) < 1e-12


@pytest.mark.parametrize(("n", "d", "k"), [(5, 6, 2), (3, 4, 1), (4, 3, 5), (3, 1, 2), (1, 3, 2)])
def test_fm(n: int, d: int, k: int) -> None:
    x, w0, w, v, dout = (RNG.normal(size=shape) for shape in ((n, d), (1, 1), (d, 1), (d, k), (n, 1)))
    found = check_gradient(
        'source("nn/layers/fm.dml") as fm',
        "out = fm::forward(X, w0, W, V)",
        "[dw0, dW, dV] = fm::backward(dout, X, w0, W, V)",
        {"X": x, "w0": w0, "W": w, "V": v, "dout": dout},
        {"w0": "dw0", "W": "dW", "V": "dV"},
        also=["out"],
    )
    pairs = [(i, j) for i in range(d) for j in range(i + 1, d)]
    terms = sum(((v[i] @ v[j]) * x[:, [i]] * x[:, [j]] for i, j in pairs), np.zeros((n, 1)))
    np.testing.assert_allclose(found["out"], w0 + x @ w + terms, atol=1e-12)


def test_init() -> None:
    text = """source("nn/layers/affine.dml") as affine
source("nn/layers/low_rank_affine.dml") as low_rank
source("nn/layers/fm.dml") as fm
[W, b] = affine::init(200, 100, 42)
[again, b2] = affine::init(200, 100, seed=42)
[other, b3] = affine::init(200, 100)
[U, V, bl] = low_rank::init(100, 100, 100)
[U1, V1, b4] = low_rank::init(20, 20, 20, 5)
[w0, Wf, Vf] = fm::init(100, 50)"""
    names = ["W", "b", "again", "other", "U", "V", "bl", "U1", "V1", "w0", "Wf", "Vf"]
    found = {name: np.asarray(value) for name, value in run(text, {}, names).items()}
    np.testing.assert_array_equal(found["W"], found["again"])
    assert not np.array_equal(found["W"], found["other"])
    assert found["W"].std() == pytest.approx(np.sqrt(2 / 200), rel=0.03)
    assert found["b"].shape == (1, 100)
    assert not found["b"].any()
    assert found["U"].std() == pytest.approx(np.sqrt(2 / 100), rel=0.05)
    assert found["V"].std() == pytest.approx(np.sqrt(2 / 100), rel=0.05)
    assert found["bl"].shape == (1, 100)
    assert not np.array_equal(found["U1"], found["V1"])
    assert (found["w0"].shape, found["Wf"].shape) == ((1, 1), (100, 1))
    assert (found["Vf"] != 0).mean() == pytest.approx(0.08, abs=0.02)
    assert 0 <= found["Vf"].min() <= found["Vf"].max() <= 1


def test_two_layers_learn() -> None:
    """Five steps of a net with one hidden layer, and the gradients by all its parameters after them."""
    x, y = RNG.normal(size=(40, 6)), RNG.normal(size=(40, 2))
    sources = """source("nn/layers/affine.dml") as affine
source("nn/layers/relu.dml") as relu
source("nn/layers/l2_loss.dml") as l2_loss
source("nn/optim/sgd.dml") as sgd"""
    forward = """H = affine::forward(X, W1, b1)
A = relu::forward(H)
P = affine::forward(A, W2, b2)
loss = l2_loss::forward(P, y)"""
    backward = """dP = l2_loss::backward(P, y)
[dA, dW2, db2] = affine::backward(dP, A, W2, b2)
[dX, dW1, db1] = affine::backward(relu::backward(dA, H), X, W1, b1)"""
    train = f"""[W1, b1] = affine::init(6, 4, 1)
[W2, b2] = affine::init(4, 2, 2)
for (i in 1:5) {{
{forward}
{backward}
  W1 = sgd::update(W1, dW1, 0.05)
  b1 = sgd::update(b1, db1, 0.05)
  W2 = sgd::update(W2, dW2, 0.05)
  b2 = sgd::update(b2, db2, 0.05)
  if (i == 1) {{ before = loss }}
}}
{forward}"""
    names = ["W1", "b1", "W2", "b2"]
    found = run(sources + "\n" + train, {"X": x, "y": y}, [*names, "before", "loss"])
    assert float(found["loss"]) < float(found["before"])
    inputs = {"X": x, "y": y, **{name: found[name] for name in names}}
    gradients = {name: f"d{name}" for name in ("X", *names)}
    check_gradient(sources, forward, backward, inputs, gradients, loss="loss", h=1e-6)
