"""The same conjugate gradient for the squared hinge loss, by hand with a sparse matrix of SciPy."""

from __future__ import annotations

import numpy as np
from scipy import sparse


def compute(X: sparse.csr_array, y: np.ndarray, iterations: int) -> np.ndarray:
    regularization = 1
    y = y[:, 0]
    w = np.zeros(X.shape[1])
    scores = np.zeros(X.shape[0])
    gradient = -(X.T @ y)
    direction = -gradient
    for _ in range(iterations):
        xd = X @ direction
        wd = regularization * (w @ direction)
        dd = regularization * (direction @ direction)

        step = 0.0
        for _ in range(20):
            slack = np.maximum(1 - y * (scores + step * xd), 0)
            slope = wd + step * dd - (slack * y) @ xd
            curvature = dd + np.sum(xd[slack > 0] ** 2)
            step -= slope / curvature
            if slope**2 / curvature <= 1e-9:
                break

        w += step * direction
        scores += step * xd
        slack = np.maximum(1 - y * scores, 0)
        old_gradient = gradient
        gradient = regularization * w - X.T @ (slack * y)
        beta = max(0.0, gradient @ (gradient - old_gradient) / (old_gradient @ old_gradient))
        direction = beta * direction - gradient
    return w
