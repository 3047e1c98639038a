"""Standardised columns in NumPy by someone who counts the passes over memory: one array besides X, no second mean."""

from __future__ import annotations

import numpy as np


def compute(X: np.ndarray) -> np.ndarray:
    Z = X - X.mean(axis=0)
    Z /= np.sqrt(np.einsum("ij,ij->j", Z, Z) / (len(Z) - 1))
    return Z


def outcome(Z: np.ndarray, X: np.ndarray) -> np.ndarray:
    return np.vstack([(Z**2).sum(axis=0), Z[0], Z[-1]])
