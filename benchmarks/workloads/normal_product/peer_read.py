"""The time to read X once: a parallel sum over X, by Numba or by NumPy on threads, whichever is quicker on this machine."""

from __future__ import annotations

import os

# OpenMP's threads would go on spinning for a while after each turn, and take a core from whoever has the next one.
os.environ["OMP_WAIT_POLICY"] = "passive"

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import numba
import numpy as np

POOL = ThreadPoolExecutor()


def compute(X: np.ndarray, w: np.ndarray, v: np.ndarray) -> np.ndarray:
    cells = X.reshape(-1)
    if not _quicker:
        _quicker.append(min((_numba_sum, _numpy_sum), key=lambda sum_of: _seconds(sum_of, cells)))
    return np.array([_quicker[0](cells)])


# Found out in the first turn, which does not count.
_quicker: list[Callable[[np.ndarray], float]] = []


def _seconds(sum_of: Callable[[np.ndarray], float], cells: np.ndarray) -> float:
    times = []
    for _ in range(4):
        start = perf_counter()
        sum_of(cells)
        times.append(perf_counter() - start)
    return min(times)


@numba.njit(parallel=True, fastmath=True)
def _numba_sum(cells: np.ndarray) -> float:
    total = 0.0
    for i in numba.prange(cells.size):
        total += cells[i]
    return total


def _numpy_sum(cells: np.ndarray) -> float:
    return sum(POOL.map(np.sum, np.array_split(cells, 4 * (os.cpu_count() or 1))))
