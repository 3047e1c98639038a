"""Fourier transforms against their defining sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

import gramian.ops.fourier  # noqa: F401
from gramian.errors import OperationError, SizeError
from gramian.ir.op import REGISTRY
from gramian.ir.types import INT, MISSING, matrix, results, scalar, type_of

SIZES = st.tuples(st.integers(1, 5), st.integers(1, 9))
SEEDS = st.integers(0, 99)


def call(name, *values):
    with np.errstate(all="ignore"):
        found = REGISTRY[name].kernel(*[np.array(v, dtype=float) if isinstance(v, list) else v for v in values])
    for part in found:
        assert part.dtype == np.float64
        assert part.flags.c_contiguous
        assert part.flags.owndata
    return found


def complex_matrix(seed, size):
    rng = np.random.default_rng(seed)
    return rng.normal(size=size), rng.normal(size=size)


def dft(n):
    """The matrix of the transform of length n."""
    k = np.arange(n)
    return np.exp(-2j * np.pi * np.outer(k, k) / n)


def joined(parts):
    return parts[0] + 1j * parts[1]


@given(size=SIZES, seed=SEEDS)
def test_fft_is_its_sum(size, seed):
    re, im = complex_matrix(seed, size)
    left, right = dft(size[0]), dft(size[1])
    np.testing.assert_allclose(joined(call("fft", re)), left @ re @ right, atol=1e-10)
    np.testing.assert_allclose(joined(call("fft", re, im)), left @ (re + 1j * im) @ right, atol=1e-10)
    np.testing.assert_allclose(joined(call("fft_linearized", re)), re @ right, atol=1e-10)
    np.testing.assert_allclose(joined(call("fft_linearized", re, im)), (re + 1j * im) @ right, atol=1e-10)


@given(size=SIZES, seed=SEEDS)
def test_inverses_undo(size, seed):
    parts = complex_matrix(seed, size)
    for name in ("fft", "fft_linearized"):
        np.testing.assert_allclose(call(f"i{name}", *call(name, *parts)), parts, atol=1e-12)
        np.testing.assert_allclose(joined(call(name, *call(f"i{name}", parts[0]))), parts[0], atol=1e-12)


def test_check_values():
    re, im = call("fft", [[1, 2, 3, 4]])
    assert (re.tolist(), im.tolist()) == ([[10, -2, -2, -2]], [[0, 2, 0, -2]])
    re, im = call("fft", [[1], [2], [3], [4]])
    assert (re.ravel().tolist(), im.ravel().tolist()) == ([10, -2, -2, -2], [0, 2, 0, -2])
    re, im = call("fft", [[1, 2], [3, 4]])
    assert (re.tolist(), im.any()) == ([[10, -2], [-4, 0]], False)


@pytest.mark.parametrize("name", ["fft", "ifft", "fft_linearized", "ifft_linearized"])
def test_edge_cases(name):
    for size in ((0, 3), (3, 0), (0, 0)):
        for given_ in ([np.zeros(size)], [np.zeros(size)] * 2):
            assert [part.shape for part in call(name, *given_)] == [size] * 2
    assert np.isnan(call(name, [[1, np.nan, 3]])).any()
    for attempt in (
        lambda: call(name, np.ones((2, 3)), np.ones((3, 2))),
        lambda: REGISTRY[name].infer(matrix(2, 3), matrix(None, 2)),
    ):
        with pytest.raises(SizeError, match=rf"'I' of {name}\(\), the imaginary part, must have the size of '[XR]'"):
            attempt()
    assert REGISTRY[name].infer(matrix(2, None), matrix(None, 3)) == results(matrix(2, 3), matrix(2, 3))
    assert REGISTRY[name].infer(matrix(2, None), MISSING) == results(matrix(2, None), matrix(2, None))


# ---- short-time transform ----


@given(
    rows=st.integers(0, 3),
    extra=st.integers(0, 9),
    window=st.integers(1, 6),
    overlap=st.integers(0, 5),
    both=st.booleans(),
    seed=SEEDS,
)
def test_stft_is_windows_side_by_side(rows, extra, window, overlap, both, seed):
    overlap = overlap % window
    re, im = complex_matrix(seed, (rows, window + extra))
    z = re + 1j * im if both else re
    starts = range(0, extra + 1, window - overlap)
    expected = np.hstack([z[:, s : s + window] @ dft(window) for s in starts])
    given_ = (re, im, window, overlap) if both else (re, window, overlap, None)
    found = call("stft", *given_)
    np.testing.assert_allclose(joined(found), expected, atol=1e-10)
    if not both:
        np.testing.assert_array_equal(call("stft", re, None, window, overlap), found)
    types = [matrix(*v.shape) if isinstance(v, np.ndarray) else MISSING if v is None else type_of(v) for v in given_]
    assert REGISTRY["stft"].infer(*types) == results(*[matrix(*expected.shape)] * 2)


WRONG = [
    ((4, None, None), OperationError, "misses its argument 'overlap'"),
    ((None, None, 2), OperationError, "misses its argument 'window'"),
    ((4, 2, 1), OperationError, "'I' of stft.. must be a matrix"),
    ((0, 0, None), OperationError, "'window' of stft.. must be at least 1, found 0"),
    ((4, 4, None), OperationError, "'overlap' of stft.. must be at least 0 and less than the window, 4, found 4"),
    ((None, 4, -1), OperationError, "found -1"),
    ((9, 2, None), SizeError, "'window' of stft.. must not exceed the 8 columns of 'X', found 9"),
    ((np.ones((2, 9)), 4, 2), SizeError, "'I' of stft"),
]


@pytest.mark.parametrize(("given_", "error", "message"), WRONG)
def test_wrong_arguments_of_stft(given_, error, message):
    with pytest.raises(error, match=message):
        call("stft", np.ones((2, 8)), *given_)
    types = [matrix(*v.shape) if isinstance(v, np.ndarray) else MISSING if v is None else type_of(v) for v in given_]
    with pytest.raises(error, match=message):
        REGISTRY["stft"].infer(matrix(2, 8), *types)


def test_types_of_stft_without_numbers():
    found = REGISTRY["stft"].infer(matrix(2, 8), scalar(INT), type_of(2), MISSING)
    assert found == results(matrix(2, None), matrix(2, None))
