"""Softmax over rows in NumPy, with one array besides X."""

from __future__ import annotations

import numpy as np


def compute(X: np.ndarray) -> np.ndarray:
    P = X - X.max(axis=1, keepdims=True)
    np.exp(P, out=P)
    P /= P.sum(axis=1, keepdims=True)
    return P


def outcome(P: np.ndarray, X: np.ndarray) -> np.ndarray:
    return np.vstack([P.sum(axis=0), P[0], P[-1]])
