"""Composite blocks: two affine layers, LeNet's forward pass, and the inverted residual block."""

from __future__ import annotations

import numpy as np
import pytest
from directions import check_directions
from harness import run

from gramian.errors import ScriptError

torch = pytest.importorskip("torch")
RANDOM = np.random.default_rng(4)
FEED = 'source("nn/layers/feedForward.dml") as ff'
LENET = 'source("nn/layers/lenetForwardPass.dml") as lenet'
MBCONV = 'source("nn/layers/mbconv.dml") as mbconv'


def normal(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape)


def tensor(x: np.ndarray) -> torch.Tensor:
    return torch.tensor(x, dtype=torch.double)


ACTIVATIONS = {
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "lrelu": torch.nn.functional.leaky_relu,
    "tanh": torch.tanh,
    "softmax": lambda x: torch.softmax(x, 1),
}


def test_feed_forward():
    inputs = {"X": normal(4, 3), "W1": normal(3, 5), "b1": normal(1, 5), "W2": normal(5, 2), "b2": normal(1, 2)}
    lines = [
        f'c_{name} = ff::feedForward(X, list(W1=W1, b1=b1, W2=W2, b2=b2, activation="{name}"), TRUE)\n'
        f'{name} = as.matrix(c_{name}["outs2"])'
        for name in ACTIVATIONS
    ]
    found = run(
        f"""{FEED}
{chr(10).join(lines)}
plain = ff::feedForward(X, list(W1=W1, b1=b1, W2=W2, b2=b2, activation="logits"), TRUE)
out2 = as.matrix(plain["out2"])
entries = length(plain)
trained = ff::feedForward(X, list(W1=W1, b1=b1, W2=W2, b2=b2, activation="logits"))
outr1 = as.matrix(trained["outr1"])
outd1 = as.matrix(trained["outd1"])
maskd1 = as.matrix(trained["maskd1"])""",
        inputs,
        ["out2", "entries", "outr1", "outd1", "maskd1", *ACTIVATIONS],
    )
    logits = np.maximum(inputs["X"] @ inputs["W1"] + inputs["b1"], 0) @ inputs["W2"] + inputs["b2"]
    np.testing.assert_allclose(found["out2"], logits, atol=1e-13)
    assert found["entries"] == 5
    for name, function in ACTIVATIONS.items():
        np.testing.assert_allclose(found[name], function(tensor(logits)).numpy(), atol=1e-13, err_msg=name)
    # 0.35 is the probability to keep a cell
    np.testing.assert_allclose(found["outd1"], found["outr1"] * found["maskd1"] / 0.35, atol=1e-14)
    assert set(np.unique(found["maskd1"])) <= {0.0, 1.0}


def test_feed_forward_with_an_unknown_activation():
    with pytest.raises(ScriptError, match='sigmoid, relu, lrelu, tanh or softmax, found "swish"'):
        run(f'{FEED}\nx = ff::apply_activation(matrix(1, 1, 1), "swish")', {}, ["x"])


def test_lenet_is_that_of_pytorch():
    C, H, W, F1, F2, M, K = 2, 8, 4, 3, 2, 5, 4
    inputs = {
        "X": normal(3, C * H * W), "W1": normal(F1, C * 25), "b1": normal(F1, 1), "W2": normal(F2, F1 * 25),
        "b2": normal(F2, 1), "W3": normal(F2 * 2 * 1, M), "b3": normal(1, M), "W4": normal(M, K), "b4": normal(1, K),
    }  # fmt: skip
    names = [name for name in inputs if name != "X"]
    found = run(
        f"""{LENET}
cache = lenet::lenetForward(X, {C}, {H}, {W}, list({", ".join(f"{n}={n}" for n in names)}), TRUE)
probs = as.matrix(cache["probs"])
H2 = as.scalar(cache["Houtp2"])
W2_ = as.scalar(cache["Woutp2"])
entries = length(cache)""",
        inputs,
        ["probs", "H2", "W2_", "entries"],
    )
    functional = torch.nn.functional
    x = tensor(inputs["X"].reshape(-1, C, H, W))
    for at, channels in ((1, C), (2, F1)):
        filters = tensor(inputs[f"W{at}"].reshape(-1, channels, 5, 5))
        x = functional.max_pool2d(
            torch.relu(functional.conv2d(x, filters, tensor(inputs[f"b{at}"][:, 0]), padding=2)), 2
        )
    x = torch.relu(x.flatten(1) @ tensor(inputs["W3"]) + tensor(inputs["b3"]))
    x = torch.softmax(x @ tensor(inputs["W4"]) + tensor(inputs["b4"]), 1)
    np.testing.assert_allclose(found["probs"], x.numpy(), atol=1e-12)
    assert (found["H2"], found["W2_"], found["entries"]) == (2, 1, 20)


# What the 22 matrices of a model are called here, and the order of the gradients.
PARTS = ["W1", "b1", "g1", "c1", "m1", "v1", "W2", "b2", "g2", "c2", "m2", "v2", "Ws", "bs", "We", "be"]
PARTS += ["W3", "b3", "g3", "c3", "m3", "v3"]
GRADIENTS = ["g3", "c3", "W3", "b3", "We", "be", "Ws", "bs", "g2", "c2", "W2", "b2", "g1", "c1", "W1", "b1"]
MB_CASES = {  # Fin, Fout, H, W, filter width, filter height, stride, pads, skip, expansion, mode
    "expansion and skip": (2, 2, 4, 3, 3, 3, 1, (1, 1), True, 2, "train"),
    "neither, stride 2, filters not square": (2, 3, 5, 4, 2, 3, 2, (1, 0), False, 1, "train"),
    "running statistics": (2, 2, 3, 3, 3, 3, 1, (1, 1), True, 3, "test"),
    "expansion without skip": (1, 2, 3, 4, 1, 1, 1, (0, 0), False, 2, "train"),
}


@pytest.mark.parametrize("case", MB_CASES)
def test_mbconv(case: str):
    Fin, Fout, H, W, fw, fh, stride, pads, skip, e, mode = MB_CASES[case]
    N, C, S = 3, Fin * e, max(1, round(Fin * e * 0.5))
    sizes = [(C, Fin), (C, 1), (C, 1), (C, 1), (C, 1), (C, 1), (C, fh * fw)] + [(C, 1)] * 5
    sizes += [(S, C), (S, 1), (C, S), (C, 1), (Fout, C)] + [(Fout, 1)] * 5
    inputs = {name: normal(*size) for name, size in zip(PARTS, sizes, strict=True)}
    for name in ("v1", "v2", "v3"):
        inputs[name] = inputs[name] ** 2 + 0.5
    inputs["X"] = normal(N, Fin * H * W)
    Hout, Wout = (H + 2 * pads[0] - fh) // stride + 1, (W + 2 * pads[1] - fw) // stride + 1
    dout = normal(N, Fout * Hout * Wout)
    absent = PARTS[:6] if e <= 1 else []
    for name in absent:
        del inputs[name]
    model = ", ".join("matrix(0, rows=0, cols=0)" if name in absent else name for name in PARTS)
    flags = [str(value).upper() if isinstance(value, bool) else str(value) for value in (skip, e)]
    window = f"{fw}, {fh}, {stride}, {stride}, {pads[0]}, {pads[1]}"
    arguments = f'{Fin}, {Fout}, {H}, {W}, {window}, {flags[0]}, {flags[1]}, "{mode}", 0.5'
    gradients = [name for name in GRADIENTS if name not in absent]
    unpack = "\n".join(f"d{name} = as.matrix(grads[{at + 1}])" for at, name in enumerate(gradients))
    found = check_directions(
        f"""{MBCONV}
[out, inner, updates, Hout, Wout] = mbconv::forward(X, list({model}), {arguments})
[dX, grads] = mbconv::backward(dout, X, list({model}), inner, updates, {arguments})
{unpack}""",
        {**inputs, "dout": dout},
        ["X", *gradients],
    )

    p = {name: tensor(value).requires_grad_() for name, value in inputs.items()}
    functional = torch.nn.functional

    def norm(x: torch.Tensor, at: int) -> torch.Tensor:
        mean, var = p[f"m{at}"][:, 0].detach().clone(), p[f"v{at}"][:, 0].detach().clone()
        return functional.batch_norm(x, mean, var, p[f"g{at}"][:, 0], p[f"c{at}"][:, 0], mode == "train", 0.1, 1e-5)

    x = p["X"].reshape(N, Fin, H, W)
    z = x
    if e > 1:
        z = functional.silu(norm(functional.conv2d(x, p["W1"][:, :, None, None], p["b1"][:, 0]), 1))
    depth = functional.conv2d(z, p["W2"].reshape(C, 1, fh, fw), p["b2"][:, 0], stride, pads, groups=C)
    z = functional.silu(norm(depth, 2))
    squeezed = functional.conv2d(z.mean((2, 3), keepdim=True), p["Ws"][:, :, None, None], p["bs"][:, 0])
    scaled = z * functional.conv2d(squeezed, p["We"][:, :, None, None], p["be"][:, 0])
    out = norm(functional.conv2d(scaled, p["W3"][:, :, None, None], p["b3"][:, 0]), 3)
    out = out + x if skip else out
    out.backward(tensor(dout.reshape(out.shape)))
    np.testing.assert_allclose(found["out"], out.detach().reshape(N, -1).numpy(), atol=1e-12)
    for name in ("X", *gradients):
        np.testing.assert_allclose(found[f"d{name}"], p[name].grad.numpy(), atol=1e-10, err_msg=name)


def test_mbconv_updates_its_running_statistics():
    found = run(
        f"""{MBCONV}
model = mbconv::init(2, 3, 3, 3, 2, 0.25, 5)
[out, inner, updates, Hout, Wout] = mbconv::forward(X, model, 2, 3, 4, 4, 3, 3, 2, 2, 1, 1, FALSE, 2, "train", 0.25)
depth = as.matrix(inner[4])
mean2 = as.matrix(updates[5])
var2 = as.matrix(updates[6])
var3 = as.matrix(updates[10])
entries = length(model)
squeezed = nrow(as.matrix(model[13]))""",
        {"X": normal(3, 32)},
        ["out", "depth", "mean2", "var2", "var3", "entries", "squeezed", "Hout", "Wout"],
    )
    channels = found["depth"].reshape(3, 4, 4)
    np.testing.assert_allclose(found["mean2"][:, 0], 0.1 * channels.mean((0, 2)), atol=1e-13)
    np.testing.assert_allclose(found["var2"][:, 0], 0.9 + 0.1 * channels.var((0, 2)), atol=1e-13)
    assert found["var3"].shape == (3, 1)
    assert found["out"].shape == (3, 3 * 2 * 2)
    assert [found[n] for n in ("entries", "squeezed", "Hout", "Wout")] == [22, 1, 2, 2]


def test_a_skip_connection_between_different_sizes():
    with pytest.raises(ScriptError, match="a skip connection needs an output of the size of the input"):
        run(
            f"""{MBCONV}
model = mbconv::init(1, 2, 3, 3, 1, 0.5, 1)
[out, a, b, h, w] = mbconv::forward(matrix(1, 2, 9), model, 1, 2, 3, 3, 3, 3, 1, 1, 1, 1, TRUE, 1, "train", 0.5)""",
            {},
            ["out"],
        )
