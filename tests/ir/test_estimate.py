"""Estimates of sparsity follow the rules of the operators, and stay within what random matrices show."""

from __future__ import annotations

import numpy as np
import pytest

import gramian.ops
from gramian.ir.node import build, var
from gramian.ir.types import DOUBLE, matrix, scalar

_ = gramian.ops
RNG = np.random.default_rng(3)
X = var("X", matrix(400, 300, 0.1))
Y = var("Y", matrix(400, 300, 0.2))
V = var("V", matrix(300, 40, 0.05))
s = var("s", scalar(DOUBLE))


def share(op, *args):
    return build(op, args).type.sparsity


@pytest.mark.parametrize(
    ("op", "args", "meaning"),
    [
        ("*", (X, Y), lambda x, y: x * y),
        ("+", (X, Y), lambda x, y: x + y),
        ("-", (X, Y), lambda x, y: x - y),
        ("&", (X, Y), lambda x, y: (x != 0) & (y != 0)),
        ("abs", (X,), np.abs),
        ("t", (X,), np.transpose),
        ("%*%", (X, V), np.matmul),
    ],
)
def test_estimates_are_what_random_matrices_have(op, args, meaning):
    sizes = [(a.type.rows, a.type.cols) for a in args]
    cells = [(RNG.random(size) < a.type.sparsity) * RNG.random(size) for a, size in zip(args, sizes, strict=True)]
    assert share(op, *args) == pytest.approx(np.mean(meaning(*cells) != 0), rel=0.05)


def test_numbers_do_not_fill_what_they_multiply():
    assert share("*", X, s) == share("/", X, s) == 0.1
    assert share("+", X, s) == 1.0
    assert share("exp", X) == 1.0


def test_what_is_unknown_stays_unknown():
    unknown = var("U", matrix(400, 300))
    assert share("+", X, unknown) is None
    assert share("%*%", unknown, V) is None
    assert share("*", X, unknown) is None
    assert share("exp", unknown) == 1.0
