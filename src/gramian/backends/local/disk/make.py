"""Matrices that are made on disk, some rows at a time, with the same cells as in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gramian.backends.local.disk.home import Home
from gramian.backends.local.disk.pipelines import NO
from gramian.backends.local.threads import in_parallel
from gramian.ir.disk import put
from gramian.ir.op import Op
from gramian.ir.sparse import worth
from gramian.ops.generate import RandomCells, actual_seed, check_distribution, default_step, sequence_length


def rand(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    """Each block of rows has random numbers of its own, whoever draws it."""
    rows, cols, low, high, sparsity, seed, pdf, rate = values
    check_distribution(pdf, sparsity, rate)
    if rows * cols == 0 or worth(rows * cols, int(rows * cols * sparsity)):
        return NO
    cells = RandomCells(cols, low, high, sparsity, actual_seed(seed), pdf, rate)
    found = home.place(rows, cols)

    def draw(block: int) -> None:
        first = block * cells.block_rows
        panel = np.zeros((min(rows, first + cells.block_rows) - first, cols), home.dtype)
        cells.fill(block, panel)
        put(found, first, panel)

    in_parallel(draw, range(-(-rows // cells.block_rows)))
    return found


def sequence(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    start, stop, step = values
    by = default_step(start, stop) if step is None else step

    def make(first: int, last: int) -> Any:
        return (np.arange(first, last, dtype=np.float64) * by + start).reshape(-1, 1)

    return home.by_panels(sequence_length(start, stop, by), 1, make)


WAYS: Mapping[str, Callable[[Home, Op, tuple[Any, ...]], Any]] = {"rand": rand, "seq": sequence}
