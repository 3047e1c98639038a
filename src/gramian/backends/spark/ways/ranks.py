"""Elements of sorted columns, and the different values of columns, without the columns on the driver.

Elements by their ranks take two jobs. In the first, each panel sorts its values and tells some of them, with the weight of
those up to and below them. They say between which two values an element must be. In the second, the panels tell all
different values there. Both answers are small, however the values lie: of values that are often there, one is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gramian.backends.local.disk.home import in_memory
from gramian.backends.local.disk.pipelines import NO, is_matrix
from gramian.backends.spark.blocks import Array
from gramian.backends.spark.cells import dense
from gramian.backends.spark.ways import rows, statistics
from gramian.backends.spark.ways.making import Way, by_rows, is_distributed, parts
from gramian.backends.spark.ways.statistics import columns_of, distinct
from gramian.ir.op import Op
from gramian.ir.sparse import densify, is_sparse
from gramian.ops.statistics import check_probabilities, middle_of, ranks_of, sorted_values

if TYPE_CHECKING:
    from gramian.backends.spark import SparkBackend

SAMPLES = 2048  # values that a panel tells, at least, if it has more
Over = Callable[
    [Callable[..., Any]], list[Any]
]  # what a function of some values, and perhaps weights, gives for each panel


@dataclass(frozen=True)
class Weighed:
    """Different values in ascending order, the weight of those up to and of those below each, and that of all."""

    values: Array
    upto: Array
    below: Array
    total: float
    has_nan: bool

    @classmethod
    def of(cls, what: str, x: Array, w: Array | None) -> Weighed:
        values, upto = sorted_values(what, dense(x), None if w is None else dense(w))
        has_nan = bool(values.size and np.isnan(values[-1]))
        distinct, first = np.unique(values, return_index=True, equal_nan=True)
        upto = np.arange(1.0, values.size + 1) if upto is None else upto
        below = np.append(0.0, upto)[first]
        return cls(distinct, np.append(below[1:], upto[-1:]), below, float(upto[-1]) if upto.size else 0.0, has_nan)

    def at(self, places: Any) -> Weighed:
        return Weighed(self.values[places], self.upto[places], self.below[places], self.total, self.has_nan)


@dataclass(frozen=True)
class Sampled:
    what: str

    def __call__(self, x: Array, w: Array | None = None) -> Weighed:
        """Values of about equal weight between them, the least and the greatest among them."""
        found = Weighed.of(self.what, x, w)
        if len(found.values) <= SAMPLES:
            return found
        places = np.searchsorted(found.upto, np.linspace(0, found.total, SAMPLES))
        return found.at(np.unique(np.append(places, [0, len(found.values) - 1])))


@dataclass(frozen=True)
class Between:
    """The weight below each of some intervals, and the different values in it, which may be its ends, with their weights."""

    what: str
    intervals: tuple[tuple[float, float], ...]

    def __call__(self, x: Array, w: Array | None = None) -> list[tuple[float, Array, Array]]:
        found = Weighed.of(self.what, x, w)
        answer = []
        for low, high in self.intervals:
            first, last = np.searchsorted(found.values, low), np.searchsorted(found.values, high, "right")
            inside = found.at(slice(first, last))
            below = found.below[first] if first < len(found.values) else found.total
            answer.append((float(below), np.array(inside.values), inside.upto - inside.below))
        return answer


class Column:
    """A column whose values are in panels."""

    def __init__(self, what: str, over: Over) -> None:
        self.what = what
        self.over = over
        self.samples: list[Weighed] = over(Sampled(what))
        self.count = sum(sample.total for sample in self.samples)
        self.has_nan = any(sample.has_nan for sample in self.samples)

    def elements(self, ranks: Any) -> Array:
        """Those with these ranks from 1; NaN if there are none or one is NaN."""
        wanted = np.asarray(ranks, np.float64)
        if self.has_nan or not self.count:
            return np.full(wanted.shape, np.nan)
        low, high = self._limits(wanted.ravel())
        intervals = joined(low, high)
        answers = self.over(Between(self.what, tuple(intervals)))
        starts = np.array([start for start, _ in intervals])
        which = np.searchsorted(starts, low, "right") - 1
        found = np.empty(wanted.size)
        for number in np.unique(which).tolist():
            here = which == number
            found[here] = _elements_of([answer[number] for answer in answers], wanted.ravel()[here])
        return found.reshape(wanted.shape)

    def _limits(self, ranks: Array) -> tuple[Array, Array]:
        """Two values for each rank between which its element is."""
        kept = [sample for sample in self.samples if sample.total]
        values = np.concatenate([sample.values for sample in kept])
        surely = np.concatenate([np.diff(sample.upto, prepend=0.0) for sample in kept])
        perhaps = np.concatenate([np.diff(sample.below, append=sample.total) for sample in kept])
        order = np.argsort(values, kind="stable")
        distinct, first = np.unique(values[order], return_index=True)
        ends = np.append(first[1:], len(values)) - 1
        least_upto = np.cumsum(surely[order])[ends]
        most_below = np.append(0.0, np.cumsum(perhaps[order]))[first]
        high = distinct[np.minimum(np.searchsorted(least_upto, ranks), len(distinct) - 1)]
        low = distinct[np.maximum(np.searchsorted(most_below, ranks) - 1, 0)]
        return low, high


def joined(low: Array, high: Array) -> list[tuple[float, float]]:
    """Intervals, ascending, with those that overlap made one."""
    found: list[tuple[float, float]] = []
    for start, stop in sorted(zip(low.tolist(), high.tolist(), strict=True)):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], stop)
        else:
            found.append((start, stop))
    return found


def _elements_of(answers: Sequence[tuple[float, Array, Array]], ranks: Array) -> Array:
    values = np.concatenate([values for _, values, _ in answers])
    weights = np.concatenate([weights for _, _, weights in answers])
    order = np.argsort(values, kind="stable")
    upto = np.cumsum(weights[order]) + sum(below for below, _, _ in answers)
    found: Array = values[order][np.searchsorted(upto, ranks)]
    return found


# -- operators ---------------------------------------------------------------------------------------------------------


def column(what: str, x: Any, w: Any) -> Any:
    """A distributed column, perhaps with a column of weights; else NO."""
    columns = columns_of(x, w)
    return NO if columns is NO else Column(what, lambda function: parts(columns, function))


def quantile(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    x, w, p = values if values[2] is not None else (values[0], None, values[1])
    if w is not None and not is_matrix(w):
        return NO
    p = densify(in_memory(p))
    if isinstance(p, np.ndarray) and p.shape[1] != 1:
        return NO
    check_probabilities("quantile()", "p", p)
    found = column("quantile()", x, w)
    if found is NO:
        return NO
    elements = found.elements(ranks_of(p, found.count))
    return np.asarray(elements, backend.home.dtype) if isinstance(p, np.ndarray) else float(elements)


def median(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    found = column("median()", *values)
    return NO if found is NO else middle_of(found.elements, found.count)


@dataclass(frozen=True)
class Inside:
    """The weight of values up to a first one and below a last one, and the sum of those between."""

    first: float
    last: float

    def __call__(self, x: Array, w: Array | None = None) -> tuple[float, float, float]:
        values = np.asarray(dense(x)[:, 0], np.float64)
        weights = np.ones_like(values) if w is None else np.asarray(dense(w)[:, 0], np.float64)
        between = (values > self.first) & (values < self.last)
        return (
            float(np.sum(weights[values <= self.first])),
            float(np.sum(weights[values < self.last])),
            float(np.sum(weights[between] * values[between])),
        )


def inter_quartile_mean(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    found = column("interQuartileMean()", *values)
    if found is NO:
        return NO
    ends = np.array([0.25, 0.75]) * found.count
    first, last = map(float, found.elements(np.maximum(np.ceil(ends), 1.0)))
    if np.isnan(first) or first == last:
        return first
    upto, below, inner = np.sum(np.array(found.over(Inside(first, last))), axis=0)
    return float((first * (upto - ends[0]) + inner + last * (ends[1] - below)) / (0.5 * found.count))


# -- different values of each column -----------------------------------------------------------------------------------


def distinct_of_columns(panel: Array) -> list[Array]:
    columns = panel.tocsc() if is_sparse(panel) else panel
    return [distinct(columns[:, [column]]) + 0.0 for column in range(panel.shape[1])]  # -0 and 0 are one value


def by_columns(x: Any) -> list[Array]:
    """The different values of each column: those of each panel come to the driver."""
    found = parts([by_rows(x)], distinct_of_columns)
    return [np.unique(np.concatenate(column)) for column in zip(*found, strict=True)]


def count_in_columns(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    if not is_distributed(values[0]) or 0 in values[0].shape:
        return NO
    return np.array([[len(found) for found in by_columns(values[0])]], backend.home.dtype)


def unique_in_columns(backend: SparkBackend, x: Any) -> Any:
    columns = by_columns(x)
    found = np.zeros((max(map(len, columns)), len(columns)), backend.home.dtype)
    for at, column in enumerate(columns):
        found[: len(column), at] = column
    return found


def by_direction(whole: Way) -> Way:
    """countDistinct() or unique() of columns; of rows and of all cells, `whole` has the way."""

    def way(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
        x = values[0]
        if values[-1] != "c" or not is_distributed(x) or 0 in x.shape:
            return whole(backend, op, values)
        return unique_in_columns(backend, x) if op.name == "unique" else count_in_columns(backend, op, values)

    return way


WAYS: Mapping[str, Way] = {
    "quantile": quantile,
    "median": median,
    "interQuartileMean": inter_quartile_mean,
    "colCountDistinctApprox": count_in_columns,
    "countDistinct": by_direction(rows.distinct),
    "countDistinctApprox": by_direction(rows.distinct),
    "unique": by_direction(statistics.unique),
}
