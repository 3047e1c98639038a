"""Activations: values against PyTorch or formulas, gradients against PyTorch and central differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from harness import check_gradient, relative_error, run

torch = pytest.importorskip("torch")
F = torch.nn.functional

# No cell is close to a kink: 0 for most, -3, 3 and 6 for some.
X = np.array([[-4.0, -1.7, -0.4, 0.3, 1.1], [2.6, 3.5, -0.05, 5.5, 7.0], [0.8, -2.5, 0.02, -7.0, 0.5]])
DOUT = np.random.default_rng(1).uniform(-1, 1, X.shape)

PLAIN: Mapping[str, Callable[[Any], Any]] = {
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "selu": F.selu,
    "gelu": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_exact": F.gelu,
    "silu": F.silu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softmax": lambda x: F.softmax(x, dim=1),
    "log_softmax": lambda x: F.log_softmax(x, dim=1),
    "softplus": F.softplus,
    "mish": F.mish,
    "hard_swish": F.hardswish,
    "hard_sigmoid": lambda x: torch.clamp(x / 6 + 0.5, 0, 1),  # PyTorch's own has a sixth of single precision
    "softsign": F.softsign,
    "relu6": F.relu6,
}


def by_torch(f: Callable[..., Any], dout: np.ndarray, *inputs: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """The output of a function, and the gradients by its inputs."""
    leaves = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in inputs]
    out = f(*leaves)
    (out * torch.tensor(dout)).sum().backward()
    return out.detach().numpy(), [leaf.grad.numpy() for leaf in leaves]


def check(
    name: str, f: Callable[..., Any], call: str = "X", dout: np.ndarray = DOUT, x: np.ndarray = X, **more: float
) -> None:
    found = check_gradient(
        f'source("nn/layers/{name}.dml") as layer',
        f"out = layer::forward({call})",
        f"dX = layer::backward(dout, {call})",
        {"X": x, "dout": dout, **more},
        {"X": "dX"},
        also=["out"],
    )
    out, (dx,) = by_torch(f, dout, x)
    assert relative_error(found["out"], out) < 1e-12
    assert relative_error(found["dX"], dx) < 1e-11


@pytest.mark.parametrize("name", PLAIN)
def test_activation(name: str) -> None:
    check(name, PLAIN[name])


@pytest.mark.parametrize("alpha", [1, 0.5])
def test_elu(alpha: float) -> None:
    check("elu", lambda x: F.elu(x, alpha), "X, alpha", alpha=alpha)


def test_leaky_relu_alpha() -> None:
    check("leaky_relu_alpha", lambda x: F.leaky_relu(x, 0.3), "X, 0.3")
    check("leaky_relu_alpha", F.leaky_relu)
    check("leaky_relu_alpha", lambda x: F.leaky_relu(x, 1.5), "X, 1.5")


def test_gated_units() -> None:
    x, dout = X[:, :4], DOUT[:, :2]
    check("glu", lambda v: v[:, :2] * torch.sigmoid(v[:, 2:]), x=x, dout=dout)
    check("glu", lambda v: F.glu(v, dim=1), x=x, dout=dout)
    check("swiglu", lambda v: v[:, :2] * F.silu(v[:, 2:]), x=x, dout=dout)


@pytest.mark.parametrize("slopes", [np.array([[0.1, 0.25, 0.5, -0.2, 1.5]]), np.array([[0.3]])])
def test_prelu(slopes: np.ndarray) -> None:
    found = check_gradient(
        'source("nn/layers/prelu.dml") as prelu',
        "out = prelu::forward(X, a)",
        "[dX, da] = prelu::backward(dout, X, a)",
        {"X": X, "a": slopes, "dout": DOUT},
        {"X": "dX", "a": "da"},
        also=["out"],
    )
    out, (dx, da) = by_torch(lambda x, a: F.prelu(x, a.reshape(-1)), DOUT, X, slopes)
    for name, expected in (("out", out), ("dX", dx), ("da", da)):
        assert relative_error(found[name], expected) < 1e-12
    made = run('source("nn/layers/prelu.dml") as prelu\na = prelu::init(3)', {}, ["a"])["a"]
    np.testing.assert_array_equal(made, np.full((1, 3), 0.25))


@pytest.mark.parametrize(("n", "c", "h", "w"), [(3, 4, 2, 3), (1, 2, 1, 1), (2, 1, 3, 2), (2, 7, 1, 2)])
def test_softmax2d(n: int, c: int, h: int, w: int) -> None:
    rng = np.random.default_rng(2)
    x, dout = rng.normal(size=(2, n, c * h * w))
    images = (n, c, h, w)
    check("softmax2d", lambda v: F.softmax(v.reshape(images), dim=1).reshape(n, -1), f"X, {c}", x=x, dout=dout)


def both(name: str, x: np.ndarray, call: str = "X") -> tuple[np.ndarray, np.ndarray]:
    text = f"""source("nn/layers/{name}.dml") as layer
out = layer::forward({call})
dX = layer::backward(matrix(1, nrow(X), ncol(X)), {call})"""
    found = run(text, {"X": x}, ["out", "dX"])
    return np.asarray(found["out"]), np.asarray(found["dX"])


def test_values_that_the_page_gives() -> None:
    out, dx = both("gelu", np.array([[1, -0.5, 2, 0]]))
    np.testing.assert_allclose(out, [[0.841192, -0.154286, 1.954598, 0]], atol=1e-6)
    np.testing.assert_allclose(dx, [[1.082964, 0.132630, 1.086099, 0.5]], atol=1e-6)
    out, dx = both("selu", np.array([[1, -0.5, 0]]))
    np.testing.assert_allclose(out, [[1.050701, -0.691758, 0]], atol=1e-6)
    np.testing.assert_allclose(dx, [[1.050701, 1.066341, 1.758099]], atol=1e-6)


def test_gradients_at_kinks() -> None:
    zero = np.zeros((1, 1))
    assert both("relu", zero)[1] == 0
    assert both("leaky_relu", zero)[1] == 0.01
    assert both("elu", zero, "X, 2")[1] == 0
    for edge in (0.0, 6.0):
        assert both("relu6", np.full((1, 1), edge))[1] == 0


# Softmax of a single column and log-softmax are 1 and 0 wherever they are.
@pytest.mark.parametrize("name", [name for name in PLAIN if "softmax" not in name])
def test_nothing_overflows(name: str) -> None:
    far = np.array([[-800.0, 800.0, -1e10, 1e10]])
    out, dx = both(name, far)
    expected, (slope,) = by_torch(PLAIN[name], np.ones_like(far), far)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dx, slope, rtol=1e-12, atol=1e-12)


def test_elu_far_out() -> None:
    out, dx = both("elu", np.array([[-800.0, 800.0]]), "X, 0.5")
    np.testing.assert_array_equal(out, [[-0.5, 800]])
    np.testing.assert_array_equal(dx, [[0, 1]])


def test_softmax_of_far_scores() -> None:
    scores = np.array([[1000.0, 0.0, 999.0], [-1000.0, -1001.0, -3000.0]])
    for name in ("softmax", "log_softmax"):
        out, dx = both(name, scores)
        expected, (slope,) = by_torch(PLAIN[name], np.ones_like(scores), scores)
        np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(dx, slope, atol=1e-12)
