"""The kernels: some images at a time, on all cores, so that what a product reads is still in the cache.

A convolution is one product for each group of images, of the filters and the unfolded images, or goes by tiles where that is
faster. Groups, and the order in which their results are added, do not depend on the number of cores, and so results do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gramian.backends.local.images.compiled_loops import loop, unfold_sizes
from gramian.backends.local.images.tiles import convolved, filter_gradient, tiling
from gramian.backends.local.threads import in_parallel
from gramian.ir.cores import cores
from gramian.ir.values import ListValue
from gramian.ops.rules import Matrix
from gramian.ops.windows import Array, Windows, of_filters, of_pools
from gramian.runtime.backend import Kernel
from gramian.runtime.parfor.libraries import one_thread_each

COLUMNS = 256  # windows in a group of images: products with fewer columns are slow
PARTS = 16  # of the images, each of which one core works on
FORWARD, FILTER, DATA = "conv2d", "conv2d_backward_filter", "conv2d_backward_data"
POOLS = ("max_pool", "avg_pool", "max_pool_backward", "avg_pool_backward")

Part = tuple[int, int]


def _sizes(windows: Windows) -> tuple[int, ...]:
    return (*windows.size, *windows.stride, *windows.padding)


def _flat(x: Array) -> Matrix:
    n, c, h, w = x.shape
    return x.reshape(n, c * h * w)


def _groups(count: int, windows: int) -> list[list[Part]]:
    """Images in groups for one product each, and groups in parts for one core each."""
    size = max(1, COLUMNS // max(1, windows))
    groups = [(first, min(first + size, count)) for first in range(0, count, size)]
    step = -(-len(groups) // PARTS)
    return [groups[at : at + step] for at in range(0, len(groups), max(1, step))]


def _on_all_cores(work: Callable[[list[Part]], Any], parts: Sequence[list[Part]]) -> list[Any]:
    """`work` of each part; the library's own threads would wait for one another."""
    if cores() == 1 or len(parts) < 2:
        return [work(part) for part in parts]
    with one_thread_each(()):
        return in_parallel(work, parts)


# -- convolution -------------------------------------------------------------------------------------------------------


def _convolved(images: Array, filters: Matrix, windows: Windows) -> Array:
    """Each filter at every place of each image."""
    tiles = tiling(windows, images.dtype)
    found = None if tiles is None else convolved(images, filters, tiles)
    return _unfolded(images, filters, windows) if found is None else found


def _all_finite(images: Array) -> bool:
    """False also if the sum of all cells is too large, which only costs time."""
    return all(np.isfinite(in_parallel(lambda part: images[slice(*part)].sum(), _halves(len(images)))))


def _unfolded(images: Array, filters: Matrix, windows: Windows) -> Array:
    unfold = loop("unfold", images.dtype, unfold_sizes(windows))
    count, (down, across) = len(filters), windows.result
    out = np.empty((windows.images, count, down, across), images.dtype)

    def work(groups: list[Part]) -> None:
        columns = np.empty((windows.depth, groups[0][1] - groups[0][0], down, across), images.dtype)
        for first, last in groups:
            if last - first != columns.shape[1]:
                columns = np.empty((windows.depth, last - first, down, across), images.dtype)
            unfold(images[first:last], columns)
            if last - first == 1:
                np.matmul(filters, columns.reshape(windows.depth, -1), out=out[first].reshape(count, -1))
            else:
                found = filters @ columns.reshape(windows.depth, -1)
                out[first:last] = found.reshape(count, last - first, down, across).transpose(1, 0, 2, 3)

    _on_all_cores(work, _groups(windows.images, down * across))
    return out


def conv2d(
    x: Matrix, w: Matrix, input_shape: ListValue, filter_shape: ListValue, stride: ListValue, padding: ListValue
) -> Matrix:
    windows = of_filters("conv2d()", input_shape, filter_shape, stride, padding)
    images, filters = windows.batch("X", x), windows.filter(w)
    return _flat(_convolved(np.ascontiguousarray(images), filters, windows))


def conv2d_backward_filter(
    x: Matrix, dout: Matrix, input_shape: ListValue, filter_shape: ListValue, stride: ListValue, padding: ListValue
) -> Matrix:
    windows = of_filters("conv2d_backward_filter()", input_shape, filter_shape, stride, padding)
    images = np.ascontiguousarray(windows.batch("X", x))
    grown = np.ascontiguousarray(windows.results("dout", dout, windows.filters))
    tiles = tiling(windows, images.dtype)
    found = None if tiles is None else filter_gradient(images, grown, tiles)
    return _unfolded_filter(images, grown, windows) if found is None else found


def _unfolded_filter(images: Array, grown: Array, windows: Windows) -> Matrix:
    unfold = loop("unfold", images.dtype, unfold_sizes(windows))
    down, across = windows.result

    def work(groups: list[Part]) -> Matrix:
        total: Matrix = np.zeros((windows.filters, windows.depth), images.dtype)
        part = np.empty_like(total)
        for first, last in groups:
            columns = np.empty((windows.depth, last - first, down, across), images.dtype)
            unfold(images[first:last], columns)
            here = grown[first:last].transpose(1, 0, 2, 3).reshape(windows.filters, -1)
            np.matmul(here, columns.reshape(windows.depth, -1).T, out=part)
            total += part
        return total

    parts = _on_all_cores(work, _groups(windows.images, down * across))
    return sum(parts[1:], parts[0]) if parts else np.zeros((windows.filters, windows.depth), images.dtype)


def conv2d_backward_data(
    w: Matrix, dout: Matrix, input_shape: ListValue, filter_shape: ListValue, stride: ListValue, padding: ListValue
) -> Matrix:
    windows = of_filters("conv2d_backward_data()", input_shape, filter_shape, stride, padding)
    filters = windows.filter(w)
    grown = np.ascontiguousarray(windows.results("dout", dout, windows.filters))
    if windows.stride == (1, 1):
        found = _correlated_back(filters, grown, windows)
        if found is not None:
            return _flat(found)
    return _flat(_folded_back(filters, grown, windows))


def turned(windows: Windows) -> Windows:
    """The windows of the convolution that goes back from results to images, where windows move by one pixel.

    Results that stand on padding alone are left out, instead of negative padding.
    """
    pad_h, pad_w = (size - 1 - pad for size, pad in zip(windows.size, windows.padding, strict=True))
    cut_h, cut_w = max(0, -pad_h), max(0, -pad_w)
    down, across = windows.result
    return Windows(
        windows.what,
        windows.images,
        windows.filters,
        (down - 2 * cut_h, across - 2 * cut_w),
        windows.size,
        (1, 1),
        (max(0, pad_h), max(0, pad_w)),
        windows.channels,
    )


def _correlated_back(filters: Matrix, grown: Array, windows: Windows) -> Array | None:
    """Where windows move by one pixel, the gradient by the images is a convolution with the filters turned around.

    None: it is not finite somewhere. A filter that is not meets padding there, of which the gradient knows nothing.
    """
    back = turned(windows)
    height, width = back.image
    top, left = ((all - part) // 2 for all, part in zip(windows.result, back.image, strict=True))
    inside = np.ascontiguousarray(grown[:, :, top : top + height, left : left + width])
    around = filters.reshape(windows.filters, windows.channels, *windows.size)[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    tiles = tiling(back, inside.dtype)
    if tiles is not None:
        return convolved(inside, around.reshape(windows.channels, -1), tiles)
    found = _unfolded(inside, around.reshape(windows.channels, -1), back)
    return found if _all_finite(found) else None


def _folded_back(filters: Matrix, grown: Array, windows: Windows) -> Array:
    fold, sizes = loop("fold", grown.dtype), _sizes(windows)
    down, across = windows.result
    dx = np.zeros((windows.images, windows.channels, *windows.image), grown.dtype)
    turned = np.ascontiguousarray(filters.T)

    def work(groups: list[Part]) -> None:
        for first, last in groups:
            here = grown[first:last].transpose(1, 0, 2, 3).reshape(windows.filters, -1)
            columns = (turned @ here).reshape(windows.depth, last - first, down, across)
            fold(columns, dx[first:last], *sizes)

    _on_all_cores(work, _groups(windows.images, down * across))
    return dx


# -- pooling -----------------------------------------------------------------------------------------------------------


def _halves(count: int) -> list[Part]:
    step = max(1, -(-count // PARTS))
    return [(first, min(first + step, count)) for first in range(0, count, step)]


def _pool(name: str) -> Callable[..., Matrix]:
    def kernel(
        x: Matrix, input_shape: ListValue, pool_size: ListValue, stride: ListValue, padding: ListValue
    ) -> Matrix:
        windows = of_pools(f"{name}()", input_shape, pool_size, stride, padding)
        images = np.ascontiguousarray(windows.batch("X", x))
        run = loop(name, images.dtype, _sizes(windows))
        out = np.empty((windows.images, windows.channels, *windows.result), images.dtype)
        in_parallel(lambda part: run(images[slice(*part)], out[slice(*part)]), _halves(windows.images))
        return _flat(out)

    return kernel


def _pool_backward(name: str) -> Callable[..., Matrix]:
    def kernel(
        x: Matrix, dout: Matrix, input_shape: ListValue, pool_size: ListValue, stride: ListValue, padding: ListValue
    ) -> Matrix:
        windows = of_pools(f"{name}()", input_shape, pool_size, stride, padding)
        images = np.ascontiguousarray(windows.batch("X", x))
        grown = np.ascontiguousarray(windows.results("dout", dout, windows.channels), images.dtype)
        run = loop(name, images.dtype, _sizes(windows))
        dx = np.zeros(images.shape, images.dtype)
        if name == "max_pool_backward":
            work = lambda part: run(images[slice(*part)], grown[slice(*part)], dx[slice(*part)])  # noqa: E731
        else:
            work = lambda part: run(grown[slice(*part)], dx[slice(*part)])  # noqa: E731
        in_parallel(work, _halves(windows.images))
        return _flat(dx)

    return kernel


KERNELS: Mapping[str, Kernel] = {
    FORWARD: conv2d,
    FILTER: conv2d_backward_filter,
    DATA: conv2d_backward_data,
    "max_pool": _pool("max_pool"),
    "avg_pool": _pool("avg_pool"),
    "max_pool_backward": _pool_backward("max_pool_backward"),
    "avg_pool_backward": _pool_backward("avg_pool_backward"),
}
