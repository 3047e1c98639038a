"""A layer against central differences and against PyTorch, on the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from harness import Input, check_gradient, relative_error, run

torch = pytest.importorskip("torch")

Reference = Callable[..., "torch.Tensor"]
EXACT = 1e-11


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def check_layer(
    source: str,
    forward: str,
    backward: str,
    inputs: Mapping[str, Input],
    gradients: Mapping[str, str],
    reference: Reference,
    tolerance: float = 1e-6,
) -> dict[str, np.ndarray]:
    """`forward` makes `out` of the inputs, `backward` the gradients of them from `dout`; `reference` makes out of tensors.

    Returns out and the gradients, for more checks.
    """
    tensors = {name: torch.tensor(inputs[name], dtype=torch.float64, requires_grad=True) for name in gradients}
    expected = reference(*tensors.values())
    expected = expected.reshape(len(expected), -1)
    dout = random(*expected.shape, seed=1)
    expected.backward(torch.tensor(dout))

    everything = {**inputs, "dout": dout}
    found = run(f"{source}\n{forward}\n{backward}", everything, ["out", *gradients.values()])
    arrays = {name: np.atleast_2d(value) for name, value in found.items()}
    assert relative_error(arrays["out"], expected.detach().numpy()) < EXACT
    for name, gradient in gradients.items():
        wanted = tensors[name].grad.numpy()
        error = relative_error(arrays[gradient], wanted)
        assert error < EXACT, f"{gradient} is not PyTorch's: {error:.2e}\n{arrays[gradient]}\n{wanted}"
    check_gradient(source, forward, backward, everything, gradients, tolerance=tolerance)
    return arrays


def source(*layers: str) -> str:
    return "\n".join(f'source("nn/layers/{layer}.dml") as {layer}' for layer in layers)
