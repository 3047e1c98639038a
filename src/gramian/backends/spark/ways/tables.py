"""Tables and aggregates of groups of distributed columns: those of each panel, put together on the driver.

What a kernel refuses is left to the local way, which knows in which row of the whole column it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gramian.backends.local.disk.pipelines import NO, is_matrix
from gramian.backends.spark.blocks import Array
from gramian.backends.spark.cells import dense
from gramian.backends.spark.cluster import SMALL
from gramian.backends.spark.matrix import SparkMatrix
from gramian.backends.spark.ways.making import Way, by_rows, parts
from gramian.errors import OperationError
from gramian.ir.op import Op
from gramian.ir.sparse import is_sparse, settle
from gramian.ops.statistics import power
from gramian.ops.table import GROUP_FUNCTIONS, check_positive, grouped, table

if TYPE_CHECKING:
    from gramian.backends.spark import SparkBackend


@dataclass(frozen=True)
class PartOfTable:
    """The table of some rows; `values` has None where their matrices go."""

    values: tuple[Any, ...]
    places: tuple[int, ...]

    def __call__(self, *panels: Array) -> Any:
        from scipy.sparse import csr_array

        values = list(self.values)
        for place, panel in zip(self.places, panels, strict=True):
            values[place] = np.asarray(dense(panel), np.float64)
        found = table(*values)
        return csr_array(found) if not is_sparse(found) and found.nbytes > SMALL >> 5 else found


def contingency(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    places = tuple(at for at, value in enumerate(values[:3]) if is_matrix(value))
    panels = aligned([values[at] for at in places])
    if panels is NO or any(is_matrix(v) for v in values[3:]):
        return NO
    rest = tuple(None if at in places else value for at, value in enumerate(values))
    try:
        found = parts(panels, PartOfTable(rest, places))
    except OperationError:
        return NO
    return added(found, backend)


def added(tables: Sequence[Any], backend: SparkBackend) -> Any:
    """The sum of tables that may have different sizes."""
    from scipy.sparse import csr_array

    rows, cols = (max(found.shape[axis] for found in tables) for axis in (0, 1))
    total = csr_array((rows, cols))
    dense = None
    for found in tables:
        if is_sparse(found):
            grown = csr_array(found)
            grown.resize((rows, cols))
            total = total + grown
        else:
            dense = np.zeros((rows, cols)) if dense is None else dense
            dense[: found.shape[0], : found.shape[1]] += found
    whole = total if dense is None else dense + total.toarray()
    if is_sparse(whole):
        whole = settle(whole)
    return whole.astype(backend.home.dtype, copy=False)


def aligned(values: Sequence[Any]) -> Any:
    """Matrices of equally many rows, at least one of them distributed, by rows; else NO."""
    if len({v.shape[0] for v in values}) > 1 or values[0].shape[0] == 0:
        return NO
    found = [by_rows(v) for v in values]
    return NO if any(v is NO for v in found) or not any(isinstance(v, SparkMatrix) for v in found) else found


# -- aggregate() -------------------------------------------------------------------------------------------------------


def group_range(groups: Array) -> tuple[float, float]:
    groups = dense(groups)
    check_positive("aggregate()", "groups", groups)
    return float(np.max(groups)), float(np.isnan(groups).any())


def in_double(target: Array, groups: Array, weight: Array = None) -> list[Array]:
    return [None if cells is None else np.asarray(dense(cells), np.float64) for cells in (target, groups, weight)]


@dataclass(frozen=True)
class PartOfGroups:
    """The weights of the groups in some rows, and an aggregate of these."""

    fn: str
    count: int
    weighted: bool

    def __call__(self, target: Array, groups: Array, *weights: Array) -> tuple[Array, Array]:
        target, groups, weight = in_double(target, groups, *weights)
        counts = grouped(groups, groups, "count", weight, None, self.count)
        return counts, grouped(target, groups, self.fn, weight if self.weighted else None, None, self.count)


@dataclass(frozen=True)
class PartOfMoments:
    """The sums of powers of the deviations from the means of the groups."""

    means: Array
    order: int

    def __call__(self, target: Array, groups: Array, *weights: Array) -> Array:
        count = len(self.means)
        target, groups, weight = in_double(target, groups, *weights)
        inside = np.minimum(groups[:, 0], count).astype(np.int64) - 1  # those beyond are not counted
        apart = power(target - self.means[inside], self.order)
        return grouped(apart, groups, "sum", weight, None, count)


def of_groups(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    target, groups, fn, weights, degree, ngroups = values
    panels = aligned([target, groups, *([] if weights is None else [weights])])
    wide = target.shape[1] != 1 and (weights is not None or ngroups is None)
    if panels is NO or fn not in GROUP_FUNCTIONS or wide or (degree is not None) is not (fn == "centralmoment"):
        return NO
    if groups.shape[1] != 1 or (weights is not None and (weights.shape[1] != 1 or fn in ("min", "max"))):
        return NO
    try:
        whole = not isinstance(panels[1], SparkMatrix)
        ranges = [group_range(panels[1])] if whole else parts([panels[1]], group_range)
        largest = max(r for r, _ in ranges)
        if any(nan for _, nan in ranges) or not math.isfinite(largest) or largest > 1 << 24:
            return NO
        count = int(largest) if ngroups is None else ngroups
        order = 2 if degree is None else int(float(degree))
        return np.asarray(aggregated(panels, fn, count, order), backend.home.dtype) if count > 0 else NO
    except OperationError:
        return NO


def aggregated(panels: Sequence[Any], fn: str, count: int, order: int) -> Array:
    inner = fn if fn in ("min", "max") else "sum"
    weights, found = zip(*parts(panels, PartOfGroups(inner, count, inner == "sum")), strict=True)
    weight = np.sum(np.stack(weights), axis=0)
    if fn in ("min", "max"):
        return extremes(fn, np.stack(weights), np.stack(found))
    sums = np.sum(np.stack(found), axis=0)
    if fn == "sum":
        return sums
    if fn == "count":
        return np.repeat(weight, sums.shape[1], axis=1)
    with np.errstate(all="ignore"):
        means = np.divide(sums, weight)
        if fn == "mean":
            return np.where(weight == 0, 0.0, means)
        moments = np.sum(np.stack(parts(panels, PartOfMoments(means, order))), axis=0)
        if fn == "variance":
            ratio = np.where(moments == 0, 0.0, np.divide(moments, weight - 1.0))
            return np.where(weight == 0, 0.0, ratio)
        return np.divide(moments, weight)


def extremes(fn: str, weights: Array, found: Array) -> Array:
    """Of the panels in which a group has rows; zero for one that has none."""
    none = np.inf if fn == "min" else -np.inf
    whole = getattr(np, fn)(np.where(weights == 0, none, found), axis=0)
    return np.where(np.sum(weights, axis=0) == 0, 0.0, whole)


WAYS: Mapping[str, Way] = {"table": contingency, "aggregate": of_groups}
