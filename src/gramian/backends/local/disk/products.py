"""Products of which an operand or the result is on disk.

`A %*% B` is a sum over the rows of B, so both sides are read by rows:

    for some rows of A:                  as many as memory has room for, with their rows of the result
        for some rows of B:
            result += A's columns there %*% B's rows
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gramian.backends.local.disk.home import Home, parts_of
from gramian.backends.local.disk.pipelines import NO, over_panels
from gramian.backends.local.fused.loops import NARROW
from gramian.ir.disk import DiskTranspose, is_on_disk, panel_of, put
from gramian.ir.node import build
from gramian.ir.op import Op
from gramian.ir.sparse import densify

PANEL = 1 << 22  # cells of the panels of a product: large enough for the library's own multiplication to be quick


def product(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    a, b = values
    if a.shape[1] != b.shape[0] or 0 in (*a.shape, *b.shape):
        return NO  # the operator's own kernel has the words for it
    if type(a) is DiskTranspose and type(b) is DiskTranspose:
        return home.run("t", home.run("%*%", b.T, a.T))
    a, b = home.dense(a), home.dense(b)
    rows, cols = a.shape[0], b.shape[1]
    if type(a) is DiskTranspose and home.keeps((rows, cols), (rows, cols)):
        return crossed(home, a.T, b)
    if type(b) is DiskTranspose and home.keeps(b.shape):
        b = densify(b.load())
    if is_on_disk(b) and home.keeps(b.shape, (1, cols)):
        b = densify(b.load())
    if not is_on_disk(b) and min(a.shape[1], cols) <= NARROW:
        return over_panels(home, [a, b], lambda x, v: [build("%*%", (x, v))])
    return blocked(home, a, b)


def crossed(home: Home, a: Any, b: Any) -> Any:
    """t(a) %*% b, which adds up over the rows of both."""
    if min(a.shape[1], b.shape[1]) <= NARROW:
        return over_panels(home, [a, b], lambda x, y: [build("%*%", (build("t", (x,)), y))])
    found = np.zeros((a.shape[1], b.shape[1]))
    for first, last in parts_of(a.shape[0], a.shape[1] + b.shape[1], PANEL):
        left = panel_of(a, first, last)
        found += left.T @ (left if b is a else panel_of(b, first, last))
    return found.astype(home.dtype, copy=False)


def blocked(home: Home, a: Any, b: Any) -> Any:
    """a %*% b by as many rows of a at a time as there is room for."""
    inner, cols = b.shape
    found = home.place(a.shape[0], cols)
    room = max(home.budget.free() // 4 // home.dtype.itemsize, 0)
    step = max(1, max(room, PANEL) // (inner + cols))
    for first in range(0, a.shape[0], step):
        left = panel_of(a, first, min(a.shape[0], first + step))
        put(found, first, left @ b if not is_on_disk(b) else summed(left, b))
    return found


def summed(left: Any, b: Any) -> Any:
    """left %*% b, where b is on disk."""
    found = np.zeros((left.shape[0], b.shape[1]))
    for first, last in parts_of(b.shape[0], b.shape[1], PANEL):
        found += left[:, first:last] @ b.panel(first, last)
    return found


WAYS: Mapping[str, Callable[[Home, Op, tuple[Any, ...]], Any]] = {"%*%": product}
