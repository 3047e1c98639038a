"""Systems of equations and decompositions: their defining equations, check values, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, strategies as st

import gramian.ops.linalg  # noqa: F401
from gramian.errors import OperationError, SizeError
from gramian.ir.op import REGISTRY
from gramian.ir.types import DOUBLE, matrix, results, scalar

NAN = np.nan
SIZES = st.integers(1, 7)
SEEDS = st.integers(0, 999)


@pytest.fixture(autouse=True)
def _quiet():
    with np.errstate(all="ignore"):
        yield


def call(name, *values):
    with np.errstate(all="ignore"):
        return REGISTRY[name].kernel(*[np.array(v, dtype=float) if isinstance(v, list) else v for v in values])


def gaussian(seed, *size):
    return np.random.default_rng(seed).normal(size=size)


# ---- solve, inv, det ----


@given(n=SIZES, k=st.integers(1, 3), seed=SEEDS)
def test_solve_fulfils_the_equations(n, k, seed):
    a, x = gaussian(seed, n, n) + 5 * np.eye(n), gaussian(seed + 1, n, k)
    assert np.allclose(call("solve", a, a @ x), x, rtol=1e-8, atol=1e-8)
    assert np.allclose(call("solve", np.asfortranarray(a), a @ x), x, rtol=1e-8, atol=1e-8)


@given(n=SIZES, extra=st.integers(1, 20), k=st.integers(1, 3), seed=SEEDS)
def test_solve_of_tall_systems_is_least_squares(n, extra, k, seed):
    a, b = gaussian(seed, n + extra, n), gaussian(seed + 1, n + extra, k)
    assert np.allclose(call("solve", a, b), np.linalg.lstsq(a, b)[0], rtol=1e-7, atol=1e-7)


def test_solve_check_values():
    assert np.allclose(call("solve", [[4, 1, 0], [1, 3, 1], [0, 1, 2]], [[5], [5], [3]]), [[1], [1], [1]])
    assert np.allclose(call("solve", [[1, 1], [1, 2], [1, 3]], [[6], [0], [0]]), [[8], [-3]])
    assert np.allclose(call("solve", [[4]], [[2, 8]]), [[0.5, 2]])


@pytest.mark.parametrize(
    "a",
    [
        [[1, 2], [2, 4]],
        [[1, 2, 3], [4, 5, 6], [7, 8, 9]],
        [[0, 0], [0, 0]],
        [[1, 0], [5, 0]],
        [[0.1, 0.3], [0.2, 0.6]],
        [[1e200, 2e200], [2e-200, 4e-200]],
        [[0]],
    ],
)
def test_singular_matrices_are_refused(a):
    with pytest.raises(OperationError, match=r"solve\(\): the matrix is singular") as error:
        call("solve", a, [[1.0]] * len(a))
    assert "small multiple of the identity" in error.value.hint
    with pytest.raises(OperationError, match=r"inv\(\): the matrix is singular"):
        call("inv", a)
    assert call("det", a) == 0.0


@pytest.mark.parametrize("n", [2, 3, 10, 60])
def test_duplicate_columns_are_found_in_spite_of_rounding(n):
    x = gaussian(n, 5 * n, n)
    x[:, -1] = x[:, :-1] @ gaussian(1, n - 1)
    y = x[:, :1] * 2
    with pytest.raises(OperationError, match="singular"):
        call("solve", x.T @ x, x.T @ y)
    with pytest.raises(OperationError, match="linearly dependent"):
        call("solve", x, y)


def test_units_do_not_make_a_matrix_singular():
    scale = np.diag([1.0, 1e-12, 1e15])
    a = scale @ (gaussian(3, 3, 3) + 4 * np.eye(3)) @ scale
    x = np.array([[1.0], [2e12], [3e-15]])
    assert np.allclose(call("solve", a, a @ x) / x, 1, rtol=1e-9)
    tall = np.vstack([scale, scale])
    assert np.allclose(call("solve", tall, tall @ x) / x, 1, rtol=1e-9)
    assert call("solve", [[1e-300]], [[1e-300]])[0, 0] == 1.0


def test_ill_conditioned_is_not_singular():
    hilbert = scipy.linalg.hilbert(8)
    assert np.allclose(call("solve", hilbert, hilbert @ np.ones((8, 1))), 1, atol=1e-4)


def test_nan_passes_through_solve():
    x = call("solve", [[2, 1], [1, 3]], [[1, NAN], [2, 1]])
    assert np.array_equal(np.isnan(x), [[False, True], [False, True]])
    for bad in (NAN, np.inf):
        assert np.isnan(call("solve", [[bad, 1], [1, 1]], [[1], [2]])).all()
        assert np.isnan(call("solve", [[2, 1], [1, bad], [1, 1]], [[1], [2], [3]])).all()
        assert np.isnan(call("inv", [[bad, 1], [1, 1]])).all()
        assert np.isnan(call("det", [[bad, 1], [1, 1]]))


def test_solve_sizes():
    infer, kernel = REGISTRY["solve"].infer, REGISTRY["solve"].kernel
    assert infer(matrix(5, 3), matrix(5, 2)) == matrix(3, 2)
    assert infer(matrix(None, 3), matrix(5, None)) == matrix(3, None)
    with pytest.raises(SizeError, match="equally many rows"):
        infer(matrix(3, 3), matrix(2, 1))
    with pytest.raises(SizeError, match="as many equations as unknowns"):
        infer(matrix(2, 3), matrix(2, 1))
    with pytest.raises(SizeError, match="'a' is 3x3, 'b' is 1x3") as error:
        kernel(np.eye(3), np.ones((1, 3)))
    assert error.value.hint == "transpose 'b' with t()"
    assert kernel(np.zeros((0, 0)), np.zeros((0, 2))).shape == (0, 2)
    assert kernel(np.zeros((4, 0)), np.zeros((4, 2))).shape == (0, 2)
    assert kernel(np.eye(3), np.zeros((3, 0))).shape == (3, 0)


@given(n=SIZES, seed=SEEDS)
def test_inverse_and_determinant(n, seed):
    a = gaussian(seed, n, n) + 3 * np.eye(n)
    inverse = call("inv", a)
    assert np.allclose(inverse @ a, np.eye(n), atol=1e-7 * max(1, np.abs(inverse).max()))
    assert np.isclose(call("det", a), np.linalg.det(a), rtol=1e-8)


def test_inverse_check_values():
    assert np.allclose(call("inverse", [[0, 1], [1, 0]]), [[0, 1], [1, 0]])
    assert np.allclose(call("inv", [[1, 2, 3], [0, 1, 4], [5, 6, 0]]), [[-24, 18, 5], [20, -15, -4], [-5, 4, 1]])
    with pytest.raises(SizeError, match=r"inv\(\) needs a square matrix, found a 2x3 matrix"):
        REGISTRY["inv"].infer(matrix(2, 3))
    with pytest.raises(SizeError, match=r"inv\(\) needs a square matrix"):
        call("inv", np.ones((2, 3)))
    assert REGISTRY["inv"].infer(matrix(None, 3)) == matrix(3, 3)
    assert call("inv", np.zeros((0, 0))).shape == (0, 0)


def test_determinant_does_not_overflow_on_the_way():
    assert call("det", [[0, 1], [2, 3]]) == -2.0
    assert call("det", np.diag([1e200, 1e200, 1e-200, 1e-200])) == pytest.approx(1.0)
    assert call("det", np.eye(2000)) == 1.0
    assert call("det", np.diag([1e200, 1e200])) == np.inf
    assert call("det", np.zeros((0, 0))) == 1.0
    assert type(call("det", np.eye(2))) is float
    assert REGISTRY["det"].infer(matrix(None, 3)) == scalar(DOUBLE)
    with pytest.raises(SizeError, match="square"):
        REGISTRY["det"].infer(matrix(2, 3))


@pytest.mark.parametrize("name", ["solve", "inv", "det"])
def test_gradients(name):
    """The gradients in the records, spelled in NumPy, against finite differences."""
    a, b, weight = gaussian(1, 3, 3) + 3 * np.eye(3), gaussian(2, 3, 2), gaussian(3, 3, 2)
    square_weight = gaussian(4, 3, 3)
    at = {"solve": (a, b), "inv": (a,), "det": (a,)}[name]
    out = call(name, *at)
    dout = {"solve": weight, "inv": square_weight, "det": 2.0}[name]
    expected = {
        "solve": lambda: -np.linalg.solve(a.T, dout) @ out.T,
        "inv": lambda: -out.T @ dout @ out.T,
        "det": lambda: dout * out * np.linalg.inv(a).T,
    }[name]()
    numeric = np.zeros((3, 3))
    for i, j in np.ndindex(3, 3):
        step = np.zeros((3, 3))
        step[i, j] = 1e-6
        change = call(name, a + step, *at[1:]) - call(name, a - step, *at[1:])
        numeric[i, j] = np.sum(dout * change) / 2e-6
    assert np.allclose(numeric, expected, atol=1e-5)


# ---- decompositions ----


@given(n=SIZES, seed=SEEDS)
def test_cholesky(n, seed):
    x = gaussian(seed, n, n)
    a = x @ x.T + np.eye(n)
    lower = call("cholesky", a)
    assert np.allclose(lower @ lower.T, a)
    assert not np.triu(lower, 1).any()


def test_cholesky_check_values_and_refusals():
    a = [[4, 12, -16], [12, 37, -43], [-16, -43, 98]]
    assert np.allclose(call("cholesky", a), [[2, 0, 0], [6, 1, 0], [-8, 5, 3]])
    with pytest.raises(OperationError, match="not positive definite, its smallest eigenvalue is -1"):
        call("cholesky", [[1, 2], [2, 1]])
    with pytest.raises(OperationError, match=r"symmetric matrix: cell \[1,2\] is 2, cell \[2,1\] is 3"):
        call("cholesky", [[4, 2], [3, 4]])
    with pytest.raises(OperationError, match=r"cell \[2,1\] is NaN"):
        call("cholesky", [[4, 2], [NAN, 4]])
    with pytest.raises(SizeError, match="square"):
        call("cholesky", np.ones((2, 3)))
    assert call("cholesky", np.zeros((0, 0))).shape == (0, 0)


@given(n=SIZES, seed=SEEDS)
def test_eigen(n, seed):
    x = gaussian(seed, n, n)
    a = x + x.T
    values, vectors = call("eigen", a)
    assert values.shape == (n, 1)
    assert np.all(np.diff(values[:, 0]) >= 0)
    assert np.allclose(vectors * values.T @ vectors.T, a)
    assert np.allclose(vectors.T @ vectors, np.eye(n))


def test_eigen_check_values_and_refusals():
    assert np.allclose(call("eigen", [[2, 1], [1, 3]])[0], [[1.381966], [3.618034]], atol=1e-6)
    a = np.array([[2, 1], [1 + 1e-14, 3]])
    assert np.allclose(call("eigen", a)[0], [[1.381966], [3.618034]], atol=1e-6)
    with pytest.raises(
        OperationError, match=r"eigen\(\) needs a symmetric matrix: cell \[1,3\] is 7, cell \[3,1\] is 0"
    ):
        call("eigen", [[2, 1, 7], [1, 3, 0], [0, 0, 1]])
    with pytest.raises(OperationError, match=r"cell \[2,2\] is infinite"):
        call("eigen", [[1, 0], [0, np.inf]])
    with pytest.raises(SizeError, match="square"):
        REGISTRY["eigen"].infer(matrix(2, 3))
    assert REGISTRY["eigen"].infer(matrix(4, None)) == results(matrix(4, 1), matrix(4, 4))
    assert [r.shape for r in call("eigen", np.zeros((0, 0)))] == [(0, 1), (0, 0)]


@given(m=st.integers(0, 6), n=st.integers(0, 6), seed=SEEDS)
def test_svd(m, n, seed):
    a = gaussian(seed, m, n)
    u, s, v = call("svd", a)
    rank = min(m, n)
    assert [x.shape for x in (u, s, v)] == [(m, rank), (rank, rank), (n, rank)]
    assert np.allclose(u @ s @ v.T, a)
    assert np.allclose(u.T @ u, np.eye(rank))
    assert np.allclose(v.T @ v, np.eye(rank))
    assert np.array_equal(s, np.diag(np.sort(np.diag(s))[::-1]))
    assert REGISTRY["svd"].infer(matrix(m, n)).items == (matrix(m, rank), matrix(rank, rank), matrix(n, rank))


def test_svd_check_values_and_refusals():
    assert np.allclose(np.diag(call("svd", [[1, 2], [3, 4], [5, 6]])[1]), [9.525518, 0.514301], atol=1e-6)
    with pytest.raises(OperationError, match=r"svd\(\) needs finite numbers, cell \[1,2\] is NaN"):
        call("svd", [[1, NAN]])


def rebuild(h, r):
    """A from the Householder form, by the formula that the documentation gives to users."""
    m, n = h.shape
    q = np.eye(m)
    for k in range(min(m, n)):
        v = h[:, k : k + 1]
        q = q @ (np.eye(m) - v @ v.T / h[k, k])
    assert np.allclose(q.T @ q, np.eye(m))
    return q @ r


@given(m=SIZES, n=SIZES, seed=SEEDS, zeros=st.booleans())
def test_qr(m, n, seed, zeros):
    a = gaussian(seed, m, n)
    if zeros:
        a[np.random.default_rng(seed).random((m, n)) < 0.6] = 0
    h, r = call("qr", a)
    assert h.shape == r.shape == (m, n)
    assert not np.tril(r, -1).any()
    assert not np.triu(h, 1).any()
    assert np.allclose(rebuild(h, r), a)


@pytest.mark.parametrize("name", ["qr", "lu", "svd", "eigen", "cholesky", "sqrtMatrixJava"])
def test_decompositions_need_finite_numbers(name):
    with pytest.raises(OperationError, match=r"\(\) needs finite numbers, cell \[1,2\] is NaN"):
        call(name, [[1, NAN], [2, 1]])


def test_qr_check_values():
    h, r = call("qr", [[4, 3], [6, 3]])
    assert np.allclose(h, [[1.554700, 0], [0.832050, 2]], atol=1e-6)
    assert np.allclose(r, [[-7.211103, -4.160251], [0, 0.832050]], atol=1e-6)
    assert np.allclose(rebuild(*call("qr", np.zeros((3, 2)))), 0)
    assert [x.shape for x in call("qr", np.zeros((0, 3)))] == [(0, 3), (0, 3)]
    assert [x.shape for x in call("qr", np.zeros((3, 0)))] == [(3, 0), (3, 0)]


@given(n=SIZES, seed=SEEDS)
def test_lu(n, seed):
    a = gaussian(seed, n, n)
    p, lower, upper = call("lu", a)
    assert np.allclose(p @ a, lower @ upper)
    assert np.array_equal(p @ p.T, np.eye(n))
    assert np.array_equal(np.diag(lower), np.ones(n))
    assert not np.triu(lower, 1).any()
    assert not np.tril(upper, -1).any()
    assert np.abs(lower).max() <= 1


def test_lu_check_values_and_refusals():
    p, lower, upper = call("lu", [[4, 3], [6, 3]])
    assert np.array_equal(p, [[0, 1], [1, 0]])
    assert np.allclose(lower, [[1, 0], [2 / 3, 1]])
    assert np.allclose(upper, [[6, 3], [0, 1]])
    with pytest.raises(OperationError, match=r"lu\(\): the matrix is singular"):
        call("lu", [[1, 2], [2, 4]])
    with pytest.raises(SizeError, match="square"):
        call("lu", np.ones((2, 3)))
    assert [x.shape for x in call("lu", np.zeros((0, 0)))] == [(0, 0)] * 3
    assert REGISTRY["lu"].infer(matrix(3, None)) == results(*[matrix(3, 3)] * 3)


@given(n=SIZES, rank=SIZES, seed=SEEDS)
def test_square_root(n, rank, seed):
    x = gaussian(seed, n, rank)
    root = call("sqrtMatrixJava", x @ x.T)
    assert np.allclose(root @ root, x @ x.T)
    assert np.allclose(root, root.T)


def test_square_root_check_values_and_refusals():
    expected = [[1.981578, 0.270832], [0.270832, 1.710745]]
    assert np.allclose(call("sqrtMatrixJava", [[4, 1], [1, 3]]), expected, atol=1e-6)
    with pytest.raises(OperationError, match="positive semi-definite matrix, one eigenvalue is -2"):
        call("sqrtMatrixJava", [[-2, 0], [0, 1]])
    with pytest.raises(OperationError, match=r"sqrtMatrixJava\(\) needs a symmetric"):
        call("sqrtMatrixJava", [[1, 2], [0, 1]])


# ---- rowClassMeet ----


def test_row_class_meet_check_values():
    classes, counts = call("rowClassMeet", [[1, 2, 1, 0, 3, 3]], [[1, 1, 2, 5, 3, 3]])
    assert np.array_equal(counts, [[1, 1, 1, 0, 2, 2]])
    assert classes[0, 3] == 0
    assert sorted(set(classes[0])) == [0, 1, 2, 3, 4]
    assert classes[0, 4] == classes[0, 5]
    assert REGISTRY["rcm"] is REGISTRY["rowClassMeet"]


@given(m=st.integers(0, 5), n=st.integers(0, 6), seed=SEEDS, one_row=st.booleans())
def test_row_class_meet_against_a_dictionary(m, n, seed, one_row):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-1, 3, (m, n)).astype(float), rng.integers(0, 3, (1 if one_row else m, n)).astype(float)
    classes, counts = call("rowClassMeet", a, b)
    for i in range(m):
        pairs = list(zip(a[i].tolist(), b[0 if one_row else i].tolist(), strict=True))
        groups = {}
        for j, (x, y) in enumerate(pairs):
            assert counts[i, j] == (pairs.count((x, y)) if x and y else 0)
            if x and y:
                assert groups.setdefault((x, y), classes[i, j]) == classes[i, j]
            else:
                assert classes[i, j] == 0
        assert sorted(groups.values()) == list(range(1, len(groups) + 1))


def test_row_class_meet_sizes():
    with pytest.raises(SizeError, match="2x3, or be one row as wide, found a 3x3"):
        call("rowClassMeet", np.ones((2, 3)), np.ones((3, 3)))
    with pytest.raises(SizeError, match="found a 1x2"):
        REGISTRY["rowClassMeet"].infer(matrix(2, 3), matrix(1, 2))
    assert REGISTRY["rowClassMeet"].infer(matrix(2, 3), matrix()) == results(matrix(2, 3), matrix(2, 3))
