"""Statistics of distributed matrices that are no pipelines: what the panels come to, put together on the driver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gramian.backends.local.disk.pipelines import NO, is_matrix
from gramian.backends.spark.blocks import Array
from gramian.backends.spark.cells import dense
from gramian.backends.spark.matrix import SparkMatrix, dense_cut
from gramian.backends.spark.ways.making import Way, by_rows, is_distributed, made, parts
from gramian.backends.spark.ways.recipes import Kernel, Panels
from gramian.backends.spark.ways.tables import aligned
from gramian.backends.spark.work import RowNumbers
from gramian.ir.disk import DiskTranspose
from gramian.ir.op import Op
from gramian.ir.sparse import is_sparse
from gramian.ops.statistics import check_moment_order, power, sample_ratio

if TYPE_CHECKING:
    from gramian.backends.spark import SparkBackend


# -- columns -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Moments:
    """Of two columns, or of one twice: the sums of weights and of both, or with `means` that of the products of powers."""

    weighted: bool
    means: tuple[float, ...] | None = None
    order: int | None = None

    def __call__(self, *columns: Array) -> tuple[float, ...]:
        wide = [np.asarray(dense(column), np.float64) for column in columns]
        w = wide.pop() if self.weighted else np.ones_like(wide[0])
        if self.means is None:
            return (float(np.sum(w)), *(float(np.sum(w * x)) for x in wide))
        apart = [x - mean for x, mean in zip(wide, self.means, strict=True)]
        if self.order is not None:
            return (float(np.sum(w * power(apart[0], self.order))),)
        return (float(np.sum(w * apart[0] * apart[-1])),)


def summed(columns: Any, step: Moments) -> list[float]:
    return [float(total) for total in np.sum(np.array(parts(columns, step)), axis=0)]


def columns_of(*values: Any) -> Any:
    """Columns of equal length, one of them distributed; else NO."""
    given = [value for value in values if value is not None]
    if not all(is_matrix(v) and v.shape[1] == 1 for v in given):
        return NO
    return aligned(given)


def moment(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    x, w, k = values
    if k is None:
        w, k = None, w
    columns = columns_of(x, w)
    if columns is NO or k is None or is_matrix(k):
        return NO
    check_moment_order("moment()", "k", k)
    with np.errstate(all="ignore"):
        count, total = summed(columns, Moments(w is not None))
        means = (float(np.divide(total, count)),)
        return float(np.divide(summed(columns, Moments(w is not None, means, int(k)))[0], count))


def covariance(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    columns = columns_of(*values)
    if columns is NO:
        return NO
    weighted = values[2] is not None
    with np.errstate(all="ignore"):
        count, *totals = summed(columns, Moments(weighted))
        means = tuple(float(np.divide(total, count)) for total in totals)
        (products,) = summed(columns, Moments(weighted, means))
        return float(sample_ratio(products, count)) if weighted else products / max(count - 1, 1)


def mean(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    if len(values) < 2 or values[1] is None:
        return NO  # a pipeline adds them up
    columns = columns_of(*values)
    if columns is NO:
        return NO
    with np.errstate(all="ignore"):
        count, total = summed(columns, Moments(True))
        return float(np.divide(total, count))


def prod(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    """Of the parts first, then of what these give."""
    x = values[0]
    if 0 in x.shape or not isinstance(x, SparkMatrix):
        return NO
    found = parts([x], Kernel(op.name, (None,), (0,), None, backend.precision))
    if isinstance(found[0], float):
        return op.kernel(np.array([found]))
    return np.asarray(op.kernel(np.concatenate(found)), backend.home.dtype)


# -- cells -------------------------------------------------------------------------------------------------------------


def contains(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    target, pattern = values
    if not isinstance(target, SparkMatrix) or is_distributed(pattern) or 0 in target.shape:
        return NO
    return any(parts([target], Kernel(op.name, (None, pattern), (0,), None, backend.precision)))


def distinct(panel: Array) -> Array:
    if not is_sparse(panel):
        return np.unique(panel)
    return np.unique(np.append(panel.data, np.zeros(int(panel.nnz < panel.shape[0] * panel.shape[1]))))


def unique(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    """Of all cells: the different ones of each panel come to the driver."""
    x = values[0]
    if not is_distributed(x) or values[-1] != "rc":
        return NO
    base = x.T if type(x) is DiskTranspose else x
    return backend.home.run(op.name, np.concatenate(parts([base], distinct)).reshape(-1, 1), *values[1:])


# -- places ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Triangle:
    lower: bool
    diag: bool
    values: bool

    def __call__(self, panel: Array, numbers: Array) -> Array:
        first = int(numbers[0, 0])
        offset = first - (not self.diag) if self.lower else first + (not self.diag)
        if is_sparse(panel) and self.values:
            import scipy.sparse

            return (scipy.sparse.tril if self.lower else scipy.sparse.triu)(panel, offset, format="csr")
        cells = panel if self.values else np.ones(panel.shape, panel.dtype)
        return (np.tril if self.lower else np.triu)(cells, offset)


def triangle(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    x = by_rows(values[0])
    recipe, function = x.recipe, Triangle(op.name == "lower.tri", *values[1:])
    name, sources = x.cluster.fresh(), (recipe, RowNumbers())
    cut = recipe.cut if function.values else dense_cut([x])
    return made(backend, x, Panels(name, cut, recipe.cols, recipe.dtype, function, sources))


def diagonal_of(panel: Array, numbers: Array) -> Array:
    if is_sparse(panel):
        return panel.diagonal(int(numbers[0, 0])).reshape(-1, 1)
    return np.take_along_axis(panel, numbers, axis=1)


def diagonal(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    """Of a square matrix; a column becomes a sparse matrix on the driver."""
    x = values[0]
    if x.shape[0] != x.shape[1] or x.shape[1] == 1:
        return NO
    x = x.T if type(x) is DiskTranspose else x
    name, sources = x.cluster.fresh(), (x.recipe, RowNumbers())
    return made(backend, x, Panels(name, x.recipe.cut, 1, x.recipe.dtype, diagonal_of, sources))


def trace(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    if values[0].shape[0] != values[0].shape[1]:
        return NO
    return backend.home.run("sum", backend.home.run("diag", values[0]))


# -- derivatives -------------------------------------------------------------------------------------------------------


def part(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    x, like, row, column = values
    rows, cols = like.shape
    if not is_distributed(x) or not rows or not cols:
        return NO
    return backend.home.run("rightIndex", x, row, row + rows - 1, column, column + cols - 1)


def sum_to(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    x, like = values
    if not is_distributed(x) or 0 in x.shape or like.shape not in ((1, 1), (1, x.shape[1]), (x.shape[0], 1)):
        return x if is_distributed(x) and like.shape == x.shape else NO
    if like.shape == x.shape:
        return x
    if like.shape == (1, 1):
        return np.array([[backend.home.run("sum", x)]], backend.home.dtype)
    return backend.home.run("colSums" if like.shape[0] == 1 else "rowSums", x)


WAYS: Mapping[str, Way] = {
    "moment": moment,
    "cov": covariance,
    "mean": mean,
    "prod": prod,
    "colProds": prod,
    "contains": contains,
    "lower.tri": triangle,
    "upper.tri": triangle,
    "diag": diagonal,
    "trace": trace,
    "part": part,
    "sumTo": sum_to,
}
