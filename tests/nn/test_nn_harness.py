"""The harness itself: it passes values in and out, and finds wrong gradients."""

from __future__ import annotations

import numpy as np
import pytest
from harness import central_differences, check_gradient, relative_error, run

X = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])


def test_values_pass_in_and_out() -> None:
    text = "Y = X * s + k\nif (flag) { Y = -Y }\nn = sum(Y)\nw = nrow(Y) + 0.5"
    found = run(text, {"X": X, "s": 0.5, "k": 2, "flag": True}, ["Y", "n", "w"])
    np.testing.assert_array_equal(found["Y"], -(X * 0.5 + 2))
    assert found["n"] == pytest.approx(-(X * 0.5 + 2).sum())
    assert found["w"] == 2.5


def test_one_script_runs_on_other_numbers_and_sizes() -> None:
    for x in (X, X + 1, X[:1]):
        assert run("y = sum(X ^ 2)", {"X": x}, ["y"])["y"] == pytest.approx((x**2).sum())


def test_central_differences() -> None:
    gradient = central_differences(lambda x: float((x**3).sum()), X)
    assert relative_error(gradient, 3 * X**2) < 1e-9
    from_script = central_differences(lambda x: float(run("y = sum(X ^ 3)", {"X": x}, ["y"])["y"]), X)
    assert relative_error(from_script, 3 * X**2) < 1e-9


def test_right_and_wrong_gradients() -> None:
    inputs = {"X": X, "dout": X[::-1].copy(), "a": 3}
    gradients = check_gradient("", "out = X ^ a", "dX = a * dout * X ^ (a - 1)", inputs, {"X": "dX"})
    np.testing.assert_allclose(gradients["dX"], 3 * X[::-1] * X**2)
    with pytest.raises(AssertionError, match="gradient by X"):
        check_gradient("", "out = X ^ a", "dX = a * dout * X ^ a", inputs, {"X": "dX"})
    with pytest.raises(AssertionError, match="is not"):
        check_gradient("", "out = X ^ a", "dX = colSums(X)", inputs, {"X": "dX"})
