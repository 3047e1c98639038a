"""Attention without parameters: the compatible one over queries, the right one over keys, the one with heads; positions."""

from __future__ import annotations

import numpy as np
import pytest
from harness import check_gradient, run

from gramian.errors import ScriptError

torch = pytest.importorskip("torch")
RANDOM = np.random.default_rng(2)
OLD = 'source("nn/layers/attention.dml") as attention'
DOT = 'source("nn/layers/scaled_dot_attention.dml") as dot'
MULTI = 'source("nn/layers/multi_attention.dml") as multi'


def normal(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape)


def heads(X: np.ndarray, T: int, H: int) -> torch.Tensor:
    """(N, T*H*D) as PyTorch's (N, H, T, D)."""
    return torch.tensor(X.reshape(len(X), T, H, -1)).transpose(1, 2).requires_grad_()


def flat(X: torch.Tensor) -> np.ndarray:
    """The inverse of heads()."""
    return X.detach().transpose(1, 2).reshape(len(X), -1).numpy()


def test_check_values():
    found = run(
        f"{OLD}\n{DOT}\nold = attention::forward(Q, V, key=K, D=2, attention=Q)\n[new, probs] = dot::forward(Q, K, V, 2)",
        {
            "Q": np.array([[1.0, 0, 0, 1, 1, 1]]),
            "K": np.array([[0.5, 1, 2, 0.1]]),
            "V": np.array([[1.0, 2, 3, 4]]),
        },
        ["old", "new"],
    )
    np.testing.assert_allclose(found["old"], [[1.509843, 2.162861, 0.655223, 1.086875, 1.834934, 2.750264]], atol=5e-7)
    np.testing.assert_allclose(found["new"], [[2.485633, 3.485633, 1.692123, 2.692123, 2.209006, 3.209006]], atol=5e-7)


@pytest.mark.parametrize("key", ["", "key=K, "])
def test_gradients_over_queries(key: str):
    inputs = {"Q": normal(5, 6), "V": normal(5, 12), "K": normal(5, 12), "dout": normal(5, 6)}
    checked = {"Q": "dQ", "V": "dV", "K": "dK"}
    check_gradient(
        OLD,
        f"out = attention::forward(query=Q, value=V, {key}D=3, attention=Q)",
        f"[dQ, dV, dK] = attention::backward(dattention=dout, query=Q, value=V, {key}D=3, dquery=Q, dvalue=V, dkey=K)",
        inputs,
        checked if key else {"Q": "dQ", "V": "dV"},
    )


CASES = {
    "plain": (2, 3, 4, "none", False),
    "one of each": (1, 1, 1, "none", False),
    "causal": (2, 4, 4, "none", True),
    "causal with more keys": (2, 2, 4, "none", True),
    "one mask": (3, 2, 4, "one", False),
    "a mask for each example": (3, 2, 3, "each", False),
    "causal with a mask": (2, 3, 3, "one", True),
}


@pytest.mark.parametrize("case", CASES)
def test_scaled_dot_attention_is_that_of_pytorch(case: str):
    N, J, Kn, kind, causal = CASES[case]
    D = 3
    Q, K, V, dout = normal(N, J * D), normal(N, Kn * D), normal(N, Kn * D), normal(N, J * D)
    mask = {"none": np.zeros((0, 0)), "one": normal(1, J * Kn), "each": normal(N, J * Kn)}[kind]
    if kind == "each":
        mask[:, 0] = -np.inf
    inputs = {"Q": Q, "K": K, "V": V, "dout": dout, "causal": causal, **({"mask": mask} if mask.size else {})}
    options = ", ".join(["causal=causal", *(["mask=mask"] if mask.size else [])])
    forward = f"[out, probs] = dot::forward(Q, K, V, {D}, {options})"
    backward = f"[dQ, dK, dV] = dot::backward(dout, probs, Q, K, V, {D})"
    found = run(f"{DOT}\n{forward}\n{backward}", inputs, ["out", "probs", "dQ", "dK", "dV"])

    q, k, v = heads(Q, J, 1), heads(K, Kn, 1), heads(V, Kn, 1)
    added = torch.zeros(1, 1, J, Kn, dtype=torch.double)
    if mask.size:
        added = added + torch.tensor(mask.reshape(-1, 1, J, Kn))
    if causal:
        added = added.masked_fill(~torch.ones(J, Kn).tril().bool(), -np.inf)
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=added)
    out.backward(heads(dout, J, 1))
    np.testing.assert_allclose(found["out"], flat(out), atol=1e-13)
    np.testing.assert_allclose(found["probs"].reshape(N * J, Kn).sum(1), 1, atol=1e-14)
    for name, x in (("dQ", q), ("dK", k), ("dV", v)):
        np.testing.assert_allclose(found[name], flat(x.grad), atol=1e-13)
    check_gradient(DOT, forward, backward, inputs, {"Q": "dQ", "K": "dK", "V": "dV"})


def test_values_of_another_size():
    check_gradient(
        DOT,
        "[out, probs] = dot::forward(Q, K, V, 2)",
        "[dQ, dK, dV] = dot::backward(dout, probs, Q, K, V, 2)",
        {"Q": normal(2, 6), "K": normal(2, 4), "V": normal(2, 10), "dout": normal(2, 15)},
        {"Q": "dQ", "K": "dK", "V": "dV"},
    )


def test_a_query_that_sees_nothing_gives_zeros():
    mask = np.array([[-np.inf, -np.inf, 0, 0]])
    found = run(
        f"{DOT}\n[out, P] = dot::forward(Q, K, V, 2, M)\n[dQ, dK, dV] = dot::backward(out, P, Q, K, V, 2)",
        {"Q": normal(1, 4), "K": normal(1, 4), "V": normal(1, 4), "M": mask},
        ["out", "P", "dQ", "dK", "dV"],
    )
    assert np.array_equal(found["out"][:, :2], [[0, 0]])
    assert np.all(np.isfinite(np.concatenate([cells.ravel() for cells in found.values()])))


def test_large_scores_do_not_overflow():
    found = run(
        f"{DOT}\n[out, P] = dot::forward(Q, K, V, 1)",
        {"Q": np.array([[1e4]]), "K": np.array([[1.0, 2.0]]), "V": np.array([[5.0, 7.0]])},
        ["out"],
    )
    assert found["out"] == [[7.0]]


def test_a_mask_of_another_size():
    with pytest.raises(ScriptError, match=r"must have 4 columns \(queries \* keys\).*found a 1x3 matrix"):
        run(
            f"{DOT}\n[out, P] = dot::forward(X, X, X, 2, M)",
            {"X": normal(2, 4), "M": np.zeros((1, 3))},
            ["out"],
        )


@pytest.mark.parametrize(("B", "T", "H", "D"), [(2, 3, 2, 4), (1, 1, 1, 1), (3, 2, 4, 1), (2, 4, 1, 3)])
def test_multi_attention_is_that_of_pytorch(B: int, T: int, H: int, D: int):
    inputs = {name: normal(B, T * H * D) for name in ("Q", "K", "V", "dout")}
    forward = f"[out, attention, mask] = multi::forward(Q, K, V, {H}, {T}, {D}, 0.0)"
    backward = f"[dQ, dK, dV] = multi::backward(dout, mask, attention, Q, K, V, {H}, {T}, {D}, 0.0)"
    found = run(f"{MULTI}\n{forward}\n{backward}", inputs, ["out", "attention", "mask", "dQ", "dK", "dV"])
    q, k, v = (heads(inputs[name], T, H) for name in ("Q", "K", "V"))
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    out.backward(heads(inputs["dout"], T, H))
    np.testing.assert_allclose(found["out"], flat(out), atol=1e-13)
    probs = torch.softmax(q @ k.transpose(2, 3) / D**0.5, 3)
    np.testing.assert_allclose(found["attention"], probs.detach().reshape(B, -1).numpy(), atol=1e-14)
    for name, x in (("dQ", q), ("dK", k), ("dV", v)):
        np.testing.assert_allclose(found[name], flat(x.grad), atol=1e-13)
    assert found["mask"].shape == (B, H * T * T)
    assert not found["mask"].any()


def test_dropout_keeps_with_the_probability_that_is_given():
    B, T, H, D = 2, 5, 2, 3
    inputs = {name: normal(B, T * H * D) for name in ("Q", "K", "V", "dout")}
    # the loss is that of the mask that was drawn
    found = run(
        f"""{MULTI}
[out, attention, mask] = multi::forward(Q, K, V, {H}, {T}, {D}, 0.8)
[dQ, dK, dV] = multi::backward(dout, mask, attention, Q, K, V, {H}, {T}, {D}, 0.8)""",
        inputs,
        ["out", "attention", "mask", "dQ", "dK", "dV"],
    )
    q, k, v = (heads(inputs[name], T, H) for name in ("Q", "K", "V"))
    drawn = torch.tensor(found["mask"].reshape(B, H, T, T))
    probs = torch.softmax(q @ k.transpose(2, 3) / D**0.5, 3) * drawn / 0.8
    out = probs @ v
    out.backward(heads(inputs["dout"], T, H))
    assert 0.5 < found["mask"].mean() < 1
    np.testing.assert_allclose(found["attention"], probs.detach().reshape(B, -1).numpy(), atol=1e-13)
    np.testing.assert_allclose(found["out"], flat(out), atol=1e-13)
    for name, x in (("dQ", q), ("dK", k), ("dV", v)):
        np.testing.assert_allclose(found[name], flat(x.grad), atol=1e-13)


def test_positional_encoding():
    T, D = 7, 6
    P = run(f'source("nn/layers/positional_encoding.dml") as pe\nP = pe::forward({T}, {D})', {}, ["P"])["P"]
    angles = np.arange(T)[:, None] / 10000 ** (np.arange(0, D, 2) / D)
    np.testing.assert_allclose(P[:, 0::2], np.sin(angles), atol=1e-14)
    np.testing.assert_allclose(P[:, 1::2], np.cos(angles), atol=1e-14)


def test_rotary_turns_pairs():
    N, T, H, D, offset = 2, 3, 2, 4, 5
    X = normal(N, T * H * D)
    source = 'source("nn/layers/rotary.dml") as rotary'
    inputs = {"X": X, "dout": normal(N, T * H * D)}
    forward = f"out = rotary::forward(X, {H}, {T}, {D}, {offset})"
    backward = f"dX = rotary::backward(dout, {H}, {T}, {D}, {offset})"
    out = run(f"{source}\n{forward}", inputs, ["out"])["out"]
    z = X.reshape(N, T, H, D // 2, 2) @ np.array([1, 1j])
    angles = (np.arange(T) + offset)[:, None] / 10000 ** (np.arange(0, D, 2) / D)
    turned = z * np.exp(1j * angles)[None, :, None, :]
    np.testing.assert_allclose(out, np.stack([turned.real, turned.imag], -1).reshape(N, -1), atol=1e-14)
    check_gradient(source, forward, backward, inputs, {"X": "dX"})


def test_alibi_has_the_slopes_of_its_paper():
    source = 'source("nn/layers/alibi.dml") as alibi'
    found = run(
        f"{source}\na = alibi::slopes(8)\nb = alibi::slopes(6)\nc = alibi::slopes(1)\nM = alibi::bias(2, 4, 2, 3)",
        {},
        ["a", "b", "c", "M"],
    )
    np.testing.assert_allclose(found["a"][:, 0], 2.0 ** -np.arange(1, 9))
    np.testing.assert_allclose(found["b"][:, 0], [1 / 4, 1 / 16, 1 / 64, 1 / 256, 1 / 2, 1 / 8])
    np.testing.assert_allclose(found["c"], [[2.0**-8]])
    distance = np.array([[1.0, 0, 1], [2, 1, 0]])
    expected = -np.array([1 / 4, 1 / 16, 1 / 64, 1 / 256])[:, None] * distance.ravel()
    np.testing.assert_allclose(found["M"], np.tile(expected, (2, 1)))


def test_odd_sizes_are_errors():
    with pytest.raises(ScriptError, match="features D must be even, found 3"):
        run('source("nn/layers/positional_encoding.dml") as pe\nP = pe::forward(2, 3)', {}, ["P"])
    with pytest.raises(ScriptError, match="of a head D must be even, found 3"):
        run('source("nn/layers/rotary.dml") as r\nP = r::forward(matrix(1, 1, 3), 1, 1, 3)', {}, ["P"])
