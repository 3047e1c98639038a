"""Recode and dummycode 1,000,000 rows of ten text columns into a sparse matrix, beside scikit-learn's OneHotEncoder."""

from __future__ import annotations

from functools import cache
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

import gramian.ops
from gramian.ir.frame import Frame
from gramian.ir.op import REGISTRY

_ = gramian.ops
ROWS = 1_000_000
CATEGORIES = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
SPEC = '{"ids": true, "dummycode": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}'


@cache
def data() -> tuple[Frame, Any]:
    draw = np.random.default_rng(11)
    columns = {
        f"C{k}": np.char.add("v", draw.integers(0, count, ROWS).astype(str)) for k, count in enumerate(CATEGORIES)
    }
    return Frame(pa.table(columns)), pd.DataFrame(columns, dtype=object)


def gramian_encode() -> float:
    frame, _ = data()
    start = perf_counter()
    REGISTRY["transformencode"].kernel(frame, SPEC)
    return perf_counter() - start


def sklearn_encode() -> float:
    from sklearn.preprocessing import OneHotEncoder

    _, table = data()
    start = perf_counter()
    OneHotEncoder().fit_transform(table)
    return perf_counter() - start
