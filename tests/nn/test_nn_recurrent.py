"""Recurrent layers: values and gradients against PyTorch, masks, smaller batches, both directions."""

from __future__ import annotations

import numpy as np
import pytest
from harness import relative_error, run
from torch_case import check_layer, random, source, torch

SIZES = [(2, 3, 3, 2), (1, 1, 2, 3), (3, 2, 1, 1)]  # N, T, D, M
SEQUENCES = {True: "TRUE", False: "FALSE"}


def start(n: int, t: int, d: int, m: int, gates: int) -> dict[str, np.ndarray]:
    """The inputs of a recurrent layer with so many columns of weights for each cell of its state."""
    weights = {"W": random(d + m, gates * m) * 0.5, "b": random(1, gates * m, seed=2)}
    return {"X": random(n, t * d), **weights, "out0": random(n, m, seed=3)}


def by_step(x, t):
    return x.reshape(len(x), t, -1)


def in_order(a, gates: int, order: str):
    """Columns of gates in another order, transposed: what PyTorch has as weights of inputs or states."""
    parts = dict(zip("0123", a.chunk(gates, dim=-1), strict=False))
    return torch.cat([parts[part] for part in order], dim=-1).T


def torch_layer(kind, x, w, b, h0, t, gates, order, second=None, c0=None):
    """PyTorch's recurrent layer on our weights: its outputs in all steps, and its last cells."""
    n, d = len(x), x.shape[1] // t
    wide = torch.zeros(1, gates * h0.shape[1], dtype=torch.float64)
    biases = [b, wide if second is None else second]
    weights = [
        in_order(w[:d], gates, order),
        in_order(w[d:], gates, order),
        *(in_order(a, gates, order).ravel() for a in biases),
    ]
    states = h0[None] if c0 is None else (h0[None], c0[None])
    result = kind(by_step(x, t), states, weights, True, 1, 0.0, False, False, True)
    out = result[0].reshape(n, -1)
    return out, (result[2][0] if c0 is not None else None)


def taken(out, sequences: bool, m: int):
    return out if sequences else out[:, -m:]


@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_rnn(sizes, sequences) -> None:
    _, t, d, m = sizes
    call = f"{t}, {d}, {SEQUENCES[sequences]}, out0"
    check_layer(
        source("rnn"),
        f"[out, cache_out] = rnn::forward(X, W, b, {call})",
        f"[dX, dW, db, dout0] = rnn::backward(dout, X, W, b, {call}, cache_out)",
        start(*sizes, 1),
        {"X": "dX", "W": "dW", "b": "db", "out0": "dout0"},
        lambda x, w, b, h0: taken(torch_layer(torch.rnn_tanh, x, w, b, h0, t, 1, "0")[0], sequences, m),
    )


LSTM = {"X": "dX", "W": "dW", "b": "db", "out0": "dout0", "c0": "dc0"}
# Our gates are i, f, o, g; PyTorch's i, f, g, o.
LSTM_ORDER = "0132"
# The last cells take part in the loss: both results side by side, as one.
WITH_CELLS = "\nout = cbind(h, c)"
SPLIT = """dh = dout[, 1:ncol(h)]
dc = dout[, (ncol(h) + 1):ncol(dout)]
"""


@pytest.mark.parametrize(
    ("layer", "sizes", "sequences"),
    [("lstm", sizes, sequences) for sizes in SIZES for sequences in (True, False)]
    + [("lstm_staging", SIZES[0], True), ("lstm_staging", SIZES[0], False)],
    ids=str,
)
def test_lstm(layer, sizes, sequences) -> None:
    n, t, d, m = sizes
    if layer == "lstm":
        call, caches = f"{t}, {d}, {SEQUENCES[sequences]}, out0, c0", ", cache_out, cache_c, cache_ifog"
    else:
        call, caches = f"{SEQUENCES[sequences]}, out0, c0", ""

    def reference(x, w, b, h0, c0):
        out, cells = torch_layer(torch.lstm, x, w, b, h0, t, 4, LSTM_ORDER, c0=c0)
        return torch.cat([taken(out, sequences, m), cells], dim=1)

    check_layer(
        source(layer),
        f"[h, c{caches}] = {layer}::forward(X, W, b, {call}){WITH_CELLS}",
        f"{SPLIT}[dX, dW, db, dout0, dc0] = {layer}::backward(dh, dc, X, W, b, {call}{caches})",
        {**start(*sizes, 4), "c0": random(n, m, seed=4)},
        LSTM,
        reference,
    )


@pytest.mark.parametrize(
    ("sizes", "sequences", "second"),
    [(SIZES[0], True, True), (SIZES[0], False, False), (SIZES[1], True, False), (SIZES[2], False, True)],
    ids=str,
)
def test_gru(sizes, sequences, second) -> None:
    _, t, d, m = sizes
    inputs, gradients = start(*sizes, 3), {"X": "dX", "W": "dW", "b": "db", "out0": "dout0"}
    if second:
        inputs["b_rec"], gradients["b_rec"] = random(1, m, seed=5), "db_rec"

    def reference(x, w, b, h0, b_rec=None):
        # PyTorch's second bias is for all gates.
        wide = None if b_rec is None else torch.cat([torch.zeros(1, 2 * m), b_rec], dim=1)
        return taken(torch_layer(torch.gru, x, w, b, h0, t, 3, "012", wide)[0], sequences, m)

    call = f"{t}, {d}, {SEQUENCES[sequences]}, out0"
    check_layer(
        source("gru"),
        f"[out, cache_out, cache_gates] = gru::forward(X, W, b, {call}{', b_rec' if second else ''})",
        f"[dX, dW, db, dout0, db_rec] = gru::backward(dout, X, W, b, {call}, cache_out, cache_gates)",
        inputs,
        gradients,
        reference,
    )


def both_directions(kind, x, weights, biases, states, cells, t, gates, order, seconds=(None, None)):
    """Outputs of two layers in all steps, the second of which reads the steps in reverse; and their last cells."""
    n = len(x)
    turned = by_step(x, t).flip(1).reshape(n, -1)
    results = [
        torch_layer(kind, steps, w, b, h0, t, gates, order, second, c0)
        for steps, w, b, h0, c0, second in zip(
            (x, turned), weights, biases, states.split(n), cells or (None, None), seconds, strict=True
        )
    ]
    (ahead, last), (back, last_back) = results
    return by_step(ahead, t), by_step(back, t), None if last is None else torch.cat([last, last_back])


def taken_pairs(ahead, back, sequences: bool):
    if sequences:
        return torch.cat([ahead, back.flip(1)], dim=2).reshape(len(ahead), -1)
    return torch.cat([ahead[:, -1], back[:, -1]], dim=1)


def start_both(n, t, d, m, gates):
    first = start(n, t, d, m, gates)
    reverse = {"W_reverse": random(d + m, gates * m, seed=6) * 0.5, "b_reverse": random(1, gates * m, seed=7)}
    both = {"W": first["W"], "W_reverse": reverse["W_reverse"], "b": first["b"], "b_reverse": reverse["b_reverse"]}
    return {"X": first["X"], **both, "out0": random(2 * n, m, seed=8)}


@pytest.mark.parametrize(("sizes", "sequences"), [(SIZES[0], True), (SIZES[2], False)], ids=str)
def test_bilstm(sizes, sequences) -> None:
    n, t, d, m = sizes

    def reference(x, w, w_reverse, b, b_reverse, h0, c0):
        ahead, back, cells = both_directions(
            torch.lstm, x, (w, w_reverse), (b, b_reverse), h0, c0.split(n), t, 4, LSTM_ORDER
        )
        return torch.cat([taken_pairs(ahead, back, sequences), cells[:n], cells[n:]], dim=1)

    call = f"X, W, W_reverse, b, b_reverse, {t}, {d}, {SEQUENCES[sequences]}, out0, c0"
    caches = "cache_out, cache_c, cache_ifog"
    inputs = {**start_both(*sizes, 4), "c0": random(2 * n, m, seed=9)}
    check_layer(
        source("bilstm"),
        f"[h, c, {caches}] = bilstm::forward({call})\nout = cbind(h, c[1:{n},], c[{n + 1}:{2 * n},])",
        f"""dh = dout[, 1:ncol(h)]
dc = rbind(dout[, (ncol(h) + 1):(ncol(h) + {m})], dout[, (ncol(h) + {m} + 1):ncol(dout)])
[dX, dW, db, dW_reverse, db_reverse, dout0, dc0] = bilstm::backward(dh, dc, {call}, {caches})""",
        inputs,
        {name: f"d{name}" for name in inputs},
        reference,
    )


def test_bilstm_is_two_lstms() -> None:
    """Also the caches, and what is left of each direction: forward's rows come first."""
    n, t, d, m = 2, 3, 2, 4
    inputs = {**start_both(n, t, d, m, 4), "c0": random(2 * n, m, seed=9)}
    names = ["out", "c", "cache_out", "cache_c", "cache_ifog"]
    text = f"""{source("lstm", "bilstm")}
[{", ".join(names)}] = bilstm::forward(X, W, W_reverse, b, b_reverse, {t}, {d}, FALSE, out0, c0)
R = cbind(X[, 5:6], X[, 3:4], X[, 1:2])
[{", ".join(name + "1" for name in names)}] = lstm::forward(X, W, b, {t}, {d}, FALSE, out0[1:2,], c0[1:2,])
[{", ".join(name + "2" for name in names)}] = lstm::forward(R, W_reverse, b_reverse, {t}, {d}, FALSE, out0[3:4,], c0[3:4,])
"""
    found = run(text, inputs, [name + end for name in names for end in ("", "1", "2")])
    np.testing.assert_array_equal(found["out"], np.hstack([found["out1"], found["out2"]]))
    for name in names[1:]:
        np.testing.assert_array_equal(found[name], np.vstack([found[f"{name}1"], found[f"{name}2"]]))
    assert found["cache_ifog"].shape == (2 * t, n * 4 * m)


@pytest.mark.parametrize(("sizes", "sequences"), [((2, 3, 2, 1), True), ((1, 2, 1, 2), False)], ids=str)
def test_bigru(sizes, sequences) -> None:
    _, t, d, m = sizes

    def reference(x, w, w_reverse, b, b_reverse, h0, b_rec):
        seconds = [torch.cat([torch.zeros(1, 2 * m), row[None]], dim=1) for row in b_rec]
        ahead, back, _ = both_directions(torch.gru, x, (w, w_reverse), (b, b_reverse), h0, None, t, 3, "012", seconds)
        return taken_pairs(ahead, back, sequences)

    call = f"X, W, W_reverse, b, b_reverse, {t}, {d}, {SEQUENCES[sequences]}, out0"
    inputs = {**start_both(*sizes, 3), "b_rec": random(2, m, seed=9)}
    check_layer(
        source("bigru"),
        f"[out, cache_out, cache_gates] = bigru::forward({call}, b_rec)",
        f"""[dX, dW, db, dW_reverse, db_reverse, dout0, db_rec] = bigru::backward(dout, {call}, cache_out, cache_gates)""",
        inputs,
        {name: f"d{name}" for name in inputs},
        reference,
    )


# Sequence 1 has all steps, sequence 2 begins late, sequence 3 ends early, sequence 4 has none.
MASK = np.array([[1, 1, 1, 1], [0, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]], dtype=float)


def masked_reference(x, w, b, h0, t, cell):
    """Step by step; `cell` makes new states of one step and old states."""
    mask, states = torch.tensor(MASK), h0
    outs = []
    for step in range(t):
        new = cell(by_step(x, t)[:, step], states)
        keep = mask[:, step, None]
        states = [keep * a + (1 - keep) * old for a, old in zip(new, states, strict=True)]
        outs.append(states[0])
    return torch.cat(outs, dim=1), states


@pytest.mark.parametrize("sequences", [True, False])
def test_lstm_masked(sequences) -> None:
    n, t, d, m = sizes = (4, 4, 1, 2)

    def reference(x, w, b, h0, c0):
        def cell(step, states):
            z = torch.cat([step, states[0]], dim=1) @ w + b
            i, f, o = torch.sigmoid(z[:, : 3 * m]).chunk(3, dim=1)
            c = f * states[1] + i * torch.tanh(z[:, 3 * m :])
            return [o * torch.tanh(c), c]

        out, states = masked_reference(x, w, b, [h0, c0], t, cell)
        return torch.cat([taken(out, sequences, m), states[1]], dim=1)

    call, caches = f"{t}, {d}, {SEQUENCES[sequences]}, out0, c0", "cache_out, cache_c, cache_ifog"
    check_layer(
        source("lstm"),
        f"[h, c, {caches}] = lstm::forward_masked(X, W, b, {call}, mask){WITH_CELLS}",
        f"{SPLIT}[dX, dW, db, dout0, dc0] = lstm::backward_masked(dh, dc, X, W, b, {call}, {caches}, mask)",
        {**start(*sizes, 4), "c0": random(n, m, seed=4), "mask": MASK},
        LSTM,
        reference,
    )


@pytest.mark.parametrize("sequences", [True, False])
def test_gru_masked(sequences) -> None:
    _, t, d, m = sizes = (4, 4, 1, 2)

    def reference(x, w, b, h0, b_rec):
        def cell(step, states):
            z, v = step @ w[:d] + b, states[0] @ w[d:]
            r, u = torch.sigmoid(z[:, : 2 * m] + v[:, : 2 * m]).chunk(2, dim=1)
            new = torch.tanh(z[:, 2 * m :] + r * (v[:, 2 * m :] + b_rec))
            return [(1 - u) * new + u * states[0]]

        return taken(masked_reference(x, w, b, [h0], t, cell)[0], sequences, m)

    call = f"{t}, {d}, {SEQUENCES[sequences]}, out0"
    check_layer(
        source("gru"),
        f"[out, cache_out, cache_gates] = gru::forward_masked(X, W, b, {call}, mask, b_rec)",
        f"[dX, dW, db, dout0, db_rec] = gru::backward_masked(dout, X, W, b, {call}, cache_out, cache_gates, mask)",
        {**start(*sizes, 3), "b_rec": random(1, m, seed=5), "mask": MASK},
        {"X": "dX", "W": "dW", "b": "db", "out0": "dout0", "b_rec": "db_rec"},
        reference,
    )


def test_variants_agree() -> None:
    """A mask of ones changes nothing; the layer without caches gives the same as that with them."""
    n, t, d, m = 3, 4, 2, 5
    inputs = {**start(n, t, d, m, 4), "c0": random(n, m, seed=4), "dout": random(n, t * m), "dc": random(n, m, seed=9)}
    text = f"""{source("lstm", "lstm_staging", "gru")}
ones = matrix(1, rows={n}, cols={t})
[out_1, c_1, co1, cc1, ci1] = lstm::forward(X, W, b, {t}, {d}, TRUE, out0, c0)
[dX_1, dW_1, db_1, dout0_1, dc0_1] = lstm::backward(dout, dc, X, W, b, {t}, {d}, TRUE, out0, c0, co1, cc1, ci1)
[out_2, c_2] = lstm_staging::forward(X, W, b, TRUE, out0, c0)
[dX_2, dW_2, db_2, dout0_2, dc0_2] = lstm_staging::backward(dout, dc, X, W, b, TRUE, out0, c0)
[out_3, c_3, co3, cc3, ci3] = lstm::forward_masked(X, W, b, {t}, {d}, TRUE, out0, c0, ones)
[dX_3, dW_3, db_3, dout0_3, dc0_3] = lstm::backward_masked(dout, dc, X, W, b, {t}, {d}, TRUE, out0, c0, co3, cc3, ci3,
  ones)
cache_error = max(max(abs(co1 - co3)), max(abs(cc1 - cc3)), max(abs(ci1 - ci3)))
V = W[, 1:{3 * m}]
[gru_1, cg1, gg1] = gru::forward(X, V, b[, 1:{3 * m}], {t}, {d}, TRUE, out0)
[gru_2, cg2, gg2] = gru::forward_masked(X, V, b[, 1:{3 * m}], {t}, {d}, TRUE, out0, ones)
"""
    names = ["out", "c", "dX", "dW", "db", "dout0", "dc0"]
    outputs = [f"{name}_{k}" for name in names for k in (1, 2, 3)]
    found = run(text, inputs, [*outputs, "cache_error", "gru_1", "gru_2"])
    for name in names:
        assert relative_error(found[f"{name}_2"], found[f"{name}_1"]) < 1e-12, name
        assert relative_error(found[f"{name}_3"], found[f"{name}_1"]) < 1e-12, name
    assert found["cache_error"] < 1e-12
    assert relative_error(found["gru_2"], found["gru_1"]) < 1e-12


SMALLER = [
    ("rnn", 1, "[out{k}, cache{k}]", "out0", "[dX{k}, dW{k}, db{k}, dout0{k}]", "cache{k}"),
    (
        "lstm",
        4,
        "[out{k}, c{k}, co{k}, cc{k}, ci{k}]",
        "out0, c0",
        "[dX{k}, dW{k}, db{k}, dout0{k}]",
        "co{k}, cc{k}, ci{k}",
    ),
    ("lstm_staging", 4, "[out{k}, c{k}]", "out0, c0", "[dX{k}, dW{k}, db{k}, dout0{k}]", ""),
    ("gru", 3, "[out{k}, co{k}, cg{k}]", "out0", "[dX{k}, dW{k}, db{k}, dout0{k}]", "co{k}, cg{k}"),
]


@pytest.mark.parametrize(
    ("layer", "gates", "results", "states", "gradients", "caches"), SMALLER, ids=lambda x: str(x)[:8]
)
def test_smaller_batches(layer, gates, results, states, gradients, caches) -> None:
    """States of more rows than the batch: forward and backward take the first ones."""
    t, d, m = 3, 2, 4
    more = {"c0": random(5, m, seed=4), "dc": random(5, m, seed=6)}
    inputs = {**start(5, t, d, m, gates), **more, "dout": random(2, t * m)}
    sizes = "TRUE" if layer == "lstm_staging" else f"{t}, {d}, TRUE"
    text = source(layer) + "\nX = X[1:2,]\n"
    for k in (1, 2):
        before = f"dout, dc{'' if k == 1 else '[1:2,]'}" if "c0" in states else "dout"
        given = ", ".join([states, caches.format(k=k)] if caches else [states])
        text += f"""{results.format(k=k)} = {layer}::forward(X, W, b, {sizes}, {states})
{gradients.format(k=k)} = {layer}::backward({before}, X, W, b, {sizes}, {given})
out0 = out0[1:2,]
c0 = c0[1:2,]
"""
    names = ["out", "dX", "dW", "db", "dout0"]
    found = run(text, inputs, [f"{name}{k}" for name in names for k in (1, 2)])
    assert found["out1"].shape == (2, t * m)
    for name in names:
        np.testing.assert_array_equal(found[f"{name}1"], found[f"{name}2"])


def test_rnn_takes_caches_of_a_larger_batch() -> None:
    text = f"""{source("rnn")}
[out, cache_out] = rnn::forward(X, W, b, 3, 2, TRUE, out0)
Y = X[1:2,]
[part, cache_part] = rnn::forward(Y, W, b, 3, 2, TRUE, out0)
[dX1, dW1, db1, dout1] = rnn::backward(part, Y, W, b, 3, 2, TRUE, out0, cache_out)
[dX2, dW2, db2, dout2] = rnn::backward(part, Y, W, b, 3, 2, TRUE, out0, cache_part)"""
    names = ["dX", "dW", "db", "dout"]
    found = run(text, start(5, 3, 2, 4, 1), [f"{name}{k}" for name in names for k in (1, 2)])
    for name in names:
        np.testing.assert_array_equal(found[f"{name}1"], found[f"{name}2"])


def test_init() -> None:
    """Glorot's uniform weights; biases and states of zero, but for the gates f if asked; seeds."""
    text = f"""{source("rnn", "lstm", "lstm_staging", "gru", "bilstm", "bigru")}
[W1, b1, out1] = rnn::init(3, 20, 30, 5)
[W1a, b1a, out1a] = rnn::init(3, 20, 30, 5)
[W2, b2, out2, c2] = lstm::init(3, 20, 30)
[W3, b3, out3, c3] = lstm_staging::init(3, 20, 30, 5)
[W3a, b3a, out3a, c3a] = lstm::init(3, 20, 30, 5)
[W4, b4, out4] = gru::init(3, 20, 30, 5)
[W4a, b4a, out4a] = gru::init(3, 20, 30, 5)
[W5, b5, out5, c5] = lstm::init_seed(3, 20, 30, 5, 1.5)
[W5a, b5a, out5a, c5a] = lstm::init_seed(3, 20, 30, seed=5)
[W6, W6r, b6, b6r, out6, c6] = bilstm::init(3, 20, 30, 5)
[W6a, W6ra, b6a, b6ra, out6a, c6a] = bilstm::init(3, 20, 30, 5)
[W7, W7r, b7, b7r, out7] = bigru::init(3, 20, 30, 5)
[W7a, W7ra, b7a, b7ra, out7a] = bigru::init(3, 20, 30, 5)
"""
    names = [f"{kind}{number}" for kind in ("W", "b", "out") for number in range(1, 8)]
    names += ["W1a", "W3a", "W4a", "W5a", "W6a", "W7a", "W6r", "W7r", "W6ra", "W7ra", "b6r", "b7r", "c6"]
    found = run(text, {}, names)
    for number, gates in ((1, 1), (2, 4), (3, 4), (4, 3), (5, 4), (6, 4), (7, 3)):
        weights, limit = found[f"W{number}"], np.sqrt(6 / (20 + 30 + gates * 30))
        assert weights.shape == (50, gates * 30)
        assert 0.98 * limit < np.abs(weights).max() <= limit, number
        assert abs(weights.mean()) < 0.05 * limit
        assert found[f"out{number}"].shape == (6 if number > 5 else 3, 30)
        assert not found[f"out{number}"].any()
        assert found[f"b{number}"].shape == (1, gates * 30)
    for number in (1, 2, 3, 4, 6, 7):
        assert not found[f"b{number}"].any()
    np.testing.assert_array_equal(found["b5"], [[0.0] * 30 + [1.5] * 30 + [0.0] * 60])
    for name in ("W1", "W3", "W4", "W5", "W6", "W6r", "W7", "W7r"):
        np.testing.assert_array_equal(found[name], found[f"{name}a"])
    assert not np.array_equal(found["W6"], found["W6r"])
    assert not found["b6r"].any()
    assert not found["b7r"].any()
    assert found["c6"].shape == (6, 30)
