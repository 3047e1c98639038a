"""Aggregates against NumPy, the check values of the specification, and their edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from calls import call, check, column, infer, rows
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

import gramian.ops.aggregate  # noqa: F401
from gramian.errors import OperationError, SizeError
from gramian.ir.op import REGISTRY
from gramian.ir.types import DOUBLE, matrix, scalar

NAN, INF = math.nan, math.inf
SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 6))
MATRICES = arrays(np.float64, SHAPES, elements=st.floats(-1e3, 1e3))
WITH_NAN = arrays(np.float64, SHAPES, elements=st.sampled_from([0.0, -0.0, 1.0, 2.0, -3.0, NAN, INF, -INF]))
BY_NUMPY = {
    "Sums": np.sum,
    "Means": np.mean,
    "Prods": np.prod,
    "Mins": np.min,
    "Maxs": np.max,
    "Vars": lambda x, axis: np.var(x, axis=axis, ddof=1) if x.shape[axis] > 1 else np.zeros(x.shape[1 - axis]),
    "Sds": lambda x, axis: np.std(x, axis=axis, ddof=1) if x.shape[axis] > 1 else np.zeros(x.shape[1 - axis]),
}
FULL = {"sum": np.sum, "mean": np.mean, "avg": np.mean, "prod": np.prod}


@pytest.mark.parametrize("name", FULL)
@given(x=MATRICES)
def test_full_aggregates_agree_with_numpy(name, x):
    assert np.isclose(check(name, x), FULL[name](x), rtol=1e-9, atol=1e-9)


@given(x=MATRICES)
def test_variance_and_deviation_agree_with_numpy(x):
    expected = np.var(x, ddof=1) if x.size > 1 else 0.0
    assert np.isclose(check("var", x), expected, rtol=1e-9, atol=1e-9)
    assert np.isclose(check("sd", x), np.sqrt(expected), rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("name", BY_NUMPY)
@given(x=MATRICES, order=st.sampled_from("CF"))
def test_row_and_column_aggregates_agree_with_numpy(name, x, order):
    x = np.asarray(x, order=order)
    by_row, by_column = check(f"row{name}", x), check(f"col{name}", x)
    assert by_row.shape == (x.shape[0], 1)
    assert by_column.shape == (1, x.shape[1])
    assert np.allclose(by_row[:, 0], BY_NUMPY[name](x, axis=1), rtol=1e-9, atol=1e-6)
    assert np.allclose(by_column[0], BY_NUMPY[name](x, axis=0), rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("name", ["Sums", "Means", "Prods", "Mins", "Maxs"])
@given(x=WITH_NAN)
def test_nan_and_infinity_as_ieee_has_them(name, x):
    with np.errstate(all="ignore"):
        assert np.array_equal(call(f"col{name}", x)[0], BY_NUMPY[name](x, axis=0), equal_nan=True)
        assert np.array_equal(call(f"row{name}", x)[:, 0], BY_NUMPY[name](x, axis=1), equal_nan=True)


def test_infinities_of_both_signs_give_nan():
    assert math.isnan(call("sum", column(INF, 1, -INF)))
    assert math.isnan(call("mean", column(INF, 1, -INF)))
    assert math.isnan(call("var", column(INF, 1)))
    assert call("sum", column(INF, 1)) == INF


@pytest.mark.parametrize("name", ["var", "sd", "colVars", "colSds", "rowVars"])
def test_nan_reaches_the_result(name):
    assert np.isnan(call(name, rows([1, NAN], [NAN, 4]))).all()


@pytest.mark.parametrize("shape", [(0, 3), (0, 1), (0, 0), (3, 0)])
def test_no_cells(shape):
    x = np.empty(shape)
    assert check("sum", x) == 0
    assert check("prod", x) == 1
    assert all(math.isnan(check(name, x)) for name in ("mean", "var", "sd"))
    identities = {"Sums": 0, "Prods": 1, "Means": NAN, "Vars": NAN, "Sds": NAN, "Mins": INF, "Maxs": -INF}
    for name, identity in identities.items():
        by_row, by_column = check(f"row{name}", x), check(f"col{name}", x)
        assert by_row.shape == (shape[0], 1)
        assert by_column.shape == (1, shape[1])
        assert np.array_equal(by_row, np.full(by_row.shape, float(identity)), equal_nan=True)
        assert np.array_equal(by_column, np.full(by_column.shape, float(identity)), equal_nan=True)
    assert np.array_equal(check("rowIndexMax", x), np.zeros((shape[0], 1)))


def test_variance_is_stable():
    x = column(1e8 + 1, 1e8 + 2, 1e8 + 3, 1e8 + 4)
    assert call("var", x) == pytest.approx(5 / 3, rel=1e-12)
    assert call("colVars", x)[0, 0] == pytest.approx(5 / 3, rel=1e-12)
    assert call("var", np.full((7, 3), 0.1)) == pytest.approx(0, abs=1e-30)
    assert call("var", np.full((5, 5), 3.0)) == 0
    assert call("var", column(7)) == 0
    assert math.isnan(call("var", column(NAN)))


@pytest.mark.parametrize("order", ["C", "F"])
def test_sums_of_long_columns_keep_their_digits(order):
    x = np.random.default_rng(1).random((200_003, 3))
    exact = [math.fsum(c) for c in x.T]
    assert np.allclose(call("colSums", np.asarray(x, order=order))[0], exact, rtol=3e-15, atol=0)
    assert np.allclose(call("rowSums", np.asarray(x.T, order=order))[:, 0], exact, rtol=3e-15, atol=0)
    assert np.allclose(call("colSums", x[::-2])[0], [math.fsum(c) for c in x[::-2].T], rtol=3e-15, atol=0)


def test_weighted_mean():
    assert check("mean", column(1, 2, 3), column(1, 1, 2)) == 2.25
    assert check("mean", column(1, 2, 3), w=column(0, 0, 5)) == 3
    assert math.isnan(check("mean", column(1, 2), column(0, 0)))
    with pytest.raises(SizeError, match=r"'w' of mean.*column vector, found a 1x3"):
        call("mean", column(1, 2, 3), column(1, 1, 2).T)
    with pytest.raises(SizeError, match="3 in 'x' and 2 in 'w'"):
        infer("mean", matrix(3, 1), matrix(2, None))


def test_index_of_extremes():
    x = rows([1, 3, 3], [2, 2, 1], [1, 1, 1])
    assert check("rowIndexMax", x).ravel().tolist() == [3, 2, 3]
    assert check("rowIndexMin", x).ravel().tolist() == [1, 3, 3]
    x = rows([1, NAN, 3], [NAN, 2, 1], [NAN, NAN, NAN])
    assert call("rowIndexMax", x).ravel().tolist() == [3, 2, 1]
    assert call("rowIndexMin", x).ravel().tolist() == [1, 3, 1]
    x = rows([-INF, NAN, NAN], [NAN, -INF, 0])
    assert call("rowIndexMax", x).ravel().tolist() == [1, 3]
    assert call("rowIndexMin", -x).ravel().tolist() == [1, 3]


@pytest.mark.parametrize(("name", "choose"), [("rowIndexMax", max), ("rowIndexMin", min)])
@given(x=WITH_NAN)
def test_index_of_extremes_by_definition(name, choose, x):
    def expected(row):
        numbers = [v for v in row if v == v]
        return 1 + max(i for i, v in enumerate(row) if v == choose(numbers)) if numbers else 1

    assert call(name, x).ravel().tolist() == [expected(row) for row in x.tolist()]


def test_trace():
    assert check("trace", rows([1, 2], [3, 4])) == 5
    assert check("tr", np.empty((0, 0))) == 0
    with pytest.raises(SizeError, match=r"trace.*square.*2x3"):
        call("trace", np.ones((2, 3)))
    with pytest.raises(SizeError, match="trace"):
        infer("trace", matrix(2, 3))


def test_types():
    assert infer("sum", matrix()) == scalar(DOUBLE)
    assert infer("rowSums", matrix(4, None)) == matrix(4, 1)
    assert infer("colSds", matrix(None, 5)) == matrix(1, 5)
    assert infer("rowIndexMax", matrix(4, 2)) == matrix(4, 1)
    assert REGISTRY["avg"] is REGISTRY["mean"]
    with pytest.raises(OperationError, match="no argument"):
        REGISTRY["sum"].bind([None, "na.rm"])


def test_inputs_stay_as_they_are():
    x = rows([1, 2], [3, 5])
    x.setflags(write=False)
    for op in REGISTRY.records():
        if op.family == "aggregate":
            call(op.name, x)
