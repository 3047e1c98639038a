"""t(X) %*% (X %*% v) for a sparse X of 1,000,000 x 10,000 with 10 entries a row."""

from __future__ import annotations

from functools import cache
from time import perf_counter
from typing import Any

import gramian.ops
from gramian.backends.local.sparse.matmul import product
from gramian.ir.op import REGISTRY

_ = gramian.ops


@cache
def data() -> tuple[Any, Any]:
    rand = REGISTRY["rand"].kernel
    return rand(1_000_000, 10_000, 0.0, 1.0, 0.001, 1, "uniform", 1.0), rand(
        10_000, 1, 0.0, 1.0, 1.0, 2, "uniform", 1.0
    )


def gramian_product() -> float:
    x, v = data()
    start = perf_counter()
    product(x.T, product(x, v))
    return perf_counter() - start


def scipy_product() -> float:
    x, v = data()
    vector = v[:, 0]
    start = perf_counter()
    x.T @ (x @ vector)
    return perf_counter() - start
