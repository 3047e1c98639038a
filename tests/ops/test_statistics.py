"""Moments, covariance, quantiles and distributions, against NumPy, SciPy and expanded weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from calls import call, check, column, infer
from hypothesis import given, strategies as st

import gramian.ops.distribution
import gramian.ops.statistics  # noqa: F401
from gramian.errors import OperationError, SizeError
from gramian.ir.op import REGISTRY
from gramian.ir.types import DOUBLE, STRING, matrix, scalar

NAN, INF = math.nan, math.inf
VALUES = st.lists(st.integers(-20, 20), min_size=1, max_size=12)
WEIGHTED = st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 4)), min_size=1, max_size=10).filter(
    lambda pairs: sum(w for _, w in pairs) > 0
)


def split(pairs):
    return (column(*part) for part in zip(*pairs, strict=True))


def expand(x, w):
    return np.repeat(x.ravel(), w.ravel().astype(int)).reshape(-1, 1)


# ---- moments and covariance ----


def test_moment_check_values():
    x = column(1, 2, 3, 4, 10)
    assert [check("moment", x, k) for k in range(5)] == pytest.approx([1, 0, 10, 36, 278.8])
    assert check("centralMoment", x, k=2) == 10
    assert check("moment", x, 2.0) == 10


@given(VALUES, st.integers(2, 4))
def test_moments_agree_with_scipy(values, k):
    expected = np.mean((np.array(values) - np.mean(values)) ** k)
    assert check("moment", column(*values), k) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(WEIGHTED, st.integers(0, 4))
def test_weights_say_how_often_a_value_occurs(pairs, k):
    x, w = split(pairs)
    assert check("moment", x, w, k) == pytest.approx(call("moment", expand(x, w), k), rel=1e-9, abs=1e-9)


def test_moment_edges():
    assert math.isnan(check("moment", np.empty((0, 1)), 2))
    assert math.isnan(check("moment", column(1, NAN), 2))
    assert math.isnan(check("moment", column(1, NAN), 1))
    assert infer("moment", matrix(3, 1), matrix(None, 1), scalar(DOUBLE)) == scalar(DOUBLE)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((column(1, 2), 5), "'k' of moment.*0, 1, 2, 3 or 4, found 5"),
        ((column(1, 2), 2.5), "found 2.5"),
        ((column(1, 2).T, 2), "'x' of moment.*column vector, found a 1x2"),
        ((column(1, 2), column(1), 2), "2 in 'x' and 1 in 'w'"),
        ((column(1, 2), column(1, 1)), "weights and a number"),
        ((column(1, 2), 1, 2), "weights and a number"),
        ((column(1, 2), 2, column(1, 1)), "weights and a number"),
    ],
)
def test_moment_refusals(arguments, text):
    with pytest.raises(OperationError, match=text):
        call("moment", *arguments)
    with pytest.raises(OperationError, match=text):
        infer("moment", *[matrix(*a.shape) if isinstance(a, np.ndarray) else a for a in arguments])


def test_moment_needs_an_order():
    with pytest.raises(OperationError, match="misses its argument 'k'"):
        infer("moment", matrix(3, 1))


def test_covariance():
    x, y, w = column(1, 2, 3), column(2, 4, 9), column(2, 1, 3)
    assert check("cov", x, y) == pytest.approx(3.5)
    assert check("cov", x, y, w=w) == pytest.approx(3.4333333333333333)
    assert check("cov", column(3), column(4)) == 0
    assert check("cov", column(3), column(4), column(1)) == 0
    assert math.isnan(check("cov", np.empty((0, 1)), np.empty((0, 1))))
    assert math.isnan(check("cov", column(1, NAN), column(1, 2)))
    with pytest.raises(SizeError, match="3 in 'x' and 1 in 'y'"):
        call("cov", x, column(1))
    with pytest.raises(SizeError, match=r"'x' of cov.*3x2"):
        infer("cov", matrix(3, 2), matrix(3, 2))


@given(WEIGHTED.filter(lambda pairs: sum(w for _, w in pairs) > 1), st.integers(0, 99))
def test_weighted_covariance_of_expanded_columns(pairs, seed):
    x, w = split(pairs)
    y = np.random.default_rng(seed).normal(size=x.shape)
    expected = np.cov(expand(x, w).ravel(), expand(y, w).ravel())[0, 1]
    assert check("cov", x, y, w) == pytest.approx(expected, rel=1e-9, abs=1e-9)


# ---- quantiles ----


def test_quantile_check_values():
    x = column(*np.random.default_rng(0).permutation(10) + 1)
    p = column(0, 0.05, 0.1, 0.11, 0.5, 0.95, 1)
    assert check("quantile", x, p).ravel().tolist() == [1, 1, 1, 2, 5, 10, 10]
    assert [check("quantile", x, v) for v in p.ravel().tolist()] == [1, 1, 1, 2, 5, 10, 10]
    p = column(0.1, 0.25, 0.3, 0.5, 0.51, 0.75, 1)
    found = check("quantile", column(3, 1, 2), column(2, 1, 1), p)
    assert found.ravel().tolist() == [1, 1, 2, 2, 3, 3, 3]
    assert call("quantile", column(3, 1, 2), p=0.5) == 2
    assert check("median", column(5, 1, 4, 2)) == 3
    assert check("median", column(1, 2), w=column(2, 2)) == 1.5
    assert check("interQuartileMean", column(1, 2, 10)) == pytest.approx(19 / 6)
    assert check("interQuartileMean", column(*range(1, 7))) == pytest.approx(3.5)
    assert check("interQuartileMean", column(*range(9, 0, -1))) == pytest.approx(5)
    assert check("interQuartileMean", column(1, 2, 10), column(2, 1, 2)) == pytest.approx(4.1)


@given(VALUES, st.sampled_from([0, 0.25, 0.3, 0.5, 0.75, 0.9, 1]))
def test_quantiles_are_elements(values, p):
    expected = np.quantile(values, p, method="inverted_cdf")
    assert check("quantile", column(*values), p) == expected
    assert check("median", column(*values)) == np.median(values)


@given(WEIGHTED, st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.8, 1.0]))
def test_weighted_quantiles_of_expanded_columns(pairs, p):
    x, w = split(pairs)
    whole = expand(x, w)
    assert check("quantile", x, w, p) == call("quantile", whole, p)
    assert check("median", x, w) == call("median", whole)
    assert check("interQuartileMean", x, w) == pytest.approx(call("interQuartileMean", whole))


def test_quantiles_without_values_or_of_nan():
    for x in (np.empty((0, 1)), column(3, NAN, 1)):
        assert math.isnan(check("quantile", x, 0.5))
        assert np.isnan(check("quantile", x, column(0.5, 1))).all()
        assert math.isnan(check("median", x))
        assert math.isnan(check("interQuartileMean", x))
    nothing = column(0, 0)
    assert math.isnan(check("median", column(1, 2), nothing))
    assert math.isnan(check("interQuartileMean", column(1, 2), nothing))
    assert check("quantile", column(1, 2), np.empty((0, 1))).shape == (0, 1)
    assert check("median", column(NAN, 2), column(0, 1)) == 2
    assert check("interQuartileMean", column(INF, 1, 2, 3, 4)) == pytest.approx((0.75 * 2 + 3 + 0.75 * 4) / 2.5)


def test_infinite_values():
    assert check("median", column(INF, INF)) == INF
    assert math.isnan(check("median", column(-INF, INF)))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((column(1, 2), 1.5), "'p' of quantile.*between 0 and 1, found 1.5"),
        ((column(1, 2), NAN), "between 0 and 1"),
        ((column(1, 2).T, 0.5), "'x' of quantile.*column"),
        ((column(1, 2), column(0.1, 0.2).T), "'p' of quantile.*column"),
        ((column(1, 2), 1, 0.5), "optional weights"),
        ((column(1, 2), column(1), 0.5), "2 in 'x' and 1 in 'w'"),
    ],
)
def test_quantile_refusals(arguments, text):
    with pytest.raises(OperationError, match=text):
        call("quantile", *arguments)
    with pytest.raises(OperationError, match=text):
        infer("quantile", *[matrix(*a.shape) if isinstance(a, np.ndarray) else a for a in arguments])


@pytest.mark.parametrize("weight", [-1, 0.5, NAN, INF])
def test_weights_must_be_whole(weight):
    for name in ("median", "interQuartileMean"):
        with pytest.raises(OperationError, match=rf"weights of {name}\(\) must be whole numbers"):
            call(name, column(1, 2), column(1, weight))


# ---- distributions ----

CASES = [
    ("norm", "normal", {}, scipy.stats.norm()),
    ("norm", "normal", {"mean": 1.5, "sd": 2}, scipy.stats.norm(1.5, 2)),
    ("t", "t", {"df": 5}, scipy.stats.t(5)),
    ("t", "t", {"df": 0.7}, scipy.stats.t(0.7)),
    ("chisq", "chisq", {"df": 4}, scipy.stats.chi2(4)),
    ("chisq", "chisq", {"df": 1.5}, scipy.stats.chi2(1.5)),
    ("f", "f", {"df1": 3, "df2": 7}, scipy.stats.f(3, 7)),
    ("exp", "exp", {}, scipy.stats.expon()),
    ("exp", "exp", {"rate": 5}, scipy.stats.expon(scale=0.2)),
]
POINTS = np.array([[-INF, -3.0, -0.5, -0.0], [0.0, 0.3, 2, 40], [INF, 1e-10, NAN, 7]])
CHANCES = np.array([[0, 1e-12, 0.01, 0.2, 0.249], [0.251, 0.5, 0.7, 0.999, 1]])


@pytest.mark.parametrize(("short", "dist", "params", "reference"), CASES)
def test_probabilities_agree_with_scipy(short, dist, params, reference):
    for tail, expected in ((True, reference.cdf(POINTS)), (False, reference.sf(POINTS))):
        found = check(f"p{short}", POINTS, **params, **{"lower.tail": tail})
        assert np.allclose(found, expected, rtol=1e-9, atol=0, equal_nan=True)
        assert np.array_equal(found, check("cdf", POINTS, dist, **params, **{"lower.tail": tail}), equal_nan=True)
        for q, p in zip(POINTS.ravel().tolist(), found.ravel().tolist(), strict=True):
            single = check(f"p{short}", q, **params, **{"lower.tail": tail})
            assert np.array_equal(single, p, equal_nan=True)
            assert math.copysign(1, single) == 1 or single != single


@pytest.mark.parametrize(("short", "dist", "params", "reference"), CASES)
def test_inverses_agree_with_scipy(short, dist, params, reference):
    found = check(f"q{short}", CHANCES, **params)
    assert np.allclose(found, reference.ppf(CHANCES), rtol=1e-8, atol=1e-15)
    assert np.array_equal(found, check("icdf", CHANCES, dist=dist, **params))
    assert math.isnan(check(f"q{short}", NAN, **params))
    inner = CHANCES[(CHANCES > 0) & (CHANCES < 1)].reshape(1, -1)
    assert np.allclose(call(f"p{short}", call(f"q{short}", inner, **params), **params), inner, rtol=1e-9)


def test_inverse_of_t_far_in_the_tail():
    assert call("pt", call("qt", 1e-200, df=5), df=5) == pytest.approx(1e-200, rel=1e-9)
    assert (call("qt", 0, df=5), call("qt", 0.5, df=5), call("qt", 1, df=5)) == (-INF, 0, INF)


def test_distribution_check_values():
    found = [
        call("pnorm", 1.96),
        call("pnorm", 3, mean=1, sd=2),
        call("qnorm", 0.975),
        call("pt", 2, df=5),
        call("pf", 2, 3, 7),
        call("pchisq", 3, df=4),
        call("pexp", 2),
        call("qexp", 0.9, rate=5),
    ]
    expected = [
        0.9750021048517796,
        0.841344746068543,
        1.959963984540054,
        0.9490302605850709,
        0.7973063575133488,
        0.4421745996289251,
        0.8646647167633873,
        0.46051701859881,
    ]
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("run", [call, infer])
@pytest.mark.parametrize(
    ("name", "arguments", "named", "text"),
    [
        ("cdf", (1, "gamma"), {}, "'dist' of cdf.*found \"gamma\""),
        ("cdf", (1, "t"), {}, "misses its argument 'df'"),
        ("cdf", (1, "normal"), {"df": 3}, "no argument 'df' for the distribution"),
        ("icdf", (0.5, "exp"), {"rate": -1}, "'rate' of icdf.*positive, found -1"),
        ("pnorm", (1,), {"sd": 0}, "'sd' of pnorm.*positive"),
        ("qt", (0.5,), {"df": NAN}, "'df' of qt.*positive"),
    ],
)
def test_distribution_refusals(run, name, arguments, named, text):
    with pytest.raises(OperationError, match=text):
        run(name, *arguments, **named)


def test_probabilities_must_be_probabilities():
    for p in (-0.1, 1.1, INF):
        with pytest.raises(OperationError, match=r"'target' of qnorm.*between 0 and 1"):
            call("qnorm", p)
    with pytest.raises(OperationError, match=r"no argument 'lower.tail'"):
        REGISTRY["qnorm"].bind([None, "lower.tail"])
    with pytest.raises(OperationError, match="misses its argument 'df'"):
        REGISTRY["pt"].bind([None])


def test_distribution_types():
    assert infer("cdf", 1, scalar(STRING)) == scalar(DOUBLE)
    assert infer("pnorm", matrix(2, None)) == matrix(2, None)
