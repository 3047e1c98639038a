"""Operators with operands of many rows, for tests of matrices in panels."""

from __future__ import annotations

from typing import Any

import numpy as np

from gramian.ir.values import ListValue


def sizes(*numbers: int) -> ListValue:
    return ListValue(list(numbers))


RNG = np.random.default_rng(1)
X = RNG.normal(size=(23, 5))
Y = RNG.normal(size=(23, 3))
V = RNG.normal(size=(23, 1))
W = RNG.normal(size=(5, 40))
HOLES = X * (X > 1)
GROUPS = RNG.integers(1, 5, size=(23, 1)).astype(float)
KINDS = RNG.integers(1, 4, size=(23, 1)).astype(float)
WEIGHTS = RNG.integers(1, 9, size=(23, 1)).astype(float)
IMAGES = RNG.normal(size=(23, 2 * 4 * 4))
FILTERS = RNG.normal(size=(3, 2 * 9))
IN, FILTER, ONE = sizes(23, 2, 4, 4), sizes(3, 2, 3, 3), sizes(1, 1)
POOL = [sizes(23, 2, 4, 4), sizes(2, 2), sizes(2, 2), sizes(0, 0)]
MEANS = RNG.normal(size=(2, 1))
NOTHING = [None] * 3

# What runs without its matrices passing through the driver.
CASES: dict[str, list[tuple[str, list[Any]]]] = {
    "index": [
        ("rightIndex", [X, 3, 17, 2, 4]),
        ("rightIndex", [X, 3, 17, None, None]),
        ("rightIndex", [X, None, None, 4, None]),
        ("rightIndex", [X, 5, None, None, None]),
        ("cbind", [X, Y, X]),
        ("rbind", [X, W[:, :5], X[:1]]),
        ("cbind", [ListValue([X, V])]),
        ("matrix", [X, 5, 23, True]),
        ("matrix", [X, 115, 1, True]),
        ("matrix", [X, 115, 1, False]),
        ("matrix", [X, 5, 23, False]),
        ("rev", [X]),
        ("roll", [X, 7]),
        ("roll", [X, -24]),
        ("roll", [X, 23]),
    ],
    "writing": [
        ("leftIndex", [X, Y[:4], 9, 12, 2, 4]),
        ("leftIndex", [X, W[:, :5], 9, 13, None, None]),
        ("leftIndex", [X, 2.5, 3, None, 4, None]),
        ("leftIndex", [X, V, None, None, 3, None]),
    ],
    "products": [
        ("%*%", [X, W]),
        ("%*%", [X.T, Y]),
        ("%*%", [X, X.T]),
        ("%*%", [X[:1], X.T]),
        ("%*%", [W.T, X.T]),
        ("%*%", [X, W @ W.T]),
        ("%*%", [RNG.normal(size=(13, 23)), RNG.normal(size=(23, 14))]),
        ("%*%", [RNG.normal(size=(23, 13)).T, RNG.normal(size=(23, 14))]),
    ],
    "cumulative": [
        *[(name, [X]) for name in ("cumsum", "cumprod", "cummin", "cummax", "rowcumsum")],
        ("cumsum", [np.where(np.arange(23)[:, None] == 9, np.nan, X)]),
        ("cumsumprod", [X[:, :2]]),
    ],
    "rows": [
        ("removeEmpty", [HOLES, "rows", None, True]),
        ("removeEmpty", [X, "rows", np.arange(23.0)[:, None] % 3, True]),
        ("removeEmpty", [X, "rows", np.zeros((23, 1)), True]),
        ("removeEmpty", [X, "rows", np.arange(23.0)[None, :] % 2, False]),
        ("removeEmpty", [X * np.array([1.0, 0, 1, 0, 1]), "cols", None, True]),
        ("removeEmpty", [X, "cols", np.array([[0.0, 1, 1, 0, 0]]), True]),
        ("order", [X, 2, False, False]),
        ("order", [GROUPS, 1, True, True]),
        ("order", [np.hstack([GROUPS, KINDS, V]), np.array([[2.0, 1.0]]), True, False]),
        ("replace", [HOLES, 0.0, 3.0]),
        ("is.na", [X]),
        ("ifelse", [HOLES, V, 3]),
        ("outer", [V, W[:1], "<"]),
        ("pnorm", [X, 0.0, 1.0, True]),
        ("qnorm", [1 / (1 + np.exp(-X)), 0.0, 1.0]),
        ("rowCountDistinct", [np.hstack([GROUPS, KINDS])]),
        ("countDistinct", [np.hstack([GROUPS, KINDS]), "r"]),
    ],
    "tables": [
        ("table", [GROUPS, KINDS, *NOTHING, None]),
        ("table", [GROUPS, 2, *NOTHING, None]),
        ("table", [GROUPS, KINDS, WEIGHTS, *NOTHING]),
        ("table", [GROUPS, KINDS, None, 2, 6, None]),
        ("table", [np.arange(1.0, 24)[:, None], KINDS, *NOTHING, None]),
        *[
            ("aggregate", [V, GROUPS, fn, None, None, None])
            for fn in ("sum", "count", "mean", "variance", "min", "max")
        ],
        ("aggregate", [V, GROUPS, "centralmoment", None, 3, None]),
        ("aggregate", [V, GROUPS, "variance", WEIGHTS, None, None]),
        ("aggregate", [X, GROUPS, "mean", None, None, 3]),
        ("aggregate", [X, GROUPS, "variance", None, None, 6]),
        ("aggregate", [X, GROUPS, "min", None, None, 6]),
    ],
    "statistics": [
        ("moment", [V, 3, None]),
        ("moment", [V, WEIGHTS, 2]),
        ("cov", [V, WEIGHTS, None]),
        ("cov", [V, WEIGHTS, WEIGHTS]),
        ("mean", [V, WEIGHTS]),
        ("colVars", [X]),
        ("colProds", [X]),
        ("prod", [X]),
        ("contains", [X, 2.0]),
        ("contains", [X, X[17:18].copy()]),
        ("unique", [KINDS, "rc"]),
        ("countDistinct", [GROUPS, "rc"]),
        ("lower.tri", [X, False, True]),
        ("upper.tri", [RNG.normal(size=(23, 25)), True, True]),
        ("diag", [X @ X.T]),
        ("trace", [X @ X.T]),
        ("part", [X, X[:20, :2].copy(), 2, 3]),
        ("sumTo", [X, V]),
        ("sumTo", [X, X[:1].copy()]),
    ],
    "ranks": [
        ("quantile", [V, 0.3, None]),
        ("quantile", [V, np.array([[0.0], [0.25], [0.5], [1.0]]), None]),
        ("quantile", [V, WEIGHTS, 0.7]),
        ("quantile", [KINDS, WEIGHTS, np.linspace(0, 1, 9)[:, None]]),
        ("median", [V, None]),
        ("median", [KINDS, WEIGHTS]),
        ("median", [np.where(np.arange(23)[:, None] == 9, np.nan, V), None]),
        ("interQuartileMean", [V, None]),
        ("interQuartileMean", [V, WEIGHTS]),
        ("interQuartileMean", [KINDS, None]),
        ("countDistinct", [np.hstack([GROUPS, KINDS]), "c"]),
        ("unique", [np.hstack([GROUPS, KINDS]), "c"]),
        ("colCountDistinctApprox", [np.hstack([GROUPS, KINDS]), "KMV"]),
    ],
    "images": [
        ("bias_add", [IMAGES, MEANS]),
        ("bias_multiply", [IMAGES, MEANS]),
        ("conv2d", [IMAGES, FILTERS, IN, FILTER, ONE, ONE]),
        ("conv2d_backward_data", [FILTERS, RNG.normal(size=(23, 48)), IN, FILTER, ONE, ONE]),
        ("conv2d_backward_filter", [IMAGES, RNG.normal(size=(23, 48)), IN, FILTER, ONE, ONE]),
        ("max_pool", [IMAGES, *POOL]),
        ("avg_pool", [IMAGES, *POOL]),
        ("max_pool_backward", [IMAGES, RNG.normal(size=(23, 8)), *POOL]),
        ("avg_pool_backward", [IMAGES, RNG.normal(size=(23, 8)), *POOL]),
        ("batch_norm2d", [IMAGES, MEANS, MEANS, MEANS, MEANS**2, "test", 1e-5, 0.9]),
        ("batch_norm2d", [IMAGES, MEANS, MEANS, MEANS, MEANS**2, "train", 1e-5, 0.9]),
    ],
}
