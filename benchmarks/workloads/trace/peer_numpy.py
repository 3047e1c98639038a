"""The trace of a product, as it is usually written."""

from __future__ import annotations

import numpy as np


def compute(Z: np.ndarray) -> np.ndarray:
    return np.trace(Z @ Z)
