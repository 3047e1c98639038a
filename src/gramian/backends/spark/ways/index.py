"""Parts of distributed matrices, matrices with other parts, and matrices put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from gramian.backends.local.disk.index import flattened
from gramian.backends.local.disk.pipelines import NO, is_matrix
from gramian.backends.spark.blocks import Cut
from gramian.backends.spark.matrix import SparkMatrix, cut_of
from gramian.backends.spark.ways.making import Way, by_panels, by_rows, first_distributed, is_distributed, made, source
from gramian.backends.spark.ways.recipes import Columns, Pieces, Reshaped, Reversed, side_by_side
from gramian.ir.op import Op
from gramian.ops.index import bounds, store

if TYPE_CHECKING:
    from gramian.backends.spark import SparkBackend


def right_index(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    target, row, row_end, column, column_end = values
    if not isinstance(target, SparkMatrix):
        return NO  # of a transpose, it is the transpose of a part of the base
    rows, cols = bounds(target, 0, row, row_end), bounds(target, 1, column, column_end)
    count, wide = rows.stop - rows.start, cols.stop - cols.start
    if (count, wide) == target.shape:
        return target
    if backend.comes_back(target.stored_bytes(count, wide)):
        return target.fetched((rows.start, rows.stop), (cols.start, cols.stop))
    if count == target.shape[0]:
        return by_panels(backend, [target], wide, Columns(cols))
    cut, pieces = Cut(count, target.recipe.cut.step), ((target.recipe, rows.start, rows.stop),)
    return made(backend, target, Pieces(name(target), cut, wide, str(target.dtype), pieces, (cols.start, cols.stop)))


def name(target: SparkMatrix) -> str:
    return target.cluster.fresh()


def left_index(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    target, value, *place = values
    if not is_distributed(target):
        return NO
    changed = backend.writable(target)
    store(changed, value, *place)
    return changed


def operands(values: Iterable[Any], axis: int) -> Any:
    """The matrices to bind, by rows, without empty ones; NO if they do not fit, or are too large to go with a job."""
    found = list(flattened(values))
    if not all(map(is_matrix, found)) or len({v.shape[1 - axis] for v in found}) > 1:
        return NO  # the operator's own kernel has the words for it
    found = [by_rows(v) for v in found if v.shape[axis]]
    return NO if any(v is NO for v in found) or not any(isinstance(v, SparkMatrix) for v in found) else found


def bind_columns(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    found = operands(values, 1)
    if found is NO:
        return NO
    return by_panels(backend, found, sum(v.shape[1] for v in found), side_by_side)


def bind_rows(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    found = operands(values, 0)
    return NO if found is NO else stacked(backend, [(v, 0, v.shape[0]) for v in found])


def stacked(backend: SparkBackend, pieces: list[tuple[Any, int, int]]) -> Any:
    """Rows of matrices `by_rows` one below the other."""
    base = first_distributed([value for value, _, _ in pieces])
    cut = Cut(sum(last - first for _, first, last in pieces), base.recipe.cut.step)
    sources = tuple((source(value), first, last) for value, first, last in pieces)
    return made(backend, base, Pieces(name(base), cut, base.shape[1], str(backend.home.dtype), sources))


def reverse(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    base = by_rows(values[0]).recipe
    return made(backend, by_rows(values[0]), Reversed(backend.cluster.fresh(), base.cut, base.cols, base.dtype, base))


def roll(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    x, by = by_rows(values[0]), values[1]
    rows = x.shape[0]
    cut = rows - by % rows
    return x if cut == rows else stacked(backend, [(x, cut, rows), (x, 0, cut)])


def reshape(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    """The same cells by rows; by columns, the transpose of that of the transpose."""
    data, rows, cols, byrow = values
    if data.size != rows * cols:
        return NO
    if data.shape == (rows, cols) and byrow:
        return data
    if not byrow:
        return backend.home.run("matrix", data.T, cols, rows, True).T
    data = by_rows(data)
    cut = cut_of(rows, cols, data.dtype.itemsize, sparsity=data.sparsity)
    return made(backend, data, Reshaped(name(data), cut, cols, str(data.dtype), data.recipe))


WAYS: Mapping[str, Way] = {
    "rightIndex": right_index,
    "leftIndex": left_index,
    "cbind": bind_columns,
    "append": bind_columns,
    "rbind": bind_rows,
    "rev": reverse,
    "roll": roll,
    "matrix": reshape,
}
