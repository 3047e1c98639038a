"""Grouping, sorting and selecting ten million rows, beside the best NumPy or pandas says of the same thing."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd

import gramian.ops
from gramian.ir.op import REGISTRY

_ = gramian.ops
ROWS = 10_000_000


@cache
def data() -> dict[str, Any]:
    draw = np.random.default_rng(7)
    return {
        "groups": draw.integers(1, 1001, (ROWS, 1)).astype(np.float64),
        "others": draw.integers(1, 11, (ROWS, 1)).astype(np.float64),
        "values": draw.random((ROWS, 1)),
        "keep": (draw.random((ROWS, 1)) < 0.5).astype(np.float64),
    }


def timed(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def kernel(name: str) -> Callable[..., Any]:
    return REGISTRY[name].kernel


def gramian_table() -> float:
    d = data()
    return timed(lambda: kernel("table")(d["groups"], d["others"], None, None, None, None))


def numpy_table() -> float:
    d = data()

    def work() -> object:
        i, j = d["groups"][:, 0].astype(np.int64) - 1, d["others"][:, 0].astype(np.int64) - 1
        rows, cols = int(i.max()) + 1, int(j.max()) + 1
        return np.bincount(i * cols + j, minlength=rows * cols).reshape(rows, cols).astype(np.float64)

    return timed(work)


def gramian_order() -> float:
    d = data()
    return timed(lambda: kernel("order")(d["values"], 1, False, True))


def numpy_order() -> float:
    d = data()
    return timed(lambda: (np.argsort(d["values"][:, 0], kind="stable") + 1.0).reshape(-1, 1))


def gramian_remove_empty() -> float:
    d = data()
    return timed(lambda: kernel("removeEmpty")(d["values"], "rows", d["keep"], True))


def numpy_remove_empty() -> float:
    d = data()
    # A mask over a flat array is several times as fast as one over the rows of a matrix of one column.
    return timed(lambda: d["values"][:, 0][d["keep"][:, 0] != 0].reshape(-1, 1))


def gramian_aggregate() -> float:
    d = data()
    return timed(lambda: kernel("aggregate")(d["values"], d["groups"], "mean", None, None, None))


def numpy_aggregate() -> float:
    d = data()

    def work() -> object:
        group = d["groups"][:, 0].astype(np.int64) - 1
        return (np.bincount(group, d["values"][:, 0]) / np.bincount(group)).reshape(-1, 1)

    return timed(work)


def pandas_aggregate() -> float:
    d = data()
    return timed(lambda: pd.Series(d["values"][:, 0]).groupby(d["groups"][:, 0]).mean().to_numpy().reshape(-1, 1))
