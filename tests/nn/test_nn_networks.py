"""Residual networks, AlexNet and the declarative model: blocks against PyTorch, and training that lowers the loss."""

from __future__ import annotations

import numpy as np
import pytest
from directions import check_directions
from harness import run

from gramian.errors import ScriptError

torch = pytest.importorskip("torch")
RANDOM = np.random.default_rng(6)
RESNET = 'source("nn/networks/resnet.dml") as resnet'
UTIL = 'source("nn/networks/resnet_util.dml") as util'
ALEXNET = 'source("nn/networks/alexnet.dml") as alexnet'
MODEL = 'source("nn/model.dml") as model'


def normal(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape)


def tensor(x: np.ndarray) -> torch.Tensor:
    return torch.tensor(x, dtype=torch.double)


CASES = {  # C_in, C_base, H, W, strides, mode, has a convolution in the identity
    "basic": (2, 2, 3, 4, (1, 1), "train", False),
    "basic, smaller": (2, 3, 4, 5, (2, 1), "train", True),
    "bottleneck": (4, 1, 3, 3, (1, 1), "test", False),
    "bottleneck, smaller": (2, 1, 4, 3, (2, 2), "train", True),
}


@pytest.mark.parametrize("case", CASES)
def test_blocks_are_those_of_pytorch(case: str):
    kind = case.split(",")[0]
    C_in, C_base, H, W, strides, mode, wide = CASES[case]
    N, C_out = 3, C_base * (4 if kind == "bottleneck" else 1)
    units = {  # inputs, outputs, size of the filters, stride
        "basic": [(C_in, C_base, 3, strides), (C_base, C_base, 3, (1, 1))],
        "bottleneck": [(C_in, C_base, 1, (1, 1)), (C_base, C_base, 3, strides), (C_base, C_out, 1, (1, 1))],
    }[kind]
    units += [(C_in, C_out, 1, strides)] if wide else []
    inputs = {"X": normal(N, C_in * H * W)}
    for at, (i, o, size, _) in enumerate(units):
        inputs |= {f"W{at}": normal(o, i * size * size), f"g{at}": normal(o, 1), f"c{at}": normal(o, 1)}
        inputs |= {f"m{at}": normal(o, 1), f"v{at}": normal(o, 1) ** 2 + 0.5}
    names = [f"{letter}{at}" for at in range(len(units)) for letter in "Wgc"]
    emas = [f"{letter}{at}" for at in range(len(units)) for letter in "mv"]
    Hout, Wout = -(-H // strides[0]), -(-W // strides[1])
    inputs["dout"] = normal(N, C_out * Hout * Wout)
    sizes = f"{C_in}, {C_base}"
    unpack = "\n".join(f"d{name} = as.matrix(grads[{at + 1}])" for at, name in enumerate(names))
    found = check_directions(
        f"""{RESNET}
weights = list({", ".join(names)})
[out, Hout, Wout, emas, cached, means] = resnet::{kind}_block_forward(X, weights, {sizes}, {H}, {W}, {strides[0]},
  {strides[1]}, "{mode}", list({", ".join(emas)}))
[dX, grads] = resnet::{kind}_block_backward(dout, cached, weights, {sizes}, {strides[0]}, {strides[1]}, means)
{unpack}
last = as.matrix(emas[length(emas)])
third = as.matrix(emas[3])""",
        inputs,
        ["X", *names],
        extra=["last", "third", "Hout", "Wout"],
        tolerance=1e-5,
    )
    p = {name: tensor(value).requires_grad_() for name, value in inputs.items()}
    running = {name: tensor(inputs[name][:, 0]) for name in emas}
    functional = torch.nn.functional

    def unit(x: torch.Tensor, at: int) -> torch.Tensor:
        i, o, size, stride = units[at]
        y = functional.conv2d(x, p[f"W{at}"].reshape(o, i, size, size), stride=stride, padding=size // 2)
        mean, var = running[f"m{at}"], running[f"v{at}"]
        return functional.batch_norm(y, mean, var, p[f"g{at}"][:, 0], p[f"c{at}"][:, 0], mode == "train", 0.1, 1e-5)

    x = p["X"].reshape(N, C_in, H, W)
    y, count = x, len(units) - wide
    for at in range(count):
        y = unit(y, at) if at == count - 1 else torch.relu(unit(y, at))
    out = torch.relu(y + (unit(x, count) if wide else x))
    out.backward(tensor(inputs["dout"].reshape(out.shape)))
    np.testing.assert_allclose(found["out"], out.detach().reshape(N, -1).numpy(), atol=1e-11)
    for name in ("X", *names):
        np.testing.assert_allclose(found[f"d{name}"], p[name].grad.numpy(), atol=1e-10, err_msg=name)
    assert (found["Hout"].item(), found["Wout"].item()) == (Hout, Wout)
    # mu is 0.9: PyTorch's momentum of 0.1, up to its sample variance
    np.testing.assert_allclose(found["third"][:, 0], running["m1"].numpy(), atol=1e-12)
    n = N * Hout * Wout if mode == "train" else 1
    old, new = inputs[emas[-1]][:, 0], running[emas[-1]].numpy()
    updated = 0.9 * old + (new - 0.9 * old) * (n - 1) / n if mode == "train" else old
    np.testing.assert_allclose(found["last"][:, 0], updated, atol=1e-12)


def test_resnet18_learns():
    found = run(
        """source("nn/networks/resnet18.dml") as resnet18
source("nn/layers/softmax_cross_entropy_loss.dml") as loss
[model, emas] = resnet18::init(3, 3)
state = resnet18::init_sgd_momentum_optim_params(3)
losses = matrix(0, rows=2, cols=1)
for (i in 1:2) {
  [out, emas, cached, means] = resnet18::forward(X, 16, 16, model, "train", emas)
  losses[i, 1] = loss::forward(out, Y)
  [dX, gradients] = resnet18::backward(loss::backward(out, Y), cached, model, means)
  [model, state] = resnet18::update_params_with_sgd_momentum(model, gradients, 0.01, 0.9, state)
}
[out, emas_after, cached, means] = resnet18::forward(X, 16, 16, model, "test", emas)
entries = length(model)
W_fc = as.matrix(model[8])
layer4 = as.list(model[7])
block = as.list(layer4[1])
first_block = length(block)""",
        {"X": normal(4, 3 * 16 * 16), "Y": np.eye(3)[[0, 1, 2, 0]]},
        ["losses", "dX", "out", "entries", "W_fc", "first_block"],
    )
    assert found["losses"][1, 0] < found["losses"][0, 0]
    assert found["dX"].shape == (4, 768)
    assert np.all(np.isfinite(found["out"]))
    assert (found["entries"], found["first_block"]) == (9, 9)
    assert found["W_fc"].shape == (512, 3)


def test_layers_of_a_network_start_with_different_numbers():
    found = run(
        f"""{RESNET}
[weights, emas] = resnet::init_block("basic", 2, 2, FALSE, 7)
[again, emas] = resnet::init_block("basic", 2, 2, FALSE, 7)
A = as.matrix(weights[1])
B = as.matrix(weights[4])
C = as.matrix(again[4])""",
        {},
        ["A", "B", "C"],
    )
    assert not np.any(found["A"] == found["B"])
    assert np.array_equal(found["B"], found["C"])


OPTIMIZERS = {
    "sgd": "0.1",
    "sgd_momentum": "0.1, 0.9",
    "sgd_nesterov": "0.1, 0.9",
    "adagrad": "0.1, 1e-8",
    "rmsprop": "0.1, 0.9, 1e-8",
    "lars": "0.1, 0.9, 0.01, 0.001",
    "adam": "0.1, 0.9, 0.999, 1e-8, 0",
}


def test_optimizers_step_on_blocks():
    """All of them in one script: each is that of nn/optim on the first parameter, and keeps the shape of the block."""
    lines = []
    for name, hyper in OPTIMIZERS.items():
        kind = name if name in ("adam", "lars") else "other"
        lines.append(f"""s_{name} = util::init_optim_{kind}_basic_block(2, 2, FALSE)
[s_{name}, p_{name}] = util::update_basic_block_params("{name}", s_{name}, list({hyper}), gradients, weights, FALSE)
{name} = as.matrix(p_{name}[1])
n_{name} = length(p_{name})""")
    found = run(
        f"""{UTIL}
weights = list(W, g, g, W, g, g)
gradients = list(dW, g, g, dW, g, g)
{chr(10).join(lines)}
m = as.list(s_adam[1])
m = as.matrix(m[1])""",
        {"W": normal(2, 18), "dW": (dW := normal(2, 18)), "g": normal(2, 1)},
        ["W", "m", *OPTIMIZERS, *(f"n_{name}" for name in OPTIMIZERS)],
    )
    W = found["W"]
    assert all(found[f"n_{name}"] == 6 for name in OPTIMIZERS)
    np.testing.assert_allclose(found["sgd"], W - 0.1 * dW, atol=1e-14)
    np.testing.assert_allclose(found["sgd_momentum"], W - 0.1 * dW, atol=1e-14)
    np.testing.assert_allclose(found["sgd_nesterov"], W - 1.9 * 0.1 * dW, atol=1e-14)
    np.testing.assert_allclose(found["adagrad"], W - 0.1 * np.sign(dW), atol=1e-6)
    np.testing.assert_allclose(found["rmsprop"], W - 0.1 / 0.1**0.5 * np.sign(dW), atol=1e-5)
    np.testing.assert_allclose(found["adam"], W - 0.1 * np.sign(dW), atol=1e-4)
    norms = np.linalg.norm(W), np.linalg.norm(dW)
    local = 0.001 * norms[0] / (norms[1] + 0.01 * norms[0] + 1e-8)
    np.testing.assert_allclose(found["lars"], W - 0.1 * local * (dW + 0.01 * W), atol=1e-14)
    np.testing.assert_allclose(found["m"], 0.1 * dW, atol=1e-14)


def test_an_unknown_optimizer():
    with pytest.raises(ScriptError, match='there is no optimizer "sgdm"'):
        run(f'{UTIL}\ns = util::init_optim("sgdm", 2, "basic", list(1, 1, 1, 1))\nn = length(s)', {}, ["n"])


def test_alexnet_with_and_without_batch_norm():
    """One small image: sizes, a gradient along a direction, and one step of LARS in which statistics are no parameters."""
    C, H, W, K = 1, 63, 67, 3
    found = run(
        f"""{ALEXNET}
features = alexnet::calculate_conv_output_size({H}, {W})
model = alexnet::init({C}, {H}, {W}, {K}, 3)
[out, cached] = alexnet::forward(X, {C}, {H}, {W}, model, "train", 0.5)
[dX, gradients] = alexnet::backward(Y, cached, model, {C}, {H}, {W}, 0.5)
dW1 = as.matrix(gradients[1])
entries = length(gradients)

[model_bn, emas] = alexnet::init_with_bn({C}, {H}, {W}, {K}, 3)
# larger weights, so that differences are seen
for (i in [1, 7, 13, 19, 25, 31, 33, 35]) {{
  model_bn[i] = 4 * as.matrix(model_bn[i])
}}
[out_bn, cached, emas] = alexnet::forward_with_bn(X, {C}, {H}, {W}, model_bn, "test", 0.5)
[dX_bn, gradients] = alexnet::backward_with_bn(Y, cached, model_bn, {C}, {H}, {W}, 0.5)
[up, cached, emas] = alexnet::forward_with_bn(X + 1e-6 * direction, {C}, {H}, {W}, model_bn, "test", 0.5)
[down, cached, emas] = alexnet::forward_with_bn(X - 1e-6 * direction, {C}, {H}, {W}, model_bn, "test", 0.5)
numeric = sum((up - down) * Y) / 2e-6
exact = sum(dX_bn * direction)
state = alexnet::init_lars_optim_params(model_bn)
[stepped, state] = alexnet::update_params_with_lars(model_bn, gradients, 0.1, 0.9, 5e-4, 1e-3, state)
variance = as.matrix(stepped[6])
gamma = as.matrix(stepped[3])
plain = alexnet::compute_loss(out_bn, Y, model_bn, 0)
decayed = alexnet::compute_loss(out_bn, Y, model_bn, 2)
squares = 0
for (i in [1, 7, 13, 19, 25, 31, 33, 35]) {{
  squares = squares + sum(as.matrix(model_bn[i]) ^ 2)
}}""",
        {"X": normal(1, C * H * W), "Y": np.array([[0.0, 1, 0]]), "direction": normal(1, C * H * W)},
        [
            "features", "out", "dX", "dW1", "entries", "out_bn", "numeric", "exact", "variance", "gamma", "plain",
            "decayed", "squares",
        ],
    )  # fmt: skip
    assert found["features"] == 256
    assert found["entries"] == 16
    assert found["out"].shape == (1, 3)
    np.testing.assert_allclose([found["out"].sum(), found["out_bn"].sum()], 1)
    assert found["dX"].shape == (1, C * H * W)
    assert found["dW1"].shape == (96, 121)
    assert found["numeric"] == pytest.approx(found["exact"], rel=1e-4)
    assert np.all(found["variance"] == 1)
    assert not np.all(found["gamma"] == 1)
    assert found["decayed"] - found["plain"] == pytest.approx(found["squares"], rel=1e-12)


def test_alexnet_trains_with_batch_norm():
    """One step: the statistics move, the model is judged by them, and the loss is that of the initial model."""
    found = run(
        f"""{ALEXNET}
[model, losses, accuracies] = alexnet::train_with_lars(X, Y, X, Y, 1, 63, 63, 2, 1, 2, 0.02, TRUE, 3)
mean1 = as.matrix(model[5])
entries = length(model)
[loss, accuracy] = alexnet::evaluate_with_bn(X, Y, 1, 63, 63, model, 1)""",
        {"X": normal(2, 63 * 63), "Y": np.eye(2)},
        ["losses", "accuracies", "mean1", "entries", "loss", "accuracy"],
    )
    assert found["entries"] == 36
    assert np.abs(found["mean1"]).max() > 0
    assert found["losses"][0, 0] > np.log(2)  # cross entropy of an undecided model, and the decay of its weights
    assert found["loss"] == pytest.approx(np.log(2), rel=0.05)
    assert found["accuracies"][0, 0] == found["accuracy"]


def test_alexnet_rates_and_sizes():
    found = run(
        f"""{ALEXNET}
first = alexnet::get_lr_with_warmup(0.01, 1, 1, 10, 4, 512, 256, 2, 2.0)
top = alexnet::get_lr_with_warmup(0.01, 2, 4, 10, 4, 512, 256, 2, 2.0)
half = alexnet::get_lr_with_warmup(0.01, 6, 4, 10, 4, 512, 256, 2, 2.0)
end = alexnet::get_lr_with_warmup(0.01, 10, 4, 10, 4, 512, 256, 2, 2.0)
[lr, warmup, total] = alexnet::get_lars_hyperparams(32768, TRUE)
size = alexnet::calculate_conv_output_size(224, 224)""",
        {},
        ["first", "top", "half", "end", "lr", "warmup", "total", "size"],
    )
    assert [found[name] for name in ("first", "top", "half", "end")] == pytest.approx([0.0025, 0.02, 0.005, 0])
    assert [found[name] for name in ("lr", "warmup", "total", "size")] == [0.02, 5, 200, 256 * 6 * 6]
    with pytest.raises(ScriptError, match="nothing is left of the image in stage"):
        run(f"{ALEXNET}\nn = alexnet::calculate_conv_output_size(32, 32)", {}, ["n"])


def test_a_model_of_layers_learns():
    X = np.random.default_rng(7).uniform(size=(60, 64))  # its own: the bounds below are those of this data
    X[:30, :32] += 1
    Y = np.eye(2)[np.repeat([0, 1], 30)]
    found = run(
        f"""{MODEL}
layers = list(list(type="input", C=1, H=8, W=8), list(type="conv2d", filters=3, size=3, stride=1, pad=1),
  list(type="batch_norm", mu=0.9), list(type="relu"), list(type="max_pool2d", size=2, stride=2, pad=0),
  list(type="dropout", keep_prob=0.9), list(type="affine", units=5), list(type="tanh"), list(type="layer_norm"),
  list(type="affine", units=2))
config = list(loss="softmax_cross_entropy", optimizer="adam", hyper=list(lr=0.01, beta1=0.9, beta2=0.999, epsilon=1e-8),
  epochs=8, batch_size=16, seed=1)
[m, history] = model::fit(layers, X, Y, config, X, Y)
curves = as.matrix(history)
probs = model::predict(m, X)""",
        {"X": X, "Y": Y},
        ["curves", "probs"],
    )
    curves, probs = found["curves"], found["probs"]
    assert curves[:, 0].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert curves[-1, 1] < 0.5 * curves[0, 1]
    np.testing.assert_allclose(probs.sum(1), 1)
    assert curves[-1, 3] == np.mean(probs.argmax(1) == Y.argmax(1)) > 0.9
    assert curves[-1, 2] == pytest.approx(-np.log((probs * Y).sum(1)).mean(), rel=1e-6)


def test_gradients_of_a_model():
    """The chain of layers itself, through the functions that fit uses."""
    check_directions(
        f"""{MODEL}
layers = list(list(type="input", C=2, H=4, W=4), list(type="conv2d", filters=2, size=3, stride=1, pad=0),
  list(type="silu"), list(type="avg_pool2d", size=2, stride=2, pad=0), list(type="affine", units=2))
[out, caches, none] = model::forward(layers, list(W1, b1, W2, b2), list(), X, "train", 1)
gradients = model::backward(layers, list(W1, b1, W2, b2), caches, dout)
dW1 = as.matrix(gradients[1])
db1 = as.matrix(gradients[2])
dW2 = as.matrix(gradients[3])
db2 = as.matrix(gradients[4])""",
        {
            "X": normal(3, 32), "W1": normal(2, 18), "b1": normal(2, 1), "W2": normal(2, 2), "b2": normal(1, 2),
            "dout": normal(3, 2),
        },
        ["W1", "b1", "W2", "b2"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (1.0, "the last layer has 3 outputs, but Y has 2 columns"),
        (2.0, "but X has 5 columns"),
        (3.0, 'no layer of type "afine"'),
        (4.0, 'there is no loss "l3"'),
    ],
)
def test_errors_of_models(case: float, message: str):
    with pytest.raises(ScriptError, match=message):
        run(
            f"""{MODEL}
loss = "l2"
layers = list(list(type="affine", units=2))
if (case == 1) {{
  layers = list(list(type="affine", units=3))
}} else if (case == 2) {{
  layers = list(list(type="input", C=1, H=2, W=2), list(type="affine", units=2))
}} else if (case == 3) {{
  layers = list(list(type="afine", units=2), list(type="affine", units=2))
}} else {{
  loss = "l3"
}}
[m, history] = model::fit(layers, X, X[, 1:2], list(loss=loss, optimizer="sgd", hyper=list(lr=0.1), epochs=1, batch_size=4,
  seed=1))
n = length(m)""",
            {"X": np.ones((4, 5)), "case": case},
            ["n"],
        )
