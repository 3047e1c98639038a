"""The sizes of regions whose bounds are unknown, but not the distance between them."""

from __future__ import annotations

import pytest

import gramian.ops
from gramian.ir.node import Node, absent, build, literal, var
from gramian.ir.types import DOUBLE, INT, matrix, scalar

_ = gramian.ops  # registers the operators
T, M = var("t", scalar(INT)), var("m", scalar(INT))


def plus(a: Node, b: Node) -> Node:
    return build("+", (a, b))


def minus(a: Node, b: Node) -> Node:
    return build("-", (a, b))


def times(a: Node, b: Node) -> Node:
    return build("*", (a, b))


def columns(lower: Node, upper: Node) -> int | None:
    x = var("X", matrix(None, None))
    return build("rightIndex", (x, absent(), absent(), lower, upper)).type.cols


ONE, TWO, THREE = literal(1), literal(2), literal(3)


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        (plus(times(minus(T, ONE), THREE), ONE), times(T, THREE), 3),
        (plus(T, ONE), plus(plus(T, THREE), TWO), 5),
        (T, T, 1),
        (plus(times(T, M), ONE), plus(times(T, M), TWO), 2),  # the product is one unknown
        (plus(T, M), plus(M, T), 1),
        (minus(M, T), minus(plus(M, THREE), T), 4),
        (T, M, None),
        (T, times(T, TWO), None),
        (times(minus(T, ONE), M), times(T, M), None),  # m columns and one, but m is not known
        (plus(T, TWO), T, None),  # certainly wrong, which the run time reports
    ],
    ids=str,
)
def test_extent(lower: Node, upper: Node, expected: int | None) -> None:
    assert columns(lower, upper) == expected


def test_doubles_are_rounded_each_for_itself() -> None:
    """What d and d + 0.6 are cut to is 0 or 1 apart."""
    d = var("d", scalar(DOUBLE))
    assert columns(d, plus(d, literal(0.6))) is None
    assert columns(d, plus(d, ONE)) is None


def test_long_sums_are_not_followed_to_the_end() -> None:
    lower = upper = T
    for _step in range(2000):
        upper = plus(upper, ONE)
    assert columns(lower, upper) is None


def test_rows() -> None:
    x = var("X", matrix(None, 7))
    region = build("rightIndex", (x, T, plus(T, TWO), absent(), absent())).type
    assert (region.rows, region.cols) == (3, 7)
