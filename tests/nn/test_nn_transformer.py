"""Multi-head attention, transformer layers and BERT's block: gradients, and PyTorch on the same numbers."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from directions import check_directions
from harness import run

from gramian.errors import ScriptError

torch = pytest.importorskip("torch")
RANDOM = np.random.default_rng(3)
HEADS = 'source("nn/layers/multi_head_attention.dml") as heads'
BERT = 'source("nn/layers/bert_layer.dml") as bert'
ENCODER = 'source("nn/layers/transformer_encoder.dml") as encoder'
DECODER = 'source("nn/layers/transformer_decoder.dml") as decoder'
PROJECTIONS = ["Wq", "bq", "Wk", "bk", "Wv", "bv", "Wo", "bo"]


def normal(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape)


def tensor(x: np.ndarray) -> torch.Tensor:
    return torch.tensor(x, dtype=torch.double)


def projections(D: int, Dkv: int | None = None) -> dict[str, np.ndarray]:
    kv = Dkv or D
    sizes = [(D, D), (1, D), (D, kv), (1, kv), (D, kv), (1, kv), (D, D), (1, D)]
    return {name: normal(*size) * 0.5 for name, size in zip(PROJECTIONS, sizes, strict=True)}


def load(module: Any, values: dict[str, np.ndarray]) -> None:
    """Give a module of PyTorch the parameters of nn.MultiheadAttention."""
    with torch.no_grad():
        module.in_proj_weight.copy_(tensor(np.hstack([values["Wq"], values["Wk"], values["Wv"]]).T))
        module.in_proj_bias.copy_(tensor(np.hstack([values["bq"], values["bk"], values["bv"]])[0]))
        module.out_proj.weight.copy_(tensor(values["Wo"].T))
        module.out_proj.bias.copy_(tensor(values["bo"][0]))


def expected(module: Any, D: int) -> dict[str, np.ndarray]:
    """The gradients of the parameters of nn.MultiheadAttention by our names."""
    W, b = module.in_proj_weight.grad.numpy().T, module.in_proj_bias.grad.numpy()
    found = {}
    for at, name in enumerate("qkv"):
        found[f"W{name}"], found[f"b{name}"] = W[:, at * D : (at + 1) * D], b[None, at * D : (at + 1) * D]
    return {
        **found,
        "Wo": module.out_proj.weight.grad.numpy().T,
        "bo": module.out_proj.bias.grad.numpy()[None, :],
    }


def same(found: dict[str, np.ndarray], wanted: dict[str, Any]) -> None:
    for name, value in wanted.items():
        got = found["out" if name == "out" else f"d{name}"]
        np.testing.assert_allclose(got, np.asarray(value).reshape(got.shape), atol=1e-12, err_msg=name)


def test_multi_head_attention_is_that_of_pytorch():
    N, Tq, Tkv, H, D = 2, 3, 4, 2, 4
    mask = normal(N * H, Tq * Tkv)
    inputs = {"Xq": normal(N, Tq * D), "Xkv": normal(N, Tkv * D), **projections(D)}
    dout = normal(N, Tq * D)
    arguments = f"{', '.join(inputs)}, {H}, {Tq}, {Tkv}, mask, FALSE, 1.0"
    found = check_directions(
        f"""{HEADS}
[out, cache] = heads::forward({arguments})
[{", ".join(f"d{name}" for name in inputs)}] = heads::backward(dout, cache, {arguments})""",
        {**inputs, "dout": dout, "mask": mask},
        list(inputs),
    )
    module = torch.nn.MultiheadAttention(D, H, batch_first=True, dtype=torch.double)
    load(module, inputs)
    q = tensor(inputs["Xq"].reshape(N, Tq, D)).requires_grad_()
    kv = tensor(inputs["Xkv"].reshape(N, Tkv, D)).requires_grad_()
    out, _ = module(q, kv, kv, attn_mask=tensor(mask.reshape(N * H, Tq, Tkv)))
    out.backward(tensor(dout.reshape(N, Tq, D)))
    same(found, {"out": out.detach(), "Xq": q.grad, "Xkv": kv.grad, **expected(module, D)})


def test_grouped_heads_with_dropout():
    N, T, H, Hkv, D = 2, 3, 4, 2, 8
    inputs = {"X": normal(N, T * D), **projections(D, D // H * Hkv), "dout": normal(N, T * D)}
    arguments = f"X, X, {', '.join(PROJECTIONS)}, {H}, {Hkv}, {T}, {T}, mask, TRUE, 0.7, 5"
    found = check_directions(
        f"""{HEADS}
mask = matrix(0, rows=0, cols=0)
[out, cache] = heads::forward_grouped({arguments})
[dXq, dXkv, {", ".join(f"d{name}" for name in PROJECTIONS)}] = heads::backward_grouped(dout, cache, {arguments})
dX = dXq + dXkv""",
        inputs,
        ["X", *PROJECTIONS],
    )
    # without dropout it is that of PyTorch with enable_gqa
    out = run(
        f"{HEADS}\n[out, c] = heads::forward_grouped({arguments.replace('0.7', '1.0').replace('mask', 'matrix(0, 0, 0)')})",
        inputs,
        ["out"],
    )["out"]
    x = inputs["X"].reshape(N * T, D)

    def split(name: str, h: int) -> torch.Tensor:
        y = x @ inputs[f"W{name}"] + inputs[f"b{name}"]
        return tensor(y.reshape(N, T, h, -1)).transpose(1, 2)

    context = torch.nn.functional.scaled_dot_product_attention(
        split("q", H), split("k", Hkv), split("v", Hkv), is_causal=True, enable_gqa=True
    )
    plain = context.transpose(1, 2).reshape(N * T, D).numpy() @ inputs["Wo"] + inputs["bo"]
    np.testing.assert_allclose(out, plain.reshape(N, -1), atol=1e-12)
    assert not np.allclose(out, found["out"])


def test_heads_that_do_not_fit():
    with pytest.raises(ScriptError, match="6 features cannot be shared out among 4 heads"):
        run(f"{HEADS}\np = heads::init(6, 4)\nn = length(p)", {}, ["n"])


BERT_NAMES = ["W_Q", "b_Q", "W_K", "b_K", "W_V", "b_V", "W_context", "b_context", "W_intermediate", "b_intermediate"]
BERT_NAMES += ["W_out", "b_out", "gamma_ln1", "beta_ln1", "gamma_ln2", "beta_ln2"]
BERT_OUT = (
    "[out, attention, outputs, m1, m2, m3, mean1, var1, norm1, mean2, var2, norm2] = bert::forward({})",
    "[dX, {}] = bert::backward(dout, m1, m2, m3, mean1, var1, norm1, mean2, var2, norm2, outputs, {})",
)


def bert_inputs(N: int, T: int, H: int, d: int, inner: int) -> dict[str, np.ndarray]:
    D = d * H
    sizes = [(D, D), (1, D)] * 4 + [(D, inner), (1, inner), (inner, D), (1, D)] + [(1, D)] * 4
    return {"X": normal(N, T * D), **{n: normal(*s) for n, s in zip(BERT_NAMES, sizes, strict=True)}}


def bert_statements(H: int, T: int, d: int, inner: int, dropout: str, activation: str) -> tuple[str, str]:
    arguments = (
        f"X, {H}, {T}, {d}, {inner}, {', '.join(BERT_NAMES[:12])}, {dropout}, 1e-12, {', '.join(BERT_NAMES[12:])}, "
        f'"{activation}"'
    )
    return BERT_OUT[0].format(arguments), BERT_OUT[1].format(", ".join(f"d{n}" for n in BERT_NAMES), arguments)


def test_bert_layer_is_that_of_pytorch():
    N, T, H, d, inner = sizes = 2, 3, 2, 4, 5
    inputs = bert_inputs(*sizes)
    dout = normal(*inputs["X"].shape)
    forward, backward = bert_statements(H, T, d, inner, "0.0, 0.0", "gelu")
    found = check_directions(f"{BERT}\n{forward}\n{backward}", {**inputs, "dout": dout}, ["X", *BERT_NAMES])
    gelu = partial(torch.nn.functional.gelu, approximate="tanh")
    p = {name: tensor(value).requires_grad_() for name, value in inputs.items()}
    x = p["X"].reshape(N, T, H * d)

    def linear(y: torch.Tensor, name: str) -> torch.Tensor:
        return y @ p[f"W_{name}"] + p[f"b_{name}"]

    def norm(y: torch.Tensor, name: str) -> torch.Tensor:
        return torch.nn.functional.layer_norm(y, (H * d,), p[f"gamma_{name}"][0], p[f"beta_{name}"][0], 1e-12)

    q, k, v = (linear(x, name).reshape(N, T, H, d).transpose(1, 2) for name in "QKV")
    context = torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(N, T, H * d)
    first = norm(x + linear(context, "context"), "ln1")
    out = norm(first + linear(gelu(linear(first, "intermediate")), "out"), "ln2")
    out.backward(tensor(dout.reshape(N, T, H * d)))
    same(found, {"out": out.detach(), **{name: value.grad for name, value in p.items()}})


def test_bert_layer_with_dropout_differentiates_what_it_drew():
    N, T, H, d, inner = 2, 2, 2, 2, 3
    inputs = bert_inputs(N, T, H, d, inner)
    inputs["dout"] = normal(N, T * H * d)
    forward, backward = bert_statements(H, T, d, inner, "0.7, 0.8", "tanh")
    outputs = ["m1", "m2", "m3", "out", "dX", "dW_V", "dW_out"]
    found = run(f"{BERT}\n{forward}\n{backward}", inputs, outputs)
    p = {name: tensor(value).requires_grad_() for name, value in inputs.items()}
    x = p["X"].reshape(N, T, H * d)
    q, k, v = ((x @ p[f"W_{n}"] + p[f"b_{n}"]).reshape(N, T, H, d).transpose(1, 2) for n in "QKV")
    weights = torch.softmax(q @ k.transpose(2, 3) / d**0.5, 3) * tensor(found["m1"].reshape(N, H, T, T)) / 0.7
    context = (weights @ v).transpose(1, 2).reshape(N, T, H * d)
    kept = [tensor(found[name].reshape(N, T, H * d)) / 0.8 for name in ("m2", "m3")]
    norm = torch.nn.functional.layer_norm
    first = norm(
        x + (context @ p["W_context"] + p["b_context"]) * kept[0],
        (H * d,),
        p["gamma_ln1"][0],
        p["beta_ln1"][0],
        1e-12,
    )
    second = torch.tanh(first @ p["W_intermediate"] + p["b_intermediate"]) @ p["W_out"] + p["b_out"]
    out = norm(first + second * kept[1], (H * d,), p["gamma_ln2"][0], p["beta_ln2"][0], 1e-12)
    out.backward(tensor(inputs["dout"].reshape(N, T, H * d)))
    assert 0 < found["m2"].mean() <= 1
    same(found, {"out": out.detach(), "X": p["X"].grad, "W_V": p["W_V"].grad, "W_out": p["W_out"].grad})


ENCODER_NAMES = [*PROJECTIONS, "g1", "c1", "W1", "b1", "W2", "b2", "g2", "c2"]
DECODER_NAMES = [
    *PROJECTIONS, "g1", "c1", *(f"x{n}" for n in PROJECTIONS), "g2", "c2", "W1", "b1", "W2", "b2", "g3", "c3",
]  # fmt: skip


def feed_forward(D: int, inner: int) -> dict[str, np.ndarray]:
    return {"W1": normal(D, inner), "b1": normal(1, inner), "W2": normal(inner, D) * 0.5, "b2": normal(1, D)}


def unpacked(names: list[str]) -> str:
    return "\n".join(f"d{name} = as.matrix(grads[{at + 1}])" for at, name in enumerate(names))


def test_encoder_layer_is_that_of_pytorch():
    """With norms before the parts; the decoder below has them after the sums."""
    pre_norm = True
    N, T, H, D, inner = 2, 3, 2, 4, 5
    norms = {name: normal(1, D) for name in ("g1", "c1", "g2", "c2")}
    inputs = {"X": normal(N, T * D), **projections(D), **feed_forward(D, inner), **norms}
    dout = normal(N, T * D)
    arguments = f'X, list({", ".join(ENCODER_NAMES)}), {H}, {T}, pre, causal=TRUE, activation="gelu"'
    found = check_directions(
        f"""{ENCODER}
[out, cache] = encoder::forward({arguments})
[dX, grads] = encoder::backward(dout, cache, {arguments})
{unpacked(ENCODER_NAMES)}""",
        {**inputs, "dout": dout, "pre": pre_norm},
        ["X", *ENCODER_NAMES],
    )
    module = torch.nn.TransformerEncoderLayer(
        D, H, inner, 0.0, partial(torch.nn.functional.gelu, approximate="tanh"),
        batch_first=True, norm_first=pre_norm, dtype=torch.double,
    )  # fmt: skip
    load(module.self_attn, inputs)
    load_rest(module, inputs, 2)
    x = tensor(inputs["X"].reshape(N, T, D)).requires_grad_()
    future = torch.triu(torch.full((T, T), -np.inf, dtype=torch.double), 1)
    out = module(x, src_mask=future)
    out.backward(tensor(dout.reshape(N, T, D)))
    wanted = {"out": out.detach(), "X": x.grad, **expected(module.self_attn, D), **rest(module, 2)}
    assert set(wanted) == {"out", "X", *ENCODER_NAMES}
    same(found, wanted)


def test_decoder_layer_is_that_of_pytorch():
    pre_norm = False
    N, T, Tm, H, D, inner = 2, 2, 3, 2, 4, 3
    norms = {name: normal(1, D) for name in ("g1", "c1", "g2", "c2", "g3", "c3")}
    cross = projections(D)
    inputs = {
        "X": normal(N, T * D),
        "M": normal(N, Tm * D),
        **projections(D),
        **{f"x{name}": value for name, value in cross.items()},
        **feed_forward(D, inner),
        **norms,
    }
    dout = normal(N, T * D)
    arguments = f'X, M, list({", ".join(DECODER_NAMES)}), {H}, {T}, {Tm}, pre, activation="gelu"'
    found = check_directions(
        f"""{DECODER}
[out, cache] = decoder::forward({arguments})
[dX, dM, grads] = decoder::backward(dout, cache, {arguments})
{unpacked(DECODER_NAMES)}""",
        {**inputs, "dout": dout, "pre": pre_norm},
        ["X", "M", *DECODER_NAMES],
    )
    module = torch.nn.TransformerDecoderLayer(
        D, H, inner, 0.0, partial(torch.nn.functional.gelu, approximate="tanh"),
        batch_first=True, norm_first=pre_norm, dtype=torch.double,
    )  # fmt: skip
    load(module.self_attn, inputs)
    load(module.multihead_attn, cross)
    load_rest(module, inputs, 3)
    x = tensor(inputs["X"].reshape(N, T, D)).requires_grad_()
    memory = tensor(inputs["M"].reshape(N, Tm, D)).requires_grad_()
    out = module(x, memory, tgt_mask=torch.triu(torch.full((T, T), -np.inf, dtype=torch.double), 1))
    out.backward(tensor(dout.reshape(N, T, D)))
    wanted = {"out": out.detach(), "X": x.grad, "M": memory.grad, **rest(module, 3)}
    wanted |= expected(module.self_attn, D)
    wanted |= {f"x{name}": value for name, value in expected(module.multihead_attn, D).items()}
    assert set(wanted) == {"out", "X", "M", *DECODER_NAMES}
    same(found, wanted)


def load_rest(module: Any, values: dict[str, np.ndarray], norms: int) -> None:
    with torch.no_grad():
        for at in (1, 2):
            linear = getattr(module, f"linear{at}")
            linear.weight.copy_(tensor(values[f"W{at}"].T))
            linear.bias.copy_(tensor(values[f"b{at}"][0]))
        for at in range(1, norms + 1):
            norm = getattr(module, f"norm{at}")
            norm.weight.copy_(tensor(values[f"g{at}"][0]))
            norm.bias.copy_(tensor(values[f"c{at}"][0]))


def rest(module: Any, norms: int) -> dict[str, np.ndarray]:
    found = {}
    for at in (1, 2):
        linear = getattr(module, f"linear{at}")
        found[f"W{at}"], found[f"b{at}"] = linear.weight.grad.numpy().T, linear.bias.grad.numpy()
    for at in range(1, norms + 1):
        norm = getattr(module, f"norm{at}")
        found[f"g{at}"], found[f"c{at}"] = norm.weight.grad.numpy(), norm.bias.grad.numpy()
    return found


def test_dropout_of_layers_is_reproducible_and_differentiated():
    N, T, H, D = 2, 2, 2, 4
    found = check_directions(
        f"""{ENCODER}
p = encoder::init({D}, {H}, 6, 3)
[out, cache] = encoder::forward(X, p, {H}, {T}, keep_prob=0.6, seed=4)
[dX, grads] = encoder::backward(dout, cache, X, p, {H}, {T}, keep_prob=0.6, seed=4)""",
        {"X": normal(N, T * D), "dout": normal(N, T * D)},
        ["X"],
    )
    assert np.abs(found["dX"]).max() > 0
