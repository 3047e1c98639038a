"""Reading a csv file of 1,000,000 x 100 numbers (about 0.9 GB), which is made once under benchmarks/data."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow as pa
from pyarrow import csv

from gramian.api.script import Script
from measures.processes import compiled, seconds_printed

ROWS, COLS = 1_000_000, 100
DATA = Path(__file__).parents[1] / "data" / "numbers.csv"

READ = """
start = time()
X = read("{path}", format="csv")
stop = time()
if (nrow(X) != {rows} | ncol(X) != {cols}) stop("wrong size")
print(stop - start)
"""


def gramian_csv() -> float:
    return seconds_printed(_script())


def pyarrow_csv() -> float:
    """The quickest way that we know: types given, all cores, columns copied into one array."""
    path = _file()
    start = perf_counter()
    names = [f"C{j}" for j in range(COLS)]
    table = csv.read_csv(
        path,
        read_options=csv.ReadOptions(column_names=names),
        convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pa.float64())),
    )
    matrix = np.empty(table.shape)
    for j, column in enumerate(table.columns):
        matrix[:, j] = column.to_numpy()
    return perf_counter() - start


@cache
def _script() -> Script:
    return compiled("csv.dml", READ.format(path=_file(), rows=ROWS, cols=COLS))


def _file() -> Path:
    if not DATA.exists():
        DATA.parent.mkdir(exist_ok=True)
        unfinished = DATA.with_suffix(".tmp")
        _write(unfinished)
        unfinished.rename(DATA)
    return DATA


def _write(path: Path) -> None:
    rng = np.random.default_rng(1)
    step = ROWS // 50
    with path.open("wb") as file:
        for _ in range(50):
            block = rng.standard_normal((COLS, step)).round(6)
            table = pa.table([pa.array(column) for column in block], names=[f"C{j}" for j in range(COLS)])
            csv.write_csv(table, file, csv.WriteOptions(include_header=False))
