"""Convolution by minimal filtering: tiles of the result from a half to a quarter of the products.

A tile of r x r results of a filter with s x s cells is the product of two polynomials, turned around. Both become values
at r + s - 1 points, channels add up as one small matrix product for each point, and the values of the sum become the tile
again: r * r * s * s products of numbers shrink to (r + s - 1)^2. Here r + s - 1 is always 6, and so one transformation of
the images serves filters of 2 to 5 cells, and both results and gradients of filters.

Source: S. Winograd, Arithmetic Complexity of Computations, 1980; A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural
Networks, 2016. The price is about one digit: errors of 1e-5 of the typical result with single precision have been seen, and
of 3e-14 with double. Cells that are not finite spoil all of their tile: then there is no result, and the caller computes it
otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from gramian.backends.local.images.compiled_loops import loop, text_of
from gramian.backends.local.threads import in_parallel
from gramian.ops.rules import Matrix
from gramian.ops.windows import Array, Windows
from gramian.runtime.parfor.libraries import one_thread_each

POINTS = (0.0, 0.625, -0.625, 1.5, -1.5)  # and infinity: these keep rounding errors small, as measured among fractions
ENDS = len(POINTS) + 1
LANES = 16  # images side by side, as in the loops
COLUMNS = 256  # of the small products, if their operands take no more than
CACHED = 1 << 22  # bytes
PARTS = 8  # of the work, each of which one core does
TRANSFORMED = 10  # products of numbers that the transformations of one value cost about as much as

Function = tuple[str, str]


@dataclass(frozen=True)
class Tiling:
    """How tiles of `step` x `step` results lie on images: `down` by `across` of them, `rows` by `columns` at a time."""

    windows: Windows
    step: int
    down: int
    across: int
    rows: int
    columns: int

    @property
    def taps(self) -> int:
        return ENDS + 1 - self.step

    def units(self) -> list[list[tuple[slice, int, int, int]]]:
        """The work in parts: some images, the first row of tiles, how many rows, and the first column."""
        images = self.windows.images
        units = [
            (slice(first, min(first + LANES, images)), row, min(self.rows, self.down - row), column)
            for first in range(0, images, LANES)
            for row in range(0, self.down, self.rows)
            for column in range(0, self.across, self.columns)
        ]
        step = -(-len(units) // PARTS)
        return [units[at : at + step] for at in range(0, len(units), step)]


def tiling(windows: Windows, dtype: np.dtype[Any]) -> Tiling | None:
    """How to cut images into tiles; None if the other way is not slower."""
    (size, other), stride = windows.size, windows.stride
    if size != other or not 2 <= size < ENDS or stride != (1, 1) or windows.images < LANES // 2:
        return None
    step = ENDS + 1 - size
    down, across = (-(-length // step) for length in windows.result)
    both = windows.channels + windows.filters
    products = windows.channels * windows.filters
    work = down * across * ENDS**2 * (products + TRANSFORMED * both) * -(-windows.images // LANES) * LANES
    if work >= products * size**2 * windows.result[0] * windows.result[1] * windows.images:
        return None
    wanted = max(4, min(COLUMNS, CACHED // (ENDS**2 * both * dtype.itemsize)) // LANES)  # tiles at a time
    columns = -(-across // -(-across // wanted))
    return Tiling(windows, step, down, across, min(down, max(1, wanted // columns)), columns)


@cache
def _values(length: int) -> Array:
    """The values of a polynomial at the points, as a matrix that its coefficients are multiplied by."""
    powers = np.vander(np.array(POINTS), length, increasing=True)
    return np.vstack([powers, np.eye(1, length, length - 1)])


@cache
def _scaled_values(length: int) -> Array:
    """The same, each divided by the product of the differences from the other points."""
    differences = [np.prod([x - y for y in POINTS if y != x]) for x in POINTS]
    scaled: Array = _values(length) / np.array([*differences, 1.0])[:, None]
    return scaled


@cache
def _spread() -> Array:
    """The coefficients of the polynomials that are zero at all points but one, and at all."""
    rows = [[*np.poly([y for y in POINTS if y != x])[::-1], 0.0] for x in POINTS]
    return np.array([*rows, np.poly(POINTS)[::-1]])


def functions(tiles: Tiling, dtype: np.dtype[Any], *, gradient: bool) -> tuple[Function, ...]:
    """The compiled functions that `convolved` or, with `gradient`, `filter_gradient` needs."""
    other = ("to_points", _result_sizes(tiles)) if gradient else ("from_points", _output_sizes(tiles))
    return text_of("to_points", dtype, _image_sizes(tiles)), text_of(other[0], dtype, other[1])


def _image_sizes(tiles: Tiling) -> tuple[int, ...]:
    return ENDS, tiles.step, tiles.columns, *tiles.windows.image


def _result_sizes(tiles: Tiling) -> tuple[int, ...]:
    return tiles.step, tiles.step, tiles.columns, *tiles.windows.result


def _output_sizes(tiles: Tiling) -> tuple[int, ...]:
    return tiles.step, ENDS, tiles.columns, *tiles.windows.result


class _Buffers:
    """The values of one unit after the other, in the same memory."""

    def __init__(self, channels: int, columns: int, dtype: np.dtype[Any]) -> None:
        self.memory = np.empty((ENDS**2 * channels, columns * LANES), dtype)
        self.channels = channels

    def of(self, tiles: int) -> Array:
        used = self.memory.reshape(-1)[: len(self.memory) * tiles * LANES]
        return used.reshape(ENDS**2, self.channels, tiles * LANES)


def _buffers(tiles: Tiling, dtype: np.dtype[Any]) -> Iterator[_Buffers]:
    for channels in (tiles.windows.channels, tiles.windows.filters):
        yield _Buffers(channels, tiles.rows * tiles.columns, dtype)


def _corner(tiles: Tiling, row: int, column: int) -> tuple[int, int]:
    """Where in its image a tile begins."""
    pad_h, pad_w = tiles.windows.padding
    return row * tiles.step - pad_h, column * tiles.step - pad_w


def _in_parts(work: Callable[[Any], Any], tiles: Tiling) -> list[Any]:
    with one_thread_each(()):
        return in_parallel(work, tiles.units())


def convolved(images: Array, filters: Matrix, tiles: Tiling) -> Array | None:
    """Each filter at every place of each image; None if some results are not finite."""
    windows, dtype = tiles.windows, images.dtype
    to_points = loop("to_points", dtype, _image_sizes(tiles))
    from_points = loop("from_points", dtype, _output_sizes(tiles))
    taps, spread, back = (
        _scaled_values(tiles.taps),
        _spread().astype(dtype),
        _values(tiles.step).T.astype(dtype, order="C"),
    )
    cells = filters.reshape(len(filters), windows.channels, tiles.taps, tiles.taps)
    small = taps @ cells @ taps.T  # filters x channels x ends x ends
    weights = np.ascontiguousarray(small.transpose(2, 3, 0, 1).reshape(ENDS**2, len(filters), -1), dtype)
    out = np.empty((windows.images, len(filters), *windows.result), dtype)

    def work(units: list[tuple[slice, int, int, int]]) -> bool:
        spoilt = np.zeros(1, dtype)
        before, after = _buffers(tiles, dtype)
        for some, row, down, column in units:
            values, found = before.of(down * tiles.columns), after.of(down * tiles.columns)
            to_points(images[some], values, spread, *_corner(tiles, row, column), down)
            np.matmul(weights, values, out=found)
            from_points(found, out[some], spoilt, back, row * tiles.step, column * tiles.step, down)
        return bool(spoilt[0] == 0)

    return out if all(_in_parts(work, tiles)) else None


def filter_gradient(images: Array, grown: Array, tiles: Tiling) -> Matrix | None:
    """The gradient by the filters, of the gradient by the results: tiles of results are filters of the images here.

    None: some cells are not finite.
    """
    windows, dtype = tiles.windows, images.dtype
    to_points = loop("to_points", dtype, _image_sizes(tiles))
    of_results = loop("to_points", dtype, _result_sizes(tiles))
    spread, scaled = _spread().astype(dtype), _scaled_values(tiles.step).astype(dtype)

    def work(units: list[tuple[slice, int, int, int]]) -> Array:
        before, after = _buffers(tiles, dtype)
        total = np.zeros((ENDS**2, windows.filters, windows.channels), dtype)
        part = np.empty_like(total)
        for some, row, down, column in units:
            values, gradients = before.of(down * tiles.columns), after.of(down * tiles.columns)
            to_points(images[some], values, spread, *_corner(tiles, row, column), down)
            of_results(grown[some], gradients, scaled, row * tiles.step, column * tiles.step, down)
            total += np.matmul(gradients, values.transpose(0, 2, 1), out=part)
        return total

    parts = _in_parts(work, tiles)
    whole = sum(parts[1:], parts[0]).reshape(ENDS**2, -1)
    back = _values(tiles.taps).T
    gradient: Matrix = (np.kron(back, back) @ whole).T.reshape(windows.filters, -1).astype(dtype)
    return gradient if np.isfinite(gradient).all() else None
