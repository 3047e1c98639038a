"""Independent iterations of a parfor with two workers, beside the same loop with one.

The kernels of the first body let other threads run, and use one core each; the second body is scalar code and operators
on small matrices, which only processes can run at the same time.
"""

from __future__ import annotations

from gramian.api.script import Script
from measures.processes import compiled, seconds_printed

LARGE = """
X = rand(rows=200000, cols=40, seed=1)
R = matrix(0, rows=3, cols=40)
start = time()
parfor (j in 1:40, par=%d) {
  x = X[, j]
  R[1, j] = median(x)
  R[2, j] = interQuartileMean(x)
  R[3, j] = sum(cumsum(order(target=x * x)))
}
stop = time()
if (sum(R) == 0) stop("no result")
print(stop - start)
"""

SMALL = """
X = rand(rows=200, cols=6, seed=1)
R = matrix(0, rows=40, cols=6)
S = matrix(0, rows=6, cols=6)
start = time()
parfor (i in 1:40, par=%d) {
  C = X[i, ]
  k = 0
  while (k < 5000) {
    C = C + (X[k %%%% 200 + 1, ] - C) / (k + 2)
    k = k + 1
  }
  R[i, ] = C
  S += t(C) %%*%% C
}
stop = time()
if (sum(R) == 0 | sum(S) == 0) stop("no result")
print(stop - start)
"""


def script(text: str, workers: int) -> Script:
    return compiled("parfor.dml", text % workers)


_large = {workers: script(LARGE, workers) for workers in (1, 2)}
_small = {workers: script(SMALL, workers) for workers in (1, 2)}


def large_by_two() -> float:
    return seconds_printed(_large[2])


def large_by_one() -> float:
    return seconds_printed(_large[1])


def small_by_two() -> float:
    return seconds_printed(_small[2])


def small_by_one() -> float:
    return seconds_printed(_small[1])
