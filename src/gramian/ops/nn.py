"""Convolution, pooling and biases of batches of images, and their gradients.

How a batch lies in a matrix is told in `gramian.ops.windows`. Convolutions unfold the cells under all windows into the
columns of a matrix and leave the work to one matrix product, a panel of images at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gramian.errors import SizeError
from gramian.ir.op import Trait, define
from gramian.ir.types import Type, matrix
from gramian.ir.values import ListValue
from gramian.ops.rules import Matrix, Shape, same_size, shape, shape_text
from gramian.ops.windows import Array, Windows, known_shape, of_filters, of_pools

UNFOLDED = 2**20  # cells that are unfolded at a time: 8 MiB
POOLED = 2**17  # cells of images that are pooled at a time, so that the passes over them find them in the cache


def _flat(x: Array) -> Matrix:
    n, c, h, w = x.shape
    return x.reshape(n, c * h * w)


# ---- convolution ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Panel:
    """Some images, and the rows of windows on them from `first` on, `count` of them: what is unfolded at a time."""

    images: slice
    first: int
    count: int

    def of_results(self, results: Array) -> Array:
        """The part of results that belongs to the panel, with the channels first."""
        return results[self.images, :, self.first : self.first + self.count].transpose(1, 0, 2, 3)

    def columns_shape(self, windows: Windows) -> tuple[int, ...]:
        """Channel and place in the window go down, images and windows across."""
        images = self.images.stop - self.images.start
        return (windows.channels, *windows.size, images, self.count, windows.result[1])


def _panels(windows: Windows) -> Iterator[Panel]:
    """Whole images, as many as there is room for; if there is none for one, each image in strips."""
    down, across = windows.result
    rows = max(1, UNFOLDED // (windows.depth * across))
    step, height = max(1, rows // down), min(rows, down)
    for first in range(0, down, height):
        for n in range(0, windows.images, step):
            yield Panel(slice(n, min(n + step, windows.images)), first, min(height, down - first))


def _unfolded(x: Array, windows: Windows) -> Iterator[tuple[Panel, Matrix]]:
    """The panels, each with the cells under its windows as columns. The columns hold until the next panel."""
    columns: Array = np.empty(0, x.dtype)
    filled: tuple[int, ...] = ()
    for panel in _panels(windows):
        shape = panel.columns_shape(windows)
        if (panel.first, *shape) != filled:
            columns, filled = (
                np.zeros(shape, x.dtype),
                (panel.first, *shape),
            )  # padding stays zero in all panels of a shape
        images = x[panel.images].transpose(1, 0, 2, 3)
        for tap in windows.taps(panel.first, panel.count):
            columns[:, *tap.place][tap.windows] = images[tap.cells]
        yield panel, _as_columns(columns, windows.depth)


def _as_columns(array: Array, rows: int) -> Matrix:
    return array.reshape(rows, array.size // rows)


def conv2d(
    x: Matrix, w: Matrix, input_shape: ListValue, filter_shape: ListValue, stride: ListValue, padding: ListValue
) -> Matrix:
    windows = of_filters("conv2d()", input_shape, filter_shape, stride, padding)
    images, filters = windows.batch("X", x), windows.filter(w)
    out = np.empty((windows.images, windows.filters, *windows.result), x.dtype)
    for panel, columns in _unfolded(images, windows):
        part = panel.of_results(out)
        part[...] = (filters @ columns).reshape(part.shape)
    return _flat(out)


def conv2d_backward_filter(
    x: Matrix, dout: Matrix, input_shape: ListValue, filter_shape: ListValue, stride: ListValue, padding: ListValue
) -> Matrix:
    windows = of_filters("conv2d_backward_filter()", input_shape, filter_shape, stride, padding)
    images, grown = windows.batch("X", x), windows.results("dout", dout, windows.filters)
    dw = np.zeros((windows.filters, windows.depth), x.dtype)
    for panel, columns in _unfolded(images, windows):
        dw += _as_columns(panel.of_results(grown), windows.filters) @ columns.T
    return dw


def conv2d_backward_data(
    w: Matrix, dout: Matrix, input_shape: ListValue, filter_shape: ListValue, stride: ListValue, padding: ListValue
) -> Matrix:
    windows = of_filters("conv2d_backward_data()", input_shape, filter_shape, stride, padding)
    filters, grown = windows.filter(w), windows.results("dout", dout, windows.filters)
    dx = np.zeros((windows.images, windows.channels, *windows.image), w.dtype)
    for panel in _panels(windows):
        columns = filters.T @ _as_columns(panel.of_results(grown), windows.filters)
        parts = columns.reshape(panel.columns_shape(windows))
        images = dx[panel.images].transpose(1, 0, 2, 3)
        for tap in windows.taps(panel.first, panel.count):
            images[tap.cells] += parts[:, *tap.place][tap.windows]
    return _flat(dx)


def _known(of: Callable[..., Windows], what: str, images: int | None, *shapes: Type) -> Windows | None:
    """The windows, if all that tells their sizes is known; if only the number of images is not, they have none of them."""
    known = [known_shape(shape, unknown=images or 0) for shape in shapes]
    return None if None in known else of(what, *known)


def _images(x: Type, input_shape: Type) -> int | None:
    """The number of images, from a matrix with one in each row, or from the shape."""
    given = input_shape.items[0].int_value() if input_shape.items else None
    return x.rows if given is None else given


def _convolution_type(x: Type, w: Type, *shapes: Type) -> Type:
    images = _images(x, shapes[0])
    windows = _known(of_filters, "conv2d()", images, *shapes)
    if windows is None:
        return matrix(x.rows, None)
    if images is not None:
        windows.check_batch("X", x)
    windows.check_filter(w)
    return _result_type(images, windows.filters, windows.result)


def _result_type(images: int | None, channels: int, size: tuple[int, int]) -> Type:
    return matrix(images, channels * size[0] * size[1])


def _with_dout(what: str) -> Callable[..., None]:
    def check(x: Type, dout: Type) -> None:
        if x.rows is not None and dout.rows is not None and x.rows != dout.rows:
            raise SizeError(
                f"argument 'dout' of {what} must have as many rows as 'X' has images, {x.rows}, found {dout.describe()}"
            )

    return check


def _filter_type(x: Type, dout: Type, *shapes: Type) -> Type:
    what = "conv2d_backward_filter()"
    _with_dout(what)(x, dout)
    images = _images(x, shapes[0])
    windows = _known(of_filters, what, images, *shapes)
    if windows is None:
        return matrix()
    if images is not None:
        windows.check_batch("X", x)
        windows.check_results("dout", dout, windows.filters)
    return matrix(windows.filters, windows.depth)


def _data_type(w: Type, dout: Type, *shapes: Type) -> Type:
    images = _images(dout, shapes[0])
    windows = _known(of_filters, "conv2d_backward_data()", images, *shapes)
    if windows is None:
        return matrix(dout.rows, None)
    windows.check_filter(w)
    if images is not None:
        windows.check_results("dout", dout, windows.filters)
    return _result_type(images, windows.channels, windows.image)


_FILTERS = "input_shape: list, filter_shape: list, stride: list, padding: list"
_SHAPES = "input_shape, filter_shape, stride, padding"
_ONE = "list(1, 1, 3, 3), list(1, 1, 2, 2), list(1, 1), list(0, 0)"
_TWO = "list(2, 2, 3, 3), list(2, 2, 2, 2), list(2, 1), list(1, 0)"
_NONE = "list(0, 1, 3, 3), list(1, 1, 2, 2), list(1, 1), list(0, 0)"
_IMAGES, _TWO_FILTERS = "matrix(seq(-17, 18), 2, 18)", "matrix(seq(-7, 8), 2, 8)"

define(
    f"conv2d(X: matrix, W: matrix, {_FILTERS})",
    _convolution_type,
    conv2d,
    "each filter, a row of W, at every place of each image, a row of X: sums of products (filters are not flipped)",
    gradient={"X": f"conv2d_backward_data(W, dout, {_SHAPES})", "W": f"conv2d_backward_filter(X, dout, {_SHAPES})"},
    samples=(
        f"matrix(seq(1, 9), 1, 9), matrix(seq(1, 4), 1, 4), {_ONE}",
        f"{_IMAGES}, {_TWO_FILTERS}, {_TWO}",
        f"matrix(0, 0, 9), matrix(1, 1, 4), {_NONE}",
    ),
)
define(
    f"conv2d_backward_filter(X: matrix, dout: matrix, {_FILTERS})",
    _filter_type,
    conv2d_backward_filter,
    "gradient of conv2d() by its filters W, from that by its result",
    gradient={"X": f"conv2d_backward_data(ddout, dout, {_SHAPES})", "dout": f"conv2d(X, ddout, {_SHAPES})"},
    samples=(
        f"matrix(seq(1, 9), 1, 9), matrix(seq(1, 4), 1, 4), {_ONE}",
        f"{_IMAGES}, matrix(seq(1, 16), 2, 8), {_TWO}",
        f"matrix(0, 0, 9), matrix(1, 0, 4), {_NONE}",
    ),
)
define(
    f"conv2d_backward_data(W: matrix, dout: matrix, {_FILTERS})",
    _data_type,
    conv2d_backward_data,
    "gradient of conv2d() by its images X, from that by its result; also the transposed convolution",
    gradient={"W": f"conv2d_backward_filter(ddout, dout, {_SHAPES})", "dout": f"conv2d(ddout, W, {_SHAPES})"},
    samples=(
        f"matrix(seq(1, 4), 1, 4), matrix(seq(1, 4), 1, 4), {_ONE}",
        f"{_TWO_FILTERS}, matrix(seq(1, 16), 2, 8), {_TWO}",
        f"matrix(1, 1, 4), matrix(1, 0, 4), {_NONE}",
    ),
)


# ---- pooling --------------------------------------------------------------------------------------------------------


def _pieces(windows: Windows) -> Iterator[slice]:
    step = max(1, POOLED // windows.pixels)
    for n in range(0, windows.images, step):
        yield slice(n, n + step)


def _largest(images: Array, windows: Windows) -> Array:
    """The largest cell under each window, NaN if there is one; -Infinity where there is only padding."""
    found = np.full((len(images), windows.channels, *windows.result), -np.inf, images.dtype)
    for tap in windows.taps():
        largest = found[tap.windows]
        np.maximum(largest, images[tap.cells], out=largest)
    return found


def max_pool(x: Matrix, input_shape: ListValue, pool_size: ListValue, stride: ListValue, padding: ListValue) -> Matrix:
    windows = of_pools("max_pool()", input_shape, pool_size, stride, padding)
    images = windows.batch("X", x)
    out = np.empty((windows.images, windows.channels, *windows.result), x.dtype)
    for piece in _pieces(windows):
        out[piece] = _largest(images[piece], windows)
    return _flat(out)


def avg_pool(x: Matrix, input_shape: ListValue, pool_size: ListValue, stride: ListValue, padding: ListValue) -> Matrix:
    windows = of_pools("avg_pool()", input_shape, pool_size, stride, padding)
    images = windows.batch("X", x)
    out = np.zeros((windows.images, windows.channels, *windows.result), x.dtype)
    for piece in _pieces(windows):
        for tap in windows.taps():
            out[piece][tap.windows] += images[piece][tap.cells]
    out /= windows.size[0] * windows.size[1]
    return _flat(out)


def max_pool_backward(
    x: Matrix, dout: Matrix, input_shape: ListValue, pool_size: ListValue, stride: ListValue, padding: ListValue
) -> Matrix:
    windows = of_pools("max_pool_backward()", input_shape, pool_size, stride, padding)
    images, grown = windows.batch("X", x), windows.results("dout", dout, windows.channels)
    dx = np.zeros(images.shape, images.dtype)
    for piece in _pieces(windows):
        _to_first_largest(images[piece], grown[piece], windows, dx[piece])
    return _flat(dx)


def _to_first_largest(images: Array, dout: Array, windows: Windows, dx: Array) -> None:
    """Add the gradient of each window to the first of its largest cells."""
    largest = _largest(images, windows)
    free = np.ones(dout.shape, dtype=np.bool_)
    for tap in windows.taps():
        cells = images[tap.cells]
        wins = ((cells == largest[tap.windows]) | np.isnan(cells)) & free[tap.windows]
        free[tap.windows] &= ~wins
        dx[tap.cells] += np.where(wins, dout[tap.windows], 0.0)


def avg_pool_backward(
    x: Matrix, dout: Matrix, input_shape: ListValue, pool_size: ListValue, stride: ListValue, padding: ListValue
) -> Matrix:
    windows = of_pools("avg_pool_backward()", input_shape, pool_size, stride, padding)
    images, grown = windows.batch("X", x), windows.results("dout", dout, windows.channels)
    shares = grown / (windows.size[0] * windows.size[1])
    dx = np.zeros(images.shape, images.dtype)
    for piece in _pieces(windows):
        for tap in windows.taps():
            dx[piece][tap.cells] += shares[piece][tap.windows]
    return _flat(dx)


def _pool_type(what: str) -> Callable[..., Type]:
    def infer(x: Type, *shapes: Type) -> Type:
        images = _images(x, shapes[0])
        windows = _known(of_pools, what, images, *shapes)
        if windows is None:
            return matrix(x.rows, None)
        if images is not None:
            windows.check_batch("X", x)
        return _result_type(images, windows.channels, windows.result)

    return infer


def _pool_gradient_type(what: str) -> Callable[..., Type]:
    check = _with_dout(what)

    def infer(x: Type, dout: Type, *shapes: Type) -> Type:
        check(x, dout)
        images = _images(x if x.rows is not None else dout, shapes[0])
        windows = _known(of_pools, what, images, *shapes)
        if windows is not None:
            if images is not None:
                windows.check_batch("X", x)
                windows.check_results("dout", dout, windows.channels)
            return _result_type(images, windows.channels, windows.image)
        return matrix(x.rows if x.rows is not None else dout.rows, x.cols)

    return infer


_POOL = "input_shape: list, pool_size: list, stride: list, padding: list"
_POOL_SHAPES = "input_shape, pool_size, stride, padding"
_PLAIN = "list(1, 1, 4, 4), list(2, 2), list(2, 2), list(0, 0)"
_OVERLAP = "list(2, 2, 3, 3), list(2, 2), list(1, 1), list(1, 0)"
_NO_IMAGES = "list(0, 2, 2, 2), list(2, 2), list(1, 1), list(0, 0)"
_POOL_SAMPLES = (
    f"matrix(seq(-5, 10), 1, 16), {_PLAIN}",
    f"{_IMAGES}, {_OVERLAP}",
    'matrix("1 NaN 3 4", 1, 4), list(1, 1, 2, 2), list(1, 2), list(1, 1), list(0, 0)',
    f"matrix(0, 0, 8), {_NO_IMAGES}",
)
_BACKWARD_SAMPLES = (
    f"matrix(seq(-5, 10), 1, 16), matrix(seq(1, 4), 1, 4), {_PLAIN}",
    f"{_IMAGES}, matrix(seq(1, 32), 2, 16), {_OVERLAP}",
    'matrix("1 NaN 3 4", 1, 4), matrix("1 2", 1, 2), list(1, 1, 2, 2), list(1, 2), list(1, 1), list(0, 0)',
    f"matrix(0, 0, 8), matrix(0, 0, 2), {_NO_IMAGES}",
)

define(
    f"max_pool(X: matrix, {_POOL})",
    _pool_type("max_pool()"),
    max_pool,
    "largest cell under each window of each channel; padding does not take part",
    gradient={"X": f"max_pool_backward(X, dout, {_POOL_SHAPES})"},
    samples=_POOL_SAMPLES,
)
define(
    f"avg_pool(X: matrix, {_POOL})",
    _pool_type("avg_pool()"),
    avg_pool,
    "mean of the cells under each window of each channel; padding counts as zeros",
    gradient={"X": f"avg_pool_backward(X, dout, {_POOL_SHAPES})"},
    samples=_POOL_SAMPLES,
)
define(
    f"max_pool_backward(X: matrix, dout: matrix, {_POOL})",
    _pool_gradient_type("max_pool_backward()"),
    max_pool_backward,
    "gradient of max_pool() by X: that of a window goes to the first of its largest cells, and adds up",
    samples=_BACKWARD_SAMPLES,
)
define(
    f"avg_pool_backward(X: matrix, dout: matrix, {_POOL})",
    _pool_gradient_type("avg_pool_backward()"),
    avg_pool_backward,
    "gradient of avg_pool() by X: that of a window spreads evenly; what falls on padding is lost",
    gradient={"X": "0", "dout": f"avg_pool(ddout, {_POOL_SHAPES})"},
    samples=_BACKWARD_SAMPLES,
)


# ---- biases ---------------------------------------------------------------------------------------------------------


def _check_channels(what: str, x: Shape, b: Shape) -> None:
    if b[1] not in (1, None):
        hint = "transpose it with t()" if b[0] in (1, None) else None
        raise SizeError(f"argument 'b' of {what} must be a column, one cell a channel, found {shape_text(b)}", hint)
    if b[0] == 0 or (b[0] is not None and x[1] is not None and x[1] % b[0]):
        raise SizeError(
            f"argument 'X' of {what} must have the same number of columns for each of the {b[0]} channels in 'b', "
            f"found a {shape_text(x)} matrix"
        )


def _by_channel(what: str, combine: Callable[[Matrix, Matrix], Matrix]) -> Callable[[Matrix, Matrix], Matrix]:
    def kernel(x: Matrix, b: Matrix) -> Matrix:
        _check_channels(what, (x.shape[0], x.shape[1]), (b.shape[0], b.shape[1]))
        return combine(x, np.repeat(b[:, 0], x.shape[1] // b.shape[0]))

    return kernel


def _channel_type(what: str) -> Callable[[Type, Type], Type]:
    def infer(x: Type, b: Type) -> Type:
        _check_channels(what, shape(x), shape(b))
        return same_size(x)

    return infer


_CHANNEL_SAMPLES = (
    'matrix(seq(1, 8), 2, 4), matrix("10 20", 2, 1)',
    'matrix("1 NaN 3", 1, 3), matrix("1 2 Infinity", 3, 1)',
    "matrix(seq(1, 4), 2, 2), matrix(5, 1, 1)",
    "matrix(0, 0, 4), matrix(1, 2, 1)",
    "matrix(0, 2, 0), matrix(1, 2, 1)",
)
_OVER_CHANNEL = "rowSums(matrix(colSums({}), rows=nrow(b), cols=ncol(X) / nrow(b)))"

define(
    "bias_add(X: matrix, b: matrix)",
    _channel_type("bias_add()"),
    _by_channel("bias_add()", np.add),
    "X plus a number for each channel, from the column b",
    family="nn",
    traits=(Trait.ZERO_PRESERVING,),
    gradient={"X": "dout", "b": _OVER_CHANNEL.format("dout")},
    samples=_CHANNEL_SAMPLES,
)
define(
    "bias_multiply(X: matrix, b: matrix)",
    _channel_type("bias_multiply()"),
    _by_channel("bias_multiply()", np.multiply),
    "X times a number for each channel, from the column b",
    family="nn",
    traits=(Trait.ZERO_PRESERVING,),
    gradient={"X": "bias_multiply(dout, b)", "b": _OVER_CHANNEL.format("dout * X")},
    samples=_CHANNEL_SAMPLES,
)
