"""Normalisation, scale and shift, dropout: values, gradients, running averages, reproducible masks."""

from __future__ import annotations

import numpy as np
import pytest
from harness import relative_error, run
from torch_case import check_layer, random, source, torch

F = torch.nn.functional
MU, EPSILON = 0.9, 1e-5
BY = {"X": "dX", "gamma": "dgamma", "beta": "dbeta"}


def averages(*shape: int) -> dict[str, np.ndarray]:
    return {"ema_mean": random(*shape, seed=5), "ema_var": random(*shape, seed=6) ** 2 + 0.5}


def parameters(*shape: int) -> dict[str, np.ndarray]:
    return {"gamma": random(*shape, seed=3), "beta": random(*shape, seed=4)}


def torch_norm(running: dict[str, np.ndarray], mode: str):
    """PyTorch's batch normalisation on copies of the running averages. Its momentum is the weight of the new value."""
    mean, var = (torch.tensor(running[name].ravel()) for name in ("ema_mean", "ema_var"))

    def reference(x, gamma, beta):
        train = mode == "train"
        return F.batch_norm(x, mean.clone(), var.clone(), gamma.ravel(), beta.ravel(), train, 1 - MU, EPSILON)

    return reference


@pytest.mark.parametrize("mode", ["train", "test"])
@pytest.mark.parametrize(("n", "d"), [(3, 20), (5, 1), (2, 4)])
def test_batch_norm1d(mode, n, d) -> None:
    running = averages(1, d)
    arguments = f'X, gamma, beta, "{mode}", ema_mean, ema_var, {MU}, {EPSILON}'
    caches = "m, v, cache_mean, cache_var, cache_norm"
    check_layer(
        source("batch_norm1d"),
        f"[out, {caches}] = batch_norm1d::forward({arguments})",
        f"[dX, dgamma, dbeta] = batch_norm1d::backward(dout, out, {caches}, {arguments})",
        {"X": random(n, d), **parameters(1, d), **running},
        BY,
        torch_norm(running, mode),
    )


IMAGES = [(3, 2, 5, 5), (1, 3, 2, 4), (4, 1, 1, 3)]


@pytest.mark.parametrize("sizes", IMAGES, ids=str)
@pytest.mark.parametrize("layer", ["batch_norm2d", "batch_norm2d_old"])
def test_batch_norm2d(layer, sizes) -> None:
    n, c, h, w = sizes
    running = averages(c, 1)
    norm = torch_norm(running, "train")
    check_layer(
        source(layer),
        f"""[out, m, v, cache_mean, cache_inv_var] = {layer}::forward(X, gamma, beta, {c}, {h}, {w}, "train", ema_mean,
  ema_var, {MU}, {EPSILON})""",
        f"""[dX, dgamma, dbeta] = {layer}::backward(dout, cache_mean, cache_inv_var, X, gamma, {c}, {h}, {w},
  {EPSILON})""",
        {"X": random(n, c * h * w), **parameters(c, 1), **running},
        BY,
        lambda x, gamma, beta: norm(x.reshape(n, c, h, w), gamma, beta),
    )


@pytest.mark.parametrize("sizes", IMAGES[:2], ids=str)
def test_batch_norm2d_in_mode_test(sizes) -> None:
    n, c, h, w = sizes
    running = averages(c, 1)
    norm = torch_norm(running, "test")
    check_layer(
        source("batch_norm2d"),
        f"""[out, m, v, cache_mean, cache_inv_var] = batch_norm2d::forward(X, gamma, beta, {c}, {h}, {w}, "test", ema_mean,
  ema_var, {MU}, {EPSILON})""",
        f"""[dX, dgamma, dbeta] = batch_norm2d::backward_test(dout, ema_mean, ema_var, X, gamma, {c}, {h}, {w},
  {EPSILON})""",
        {"X": random(n, c * h * w), **parameters(c, 1), **running},
        BY,
        lambda x, gamma, beta: norm(x.reshape(n, c, h, w), gamma, beta),
    )


@pytest.mark.parametrize("mode", ["train", "test", "anything else"])
@pytest.mark.parametrize("layer", ["batch_norm1d", "batch_norm2d", "batch_norm2d_old"])
def test_running_averages_and_caches(layer, mode) -> None:
    """mu is the weight of the old average; the variance is that of the population; test changes no average."""
    n, c, h, w = 4, 3, 2, 3
    per_feature = layer == "batch_norm1d"
    shape = (1, c * h * w) if per_feature else (c, 1)
    x = random(n, c * h * w) + 100
    cells = x if per_feature else x.reshape(n, c, h * w).transpose(0, 2, 1).reshape(-1, c)
    running = averages(*shape)
    sizes = "" if per_feature else f"{c}, {h}, {w}, "
    text = f"""{source(layer)}
[out, mean, var, cache_mean, cache_second] = {layer}::forward(X, gamma, beta, {sizes}"{mode}", ema_mean, ema_var, {MU},
  {EPSILON})"""
    found = run(text, {"X": x, **parameters(*shape), **running}, ["mean", "var", "cache_mean", "cache_second"])
    mean, var = cells.mean(0).reshape(shape), cells.var(0).reshape(shape)
    if mode == "train":
        np.testing.assert_allclose(found["mean"], MU * running["ema_mean"] + (1 - MU) * mean, rtol=1e-12)
        np.testing.assert_allclose(found["var"], MU * running["ema_var"] + (1 - MU) * var, rtol=1e-12)
    else:
        np.testing.assert_array_equal(found["mean"], running["ema_mean"])
        np.testing.assert_array_equal(found["var"], running["ema_var"])
        mean, var = running["ema_mean"], running["ema_var"]
    np.testing.assert_allclose(found["cache_mean"], mean, rtol=1e-12)
    second = var if per_feature else 1 / np.sqrt(var + EPSILON)
    np.testing.assert_allclose(found["cache_second"], second, rtol=1e-11)


def test_batch_norm2d_variants_agree_where_means_are_large() -> None:
    """The variance of numbers around a million keeps its digits."""
    n, c, h, w = 3, 2, 4, 5
    inputs = {"X": random(n, c * h * w) + 1e6, "dout": random(n, c * h * w, seed=1), **parameters(c, 1)}
    text, layers = "", ("batch_norm2d", "batch_norm2d_old")
    names = ["out", "mean", "var", "cm", "ci", "dX", "dgamma", "dbeta"]
    for number, layer in enumerate(layers):
        outs = [f"{name}{number}" for name in names]
        text += f"""
[{", ".join(outs[:5])}] = {layer}::forward(X, gamma, beta, {c}, {h}, {w}, "train", matrix(0, {c}, 1), matrix(1, {c}, 1), 0.9,
  1e-5)
[{", ".join(outs[5:])}] = {layer}::backward(dout, {outs[3]}, {outs[4]}, X, gamma, {c}, {h}, {w}, 1e-5)"""
    found = run(source(*layers) + text, inputs, [f"{name}{number}" for name in names for number in (0, 1)])
    for name in names:
        assert relative_error(found[f"{name}0"], found[f"{name}1"]) < 1e-9, name
    cells = inputs["X"].reshape(n, c, h * w)
    np.testing.assert_allclose(found["var0"].ravel(), 0.9 + 0.1 * cells.var(axis=(0, 2)), rtol=1e-9)


def test_norm_values() -> None:
    text = (
        source("batch_norm1d", "batch_norm2d", "batch_norm2d_old")
        + """
[gamma, beta, mean, var] = batch_norm1d::init(4)
[out1, m, v, cm, cv, cn] = batch_norm1d::forward(matrix(seq(1, 16), 4, 4), gamma, beta, "train", mean, var, 0.9, 1e-3)
[gamma2, beta2, mean2, var2] = batch_norm2d::init(3)
[gamma3, beta3, mean3, var3] = batch_norm2d_old::init(3)
same = sum(gamma2 != gamma3) + sum(beta2 != beta3) + sum(mean2 != mean3) + sum(var2 != var3)
X = matrix(seq(1, 24), rows=2, cols=12)
[out2, m2, v2, cm2, ci2] = batch_norm2d::forward(X, gamma2, beta2, 3, 2, 2, "test", mean2, var2, 0.9, 0)
"""
    )
    names = ["out1", "out2", "same", "gamma", "beta", "mean", "var", "gamma2", "beta2", "mean2", "var2"]
    found = run(text, {}, names)
    column = np.array([-1.341607, -0.447202, 0.447202, 1.341607])
    np.testing.assert_allclose(found["out1"], np.tile(column[:, np.newaxis], 4), atol=1e-6)
    np.testing.assert_array_equal(found["out2"], np.arange(1, 25).reshape(2, 12))  # running mean 0, variance 1
    assert found["same"] == 0
    for end, shape in (("", (1, 4)), ("2", (3, 1))):
        for name, value in (("gamma", 1), ("beta", 0), ("mean", 0), ("var", 1)):
            np.testing.assert_array_equal(found[name + end], np.full(shape, value))


@pytest.mark.parametrize(("n", "d"), [(3, 20), (1, 4), (4, 1)])
def test_scale_shift1d(n, d) -> None:
    check_layer(
        source("scale_shift1d"),
        "out = scale_shift1d::forward(X, gamma, beta)",
        "[dX, dgamma, dbeta] = scale_shift1d::backward(dout, out, X, gamma, beta)",
        {"X": random(n, d), **parameters(1, d)},
        BY,
        lambda x, gamma, beta: x * gamma + beta,
    )


@pytest.mark.parametrize("sizes", IMAGES, ids=str)
def test_scale_shift2d(sizes) -> None:
    n, c, h, w = sizes
    check_layer(
        source("scale_shift2d"),
        f"out = scale_shift2d::forward(X, gamma, beta, {c}, {h}, {w})",
        f"[dX, dgamma, dbeta] = scale_shift2d::backward(dout, out, X, gamma, beta, {c}, {h}, {w})",
        {"X": random(n, c * h * w), **parameters(c, 1)},
        BY,
        lambda x, gamma, beta: x.reshape(n, c, h * w) * gamma + beta,
    )


@pytest.mark.parametrize(("n", "d"), [(3, 7), (1, 4), (2, 2)])
def test_layer_norm(n, d) -> None:
    check_layer(
        source("layer_norm"),
        "[out, cache_mean, cache_inv_std] = layer_norm::forward(X, gamma, beta)",
        "[dX, dgamma, dbeta] = layer_norm::backward(dout, X, gamma, cache_mean, cache_inv_std)",
        {"X": random(n, d), **parameters(1, d)},
        BY,
        lambda x, gamma, beta: F.layer_norm(x, (d,), gamma.ravel(), beta.ravel(), 1e-5),
    )


@pytest.mark.parametrize(("n", "d"), [(3, 7), (1, 4), (4, 1)])
def test_rms_norm(n, d) -> None:
    check_layer(
        source("rms_norm"),
        "[out, cache_inv_rms] = rms_norm::forward(X, gamma)",
        "[dX, dgamma] = rms_norm::backward(dout, X, gamma, cache_inv_rms)",
        {"X": random(n, d), "gamma": parameters(1, d)["gamma"]},
        {"X": "dX", "gamma": "dgamma"},
        lambda x, gamma: F.rms_norm(x, (d,), gamma.ravel(), 1e-6),
        tolerance=1e-5 if d == 1 else 1e-6,  # the gradient of the sign of X is nearly zero
    )


@pytest.mark.parametrize(("sizes", "groups"), [((2, 6, 2, 3), 3), ((2, 3, 2, 2), 1), ((1, 3, 3, 2), 3)], ids=str)
def test_group_norm2d(sizes, groups) -> None:
    n, c, h, w = sizes
    arguments = f"{c}, {h}, {w}, {groups}"
    check_layer(
        source("group_norm2d"),
        f"""[out, cache_mean, cache_inv_std] = group_norm2d::forward(X, gamma, beta, {arguments})
assert(nrow(cache_mean) == {n} & ncol(cache_inv_std) == {groups})""",
        f"[dX, dgamma, dbeta] = group_norm2d::backward(dout, X, gamma, cache_mean, cache_inv_std, {arguments})",
        {"X": random(n, c * h * w), **parameters(c, 1)},
        BY,
        lambda x, gamma, beta: F.group_norm(x.reshape(n, c, h, w), groups, gamma.ravel(), beta.ravel(), 1e-5),
    )


@pytest.mark.parametrize(("c", "h", "w", "size"), [(7, 2, 3, 5), (3, 1, 2, 3), (2, 2, 1, 7), (4, 1, 1, 1)])
def test_lrn(c, h, w, size) -> None:
    n, alpha, beta, k = 2, 0.3, 0.75, 1.5
    arguments = f"{c}, {h}, {w}, {size}, {alpha}, {beta}, {k}"
    check_layer(
        source("lrn"),
        f"out = lrn::forward(X, {arguments})",
        f"dX = lrn::backward(dout, X, {arguments})",
        {"X": random(n, c * h * w)},
        {"X": "dX"},
        # PyTorch divides alpha by the size of the window
        lambda x: F.local_response_norm(x.reshape(n, c, h, w), size, alpha * size, beta, k),
    )


def test_lrn_of_an_even_window() -> None:
    """Two channels on either side, and the channel itself."""
    text = source("lrn") + "\nY = lrn::forward(matrix(seq(1, 5), rows=1, cols=5), 5, 1, 1, 4, 1, 1, 0)"
    sums = np.array([14, 30, 55, 54, 50])
    np.testing.assert_allclose(run(text, {}, ["Y"])["Y"], [np.arange(1, 6) / sums])


DROPOUTS = [
    ("dropout", "p", "", (60, 200)),
    ("dropout2d", "keep_prob", ", 20, 2, 5", (60, 20)),
    ("drop_path", "keep_prob", ", 20, 2, 5", (60, 1)),
]


@pytest.mark.parametrize(("layer", "_name", "more", "_mask"), DROPOUTS, ids=lambda x: str(x)[:10])
@pytest.mark.parametrize("keep", [0.5, 0.2, 1.0])
def test_dropout_gradient(layer, _name, more, _mask, keep) -> None:
    """PyTorch draws other numbers: the mask of the layer itself, spread over the cells, is the reference."""
    n, c = 3, 4
    more = ", 4, 1, 2" if more else ""
    text = source(layer)
    x = random(n, c * 2)
    mask = run(f"{text}\n[out, mask] = {layer}::forward(X, {keep}, 7{more})", {"X": x}, ["mask"])["mask"]
    assert set(np.unique(mask)) <= {0, 1}
    wide = torch.tensor(np.repeat(mask, x.shape[1] // mask.shape[1], axis=1))
    check_layer(
        text,
        f"[out, mask] = {layer}::forward(X, {keep}, 7{more})",
        f"dX = {layer}::backward(dout, X, {keep}, mask{more})",
        {"X": x},
        {"X": "dX"},
        lambda x: x * wide / keep,
    )


@pytest.mark.parametrize(("layer", "name", "more", "shape"), DROPOUTS, ids=lambda x: str(x)[:10])
def test_dropout_masks(layer, name, more, shape) -> None:
    """Seeds make masks reproducible; the share of what is kept is the probability to keep."""
    text = source(layer) + "\nX = matrix(1, rows=60, cols=200)\nkept = 0\nkept_sum = 0\n"
    for number, seed in enumerate((3, 3, 4, -1, -1)):
        text += f"[out{number}, mask{number}] = {layer}::forward(X, {name}=0.8, seed={seed}{_named(more)})\n"
    text += f"""for (i in 1:200) {{
  [out, mask] = {layer}::forward(X, 0.8, i{more})
  kept_sum = kept_sum + mean(mask)
}}
rate = kept_sum / 200"""
    found = run(text, {}, [*(f"mask{i}" for i in range(5)), "out0", "rate"])
    assert found["mask0"].shape == shape
    np.testing.assert_array_equal(found["mask0"], found["mask1"])
    assert not np.array_equal(found["mask0"], found["mask2"])
    assert not np.array_equal(found["mask3"], found["mask4"])
    assert found["rate"] == pytest.approx(0.8, abs=0.02)
    np.testing.assert_allclose(found["out0"], np.repeat(found["mask0"], 200 // shape[1], axis=1) / 0.8)


def _named(more: str) -> str:
    return ", C=20, Hin=2, Win=5" if more else ""
