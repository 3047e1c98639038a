"""Running sums, products and extremes against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from calls import call, check, column, infer, rows
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

import gramian.ops.cumulative  # noqa: F401
from gramian.errors import SizeError
from gramian.ir.types import matrix

NAN, INF = math.nan, math.inf
STEPS = {
    "cumsum": lambda a, b: a + b,
    "cumprod": lambda a, b: a * b,
    "cummin": lambda a, b: NAN if a != a or b != b else min(a, b),
    "cummax": lambda a, b: NAN if a != a or b != b else max(a, b),
}
# Products of these are exact, so that it does not matter whether a processor rounds them before it adds.
CELLS = st.sampled_from([0.0, 1.0, 2.0, -3.0, 0.5, 2.0**600, NAN, INF, -INF])
MATRICES = arrays(np.float64, st.tuples(st.integers(0, 6), st.integers(0, 4)), elements=CELLS)


@pytest.mark.parametrize("name", STEPS)
@given(x=MATRICES)
def test_each_row_follows_from_the_one_before(name, x):
    found = check(name, x)
    assert found.shape == x.shape
    assert np.array_equal(found[:1], x[:1], equal_nan=True)
    for i in range(1, x.shape[0]):
        expected = [STEPS[name](a, b) for a, b in zip(found[i - 1].tolist(), x[i].tolist(), strict=True)]
        assert np.array_equal(found[i], expected, equal_nan=True)


@given(x=MATRICES)
def test_row_sums_are_transposed_column_sums(x):
    assert np.array_equal(check("rowcumsum", x), call("cumsum", x.T).T, equal_nan=True)


def test_check_values():
    assert call("cumsum", rows([1, 2], [3, 4], [5, 6])).tolist() == [[1, 2], [4, 6], [9, 12]]
    assert call("rowcumsum", rows([1, 2, 3], [4, 5, 6])).tolist() == [[1, 3, 6], [4, 9, 15]]
    assert call("cumsumprod", rows([1, 0.5], [2, 0.5], [3, 0.5])).ravel().tolist() == [1, 2.5, 4.25]
    assert np.array_equal(call("cumprod", column(1e200, 1e200, 0)).ravel(), [1e200, INF, NAN], equal_nan=True)


FINITE = CELLS.filter(np.isfinite)


@given(
    x=st.sampled_from([CELLS, FINITE]).flatmap(
        lambda c: arrays(np.float64, st.tuples(st.integers(0, 8), st.just(2)), elements=c)
    )
)
def test_sum_product_by_its_recurrence(x):
    expected: list[float] = []
    for summand, factor in x.tolist():
        expected.append(summand + factor * expected[-1] if expected else summand)
    assert np.array_equal(check("cumsumprod", x).ravel(), expected, equal_nan=True)


def test_sum_product_of_many_rows():
    x = np.random.default_rng(0).normal(size=(5000, 2))
    y, expected = 0.0, []
    for summand, factor in x.tolist():
        y = summand + factor * y
        expected.append(y)
    assert np.allclose(call("cumsumprod", np.asfortranarray(x)).ravel(), expected, rtol=1e-12)


def test_sum_product_needs_two_columns():
    for cols in (1, 3):
        with pytest.raises(SizeError, match=f"two columns, found a 4x{cols}"):
            call("cumsumprod", np.ones((4, cols)))
        with pytest.raises(SizeError, match="two columns"):
            infer("cumsumprod", matrix(None, cols))
    assert infer("cumsumprod", matrix(None, None)) == matrix(None, 1)


def test_inputs_stay_as_they_are():
    x = rows([1, 2], [3, 5])
    x.setflags(write=False)
    for name in (*STEPS, "rowcumsum", "cumsumprod"):
        assert not np.shares_memory(call(name, x), x)
