"""Indexing of matrices, frames and lists. Positions count from 1, both ends are included."""

from __future__ import annotations

from typing import Any

import numpy as np

from gramian.errors import OperationError, SizeError
from gramian.ir.op import Trait, define, missing
from gramian.ir.scalar import as_int_argument, text
from gramian.ir.types import DOUBLE, LIST, MISSING, Kind, Type, matrix, scalar
from gramian.ir.values import ListValue
from gramian.ops.rules import Matrix


def extent(what: str, size: int | None, lower: Type, upper: Type) -> int | None:
    """How many rows or columns an index selects, if that is known: all without bounds, one without an upper bound.

    Raises:
        SizeError: the bounds are certainly out of range.
    """
    if missing(lower):
        return size
    first, last = lower.int_value(), upper.int_value()
    for bound in (first, last):
        if bound is not None:
            check_position(what, bound, size)
    if missing(upper):
        return 1
    if first is None or last is None:
        return None
    if first > last:
        raise SizeError(reversed_text(what, first, last))
    return last - first + 1


def check_position(what: str, position: int, size: int | None) -> None:
    if position < 1:
        raise SizeError(f"{what} index {position} is out of range", "positions count from 1")
    if size is not None and position > size:
        raise SizeError(f"{what} index {position} is out of range for a matrix of {size} {what}{'s' * (size != 1)}")


def reversed_text(what: str, first: int, last: int) -> str:
    return f"the lower {what} index {first} is greater than the upper {what} index {last}"


def out_of_range(shape: tuple[int, int], row: int, column: int) -> SizeError:
    """The error of a single cell outside its matrix."""
    return SizeError(
        f"index [{row}, {column}] is out of range for a {shape[0]}x{shape[1]} matrix", "positions count from 1"
    )


def bounds(what: str, size: int, lower: Any, upper: Any) -> slice:
    """The checked slice of an actual index."""
    if lower is None:
        return slice(0, size)
    first = lower if type(lower) is int else as_int_argument(lower)
    last = first if upper is None else upper if type(upper) is int else as_int_argument(upper)
    if 1 <= first <= last <= size:
        return slice(first - 1, last)
    if first < 1 or first > size:
        check_position(what, first, size)
    if last > size:
        check_position(what, last, size)
    raise SizeError(reversed_text(what, first, last))


def _right_type(target: Type, row: Type, row_end: Type, column: Type, column_end: Type) -> Type:
    rows = extent("row", target.rows, row, row_end)
    cols = extent("column", target.cols, column, column_end)
    return Type(target.kind, target.value_type, rows, cols)


def right_index(target: Any, row: Any, row_end: Any, column: Any, column_end: Any) -> Any:
    rows, cols = target.shape
    if type(target) is np.ndarray:
        return target[bounds("row", rows, row, row_end), bounds("column", cols, column, column_end)]
    return target.select(bounds("row", rows, row, row_end), bounds("column", cols, column, column_end))


BOUNDS = "row: number = missing, row_end: number = missing, column: number = missing, column_end: number = missing"

define(
    f"rightIndex(target: matrix|frame, {BOUNDS})",
    _right_type,
    right_index,
    "target[row:row_end, column:column_end]",
    internal=True,
    traits=(Trait.SHARES,),
    samples=(
        'matrix("1 2 3 4 5 6", 3, 2), 2, 3, 1, 1',
        'matrix("1 2 3 4 5 6", 3, 2), 2, missing, 1, 2',
        'matrix("1 2 3 4 5 6", 3, 2), 1.7, missing, 2, missing',
    ),
)


def cell(target: Matrix, row: Any, column: Any) -> float:
    """One cell as a number."""
    i = row if type(row) is int else as_int_argument(row)
    j = column if type(column) is int else as_int_argument(column)
    rows, cols = target.shape
    if 0 < i <= rows and 0 < j <= cols:
        value: float = target.item(i - 1, j - 1)
        return value
    raise out_of_range((rows, cols), i, j)


def _cell_type(target: Type, row: Type, column: Type) -> Type:
    extent("row", target.rows, row, MISSING)
    extent("column", target.cols, column, MISSING)
    return scalar(DOUBLE)


define(
    "cell(target: matrix, row: number, column: number)",
    _cell_type,
    cell,
    "as.scalar(target[row, column])",
    internal=True,
    samples=('matrix("1 2 3 4 5 6", 3, 2), 2, 1', 'matrix("1 2 3 4 5 6", 3, 2), 2.5, 1'),
)


def _left_type(target: Type, value: Type, row: Type, row_end: Type, column: Type, column_end: Type) -> Type:
    region = _right_type(target, row, row_end, column, column_end)
    if value.kind in (Kind.MATRIX, Kind.FRAME):
        for size, found in ((region.rows, value.rows), (region.cols, value.cols)):
            if size is not None and found is not None and size != found:
                raise SizeError(
                    f"{value.describe()} does not fit into a region of {matrix(region.rows, region.cols).describe()[2:-7]}"
                )
    return Type(target.kind, target.value_type, target.rows, target.cols)


def store(target: Matrix, value: Any, row: Any, row_end: Any, column: Any, column_end: Any) -> None:
    """Write into a matrix that nobody else holds."""
    rows, cols = target.shape
    region = target[bounds("row", rows, row, row_end), bounds("column", cols, column, column_end)]
    if isinstance(value, np.ndarray) and value.shape != region.shape:
        raise SizeError(
            f"a {value.shape[0]}x{value.shape[1]} matrix does not fit into a region of "
            f"{region.shape[0]}x{region.shape[1]}",
            "transpose it with t()" if value.shape == region.shape[::-1] else None,
        )
    if isinstance(value, str):
        raise OperationError("a string cannot be stored in a matrix")
    region[...] = value


def left_index(target: Any, value: Any, row: Any, row_end: Any, column: Any, column_end: Any) -> Any:
    if not isinstance(target, np.ndarray):
        rows, cols = target.shape
        return target.replace(bounds("row", rows, row, row_end), bounds("column", cols, column, column_end), value)
    changed = target.copy()
    store(changed, value, row, row_end, column, column_end)
    return changed


define(
    f"leftIndex(target: matrix|frame, value: matrix|frame|scalar, {BOUNDS})",
    _left_type,
    left_index,
    "target with target[row:row_end, column:column_end] = value",
    internal=True,
    samples=(
        'matrix("1 2 3 4 5 6", 3, 2), 9, 2, 3, 1, 1',
        'matrix("1 2 3 4 5 6", 3, 2), matrix("7 8", 1, 2), 2, missing, missing, missing',
    ),
)


def _key(position: Any) -> int | str:
    return position if isinstance(position, str) else as_int_argument(position)


def list_index(target: ListValue, lower: Any, upper: Any) -> ListValue:
    first = _key(lower)
    return target.select(first, first if upper is None else _key(upper))


define(
    "listIndex(target: list, lower: scalar, upper: scalar = missing)",
    lambda target, lower, upper: LIST,
    list_index,
    "target[lower:upper] of a list, which is a list again",
    internal=True,
    traits=(Trait.SHARES,),
    samples=('list(1, "b", TRUE), 2, missing', 'list(a=1, b="b", c=TRUE), "b", 3.7', "list(matrix(0, 0, 2)), 1, 1"),
)


def list_assign(target: ListValue, value: Any, lower: Any, upper: Any) -> ListValue:
    start = target.position(_key(lower))
    if upper is None:
        # A list of one entry stands for that entry, as it does on the way out.
        inner = value.items[0] if isinstance(value, ListValue) and len(value) == 1 else value
        return target.replace(start, [inner])
    count = target.position(_key(upper)) + 1 - start
    if not isinstance(value, ListValue) or len(value) != count:
        found = f"a list of {len(value)}" if isinstance(value, ListValue) else text(type(value).__name__)
        raise OperationError(f"a region of {count} list entries needs a list of as many entries, found {found}")
    return target.replace(start, value.items)


define(
    "listAssign(target: list, value: any, lower: scalar, upper: scalar = missing)",
    lambda target, value, lower, upper: LIST,
    list_assign,
    "target with target[lower:upper] = value for a list",
    internal=True,
    traits=(Trait.SHARES,),
    samples=(
        'list(1, "b", TRUE), 2.5, 2, missing',
        'list(a=1, b="b", c=TRUE), list(0, "x"), "b", "c"',
        "list(1, 2), matrix(3, 1, 1), 1.9, missing",
    ),
)
