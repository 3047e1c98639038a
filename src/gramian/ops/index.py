"""Indexing of matrices, frames and lists. Positions count from 1, both ends are included."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gramian.errors import OperationError, SizeError
from gramian.ir.disk import is_on_disk
from gramian.ir.frame import Frame
from gramian.ir.op import Trait, define, missing
from gramian.ir.scalar import as_int_argument, describe
from gramian.ir.sparse import by_rows, densify, is_sparse
from gramian.ir.types import DOUBLE, LIST, MISSING, Kind, Type, matrix, scalar
from gramian.ir.values import ListValue
from gramian.ops.rules import Matrix

AXES = ("row", "column")


def extent(target: Type, axis: int, lower: Type, upper: Type) -> int | None:
    """How many rows or columns an index selects, if that is known: all without bounds, one without an upper bound.

    Raises:
        SizeError: the bounds are certainly out of range.
    """
    size = (target.rows, target.cols)[axis]
    if missing(lower):
        return size
    first, last = lower.int_value(), upper.int_value()
    for bound in (first, last):
        if bound is not None and (bound < 1 or (size is not None and bound > size)):
            raise _beyond(axis, bound, target)
    if missing(upper):
        return 1
    if first is None or last is None:
        return None
    if first > last:
        raise _reversed(axis, first, last)
    return last - first + 1


def _beyond(axis: int, position: float, target: Type) -> SizeError:
    hint = "positions count from 1" if not position >= 1 else None
    found = "NaN" if position != position else position
    return SizeError(f"{AXES[axis]} index {found} is out of range for {target.describe()}", hint)


def _reversed(axis: int, first: int, last: int) -> SizeError:
    return SizeError(f"the lower {AXES[axis]} index {first} is greater than the upper {AXES[axis]} index {last}")


def out_of_range(shape: tuple[int, int], row: int, column: int) -> SizeError:
    """The error of a single cell outside its matrix."""
    axis = 0 if not 1 <= row <= shape[0] else 1
    return _beyond(axis, (row, column)[axis], matrix(*shape))


def bounds(target: Any, axis: int, lower: Any, upper: Any) -> slice:
    """The checked slice of an actual index into the rows (0) or columns (1) of a matrix or frame."""
    size = target.shape[axis]
    if lower is None:
        return slice(0, size)
    first = lower if type(lower) is int else as_int_argument(lower)
    last = first if upper is None else upper if type(upper) is int else as_int_argument(upper)
    if 1 <= first <= last <= size:
        return slice(first - 1, last)
    kind = Kind.FRAME if isinstance(target, Frame) else Kind.MATRIX
    for given, bound in ((lower, first), (upper, last)):
        if not 1 <= bound <= size:
            raise _beyond(
                axis, given if given != given else bound, Type(kind, rows=target.shape[0], cols=target.shape[1])
            )
    raise _reversed(axis, first, last)


def _right_type(target: Type, row: Type, row_end: Type, column: Type, column_end: Type) -> Type:
    rows = extent(target, 0, row, row_end)
    cols = extent(target, 1, column, column_end)
    return Type(target.kind, target.value_type, rows, cols)


def right_index(target: Any, row: Any, row_end: Any, column: Any, column_end: Any) -> Any:
    if type(target) is np.ndarray:
        region: Matrix = target[bounds(target, 0, row, row_end), bounds(target, 1, column, column_end)]
        return region
    return target.select(bounds(target, 0, row, row_end), bounds(target, 1, column, column_end))


_ZEROS = "matrix(0, nrow(target), ncol(target))"
_SELECTED = "rightIndex(dout, row, row_end, column, column_end)"
BOUNDS = "row: number = missing, row_end: number = missing, column: number = missing, column_end: number = missing"

define(
    f"rightIndex(target: matrix|frame, {BOUNDS})",
    _right_type,
    right_index,
    "target[row:row_end, column:column_end]",
    internal=True,
    traits=(Trait.SHARES,),
    gradient={"target": f"leftIndex({_ZEROS}, dout, row, row_end, column, column_end)"},
    samples=(
        'matrix("1 2 3 4 5 6", 3, 2), 2, 3, 1, 1',
        'matrix("1 2 3 4 5 6", 3, 2), 2, missing, 1, 2',
        'matrix("1 2 3 4 5 6", 3, 2), 1.7, missing, 2, missing',
    ),
)


def cell(target: Any, row: Any, column: Any) -> float:
    """One cell as a number."""
    i = row if type(row) is int else as_int_argument(row)
    j = column if type(column) is int else as_int_argument(column)
    rows, cols = target.shape
    if 0 < i <= rows and 0 < j <= cols:
        return float(target.item(i - 1, j - 1) if type(target) is np.ndarray else target[i - 1, j - 1])
    raise out_of_range((rows, cols), i, j)


def _cell_type(target: Type, row: Type, column: Type) -> Type:
    extent(target, 0, row, MISSING)
    extent(target, 1, column, MISSING)
    return scalar(DOUBLE)


define(
    "cell(target: matrix, row: number, column: number)",
    _cell_type,
    cell,
    "as.scalar(target[row, column])",
    internal=True,
    gradient={"target": f"leftIndex({_ZEROS}, dout, row, missing, column, missing)"},
    samples=('matrix("1 2 3 4 5 6", 3, 2), 2, 1', 'matrix("1 2 3 4 5 6", 3, 2), 2.5, 1'),
)


def _left_type(target: Type, value: Type, row: Type, row_end: Type, column: Type, column_end: Type) -> Type:
    region = _right_type(target, row, row_end, column, column_end)
    if value.kind in (Kind.MATRIX, Kind.FRAME):
        for size, found in ((region.rows, value.rows), (region.cols, value.cols)):
            if size is not None and found is not None and size != found:
                raise SizeError(f"{value.describe()} does not fit into a region of {_region_text(region)}")
    return Type(target.kind, target.value_type, target.rows, target.cols)


def _region_text(region: Type) -> str:
    if region.rows is not None and region.cols is not None:
        return f"{region.rows}x{region.cols}"
    size, what = (region.cols, "column") if region.rows is None else (region.rows, "row")
    return f"{size} {what}{'s' * (size != 1)}"


def store(target: Any, value: Any, row: Any, row_end: Any, column: Any, column_end: Any) -> None:
    """Write into a matrix that nobody else holds."""
    rows, cols = bounds(target, 0, row, row_end), bounds(target, 1, column, column_end)
    value = densify(value.load() if isinstance(target, np.ndarray) and is_on_disk(value) else value)
    shape = (rows.stop - rows.start, cols.stop - cols.start)
    if getattr(value, "shape", shape) != shape:
        raise SizeError(
            f"a {value.shape[0]}x{value.shape[1]} matrix does not fit into a region of {shape[0]}x{shape[1]}",
            "transpose it with t()" if value.shape == shape[::-1] else None,
        )
    if isinstance(value, str):
        raise OperationError("a string cannot be stored in a matrix")
    target[rows, cols] = value


DENSE_UP_TO = 1 << 28  # cells (2 GiB): smaller sparse matrices become dense when they are written by index


def writable(target: Any) -> Any:
    """A copy to write into by index: dense if that is affordable, since sparse rows are slow to change."""
    if is_sparse(target):
        cells = target.shape[0] * target.shape[1]
        return target.toarray() if cells <= DENSE_UP_TO else by_rows(target).copy()
    return target.copy()


def left_index(target: Any, value: Any, row: Any, row_end: Any, column: Any, column_end: Any) -> Any:
    if not isinstance(target, np.ndarray):
        return target.replace(bounds(target, 0, row, row_end), bounds(target, 1, column, column_end), value)
    changed = target.copy()
    store(changed, value, row, row_end, column, column_end)
    return changed


define(
    f"leftIndex(target: matrix|frame, value: matrix|frame|scalar, {BOUNDS})",
    _left_type,
    left_index,
    "target with target[row:row_end, column:column_end] = value",
    internal=True,
    gradient={
        "target": "leftIndex(dout, 0, row, row_end, column, column_end)",
        "value": lambda target, value, *_: _SELECTED if value.is_matrix else f"sum({_SELECTED})",
    },
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


def _entries(target: Type, lower: Type, upper: Type) -> slice | None:
    """Which entries of a list an index names, if that is known."""
    first = lower.int_value()
    last = first if upper.kind is Kind.MISSING else upper.int_value()
    if first is None or last is None or not 1 <= first <= last <= len(target.items):
        return None
    return slice(first - 1, last)


def _list_index_type(target: Type, lower: Type, upper: Type) -> Type:
    at = _entries(target, lower, upper)
    return LIST if at is None else replace(LIST, items=target.items[at])


def _list_assign_type(target: Type, value: Type, lower: Type, upper: Type) -> Type:
    at = _entries(target, lower, upper)
    if at is None or upper.kind is not Kind.MISSING or value.kind is Kind.LIST:
        return LIST
    return replace(LIST, items=(*target.items[: at.start], value, *target.items[at.stop :]))


define(
    "listIndex(target: list, lower: scalar, upper: scalar = missing)",
    _list_index_type,
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
        found = f"a list of {len(value)}" if isinstance(value, ListValue) else describe(value)
        raise OperationError(f"a region of {count} list entries needs a list of as many entries, found {found}")
    return target.replace(start, value.items)


define(
    "listAssign(target: list, value: any, lower: scalar, upper: scalar = missing)",
    _list_assign_type,
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
