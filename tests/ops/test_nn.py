"""Convolution, pooling and biases against direct loops, SciPy and central differences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from scipy.signal import correlate2d

import gramian.ops.nn as nn
from gramian.errors import OperationError, SizeError
from gramian.ir.op import REGISTRY
from gramian.ir.types import INT, LIST, matrix, scalar, type_of
from gramian.ir.values import ListValue

NAN, INF = np.nan, np.inf


def call(name, *values):
    """A kernel; lists stand for shapes."""
    values = [ListValue(v) if isinstance(v, list) else v for v in values]
    with np.errstate(all="ignore"):
        found = REGISTRY[name].kernel(*values)
    assert found.ndim == 2
    assert found.dtype == np.float64
    assert not any(np.shares_memory(found, v) for v in values if isinstance(v, np.ndarray))
    return found


def row(*values):
    return np.array(values, dtype=np.float64).reshape(1, -1)


def count(*values):
    return np.arange(values[0], values[-1] + 1, dtype=np.float64).reshape(1, -1)


def gaussian(seed, *size):
    return np.random.default_rng(seed).normal(size=size)


@st.composite
def geometries(draw, paddings=3):
    """Images, channels, filters, and sizes of images, windows, strides and padding that fit."""
    n, c, f = (draw(st.integers(low, 3)) for low in (0, 1, 1))
    image, size = ([draw(st.integers(1, most)) for _ in "hw"] for most in (6, 4))
    stride, padding = ([draw(st.integers(low, most)) for _ in "hw"] for low, most in ((1, 3), (0, paddings)))
    assume(all(h + 2 * p >= s for h, p, s in zip(image, padding, size, strict=True)))
    return n, c, f, image, size, stride, padding


def result_size(image, size, stride, padding):
    return [(h + 2 * p - s) // t + 1 for h, s, t, p in zip(image, size, stride, padding, strict=True)]


def padded(x, padding, value=0.0):
    (ph, pw) = padding
    return np.pad(x, [(0, 0), (0, 0), (ph, ph), (pw, pw)], constant_values=value)


def under(x, size, stride):
    """Every window of padded images, in turn, with its place."""
    rows, cols = ((x.shape[2 + k] - size[k]) // stride[k] + 1 for k in (0, 1))
    for p, q in itertools.product(range(rows), range(cols)):
        top, left = p * stride[0], q * stride[1]
        yield p, q, (..., slice(top, top + size[0]), slice(left, left + size[1]))


def flat(x):
    return x.reshape(len(x), np.prod(x.shape[1:], dtype=int))


def direct_conv2d(x, w, geometry):
    n, c, f, image, size, stride, padding = geometry
    images, filters = padded(x.reshape(n, c, *image), padding), w.reshape(f, c, *size)
    out = np.zeros((n, f, *result_size(image, size, stride, padding)))
    for p, q, window in under(images, size, stride):
        for k in range(f):
            out[:, k, p, q] = (images[window] * filters[k]).sum(axis=(1, 2, 3))
    return flat(out)


def conv_arguments(geometry):
    n, c, f, image, size, stride, padding = geometry
    return [n, c, *image], [f, c, *size], stride, padding


def pool_arguments(geometry):
    n, c, _, image, size, stride, padding = geometry
    return [n, c, *image], size, stride, padding


def differences(loss, x, step=1e-6):
    found = np.empty_like(x)
    for at in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[at] += step
        down[at] -= step
        found[at] = (loss(up) - loss(down)) / (2 * step)
    return found


# ---- convolution ----


@given(geometry=geometries(), seed=st.integers(0, 99), room=st.sampled_from([1, 20, 200, nn.UNFOLDED]))
@settings(max_examples=150, deadline=None)
def test_conv2d_is_a_sum_over_windows(geometry, seed, room):
    """However little room there is to unfold images."""
    n, c, f, image, size, _, _ = geometry
    x, w = gaussian(seed, n, c * image[0] * image[1]), gaussian(seed + 1, f, c * size[0] * size[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn, "UNFOLDED", room)
        found = call("conv2d", x, w, *conv_arguments(geometry))
    np.testing.assert_allclose(found, direct_conv2d(x, w, geometry), atol=1e-12)


@given(geometry=geometries(), seed=st.integers(0, 99), room=st.sampled_from([1, 20, 200, nn.UNFOLDED]))
@settings(max_examples=100, deadline=None)
def test_gradients_of_conv2d(geometry, seed, room):
    """conv2d is linear in each argument: <dout, conv2d(x, w)> = <backward_data, x> = <backward_filter, w>."""
    n, c, f, image, size, _, _ = geometry
    p, q = result_size(*geometry[3:])
    x, w = gaussian(seed, n, c * image[0] * image[1]), gaussian(seed + 1, f, c * size[0] * size[1])
    dout, arguments = gaussian(seed + 2, n, f * p * q), conv_arguments(geometry)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn, "UNFOLDED", room)
        dx, dw = call("conv2d_backward_data", w, dout, *arguments), call("conv2d_backward_filter", x, dout, *arguments)
    assert dx.shape == x.shape
    assert dw.shape == w.shape
    for i in range(x.shape[1]):
        unit = np.zeros_like(x)
        unit[:, i] = 1
        np.testing.assert_allclose(dx[:, i], (direct_conv2d(unit, w, geometry) * dout).sum(axis=1), atol=1e-12)
    for k, i in np.ndindex(w.shape):
        unit = np.zeros_like(w)
        unit[k, i] = 1
        np.testing.assert_allclose(dw[k, i], (direct_conv2d(x, unit, geometry) * dout).sum(), atol=1e-12)


def test_conv2d_of_one_channel_is_correlation():
    x, w = gaussian(1, 9, 7), gaussian(2, 3, 4)
    for mode, padding in (("valid", [0, 0]), ("full", [2, 3])):
        expected = correlate2d(x, w, mode=mode)
        found = call("conv2d", x.reshape(1, -1), w.reshape(1, -1), [1, 1, 9, 7], [1, 1, 3, 4], [1, 1], padding)
        np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=1e-12)


def test_conv2d_check_values():
    plain = [1, 1], [0, 0]
    shapes = [1, 1, 4, 4], [1, 1, 2, 2], *plain
    found = call("conv2d", count(1, 16), row(1, 0, 0, 1), *shapes)
    assert found.tolist() == [[7, 9, 11, 15, 17, 19, 23, 25, 27]]
    found = call("conv2d", count(1, 4), count(1, 9), [1, 1, 2, 2], [1, 1, 3, 3], [1, 1], [1, 1])
    assert found.tolist() == [[77, 67, 47, 37]]
    assert call("conv2d_backward_filter", count(1, 16), count(1, 9), *shapes).tolist() == [[348, 393, 528, 573]]
    found = call("conv2d_backward_data", count(1, 4), count(1, 9), *shapes)
    assert found.tolist() == [[1, 4, 7, 6, 7, 23, 33, 24, 19, 53, 63, 42, 21, 52, 59, 36]]
    x, w = count(1, 36).reshape(2, 18), count(1, 16).reshape(2, 8)
    assert call("conv2d", x, w, [2, 2, 3, 3], [2, 2, 2, 2], *plain).tolist() == [
        [356, 392, 464, 500, 836, 936, 1136, 1236],
        [1004, 1040, 1112, 1148, 2636, 2736, 2936, 3036],
    ]


def test_nan_stays_under_the_windows_that_see_it():
    x = count(1, 9)
    x[0, 0] = NAN
    found = call("conv2d", x, row(1, 1, 1, 1), [1, 1, 3, 3], [1, 1, 2, 2], [1, 1], [0, 0])
    assert np.isnan(found).tolist() == [[True, False, False, False]]


# ---- pooling ----


@given(geometry=geometries(), seed=st.integers(0, 99), room=st.sampled_from([1, nn.POOLED]))
@settings(max_examples=100, deadline=None)
def test_pooling_is_over_windows(geometry, seed, room):
    n, c, _, image, size, stride, padding = geometry
    x = gaussian(seed, n, c * image[0] * image[1])
    images = x.reshape(n, c, *image)
    largest = np.empty((n, c, *result_size(image, size, stride, padding)))
    mean = np.empty_like(largest)
    low, zero = padded(images, padding, -INF), padded(images, padding)
    for p, q, window in under(low, size, stride):
        largest[:, :, p, q] = low[window].max(axis=(2, 3))
        mean[:, :, p, q] = zero[window].mean(axis=(2, 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn, "POOLED", room)
        assert (call("max_pool", x, *pool_arguments(geometry)) == flat(largest)).all()
        found = call("avg_pool", x, *pool_arguments(geometry))
    np.testing.assert_allclose(found, flat(mean), atol=1e-14)


@given(geometry=geometries(), seed=st.integers(0, 99), ties=st.booleans(), room=st.sampled_from([1, nn.POOLED]))
@settings(max_examples=100, deadline=None)
def test_max_pool_backward_gives_to_the_first_largest(geometry, seed, ties, room):
    n, c, _, image, size, stride, padding = geometry
    p, q = result_size(image, size, stride, padding)
    x, dout = gaussian(seed, n, c * image[0] * image[1]), gaussian(seed + 1, n, c * p * q)
    x = np.round(x) if ties else x
    low = padded(x.reshape(n, c, *image), padding, -INF)
    expected, given_ = np.zeros_like(low), dout.reshape(n, c, p, q)
    for i, j, window in under(low, size, stride):
        for image_, channel in np.ndindex(n, c):
            cells = low[image_, channel][window]
            if cells.max() > -INF:
                at = np.unravel_index(np.argmax(cells), cells.shape)
                expected[image_, channel][window][at] += given_[image_, channel, i, j]
    inside = expected[:, :, padding[0] : padding[0] + image[0], padding[1] : padding[1] + image[1]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn, "POOLED", room)
        found = call("max_pool_backward", x, dout, *pool_arguments(geometry))
    np.testing.assert_allclose(found, inside.reshape(x.shape), atol=1e-12)


@given(geometry=geometries(), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_avg_pool_backward_is_the_adjoint(geometry, seed):
    n, c, _, image, size, stride, padding = geometry
    p, q = result_size(image, size, stride, padding)
    x, dout = gaussian(seed, n, c * image[0] * image[1]), gaussian(seed + 1, n, c * p * q)
    found = call("avg_pool_backward", x, dout, *pool_arguments(geometry))
    assert found.shape == x.shape
    assert np.isclose((found * x).sum(), (call("avg_pool", x, *pool_arguments(geometry)) * dout).sum())


def test_gradients_of_pooling_by_differences():
    shapes = [2, 2, 5, 4], [3, 2], [2, 1], [1, 1]
    x = gaussian(3, 2, 40)
    for kind in ("max", "avg"):
        dout = gaussian(4, *call(f"{kind}_pool", x, *shapes).shape)
        expected = differences(lambda v: (call(f"{kind}_pool", v, *shapes) * dout).sum(), x)  # noqa: B023
        np.testing.assert_allclose(call(f"{kind}_pool_backward", x, dout, *shapes), expected, atol=1e-8)


PLAIN = [1, 1, 4, 4], [2, 2], [2, 2], [0, 0]


def test_pooling_check_values():
    assert call("max_pool", count(1, 16), *PLAIN).tolist() == [[6, 8, 14, 16]]
    assert call("avg_pool", count(1, 16), *PLAIN).tolist() == [[3.5, 5.5, 11.5, 13.5]]
    found = call("avg_pool", np.full((1, 4), 4.0), [1, 1, 2, 2], [2, 2], [1, 1], [1, 1])
    assert found.tolist() == [[1, 2, 1, 2, 4, 2, 1, 2, 1]]
    shapes = [1, 1, 3, 3], [2, 2], [1, 1], [0, 0]
    found = call("max_pool_backward", row(1, 1, 1, 1, 9, 1, 1, 1, 1), np.ones((1, 4)), *shapes)
    assert found.tolist() == [[0, 0, 0, 0, 4, 0, 0, 0, 0]]
    found = call("avg_pool_backward", np.ones((1, 9)), count(1, 4), *shapes)
    assert found.tolist() == [[0.25, 0.75, 0.5, 1, 2.5, 1.5, 0.75, 1.75, 1]]


def test_padding_takes_no_part_in_max_pool():
    shapes = [1, 1, 2, 2], [2, 2], [1, 1], [1, 1]
    assert (call("max_pool", np.full((1, 4), -1.0), *shapes) == -1).all()
    assert (call("max_pool_backward", np.full((1, 4), -INF), np.ones((1, 9)), *shapes) == [[4, 2, 2, 1]]).all()
    shapes = [1, 1, 1, 1], [1, 1], [1, 1], [1, 0]
    assert call("max_pool", row(5), *shapes).tolist() == [[-INF, 5, -INF]]
    assert call("max_pool_backward", row(5), row(1, 2, 4), *shapes).tolist() == [[2]]


def test_zeros_have_a_gradient():
    assert call("max_pool_backward", np.zeros((1, 16)), count(1, 4), *PLAIN).tolist() == [
        [1, 0, 2, 0, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0, 0]
    ]


def test_nan_is_the_largest():
    shapes = [1, 1, 1, 4], [1, 3], [1, 1], [0, 0]
    x = row(1, NAN, NAN, 9)
    assert np.isnan(call("max_pool", x, *shapes)).all()
    assert call("max_pool_backward", x, row(1, 2), *shapes).tolist() == [[0, 3, 0, 0]]
    assert call("max_pool_backward", row(1, 2, 3, 0), row(NAN, INF), *shapes).tolist()[0][:2] == [0, 0]


# ---- biases ----


@given(n=st.integers(0, 4), c=st.integers(1, 4), cells=st.integers(0, 4), seed=st.integers(0, 99))
@settings(deadline=None)
def test_biases_are_by_channel(n, c, cells, seed):
    x, b = gaussian(seed, n, c * cells), gaussian(seed + 1, c, 1)
    each = np.repeat(b.T, cells, axis=1)
    np.testing.assert_array_equal(call("bias_add", x, b), x + each)
    np.testing.assert_array_equal(call("bias_multiply", x, b), x * each)


def test_bias_check_value():
    found = call("bias_add", count(1, 8).reshape(2, 4), row(10, 20).T)
    assert found.tolist() == [[11, 12, 23, 24], [15, 16, 27, 28]]


@pytest.mark.parametrize("name", ["bias_add", "bias_multiply"])
def test_biases_must_fit(name):
    for b, hint in (
        (np.ones((1, 2)), "t()"),
        (np.ones((2, 2)), None),
        (np.ones((3, 1)), None),
        (np.ones((0, 1)), None),
    ):
        for attempt in (
            lambda b=b: call(name, np.ones((2, 4)), b),
            lambda b=b: REGISTRY[name].infer(matrix(2, 4), matrix(*b.shape)),
        ):
            with pytest.raises(SizeError, match=rf"of {name}\(\) must") as raised:
                attempt()
            assert (hint is None) == (raised.value.hint is None)
    assert REGISTRY[name].infer(matrix(2, None), matrix(None, 1)) == matrix(2, None)


# ---- refusals and types ----

X, W = np.ones((2, 32)), np.ones((3, 18))
GOOD = {"input_shape": [2, 2, 4, 4], "filter_shape": [3, 2, 3, 3], "stride": [1, 1], "padding": [0, 0]}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"input_shape": [2, 2, 4]}, r"'input_shape' .* list of 4 numbers, \[N,C,H,W\], found 3"),
        ({"stride": [1, 1, 1]}, r"'stride' .* \[sh,sw\], found 3"),
        ({"stride": [0, 1]}, "'stride' .* at least 1 for sh, found 0"),
        ({"padding": [0, -1]}, "'padding' .* at least 0 for pw, found -1"),
        ({"padding": ["0", 0]}, "'padding' .* a number for ph, found a string"),
        ({"padding": [True, 0]}, "found a boolean"),
        ({"padding": [NAN, 0]}, "a finite number for ph, found NaN"),
        ({"padding": [INF, 0]}, "found Infinity"),
        ({"padding": [np.ones((1, 1)), 0]}, "found a 1x1 matrix"),
        (
            {"input_shape": [2, 2, 4, 5]},
            r"'X' of conv2d\(\) must be a 2x40 matrix by input_shape \[2,2,4,5\], found 2x32",
        ),
        ({"input_shape": [3, 2, 4, 4]}, "must be a 3x32 matrix"),
        ({"input_shape": [2, 1, 4, 8]}, "as many channels .* has 1, .* has 2"),
        ({"filter_shape": [2, 2, 3, 3]}, r"'W' of conv2d\(\) must be a 2x18 matrix by filter_shape \[2,2,3,3\]"),
        (
            {"filter_shape": [3, 2, 7, 6], "stride": [2, 1], "padding": [1, 0]},
            "7x6 filter on 4x4 images with stride 2x1 and padding 1x0: the result would be 0x-1",
        ),
    ],
)
def test_shapes_that_do_not_fit_are_refused(wrong, message):
    with pytest.raises(OperationError, match=message):
        call("conv2d", X, W, *(GOOD | wrong).values())


def test_numbers_in_shapes_are_truncated():
    expected = call("conv2d", X, W, *GOOD.values())
    found = call("conv2d", X, W, *(GOOD | {"input_shape": [2.0, 2.9, 4, 4], "stride": [1.5, 1]}).values())
    assert (found == expected).all()


def test_gradients_must_have_the_size_of_the_result():
    shapes = [1, 1, 4, 4], [2, 2], [2, 2], [0, 0]
    for name in ("max_pool_backward", "avg_pool_backward"):
        with pytest.raises(
            SizeError, match=r"'dout' of .* must be a 1x4 matrix by the shape of the result, \[1,1,2,2\]"
        ):
            call(name, count(1, 16), np.ones((1, 9)), *shapes)
        with pytest.raises(SizeError, match="'X'"):
            call(name, count(1, 15), np.ones((1, 4)), *shapes)
        with pytest.raises(SizeError, match="a 2x2 pool on 1x1 images"):
            call(name, count(1, 1), np.ones((1, 4)), [1, 1, 1, 1], *shapes[1:])
    filters = [1, 1, 4, 4], [1, 1, 2, 2], [2, 2], [0, 0]
    for name, first in (("conv2d_backward_filter", count(1, 16)), ("conv2d_backward_data", count(1, 4))):
        with pytest.raises(SizeError, match="'dout'"):
            call(name, first, np.ones((1, 9)), *filters)


def test_only_the_number_of_images_may_come_from_the_matrix():
    """A list whose first number is not known says nothing of the filters, whatever the number of images is."""

    def shape(*numbers):
        return REGISTRY["list"].infer(*(scalar(INT) if n is None else type_of(n) for n in numbers))

    images, filters, rest = shape(5, 1, 4, 4), shape(2, 1, 3, 3), [shape(1, 1), shape(0, 0)]
    some_images, some_filters = shape(None, 1, 4, 4), shape(None, 1, 3, 3)
    infer = REGISTRY["conv2d"].infer
    assert infer(matrix(5, 16), matrix(2, 9), images, filters, *rest) == matrix(5, 8)
    assert infer(matrix(5, 16), matrix(2, 9), some_images, filters, *rest) == matrix(5, 8)
    assert infer(matrix(5, 16), matrix(2, 9), images, some_filters, *rest) == matrix(5, None)
    assert infer(matrix(None, 16), matrix(None, 9), some_images, some_filters, *rest) == matrix()
    infer = REGISTRY["conv2d_backward_filter"].infer
    assert infer(matrix(5, 16), matrix(5, 8), images, some_filters, *rest) == matrix()
    assert REGISTRY["max_pool"].infer(matrix(5, 16), images, shape(None, 2), *rest) == matrix(5, None)


def test_types():
    shapes = [LIST] * 4
    for name in ("conv2d_backward_filter", "max_pool_backward", "avg_pool_backward"):
        with pytest.raises(SizeError, match="as many rows as 'X' has images, 2, found a 3x4 matrix"):
            REGISTRY[name].infer(matrix(2, 16), matrix(3, 4), *shapes)
    assert REGISTRY["conv2d"].infer(matrix(2, 16), matrix(3, 4), *shapes) == matrix(2, None)
    assert REGISTRY["conv2d_backward_data"].infer(matrix(3, 4), matrix(2, None), *shapes) == matrix(2, None)
    assert REGISTRY["max_pool"].infer(matrix(None, 16), *shapes) == matrix()
    assert REGISTRY["max_pool_backward"].infer(matrix(None, 16), matrix(2, 4), *shapes) == matrix(2, 16)
