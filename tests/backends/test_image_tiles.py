"""Convolution by tiles, beside SciPy's correlation, and the operators' own kernels where cells are not finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.signal import correlate

import gramian.ops  # noqa: F401  registers the operators
from gramian.backends.local.images import kernels
from gramian.backends.local.images.tiles import convolved, filter_gradient, tiling
from gramian.ir.cores import limited
from gramian.ir.op import REGISTRY
from gramian.ir.values import ListValue
from gramian.ops.windows import Windows

# images, channels, height, width, filters, size, padding: also tiles that reach over the edges, images that do not fill a
# group, several runs of tiles across, and more padding than the filter needs.
SHAPES = [
    (16, 16, 8, 8, 16, 5, 2),
    (31, 20, 12, 7, 24, 3, 1),
    (33, 40, 12, 13, 32, 4, 0),
    (15, 64, 10, 70, 64, 3, 0),
    (16, 32, 8, 5, 32, 2, 3),
]


def windows_of(n: int, c: int, h: int, w: int, f: int, size: int, pad: int) -> Windows:
    return Windows("test", n, c, (h, w), (size, size), (1, 1), (pad, pad), f)


def numbers(shape: tuple[int, ...], dtype: str, seed: int) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def over_images(images: Any, filters: Any, pad: int) -> Any:
    """Sums over channels of the correlation of each image with each filter."""
    padded = np.pad(images.astype(float), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    filters = filters.astype(float)
    return np.array([[correlate(image, one, "valid")[0] for one in filters] for image in padded])


def assert_close(found: Any, expected: Any, dtype: str) -> None:
    assert found.dtype == dtype
    error = np.abs(found - expected).max() / np.std(expected)
    assert error < (5e-5 if dtype == "float32" else 2e-13)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_is_correlation(shape: tuple[Any, ...], dtype: str) -> None:
    n, c, h, w, f, size, pad = shape
    images, filters = numbers((n, c, h, w), dtype, 1), numbers((f, c, size, size), dtype, 2)
    tiles = tiling(windows_of(*shape), images.dtype)
    assert tiles is not None
    assert_close(convolved(images, filters.reshape(f, -1), tiles), over_images(images, filters, pad), dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradient_of_filters(shape: tuple[Any, ...], dtype: str) -> None:
    n, c, h, w, f, _, pad = shape
    windows = windows_of(*shape)
    images, grown = numbers((n, c, h, w), dtype, 3), numbers((n, f, *windows.result), dtype, 4)
    tiles = tiling(windows, images.dtype)
    assert tiles is not None
    # Here images are channels: each channel of all images with each channel of all gradients.
    expected = over_images(images.transpose(1, 0, 2, 3), grown.transpose(1, 0, 2, 3), pad).transpose(1, 0, 2, 3)
    assert_close(filter_gradient(images, grown, tiles), expected.reshape(f, -1), dtype)


def arguments(name: str, shape: tuple[int, ...]) -> list[Any]:
    n, c, h, w, f, size, pad = shape
    sizes = [ListValue(list(some)) for some in ((n, c, h, w), (f, c, size, size), (1, 1), (pad, pad))]
    down, across = windows_of(*shape).result
    x, filters = numbers((n, c * h * w), "float64", 5), numbers((f, c * size**2), "float64", 6)
    dout = numbers((n, f * down * across), "float64", 7)
    first = {"conv2d": (x, filters), "conv2d_backward_filter": (x, dout), "conv2d_backward_data": (filters, dout)}[name]
    return [*first, *sizes]


@pytest.mark.parametrize("odd", [np.inf, -np.inf, np.nan, 1e308])
@pytest.mark.parametrize("name", ["conv2d", "conv2d_backward_filter", "conv2d_backward_data"])
def test_cells_that_are_not_finite_spoil_no_others(name: str, odd: float) -> None:
    values = arguments(name, SHAPES[0])
    values[0][3, 20], values[1][2, 10] = odd, 0.5
    with np.errstate(all="ignore"):
        found = kernels.KERNELS[name](*values)
        expected = REGISTRY[name].kernel(*values)
    scale = np.std(expected[np.abs(expected) < 1e100])
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11 * scale)


def test_results_do_not_depend_on_cores() -> None:
    for name in ("conv2d", "conv2d_backward_filter", "conv2d_backward_data"):
        values = arguments(name, SHAPES[2])
        with limited(1):
            alone = kernels.KERNELS[name](*values)
        with limited(3):
            np.testing.assert_array_equal(kernels.KERNELS[name](*values), alone)


@pytest.mark.parametrize(
    "shape",
    [(16, 1, 8, 8, 16, 5, 2), (16, 16, 8, 8, 16, 6, 2), (3, 16, 8, 8, 16, 5, 2), (16, 16, 5, 5, 16, 5, 0)],
    ids=["few channels", "large filters", "few images", "one window"],
)
def test_where_it_would_be_slower(shape: tuple[int, ...]) -> None:
    assert tiling(windows_of(*shape), np.dtype("float64")) is None


def test_other_strides_and_shapes_of_filters() -> None:
    for size, stride in (((5, 3), (1, 1)), ((3, 3), (2, 2)), ((3, 3), (1, 2))):
        assert tiling(Windows("test", 16, 32, (9, 9), size, stride, (0, 0), 32), np.dtype("float64")) is None
