"""Contingency tables, aggregates of groups of rows, and distinct values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from gramian.errors import OperationError, SizeError, did_you_mean
from gramian.ir import scalar as s, sparse
from gramian.ir.op import Trait, define, missing
from gramian.ir.types import INT, MISSING, Type, matrix, scalar
from gramian.ops.aggregate import check_columns, size
from gramian.ops.generate import checked_size
from gramian.ops.rules import Matrix, Shape, shape, shape_text
from gramian.ops.statistics import check_moment_order, power, sample_ratio

Indices = npt.NDArray[np.int64]
_MOST_CELLS = 2**59  # more cannot be addressed, and indices of cells would overflow


def check_positive(what: str, name: str, values: Matrix) -> None:
    """Refuse numbers that are no positions from 1 on; NaN is left to the caller."""
    if np.min(values, initial=np.inf) >= 1:  # neither wrong numbers nor NaN
        return
    wrong = values < 1
    if wrong.any():
        first = tuple(np.argwhere(wrong)[0].tolist())
        place = f"row {first[0] + 1}" + (f", column {first[1] + 1}" if values[:1].size > 1 else "")
        raise OperationError(
            f"argument '{name}' of {what} must hold numbers from 1 on, found {s.text(float(values[first]))} in {place}"
        )


def count_of(what: str, name: str, positions: Matrix) -> int:
    """The largest position, which is how many rows or columns there are."""
    largest = float(np.max(positions, initial=0.0))
    if largest >= _MOST_CELLS:
        raise OperationError(
            f"argument '{name}' of {what} holds {s.text(largest)}, too large for a position",
            "give the size of the result",
        )
    return int(largest)


# table()


def table(a: Matrix, b: Any, w: Any, rows: Any, cols: Any, flag: bool | None) -> Any:
    if w is not None and rows is not None and cols is None:  # table(A, B, rows, cols)
        w, rows, cols = None, w, rows
    if (rows is None) is not (cols is None):
        raise _one_size()
    if not isinstance(b, np.ndarray):
        cols = s.as_int_argument(b) if cols is None else cols
        b = np.full(a.shape, float(s.as_int_argument(b)))
    _check_table_shapes(A=size(a), B=size(b), **({"W": size(w)} if isinstance(w, np.ndarray) else {}))
    check_positive("table()", "A", a)
    check_positive("table()", "B", b)
    r, c = _given_size("r", rows), _given_size("c", cols)
    used = _used(a, b, r, c)
    i, j = (x.reshape(-1) if used is None else x[used] for x in (a, b))
    r = count_of("table()", "A", i) if r is None else r
    c = count_of("table()", "B", j) if c is None else c
    if r * c >= _MOST_CELLS:
        raise SizeError(f"the result of table() would be a {r}x{c} matrix, too large for any memory")
    cells = i.astype(np.int64)
    cells *= c
    cells += j.astype(np.int64)
    cells -= c + 1
    weights = None if w is None else _weights(w, a.shape, used)
    if sparse.worth(r * c, cells.size):
        return _sparse_table(cells, np.ones(cells.size) if weights is None else weights, r, c)
    return np.bincount(cells, weights, r * c).astype(np.float64, copy=False).reshape(r, c)


def _used(a: Matrix, b: Matrix, rows: int | None, cols: int | None) -> npt.NDArray[np.bool_] | None:
    """Which pairs count: those without NaN that lie inside a given size. None for all of them, the usual case."""
    used = None
    for x, limit in ((a, rows), (b, cols)):
        largest = float(np.max(x, initial=0.0))  # NaN if there is one
        if largest != largest or (limit is not None and largest >= limit + 1.0):
            inside = ~np.isnan(x) if limit is None else x < limit + 1.0
            used = inside if used is None else used & inside
    return used


def _weights(w: Any, shape: tuple[int, ...], used: npt.NDArray[np.bool_] | None) -> Matrix:
    full = w if isinstance(w, np.ndarray) else np.full(shape, s.as_double_argument(w))
    return full.reshape(-1) if used is None else full[used]


def _sparse_table(cells: Indices, weights: Matrix, rows: int, cols: int) -> Any:
    from scipy.sparse import coo_array

    return sparse.settle(coo_array((weights, (cells // cols, cells % cols)), shape=(rows, cols)).tocsr())


def _one_size() -> OperationError:
    return OperationError("table() needs both sizes 'r' and 'c' of its result, or none")


def _given_size(name: str, value: Any) -> int | None:
    if isinstance(value, np.ndarray):
        raise _size_is_no_number(name)
    return None if value is None else checked_size("table()", name, s.as_int_argument(value))


def _size_is_no_number(name: str) -> OperationError:
    return OperationError(
        f"the size '{name}' of table() must be a number, found a matrix",
        "table(A, B, W) has weights, table(A, B, r, c) sizes",
    )


def _check_table_shapes(**shapes: Shape) -> None:
    first = shapes["A"]
    for name, found in shapes.items():
        if any(x is not None and y is not None and x != y for x, y in zip(first, found, strict=True)):
            raise SizeError(
                f"arguments 'A' and '{name}' of table() must have the same size, "
                f"found {shape_text(first)} and {shape_text(found)}"
            )


def _filled(pairs: int | None, rows: int | None, cols: int | None) -> float | None:
    """The sparsity of a table of so many pairs, each of which fills at most one cell."""
    return None if not pairs or not rows or not cols else min(1.0, pairs / (rows * cols))


def _table_type(a: Type, b: Type, w: Type, rows: Type, cols: Type, flag: Type) -> Type:
    if not missing(w) and not missing(rows) and missing(cols):
        if w.is_matrix:
            raise _size_is_no_number("r")
        w, rows, cols = MISSING, w, rows
    if missing(rows) is not missing(cols):
        raise _one_size()
    _check_table_shapes(A=shape(a), **{n: shape(t) for n, t in (("B", b), ("W", w)) if t.is_matrix})
    if not missing(cols):
        r, c = rows.int_value(), cols.int_value()
        size = checked_size("table()", "r", r), checked_size("table()", "c", c)
        return matrix(*size, _filled(a.rows, *size))
    column = None if b.is_matrix else b.int_value()
    if column is not None and column < 1:
        raise OperationError(f"argument 'B' of table() must be a column from 1 on, found {column}")
    return matrix(None, column)


_A = 'matrix("1 2 2 3", 4, 1)'
_B = 'matrix("1 1 2 2", 4, 1)'

define(
    "table(A: matrix, B: number|matrix, W: number|matrix = missing, r: number = missing, c: number = missing, "
    "flag: boolean = missing)",
    _table_type,
    table,
    "how often, or with what sum of weights, each pair of numbers from 1 on occurs; "
    "table(A, B, W) has weights, table(A, B, r, c) the size of the result; flag is a hint that changes nothing",
    family="table",
    aliases=("ctable",),
    traits=(Trait.AGGREGATE,),
    samples=(
        f"{_A}, {_B}",
        f"{_A}, 2",
        f'{_A}, {_B}, matrix("10 20 30 NaN", 4, 1)',
        f"{_A}, {_B}, 2.5",
        f"{_A}, {_B}, 2, 4",
        f"{_A}, {_B}, 0.5, 3, 3",
        'matrix("1 NaN 2.9", 3, 1), matrix("1 2 1", 3, 1)',
        "matrix(0, 0, 1), matrix(0, 0, 1)",
    ),
)


# aggregate()

GROUP_FUNCTIONS = ("sum", "count", "mean", "variance", "centralmoment", "min", "max")
_WEIGHTED = ("sum", "count", "mean", "variance", "centralmoment")


def _check_group_call(fn: str | None, weights: bool, order: bool, groups: bool, cols: int | None) -> None:
    """Refuse arguments of aggregate() that do not go together."""
    if fn is not None and fn not in GROUP_FUNCTIONS:
        known = ", ".join(f'"{f}"' for f in GROUP_FUNCTIONS)
        hint = did_you_mean(fn, GROUP_FUNCTIONS)
        raise OperationError(f"argument 'fn' of aggregate() must be one of {known}, found \"{fn}\"", hint)
    if fn is not None and order is not (fn == "centralmoment"):
        needs = "needs" if fn == "centralmoment" else "has no"
        raise OperationError(f"aggregate() with fn=\"{fn}\" {needs} argument 'order'")
    if weights and fn is not None and fn not in _WEIGHTED:
        raise OperationError(f'aggregate() with fn="{fn}" has no weights')
    if cols is not None and cols != 1 and weights:
        raise SizeError(f"aggregate() of a target with {cols} columns has no weights")
    if cols is not None and cols != 1 and not groups:
        raise SizeError(f"aggregate() of a target with {cols} columns needs argument 'ngroups'")


def _check_rows(target: Shape, **columns: Shape) -> None:
    check_columns("aggregate()", target=(target[0], 1), **columns)


def grouped(target: Matrix, groups: Matrix, fn: str, weights: Matrix | None, order: Any, ngroups: int | None) -> Matrix:
    _check_group_call(fn, weights is not None, order is not None, ngroups is not None, target.shape[1])
    _check_rows(size(target), groups=size(groups), **({} if weights is None else {"weights": size(weights)}))
    power_of = _moment_order(order)
    group = groups[:, 0]
    check_positive("aggregate()", "groups", group)
    largest = float(np.max(group, initial=0.0))  # NaN if there is one
    if largest != largest:
        row = int(np.argmax(np.isnan(group))) + 1
        raise OperationError(f"argument 'groups' of aggregate() must hold numbers from 1 on, found NaN in row {row}")
    if ngroups is not None:
        checked_size("aggregate()", "ngroups", ngroups)
        if largest >= ngroups + 1.0:
            used = group < ngroups + 1.0
            target, group = target[used], group[used]
            weights = weights if weights is None else weights[used]
    count = count_of("aggregate()", "groups", group) if ngroups is None else ngroups
    index = group.astype(np.int64)
    index -= 1
    if fn in ("min", "max"):
        return _group_extremes(np.minimum if fn == "min" else np.maximum, target, index, count)
    return _group_moments(target, index, fn, weights, power_of, count)


def _moment_order(order: Any) -> int:
    if order is None:
        return 0
    value = s.as_double(order) if isinstance(order, str) else order
    check_moment_order("aggregate()", "order", value)
    return int(value)


def _group_sums(values: Matrix, index: Indices, count: int) -> Matrix:
    """The sums of the rows of each group, column by column."""
    cols = values.shape[1]
    if cols == 1:
        return np.bincount(index, values[:, 0], count).astype(np.float64, copy=False).reshape(count, 1)
    cells = index[:, np.newaxis] * cols + np.arange(cols)
    sums = np.bincount(cells.ravel(), values.ravel(), count * cols)
    return sums.astype(np.float64, copy=False).reshape(count, cols)


def _group_moments(target: Matrix, index: Indices, fn: str, weights: Matrix | None, order: int, count: int) -> Matrix:
    def weighted(values: Matrix) -> Matrix:
        return values if weights is None else weights * values

    if weights is None:
        weight = np.bincount(index, minlength=count).astype(np.float64).reshape(count, 1)
    else:
        weight = _group_sums(weights, index, count)
    if fn == "count":
        return np.repeat(weight, target.shape[1], axis=1)
    sums = _group_sums(weighted(target), index, count)
    if fn == "sum":
        return sums
    means = np.divide(sums, weight)
    if fn == "mean":
        return np.where(weight == 0, 0.0, means)
    deviations = target - means[index]
    if fn == "variance":
        ratio = sample_ratio(_group_sums(weighted(np.square(deviations)), index, count), weight)
        return np.where(weight == 0, 0.0, ratio)
    return np.divide(_group_sums(weighted(power(deviations, order)), index, count), weight)


def _group_extremes(extreme: np.ufunc, target: Matrix, index: Indices, count: int) -> Matrix:
    result = np.zeros((count, target.shape[1]))
    if index.size:
        by_group = np.argsort(index, kind="stable")
        present, starts = np.unique(index[by_group], return_index=True)
        result[present] = extreme.reduceat(target[by_group], starts, axis=0)
    return result


def _grouped_type(target: Type, groups: Type, fn: Type, weights: Type, order: Type, ngroups: Type) -> Type:
    name = fn.value if isinstance(fn.value, str) else None
    _check_group_call(name, not missing(weights), not missing(order), not missing(ngroups), target.cols)
    _check_rows(shape(target), groups=shape(groups), **({} if missing(weights) else {"weights": shape(weights)}))
    if order.value is not None:
        _moment_order(order.value)
    count = None if missing(ngroups) else checked_size("aggregate()", "ngroups", ngroups.int_value())
    return matrix(count, 1 if missing(ngroups) or not missing(weights) else target.cols)


_GROUPS = 'seq(1, 5), matrix("1 1 2 4 2", 5, 1)'

define(
    "aggregate(target: matrix, groups: matrix, fn: string, weights: matrix = missing, order: number|string = missing, "
    "ngroups: int = missing)",
    _grouped_type,
    grouped,
    'the "sum", "count", "mean", "variance", "centralmoment", "min" or "max" of the rows of each group from 1 on; '
    "0 for groups without rows",
    family="table",
    aliases=("groupedAggregate",),
    traits=(Trait.AGGREGATE,),
    samples=(
        f'{_GROUPS}, "sum"',
        f'{_GROUPS}, "variance", weights=matrix("1 2 3 1 1", 5, 1)',
        f'{_GROUPS}, "centralmoment", order=2',
        f'{_GROUPS}, "max", ngroups=3',
        'matrix("1 2 NaN 4 5 6", 3, 2), matrix("1 3 1", 3, 1), "mean", ngroups=4',
        'matrix(0, 0, 1), matrix(0, 0, 1), "count"',
    ),
)


# Distinct values


def _new_in_row(ordered: Matrix) -> npt.NDArray[np.bool_]:
    """Marks, in rows in ascending order with NaN last, each cell that differs from the one before it."""
    new = np.ones(ordered.shape, dtype=np.bool_)
    left, right = ordered[:, :-1], ordered[:, 1:]
    new[:, 1:] = (left != right) & ~(np.isnan(left) & np.isnan(right))
    return new


def row_count_distinct(x: Matrix) -> Matrix:
    return np.asarray(np.sum(_new_in_row(np.sort(x, axis=1)), axis=1, keepdims=True, dtype=np.float64))


def column_count_distinct(x: Matrix) -> Matrix:
    return row_count_distinct(x.T).T


def count_distinct(x: Matrix, dir: str) -> Any:
    match _direction("countDistinct()", dir):
        case "r":
            return row_count_distinct(x)
        case "c":
            return column_count_distinct(x)
        case _:
            return int(row_count_distinct(x.reshape(1, -1))[0, 0])


def unique(x: Matrix, dir: str) -> Matrix:
    match _direction("unique()", dir):
        case "r":
            return _unique_in_rows(x)
        case "c":
            return _unique_in_rows(x.T).T
        case _:
            return _unique_in_rows(x.reshape(1, -1)).reshape(-1, 1)


def _unique_in_rows(x: Matrix) -> Matrix:
    ordered = np.sort(x, axis=1) + 0.0  # turns -0 into 0, since both are one value
    new = _new_in_row(ordered)
    places = np.cumsum(new, axis=1) - 1
    result = np.zeros((x.shape[0], int(np.max(places, initial=-1)) + 1))
    result[np.nonzero(new)[0], places[new]] = ordered[new]
    return result


def _direction(what: str, dir: str) -> str:
    if dir not in ("rc", "r", "c"):
        raise OperationError(
            f'argument \'dir\' of {what} must be "rc", "r" or "c", found "{dir}"',
            '"r" is for each row, "c" for each column, "rc" for all cells',
        )
    return dir


def _directed(what: str, over_all: Type | None) -> Callable[[Type, Type], Type]:
    """The rule of a function whose result depends on its direction."""

    def infer(x: Type, dir: Type) -> Type:
        if not isinstance(dir.value, str):
            if over_all is not None:
                raise OperationError(
                    f"argument 'dir' of {what} must be a constant, since it decides the type of the result"
                )
            return matrix()
        match _direction(what, dir.value):
            case "r":
                return matrix(x.rows, None if over_all is None else 1)
            case "c":
                return matrix(None if over_all is None else 1, x.cols)
            case _:
                return matrix(None, 1) if over_all is None else over_all

    return infer


_REPEATED = (
    'matrix("1 2 2 3 3 3 0 -0 1", 3, 3)',
    'matrix("NaN 2 NaN NaN 1 2", 2, 3)',
    "matrix(5, 1, 1)",
    "matrix(0, 0, 3)",
    "matrix(0, 3, 0)",
)
_BY_DIRECTION = (*_REPEATED, *(f'{_REPEATED[0]}, dir="{d}"' for d in ("rc", "r", "c")))

define(
    'countDistinct(X: matrix, dir: string = "rc")',
    _directed("countDistinct()", scalar(INT)),
    count_distinct,
    'the number of distinct values of all cells, or of each row (dir="r") or column (dir="c"); NaN is one value',
    family="table",
    traits=(Trait.AGGREGATE,),
    samples=_BY_DIRECTION,
)
define(
    "rowCountDistinct(X: matrix)",
    lambda X: matrix(X.rows, 1),
    row_count_distinct,
    "the number of distinct values of each row",
    family="table",
    traits=(Trait.AGGREGATE,),
    samples=_REPEATED,
)
define(
    "colCountDistinct(X: matrix)",
    lambda X: matrix(1, X.cols),
    column_count_distinct,
    "the number of distinct values of each column",
    family="table",
    traits=(Trait.AGGREGATE,),
    samples=_REPEATED,
)
# An exact count is within the error bound of any estimate.


def _check_sketch(what: str, type: Any) -> None:
    if type not in ("KMV", None):
        raise OperationError(f"""argument 'type' of {what} must be "KMV", found "{type}\"""")


def _sketched(what: str, count: Callable[..., Any]) -> Callable[..., Any]:
    def kernel(x: Matrix, type: str, *rest: Any) -> Any:
        _check_sketch(what, type)
        return count(x, *rest)

    return kernel


def _sketched_type(what: str, infer: Callable[..., Type]) -> Callable[..., Type]:
    def rule(x: Type, type: Type, *rest: Type) -> Type:
        _check_sketch(what, type.value)
        return infer(x, *rest)

    return rule


define(
    'countDistinctApprox(X: matrix, type: string = "KMV", dir: string = "rc")',
    _sketched_type("countDistinctApprox()", _directed("countDistinctApprox()", scalar(INT))),
    _sketched("countDistinctApprox()", count_distinct),
    "the number of distinct values, as countDistinct() finds it: the count is exact",
    family="table",
    traits=(Trait.AGGREGATE,),
    samples=(*_REPEATED, f'{_REPEATED[0]}, "KMV", "r"', f'{_REPEATED[0]}, "KMV", "c"'),
)
for _name, _infer, _kernel, _what in (
    ("rowCountDistinctApprox", lambda X: matrix(X.rows, 1), row_count_distinct, "row"),
    ("colCountDistinctApprox", lambda X: matrix(1, X.cols), column_count_distinct, "column"),
):
    define(
        f'{_name}(X: matrix, type: string = "KMV")',
        _sketched_type(f"{_name}()", _infer),
        _sketched(f"{_name}()", _kernel),
        f"the number of distinct values of each {_what}; the count is exact",
        family="table",
        traits=(Trait.AGGREGATE,),
        samples=_REPEATED,
    )
define(
    'unique(X: matrix, dir: string = "rc")',
    _directed("unique()", None),
    unique,
    'the distinct values in ascending order, as a column; with dir="r" those of each row, padded with zeros on the '
    'right, with dir="c" those of each column',
    family="table",
    samples=_BY_DIRECTION,
)
