"""Windows that move over images, for convolution and pooling (`gramian.ops.nn`).

A batch of N images with C channels of H x W pixels is a matrix of N rows and C*H*W columns: channel by channel, each
channel row by row. `Windows` knows where windows stand and which cells are under them; what is done with these cells is
a matter of the operators.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Any

import numpy as np
import numpy.typing as npt

from gramian.errors import OperationError, SizeError
from gramian.ir.scalar import as_int, describe, text
from gramian.ir.types import Kind, Type, size_text
from gramian.ir.values import ListValue
from gramian.ops.rules import Matrix

Shaped = Matrix | Type  # what has a shape
Array = npt.NDArray[np.float64]
Pair = tuple[int, int]
Slices = tuple[EllipsisType, slice, slice]


@dataclass(frozen=True, slots=True)
class Tap:
    """One place of the window: `cells` indexes images, `windows` indexes results; both select equally many."""

    place: Pair
    cells: Slices
    windows: Slices


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of `size` that move over padded images by `stride`, for the function `what`. Pairs: height and width."""

    what: str
    images: int
    channels: int
    image: Pair
    size: Pair
    stride: Pair
    padding: Pair
    filters: int = 0  # none for pooling

    @property
    def result(self) -> Pair:
        """How many windows fit, downwards and across."""
        down, across = (
            (length + 2 * pad - size) // stride + 1
            for length, size, stride, pad in zip(self.image, self.size, self.stride, self.padding, strict=True)
        )
        return down, across

    @property
    def depth(self) -> int:
        """Cells under a window, over all channels."""
        return self.channels * self.size[0] * self.size[1]

    @property
    def pixels(self) -> int:
        return self.channels * self.image[0] * self.image[1]

    def batch(self, name: str, x: Matrix) -> Array:
        """The argument, images, in four dimensions."""
        self.check_batch(name, x)
        return x.reshape(self.images, self.channels, *self.image)

    def filter(self, w: Matrix) -> Matrix:
        """The argument W: a filter in each row."""
        self.check_filter(w)
        return w

    def results(self, name: str, x: Matrix, channels: int) -> Array:
        """The argument, of the size of a result, in four dimensions."""
        self.check_results(name, x, channels)
        return x.reshape(self.images, channels, *self.result)

    # -- checks of matrices, or of types of matrices, of which sizes may be unknown --------------------------------

    def check_batch(self, name: str, x: Shaped) -> None:
        self._check(name, x, (self.images, self.channels, *self.image), "input_shape")

    def check_filter(self, w: Shaped) -> None:
        shape = (self.filters, self.channels, *self.size)
        _expect(self.what, "W", w, (self.filters, self.depth), f"filter_shape {_text(shape)}")

    def check_results(self, name: str, x: Shaped, channels: int) -> None:
        self._check(name, x, (self.images, channels, *self.result), "the shape of the result,")

    def _check(self, name: str, x: Shaped, shape: tuple[int, int, int, int], source: str) -> None:
        n, c, h, w = shape
        _expect(self.what, name, x, (n, c * h * w), f"{source} {_text(shape)}")

    def taps(self, first: int = 0, count: int | None = None) -> Iterator[Tap]:
        """For each place in the window, row by row, the cells under it, and the windows that they are under.

        Of the rows of windows, only `count` from `first` on. Where a place is on padding there is no cell.
        """
        (height, width), (sh, sw), (ph, pw), (down, right) = self.image, self.stride, self.padding, self.result
        across = [_reach(j - pw, sw, width, right) for j in range(self.size[1])]
        for i in range(self.size[0]):
            rows, under_rows = _reach(first * sh + i - ph, sh, height, down if count is None else count)
            for j, (cols, under_cols) in enumerate(across):
                yield Tap((i, j), (..., rows, cols), (..., under_rows, under_cols))


def _reach(start: int, stride: int, length: int, count: int) -> tuple[slice, slice]:
    """Of the positions start + stride * k with k < count, those from 0 to below `length`: as positions and as k."""
    first = max(0, -(start // stride))
    stop = min(count, (length - 1 - start) // stride + 1)
    if stop <= first:
        return slice(0, 0), slice(0, 0)
    return slice(start + first * stride, start + (stop - 1) * stride + 1, stride), slice(first, stop)


# ---- from arguments -------------------------------------------------------------------------------------------------


def of_filters(
    what: str, input_shape: ListValue, filter_shape: ListValue, stride: ListValue, padding: ListValue
) -> Windows:
    batch = sizes(what, "input_shape", input_shape, "N C H W")
    f, depth, *size = sizes(what, "filter_shape", filter_shape, "F C Hf Wf")
    if depth != batch[1]:
        raise SizeError(
            f"{what} needs filters with as many channels as the images: input_shape {_text(batch)} has {batch[1]}, "
            f"filter_shape {_text([f, depth, *size])} has {depth}"
        )
    return _placed(what, batch, size, stride, padding, f)


def of_pools(what: str, input_shape: ListValue, pool_size: ListValue, stride: ListValue, padding: ListValue) -> Windows:
    batch = sizes(what, "input_shape", input_shape, "N C H W")
    return _placed(what, batch, sizes(what, "pool_size", pool_size, "Hp Wp"), stride, padding)


def known_shape(type: Type, unknown: int | None = None) -> ListValue | None:
    """The numbers of a list of numbers, if its type knows them; the first, the number of images, may be `unknown`."""
    values = [entry.value for entry in type.items]
    if type.kind is not Kind.LIST or not values:
        return None
    if values[0] is None:
        values[0] = unknown
    return None if None in values else ListValue(values)


def _placed(
    what: str, batch: list[int], size: list[int], stride: ListValue, padding: ListValue, filters: int = 0
) -> Windows:
    n, c, h, w = batch
    step, pad = _pair(sizes(what, "stride", stride, "sh sw")), _pair(sizes(what, "padding", padding, "ph pw"))
    windows = Windows(what, n, c, (h, w), _pair(size), step, pad, filters)
    if min(windows.result) < 1:
        raise SizeError(
            f"{what} cannot place a {by(windows.size)} {'filter' if filters else 'pool'} on {by((h, w))} images "
            f"with stride {by(step)} and padding {by(pad)}: the result would be {by(windows.result)}",
            "make it smaller, or pad the images more",
        )
    return windows


def _pair(values: list[int]) -> Pair:
    first, second = values
    return first, second


def sizes(what: str, name: str, given: ListValue, parts: str) -> list[int]:
    """The numbers in a shape, whose parts have names.

    Raises:
        OperationError: an entry is no number.
        SizeError: there are more or fewer, or one is too small.
    """
    names = parts.split()
    if len(given) != len(names):
        raise SizeError(
            f"argument '{name}' of {what} must be a list of {len(names)} numbers, [{','.join(names)}], "
            f"found {len(given)}"
        )
    return [
        _size(f"argument '{name}' of {what}, [{','.join(names)}],", part, value)
        for part, value in zip(names, given, strict=True)
    ]


_MAY_BE_ZERO = ("N", "ph", "pw")


def _size(title: str, part: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        hint = "use as.scalar() to take the number out of a 1x1 matrix" if isinstance(value, np.ndarray) else None
        raise OperationError(f"{title} must have a number for {part}, found {describe(value)}", hint)
    if not np.isfinite(value):
        raise OperationError(f"{title} must have a finite number for {part}, found {text(value)}")
    size, least = as_int(value), 0 if part in _MAY_BE_ZERO else 1
    if size < least:
        raise SizeError(f"{title} must have at least {least} for {part}, found {size}")
    return size


def by(pair: Pair) -> str:
    return f"{pair[0]}x{pair[1]}"


def _text(shape: Sequence[int]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _expect(what: str, name: str, x: Shaped, shape: Pair, source: str) -> None:
    rows, cols = x.shape
    if (rows is not None and rows != shape[0]) or (cols is not None and cols != shape[1]):
        found = f"{size_text(rows)}x{size_text(cols)}"
        raise SizeError(f"argument '{name}' of {what} must be a {by(shape)} matrix by {source}, found {found}")
