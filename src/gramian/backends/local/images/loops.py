"""Loops over the cells under windows, for Numba: their text is compiled like that of pipelines.

Arrays are C-contiguous; images have four dimensions, as `gramian.ops.windows` tells. `down` and `across` count windows.
Each function stands for itself; of names from outside only `math` and `np` are there.
"""

# Numba infers the types.
# mypy: ignore-errors

import math

import numpy as np


def unfold(images, columns, size_h, size_w, stride_h, stride_w, pad_h, pad_w, channels, height, width, down, across):
    """The cells under each window as a column: `columns` is (channels * size_h * size_w, images, down, across).

    They come from a copy of the image with its padding, so that no loop has to look for the edges. With all sizes as
    constants the innermost loop becomes a few vector instructions.
    """
    padded = np.zeros((channels, height + 2 * pad_h, width + 2 * pad_w), images.dtype)
    for n in range(images.shape[0]):
        for c in range(channels):
            for h in range(height):
                for w in range(width):
                    padded[c, h + pad_h, w + pad_w] = images[n, c, h, w]
        for c in range(channels):
            for i in range(size_h):
                for j in range(size_w):
                    row = (c * size_h + i) * size_w + j
                    for y in range(down):
                        for x in range(across):
                            columns[row, n, y, x] = padded[c, y * stride_h + i, x * stride_w + j]


def fold(columns, images, size_h, size_w, stride_h, stride_w, pad_h, pad_w):
    """Add each column of cells to the cells under its window: the opposite of `unfold`."""
    count, channels, height, width = images.shape
    down, across = columns.shape[2], columns.shape[3]
    for c in range(channels):
        for i in range(size_h):
            for j in range(size_w):
                row = (c * size_h + i) * size_w + j
                first = min(across, max(0, -((j - pad_w) // stride_w)))
                last = max(first, min(across, (width - 1 - j + pad_w) // stride_w + 1))
                for n in range(count):
                    for y in range(down):
                        h = y * stride_h + i - pad_h
                        if 0 <= h < height:
                            for x in range(first, last):
                                images[n, c, h, x * stride_w + j - pad_w] += columns[row, n, y, x]


def to_points(images, points, matrix, side, step, across, height, width, first_row, first_column, down):
    """Tiles of images as values at points: matrix * tile * t(matrix), the first step of minimal filtering.

    Tiles are squares of `side` cells, `down` by `across` of them, each `step` cells from the next; the first begins at
    `first_row` and `first_column`, and cells outside of the image are zeros. `points` is (values of a tile, channels,
    tiles * 16): the same tile of up to 16 images comes side by side, so that every loop here is one over long vectors.
    In `cells` and `rows` columns of pixels come in the order of the remainder by `step`: what the tiles of a row have at
    the same place stands side by side.
    """
    count, channels, ends = images.shape[0], images.shape[1], matrix.shape[0]
    apart, run = across + (side - 1) // step, across * 16
    cells = np.zeros(((down - 1) * step + side, step * apart * 16), images.dtype)
    rows = np.empty((ends, step * apart * 16), images.dtype)
    first, last = max(0, -first_column), min((across - 1) * step + side, width - first_column)
    for c in range(channels):
        for i in range((down - 1) * step + side):
            if 0 <= first_row + i < height:
                for w in range(first, last):
                    at = (w % step * apart + w // step) * 16
                    for n in range(count):
                        cells[i, at + n] = images[n, c, first_row + i, first_column + w]
        for y in range(down):
            for p in range(ends):
                for k in range(step * apart * 16):
                    total = matrix[p, 0] * cells[y * step, k]
                    for i in range(1, side):
                        total += matrix[p, i] * cells[y * step + i, k]
                    rows[p, k] = total
            for p in range(ends):
                for q in range(ends):
                    for k in range(run):
                        total = matrix[q, 0] * rows[p, k]
                        for j in range(1, side):
                            total += matrix[q, j] * rows[p, (j % step * apart + j // step) * 16 + k]
                        points[p * ends + q, c, y * run + k] = total


def from_points(points, images, spoilt, matrix, side, ends, across, height, width, first_row, first_column, down):
    """The opposite of `to_points`, for tiles that do not overlap: matrix * values * t(matrix) gives the cells of a tile.

    `spoilt`, of one cell, becomes NaN if a cell is not finite.
    """
    count, channels = images.shape[0], images.shape[1]
    run = across * 16
    rows = np.empty((ends, side * run), images.dtype)
    cells, zeros = np.empty(side * run, images.dtype), np.zeros(side * run, images.dtype)
    last = min(across * side, width - first_column)
    for c in range(channels):
        for y in range(down):
            for p in range(ends):
                for i in range(side):
                    for k in range(run):
                        total = matrix[i, 0] * points[p * ends, c, y * run + k]
                        for q in range(1, ends):
                            total += matrix[i, q] * points[p * ends + q, c, y * run + k]
                        rows[p, i * run + k] = total
            for i in range(min(side, height - first_row - y * side)):
                for k in range(side * run):
                    total = matrix[i, 0] * rows[0, k]
                    for p in range(1, ends):
                        total += matrix[i, p] * rows[p, k]
                    cells[k] = total
                    zeros[k] += total * 0
                for n in range(count):
                    for w in range(last):
                        images[n, c, first_row + y * side + i, first_column + w] = cells[
                            w % side * run + w // side * 16 + n
                        ]
    spoilt[0] += np.sum(zeros)


def max_pool(images, out, size_h, size_w, stride_h, stride_w, pad_h, pad_w):
    """The largest cell under each window, NaN if there is one; -Infinity where there is only padding."""
    count, channels, height, width = images.shape
    down, across = out.shape[2], out.shape[3]
    for n in range(count):
        for c in range(channels):
            for y in range(down):
                top = y * stride_h - pad_h
                if pad_h == 0 and pad_w == 0:
                    # All windows are inside: without bounds and branches, so that the compiler takes several at once.
                    for x in range(across):
                        largest = images[n, c, top, x * stride_w]
                        for i in range(size_h):
                            for j in range(size_w):
                                cell = images[n, c, top + i, x * stride_w + j]
                                largest = cell if (cell > largest) | (cell != cell) else largest
                        out[n, c, y, x] = largest
                else:
                    for x in range(across):
                        left = x * stride_w - pad_w
                        largest = images.dtype.type(-math.inf)
                        for h in range(max(top, 0), min(top + size_h, height)):
                            for w in range(max(left, 0), min(left + size_w, width)):
                                cell = images[n, c, h, w]
                                largest = cell if (cell > largest) | (cell != cell) else largest
                        out[n, c, y, x] = largest


def max_pool_backward(images, dout, dx, size_h, size_w, stride_h, stride_w, pad_h, pad_w):
    """Add the gradient of each window to the first of its largest cells, row by row, the first NaN if there is one."""
    count, channels, height, width = images.shape
    down, across = dout.shape[2], dout.shape[3]
    nothing = images.dtype.type(0)
    for n in range(count):
        for c in range(channels):
            for y in range(down):
                top = y * stride_h - pad_h
                if pad_h == 0 and pad_w == 0:
                    for x in range(across):
                        # What is left of the gradient is a number, not a flag: all is of one type, for vectors.
                        largest, left = images[n, c, top, x * stride_w], dout[n, c, y, x]
                        for i in range(size_h):
                            for j in range(size_w):
                                cell = images[n, c, top + i, x * stride_w + j]
                                largest = cell if (cell > largest) | (cell != cell) else largest
                        for i in range(size_h):
                            for j in range(size_w):
                                cell = images[n, c, top + i, x * stride_w + j]
                                given = left if (cell == largest) | (cell != cell) else nothing
                                left = nothing if (cell == largest) | (cell != cell) else left
                                dx[n, c, top + i, x * stride_w + j] += given
                else:
                    for x in range(across):
                        left = x * stride_w - pad_w
                        largest = images.dtype.type(-math.inf)
                        place_h, place_w = -1, -1
                        for h in range(max(top, 0), min(top + size_h, height)):
                            for w in range(max(left, 0), min(left + size_w, width)):
                                cell = images[n, c, h, w]
                                if place_h < 0 or cell > largest or (cell != cell and largest == largest):
                                    largest, place_h, place_w = cell, h, w
                        if place_h >= 0:
                            dx[n, c, place_h, place_w] += dout[n, c, y, x]


def avg_pool(images, out, size_h, size_w, stride_h, stride_w, pad_h, pad_w):
    """The mean under each window; padding counts as zeros."""
    count, channels, height, width = images.shape
    down, across = out.shape[2], out.shape[3]
    for n in range(count):
        for c in range(channels):
            for y in range(down):
                top, left = y * stride_h - pad_h, -pad_w
                for x in range(across):
                    total = images.dtype.type(0)
                    for h in range(max(top, 0), min(top + size_h, height)):
                        for w in range(max(left, 0), min(left + size_w, width)):
                            total += images[n, c, h, w]
                    out[n, c, y, x] = total / (size_h * size_w)
                    left += stride_w


def avg_pool_backward(dout, dx, size_h, size_w, stride_h, stride_w, pad_h, pad_w):
    """Spread the gradient of each window evenly; what falls on padding is lost."""
    count, channels, height, width = dx.shape
    down, across = dout.shape[2], dout.shape[3]
    for n in range(count):
        for c in range(channels):
            for y in range(down):
                top, left = y * stride_h - pad_h, -pad_w
                for x in range(across):
                    share = dout[n, c, y, x] / (size_h * size_w)
                    for h in range(max(top, 0), min(top + size_h, height)):
                        for w in range(max(left, 0), min(left + size_w, width)):
                            dx[n, c, h, w] += share
                    left += stride_w
