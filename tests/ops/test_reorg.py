"""Transposing, reversing, rolling, sorting and binding, against lists of rows."""

from __future__ import annotations

import math
from functools import cmp_to_key

import numpy as np
import pytest
from hypothesis import given, strategies as st

import gramian.ops.reorg  # noqa: F401
from gramian.errors import OperationError, SizeError
from gramian.ir.op import REGISTRY, Trait
from gramian.ir.types import BOOLEAN, INT, LIST, frame, matrix, scalar, type_of
from gramian.ir.values import ListValue

NAN, INF = np.nan, np.inf


def column(*values):
    return np.array(values, dtype=float).reshape(-1, 1)


def order(target, by=1, decreasing=False, index_return=False):
    return REGISTRY["order"].kernel(np.asarray(target, dtype=float), by, decreasing, index_return)


# ---- t, rev, roll ----


@given(m=st.integers(0, 5), n=st.integers(0, 5))
def test_transpose_and_reverse(m, n):
    x = np.arange(m * n, dtype=float).reshape(m, n)
    assert REGISTRY["t"].kernel(x).tolist() == [list(c) for c in zip(*x.tolist(), strict=True)] or m * n == 0
    assert REGISTRY["t"].kernel(x).shape == (n, m)
    assert REGISTRY["rev"].kernel(x).tolist() == x.tolist()[::-1]
    assert REGISTRY["t"].infer(matrix(m, None)) == matrix(None, m)
    assert REGISTRY["rev"].infer(matrix(m, n)) == matrix(m, n)


@given(m=st.integers(0, 6), k=st.integers(-(2**62), 2**62))
def test_roll_moves_row_i_to_row_i_plus_k(m, k):
    x = np.arange(m * 2, dtype=float).reshape(m, 2)
    result = REGISTRY["roll"].kernel(x, k)
    assert result.shape == x.shape
    for i in range(m):
        assert np.array_equal(result[(i + k) % m], x[i])


def test_roll_check_values():
    roll = REGISTRY["roll"].kernel
    assert roll(column(1, 2, 3, 4, 5), 2).ravel().tolist() == [4, 5, 1, 2, 3]
    assert roll(column(1, 2, 3, 4, 5), -1).ravel().tolist() == [2, 3, 4, 5, 1]


@pytest.mark.parametrize("x", [np.ones((3, 2)), np.ones((1, 3)), np.ones((3, 1)), np.ones((1, 1))])
def test_only_transpose_shares_memory(x):
    assert REGISTRY["t"].has(Trait.SHARES)
    assert np.shares_memory(REGISTRY["t"].kernel(x), x)
    assert not np.shares_memory(REGISTRY["rev"].kernel(x), x)
    assert not np.shares_memory(REGISTRY["roll"].kernel(x, 0), x)
    assert not np.shares_memory(order(x), x)


# ---- order ----


def test_order_check_values():
    x = column(3, 1, 2, 1, 5, 2, 3, 3)
    assert order(x, index_return=True).ravel().tolist() == [2, 4, 3, 6, 1, 7, 8, 5]
    assert order(x, decreasing=True, index_return=True).ravel().tolist() == [5, 1, 7, 8, 3, 6, 2, 4]
    rows = [[3, 1], [2, 1], [3, 0], [2, 5]]
    for by in (column(1, 2), column(1, 2).T):
        assert order(rows, by).tolist() == [[2, 1], [2, 5], [3, 0], [3, 1]]
    y = column(3, NAN, 2, NAN, INF, 0)
    assert np.array_equal(order(y).ravel(), [0, 2, 3, INF, NAN, NAN], equal_nan=True)
    assert np.array_equal(order(y, decreasing=True).ravel(), [NAN, NAN, INF, 3, 2, 0], equal_nan=True)
    assert order(y, index_return=True).ravel().tolist() == [6, 3, 1, 5, 2, 4]
    assert order(y, decreasing=True, index_return=True).ravel().tolist() == [2, 4, 5, 1, 3, 6]


KEYS = st.sampled_from([-INF, -1.0, -0.0, 0.0, 1.0, INF, NAN])


def compare(a, b):
    """NaN is the largest value and equals itself."""
    for x, y in zip(a, b, strict=True):
        if (x, math.isnan(x)) != (y, math.isnan(y)) and not (math.isnan(x) and math.isnan(y)):
            return 1 if math.isnan(x) or x > y else -1 if math.isnan(y) or x < y else 0
    return 0


@given(
    rows=st.lists(st.tuples(KEYS, KEYS, KEYS), max_size=12),
    by=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    decreasing=st.booleans(),
)
def test_order_is_the_stable_sort(rows, by, decreasing):
    target = np.array(rows).reshape(-1, 3)
    key = cmp_to_key(lambda i, j: compare([rows[i][c - 1] for c in by], [rows[j][c - 1] for c in by]))
    expected = sorted(range(len(rows)), key=key, reverse=decreasing)  # reverse keeps ties in order
    assert order(target, column(*by), decreasing, True).ravel().tolist() == [i + 1 for i in expected]
    assert np.array_equal(order(target, column(*by), decreasing), target[expected], equal_nan=True)
    if len(by) == 1:
        assert order(target, by[0], decreasing, True).ravel().tolist() == [i + 1 for i in expected]


def test_order_sizes():
    infer = REGISTRY["order"].infer
    one, no, yes = type_of(1), type_of(False), type_of(True)
    assert infer(matrix(5, 3), one, no, no) == matrix(5, 3)
    assert infer(matrix(5, 3), one, no, yes) == matrix(5, 1)
    assert infer(matrix(5, 3), one, no, scalar(BOOLEAN)) == matrix(5, None)
    assert infer(matrix(5, 1), one, no, scalar(BOOLEAN)) == matrix(5, 1)
    with pytest.raises(SizeError, match=r"order\(\) by column 4: the target has 3 columns"):
        infer(matrix(5, 3), type_of(4), no, no)
    with pytest.raises(SizeError, match="vector of column numbers, found a 2x2 matrix"):
        infer(matrix(5, 3), matrix(2, 2), no, no)
    assert infer(matrix(5, None), scalar(INT), no, no) == matrix(5, None)
    assert order(np.zeros((0, 3))).shape == (0, 3)
    assert order(np.zeros((0, 3)), index_return=True).shape == (0, 1)


@pytest.mark.parametrize("by", [0, -1, 3, column(1, 3), column(0)])
def test_order_by_a_column_that_is_not_there(by):
    with pytest.raises(SizeError, match="the target has 2 columns"):
        order(np.ones((3, 2)), by)


def test_order_by_something_odd():
    with pytest.raises(SizeError, match="found a 2x2 matrix"):
        order(np.ones((3, 2)), np.ones((2, 2)))
    with pytest.raises(SizeError, match="found a 0x1 matrix"):
        order(np.ones((3, 2)), np.ones((0, 1)))
    with pytest.raises(OperationError, match="NaN or infinite column"):
        order(np.ones((3, 2)), column(1, NAN))


# ---- cbind, rbind ----


@pytest.mark.parametrize(("name", "axis"), [("cbind", 1), ("rbind", 0)])
def test_binding(name, axis):
    op = REGISTRY[name]
    a, b, c = np.arange(4.0).reshape(2, 2), np.arange(6.0).reshape(2, 3), np.full((2, 1), NAN)
    parts = [a, b, c] if axis == 1 else [x.T for x in (a, b, c)]
    expected = np.concatenate(parts, axis=axis)
    assert np.array_equal(op.kernel(*parts), expected, equal_nan=True)
    assert np.array_equal(op.kernel(ListValue(parts)), expected, equal_nan=True)
    nested = ListValue([parts[0], ListValue([parts[1], ListValue([parts[2]])])])
    assert np.array_equal(op.kernel(nested), expected, equal_nan=True)
    empty = np.zeros((2, 0)) if axis == 1 else np.zeros((0, 2))
    assert np.array_equal(op.kernel(empty, parts[0]), parts[0])
    one = op.kernel(ListValue([a]))
    assert np.array_equal(one, a)
    assert not np.shares_memory(one, a)


def test_binding_sizes():
    cbind, rbind = REGISTRY["cbind"].infer, REGISTRY["rbind"].infer
    assert cbind(matrix(2, 3), matrix(None, 4), matrix(2, 0)) == matrix(2, 7)
    assert cbind(matrix(None, 3), matrix(2, None)) == matrix(2, None)
    assert rbind(matrix(2, 3), matrix(5, None)) == matrix(7, 3)
    assert rbind(frame(2, 3), frame(5, None)) == frame(7, 3)
    assert cbind(LIST) == matrix()
    with pytest.raises(SizeError, match="equally many rows: number 1 is 2x3, number 3 is 4x3") as error:
        cbind(matrix(2, 3), matrix(None, 1), matrix(4, 3))
    assert error.value.hint == "rbind() would fit"
    with pytest.raises(SizeError, match="equally many columns"):
        REGISTRY["rbind"].kernel(np.ones((2, 3)), np.ones((2, 4)))


def test_binding_refusals():
    infer, kernel = REGISTRY["cbind"].infer, REGISTRY["cbind"].kernel
    with pytest.raises(OperationError, match="needs two or more arguments or a list"):
        infer(matrix(2, 2))
    with pytest.raises(OperationError, match="cannot bind a 2x2 matrix and a frame"):
        infer(matrix(2, 2), frame())
    with pytest.raises(OperationError, match="one list, found 2 lists"):
        infer(LIST, LIST)
    with pytest.raises(OperationError, match="entry 2 is something else"):
        kernel(ListValue([np.ones((1, 1)), ListValue([3.0])]))
    with pytest.raises(OperationError, match="empty list"):
        kernel(ListValue([ListValue([])]))


@pytest.mark.parametrize(("name", "expected"), [("cbind", [[1, 2], [3, 4]]), ("rbind", [[1], [3], [2], [4]])])
def test_binding_frames(name, expected):
    frames = pytest.importorskip("gramian.ir.frame").Frame
    a, b = frames.from_matrix(column(1, 3)), frames.from_matrix(column(2, 4))
    assert REGISTRY[name].kernel(a, b).to_matrix().tolist() == expected
    wider = frames.from_matrix(np.ones((3, 2)))
    with pytest.raises(SizeError, match="equally many"):
        REGISTRY[name].kernel(a, wider)
