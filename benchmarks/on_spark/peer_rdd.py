"""Ridge regression by conjugate gradient as one writes it with pyspark: an RDD of blocks of NumPy, kept in memory.

python -m on_spark.peer_rdd master=local[2] X=X.npy y=y.npy iterations=20 out=w.csv
"""

from __future__ import annotations

from operator import add
from time import perf_counter

import numpy as np

from on_spark.session import parts_of, started
from on_spark.sides import told


def main() -> None:
    values = told()
    spark = started(values["master"]).sparkContext
    files = values["X"], values["y"]
    parts = parts_of(*np.load(files[0], mmap_mode="r").shape)

    def block(limits: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        x, y = (np.array(np.load(file, mmap_mode="r")[slice(*limits)]) for file in files)
        return x, y[:, 0]

    blocks = spark.parallelize(parts, len(parts)).map(block).cache()
    print("input", blocks.map(lambda b: b[0].sum() + b[1].sum()).sum())

    regularization = 0.001
    start = perf_counter()
    r = -blocks.map(lambda b: b[0].T @ b[1]).reduce(add)
    w, p, norm_r2 = np.zeros(len(r)), -r, r @ r
    for _ in range(int(values["iterations"])):
        q = blocks.map(lambda b, p=p: b[0].T @ (b[0] @ p)).reduce(add) + regularization * p
        alpha = norm_r2 / (p @ q)
        w += alpha * p
        r += alpha * q
        old_norm_r2 = norm_r2
        norm_r2 = r @ r
        p = (norm_r2 / old_norm_r2) * p - r
    print(f"nanoseconds {round((perf_counter() - start) * 1e9)}")
    np.savetxt(values["out"], w, "%.17g")
    spark.stop()


if __name__ == "__main__":
    main()
