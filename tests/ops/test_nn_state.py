"""The long short-term memory and batch normalisation against direct formulas, check values and central differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.special import expit

import gramian.ops.nn_norm
import gramian.ops.nn_state  # noqa: F401
from gramian.errors import OperationError, SizeError
from gramian.ir.op import REGISTRY
from gramian.ir.types import BOOLEAN, MISSING, STRING, matrix, results, scalar, type_of

NAN = np.nan


def call(name, *values):
    """A kernel, whose results must be matrices of their own."""
    with np.errstate(all="ignore"):
        found = REGISTRY[name].kernel(*values)
    owners = [v for v in values if isinstance(v, np.ndarray)]
    for at, result in enumerate(found):
        assert result.ndim == 2
        assert result.dtype == np.float64
        assert not any(np.shares_memory(result, other) for other in (*owners, *found[:at]))
    return found


def gaussian(seed, *size):
    return np.random.default_rng(seed).normal(size=size)


def count(start, stop, *size):
    return np.arange(start, stop + 1, dtype=np.float64).reshape(size)


def differences(loss, x, step=1e-6):
    found = np.empty_like(x)
    for at in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[at] += step
        down[at] -= step
        found[at] = (loss(up) - loss(down)) / (2 * step)
    return found


# ---- lstm ----


def parameters(seed, n, t, d, m):
    rng = np.random.default_rng(seed)
    sizes = ((n, t * d), (d + m, 4 * m), (1, 4 * m), (n, m), (n, m))
    return tuple(rng.normal(size=size) for size in sizes)


def direct_lstm(x, w, b, out, c):
    """All outputs, cells and gates, step by step as the page defines them."""
    m = out.shape[1]
    d = w.shape[0] - m
    outs, cells, gates = [], [], []
    for step in range(x.shape[1] // d):
        z = np.hstack([x[:, step * d : (step + 1) * d], out]) @ w + b
        i, f, o = (expit(z[:, k * m : (k + 1) * m]) for k in range(3))
        g = np.tanh(z[:, 3 * m :])
        c = f * c + i * g
        out = o * np.tanh(c)
        outs.append(out)
        cells.append(c)
        gates.append(np.hstack([i, f, o, g]))
    return outs, cells, gates


SIZES = st.tuples(st.integers(0, 3), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))


@given(sizes=SIZES, seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_lstm_runs_step_by_step(sizes, seed):
    given_ = parameters(seed, *sizes)
    n = sizes[0]
    outs, cells, gates = direct_lstm(*given_)
    out, c, cache_out, cache_c, cache_ifog = call("lstm", *given_, True)
    np.testing.assert_allclose(out, np.hstack(outs), atol=1e-12)
    np.testing.assert_allclose(c, cells[-1], atol=1e-12)
    for cache, steps in ((cache_out, outs), (cache_c, cells), (cache_ifog, gates)):
        np.testing.assert_allclose(cache, [step.ravel() for step in steps], atol=1e-12)
    last, *rest = call("lstm", *given_, False)
    assert last.shape == (n, sizes[3])
    assert (last == out[:, -sizes[3] :]).all()
    assert all((a == b).all() for a, b in zip(rest, (c, cache_out, cache_c, cache_ifog), strict=True))


CHECK = (
    count(1, 12, 2, 6) / 10,
    count(1, 32, 4, 8) / 100,
    count(1, 8, 1, 8) / 100,
    np.full((2, 2), 0.1),
    np.full((2, 2), 0.2),
)


def test_lstm_check_values():
    out, c, *_ = call("lstm", *CHECK, True)
    first = [0.098825, 0.104145, 0.110163, 0.119609, 0.132650, 0.146138]
    second = [0.142787, 0.153191, 0.185377, 0.203107, 0.231841, 0.255623]
    np.testing.assert_allclose(out, [first, second], atol=5e-7)
    np.testing.assert_allclose(c, [[0.244866, 0.268010], [0.416265, 0.457089]], atol=5e-7)
    dx, _, db, _, dc0 = call("lstm_backward", *CHECK, True, out, c)
    first = [0.022407, 0.049095, 0.025255, 0.055771, 0.027386, 0.061100]
    second = [0.039896, 0.089540, 0.044907, 0.102854, 0.046134, 0.107664]
    np.testing.assert_allclose(dx, [first, second], atol=5e-7)
    expected = [0.169401, 0.207364, 0.137256, 0.163700, 0.095949, 0.121393, 1.103741, 1.251690]
    np.testing.assert_allclose(db, [expected], atol=5e-7)
    np.testing.assert_allclose(dc0, [[0.127279, 0.150468], [0.234927, 0.282978]], atol=5e-7)


@pytest.mark.parametrize("all_steps", [True, False])
@pytest.mark.parametrize("sizes", [(3, 4, 2, 3), (1, 1, 1, 1), (2, 3, 3, 1)])
def test_gradients_of_lstm_by_differences(sizes, all_steps):
    given_ = parameters(5, *sizes)
    out, c, *caches = call("lstm", *given_, all_steps)
    dout, dc = gaussian(6, *out.shape), gaussian(7, *c.shape)
    found = call("lstm_backward", *given_, all_steps, dout, dc)
    for at, x in enumerate(given_):

        def loss(v, at=at):
            out, c, *_ = call("lstm", *given_[:at], v, *given_[at + 1 :], all_steps)
            return (out * dout).sum() + (c * dc).sum()

        np.testing.assert_allclose(found[at], differences(loss, x), atol=1e-7)
    for mine, cached in zip(found, call("lstm_backward", *given_, all_steps, dout, dc, *caches), strict=True):
        np.testing.assert_array_equal(mine, cached)


def test_lstm_without_steps():
    given_ = np.ones((2, 0)), np.ones((3, 4)), np.ones((1, 4)), count(1, 2, 2, 1), count(3, 4, 2, 1)
    out, c, *caches = call("lstm", *given_, False)
    assert (out == given_[3]).all()
    assert (c == given_[4]).all()
    assert [a.shape for a in caches] == [(0, 2), (0, 2), (0, 8)]
    assert call("lstm", *given_, True)[0].shape == (2, 0)
    dx, dw, db, dout0, dc0 = call("lstm_backward", *given_, False, np.full((2, 1), 5.0), np.full((2, 1), 7.0))
    assert (dx.shape, dw.any(), db.any()) == ((2, 0), False, False)
    assert (dout0 == 5).all()
    assert (dc0 == 7).all()


@pytest.mark.parametrize(
    ("at", "size", "message"),
    [
        (0, (2, 7), r"'X' of lstm\(\) must have 2 columns a step, .* found 2x7"),
        (0, (3, 6), "'out0' .* must be a 3x2 matrix"),
        (1, (4, 9), "'W' .* four columns for each cell"),
        (1, (4, 12), r"'W' .* must be a \?x8 matrix"),
        (1, (2, 8), "'W' .* a row for each feature and for each of the 2 cells"),
        (2, (2, 8), "'b' .* 1x8"),
        (2, (1, 12), "'b' .* 1x8"),
        (3, (2, 0), "the 0 cells"),
        (4, (2, 3), "'c0' .* 2x2 .* found 2x3"),
        (4, (1, 2), "'c0' .* 2x2 .* found 1x2"),
    ],
)
def test_sizes_of_lstm_must_fit(at, size, message):
    shapes = [v.shape for v in CHECK]
    shapes[at] = size
    with pytest.raises(SizeError, match=message):
        call("lstm", *(np.ones(s) for s in shapes), True)
    with pytest.raises(SizeError, match=message):
        REGISTRY["lstm"].infer(*(matrix(*s) for s in shapes), scalar(BOOLEAN))


def test_lstm_backward_takes_all_caches_or_none():
    out, c, *caches = call("lstm", *CHECK, True)
    types = [*(matrix(*v.shape) for v in CHECK), type_of(True), matrix(2, 6), matrix(2, 2)]
    with pytest.raises(OperationError, match=r"all three caches .* found cache_out and cache_ifog only"):
        call("lstm_backward", *CHECK, True, out, c, caches[0], None, caches[2])
    with pytest.raises(OperationError, match="found cache_c only"):
        REGISTRY["lstm_backward"].infer(*types, MISSING, matrix(), MISSING)
    with pytest.raises(SizeError, match=r"'cache_ifog' .* must be a 3x16 matrix"):
        call("lstm_backward", *CHECK, True, out, c, caches[0], caches[1], caches[0])
    for all_steps, wrong in ((True, c), (False, out)):
        with pytest.raises(SizeError, match="'dout' of lstm_backward"):
            call("lstm_backward", *CHECK, all_steps, wrong, c)


def test_types_of_lstm():
    infer = REGISTRY["lstm"].infer
    known = [matrix(*v.shape) for v in CHECK]
    rest = matrix(2, 2), matrix(3, 4), matrix(3, 4), matrix(3, 16)
    assert infer(*known, type_of(True)) == results(matrix(2, 6), *rest)
    assert infer(*known, type_of(0)) == results(matrix(2, 2), *rest)
    assert infer(*known, scalar(BOOLEAN)) == results(matrix(2, None), *rest)
    assert infer(*[matrix()] * 5, type_of(True)) == results(*[matrix()] * 5)
    found = infer(matrix(2, 6), known[1], *[matrix()] * 3, type_of(True))
    assert found == results(matrix(2, 6), *rest)
    found = REGISTRY["lstm_backward"].infer(*known, scalar(BOOLEAN), matrix(), matrix(), *[MISSING] * 3)
    assert found == results(matrix(2, 6), matrix(4, 8), matrix(1, 8), matrix(2, 2), matrix(2, 2))


# ---- batch normalisation ----


def columns(seed, c):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(c, 1)), rng.normal(size=(c, 1)), rng.normal(size=(c, 1)), rng.random((c, 1)) + 0.1


@given(n=st.integers(1, 4), c=st.integers(1, 3), cells=st.integers(1, 5), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_batch_norm_is_by_channel(n, c, cells, seed):
    x = gaussian(seed, n, c * cells) * 3 + 1
    gamma, beta, mean, var = columns(seed, c)
    found = call("batch_norm2d", x, gamma, beta, mean, var, "train", 0.01, 0.9)
    tested = call("batch_norm2d", x, gamma, beta, mean, var, "test", 0.01, 0.9)
    for k in range(c):
        part = x[:, k * cells : (k + 1) * cells]
        normal = (part - part.mean()) / np.sqrt(part.var() + 0.01)
        np.testing.assert_allclose(found[0][:, k * cells : (k + 1) * cells], gamma[k] * normal + beta[k], atol=1e-12)
        of_channel = [v[k, 0] for v in found[1:]]
        running = 0.9 * mean[k, 0] + 0.1 * part.mean(), 0.9 * var[k, 0] + 0.1 * part.var()
        np.testing.assert_allclose(of_channel, [*running, part.mean(), 1 / np.sqrt(part.var() + 0.01)], atol=1e-12)
        expected = gamma[k] * (part - mean[k]) / np.sqrt(var[k] + 0.01) + beta[k]
        np.testing.assert_allclose(tested[0][:, k * cells : (k + 1) * cells], expected, atol=1e-12)
    assert (tested[1] == mean).all()
    assert (tested[2] == var).all()
    assert (tested[3] == mean).all()
    np.testing.assert_allclose(tested[4], 1 / np.sqrt(var + 0.01))


def test_gradients_of_batch_norm_by_differences():
    n, c, cells = 3, 2, 25
    x, dout = gaussian(1, n, c * cells), gaussian(2, n, c * cells)
    gamma, beta, mean, var = columns(3, c)

    def loss(x, gamma, beta):
        return (call("batch_norm2d", x, gamma, beta, mean, var, "train", 1e-5, 0.9)[0] * dout).sum()

    *_, sm, sv = call("batch_norm2d", x, gamma, beta, mean, var, "train", 1e-5, 0.9)
    dx, dgamma, dbeta = call("batch_norm2d_backward", x, dout, gamma, 1e-5, sm, sv)
    np.testing.assert_allclose(dx, differences(lambda v: loss(v, gamma, beta), x), atol=1e-7)
    np.testing.assert_allclose(dgamma, differences(lambda v: loss(x, v, beta), gamma), atol=1e-7)
    np.testing.assert_allclose(dbeta, differences(lambda v: loss(x, gamma, v), beta), atol=1e-7)


def test_batch_norm_of_nothing_and_of_nan():
    ones = np.ones((2, 1))
    y, mean, var, sm, _ = call("batch_norm2d", np.ones((0, 4)), ones, ones, ones, ones, "train", 0.1, 0.9)
    assert y.shape == (0, 4)
    assert np.isnan([mean, var, sm]).all()
    x = np.array([[1, NAN, 3, 5]])
    y = call("batch_norm2d", x, ones, 0 * ones, ones, ones, "train", 0.0, 0.9)[0]
    np.testing.assert_array_equal(y, [[NAN, NAN, -1, 1]])
    dx, dgamma, dbeta = call("batch_norm2d_backward", np.ones((0, 4)), np.ones((0, 4)), ones, 0.1, ones, ones)
    assert dx.shape == (0, 4)
    assert not dgamma.any()
    assert not dbeta.any()


def test_arguments_of_batch_norm_must_fit():
    def norm(x=(2, 6), gamma=(3, 1), beta=(3, 1), mode="train", eps=0.1):
        sizes = x, gamma, beta, (3, 1), (3, 1)
        with pytest.raises(OperationError) as at_compile_time:
            REGISTRY["batch_norm2d"].infer(*(matrix(*s) for s in sizes), type_of(mode), type_of(eps), type_of(0.9))
        with pytest.raises(OperationError) as at_run_time:
            call("batch_norm2d", *(np.ones(s) for s in sizes), mode, eps, 0.9)
        assert at_run_time.value.message == at_compile_time.value.message
        return at_run_time.value.message

    assert "'X' of batch_norm2d() must have the same number of columns" in norm(x=(2, 7))
    assert "'gamma' of batch_norm2d() must be a 1x1 matrix, one cell a channel, found 1x3" in norm(gamma=(1, 3))
    assert "'beta' of batch_norm2d() must be a 3x1 matrix, one cell a channel, found 2x1" in norm(beta=(2, 1))
    assert '\'mode\' of batch_norm2d() must be "train" or "test", found "Train"' in norm(mode="Train")
    assert "'eps' of batch_norm2d() must not be negative, found -1" in norm(eps=-1.0)
    with pytest.raises(SizeError, match="'dout' of batch_norm2d_backward"):
        call("batch_norm2d_backward", np.ones((2, 4)), np.ones((2, 2)), *(np.ones((2, 1)), 0.1), *[np.ones((2, 1))] * 2)
    with pytest.raises(SizeError, match="'sv' of batch_norm2d_backward"):
        call("batch_norm2d_backward", *[np.ones((2, 4))] * 2, np.ones((2, 1)), 0.1, np.ones((2, 1)), np.ones((1, 2)))


def test_types_of_batch_norm():
    numbers = type_of(0.1), type_of(0.9)
    found = REGISTRY["batch_norm2d"].infer(matrix(2, 6), *[matrix()] * 3, matrix(3, None), scalar(STRING), *numbers)
    assert found == results(matrix(2, 6), *[matrix(3, 1)] * 4)
    types = matrix(), matrix(2, 6), matrix(), type_of(0.1), matrix(), matrix()
    found = REGISTRY["batch_norm2d_backward"].infer(*types)
    assert found == results(matrix(2, 6), matrix(None, 1), matrix(None, 1))
