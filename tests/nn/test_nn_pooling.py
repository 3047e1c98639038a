"""Pooling, and layers that make images larger or smaller: values, gradients, ties, variants against one another."""

from __future__ import annotations

import numpy as np
import pytest
from harness import relative_error, run
from torch_case import check_layer, random, source, torch

F = torch.nn.functional
# C, Hin, Win, Hf, Wf, strideh, stridew, padh, padw
POOLS = [
    (2, 4, 4, 2, 2, 2, 2, 0, 0),
    (2, 4, 4, 2, 2, 2, 2, 1, 1),
    (1, 5, 7, 3, 2, 2, 3, 1, 0),  # neither image nor window nor stride are square
    (2, 6, 5, 3, 3, 1, 2, 0, 1),  # windows overlap
    (1, 3, 2, 3, 2, 1, 1, 0, 0),
]


@pytest.mark.parametrize("pool", POOLS, ids=str)
@pytest.mark.parametrize("layer", ["max_pool2d", "max_pool2d_builtin", "avg_pool2d_builtin"])
def test_pool2d(layer, pool) -> None:
    c, h, w, hf, wf, sh, sw, ph, pw = pool
    n = 1 + h % 2
    compute = F.max_pool2d if layer.startswith("max") else F.avg_pool2d
    arguments = f"X, {', '.join(map(str, pool))}"
    check_layer(
        source(layer),
        f"[out, Hout, Wout] = {layer}::forward({arguments})",
        f"dX = {layer}::backward(dout, Hout, Wout, {arguments})",
        {"X": random(n, c * h * w)},
        {"X": "dX"},
        lambda x: compute(x.reshape(n, c, h, w), (hf, wf), (sh, sw), (ph, pw)),
    )


def test_max_pool2d_variants_agree() -> None:
    """Windows of 4 x 4, so that none lies in the padding alone."""
    c, h, w, n = 2, 5, 6, 2
    text, names = source("max_pool2d", "max_pool2d_builtin"), []
    for padh in range(4):
        for padw in range(4):
            for layer in ("max_pool2d", "max_pool2d_builtin"):
                call = f"X, {c}, {h}, {w}, 4, 4, 2, 1, {padh}, {padw}"
                end = f"_{padh}{padw}{layer[10:]}"
                text += f"""
[out{end}, Hout{end}, Wout{end}] = {layer}::forward({call})
dX{end} = {layer}::backward(out{end} * 2 + 1, Hout{end}, Wout{end}, {call})
"""
                names += [f"{kind}{end}" for kind in ("out", "Hout", "Wout", "dX")]
    found = run(text, {"X": random(n, c * h * w)}, names)
    for padh in range(4):
        for padw in range(4):
            end = f"_{padh}{padw}"
            assert found[f"Hout{end}"] == found[f"Hout{end}_builtin"] == (h + 2 * padh - 4) // 2 + 1
            assert found[f"Wout{end}"] == found[f"Wout{end}_builtin"] == w + 2 * padw - 4 + 1
            for kind in ("out", "dX"):
                assert relative_error(found[f"{kind}{end}"], found[f"{kind}{end}_builtin"]) < 1e-12


def test_pool2d_values() -> None:
    text = (
        source("max_pool2d", "max_pool2d_builtin", "avg_pool2d_builtin")
        + """
negative = -matrix(seq(1, 9), rows=1, cols=9)
dout = matrix("1 2 3 4", rows=1, cols=4)
ones = matrix(1, rows=1, cols=16)
[plain, Hout, Wout] = max_pool2d::forward(negative, 1, 3, 3, 2, 2, 2, 2, 1, 1)
[builtin, Hout, Wout] = max_pool2d_builtin::forward(negative, 1, 3, 3, 2, 2, 2, 2, 1, 1)
[means, Hout, Wout] = avg_pool2d_builtin::forward(-negative, 1, 3, 3, 2, 2, 2, 2, 1, 1)
spread = avg_pool2d_builtin::backward(matrix(1, 1, 4), 2, 2, -negative, 1, 3, 3, 2, 2, 2, 2, 1, 1)
ties_plain = max_pool2d::backward(dout, 2, 2, ones, 1, 4, 4, 2, 2, 2, 2, 0, 0)
ties_builtin = max_pool2d_builtin::backward(dout, 2, 2, ones, 1, 4, 4, 2, 2, 2, 2, 0, 0)
"""
    )
    names = ["plain", "builtin", "means", "spread", "ties_plain", "ties_builtin"]
    found = run(text, {}, names)
    for variant in ("plain", "builtin"):
        np.testing.assert_array_equal(found[variant], [[-1, -2, -4, -5]])
    np.testing.assert_array_equal(found["means"], [[0.25, 1.25, 2.75, 7]])
    np.testing.assert_array_equal(found["spread"], np.full((1, 9), 0.25))
    np.testing.assert_array_equal(found["ties_plain"], [[1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4]])
    np.testing.assert_array_equal(found["ties_builtin"], [[1, 0, 2, 0, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0, 0]])


@pytest.mark.parametrize(("stride", "pad", "width", "size"), [(2, 0, 6, 2), (1, 1, 5, 3), (3, 1, 7, 2)])
@pytest.mark.parametrize("layer", ["max_pool1d", "avg_pool1d"])
def test_pool1d(layer, stride, pad, width, size) -> None:
    n, c = 2, 3
    compute = F.max_pool1d if layer.startswith("max") else F.avg_pool1d
    arguments = f"X, {c}, {width}, {size}, {stride}, {pad}"
    check_layer(
        source(layer),
        f"[out, Wout] = {layer}::forward({arguments})",
        f"dX = {layer}::backward(dout, Wout, {arguments})",
        {"X": random(n, c * width)},
        {"X": "dX"},
        lambda x: compute(x.reshape(n, c, width), size, stride, pad),
    )


@pytest.mark.parametrize(("n", "c", "h", "w"), [(2, 3, 4, 5), (1, 1, 1, 1), (3, 2, 1, 4)])
@pytest.mark.parametrize("layer", ["global_avg_pool2d", "global_max_pool2d"])
def test_global_pool2d(layer, n, c, h, w) -> None:
    def reference(x):
        pixels = x.reshape(n, c, h * w)
        return pixels.mean(2) if layer == "global_avg_pool2d" else pixels.max(2).values

    check_layer(
        source(layer),
        f"[out, Hout, Wout] = {layer}::forward(X, {c}, {h}, {w})\nassert(Hout == 1 & Wout == 1)",
        f"dX = {layer}::backward(dout, X, {c}, {h}, {w})",
        {"X": random(n, c * h * w)},
        {"X": "dX"},
        reference,
    )


@pytest.mark.parametrize(("h", "w", "hout", "wout"), [(4, 6, 2, 3), (5, 7, 3, 2), (3, 3, 1, 1), (2, 3, 4, 3)])
def test_adaptive_avg_pool2d(h, w, hout, wout) -> None:
    n, c = 2, 2
    layer, sizes = "adaptive_avg_pool2d", f"{c}, {h}, {w}, {hout}, {wout}"
    check_layer(
        source(layer),
        f"out = {layer}::forward(X, {sizes})",
        f"dX = {layer}::backward(dout, {sizes})",
        {"X": random(n, c * h * w)},
        {"X": "dX"},
        lambda x: F.adaptive_avg_pool2d(x.reshape(n, c, h, w), (hout, wout)),
    )


@pytest.mark.parametrize(("n", "c", "h", "w", "sh", "sw"), [(3, 2, 3, 3, 2, 2), (1, 1, 2, 4, 3, 1), (2, 2, 1, 2, 1, 4)])
@pytest.mark.parametrize("layer", ["upsample2d", "upsample2d_bilinear"])
def test_upsample2d(layer, n, c, h, w, sh, sw) -> None:
    how = {"mode": "bilinear", "align_corners": False} if layer.endswith("bilinear") else {"mode": "nearest"}
    sizes = f"{c}, {h}, {w}, {sh}, {sw}"
    check_layer(
        source(layer),
        f"out = {layer}::forward(X, {sizes})",
        f"dX = {layer}::backward(dout, {sizes})",
        {"X": random(n, c * h * w)},
        {"X": "dX"},
        lambda x: F.interpolate(x.reshape(n, c, h, w), scale_factor=(float(sh), float(sw)), **how),
    )


def test_upsample2d_value() -> None:
    text = source("upsample2d") + '\nout = upsample2d::forward(matrix("1 2 3 4", 1, 4), 1, 2, 2, 2, 2)'
    expected = [[1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4]]
    np.testing.assert_array_equal(run(text, {}, ["out"])["out"], expected)


@pytest.mark.parametrize(("n", "c", "h", "w", "r"), [(2, 8, 2, 3, 2), (1, 9, 2, 1, 3), (2, 2, 2, 2, 1)])
def test_pixel_shuffle(n, c, h, w, r) -> None:
    check_layer(
        source("pixel_shuffle"),
        f"out = pixel_shuffle::forward(X, {c}, {h}, {w}, {r})",
        f"dX = pixel_shuffle::backward(dout, {c}, {h}, {w}, {r})",
        {"X": random(n, c * h * w)},
        {"X": "dX"},
        lambda x: F.pixel_shuffle(x.reshape(n, c, h, w), r),
    )


@pytest.mark.parametrize(("n", "h", "w", "padh", "padw"), [(2, 3, 4, 2, 1), (1, 4, 3, 0, 2), (1, 2, 2, 0, 0)])
@pytest.mark.parametrize("mode", ["zero", "reflect", "replicate"])
def test_pad2d(mode, n, h, w, padh, padw) -> None:
    c = 2
    sizes = f"{c}, {h}, {w}, {padh}, {padw}" + ("" if mode == "zero" else f', "{mode}"')
    found = check_layer(
        source("pad2d"),
        f"[out, Hout, Wout] = pad2d::forward(X, {sizes})\nassert(Hout == {h + 2 * padh} & Wout == {w + 2 * padw})",
        f"dX = pad2d::backward(dout, {sizes})",
        {"X": random(n, c * h * w)},
        {"X": "dX"},
        lambda x: F.pad(x.reshape(n, c, h, w), (padw, padw, padh, padh), {"zero": "constant"}.get(mode, mode)),
    )
    assert found["out"].shape == (n, c * (h + 2 * padh) * (w + 2 * padw))


@pytest.mark.parametrize(
    ("arguments", "message"), [('2, 0, "reflect"', "less than the 2 cells"), ('0, 0, "wrap"', "found wrap")]
)
def test_pad2d_refuses(arguments, message) -> None:
    with pytest.raises(Exception, match=message):
        run(source("pad2d") + f"\n[out, H, W] = pad2d::forward(matrix(1, 1, 6), 1, 2, 3, {arguments})", {}, ["out"])
