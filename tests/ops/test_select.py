"""Selecting, replacing and combining cells, against plain Python."""

from __future__ import annotations

import math
import operator

import numpy as np
import pytest
from hypothesis import given, strategies as st

import gramian.ops.select  # noqa: F401
from gramian.errors import OperationError, SizeError
from gramian.ir.op import REGISTRY
from gramian.ir.types import BOOLEAN, DOUBLE, MISSING, STRING, matrix, scalar, type_of
from gramian.ops.select import OUTER

NAN, INF = np.nan, np.inf
X = np.array([[1, 0, 0], [0, 0, 0], [2, 0, 3.0]])


@pytest.fixture(autouse=True)
def _quiet():
    with np.errstate(all="ignore"):
        yield


def array(*rows):
    return np.array(rows, dtype=float)


# ---- removeEmpty ----


def remove_empty(target, margin, select=None, empty_return=True):
    return REGISTRY["removeEmpty"].kernel(np.asarray(target, dtype=float), margin, select, empty_return)


def test_remove_empty_check_values():
    assert remove_empty(X, "rows").tolist() == [[1, 0, 0], [2, 0, 3]]
    assert remove_empty(X, "cols").tolist() == [[1, 0], [0, 0], [2, 3]]
    for select in (array([0, 1, 1]), array([0], [1], [NAN])):
        assert remove_empty(X, "rows", select).tolist() == [[0, 0, 0], [2, 0, 3]]
    assert remove_empty(X, "cols", array([0, -1, 0])).tolist() == [[0], [0], [0]]


def test_remove_empty_keeps_nan_and_cells_that_cancel():
    x = array([NAN, 0], [1, -1], [0, 0])
    assert np.array_equal(remove_empty(x, "rows"), x[:2], equal_nan=True)


@pytest.mark.parametrize(("margin", "one", "none"), [("rows", (1, 2), (0, 2)), ("cols", (3, 1), (3, 0))])
def test_remove_empty_of_nothing(margin, one, none):
    zeros = np.zeros((3, 2))
    count = 3 if margin == "rows" else 2
    assert remove_empty(zeros, margin).shape == one
    assert not remove_empty(zeros, margin).any()
    assert remove_empty(zeros, margin, None, False).shape == none
    assert not remove_empty(np.ones((3, 2)), margin, np.zeros((count, 1))).any()
    assert remove_empty(np.ones((3, 2)), margin, np.zeros((count, 1)), False).shape == none
    assert remove_empty(np.zeros((0, 3)), "rows").tolist() == [[0, 0, 0]]
    assert remove_empty(np.zeros((0, 3)), "rows", None, False).shape == (0, 3)


@given(m=st.integers(0, 6), n=st.integers(1, 4), seed=st.integers(0, 99), fortran=st.booleans())
def test_remove_empty_against_lists(m, n, seed, fortran):
    x = (np.random.default_rng(seed).random((m, n)) < 0.3).astype(float)
    kept = [row for row in x.tolist() if any(row)]
    target = np.asfortranarray(x) if fortran else x
    assert remove_empty(target, "rows", None, False).tolist() == kept
    assert remove_empty(target.T, "cols", None, False).T.tolist() == kept


def test_remove_empty_refusals():
    with pytest.raises(OperationError, match='must be "rows" or "cols", found "row"'):
        remove_empty(X, "row")
    with pytest.raises(SizeError, match="a vector of 3 cells, one for each of the rows of the target, found a 2x1"):
        remove_empty(X, "rows", np.ones((2, 1)))
    with pytest.raises(SizeError, match="found a 2x2 matrix"):
        remove_empty(np.ones((4, 2)), "rows", np.ones((2, 2)))
    infer = REGISTRY["removeEmpty"].infer
    yes = type_of(True)
    assert infer(matrix(5, 3), type_of("rows"), MISSING, yes) == matrix(None, 3)
    assert infer(matrix(5, 3), type_of("cols"), matrix(1, 3), yes) == matrix(5, None)
    assert infer(matrix(5, 3), scalar(STRING), matrix(), yes) == matrix()
    with pytest.raises(OperationError, match="margin"):
        infer(matrix(5, 3), type_of("columns"), MISSING, yes)
    with pytest.raises(SizeError, match="of the rows of the target, found a 1x3"):
        infer(matrix(5, 3), type_of("rows"), matrix(1, 3), yes)


# ---- replace, contains ----

CELLS = st.sampled_from([-INF, -1.0, -0.0, 0.0, 2.0, INF, NAN])


def same(a, b):
    return a == b or (math.isnan(a) and math.isnan(b))


@given(cells=st.lists(CELLS, max_size=6), pattern=CELLS, replacement=CELLS)
def test_replace_and_contains(cells, pattern, replacement):
    x = np.array(cells).reshape(-1, 1)
    before = x.copy()
    result = REGISTRY["replace"].kernel(x, pattern, replacement)
    expected = [replacement if same(c, pattern) else c for c in cells]
    assert np.array_equal(result[:, 0], expected, equal_nan=True)
    assert np.array_equal(x, before, equal_nan=True)
    assert not np.shares_memory(result, x)
    found = REGISTRY["contains"].kernel(x, pattern)
    assert found is any(same(c, pattern) for c in cells)


def test_replace_takes_ints():
    assert REGISTRY["replace"].kernel(X, 0, -1).tolist() == [[1, -1, -1], [-1, -1, -1], [2, -1, 3]]
    assert REGISTRY["replace"].infer(matrix(2, None), scalar(DOUBLE), scalar(DOUBLE)) == matrix(2, None)


def test_contains_a_row():
    contains, infer = REGISTRY["contains"].kernel, REGISTRY["contains"].infer
    assert contains(X, array([2, 0, 3])) is True
    assert contains(X, array([1, 0, 3])) is False
    assert contains(array([1, NAN], [2, 3]), array([1, NAN])) is True
    assert contains(np.zeros((0, 2)), array([0, 0])) is False
    assert infer(matrix(3, 3), matrix(1, 3)) == scalar(BOOLEAN)
    with pytest.raises(SizeError, match="1x3, found a 1x2"):
        infer(matrix(3, 3), matrix(1, 2))
    with pytest.raises(SizeError, match="found a 3x1"):
        contains(X, np.ones((3, 1)))
    with pytest.raises(SizeError) as error:
        contains(X, np.ones((1, 1)))
    assert "as.scalar()" in error.value.hint


# ---- lower.tri, upper.tri ----


@given(m=st.integers(0, 5), n=st.integers(0, 5), diag=st.booleans(), values=st.booleans(), upper=st.booleans())
def test_triangles(m, n, diag, values, upper):
    x = np.arange(m * n, dtype=float).reshape(m, n)
    if x.size:
        x[0, 0] = x[m - 1, 0] = NAN
    result = REGISTRY["upper.tri" if upper else "lower.tri"].kernel(x, diag, values)
    assert result.shape == (m, n)
    for i, j in np.ndindex(m, n):
        inside = (i < j if upper else i > j) or (diag and i == j)
        assert same(result[i, j], (x[i, j] if values else 1.0) if inside else 0.0)


# ---- outer, ppred ----

MEANINGS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
    "%%": operator.mod,
    "%/%": operator.floordiv,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "min": min,
    "max": max,
    "&": lambda a, b: bool(a) and bool(b),
    "&&": lambda a, b: bool(a) and bool(b),
    "|": lambda a, b: bool(a) or bool(b),
    "||": lambda a, b: bool(a) or bool(b),
    "log": math.log,
    "xor": lambda a, b: bool(a) != bool(b),
    "bitwAnd": lambda a, b: int(a) & int(b),
    "bitwOr": lambda a, b: int(a) | int(b),
    "bitwXor": lambda a, b: int(a) ^ int(b),
    "bitwShiftL": lambda a, b: int(a) << int(b),
    "bitwShiftR": lambda a, b: int(a) >> int(b),
}


@pytest.mark.parametrize("name", sorted(OUTER))
@pytest.mark.parametrize("cols", [1, 3])
def test_outer(name, cols):
    u, v = array([2], [5], [7], [9]), array([5, 2, 3])[:, :cols]
    result = REGISTRY["outer"].kernel(u, v, name)
    assert result.dtype == np.float64
    expected = [[float(MEANINGS[name](a, b)) for b in v[0].tolist()] for a in u[:, 0].tolist()]
    assert np.allclose(result, expected)
    assert result.shape == (4, cols)
    assert result.flags.writeable
    assert REGISTRY["outer"].kernel(u[:0], v, name).shape == (0, cols)


def test_outer_check_values_and_refusals():
    outer, infer = REGISTRY["outer"].kernel, REGISTRY["outer"].infer
    assert outer(array([1], [4]), array([3, 6, 1]), "<").tolist() == [[1, 1, 0], [0, 1, 0]]
    assert infer(matrix(4, 1), matrix(None, 3), scalar(STRING)) == matrix(4, 3)
    with pytest.raises(SizeError, match="'u' of outer\\(\\) must be one column, found 4 columns"):
        infer(matrix(1, 4), matrix(1, 3), type_of("+"))
    with pytest.raises(SizeError, match="'v' of outer\\(\\) must be one row, found 3 rows"):
        outer(np.ones((4, 1)), np.ones((3, 1)), "+")
    with pytest.raises(OperationError, match='does not know the operator "="'):
        infer(matrix(4, 1), matrix(1, 3), type_of("="))
    with pytest.raises(OperationError, match='"atan2"'):
        outer(np.ones((4, 1)), np.ones((1, 3)), "atan2")


@pytest.mark.parametrize("name", ["==", "!=", "<", "<=", ">", ">="])
def test_ppred(name):
    a, b = array([1, 2], [NAN, 4]), array([2, 2], [2, NAN])
    cells = [[float(MEANINGS[name](x, y)) for x, y in zip(*rows, strict=True)] for rows in zip(a, b, strict=True)]
    assert REGISTRY["ppred"].kernel(a, b, name).tolist() == cells
    assert REGISTRY["ppred"].kernel(a, array([2], [2]), name).shape == (2, 2)
    assert REGISTRY["ppred"].kernel(2, a, name)[0, 1] == float(MEANINGS[name](2, 2))


def test_ppred_refusals():
    infer = REGISTRY["ppred"].infer
    assert infer(matrix(2, 3), scalar(DOUBLE), type_of(">")) == matrix(2, 3)
    with pytest.raises(OperationError, match='"\\+"'):
        infer(matrix(2, 3), scalar(DOUBLE), type_of("+"))
    with pytest.raises(OperationError, match="at least one matrix"):
        infer(scalar(DOUBLE), scalar(DOUBLE), type_of(">"))
    with pytest.raises(SizeError, match=r"ppred\(\) cannot combine"):
        infer(matrix(2, 3), matrix(3, 2), type_of(">"))
