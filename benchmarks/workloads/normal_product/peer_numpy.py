"""t(X) %*% (w * (X %*% v)) in NumPy: two products of BLAS."""

from __future__ import annotations

import numpy as np


def compute(X: np.ndarray, w: np.ndarray, v: np.ndarray) -> np.ndarray:
    return X.T @ (w[:, 0] * (X @ v[:, 0]))
