"""Lloyd's algorithm in scikit-learn, for a fixed number of rounds from the same start."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning


def compute(X: np.ndarray, C: np.ndarray, iterations: int) -> KMeans:
    model = KMeans(len(C), init=C, n_init=1, max_iter=iterations, tol=0, algorithm="lloyd")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X)


def outcome(model: KMeans, X: np.ndarray, C: np.ndarray, iterations: int) -> np.ndarray:
    if model.n_iter_ < iterations:
        raise ValueError(f"scikit-learn stopped after {model.n_iter_} rounds: the same work was not done")
    return model.cluster_centers_
