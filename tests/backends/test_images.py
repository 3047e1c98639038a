"""Convolution and pooling by compiled loops, beside the operators' own kernels, which are tested on their own."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from samples import Sample, all_samples

import gramian.ops  # noqa: F401  registers the operators
from gramian.backends.local import IMAGES, LocalBackend
from gramian.backends.local.images import choice, kernels
from gramian.backends.local.images.choice import ImagesKernel
from gramian.errors import GramianError
from gramian.ir.cores import limited
from gramian.ir.op import REGISTRY
from gramian.ir.values import ListValue

SAMPLES = [sample for sample in all_samples() if sample.op.name in IMAGES]
# images, channels, height, width, filters, size, stride, padding: odd ones among them, and several images in a product.
SHAPES = [
    (3, 2, 6, 5, 4, (3, 2), (1, 1), (0, 0)),
    (5, 1, 7, 9, 2, (5, 5), (1, 1), (2, 2)),
    (4, 3, 5, 8, 3, (2, 3), (2, 3), (1, 0)),
    (1, 2, 4, 4, 1, (1, 1), (1, 1), (2, 3)),
    (70, 2, 3, 3, 2, (3, 3), (1, 1), (1, 1)),
    (2, 1, 20, 20, 2, (4, 4), (4, 4), (1, 1)),
    (2, 1, 3, 3, 2, (2, 2), (5, 5), (4, 4)),
]


def sizes(*values: int) -> ListValue:
    return ListValue(list(values))


def cases(shape: tuple[Any, ...], dtype: str, odd: float) -> dict[str, list[Any]]:
    n, c, h, w, f, size, stride, padding = shape
    noise = np.random.default_rng(n)

    def cells(rows: int, cols: int) -> Any:
        found = noise.integers(-4, 5, (rows, cols)).astype(dtype)
        found[noise.random((rows, cols)) < odd] = np.nan
        found[noise.random((rows, cols)) < odd] = -np.inf
        return found

    down, across = ((a + 2 * p - k) // s + 1 for a, k, s, p in zip((h, w), size, stride, padding, strict=True))
    shapes = [sizes(n, c, h, w), sizes(f, c, *size), sizes(*stride), sizes(*padding)]
    pools = [shapes[0], sizes(*size), *shapes[2:]]
    x, filters = cells(n, c * h * w), cells(f, c * size[0] * size[1])
    convolved, pooled = cells(n, f * down * across), cells(n, c * down * across)
    return {
        "conv2d": [x, filters, *shapes],
        "conv2d_backward_filter": [x, convolved, *shapes],
        "conv2d_backward_data": [filters, convolved, *shapes],
        **{name: [x, *pools] for name in ("max_pool", "avg_pool")},
        **{f"{name}_backward": [x, pooled, *pools] for name in ("max_pool", "avg_pool")},
    }


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_they_are_what_the_operators_are(shape: tuple[Any, ...], dtype: str) -> None:
    with np.errstate(all="ignore"):
        for name, values in cases(shape, dtype, 0.0).items():
            found, expected = kernels.KERNELS[name](*values), REGISTRY[name].kernel(*values)
            error = 1e-6 if dtype == "float32" else 1e-14
            np.testing.assert_allclose(found, expected, rtol=error, atol=error, err_msg=name)
            assert found.dtype == dtype
        for name, values in cases(shape, dtype, 0.2).items():
            if name.startswith("max_pool"):
                found, expected = kernels.KERNELS[name](*values), REGISTRY[name].kernel(*values)
                np.testing.assert_array_equal(found, expected, err_msg=name)


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_samples(sample: Sample) -> None:
    values = [np.asarray(v, float) if isinstance(v, np.ndarray) else v for v in sample.values()]
    np.testing.assert_allclose(kernels.KERNELS[sample.op.name](*values), sample.op.kernel(*values), rtol=1e-13)


def test_all_operators_are_listed() -> None:
    assert kernels.KERNELS.keys() == IMAGES


def test_results_do_not_depend_on_cores() -> None:
    values = cases((70, 3, 9, 9, 8, (3, 3), (1, 1), (1, 1)), "float32", 0.0)["conv2d_backward_filter"]
    values[:2] = [v + np.float32(0.1) * np.sin(v) for v in values[:2]]
    with limited(1):
        alone = kernels.conv2d_backward_filter(*values)
    with limited(3):
        np.testing.assert_array_equal(kernels.conv2d_backward_filter(*values), alone)


def test_operands_stored_in_other_ways() -> None:
    for name, values in cases(SHAPES[2], "float64", 0.0).items():
        expected = REGISTRY[name].kernel(*values)
        for form in (np.asfortranarray, lambda x: np.repeat(x, 2, axis=1)[:, ::2]):
            changed = [form(v) if isinstance(v, np.ndarray) else v for v in values]
            np.testing.assert_allclose(kernels.KERNELS[name](*changed), expected, rtol=1e-13)


def test_the_compiler_is_for_those_that_run_often(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count(0.0, 0.4)
    monkeypatch.setattr(choice, "perf_counter", lambda: next(ticks))
    monkeypatch.setattr(choice, "price", lambda *_: 1.5)
    monkeypatch.setattr("gramian.backends.local.fused.ledger.folder", lambda: None)
    kernel = ImagesKernel(REGISTRY["conv2d"])
    ran: list[str] = []
    own, compiled = kernel.own, kernel.compiled
    kernel.own = lambda *values: ran.append("own") or own(*values)
    kernel.compiled = lambda *values: ran.append("compiled") or compiled(*values)
    for _ in range(6):
        kernel(*cases(SHAPES[0], "float64", 0.0)["conv2d"])
    assert ran == ["own"] * 4 + ["compiled"] * 2


@pytest.mark.parametrize("precision", ["double", "single"])
def test_wrong_arguments_are_refused_as_ever(precision: str) -> None:
    backend = LocalBackend(precision)
    values = cases(SHAPES[0], "float64", 0.0)
    for name, wrong in (
        ("conv2d", {2: sizes(3, 2, 6)}),
        ("conv2d", {0: np.ones((3, 7))}),
        ("max_pool", {2: sizes(9, 9)}),
        ("avg_pool_backward", {1: np.ones((1, 1))}),
        ("conv2d_backward_data", {4: ListValue(["a", 1])}),
    ):
        given = [wrong.get(at, value) for at, value in enumerate(values[name])]
        with pytest.raises(GramianError) as own:
            REGISTRY[name].kernel(*given)
        with pytest.raises(GramianError) as ours:
            backend.kernel_in_memory(REGISTRY[name])(*given)
        assert str(ours.value) == str(own.value)
