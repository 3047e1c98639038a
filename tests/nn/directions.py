"""Gradients of blocks with many parameters, checked along one random direction for each.

A script that computes outputs and gradients is compiled once; the differences are taken here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from harness import Input, run


def check_directions(
    text: str,
    inputs: Mapping[str, Input],
    names: Sequence[str],
    *,
    extra: Sequence[str] = (),
    h: float = 1e-5,
    tolerance: float = 1e-6,
) -> dict[str, np.ndarray]:
    """Compare the gradient `d<name>` of sum(out * dout) by each input that is named with central differences.

    Returns `out`, the gradients and the `extra` variables.
    """
    random = np.random.default_rng(5)
    dout = np.asarray(inputs["dout"])
    found = run(text, inputs, ["out", *(f"d{name}" for name in names), *extra])

    def loss(name: str, cells: np.ndarray) -> float:
        return float((np.asarray(run(text, {**inputs, name: cells}, list(found))["out"]) * dout).sum())

    for name in names:
        x, gradient = np.asarray(inputs[name]), np.asarray(found[f"d{name}"])
        assert gradient.shape == x.shape, f"the gradient by {name} is {gradient.shape}, not {x.shape}"
        direction = random.normal(size=x.shape)
        numeric = (loss(name, x + h * direction) - loss(name, x - h * direction)) / (2 * h)
        exact = float((gradient * direction).sum())
        # differences of sums near 1 have errors near 1e-16 / h: nothing smaller can be seen
        assert abs(numeric - exact) <= tolerance * abs(exact) + 1e-8, f"by {name}: {exact}, by differences {numeric}"
    return {name: np.atleast_2d(value) for name, value in found.items()}
