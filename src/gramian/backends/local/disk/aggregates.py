"""Aggregates of matrices on disk whose partial results do not simply combine: means, variances, products."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gramian.backends.local.disk.home import Home, parts_of
from gramian.backends.local.disk.pipelines import NO, by_pipeline, over_panels
from gramian.ir.disk import DiskTranspose, panel_of
from gramian.ir.node import Node, build
from gramian.ir.op import REGISTRY, Op

ACROSS: Mapping[str, str] = {
    f"{a}{name}": f"{b}{name}"
    for name in ("Sums", "Means", "Vars", "Sds", "Mins", "Maxs", "Prods")
    for a, b in (("row", "col"), ("col", "row"))
}
WHOLE = ("sum", "min", "max", "mean", "var", "sd", "prod")


def of_transposes(way: Callable[[Home, Op, tuple[Any, ...]], Any]) -> Callable[[Home, Op, tuple[Any, ...]], Any]:
    """The way, where aggregates of a transpose are those of its base in the other direction."""

    def run(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
        if len(values) > 1 and values[1] is not None:
            return by_pipeline(home, op, values) if op.name in ("min", "max") else NO
        x = values[0]
        if 0 in x.shape:
            return NO
        if type(x) is DiskTranspose:
            if op.name in WHOLE:
                return home.run(op.name, x.T)
            return home.run(ACROSS[op.name], x.T).T
        return way(home, op, values)

    return run


def mean(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    return home.run("sum", values[0]) / values[0].size


def column_means(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    return home.run("/", home.run("colSums", values[0]), float(values[0].shape[0]))


def deviations(total: str) -> Callable[[Node, Node], tuple[Node, Node]]:
    """The sums of deviations from a mean, and of their squares."""

    def make(x: Node, mean: Node) -> tuple[Node, Node]:
        apart = build("-", (x, mean))
        return build(total, (apart,)), build(total, (build("*", (apart, apart)),))

    return make


def variance(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    """In two passes; the sum of the deviations, which rounding keeps from zero, corrects the second."""
    x = values[0]
    rest, squares = over_panels(home, [x, home.run("mean", x)], deviations("sum"))
    return float(np.maximum(squares - rest * rest / x.size, 0.0)) / max(x.size - 1, 1)


def column_variances(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    x = values[0]
    rest, squares = over_panels(home, [x, home.run("colMeans", x)], deviations("colSums"))
    found = np.maximum(squares - np.square(rest) / x.shape[0], 0.0) / max(x.shape[0] - 1, 1)
    return found.astype(home.dtype, copy=False)


def roots(way: Callable[..., Any]) -> Callable[..., Any]:
    def run(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
        found = way(home, op, values)
        return math.sqrt(found) if isinstance(found, float) else np.sqrt(found)

    return run


def by_parts(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    """Products: of the parts first, then of what these give."""
    x = values[0]
    found = [op.kernel(panel_of(x, first, last)) for first, last in parts_of(x.shape[0], x.shape[1])]
    if isinstance(found[0], float):
        return op.kernel(np.array([found]))
    return np.asarray(op.kernel(np.concatenate(found)), home.dtype)


def row_aggregate(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    return by_pipeline(home, op, values)


_BY_COLUMNS: Mapping[str, Callable[[Home, Op, tuple[Any, ...]], Any]] = {
    "mean": mean,
    "colMeans": column_means,
    "var": variance,
    "colVars": column_variances,
    "sd": roots(variance),
    "colSds": roots(column_variances),
    "prod": by_parts,
    "colProds": by_parts,
}
WAYS: Mapping[str, Callable[[Home, Op, tuple[Any, ...]], Any]] = {
    name: of_transposes(_BY_COLUMNS.get(name, row_aggregate)) for name in (*WHOLE, *ACROSS) if name in REGISTRY
}
