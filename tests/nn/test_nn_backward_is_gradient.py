"""Every hand-written backward function of the layers is what grad() makes of the forward function.

Arguments go by their names, which the two functions share; results of the forward pass go to the parameters of the
backward pass with these names. A layer without arguments in the table fails.
"""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from pathlib import Path

import pytest

import gramian
from gramian.api.script import Script
from gramian.lang import tree
from gramian.lang.dml import parse
from gramian.settings import Settings
from gramian.source import Source

LAYERS = Path(gramian.__file__).parent / "lib" / "nn" / "layers"


def functions(path: Path) -> dict[str, tree.Function]:
    return {f.name: f for f in parse(Source(path.name, path.read_text(encoding="utf-8"))).functions}


PAIRS = {
    path.stem: found
    for path in sorted(LAYERS.glob("*.dml"))
    if {"forward", "backward"} <= (found := functions(path)).keys()
}


def cells(rows: int, cols: int, start: float = 0.3) -> str:
    """A matrix of numbers between -1 and 1 of which no two are equal."""
    return f"sin({start} + 1.7 * matrix(seq(1, {rows * cols}), rows={rows}, cols={cols}) ^ 1.1)"


def positive(rows: int, cols: int, start: float = 0.3) -> str:
    return f"(1.2 + {cells(rows, cols, start)})"


def shares(rows: int, cols: int, start: float = 0.3) -> str:
    """Rows of probabilities."""
    return f"{positive(rows, cols, start)} / rowSums({positive(rows, cols, start)})"


def one_hot(rows: int, cols: int) -> str:
    return f"table(seq(1, {rows}), matrix(seq(1, {rows}), rows={rows}, cols=1) %% {cols} + 1, {rows}, {cols})"


CELL = "matrix(seq(0, 47), rows=4, cols=12)"  # of images with 3 channels of 4 pixels
PIXELS = f"({CELL} %% 12 %/% 4 == ({CELL} %/% 12 + {CELL} %% 12 %% 4) %% 3)"  # one 1 among the channels of each pixel
SIGNS = "sign(" + cells(4, 3, 5.0) + ")"
IMAGE = {
    "C": "2",
    "Hin": "4",
    "Win": "5",
    "Hf": "2",
    "Wf": "3",
    "strideh": "1",
    "stridew": "2",
    "padh": "1",
    "padw": "1",
}
IMAGES = {"X": cells(3, 40), **IMAGE}
POOLED = {**IMAGES, "stridew": "1", "padh": "0", "padw": "0"}
DEPTHS = {"Din": "3", "Df": "2", "strided": "2", "padd": "1"}
VOLUMES = {**IMAGE, **DEPTHS, "X": cells(2, 120)}
LINE = {"X": cells(3, 14), "C": "2", "Win": "7", "Wf": "3", "stride": "2", "pad": "1"}
RECURRENT = {"X": cells(2, 9), "T": "3", "D": "3", "out0": cells(2, 2, 0.9), "c0": cells(2, 2, 1.9)}
SEQUENCES = {"return_sequences": "TRUE", "seq": "TRUE"}
CHANNELS = {"gamma": positive(2, 1), "beta": cells(2, 1), "ema_mean": "matrix(0, 2, 1)", "ema_var": "matrix(1, 2, 1)"}
NORM = {"mode": '"train"', "mu": "0.9", "epsilon": "1e-3"}
REGRESSION = {"pred": cells(4, 3), "y": cells(4, 3, 2.0)}
CLASSES = {"pred": shares(4, 3), "y": one_hot(4, 3)}
X = {"X": cells(4, 6)}
COLUMNS = {"gamma": positive(1, 6), "beta": cells(1, 6)}

# In DML, by the parameters of forward.
ARGUMENTS: dict[str, dict[str, str]] = {
    "adaptive_avg_pool2d": {**IMAGES, "Hout": "3", "Wout": "2"},
    "affine": {**X, "W": cells(6, 2), "b": cells(1, 2)},
    "avg_pool1d": {**LINE, "pad": "0"},
    "avg_pool2d_builtin": POOLED,
    "batch_norm1d": {**X, **COLUMNS, **NORM, "ema_mean": "matrix(0, 1, 6)", "ema_var": "matrix(1, 1, 6)"},
    "batch_norm2d": {**IMAGES, **CHANNELS, **NORM},
    "batch_norm2d_old": {**IMAGES, **CHANNELS, **NORM},
    "bce_with_logits_loss": {"logits": cells(4, 3), "y": one_hot(4, 3), "pos_weight": "1.7"},
    "bigru": {
        **RECURRENT,
        **SEQUENCES,
        "W": cells(5, 6),
        "W_reverse": cells(5, 6, 1.1),
        "b": cells(1, 6),
        "b_reverse": cells(1, 6, 0.7),
        "out0": cells(4, 2),
        "b_rec": cells(2, 2),
    },
    "bilstm": {
        **RECURRENT,
        **SEQUENCES,
        "W": cells(5, 8),
        "W_reverse": cells(5, 8, 1.1),
        "b": cells(1, 8),
        "b_reverse": cells(1, 8, 0.7),
        "out0": cells(4, 2),
        "c0": cells(4, 2, 0.2),
    },
    "conv1d_builtin": {**LINE, "W": cells(4, 6), "b": cells(4, 1), "dilation": "2"},
    "conv2d": {**IMAGES, "W": cells(4, 12), "b": cells(4, 1)},
    "conv2d_builtin": {**IMAGES, "W": cells(4, 12), "b": cells(4, 1)},
    "conv2d_depthwise": {**IMAGES, "M": "2", "W": cells(2, 12), "b": cells(4, 1)},
    "conv2d_dilated": {**IMAGES, "W": cells(4, 12), "b": cells(4, 1), "dilh": "2", "dilw": "1"},
    "conv2d_grouped": {**IMAGES, "W": cells(4, 6), "b": cells(4, 1), "groups": "2"},
    "conv2d_transpose": {**IMAGES, "W": cells(2, 24), "b": cells(4, 1), "out_padh": "0", "out_padw": "1"},
    "conv2d_transpose_depthwise": {
        **IMAGES,
        "M": "2",
        "W": cells(1, 12),
        "b": cells(1, 1),
        "out_padh": "0",
        "out_padw": "1",
    },
    "conv3d": {**VOLUMES, "W": cells(2, 24), "b": cells(2, 1)},
    "cosine_embedding_loss": {
        "pred": cells(4, 3),
        "other": cells(4, 3, 2.0),
        "y": "sign(" + cells(4, 1, 5.0) + ")",
        "margin": "-0.9",
    },
    "cross_entropy_loss": CLASSES,
    "cross_entropy_loss2d": {"pred": shares(4, 12), "y": PIXELS, "C": "3", "weights": positive(16, 1)},
    "ctc_loss": {"pred": cells(2, 15), "y": 'matrix("2 3 3 0", rows=2, cols=2)', "T": "5"},
    "dice_loss2d": {"pred": shares(4, 12), "y": PIXELS, "C": "3"},
    "drop_path": {**IMAGES, "keep_prob": "0.6", "seed": "4"},
    "dropout": {**X, "p": "0.6", "seed": "4"},
    "dropout2d": {**IMAGES, "keep_prob": "0.6", "seed": "4"},
    "elastic_net_reg": {**X, "lambda": "0.3", "l1_ratio": "0.4"},
    "elu": {**X, "alpha": "0.7"},
    "fm": {**X, "w0": "matrix(0.3, 1, 1)", "W": cells(6, 1), "V": cells(6, 2)},
    "focal_loss": CLASSES,
    "gaussian_nll_loss": {**REGRESSION, "variance": positive(4, 3)},
    "gelu": X,
    "gelu_exact": X,
    "global_avg_pool2d": IMAGES,
    "global_max_pool2d": IMAGES,
    "glu": X,
    "group_norm2d": {"X": cells(3, 80), **IMAGE, "C": "4", "groups": "2", "gamma": positive(4, 1), "beta": cells(4, 1)},
    "gru": {**RECURRENT, **SEQUENCES, "W": cells(5, 6), "b": cells(1, 6), "b_rec": cells(1, 2)},
    "hard_sigmoid": {"X": f"5 * {X['X']}"},
    "hard_swish": {"X": f"5 * {X['X']}"},
    "hinge_loss": {"pred": cells(4, 1), "y": "sign(" + cells(4, 1, 5.0) + ")"},
    "huber_loss": {**REGRESSION, "delta": "0.6"},
    "info_nce_loss": {"pred": cells(4, 3), "other": cells(4, 3, 2.0), "temperature": "0.5"},
    "kl_div_loss": {"pred": f"log({shares(4, 3)})", "y": shares(4, 3, 1.0)},
    "l1_loss": REGRESSION,
    "l1_reg": {**X, "lambda": "0.3"},
    "l2_loss": REGRESSION,
    "l2_reg": {**X, "lambda": "0.3"},
    "layer_norm": {**X, **COLUMNS},
    "leaky_relu": X,
    "leaky_relu_alpha": {**X, "alpha": "0.2"},
    "log_loss": {"pred": f"({shares(4, 3)})[, 1]", "y": "1.0 * (" + cells(4, 1, 5.0) + " > 0)"},
    "log_softmax": X,
    "logcosh_loss": REGRESSION,
    "low_rank_affine": {**X, "U": cells(6, 2), "V": cells(2, 3), "b": cells(1, 3)},
    "lrn": {**IMAGES, "N": "2", "alpha": "0.3", "beta": "0.75", "K": "2.0"},
    "lstm": {**RECURRENT, **SEQUENCES, "W": cells(5, 8), "b": cells(1, 8)},
    "lstm_staging": {**RECURRENT, **SEQUENCES, "W": cells(11, 8), "b": cells(1, 8)},
    "max_pool1d": {**LINE, "pad": "0"},
    "max_pool2d": POOLED,
    "max_pool2d_builtin": POOLED,
    "mish": X,
    "multiclass_hinge_loss": {"pred": cells(4, 3), "y": one_hot(4, 3)},
    "orthogonal_reg": {**X, "lambda": "0.3"},
    "pad2d": {**IMAGES, "mode": '"reflect"'},
    "pixel_shuffle": {"X": cells(2, 32), "C": "8", "Hin": "2", "Win": "2", "r": "2"},
    "poisson_nll_loss": {"pred": cells(4, 3), "y": positive(4, 3)},
    "prelu": {**X, "a": cells(1, 6)},
    "quantile_loss": {**REGRESSION, "tau": "0.3"},
    "relu": X,
    "relu6": {"X": f"9 * {X['X']}"},
    "resample2d": {**IMAGES, "A": cells(3, 4), "B": cells(2, 5)},
    "rms_norm": {**X, "gamma": positive(1, 6)},
    "rnn": {**RECURRENT, **SEQUENCES, "W": cells(5, 2), "b": cells(1, 2)},
    "scale_shift1d": {**X, **COLUMNS},
    "scale_shift2d": {**IMAGES, **CHANNELS},
    "selu": X,
    "separable_conv2d": {
        **IMAGES,
        "M": "2",
        "Wd": cells(2, 12),
        "bd": cells(4, 1),
        "Wp": cells(3, 4),
        "bp": cells(3, 1),
    },
    "sigmoid": X,
    "silu": X,
    "smooth_l1_loss": {**REGRESSION, "beta": "0.6"},
    "softmax": {"scores": cells(4, 3)},
    "softmax2d": {"scores": cells(4, 12), "C": "3"},
    "softmax_cross_entropy_loss": {"logits": cells(4, 3), "y": one_hot(4, 3)},
    "softplus": X,
    "softsign": X,
    "sparse_softmax_cross_entropy_loss": {
        "logits": cells(4, 3),
        "labels": 'matrix("1 3 2 2", rows=4, cols=1)',
        "smoothing": "0.1",
    },
    "swiglu": X,
    "tanh": X,
    "triplet_loss": {
        "anchor": cells(4, 3),
        "positive": cells(4, 3, 2.0),
        "negative": cells(4, 3, 4.0),
        "margin": "2.0",
    },
    "upsample2d": {**IMAGES, "size_h": "2", "size_w": "3"},
    "upsample2d_bilinear": {**IMAGES, "size_h": "2", "size_w": "3"},
}

# This backward leaves the guard of its forward against log(0) out.
TOLERANCE = {"softmax_cross_entropy_loss": 1e-7}
RENAMED = {"given_sequences": "return_sequences"}


def script(layer: str, weighted: bool = False) -> tuple[str, list[str]]:
    """The script that prints, for each result of backward, its distance from that of grad(), and its size."""
    forward, backward = PAIRS[layer]["forward"], PAIRS[layer]["backward"]
    arguments = dict(ARGUMENTS[layer])
    if weighted:
        arguments.setdefault("weights", f"1.2 + sin(seq(1, nrow({forward.params[0].name})))")
    lines = [f'source("nn/layers/{layer}.dml") as layer']
    given = [p.name for p in forward.params if p.name in arguments]
    lines += [f"{name} = {arguments[name]}" for name in given]
    outs = [o.name for o in forward.outputs]
    passed = ", ".join(f"{name}={name}" for name in given)
    lines.append(f"[{', '.join(outs)}] = layer::forward({passed})")
    first = forward.outputs[0]
    if first.kind == "matrix":
        lines.append(f"g = cos(matrix(seq(1, length({first.name})), nrow({first.name}), ncol({first.name})))")
    wanted = {p.name for p in forward.params}
    results = [o.name for o in backward.outputs]
    wrt = [name.removeprefix("d_") if name.removeprefix("d_") in wanted else name.removeprefix("d") for name in results]
    assert set(wrt) <= wanted
    lines.append(f"[{', '.join(results)}] = layer::backward({_backward(backward, first, set(given), outs)})")
    grads = [f"grad_{name}" for name in results]
    names = ", ".join(f'"{name}"' for name in wrt)
    dout = ", dout=g" if first.kind == "matrix" else ""
    lines.append(f"[{', '.join(grads)}] = grad(layer::forward, {passed}, wrt=list({names}){dout})")
    for mine, theirs in zip(grads, results, strict=True):
        lines.append(f"fits = nrow({mine}) == nrow({theirs}) & ncol({mine}) == ncol({theirs})")
        lines.append(
            f'print(fits + " " + max(abs({mine} - {theirs})) / max(1e-3, max(abs({mine}))) + " " + max(abs({mine})))'
        )
    return "\n".join(lines) + "\n", results


def _backward(backward: tree.Function, first: tree.Declared, given: set[str], outs: list[str]) -> str:
    texts = []
    for p in backward.params:
        name = RENAMED.get(p.name, p.name)
        if p.name == f"d{first.name}":
            name = "g"
        elif p.name.startswith("d") and p.name[1:] in outs:
            name = f"0 * {p.name[1:]}"  # the gradient of a result that is not differentiated
        elif name not in given and name not in outs:
            assert p.default is not None, f"backward needs '{p.name}'"
            continue
        texts.append(f"{p.name}={name}")
    return ", ".join(texts)


# Layers with models or caches in lists, tables of positions, or another order of arguments: test_nn_attention,
# test_nn_embedding, test_nn_transformer and test_nn_blocks compare them with central differences and PyTorch.
ELSEWHERE = {
    *("attention", "bert_layer", "embedding", "embedding_bag", "mbconv", "multi_attention", "multi_head_attention"),
    *("position_feed_forward", "rotary", "scaled_dot_attention", "transformer_decoder", "transformer_encoder"),
}


def test_every_layer_is_in_the_table():
    assert set(ARGUMENTS) | ELSEWHERE == set(PAIRS)
    assert not set(ARGUMENTS) & ELSEWHERE


WEIGHTED = [name for name in ARGUMENTS if any(p.name == "weights" for p in PAIRS[name]["forward"].params)]


def test_every_loss_takes_weights():
    assert {name for name in PAIRS if "_loss" in name} == set(WEIGHTED)


@pytest.mark.parametrize(
    ("layer", "weighted"), [*((name, False) for name in ARGUMENTS), *((name, True) for name in WEIGHTED)]
)
def test_backward_is_the_gradient_of_forward(layer, weighted):
    text, results = script(layer, weighted)
    compiled = Script.compile(Source("test.dml", text), Settings())
    out = io.StringIO()
    with redirect_stdout(out):
        compiled.run()
    lines = [line.split() for line in out.getvalue().splitlines()]
    found = dict(zip(results, lines, strict=True))
    wrong = {
        name: line
        for name, line in found.items()
        if line[0] != "TRUE" or not float(line[1]) < TOLERANCE.get(layer, 1e-9)
    }
    assert not wrong
    assert any(float(line[2]) > 1e-4 for line in lines)
