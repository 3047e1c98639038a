"""Embedding and embedding bag: values, gradients, PyTorch, and what they say about indices that do not exist."""

from __future__ import annotations

import numpy as np
import pytest
from harness import check_gradient, run

from gramian.errors import ScriptError

torch = pytest.importorskip("torch")
RANDOM = np.random.default_rng(1)
EMBEDDING = 'source("nn/layers/embedding.dml") as embedding'
BAG = 'source("nn/layers/embedding_bag.dml") as bag'


@pytest.mark.parametrize(("n", "T", "padding"), [(5, 1, -1), (1, 1, 2), (3, 4, -1), (3, 4, 1)])
def test_embedding_is_that_of_pytorch(n: int, T: int, padding: int):
    v, d = 6, 3
    indices = RANDOM.integers(1, v + 1, (n, T)).astype(float)
    indices[0, 0] = padding if padding > 0 else v
    E, dout = RANDOM.normal(size=(v, d)), RANDOM.normal(size=(n, T * d))
    found = run(
        f"{EMBEDDING}\nout = embedding::forward(I, E)\ndE = embedding::backward(dout, I, nrow(E), padding)",
        {"I": indices, "E": E, "dout": dout, "padding": padding},
        ["out", "dE"],
    )
    weight = torch.tensor(E, requires_grad=True)
    out = torch.nn.functional.embedding(
        torch.tensor(indices - 1, dtype=torch.long), weight, padding_idx=padding - 1 if padding > 0 else None
    )
    out.backward(torch.tensor(dout.reshape(n, T, d)))
    np.testing.assert_allclose(found["out"], out.detach().numpy().reshape(n, T * d), rtol=0, atol=0)
    np.testing.assert_allclose(found["dE"], weight.grad.numpy(), atol=1e-14)


def test_gradient_of_the_dictionary():
    check_gradient(
        EMBEDDING,
        "out = embedding::forward(I, E)",
        "dE = embedding::backward(dout, I, nrow(E))",
        {"I": np.array([[1.0, 3], [3, 3]]), "E": RANDOM.normal(size=(4, 2)), "dout": RANDOM.normal(size=(2, 4))},
        {"E": "dE"},
    )


def test_initial_rows_are_standard_normal_and_reproducible():
    found = run(
        f"{EMBEDDING}\nA = embedding::init(2000, 5, 7)\nB = embedding::init(2000, 5, 7)\nC = embedding::init(2000, 5)",
        {},
        ["A", "B", "C"],
    )
    assert np.array_equal(found["A"], found["B"])
    assert not np.array_equal(found["A"], found["C"])
    assert abs(found["A"].mean()) < 0.05
    assert abs(found["A"].std() - 1) < 0.05


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_bags_are_those_of_pytorch(mode: str):
    v, d = 5, 3
    indices = np.array([[1.0, 2, 2], [5, 0, 0], [0, 3, 1]])  # 0 is padding
    E, dout = RANDOM.normal(size=(v, d)), RANDOM.normal(size=(3, d))
    found = run(
        f"{BAG}\nout = bag::forward(I, E, mode)\ndE = bag::backward(dout, I, nrow(E), mode)",
        {"I": indices, "E": E, "dout": dout, "mode": mode},
        ["out", "dE"],
    )
    padded = torch.tensor(np.vstack([np.zeros((1, d)), E]), requires_grad=True)
    out = torch.nn.functional.embedding_bag(torch.tensor(indices, dtype=torch.long), padded, mode=mode, padding_idx=0)
    out.backward(torch.tensor(dout))
    np.testing.assert_allclose(found["out"], out.detach().numpy(), atol=1e-14)
    np.testing.assert_allclose(found["dE"], padded.grad.numpy()[1:], atol=1e-14)


def test_weighted_bags():
    indices, weights = np.array([[1.0, 3], [2, 2]]), np.array([[0.5, 2.0], [1.0, -1.5]])
    E = RANDOM.normal(size=(3, 2))
    inputs = {"I": indices, "W": weights, "E": E, "dout": RANDOM.normal(size=(2, 2))}
    check_gradient(
        BAG,
        'out = bag::forward(I, E, "sum", W)',
        'dE = bag::backward(dout, I, nrow(E), "sum", W)',
        inputs,
        {"E": "dE"},
    )
    found = run(f'{BAG}\nout = bag::forward(I, E, "sum", W)', inputs, ["out"])["out"]
    np.testing.assert_allclose(found, [0.5 * E[0] + 2 * E[2], -0.5 * E[1]], atol=1e-15)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (f"{EMBEDDING}\nx = embedding::forward(I, E)", "indices must be from 1 to 3"),
        (f"{BAG}\nx = bag::forward(I, E)", r"indices must be from 0 \(padding\) to 3"),
        (f'{BAG}\nx = bag::forward(I, E, "max")', 'mode must be "sum" or "mean", found "max"'),
    ],
)
def test_errors(statement: str, message: str):
    with pytest.raises(ScriptError, match=message):
        run(statement, {"I": np.array([[4.0]]), "E": np.ones((3, 2))}, ["x"])
