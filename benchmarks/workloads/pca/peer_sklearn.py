"""Principal components and the projection on them in scikit-learn, which chooses the covariance matrix as well."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA

Fitted = tuple[PCA, np.ndarray]


def compute(X: np.ndarray, k: int) -> Fitted:
    model = PCA(k)
    return model, model.fit_transform(X)


def outcome(fitted: Fitted, X: np.ndarray, k: int) -> np.ndarray:
    model, projected = fitted
    return np.vstack([model.explained_variance_, np.abs(projected).sum(axis=0), np.abs(model.components_.T)])
