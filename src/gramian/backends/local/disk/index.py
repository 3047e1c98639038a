"""Parts of matrices on disk, matrices with new parts, and matrices put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from gramian.backends.local.disk.home import Home, parts_of
from gramian.backends.local.disk.pipelines import NO, is_matrix
from gramian.ir.disk import DiskTranspose, is_on_disk, panel_of, put
from gramian.ir.op import Op
from gramian.ir.sparse import LARGEST_ZERO, is_sparse, zeros
from gramian.ir.values import ListValue
from gramian.ops.index import bounds, store


def right_index(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    """Rows are a view, unless there is room for them in memory; of columns there is a copy."""
    target, row, row_end, column, column_end = values
    if not is_on_disk(target):
        return NO
    rows, cols = bounds(target, 0, row, row_end), bounds(target, 1, column, column_end)
    if type(target) is DiskTranspose:
        return home.run("rightIndex", target.T, column, column_end, row, row_end).T
    count, wide = rows.stop - rows.start, cols.stop - cols.start
    part = target.rows(rows.start, rows.stop)
    if wide == target.shape[1] and not home.keeps((count, wide)):
        return part
    return home.by_panels(count, wide, lambda a, b: part.panel(a, b)[:, cols], widest=target.shape[1])


def left_index(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    target, value, *region = values
    if not is_matrix(target):
        return NO
    changed = copied(home, target)
    store(changed, value, *region)
    return changed


def copied(home: Home, matrix: Any) -> Any:
    """A copy of a matrix to write into, in memory if there is room for it."""
    matrix = home.dense(matrix)
    rows, cols = matrix.shape
    return home.by_panels(rows, cols, lambda first, last: panel_of(matrix, first, last))


def transpose(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    return values[0].T


def same(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    """What gives its argument as it is, as.matrix() also that of a list."""
    if isinstance(values[0], ListValue) and len(values[0]) == 1:
        values = (values[0].items[0], *values[1:])
    return values[0] if is_on_disk(values[0]) and all(v is None for v in values[1:]) else NO


def bind_columns(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    parts = matrices(home, op, values)
    if parts is NO or 0 in (parts[0].shape[0], sum(p.shape[1] for p in parts)):
        return NO
    rows, cols = parts[0].shape[0], sum(p.shape[1] for p in parts)
    return home.by_panels(rows, cols, lambda a, b: np.concatenate([panel_of(p, a, b) for p in parts], axis=1))


def bind_rows(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    parts = matrices(home, op, values)
    if parts is NO:
        return NO
    found = home.place(sum(p.shape[0] for p in parts), parts[0].shape[1])
    start = 0
    for part in parts:
        for first, last in parts_of(*part.shape):
            put(found, start + first, panel_of(part, first, last))
        start += part.shape[0]
    return found


def matrices(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    """The matrices to bind, whose sizes fit; NO for frames."""
    values = tuple(flattened(values))
    if not values or not all(map(is_matrix, values)):
        return NO
    axis = 0 if op.name == "rbind" else 1
    if len({v.shape[1 - axis] for v in values}) > 1:
        return NO  # the operator's own kernel has the words for it
    return [home.dense(v) for v in values]


def flattened(values: Iterable[Any]) -> Iterator[Any]:
    """The values with lists replaced by what is in them."""
    for value in values:
        if isinstance(value, ListValue):
            yield from flattened(value.items)
        else:
            yield value


def reshape(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    """The same cells by rows are a view; by columns, the transpose of one of the transpose."""
    data, rows, cols, byrow = values
    if isinstance(data, int | float) and not isinstance(data, bool):
        if data == 0 and rows * cols >= LARGEST_ZERO:
            return zeros(rows, cols, home.dtype)
        return home.by_panels(rows, cols, lambda a, b: np.full((b - a, cols), float(data), home.dtype))
    if not is_matrix(data) or is_sparse(data) or data.size != rows * cols:
        return NO
    if not byrow:
        turned = home.run("matrix", home.run("t", data), cols, rows, True)
        return home.run("t", turned)
    if type(data) is DiskTranspose:
        data = data.written
    if is_on_disk(data):
        return data.reshaped(rows, cols)
    return NO


def reverse(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    x = values[0]
    rows = x.shape[0]
    return home.by_panels(rows, x.shape[1], lambda a, b: panel_of(x, rows - b, rows - a)[::-1])


def roll(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    x, by = values
    rows = x.shape[0]
    if not is_on_disk(x) or rows == 0 or by % rows == 0:
        return x if is_on_disk(x) else NO
    x = x.written if type(x) is DiskTranspose else x
    cut = rows - by % rows
    return home.run("rbind", x.rows(cut, rows), x.rows(0, cut))


WAYS: Mapping[str, Callable[[Home, Op, tuple[Any, ...]], Any]] = {
    "rightIndex": right_index,
    "leftIndex": left_index,
    "t": transpose,
    "as.matrix": same,
    "compress": same,
    "decompress": same,
    "cbind": bind_columns,
    "append": bind_columns,
    "rbind": bind_rows,
    "matrix": reshape,
    "rev": reverse,
    "roll": roll,
}
