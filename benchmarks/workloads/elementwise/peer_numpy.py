"""sum((X - Y)^2 * exp(-abs(X))) in NumPy, operation by operation."""

from __future__ import annotations

import numpy as np


def compute(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    return np.sum((X - Y) ** 2 * np.exp(-np.abs(X)))
