"""Ridge regression by conjugate gradient in NumPy: BLAS reads X twice in each step."""

from __future__ import annotations

import numpy as np


def compute(X: np.ndarray, y: np.ndarray, iterations: int) -> np.ndarray:
    regularization = 0.001
    w = np.zeros(X.shape[1])
    r = -(X.T @ y[:, 0])
    p = -r
    norm_r2 = r @ r
    for _ in range(iterations):
        q = X.T @ (X @ p) + regularization * p
        alpha = norm_r2 / (p @ q)
        w += alpha * p
        r += alpha * q
        old_norm_r2 = norm_r2
        norm_r2 = r @ r
        p = (norm_r2 / old_norm_r2) * p - r
    return w
