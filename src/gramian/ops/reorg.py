"""Operators that move cells, rows and columns without computing: transpose, reverse, roll, sort, bind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gramian.errors import OperationError, SizeError
from gramian.ir.estimate import of_all
from gramian.ir.op import Trait, define
from gramian.ir.types import Kind, Type, frame, matrix
from gramian.ir.values import ListValue
from gramian.ops.rules import Matrix, same_size, shape_text

SIGNED = 'matrix("1 -2 3 4 NaN 6", 3, 2)'


def transpose(x: Matrix) -> Matrix:
    return x.T


define(
    "t(x: matrix)",
    lambda x: matrix(x.cols, x.rows),
    transpose,
    "transpose",
    family="reorg",
    traits=(Trait.SHARES, Trait.ZERO_PRESERVING),
    gradient={"x": "t(dout)"},
    samples=(SIGNED, 'matrix("1 2 3", 1, 3)', "matrix(4, 1, 1)", "matrix(0, 0, 3)"),
)


def reverse(x: Matrix) -> Matrix:
    return x[::-1].copy()


define(
    "rev(x: matrix)",
    same_size,
    reverse,
    "rows in reverse order",
    family="reorg",
    traits=(Trait.ZERO_PRESERVING, Trait.REORDERS),
    gradient={"x": "rev(dout)"},
    samples=(SIGNED, 'matrix("1 2 3", 1, 3)', 'matrix("1 2 3", 3, 1)', "matrix(0, 0, 3)"),
)


def roll(x: Matrix, k: int) -> Matrix:
    return np.roll(x, k % max(len(x), 1), axis=0)


define(
    "roll(x: matrix, k: int)",
    same_size,
    roll,
    "rows moved down by k places, those that leave at the bottom enter at the top; up if k is negative",
    family="reorg",
    traits=(Trait.REORDERS,),
    gradient={"x": "roll(dout, -k)"},
    samples=(f"{SIGNED}, 1", f"{SIGNED}, -4", f"{SIGNED}, 3", 'matrix("1 2 3", 1, 3), 2', "matrix(0, 0, 3), 1"),
)


def order(target: Matrix, by: int | Matrix, decreasing: bool, index_return: bool) -> Matrix:
    found = row_order(target[:, sort_columns(by, target.shape[1])], decreasing)
    return target[found] if not index_return else (found + 1).astype(np.float64)[:, None]


def sort_columns(by: int | Matrix, columns: int) -> list[int]:
    """Positions from 0 of the columns to sort by, the most important first."""
    if not isinstance(by, np.ndarray):
        _check_column(by, columns)
        return [by - 1]
    if 1 not in by.shape or by.size == 0:
        raise SizeError(
            "argument 'by' of order() must be a column number or a vector of column numbers, "
            f"found a {shape_text((by.shape[0], by.shape[1]))} matrix"
        )
    numbers = by.ravel()
    if not np.isfinite(numbers).all():
        raise OperationError("argument 'by' of order() holds a NaN or infinite column number")
    for number in numbers.astype(np.int64).tolist():
        _check_column(number, columns)
    return [int(number) - 1 for number in numbers]


def _check_column(number: int, columns: int) -> None:
    if not 1 <= number <= columns:
        raise SizeError(f"order() by column {number}: the target has {columns} column{'s' * (columns != 1)}")


def row_order(keys: Matrix, decreasing: bool) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """The rows in sorted order, NaN as the largest value; ties keep their order in both directions.

    Descending order is the ascending order of the reversed rows, read backwards, which is what keeps the ties.
    """
    if decreasing:
        return len(keys) - 1 - row_order(keys[::-1], False)[::-1]
    if keys.shape[1] == 1:
        return np.argsort(keys[:, 0], kind="stable")
    return np.lexsort(keys.T[::-1])


def _order_type(target: Type, by: Type, decreasing: Type, index_return: Type) -> Type:
    number = by.int_value()
    if number is not None and target.cols is not None:
        _check_column(number, target.cols)
    if by.is_matrix and None not in (by.rows, by.cols) and (1 not in (by.rows, by.cols) or by.cells == 0):
        raise SizeError(
            f"argument 'by' of order() must be a column number or a vector of column numbers, found {by.describe()}"
        )
    if index_return.value is None:
        return matrix(target.rows, 1 if target.cols == 1 else None)
    return matrix(target.rows, 1 if index_return.value else target.cols)


define(
    "order(target: matrix, by: int|matrix = 1, decreasing: boolean = FALSE, index.return: boolean = FALSE)",
    _order_type,
    order,
    "rows sorted by one or several columns, or their numbers; stable, NaN is the largest value",
    family="reorg",
    samples=(
        'matrix("3 1 2 1 5 2 3 3", 8, 1), 1, FALSE, TRUE',
        'matrix("3 1 2 1 5 2 3 3", 8, 1), 1, TRUE, TRUE',
        'matrix("3 1 2 1 3 0 2 5", 4, 2), matrix("1 2", 2, 1)',
        'matrix("3 1 2 1 3 0 2 5", 4, 2), matrix("2 1", 1, 2), TRUE',
        'matrix("3 NaN 2 NaN Infinity 0", 6, 1)',
        'matrix("3 NaN 2 NaN -Infinity 0", 6, 1), 1, TRUE, TRUE',
        'matrix("1 2", 1, 2), 2',
        "matrix(0, 0, 2)",
    ),
)


def _binding(name: str, axis: int) -> Callable[..., Type]:
    """The rule of `cbind` (axis 1) and `rbind` (axis 0)."""

    def infer(*types: Type) -> Type:
        if len(types) == 1 and types[0].kind is Kind.LIST:
            return matrix()
        if len(types) == 1:
            raise OperationError(f"{name}() needs two or more arguments or a list, found {types[0].describe()}")
        for type in types[1:]:
            if type.kind is not types[0].kind:
                raise OperationError(
                    f"{name}() cannot bind {types[0].describe()} and {type.describe()}",
                    "convert them with as.matrix() or as.frame() first",
                )
        if types[0].kind is Kind.LIST:
            raise OperationError(f"{name}() binds the matrices of one list, found {len(types)} lists")
        sizes = [(t.rows, t.cols) for t in types]
        common = _common_size(name, axis, sizes)
        lengths = [size[axis] for size in sizes]
        length = None if None in lengths else sum(n for n in lengths if n is not None)
        build = frame if types[0].kind is Kind.FRAME else matrix
        return build(common, length) if axis == 1 else build(length, common)

    return infer


def _common_size(name: str, axis: int, sizes: Sequence[tuple[int | None, int | None]]) -> int | None:
    """The size that all arguments share, None if no one's is known."""
    across = 1 - axis
    known = [(at, size) for at, size in enumerate(sizes, start=1) if size[across] is not None]
    for at, size in known[1:]:
        first_at, first = known[0]
        if size[across] != first[across]:
            what = ("rows", "columns")[across]
            other = ("cbind", "rbind")[axis]
            raise SizeError(
                f"{name}() needs arguments with equally many {what}: "
                f"number {first_at} is {shape_text(first)}, number {at} is {shape_text(size)}",
                f"{other}() would fit" if first[axis] == size[axis] is not None else None,
            )
    return known[0][1][across] if known else None


def _binder(name: str, axis: int) -> Callable[..., Any]:
    def kernel(*values: Any) -> Any:
        if isinstance(values[0], ListValue):
            values = tuple(matrices_of(name, values[0]))
        _common_size(name, axis, [(v.shape[0], v.shape[1]) for v in values])
        if not isinstance(values[0], np.ndarray):
            return _bind_frames(axis, values)
        return np.concatenate(values, axis=axis)

    return kernel


def matrices_of(name: str, values: ListValue) -> list[Matrix]:
    """The matrices of a list and of the lists in it.

    Raises:
        OperationError: there are none, or something else is among them.
    """
    found = list(_flatten(values))
    for at, value in enumerate(found, start=1):
        if not isinstance(value, np.ndarray):
            raise OperationError(
                f"{name}() of a list needs matrices, entry {at} is something else",
                "wrap scalars and frames in as.matrix()",
            )
    if not found:
        raise OperationError(f"{name}() of an empty list")
    return found


def _flatten(values: ListValue) -> Iterator[Any]:
    for value in values:
        if isinstance(value, ListValue):
            yield from _flatten(value)
        else:
            yield value


def _bind_frames(axis: int, values: Sequence[Any]) -> Any:
    from gramian.ir.frame import Frame

    return Frame.cbind(list(values)) if axis == 1 else Frame.rbind(list(values))


_BOUND = (
    'matrix("1 2 3 4", 2, 2), matrix("5 NaN -7 8", 2, 2)',
    'matrix("1 2 3 4", 2, 2), t(matrix("5 6 7 8", 2, 2)), matrix(9, 2, 2)',
    "matrix(0, 0, 0), matrix(0, 0, 0)",
)
for _name, _axis, _doc, _gradient, _samples in (
    (
        "cbind",
        1,
        "matrices or frames side by side; a list of matrices likewise",
        {"left": "part(dout, left, 1, 1)", "right": "part(dout, right, 1, ncol(left) + 1)"},
        ('matrix("1 2", 2, 1), matrix("3 4 5 6", 2, 2)', "matrix(1, 2, 0), matrix(2, 2, 1)"),
    ),
    (
        "rbind",
        0,
        "matrices or frames one below the other; a list of matrices likewise",
        {"left": "part(dout, left, 1, 1)", "right": "part(dout, right, nrow(left) + 1, 1)"},
        ('matrix("1 2", 1, 2), matrix("3 4 5 6", 2, 2)', "matrix(1, 0, 2), matrix(2, 1, 2)"),
    ),
):
    define(
        f"{_name}(x: matrix|frame|list...)",
        _binding(_name, _axis),
        _binder(_name, _axis),
        _doc,
        family="reorg",
        sparsity=of_all,
        gradient=_gradient,
        samples=(*_BOUND, *_samples),
    )
