"""Linear regression of Spark MLlib on a cached DataFrame of vectors: at most so many iterations of L-BFGS, none of which
ends the search early.

python -m on_spark.peer_mllib master=local[2] X=X.npy y=y.npy iterations=20 out=w.csv
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import perf_counter
from typing import Any

import numpy as np

from on_spark.session import parts_of, started
from on_spark.sides import told

ROWS = 10_000  # of a batch


def main() -> None:
    from pyspark.ml.functions import array_to_vector
    from pyspark.ml.regression import LinearRegression

    values = told()
    spark = started(values["master"])
    files = values["X"], values["y"]
    parts = parts_of(*np.load(files[0], mmap_mode="r").shape)

    def rows(batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow as pa

        x, y = (np.load(file, mmap_mode="r") for file in files)
        for batch in batches:
            for number in batch.column(0).to_pylist():
                for first in range(*parts[number], ROWS):
                    some = slice(first, min(first + ROWS, parts[number][1]))
                    cells = np.array(x[some])
                    ends = np.arange(0, cells.size + 1, cells.shape[1], dtype=np.int32)
                    lists = pa.ListArray.from_arrays(pa.array(ends), pa.array(cells.ravel()))
                    yield pa.RecordBatch.from_arrays([lists, pa.array(np.array(y[some, 0]))], ["cells", "label"])

    numbers = spark.range(0, len(parts), 1, len(parts))
    table = numbers.mapInArrow(rows, "cells array<double>, label double")
    table = table.select(array_to_vector("cells").alias("features"), "label").persist()
    print("input", table.count())

    start = perf_counter()
    fit = LinearRegression(
        maxIter=int(values["iterations"]), tol=0.0, regParam=0.0, solver="l-bfgs", fitIntercept=False
    )
    model = fit.fit(table)
    print(f"nanoseconds {round((perf_counter() - start) * 1e9)}")
    print(f"iterations {model.summary.totalIterations}")
    np.savetxt(values["out"], model.coefficients.toArray(), "%.17g")
    spark.stop()


if __name__ == "__main__":
    main()
