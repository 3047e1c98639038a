"""Operators that go through the rows of a matrix in their order, or look at each row for itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gramian.backends.local.disk.home import Home, in_memory, parts_of
from gramian.backends.local.disk.pipelines import NO, is_matrix, over_panels
from gramian.ir.disk import DiskTranspose, is_on_disk, panel_of, put
from gramian.ir.node import Node, build, literal
from gramian.ir.op import Op
from gramian.ir.sparse import by_rows, densify, is_sparse


def running(combine: np.ufunc) -> Callable[[Home, Op, tuple[Any, ...]], Any]:
    """A running sum, product or extreme down the columns: each panel goes on from the last row before it."""

    def way(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
        x = values[0]
        found = home.place(*x.shape)
        carry = None
        for first, last in parts_of(*x.shape):
            panel = panel_of(x, first, last)
            if carry is not None:
                panel = np.concatenate([carry, panel])
            # In double, as the whole matrix is in single precision.
            panel = combine.accumulate(panel.astype(np.float64, copy=False), axis=0)
            put(found, first, panel if carry is None else panel[1:])
            carry = panel[-1:]
        return found

    return way


def each_row(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    """An operator that makes each row of its result from the same row of its first operand alone."""
    x, *rest = values
    if not is_matrix(x) or 0 in x.shape:
        return NO
    rest = home.loaded(rest, op.name)
    x = by_rows(x) if is_sparse(x) else x
    kernel = home.backend.kernel_in_memory(op)

    def made(first: int, last: int) -> Any:
        return in_memory(kernel(panel_of(x, first, last), *rest))  # on disk if a sparse operand left no room for it

    return home.by_panels(x.shape[0], made(0, 1).shape[1], made, widest=x.shape[1])


def remove_empty(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    """Rows, or columns, of a matrix on disk. Which ones are kept is known before the size of the result is needed."""
    target, margin, select, empty_return = values
    if not is_matrix(target) or is_sparse(target) or 0 in target.shape:
        return NO
    if select is None:
        marks = over_panels(home, [target], filled("rowSums" if margin == "rows" else "colSums"))
        return home.run("removeEmpty", target, margin, marks, empty_return)
    if type(target) is DiskTranspose or margin not in ("rows", "cols"):
        return NO
    select = densify(home.loaded([select], "argument 'select' of removeEmpty()")[0])
    count = target.shape[0 if margin == "rows" else 1]
    if select.size != count or 1 not in select.shape:
        return NO
    return kept(home, target, margin, np.asarray(select).ravel() != 0, empty_return)


def filled(total: str) -> Callable[[Node], Sequence[Node]]:
    """How many cells other than zero a row or column has."""
    return lambda x: [build(total, (build("!=", (x, literal(0.0))),))]


def kept(home: Home, target: Any, margin: str, keep: Any, empty_return: bool) -> Any:
    rows, cols = target.shape
    if not keep.any():
        count = int(empty_return)
        return np.zeros((count, cols) if margin == "rows" else (rows, count), home.dtype)
    if margin == "cols":
        return home.by_panels(rows, int(keep.sum()), lambda a, b: panel_of(target, a, b)[:, keep], widest=cols)
    found = home.place(int(keep.sum()), cols)
    start = 0
    for first, last in parts_of(rows, cols):
        here = keep[first:last]
        if here.any():
            put(found, start, panel_of(target, first, last)[here])
            start += int(here.sum())
    return found


def to_string(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    """The kernel only looks at the part that it shows."""
    return op.kernel(*values) if is_on_disk(values[0]) else NO


def weighted(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    """quantize_compress(X, s) is floor(X * s)."""
    x, s = values
    if is_matrix(s) and s.shape not in (x.shape, (x.shape[0], 1), (1, 1)):
        return NO
    return home.run("floor", home.run("*", x, s))


WAYS: Mapping[str, Callable[[Home, Op, tuple[Any, ...]], Any]] = {
    "cumsum": running(np.add),
    "cumprod": running(np.multiply),
    "cummin": running(np.minimum),
    "cummax": running(np.maximum),
    "rowcumsum": each_row,
    "outer": each_row,
    "bias_add": each_row,
    "bias_multiply": each_row,
    "removeEmpty": remove_empty,
    "toString": to_string,
    "quantize_compress": weighted,
}
