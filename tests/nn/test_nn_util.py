"""Layouts, patches, padding and largest cells, against NumPy and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from harness import run

torch = pytest.importorskip("torch")
F = torch.nn.functional

UTIL = 'source("nn/util.dml") as util\n'
RNG = np.random.default_rng(7)


@pytest.mark.parametrize(("a", "b", "c", "d"), [(2, 3, 4, 5), (2, 4, 3, 1), (1, 3, 2, 2), (1, 2, 3, 1), (3, 1, 4, 2)])
def test_transpose_middle_axes(a: int, b: int, c: int, d: int) -> None:
    x = RNG.normal(size=(a, b, c, d))
    text = UTIL + "out = util::transpose_ABCD_to_ACBD(X, b, c)"
    found = run(text, {"X": x.reshape(a, -1), "b": b, "c": c}, ["out"])["out"]
    np.testing.assert_array_equal(found, x.swapaxes(1, 2).reshape(a, -1))


@pytest.mark.parametrize(("n", "c", "h", "w"), [(2, 3, 4, 5), (4, 2, 1, 3), (1, 1, 2, 2), (1, 3, 2, 1)])
def test_layouts(n: int, c: int, h: int, w: int) -> None:
    x = RNG.normal(size=(n, c, h * w))
    text = (
        UTIL
        + """T = util::transpose_NCHW_to_CNHW(X, C)
S = util::channel_sums(X, C, H, W)
P = util::predict_class(X, C, H, W)
R = util::pixels_to_rows(X, C)
B = util::rows_to_pixels(R, nrow(X))
A = util::threshold(X, 0.3)"""
    )
    found = run(text, {"X": x.reshape(n, -1), "C": c, "H": h, "W": w}, ["T", "S", "P", "R", "B", "A"])
    np.testing.assert_array_equal(found["T"], x.swapaxes(0, 1).reshape(c, -1))
    np.testing.assert_allclose(found["S"], x.sum(axis=(0, 2))[:, None])
    np.testing.assert_array_equal(found["P"], x.argmax(axis=1) + 1)
    np.testing.assert_array_equal(found["R"], np.moveaxis(x, 1, 2).reshape(-1, c))
    np.testing.assert_array_equal(found["B"], x.reshape(n, -1))
    np.testing.assert_array_equal(found["A"], x.reshape(n, -1) > 0.3)


def test_predict_class_of_rows() -> None:
    found = run(UTIL + "P = util::predict_class(X, 3, 1, 1)", {"X": np.array([[0.1, 0.7, 0.2], [3, 1, 2]])}, ["P"])
    np.testing.assert_array_equal(found["P"], [[2], [1]])


PATCHES = [
    (2, 5, 6, 3, 2, 1, 1),
    (3, 5, 5, 3, 3, 2, 2),
    (1, 4, 7, 2, 3, 3, 2),
    (2, 3, 3, 1, 1, 2, 2),
    (1, 4, 4, 4, 4, 1, 1),
]


@pytest.mark.parametrize(("c", "h", "w", "hf", "wf", "sh", "sw"), PATCHES)
def test_patches(c: int, h: int, w: int, hf: int, wf: int, sh: int, sw: int) -> None:
    x = RNG.normal(size=(c, h * w))
    size = f"{h}, {w}, {hf}, {wf}, {sh}, {sw}"
    text = (
        UTIL
        + f"""P = util::im2col(X, {size})
A = util::col2im(P, {c}, {size}, "add")
L = util::col2im(P * t(seq(1, ncol(P))), {c}, {size}, "none")"""
    )
    found = run(text, {"X": x}, ["P", "A", "L"])
    image = torch.tensor(x).reshape(1, c, h, w)
    patches = F.unfold(image, (hf, wf), stride=(sh, sw))
    np.testing.assert_array_equal(found["P"], patches[0].numpy())
    added = F.fold(patches, (h, w), (hf, wf), stride=(sh, sw)).reshape(c, -1).numpy()
    np.testing.assert_allclose(found["A"], added, atol=1e-12)
    last = np.zeros((c, h, w))
    places = [(i, j) for i in range(0, h - hf + 1, sh) for j in range(0, w - wf + 1, sw)]
    for number, (i, j) in enumerate(places, 1):
        last[:, i : i + hf, j : j + wf] = x.reshape(c, h, w)[:, i : i + hf, j : j + wf] * number
    np.testing.assert_allclose(found["L"], last.reshape(c, -1), rtol=1e-12)


def test_patches_keep_infinities_and_nan_in_their_places() -> None:
    x = np.arange(1.0, 31).reshape(2, 15)
    x[0, 4], x[0, 9], x[1, 7] = np.inf, -np.inf, np.nan
    text = UTIL + 'P = util::im2col(X, 3, 5, 2, 2, 1, 2)\nA = util::col2im(P, 2, 3, 5, 2, 2, 1, 2, "add")'
    found = run(text, {"X": x}, ["P", "A"])
    patches = F.unfold(torch.tensor(x).reshape(1, 2, 3, 5), 2, stride=(1, 2))
    np.testing.assert_array_equal(found["P"], patches[0].numpy())
    added = F.fold(patches, (3, 5), 2, stride=(1, 2)).reshape(2, -1).numpy()
    np.testing.assert_array_equal(found["A"], added)


@pytest.mark.parametrize(("padh", "padw"), [(0, 0), (1, 0), (0, 2), (2, 1)])
def test_padding(padh: int, padw: int) -> None:
    x = RNG.normal(size=(2, 3, 4))
    text = UTIL + "P = util::pad_image(X, 3, 4, ph, pw, -1/0)\nB = util::unpad_image(P, 3, 4, ph, pw)"
    found = run(text, {"X": x.reshape(2, -1), "ph": padh, "pw": padw}, ["P", "B"])
    padded = np.pad(x, ((0, 0), (padh, padh), (padw, padw)), constant_values=-np.inf)
    np.testing.assert_array_equal(found["P"], padded.reshape(2, -1))
    np.testing.assert_array_equal(found["B"], x.reshape(2, -1))


def test_largest_cells() -> None:
    x = np.array([[3.0, 1, 3, 2], [-np.inf, -5, -5, -np.inf], [0, 0, 0, 0], [1, 2, 3, 4]])
    text = (
        UTIL
        + """[v, i] = util::top_k(X, 2)
[v4, i4] = util::top_k(X, 4)
[vr, ir] = util::top_k_row(X, 2, 3)
[v2, i2] = util::top_k2d(X, 1, 2, 1, 2)"""
    )
    found = run(text, {"X": x}, ["v", "i", "v4", "i4", "vr", "ir", "v2", "i2"])
    np.testing.assert_array_equal(found["v"], [[3, 3], [-5, -5], [0, 0], [4, 3]])
    np.testing.assert_array_equal(found["i"], [[1, 3], [2, 3], [1, 2], [4, 3]])
    order = np.argsort(-x, axis=1, kind="stable")
    np.testing.assert_array_equal(found["i4"], order + 1)
    np.testing.assert_array_equal(found["v4"], np.take_along_axis(x, order, axis=1))
    np.testing.assert_array_equal(found["ir"], [[2, 3, 1]])
    np.testing.assert_array_equal(found["vr"], [[-5, -5, -np.inf]])
    pixels = x.reshape(4, 2, 2)
    np.testing.assert_array_equal(found["v2"], pixels.max(axis=1))
    np.testing.assert_array_equal(found["i2"], pixels.argmax(axis=1) + 1)
    with pytest.raises(Exception, match="k is 5, but there are 4 columns"):
        run(UTIL + "[v, i] = util::top_k(X, 5)", {"X": x}, ["v"])


def test_values_that_the_page_gives() -> None:
    text = (
        UTIL
        + """[v, i] = util::top_k(matrix("3 1 3 2", 1, 4), 2)
out = util::transpose_ABCD_to_ACBD(t(seq(1, 12)), 2, 3)"""
    )
    found = run(text, {}, ["v", "i", "out"])
    np.testing.assert_array_equal(found["v"], [[3, 3]])
    np.testing.assert_array_equal(found["i"], [[1, 3]])
    np.testing.assert_array_equal(found["out"], [[1, 2, 7, 8, 3, 4, 9, 10, 5, 6, 11, 12]])
