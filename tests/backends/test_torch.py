"""The torch backend beside the operators' own kernels."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import pytest
from samples import Sample, all_samples
from test_images import SHAPES, cases

import gramian.ops  # noqa: F401  registers the operators
from gramian.api.script import Script
from gramian.errors import GramianError, UsageError
from gramian.ir.op import REGISTRY
from gramian.settings import Settings
from gramian.source import Source

torch = pytest.importorskip("torch")
kernels = pytest.importorskip("gramian.backends.torch.kernels")

from gramian.backends.torch import TorchBackend  # noqa: E402  PyTorch first

BACKEND = TorchBackend()
SAMPLES = [sample for sample in all_samples() if sample.op.name in kernels.KERNELS]


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_samples(sample: Sample) -> None:
    values = [np.asarray(v, float) if isinstance(v, np.ndarray) else v for v in sample.values()]
    with np.errstate(all="ignore"):
        found, expected = BACKEND.kernel_in_memory(sample.op)(*values), sample.op.kernel(*values)
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    assert found.shape == expected.shape


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_they_are_what_the_operators_are(shape: tuple[Any, ...], dtype: str) -> None:
    for name, values in cases(shape, dtype, 0.0).items():
        if name in kernels.KERNELS:
            found = kernels.kernel_of(REGISTRY[name], False)(*values)
            error = 1e-5 if dtype == "float32" else 1e-13
            np.testing.assert_allclose(found, REGISTRY[name].kernel(*values), rtol=error, atol=error, err_msg=name)
            assert found.dtype == dtype


def test_wrong_arguments_are_refused_as_ever() -> None:
    values = cases(SHAPES[0], "float64", 0.0)
    for name in ("conv2d", "conv2d_backward_filter"):
        given = [np.ones((3, 7)), *values[name][1:]]
        with pytest.raises(GramianError) as own:
            REGISTRY[name].kernel(*given)
        with pytest.raises(GramianError) as ours:
            BACKEND.kernel_in_memory(REGISTRY[name])(*given)
        assert str(ours.value) == str(own.value)


def test_bfloat16_rounds_the_operands_of_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "has_bfloat16", lambda: True)
    noise = np.random.default_rng(1)
    a, b = (noise.normal(size=(64, 64)).astype(np.float32) for _ in range(2))
    found = TorchBackend("bfloat16").kernel_in_memory(REGISTRY["%*%"])(a, b)
    assert found.dtype == np.float32
    error = np.abs(found - a @ b).max() / np.abs(a @ b).max()
    assert 1e-5 < error < 2e-2


def test_scripts_run_with_it() -> None:
    text = "X = rand(rows=8, cols=16, seed=1)\nW = rand(rows=2, cols=4, seed=2)\n"
    text += (
        "Y = conv2d(X, W, input_shape=[8,1,4,4], filter_shape=[2,1,2,2], stride=[1,1], padding=[0,0])\nprint(sum(Y))"
    )
    printed = []
    for mode in ("torch", "local"):
        out = io.StringIO()
        with redirect_stdout(out):
            Script.compile(Source("s.dml", text), Settings(mode=mode)).run()
        printed.append(float(out.getvalue()))
    assert printed[0] == pytest.approx(printed[1], rel=1e-13)


def test_without_pytorch_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr("gramian.backends.torch.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'gramian\[torch\]'"):
        TorchBackend()
