"""Contingency tables, aggregates of groups and distinct values, against plain counting."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from calls import call, check, column, infer, rows
from hypothesis import given, strategies as st

import gramian.ops.table  # noqa: F401
from gramian.errors import OperationError, SizeError
from gramian.ir.op import REGISTRY
from gramian.ir.types import DOUBLE, INT, STRING, matrix, scalar

NAN, INF = math.nan, math.inf
A, B = column(1, 2, 2, 3), column(1, 1, 2, 2)
W = column(10, 20, 30, 40)

# ---- table ----


def test_forms_of_table():
    assert check("table", A, B).tolist() == [[1, 0], [1, 1], [0, 1]]
    assert check("table", A, B, W).tolist() == [[10, 0], [20, 30], [0, 40]]
    assert check("table", A, B, 2.5).tolist() == [[2.5, 0], [2.5, 2.5], [0, 2.5]]
    assert check("table", A, B, 2, 4).tolist() == [[1, 0, 0, 0], [1, 1, 0, 0]]
    assert check("table", A, B, W, 2, 2).tolist() == [[10, 0], [20, 30]]
    assert check("table", A, B, 0.5, 2, 2, True).tolist() == [[0.5, 0], [0.5, 0.5]]
    assert check("table", A, B, r=2, c=1).tolist() == [[1], [1]]
    assert check("ctable", A, 1).tolist() == [[1], [2], [1]]
    assert check("table", A, 3, W).tolist() == [[0, 0, 10], [0, 0, 50], [0, 0, 40]]
    assert check("table", A, 1, 2).tolist() == [[2], [4], [2]]
    assert check("table", A, 1, 2, 4, 2).tolist() == [[2, 0], [4, 0], [2, 0], [0, 0]]
    assert check("table", call("seq", 1, 3), column(2, 1, 2), 3, 4).tolist() == [
        [0, 1, 0, 0],
        [1, 0, 0, 0],
        [0, 1, 0, 0],
    ]


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=20))
def test_table_counts_pairs(pairs):
    a, b = (column(*part) for part in zip(*pairs, strict=True))
    counts = Counter(pairs)
    assert check("table", a, b, 5, 4).tolist() == [[counts[i, j] for j in range(1, 5)] for i in range(1, 6)]
    found = check("table", a.T, b.T)
    assert found.shape == (a.max(), b.max())
    assert counts == {(i + 1, j + 1): n for (i, j), n in np.ndenumerate(found) if n}


def test_table_of_fractions_nan_and_infinity():
    assert call("table", column(1.9, 2.1), column(1, 1)).tolist() == [[1], [1]]
    assert call("table", column(1, NAN, 3), column(2, 5, NAN)).tolist() == [[0, 1]]
    assert np.array_equal(call("table", A, B, column(NAN, 1, 1, INF)), [[NAN, 0], [1, 1], [0, INF]], equal_nan=True)
    assert call("table", column(1, INF), column(1, 1), 1, 1).tolist() == [[1]]
    assert call("table", A, B, INF).tolist() == [[INF, 0], [INF, INF], [0, INF]]
    with pytest.raises(OperationError, match=r"'A' of table.*holds Infinity"):
        call("table", column(1, INF), column(1, 1))


def test_table_of_nothing():
    empty = np.empty((0, 1))
    assert check("table", empty, empty).shape == (0, 0)
    assert check("table", empty, 2).shape == (0, 2)
    assert check("table", empty, empty, 2, 3).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert check("table", A, B, 0, 0).shape == (0, 0)


@pytest.mark.parametrize("wrong", [0, -1, 0.9, -INF])
def test_table_needs_positions(wrong):
    with pytest.raises(OperationError, match=r"'A' of table.*from 1 on"):
        call("table", column(1, wrong), column(1, 1), 2, 2)
    with pytest.raises(OperationError, match=r"'B' of table.*from 1 on"):
        call("table", column(1, 1), column(1, wrong))
    if math.isfinite(wrong):
        with pytest.raises(OperationError, match=r"'B' of table.*from 1 on"):
            call("table", A, wrong)


def test_table_refusals():
    for run, a, b, w in ((call, A, B, W), (infer, matrix(4, 1), matrix(4, 1), matrix(4, 1))):
        with pytest.raises(SizeError, match=r"'A' and 'B' of table.*4x1 and 1x4"):
            run("table", a, B.T if run is call else matrix(1, 4))
        with pytest.raises(SizeError, match="'A' and 'W'"):
            run("table", a, b, column(1) if run is call else matrix(1, 1))
        with pytest.raises(OperationError, match=r"size 'r' of table.*must be a number"):
            run("table", a, b, w, 3)
        with pytest.raises(OperationError, match="both sizes"):
            run("table", a, b, r=3)
        with pytest.raises(OperationError, match="both sizes"):
            run("table", a, b, w, c=3)
        with pytest.raises(SizeError, match=r"'r' of table.*negative"):
            run("table", a, b, -1, 3)
    with pytest.raises(OperationError, match=r"'B' of table.*from 1 on"):
        infer("table", matrix(4, 1), 0)
    with pytest.raises(SizeError, match="too large"):
        call("table", column(2e9), column(2e9))


def test_table_types():
    assert infer("table", matrix(4, 1), matrix(None, 1)) == matrix(None, None)
    assert infer("table", matrix(4, 1), 2) == matrix(None, 2)
    assert infer("table", matrix(4, 1), scalar(INT), 3, scalar(INT)) == matrix(3, None)
    assert infer("table", matrix(), matrix(), 1.5, 3, 4) == matrix(3, 4)


# ---- aggregate ----

X, G = column(1, 2, 3, 4, 5), column(1, 1, 2, 4, 2)


def test_aggregate_check_values():
    expected = {"sum": [3, 8, 0, 4], "count": [2, 2, 0, 1], "mean": [1.5, 4, 0, 4], "variance": [0.5, 2, 0, 0]}
    expected |= {"min": [1, 3, 0, 4], "max": [2, 5, 0, 4]}
    for fn, values in expected.items():
        assert check("aggregate", X, G, fn).ravel().tolist() == values
        assert check("groupedAggregate", target=X, groups=G, fn=fn, ngroups=3).ravel().tolist() == values[:3]
        assert check("aggregate", X, G, fn, ngroups=5).ravel().tolist() == [*values, 0]
    for order in (2, 2.0, "2"):
        moments = check("aggregate", X, G, "centralmoment", order=order).ravel()
        assert np.array_equal(moments, [0.25, 1, NAN, 0], equal_nan=True)
    w = column(1, 2, 3, 1, 1)
    assert check("aggregate", X, G, "sum", weights=w).ravel().tolist() == [5, 14, 0, 4]
    assert check("aggregate", X, G, "count", weights=w).ravel().tolist() == [3, 4, 0, 1]
    assert np.allclose(check("aggregate", X, G, "variance", weights=w).ravel(), [1 / 3, 1, 0, 0])


GROUPS = st.lists(st.tuples(st.integers(1, 4), st.integers(-9, 9), st.integers(0, 3)), min_size=1, max_size=15)
OF_GROUP = {
    "sum": sum,
    "count": len,
    "mean": np.mean,
    "variance": lambda v: np.var(v, ddof=1) if len(v) > 1 else 0.0,
    "min": min,
    "max": max,
}


@pytest.mark.parametrize("fn", OF_GROUP)
@given(GROUPS)
def test_aggregates_of_groups(fn, data):
    g, x, w = (column(*part) for part in zip(*data, strict=True))
    groups = defaultdict(list)
    weighted = defaultdict(list)
    for group, value, weight in data:
        groups[group].append(value)
        weighted[group] += [value] * weight
    expected = [OF_GROUP[fn](groups[i]) if groups[i] else 0 for i in range(1, 5)]
    assert np.allclose(check("aggregate", x, g, fn, ngroups=4).ravel(), expected)
    assert np.allclose(check("aggregate", np.hstack([x, -x]), g, fn, ngroups=4)[:, 0], expected)
    if fn not in ("min", "max"):
        expected = [OF_GROUP[fn](weighted[i]) if weighted[i] else 0 for i in range(1, 5)]
        assert np.allclose(check("aggregate", x, g, fn, weights=w, ngroups=4).ravel(), expected)


@given(GROUPS, st.integers(2, 4))
def test_central_moments_of_groups(data, order):
    g, x, _ = (column(*part) for part in zip(*data, strict=True))
    found = check("aggregate", x, g, "centralmoment", order=order, ngroups=5).ravel()
    for group in range(1, 6):
        member = x[g == group].reshape(-1, 1)
        expected = np.mean((member - member.mean()) ** order) if member.size else NAN
        assert found[group - 1] == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)


def test_aggregate_edges():
    x, g = column(1, NAN, 3), column(1.9, 1, 2)
    for fn in ("sum", "mean", "variance", "min", "max"):
        found = check("aggregate", x, g, fn).ravel()
        assert np.isnan(found[0])
        assert not np.isnan(found[1])
    assert call("aggregate", x, g, "count").ravel().tolist() == [2, 1]
    assert check("aggregate", np.empty((0, 1)), np.empty((0, 1)), "sum").shape == (0, 1)
    assert check("aggregate", np.empty((0, 2)), np.empty((0, 1)), "max", ngroups=2).tolist() == [[0, 0], [0, 0]]
    assert infer("aggregate", matrix(3, 1), matrix(3, 1), scalar(STRING)) == matrix(None, 1)
    assert infer("aggregate", matrix(3, None), matrix(3, 1), "sum", ngroups=2) == matrix(2, None)


@pytest.mark.parametrize(
    ("arguments", "named", "text"),
    [
        ((X, G, "Sum"), {}, "'fn' of aggregate.*found \"Sum\""),
        ((X, G, "sum"), {"order": 2}, "has no argument 'order'"),
        ((X, G, "centralmoment"), {}, "needs argument 'order'"),
        ((X, G, "centralmoment"), {"order": 5}, "'order' of aggregate"),
        ((X, G, "min"), {"weights": X}, "has no weights"),
        ((np.ones((5, 2)), G, "sum"), {}, "needs argument 'ngroups'"),
        ((np.ones((5, 2)), G, "sum"), {"ngroups": 2, "weights": X}, "has no weights"),
        ((X, G[:4], "sum"), {}, "5 in 'target' and 4 in 'groups'"),
        ((X, G.T, "sum"), {}, "'groups' of aggregate.*column"),
        ((X, G, "sum"), {"ngroups": -1}, "'ngroups' of aggregate.*negative"),
    ],
)
def test_aggregate_refusals(arguments, named, text):
    def types(value):
        return matrix(*value.shape) if isinstance(value, np.ndarray) else value

    with pytest.raises(OperationError, match=text):
        call("aggregate", *arguments, **named)
    with pytest.raises(OperationError, match=text):
        infer("aggregate", *map(types, arguments), **{n: types(v) for n, v in named.items()})


@pytest.mark.parametrize("wrong", [0, -1, NAN])
def test_groups_must_be_positions(wrong):
    with pytest.raises(OperationError, match=r"'groups' of aggregate.*from 1 on"):
        call("aggregate", column(1, 2), column(1, wrong), "sum", ngroups=1)


# ---- distinct values ----

CELLS = st.sampled_from([0.0, -0.0, 1.0, 2.5, -3.0, NAN, INF])


def distinct(values):
    numbers = sorted({v + 0.0 for v in values if v == v})
    return numbers + [NAN] * any(v != v for v in values)


@given(st.integers(0, 5), st.integers(0, 5), st.data())
def test_distinct_values(m, n, data):
    cells = data.draw(st.lists(CELLS, min_size=m * n, max_size=m * n))
    x = np.array(cells, dtype=float).reshape(m, n)
    by_row = [distinct(r) for r in x.tolist()]
    assert check("countDistinct", x) == len(distinct(cells))
    assert check("rowCountDistinct", x).ravel().tolist() == list(map(len, by_row))
    assert check("countDistinct", x, dir="r").shape == (m, 1)
    assert np.array_equal(check("countDistinct", x, "c"), call("rowCountDistinct", x.T).T)
    assert np.array_equal(check("colCountDistinct", x), call("rowCountDistinct", x.T).T)
    assert np.array_equal(check("unique", x).ravel(), distinct(cells), equal_nan=True)
    width = max(map(len, by_row), default=0)
    padded = np.array([r + [0.0] * (width - len(r)) for r in by_row]).reshape(m, width)
    found = check("unique", x, dir="r")
    assert np.array_equal(found, padded, equal_nan=True)
    assert not np.signbit(found[found == 0]).any()
    assert np.array_equal(check("unique", x.T, dir="c"), padded.T, equal_nan=True)


def test_unique_by_example():
    x = rows([3, 1, 3], [2, 2, 2])
    assert call("unique", x).ravel().tolist() == [1, 2, 3]
    assert call("unique", x, "r").tolist() == [[1, 3], [2, 0]]
    assert call("unique", x, "c").tolist() == [[2, 1, 2], [3, 2, 3]]


def test_directions():
    assert infer("countDistinct", matrix(2, 3)) == scalar(INT)
    assert infer("unique", matrix(2, 3)) == matrix(None, 1)
    assert infer("unique", matrix(2, 3), scalar(STRING)) == matrix(None, None)
    for name in ("countDistinct", "unique"):
        for run, x in ((call, X), (infer, matrix(2, 3))):
            with pytest.raises(OperationError, match=f"'dir' of {name}.*found \"rows\""):
                run(name, x, "rows")
    with pytest.raises(OperationError, match=r"'dir' of countDistinct.*constant"):
        infer("countDistinct", matrix(2, 3), scalar(STRING))


def test_inputs_stay_as_they_are():
    for values in ((A, B), (A, B, W)):
        copies = [v.copy() for v in values]
        call("table", *values)
        assert all(np.array_equal(c, v) for c, v in zip(copies, values, strict=True))
    frozen = X.copy()
    frozen.setflags(write=False)
    for name in ("unique", "countDistinct", "rowCountDistinct"):
        call(name, frozen)
    assert infer("aggregate", matrix(None, 1), matrix(None, 1), "mean", ngroups=scalar(DOUBLE)) == matrix(None, 1)
    assert REGISTRY["ctable"] is REGISTRY["table"]
