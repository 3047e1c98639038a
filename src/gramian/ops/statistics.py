"""Moments and quantiles of columns."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gramian.errors import OperationError
from gramian.ir import scalar as s
from gramian.ir.op import Trait, define, missing
from gramian.ir.types import DOUBLE, MISSING, ScalarValue, Type, matrix, scalar
from gramian.ops.aggregate import check_columns, size, total
from gramian.ops.rules import Matrix, shape

AGGREGATE = (Trait.AGGREGATE,)

# Moments


def check_moment_order(what: str, name: str, order: ScalarValue | None) -> None:
    if order is not None and (isinstance(order, bool | str) or order not in (0, 1, 2, 3, 4)):
        raise OperationError(f"argument '{name}' of {what} must be 0, 1, 2, 3 or 4, found {s.text(order)}")


def power(deviations: Matrix, order: int) -> Matrix:
    """Deviations from a mean to the power of `order`, where the first moment is exactly zero."""
    if order < 2:
        return np.ones_like(deviations) if order == 0 else 0.0 * deviations
    squares = np.square(deviations)
    return squares if order == 2 else squares * (deviations if order == 3 else squares)


def moment(x: Matrix, w: Any = None, k: Any = None) -> float:
    if k is None:
        w, k = None, w
    if isinstance(k, np.ndarray) or (w is not None and not isinstance(w, np.ndarray)):
        raise _not_as("moment(x, w, 2)")
    check_moment_order("moment()", "k", k)
    check_columns("moment()", x=size(x), **({} if w is None else {"w": size(w)}))
    count = x.size if w is None else total(w)
    mean = np.divide(total(x if w is None else w * x), count)
    powers = power(x - mean, int(k))
    return float(np.divide(total(powers if w is None else w * powers), count))


def _not_as(call: str) -> OperationError:
    return OperationError(f"{call.partition('(')[0]}() takes a column, optional weights and a number, as in {call}")


def _moment_type(x: Type, w: Type, k: Type) -> Type:
    if missing(k):
        w, k = MISSING, w
    if missing(k):
        raise OperationError(
            "moment() misses its argument 'k'", "for example, moment(x, 2) is the variance with divisor n"
        )
    if k.is_matrix or w.is_scalar:
        raise _not_as("moment(x, w, 2)")
    check_moment_order("moment()", "k", k.value)
    check_columns("moment()", x=shape(x), **({} if missing(w) else {"w": shape(w)}))
    return scalar(DOUBLE)


_COLUMN = 'matrix("1 2 3 4 10", 5, 1)'

define(
    "moment(x: matrix, w: number|matrix = missing, k: number = missing)",
    _moment_type,
    moment,
    "central moment of order k = 0..4 of a column, with divisor n; weights may stand before k",
    family="statistics",
    aliases=("centralMoment",),
    traits=AGGREGATE,
    samples=(
        f"{_COLUMN}, 2",
        f"{_COLUMN}, 4",
        f'{_COLUMN}, matrix("1 2 0 1 1", 5, 1), 3',
        'matrix("1 NaN", 2, 1), 2',
        "matrix(0, 0, 1), 2",
    ),
)


def sample_ratio(numerator: Any, weight: Any) -> Any:
    """A sum of squares or products over its weight less one; zero stays zero, as it is for a single value."""
    return np.where(numerator == 0, 0.0, np.divide(numerator, np.subtract(weight, 1.0)))


def covariance(x: Matrix, y: Matrix, w: Matrix | None = None) -> float:
    check_columns("cov()", x=size(x), y=size(y), **({} if w is None else {"w": size(w)}))
    if w is None:
        if not x.size:
            return math.nan
        dx, dy = x - total(x) / x.size, y - total(y) / y.size
        return total(dx * dy) / max(x.size - 1, 1)
    count = total(w)
    dx, dy = x - np.divide(total(w * x), count), y - np.divide(total(w * y), count)
    return float(sample_ratio(total(w * dx * dy), count))


def _covariance_type(x: Type, y: Type, w: Type) -> Type:
    check_columns("cov()", x=shape(x), y=shape(y), **({} if missing(w) else {"w": shape(w)}))
    return scalar(DOUBLE)


define(
    "cov(x: matrix, y: matrix, w: matrix = missing)",
    _covariance_type,
    covariance,
    "sample covariance of two columns, with divisor n - 1",
    family="statistics",
    traits=AGGREGATE,
    samples=(
        'matrix("1 2 3", 3, 1), matrix("2 4 9", 3, 1)',
        'matrix("1 2 3", 3, 1), matrix("2 4 9", 3, 1), matrix("2 1 3", 3, 1)',
        "matrix(3, 1, 1), matrix(4, 1, 1)",
        'matrix("1 NaN", 2, 1), matrix("1 2", 2, 1)',
        "matrix(0, 0, 1), matrix(0, 0, 1)",
    ),
)


# Quantiles


def sorted_values(what: str, x: Matrix, w: Matrix | None) -> tuple[Matrix, Matrix | None]:
    """The values in ascending order, and how many there are up to each of them if they have weights."""
    check_columns(what, x=size(x), **({} if w is None else {"w": size(w)}))
    values = x[:, 0]
    if w is None:
        return np.sort(values), None
    weights = w[:, 0]
    wrong = weights[~((weights >= 0) & (weights == np.floor(weights)) & np.isfinite(weights))]
    if wrong.size:
        raise OperationError(f"the weights of {what} must be whole numbers from 0 on, found {s.text(float(wrong[0]))}")
    values, weights = values[weights > 0], weights[weights > 0]
    order = np.argsort(values, kind="stable")
    return values[order], np.cumsum(weights[order], dtype=np.float64)


def elements(values: Matrix, upto: Matrix | None, ranks: Any) -> Any:
    """The elements with these ranks from 1, of sorted values with NaN last; NaN if there are none or one is NaN."""
    if not values.size or np.isnan(values[-1]):
        return np.full(np.shape(ranks), np.nan)
    places = np.asarray(ranks, dtype=np.int64) - 1 if upto is None else np.searchsorted(upto, ranks)
    return values[places]


def _count(values: Matrix, upto: Matrix | None) -> float:
    if upto is None:
        return float(values.size)
    return float(upto[-1]) if upto.size else 0.0


def quantile(x: Matrix, w: Any = None, p: Any = None) -> Any:
    if p is None:
        w, p = None, w
    if w is not None and not isinstance(w, np.ndarray):
        raise _not_as("quantile(x, w, 0.5)")
    if isinstance(p, np.ndarray):
        check_columns("quantile()", p=size(p))
    else:
        p = s.as_double_argument(p)
    check_probabilities("quantile()", "p", p)
    values, upto = sorted_values("quantile()", x, w)
    found = elements(values, upto, ranks_of(p, _count(values, upto)))
    return found if isinstance(p, np.ndarray) else float(found)


def ranks_of(p: Any, count: float) -> Any:
    """The ranks, from 1, of quantiles."""
    return np.maximum(np.ceil(np.multiply(p, count)), 1.0)


def check_probabilities(what: str, name: str, p: Any, *, nan: bool = False) -> None:
    values = p if isinstance(p, np.ndarray) else np.array([s.as_double_argument(p)])
    wrong = values[~((values >= 0) & (values <= 1) | (np.isnan(values) & nan))]
    if wrong.size:
        raise OperationError(
            f"argument '{name}' of {what} must lie between 0 and 1, found {s.text(float(wrong.flat[0]))}",
            "it is a share: 0.95 stands for 95 percent" if 1 < wrong.flat[0] <= 100 else None,
        )


def _quantile_type(x: Type, w: Type, p: Type) -> Type:
    if missing(p):
        w, p = MISSING, w
    if missing(p):
        raise OperationError("quantile() misses its argument 'p'", "for example, quantile(x, 0.5)")
    if w.is_scalar:
        raise _not_as("quantile(x, w, 0.5)")
    check_columns("quantile()", x=shape(x), **({} if missing(w) else {"w": shape(w)}))
    if p.is_matrix:
        check_columns("quantile()", p=shape(p))
        return matrix(p.rows, 1)
    if p.value is not None:
        check_probabilities("quantile()", "p", p.value)
    return scalar(DOUBLE)


def median(x: Matrix, w: Matrix | None = None) -> float:
    values, upto = sorted_values("median()", x, w)
    return middle_of(lambda ranks: elements(values, upto, ranks), _count(values, upto))


def middle_of(elements: Callable[[Any], Any], count: float) -> float:
    """The median of so many values, given a function from ranks to elements."""
    middle = elements(np.array([math.floor((count + 1) / 2), math.ceil((count + 1) / 2)]))
    return float(middle[0] if middle[0] == middle[1] else 0.5 * middle[0] + 0.5 * middle[1])


def inter_quartile_mean(x: Matrix, w: Matrix | None = None) -> float:
    """The mean over the ranks from n/4 to 3n/4, where value number i covers the ranks from i - 1 to i."""
    values, upto = sorted_values("interQuartileMean()", x, w)
    count = _count(values, upto)
    if not count or np.isnan(values[-1]):
        return math.nan
    ends = np.arange(1.0, count + 1) if upto is None else upto
    starts = np.concatenate([[0.0], ends[:-1]])
    covered = np.minimum(ends, 0.75 * count) - np.maximum(starts, 0.25 * count)
    inside = covered > 0
    return float(np.sum(covered[inside] * values[inside]) / (0.5 * count))


def _weighted_type(name: str) -> Callable[[Type, Type], Type]:
    def infer(x: Type, w: Type) -> Type:
        check_columns(f"{name}()", x=shape(x), **({} if missing(w) else {"w": shape(w)}))
        return scalar(DOUBLE)

    return infer


define(
    "quantile(x: matrix, w: number|matrix = missing, p: number|matrix = missing)",
    _quantile_type,
    quantile,
    "element number ceil(p * n) of the sorted column, for one p or a column of them; weights may stand before p",
    family="statistics",
    samples=(
        f"{_COLUMN}, 0.3",
        f'{_COLUMN}, matrix("0 0.25 0.5 1", 4, 1)',
        'matrix("3 1 2", 3, 1), matrix("2 1 1", 3, 1), matrix(".1 .25 .3 .5 .51 .75 1", 7, 1)',
        'matrix("3 1 2", 3, 1), matrix("2 0 1", 3, 1), 0',
        'matrix("3 NaN", 2, 1), 0.5',
        "matrix(0, 0, 1), 0.5",
    ),
)
for _name, _kernel, _doc in (
    ("median", median, "middle element of the sorted column, or the mean of the two in the middle"),
    ("interQuartileMean", inter_quartile_mean, "mean of the middle half of the sorted column, with parts of the ends"),
):
    define(
        f"{_name}(x: matrix, w: matrix = missing)",
        _weighted_type(_name),
        _kernel,
        _doc,
        family="statistics",
        traits=AGGREGATE,
        samples=(
            _COLUMN,
            "seq(6, 1)",
            'matrix("1 2 10", 3, 1), matrix("2 1 2", 3, 1)',
            'matrix("3 NaN", 2, 1)',
            "matrix(0, 0, 1)",
            "matrix(4, 2, 1), matrix(0, 2, 1)",
        ),
    )
