"""Scalar loops and single cells: the script's own control flow."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from measures.processes import compiled, seconds_printed

WHILE = """
start = time()
i = 0
s = 0
while (i < 1000000) {
  s = s + i * 2
  i = i + 1
}
stop = time()
if (s != 999999000000) stop("wrong sum " + s)
print(stop - start)
"""

CELLS = """
X = matrix(0, rows=10, cols=10)
start = time()
for (k in 1:100000) {
  r = k %% 10 + 1
  X[r, 3] = as.scalar(X[r, 3]) + k
}
stop = time()
if (sum(X) != 5000050000) stop("wrong sum " + sum(X))
print(stop - start)
"""

_while = compiled("while.dml", WHILE)
_cells = compiled("cells.dml", CELLS)


def gramian_while() -> float:
    return seconds_printed(_while)


def python_while() -> float:
    start = perf_counter()
    i = 0
    s = 0
    while i < 1000000:
        s = s + i * 2
        i = i + 1
    return perf_counter() - start


def gramian_cells() -> float:
    return seconds_printed(_cells)


def numpy_cells() -> float:
    x = np.zeros((10, 10))
    start = perf_counter()
    for k in range(1, 100001):
        r = k % 10 + 1
        x[r - 1, 2] = x[r - 1, 2] + k
    return perf_counter() - start
