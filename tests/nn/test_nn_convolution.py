"""The convolution layers: values, gradients, sizes, and variants against one another."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
import pytest
from harness import relative_error, run
from torch_case import check_layer, random, source, torch

F = torch.nn.functional
BACK = ["dX", "dW", "db"]
BY = {"X": "dX", "W": "dW", "b": "db"}


@dataclass(frozen=True)
class Window:
    """Sizes of images, filters, strides and padding, in the order of the layers' arguments."""

    h: int
    w: int
    hf: int
    wf: int
    sh: int
    sw: int
    ph: int
    pw: int

    @property
    def text(self) -> str:
        return ", ".join(map(str, astuple(self)))

    @property
    def filters(self) -> tuple[int, int]:
        return self.hf, self.wf

    @property
    def stride(self) -> tuple[int, int]:
        return self.sh, self.sw

    @property
    def padding(self) -> tuple[int, int]:
        return self.ph, self.pw

    @property
    def out(self) -> tuple[int, int]:
        return (self.h + 2 * self.ph - self.hf) // self.sh + 1, (self.w + 2 * self.pw - self.wf) // self.sw + 1


WINDOWS = [
    Window(5, 5, 3, 3, 1, 1, 1, 1),
    Window(4, 7, 2, 3, 2, 1, 0, 1),  # neither image nor filter nor stride are square
    Window(6, 5, 3, 2, 2, 3, 2, 0),  # cells at the end that no filter reaches
    Window(1, 1, 1, 1, 1, 1, 0, 0),
]


def check_convolution(layer, call, n, weights, biases, channels, window, reference, dilation_text=""):
    inputs = {"X": random(n, channels * window.h * window.w), "W": random(*weights), "b": random(biases, 1)}
    arguments = f"X, W, b, {call}{dilation_text}"
    found = check_layer(
        source(layer),
        f"[out, Hout, Wout] = {layer}::forward({arguments})",
        f"[dX, dW, db] = {layer}::backward(dout, Hout, Wout, {arguments})",
        inputs,
        BY,
        reference,
    )
    return inputs, found


@pytest.mark.parametrize(("window", "n"), [*zip(WINDOWS, (3, 1, 2, 2), strict=True)], ids=str)
def test_conv2d(window, n) -> None:
    c, f = 2, 3

    def reference(x, w, b):
        images, filters = x.reshape(n, c, window.h, window.w), w.reshape(f, c, *window.filters)
        return F.conv2d(images, filters, b.reshape(-1), window.stride, window.padding)

    weights = (f, c * window.hf * window.wf)
    check_convolution("conv2d_builtin", f"{c}, {window.text}", n, weights, f, c, window, reference)


@pytest.mark.parametrize("window", WINDOWS, ids=lambda w: w.text)
def test_conv2d_variants_agree(window) -> None:
    c, f, n = 3, 2, 3
    inputs = {
        "X": random(n, c * window.h * window.w),
        "W": random(f, c * window.hf * window.wf),
        "b": random(f, 1),
        "dout": random(n, f * window.out[0] * window.out[1]),
    }
    text = source("conv2d", "conv2d_builtin")
    for number, layer in enumerate(("conv2d", "conv2d_builtin")):
        text += f"""
[out{number}, Hout{number}, Wout{number}] = {layer}::forward(X, W, b, {c}, {window.text})
[dX{number}, dW{number}, db{number}] = {layer}::backward(dout, Hout{number}, Wout{number}, X, W, b, {c}, {window.text})
"""
    names = ["out", "Hout", "Wout", *BACK]
    found = run(text, inputs, [f"{name}{number}" for name in names for number in (0, 1)])
    assert (found["Hout0"], found["Wout0"]) == window.out
    assert (found["Hout1"], found["Wout1"]) == window.out
    for name in ("out", *BACK):
        assert relative_error(found[f"{name}0"], found[f"{name}1"]) < 1e-12, name


@pytest.mark.parametrize(("stride", "pad", "width", "size"), [(1, 1, 5, 3), (2, 0, 7, 3), (3, 2, 4, 2)])
def test_conv1d(stride, pad, width, size) -> None:
    n, c, f = 2, 3, 2
    arguments = f"{pad}, {stride}, {n}, {c}, {width}, {f}, {size}"

    def reference(x, w):
        return F.conv1d(x.reshape(n, c, width), w.reshape(f, c, size), stride=stride, padding=pad)

    check_layer(
        source("conv1d"),
        f"out = conv1d::forward(X, W, {arguments})",
        f"dX = conv1d::backward_data(W, dout, {arguments})\ndW = conv1d::backward_filter(X, dout, {arguments})",
        {"X": random(n, c * width), "W": random(f, c * size)},
        {"X": "dX", "W": "dW"},
        reference,
    )


def test_conv1d_value() -> None:
    text = """source("nn/layers/conv1d.dml") as conv1d
out = conv1d::forward(matrix(seq(1, 8), 1, 8), matrix(1, 1, 6), 1, 1, 1, 2, 4, 1, 3)"""
    np.testing.assert_allclose(run(text, {}, ["out"])["out"], [[14, 24, 30, 22]])


@pytest.mark.parametrize(
    ("stride", "pad", "dilation", "width", "size"), [(1, 1, 1, 5, 3), (2, 2, 2, 9, 3), (1, 0, 3, 7, 2), (1, 0, 2, 4, 1)]
)
def test_conv1d_builtin(stride, pad, dilation, width, size) -> None:
    n, c, f = 2, 3, 2
    arguments = f"X, W, b, {c}, {width}, {size}, {stride}, {pad}" + (f", {dilation}" if dilation > 1 else "")

    def reference(x, w, b):
        return F.conv1d(x.reshape(n, c, width), w.reshape(f, c, size), b.reshape(-1), stride, pad, dilation)

    check_layer(
        source("conv1d_builtin"),
        f"[out, Wout] = conv1d_builtin::forward({arguments})",
        f"[dX, dW, db] = conv1d_builtin::backward(dout, Wout, {arguments})",
        {"X": random(n, c * width), "W": random(f, c * size), "b": random(f, 1)},
        BY,
        reference,
    )


@pytest.mark.parametrize(
    ("window", "dilation"),
    [
        (Window(5, 5, 3, 3, 1, 1, 1, 1), (1, 1)),
        (Window(7, 8, 3, 2, 1, 2, 2, 1), (2, 3)),
        (Window(6, 5, 2, 3, 2, 1, 0, 1), (3, 1)),
        (Window(6, 5, 1, 2, 1, 1, 0, 0), (1, 2)),
    ],
    ids=str,
)
def test_conv2d_dilated(window, dilation) -> None:
    n, c, f = 2, 2, 3

    def reference(x, w, b):
        images, filters = x.reshape(n, c, window.h, window.w), w.reshape(f, c, *window.filters)
        return F.conv2d(images, filters, b.reshape(-1), window.stride, window.padding, dilation)

    weights = (f, c * window.hf * window.wf)
    more = f", {dilation[0]}, {dilation[1]}"
    check_convolution("conv2d_dilated", f"{c}, {window.text}", n, weights, f, c, window, reference, more)


@pytest.mark.parametrize(
    ("window", "c", "f", "groups"), [(WINDOWS[1], 4, 6, 2), (WINDOWS[0], 3, 3, 3), (WINDOWS[2], 2, 3, 1)], ids=str
)
def test_conv2d_grouped(window, c, f, groups) -> None:
    n = 2

    def reference(x, w, b):
        images, filters = x.reshape(n, c, window.h, window.w), w.reshape(f, c // groups, *window.filters)
        return F.conv2d(images, filters, b.reshape(-1), window.stride, window.padding, groups=groups)

    weights = (f, c // groups * window.hf * window.wf)
    check_convolution("conv2d_grouped", f"{c}, {window.text}", n, weights, f, c, window, reference, f", {groups}")


@pytest.mark.parametrize(
    ("window", "n", "c", "m"), [(WINDOWS[1], 2, 3, 4), (WINDOWS[0], 1, 1, 1), (WINDOWS[2], 2, 2, 1)], ids=str
)
def test_conv2d_depthwise(window, n, c, m) -> None:
    def reference(x, w, b):
        images, filters = x.reshape(n, c, window.h, window.w), w.reshape(c * m, 1, *window.filters)
        return F.conv2d(images, filters, b.reshape(-1), window.stride, window.padding, groups=c)

    sizes = window.text.split(", ")
    call = ", ".join([*sizes[:2], str(m), *sizes[2:]])
    weights = (c, m * window.hf * window.wf)
    check_convolution("conv2d_depthwise", call, n, weights, c * m, c, window, reference)


def test_separable_conv2d() -> None:
    n, c, m, f, window = 2, 2, 3, 4, WINDOWS[1]

    def reference(x, wd, bd, wp, bp):
        images, filters = x.reshape(n, c, window.h, window.w), wd.reshape(c * m, 1, *window.filters)
        middle = F.conv2d(images, filters, bd.reshape(-1), window.stride, window.padding, groups=c)
        return F.conv2d(middle, wp.reshape(f, c * m, 1, 1), bp.reshape(-1))

    sizes = window.text.split(", ")
    arguments = "X, Wd, bd, Wp, bp, " + ", ".join([*sizes[:2], str(m), *sizes[2:]])
    inputs = {
        "X": random(n, c * window.h * window.w),
        "Wd": random(c, m * window.hf * window.wf),
        "bd": random(c * m, 1),
        "Wp": random(f, c * m),
        "bp": random(f, 1),
    }
    check_layer(
        source("separable_conv2d"),
        f"[out, Hout, Wout, middle] = separable_conv2d::forward({arguments})",
        f"[dX, dWd, dbd, dWp, dbp] = separable_conv2d::backward(dout, Hout, Wout, middle, {arguments})",
        inputs,
        {name: f"d{name}" for name in inputs},
        reference,
    )


TRANSPOSED = [
    (Window(3, 3, 3, 3, 2, 2, 1, 1), (1, 1)),
    (Window(2, 4, 3, 2, 2, 3, 0, 0), (0, 2)),
    (Window(3, 2, 2, 2, 1, 1, 1, 0), (0, 0)),
]


@pytest.mark.parametrize(
    ("window", "extra", "n", "c", "f"),
    [(*TRANSPOSED[0], 2, 2, 3), (*TRANSPOSED[1], 1, 3, 1), (*TRANSPOSED[2], 2, 1, 2)],
    ids=str,
)
def test_conv2d_transpose(window, extra, n, c, f) -> None:
    def reference(x, w, b):
        images, filters = x.reshape(n, c, window.h, window.w), w.reshape(c, f, *window.filters)
        return F.conv_transpose2d(images, filters, b.reshape(-1), window.stride, window.padding, extra)

    arguments = f"X, W, b, {c}, {window.text}"
    check_layer(
        source("conv2d_transpose"),
        f"[out, Hout, Wout] = conv2d_transpose::forward({arguments}, {extra[0]}, {extra[1]})",
        f"[dX, dW, db] = conv2d_transpose::backward(dout, Hout, Wout, {arguments})",
        {"X": random(n, c * window.h * window.w), "W": random(c, f * window.hf * window.wf), "b": random(f, 1)},
        BY,
        reference,
    )


@pytest.mark.parametrize(
    ("window", "extra", "n", "c", "m"),
    [(*TRANSPOSED[0], 2, 8, 4), (*TRANSPOSED[1], 1, 3, 1), (*TRANSPOSED[2], 2, 2, 2)],
    ids=str,
)
def test_conv2d_transpose_depthwise(window, extra, n, c, m) -> None:
    f = c // m

    def reference(x, w, b):
        images, filters = x.reshape(n, c, window.h, window.w), w.reshape(c, 1, *window.filters)
        return F.conv_transpose2d(images, filters, b.reshape(-1), window.stride, window.padding, extra, groups=f)

    sizes = window.text.split(", ")
    arguments = "X, W, b, " + ", ".join([str(c), *sizes[:2], str(m), *sizes[2:]])
    layer = "conv2d_transpose_depthwise"
    check_layer(
        source(layer),
        f"[out, Hout, Wout] = {layer}::forward({arguments}, {extra[0]}, {extra[1]})",
        f"[dX, dW, db] = {layer}::backward(dout, Hout, Wout, {arguments})",
        {"X": random(n, c * window.h * window.w), "W": random(f, m * window.hf * window.wf), "b": random(f, 1)},
        BY,
        reference,
    )


@pytest.mark.parametrize(
    ("sizes", "filters", "strides", "pads"),
    [
        ((3, 4, 5), (2, 3, 2), (1, 2, 1), (1, 0, 1)),
        ((5, 3, 3), (3, 1, 2), (2, 1, 2), (0, 1, 0)),
        ((1, 2, 2), (1, 2, 2), (1, 1, 1), (0, 0, 0)),
    ],
)
def test_conv3d(sizes, filters, strides, pads) -> None:
    n, c, f = 2, 2, 3
    inputs = {
        "X": random(n, c * int(np.prod(sizes))),
        "W": random(f, c * int(np.prod(filters)), seed=2),
        "b": random(f, 1, seed=3),
    }
    places = ", ".join(map(str, (c, *sizes, *filters, *strides, *pads)))

    def reference(x, w, b):
        volumes, kernels = x.reshape(n, c, *sizes), w.reshape(f, c, *filters)
        return torch.nn.functional.conv3d(volumes, kernels, b[:, 0], stride=strides, padding=pads)

    check_layer(
        source("conv3d"),
        f"[out, Dout, Hout, Wout] = conv3d::forward(X, W, b, {places})",
        f"[dX, dW, db] = conv3d::backward(dout, Dout, Hout, Wout, X, W, b, {places})",
        inputs,
        {"X": "dX", "W": "dW", "b": "db"},
        reference,
    )


def test_conv2d_transpose_values() -> None:
    text = """source("nn/layers/conv2d_transpose.dml") as layer
one = matrix(1, rows=1, cols=1)
[out, Hout, Wout] = layer::forward(one, matrix(1, rows=1, cols=4), 0 * one, 1, 1, 1, 2, 2, 2, 2, 0, 0, 1, 1)
[W3, b3] = layer::init_bilinear(1, 3)
[W4, b4] = layer::init_bilinear(2, 4)
X = matrix(seq(1, 24), rows=1, cols=24)
[larger, H, W] = layer::forward(X, W4, b4, 2, 3, 4, 4, 4, 2, 2, 1, 1, 0, 0)
"""
    found = run(text, {}, ["out", "Hout", "Wout", "W3", "b3", "W4", "b4", "larger"])
    np.testing.assert_array_equal(found["out"], [[1, 1, 0, 1, 1, 0, 0, 0, 0]])
    assert (found["Hout"], found["Wout"]) == (3, 3)
    np.testing.assert_allclose(found["W3"], [np.outer([0.25, 0.75, 0.75], [0.25, 0.75, 0.75]).ravel()])
    kernel, nothing = np.outer([0.25, 0.75, 0.75, 0.25], [0.25, 0.75, 0.75, 0.25]).ravel(), np.zeros(16)
    np.testing.assert_allclose(found["W4"], [[*kernel, *nothing], [*nothing, *kernel]])
    np.testing.assert_array_equal(found["b3"], [[0]])
    np.testing.assert_array_equal(found["b4"], [[0], [0]])
    images = torch.arange(1.0, 25.0, dtype=torch.float64).reshape(1, 2, 3, 4)
    expected = F.interpolate(images, scale_factor=2, mode="bilinear", align_corners=False).numpy()
    inner = np.s_[:, 1:-1, 1:-1]  # at the border, what lies outside counts as zero here
    np.testing.assert_allclose(found["larger"].reshape(2, 6, 8)[inner], expected[0][inner])


INITS = [
    ("conv2d", "40, 10, 5, 4, {seed}", [(40, 200), (40, 1)], 200),
    ("conv2d_builtin", "40, 10, 5, 4, {seed}", [(40, 200), (40, 1)], 200),
    ("conv1d_builtin", "40, 20, 10, {seed}", [(40, 200), (40, 1)], 200),
    ("conv2d_dilated", "40, 10, 5, 4, {seed}", [(40, 200), (40, 1)], 200),
    ("conv3d", "40, 10, 2, 5, 2, {seed}", [(40, 200), (40, 1)], 200),
    ("conv2d_grouped", "40, 30, 5, 4, 3, {seed}", [(40, 200), (40, 1)], 200),
    ("conv2d_depthwise", "100, 4, 5, 4, {seed}", [(100, 80), (400, 1)], 20),
    ("conv2d_transpose", "40, 10, 5, 4", [(10, 800), (40, 1)], 200),
    ("conv2d_transpose_depthwise", "400, 4, 5, 4, {seed}", [(100, 80), (100, 1)], 80),
]


def test_init() -> None:
    """Sizes; biases of zero; weights with mean zero and variance 2 / fan_in; seeds make them reproducible."""
    text, outputs = source(*(case[0] for case in INITS)), []
    for number, (layer, arguments, _, _) in enumerate(INITS):
        for run_number, seed in enumerate((7, 7, 8)):
            names = [f"W{number}_{run_number}", f"b{number}_{run_number}"]
            text += f"\n[{', '.join(names)}] = {layer}::init({arguments.format(seed=seed)})"
            outputs += names
    found = run(text, {}, outputs)
    for number, (layer, arguments, shapes, fan_in) in enumerate(INITS):
        weights, other_seed = found[f"W{number}_0"], found[f"W{number}_2"]
        assert [weights.shape, found[f"b{number}_0"].shape] == shapes, layer
        assert not found[f"b{number}_0"].any()
        assert abs(weights.mean()) < 0.06 * weights.std(), layer
        assert weights.var() * fan_in == pytest.approx(2, rel=0.1), layer
        assert not np.array_equal(weights, other_seed)
        if "seed" in arguments:
            np.testing.assert_array_equal(weights, found[f"W{number}_1"])


def test_init_of_several_weights() -> None:
    text = """source("nn/layers/separable_conv2d.dml") as separable
source("nn/layers/conv2d_transpose.dml") as transpose
[Wd, bd, Wp, bp] = separable::init(30, 20, 5, 4, 3, 1)
[Wd2, bd2, Wp2, bp2] = separable::init(30, 20, 5, 4, 3, 1)
[W, b] = transpose::init_seed(6, 5, 3, 2, 1)
[W2, b2] = transpose::init_seed(6, 5, 3, 2, 1)
"""
    found = run(text, {}, ["Wd", "bd", "Wp", "bp", "Wd2", "Wp2", "W", "b", "W2"])
    shapes = {name: found[name].shape for name in ("Wd", "bd", "Wp", "bp", "W", "b")}
    assert shapes == {"Wd": (20, 60), "bd": (100, 1), "Wp": (30, 100), "bp": (30, 1), "W": (5, 36), "b": (6, 1)}
    for name in ("Wd", "Wp", "W"):
        np.testing.assert_array_equal(found[name], found[f"{name}2"])
    assert found["Wd"].var() * 12 == pytest.approx(2, rel=0.2)
    assert found["Wp"].var() * 100 == pytest.approx(2, rel=0.2)


def test_sizes_may_be_doubles() -> None:
    text = """source("nn/layers/conv2d_builtin.dml") as conv2d
[out, Hout, Wout] = conv2d::forward(matrix(1, 1, 4), matrix(1, 1, 4), matrix(0, 1, 1), C=1, Hin=8/2/2, Win=8/2/2, Hf=2,
  Wf=2, strideh=1, stridew=1, padw=0, padh=0)
more = matrix(0, rows=Hout, cols=Wout)"""
    found = run(text, {}, ["out", "more"])
    assert found["out"].tolist() == [[4]]
    assert found["more"].shape == (1, 1)
