"""Operators that look at each row for itself, or go through the rows in their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from gramian.backends.local.disk.home import in_memory
from gramian.backends.local.disk.pipelines import NO, is_matrix, over_panels
from gramian.backends.local.disk.rows import filled
from gramian.backends.spark.blocks import Array, Cut
from gramian.backends.spark.cells import stacked
from gramian.backends.spark.cluster import LARGEST_GIVEN
from gramian.backends.spark.matrix import SparkMatrix, dense_cut
from gramian.backends.spark.ways.making import (
    Way,
    by_panels,
    by_rows,
    is_distributed,
    made,
    parts,
    source,
)
from gramian.backends.spark.ways.recipes import (
    Columns,
    Gathered,
    Kept,
    Kernel,
    Running,
    SumProduct,
    Total,
    sum_product_step,
)
from gramian.io.rows import nonzeros
from gramian.ir.cores import limited
from gramian.ir.node import Node, build
from gramian.ir.op import Op
from gramian.ir.sparse import densify
from gramian.ir.values import ListValue
from gramian.ops.reorg import row_order, sort_columns

if TYPE_CHECKING:
    from gramian.backends.spark import SparkBackend


@dataclass(frozen=True)
class EachRow:
    """An operator whose result has a row for each row of the operands at `places`, made of these rows alone.

    The list of sizes at `images` says in its first entry how many rows there are.
    """

    places: tuple[int, ...] = (0,)
    images: int | None = None

    def __call__(self, backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
        rows = values[self.places[0]].shape[0]
        if rows == 0 or any(values[at].shape[0] != rows for at in self.places) or not self.says(values, rows):
            return NO  # the operator's own kernel has the words for it
        panels = [by_rows(values[at]) for at in self.places]
        if any(panel is NO for panel in panels) or not any(isinstance(panel, SparkMatrix) for panel in panels):
            return NO
        rest = [None if at in self.places else value for at, value in enumerate(values)]
        rest = [densify(value) if is_matrix(value) else value for value in backend.home.loaded(rest, op.name)]
        if sum(value.nbytes for value in rest if isinstance(value, np.ndarray)) > LARGEST_GIVEN:
            return NO
        kernel = Kernel(op.name, tuple(rest), self.places, self.images, backend.precision)
        cols = kernel(*(np.zeros((1, panel.shape[1]), backend.home.dtype) for panel in panels)).shape[1]
        is_wider = cols > max(panel.shape[1] for panel in panels)
        return by_panels(backend, panels, cols, kernel, cut=dense_cut(panels, cols) if is_wider else None)

    def says(self, values: tuple[Any, ...], rows: int) -> bool:
        """Does the list of sizes, if there is one, say the number of rows?"""
        if self.images is None:
            return True
        sizes = values[self.images]
        return isinstance(sizes, ListValue) and len(sizes) > 0 and sizes.items[0] == rows


def filter_gradient(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    """conv2d_backward_filter() is a sum over the images."""
    x, dout, sizes = values[:3]
    each = EachRow((0, 1), 2)
    if x.shape[0] != dout.shape[0] or x.shape[0] == 0 or not each.says(values, x.shape[0]):
        return NO
    panels = by_rows(x), by_rows(dout)
    if any(panel is NO for panel in panels):
        return NO
    kernel = Kernel(op.name, (None, None, sizes, *values[3:]), (0, 1), 2, backend.precision)
    found = parts(panels, kernel)
    return np.asarray(np.sum(np.stack(found), axis=0), backend.home.dtype)


def normalised(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    """batch_norm2d(): with the statistics that it is given, or in two more passes with those of the images."""
    x, gamma, beta, run_mean, run_var, mode, eps, mu = values[:1] + tuple(densify(in_memory(v)) for v in values[1:])
    if not is_distributed(x) or 0 in x.shape:
        return NO
    given = (gamma, beta, run_mean, run_var)
    with limited(1):
        op.kernel(np.zeros((1, x.shape[1])), *given, mode, eps, mu)  # for what it refuses
    if mode == "train":
        mean, var = channel_statistics(backend, x, len(gamma))
        run_mean, run_var = mu * run_mean + (1 - mu) * mean, mu * run_var + (1 - mu) * var
    else:
        mean, var = run_mean.copy(), run_var
        run_mean, run_var = run_mean.copy(), run_var.copy()
    found = EachRow()(backend, op, (x, gamma, beta, mean, var, "test", eps, mu))
    return NO if found is NO else (found, run_mean, run_var, mean, 1 / np.sqrt(var + eps))


def channel_statistics(backend: SparkBackend, x: Any, channels: int) -> tuple[Array, Array]:
    """Mean and variance, with the number of cells as divisor, of each channel."""
    cells = x.shape[1] // channels
    count = x.shape[0] * cells

    def by_channel(columns: Array) -> Array:
        whole: Array = columns.reshape(channels, cells).sum(axis=1, keepdims=True) / count
        return whole

    mean = by_channel(backend.home.run("colSums", x))
    row = np.repeat(mean, cells).reshape(1, -1)

    def squares(x: Node, row: Node) -> list[Node]:
        apart = build("-", (x, row))
        return [build("colSums", (build("*", (apart, apart)),))]

    return mean, by_channel(over_panels(backend.home, [by_rows(x), row], squares))


def distinct(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    """Of each row; of all cells, the different ones of each panel come to the driver."""
    dir = values[-1]
    if dir == "r":
        return EachRow()(backend, op, values)
    return len(backend.home.run("unique", values[0], "rc")) if dir == "rc" else NO


def in_family(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    """An operator of cells of one matrix that may refuse some of them."""
    others = [v for v in values[1:] if is_matrix(v)]
    return EachRow()(backend, op, values) if is_distributed(values[0]) and not others else NO


# -- in their order ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cumulative:
    """In two jobs: what each panel comes to, then each goes on from what came before it."""

    combine: np.ufunc

    def __call__(self, backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
        x = by_rows(values[0])
        if 0 in x.shape:
            return NO
        cut = dense_cut([x])
        before = self.combine.accumulate(np.concatenate(parts([x], Total(self.combine), cut)), axis=0)[:-1]
        name, dtype = x.cluster.fresh(), str(backend.home.dtype)
        return made(backend, x, Running(name, cut, x.shape[1], dtype, self.combine, x.recipe, before))


def sum_product(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    x = by_rows(values[0])
    if x.shape[0] == 0 or x.shape[1] != 2:
        return NO
    cut = dense_cut([x])
    (start, _), *steps = parts([x], sum_product_step, cut)
    ends = accumulate(steps, lambda before, step: step[0] + step[1] * before, initial=start)
    name, dtype = x.cluster.fresh(), str(backend.home.dtype)
    return made(backend, x, SumProduct(name, cut, 1, dtype, x.recipe, tuple(ends)[:-1]))


# -- some of them, or in another order ---------------------------------------------------------------------------------


def remove_empty(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    target, margin, select, empty_return = values
    if margin not in ("rows", "cols") or not is_distributed(target) or 0 in target.shape:
        return NO
    target = by_rows(target)
    if select is None:
        select = over_panels(backend.home, [target], filled("rowSums" if margin == "rows" else "colSums"))
    count = target.shape[margin == "cols"]
    if select.shape[0] * select.shape[1] != count or 1 not in select.shape:
        return NO
    if margin == "cols":
        return kept_columns(backend, target, densify(in_memory(select)).ravel() != 0, empty_return)
    marks = select if select.shape[1] == 1 else select.T
    marks = by_rows(marks)
    return NO if marks is NO else kept_rows(backend, target, marks, empty_return)


def kept_columns(backend: SparkBackend, target: SparkMatrix, keep: Array, empty_return: bool) -> Any:
    if not keep.any():
        return np.zeros((target.shape[0], int(empty_return)), backend.home.dtype)
    return by_panels(backend, [target], int(keep.sum()), Columns(keep))


def marked(target: Array, marks: Array) -> int:
    return nonzeros(marks)


def kept_rows(backend: SparkBackend, target: SparkMatrix, marks: Any, empty_return: bool) -> Any:
    if not isinstance(marks, SparkMatrix):
        marks = densify(marks) != 0  # a byte each
    ends = tuple(accumulate(parts([target, marks], marked, target.recipe.cut)))
    cols = target.shape[1]
    if not ends[-1]:
        return np.zeros((int(empty_return), cols), backend.home.dtype)
    cut = Cut(ends[-1], target.recipe.cut.step)
    name, dtype = target.cluster.fresh(), str(target.dtype)
    return made(backend, target, Kept(name, cut, cols, dtype, target.recipe, source(marks), ends))


def order(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    """The columns to sort by come to the driver, which finds the order. The rows are then read from everywhere."""
    target, by, decreasing, index_return = values
    if not is_distributed(target) or target.shape[0] == 0:
        return NO
    target = by_rows(target)
    columns = sort_columns(densify(in_memory(by)) if is_matrix(by) else by, target.shape[1])
    rows = target.shape[0]
    backend.home.require(rows * (len(columns) + 1) * 8, "the columns that order() sorts by")
    keys = densify(stacked(parts([target], Columns(columns))))
    found = row_order(keys, decreasing)
    if index_return:
        return (found + 1).astype(backend.home.dtype)[:, None]
    numbers = found.astype(np.int32 if rows < 1 << 31 else np.int64)
    name, dtype = target.cluster.fresh(), str(target.dtype)
    return made(backend, target, Gathered(name, target.recipe.cut, target.shape[1], dtype, target.recipe, numbers))


WAYS: Mapping[str, Way] = {
    "bias_add": EachRow(),
    "bias_multiply": EachRow(),
    "rowcumsum": EachRow(),
    "outer": EachRow(),
    "rowCountDistinct": EachRow(),
    "rowCountDistinctApprox": EachRow(),
    "conv2d": EachRow((0,), 2),
    "conv2d_backward_data": EachRow((1,), 2),
    "conv2d_backward_filter": filter_gradient,
    "max_pool": EachRow((0,), 1),
    "avg_pool": EachRow((0,), 1),
    "max_pool_backward": EachRow((0, 1), 2),
    "avg_pool_backward": EachRow((0, 1), 2),
    "batch_norm2d": normalised,
    "cumsum": Cumulative(np.add),
    "cumprod": Cumulative(np.multiply),
    "cummin": Cumulative(np.minimum),
    "cummax": Cumulative(np.maximum),
    "cumsumprod": sum_product,
    "removeEmpty": remove_empty,
    "order": order,
}
