"""Constructors, reshaping, random numbers, sequences and diagonals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from calls import call, check, column, infer, rows
from hypothesis import given, strategies as st

from gramian.errors import OperationError, SizeError
from gramian.ir.op import REGISTRY, Effect
from gramian.ir.sparse import densify
from gramian.ir.types import BOOLEAN, DOUBLE, INT, STRING, matrix, scalar
from gramian.ops.generate import RandomCells

NAN, INF = math.nan, math.inf


# ---- matrix ----


def test_constant():
    assert check("matrix", 3, 2, 3).tolist() == [[3, 3, 3], [3, 3, 3]]
    assert check("matrix", -1.25, rows=1, cols=2.7).tolist() == [[-1.25, -1.25]]
    assert check("matrix", 0, 0, 3).shape == (0, 3)
    assert np.isnan(check("matrix", NAN, 1, 1)[0, 0])


def test_text():
    assert check("matrix", "1   2\n3\t4", 2, 2).tolist() == [[1, 2], [3, 4]]
    assert check("matrix", " 1.5 -2 3e2 .25 ", 2, 2).tolist() == [[1.5, -2], [300, 0.25]]
    special = check("matrix", "NaN Infinity -Infinity 0", rows=4, cols=1)
    assert np.array_equal(special, column(NAN, INF, -INF, 0), equal_nan=True)
    assert check("matrix", "", 0, 0).shape == (0, 0)
    call("matrix", "1 2", 1, 2)[0, 0] = 9
    assert call("matrix", "1 2", 1, 2)[0, 0] == 1


@pytest.mark.parametrize("run", [call, infer])
def test_text_that_does_not_fit(run):
    with pytest.raises(SizeError, match="2x2 needs 4 cells, found 3 numbers"):
        run("matrix", "1 2 3", 2, 2)
    with pytest.raises(OperationError, match="'x' is not a number in argument 'data' of matrix"):
        run("matrix", "1 x 3 4", 2, 2)
    with pytest.raises(OperationError, match="'1,' is not a number") as error:
        run("matrix", "1, 2", 1, 2)
    assert "white space" in error.value.hint


def test_reshape_by_row_and_by_column():
    x = call("seq", 1, 6)
    assert check("matrix", x, 2, 3).tolist() == [[1, 2, 3], [4, 5, 6]]
    assert check("matrix", x, 2, 3, False).tolist() == [[1, 3, 5], [2, 4, 6]]
    y = call("matrix", x, 2, 3)
    assert check("matrix", y, rows=3, cols=2, byrow=False).tolist() == [[1, 5], [4, 3], [2, 6]]
    assert check("matrix", np.asfortranarray(y), 3, 2).tolist() == [[1, 2], [3, 4], [5, 6]]
    assert check("matrix", np.empty((0, 3)), 5, 0).shape == (5, 0)


@given(m=st.integers(0, 5), n=st.integers(0, 5), byrow=st.booleans())
def test_reshaping_there_and_back(m, n, byrow):
    x = np.arange(m * n, dtype=float).reshape(m, n)
    there = call("matrix", x, n * m, 1, byrow)
    assert np.array_equal(call("matrix", there, m, n, byrow), x)
    assert there.ravel().tolist() == [v for r in (x if byrow else x.T).tolist() for v in r]


def test_reshape_needs_as_many_cells():
    with pytest.raises(SizeError, match="2x2 needs 4 cells, found 6 in argument 'data'"):
        call("matrix", np.ones((2, 3)), 2, 2)
    with pytest.raises(SizeError, match="needs 4 cells, found 6"):
        infer("matrix", matrix(2, 3), 2, 2)
    assert infer("matrix", matrix(2, None), 2, 2) == matrix(2, 2)
    assert infer("matrix", scalar(DOUBLE), scalar(INT), 2) == matrix(None, 2)


def test_matrix_refusals():
    with pytest.raises(SizeError, match=r"'rows' of matrix.*not be negative, found -1"):
        call("matrix", 0, -1, 2)
    with pytest.raises(SizeError, match="'cols' of matrix"):
        infer("matrix", 0, 1, -2)
    with pytest.raises(OperationError, match="found a boolean"):
        call("matrix", True, 1, 1)
    with pytest.raises(OperationError, match="no argument 'dimnames'"):
        REGISTRY["matrix"].bind([None, "rows", "cols", "dimnames"])
    assert not REGISTRY["matrix"].params[0].accepts_type(scalar(BOOLEAN))


# ---- rand ----


def test_a_seed_gives_the_same_numbers():
    for more in ({}, {"pdf": "normal"}, {"pdf": "poisson", "lambda": 4}, {"sparsity": 0.3}):
        first = check("rand", rows=30, cols=20, seed=42, **more)
        assert np.array_equal(first, call("Rand", rows=30, cols=20, seed=42, **more))
        assert not np.array_equal(first, call("RAND", rows=30, cols=20, seed=43, **more))
    assert not np.array_equal(call("rand", rows=30, cols=20), call("rand", rows=30, cols=20))
    assert not np.array_equal(call("rand", rows=3, cols=2, seed=-2), call("rand", rows=3, cols=2, seed=-3))
    assert REGISTRY["rand"].effect is Effect.FRESH


def test_blocks_can_be_drawn_in_any_order():
    m, n = 700, 250
    for pdf, sparsity in (("uniform", 1.0), ("normal", 0.2), ("poisson", 0.7)):
        whole = call("rand", rows=m, cols=n, seed=9, pdf=pdf, sparsity=sparsity)
        recipe = RandomCells(n, 0.0, 1.0, sparsity, 9, pdf, 1.0)
        step = recipe.block_rows
        assert 1 < step < m
        out = np.zeros((m, n))
        for block in reversed(range(-(-m // step))):
            recipe.fill(block, out[block * step : (block + 1) * step])
        assert np.array_equal(out, densify(whole))
        first = call("rand", rows=10, cols=n, seed=9, pdf=pdf, sparsity=sparsity)
        assert np.array_equal(densify(first), densify(whole)[:10])


def test_distributions():
    uniform = call("rand", rows=400, cols=300, min=-2, max=5, seed=1)
    assert scipy.stats.kstest(uniform.ravel(), "uniform", (-2, 7)).pvalue > 1e-3
    assert uniform.min() >= -2
    assert uniform.max() < 5
    normal = call("rand", rows=400, cols=300, pdf="normal", min=7, seed=2)
    assert scipy.stats.kstest(normal.ravel(), "norm").pvalue > 1e-3
    poisson = call("rand", rows=400, cols=300, pdf="poisson", seed=3, **{"lambda": 2.5})
    assert abs(poisson.mean() - 2.5) < 0.03
    assert abs(poisson.var() - 2.5) < 0.08
    assert np.array_equal(poisson, np.round(poisson))


def test_neighbouring_seeds_and_blocks_are_independent():
    a, b = (call("rand", rows=500, cols=400, seed=seed) for seed in (1, 2))
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(a[:163].ravel(), a[163:326].ravel())[0, 1]) < 0.02
    mask = call("rand", rows=500, cols=400, min=1, max=1, sparsity=0.5, seed=1)
    assert abs(np.corrcoef(a.ravel(), mask.ravel())[0, 1]) < 0.01


def test_sparsity():
    x = densify(call("rand", rows=300, cols=200, min=1, max=2, sparsity=0.1, seed=11))
    assert 0.09 < np.count_nonzero(x) / x.size < 0.11
    assert abs(x.sum() / np.count_nonzero(x) - 1.5) < 0.02
    assert set(np.unique(call("rand", rows=50, cols=20, min=3, max=3, sparsity=0.5, seed=1))) == {0, 3}
    assert not call("rand", rows=20, cols=30, sparsity=0).any()
    assert call("rand", rows=50, cols=20, min=1, max=2, seed=4).all()


def test_rand_edges():
    assert check("rand").shape == (1, 1)
    assert check("rand", rows=0, cols=3).shape == (0, 3)
    assert check("rand", rows=3, cols=0).shape == (3, 0)
    assert check("rand", rows=2.7, cols=1).shape == (2, 1)
    assert np.all(check("rand", rows=2, cols=2, min=INF, max=INF) == INF)
    swapped = call("rand", rows=20, cols=20, min=5, max=2, seed=1)
    assert swapped.min() > 2
    assert swapped.max() <= 5
    wide = check("rand", rows=3, cols=100_000, seed=1)
    assert not np.array_equal(wide[0], wide[1])


@pytest.mark.parametrize("run", [call, infer])
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"pdf": "gauss"}, '\'pdf\' of rand.*"normal".*found "gauss"'),
        ({"sparsity": 1.5}, "'sparsity' of rand.*found 1.5"),
        ({"sparsity": NAN}, "'sparsity' of rand"),
        ({"pdf": "poisson", "lambda": 0}, "'lambda' of rand.*positive"),
        ({"pdf": "poisson", "lambda": INF}, "'lambda' of rand"),
        ({"rows": -1}, "'rows' of rand.*not be negative"),
    ],
)
def test_rand_refusals(run, arguments, text):
    with pytest.raises(OperationError, match=text):
        run("rand", **arguments)


def test_rand_types():
    assert infer("rand", rows=3, cols=scalar(INT)) == matrix(3, None, 1.0)
    assert infer("rand", pdf=scalar(STRING)) == matrix(1, 1, 1.0)
    assert infer("rand", rows=3, cols=5, sparsity=0.2) == matrix(3, 5, 0.2)


# ---- sample ----


def test_sample_without_replacement():
    assert sorted(check("sample", 10, 10).ravel()) == list(range(1, 11))
    for n, k in ((1000, 20), (50_000, 30_000)):
        drawn = call("sample", n, k, 7)
        assert len(set(drawn.ravel())) == k
        assert 1 <= drawn.min() <= drawn.max() <= n


def test_sample_with_replacement():
    drawn = check("sample", 3, 5000, True, 5)
    assert set(drawn.ravel()) == {1, 2, 3}
    assert abs(drawn.mean() - 2) < 0.05


def test_sample_seeds():
    for replace in (True, False):
        assert np.array_equal(call("sample", 100, 30, replace, 8), call("sample", 100, 30, replace, seed=8))
        assert not np.array_equal(call("sample", 100, 30, replace, 8), call("sample", 100, 30, replace, 9))
        assert not np.array_equal(call("sample", 100, 30, replace), call("sample", 100, 30, replace))
    assert np.array_equal(call("sample", 100, 30, 8), call("sample", 100, 30, False, 8))
    assert np.array_equal(call("sample", 100, 30, seed=8), call("sample", 100, 30, False, 8))
    assert not np.array_equal(call("sample", 100, 30, -1), call("sample", 100, 30, -1))


def test_sample_sizes():
    assert check("sample", 5, 0).shape == (0, 1)
    assert check("sample", 0, 0).shape == (0, 1)
    assert infer("sample", scalar(INT), 4) == matrix(4, 1)
    assert infer("sample", 5, 10, scalar(BOOLEAN)) == matrix(10, 1)
    assert infer("sample", 5, 10, True) == matrix(10, 1)
    for run in (call, infer):
        for more in ((), (False,), (7,), (0,), (False, 7)):
            with pytest.raises(SizeError, match=r"cannot draw 10 different numbers from 1\.\.5"):
                run("sample", 5, 10, *more)
        with pytest.raises(SizeError, match="'size' of sample"):
            run("sample", 5, -1)
        with pytest.raises(SizeError, match="'range' of sample"):
            run("sample", 0, 1, True)


# ---- seq ----


def test_sequences():
    assert check("seq", 1, 5).ravel().tolist() == [1, 2, 3, 4, 5]
    assert check("seq", 1, 0).ravel().tolist() == [1, 0]
    assert check("seq", 2.5, 4).ravel().tolist() == [2.5, 3.5]
    assert np.allclose(check("seq", 1, 2, 0.3).ravel(), [1, 1.3, 1.6, 1.9])
    assert check("seq", 1, 1, 5).tolist() == [[1]]
    assert check("seq", 1, 0, -0.25).ravel().tolist() == [1, 0.75, 0.5, 0.25, 0]
    assert [len(check("seq", *a)) for a in ((0, 1, 0.1), (0.1, 0.5, 0.1), (0, 1, 0.01), (0, 1, 0.6))] == [11, 5, 101, 2]
    assert np.array_equal(call("seq", 0, 1, 0.1).ravel(), np.arange(11) * 0.1)


@given(start=st.integers(-50, 50), stop=st.integers(-50, 50), step=st.integers(1, 9))
def test_sequences_of_whole_numbers(start, stop, step):
    step = step if start <= stop else -step
    end = stop + (1 if step > 0 else -1)
    assert check("seq", start, stop, step).ravel().tolist() == list(range(start, end, step))


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.floats(0.01, 10))
def test_sequences_end_where_the_next_step_would_pass(start, stop, step):
    step = step if start <= stop else -step
    found = check("seq", start, stop, step).ravel()
    slack = abs(step) * 1e-6
    assert found[0] == start
    assert abs(found[-1] - start) <= abs(stop - start) + slack
    assert abs(found[-1] + step - start) > abs(stop - start) - slack


def test_sequence_types():
    assert infer("seq", 1, 5) == matrix(5, 1)
    assert infer("seq", 1, scalar(INT)) == matrix(None, 1)
    assert infer("seq", 1, 5, scalar(DOUBLE)) == matrix(None, 1)


@pytest.mark.parametrize("run", [call, infer])
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((5, 1, 2), "from 5.0 to 1.0 cannot go by 2.0"),
        ((1, 5, -1), "cannot go by"),
        ((1, 5, 0), "'incr' of seq.*zero"),
        ((1, 1, 0), "zero"),
        ((1, NAN), "finite"),
        ((1, INF), "finite"),
        ((0, 1e300), "too long"),
        ((-1e308, 1.5e308, 1e307 * 1e-20), "too long"),
    ],
)
def test_sequence_refusals(run, arguments, text):
    with pytest.raises(SizeError, match=text):
        run("seq", *arguments)


# ---- diag ----


def test_diagonals():
    assert check("diag", column(1, 2)).tolist() == [[1, 0], [0, 2]]
    assert check("diag", rows([1, 2], [3, 4])).tolist() == [[1], [4]]
    assert check("diag", column(7)).tolist() == [[7]]
    assert check("diag", np.empty((0, 1))).shape == (0, 0)
    assert check("diag", np.empty((0, 0))).shape == (0, 1)
    x = rows([1, 2], [3, 4])
    assert not np.shares_memory(call("diag", x), x)


def test_diagonal_types():
    assert infer("diag", matrix(3, 1)) == matrix(3, 3, 1 / 3)
    assert infer("diag", matrix(3, 3)) == matrix(3, 1)
    assert infer("diag", matrix(1, 1)) == matrix(1, 1, 1.0)
    assert infer("diag", matrix(None, 1)) == matrix(None, None)
    assert infer("diag", matrix(None, 4)) == matrix(4, 1)
    assert infer("diag", matrix(3, None)) == matrix(3, None)
    assert infer("diag", matrix(1, None)) == matrix(1, 1)
    assert infer("diag", matrix(None, None)) == matrix(None, None)


@pytest.mark.parametrize("shape", [(2, 3), (1, 3), (2, 0), (0, 2)])
def test_diag_of_a_rectangle(shape):
    with pytest.raises(SizeError, match="column vector or a square matrix"):
        call("diag", np.ones(shape))
    with pytest.raises(SizeError, match="column vector or a square matrix"):
        infer("diag", matrix(*shape))
