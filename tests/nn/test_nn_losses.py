"""Losses and regularizers: values against PyTorch or formulas, gradients against PyTorch and central differences.

PyTorch's means are over all cells, ours over rows: it is asked for sums, which are divided by the number of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from harness import check_gradient, relative_error, run

torch = pytest.importorskip("torch")
F = torch.nn.functional

RNG = np.random.default_rng(4)
SHAPE = (4, 3)


def one_hot(labels: list[int], k: int) -> np.ndarray:
    return np.eye(k)[np.array(labels) - 1]


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


SCORES = RNG.normal(size=SHAPE)
TARGETS = RNG.normal(size=SHAPE)
LABELS = np.array([[2.0], [1.0], [3.0], [3.0]])
HOT = one_hot([2, 1, 3, 3], 3)
PROBS, SOFT = softmax(SCORES), softmax(TARGETS)
YES = (TARGETS > 0).astype(float)
SIGNS = np.sign(TARGETS)
FAR = SCORES * 3  # on both sides of the corner of Huber's error


@dataclass(frozen=True)
class Case:
    """One loss: the arguments that have gradients, the other ones, the call, and the sum over all rows by PyTorch."""

    name: str
    of: Mapping[str, np.ndarray]
    given: Mapping[str, np.ndarray | float]
    torch: Callable[..., Any]
    more: str = ""

    @property
    def call(self) -> str:
        return ", ".join([*self.of, *self.given]) + self.more


def pair(a: np.ndarray, b: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    return {"of": {"pred": a}, "given": {"y": b}}


CLOSE = SCORES + 0.1 * RNG.normal(size=SHAPE)  # so that some triplets count and some do not
CASES = [
    Case("l1_loss", **pair(SCORES, TARGETS), torch=lambda p, y: F.l1_loss(p, y, reduction="sum")),
    Case("l2_loss", **pair(SCORES, TARGETS), torch=lambda p, y: F.mse_loss(p, y, reduction="sum") / 2),
    Case(
        "log_loss", **pair(PROBS[:, :1], YES[:, :1]), torch=lambda p, y: F.binary_cross_entropy(p, y, reduction="sum")
    ),
    Case("cross_entropy_loss", **pair(PROBS, SOFT), torch=lambda p, y: -(y * torch.log(p + 1e-10)).sum()),
    Case("softmax_cross_entropy_loss", **pair(SCORES, HOT), torch=lambda p, y: F.cross_entropy(p, y, reduction="sum")),
    Case("logcosh_loss", **pair(FAR, TARGETS), torch=lambda p, y: torch.log(torch.cosh(p - y)).sum()),
    Case("bce_with_logits_loss", **pair(SCORES, YES), torch=lambda p, y: bce(p, y, 1.0)),
    Case("bce_with_logits_loss", **pair(SCORES, SOFT), more=", 2.5", torch=lambda p, y: bce(p, y, 2.5)),
    Case("huber_loss", **pair(FAR, TARGETS), torch=lambda p, y: F.huber_loss(p, y, reduction="sum")),
    Case(
        "huber_loss",
        **pair(FAR, TARGETS),
        more=", 0.4",
        torch=lambda p, y: F.huber_loss(p, y, delta=0.4, reduction="sum"),
    ),
    Case("smooth_l1_loss", **pair(FAR, TARGETS), torch=lambda p, y: F.smooth_l1_loss(p, y, reduction="sum")),
    Case(
        "smooth_l1_loss",
        **pair(FAR, TARGETS),
        more=", 2.5",
        torch=lambda p, y: F.smooth_l1_loss(p, y, beta=2.5, reduction="sum"),
    ),
    Case("hinge_loss", **pair(FAR, SIGNS), torch=lambda p, y: F.relu(1 - p * y).sum()),
    Case("multiclass_hinge_loss", **pair(SCORES, HOT), torch=lambda p, y: multi_margin(p, y, 1.0)),
    Case("multiclass_hinge_loss", **pair(SCORES, HOT), more=", 0.3", torch=lambda p, y: multi_margin(p, y, 0.3)),
    Case("kl_div_loss", **pair(np.log(PROBS), SOFT), torch=lambda p, y: F.kl_div(p, y, reduction="sum")),
    Case("kl_div_loss", **pair(np.log(PROBS), HOT), torch=lambda p, y: F.kl_div(p, y, reduction="sum")),
    Case("focal_loss", **pair(SCORES, YES), torch=lambda p, y: focal(p, y, 0.25, 2.0)),
    Case("focal_loss", **pair(SCORES, YES), more=", 0.6, 1.5", torch=lambda p, y: focal(p, y, 0.6, 1.5)),
    Case(
        "poisson_nll_loss",
        **pair(SCORES, np.round(np.abs(TARGETS) * 3)),
        torch=lambda p, y: F.poisson_nll_loss(p, y, reduction="sum"),
    ),
    Case("quantile_loss", **pair(SCORES, TARGETS), more=", 0.9", torch=lambda p, y: pinball(p, y, 0.9)),
    Case(
        "sparse_softmax_cross_entropy_loss",
        of={"logits": SCORES},
        given={"labels": LABELS},
        torch=lambda p, y: F.cross_entropy(p, y.long()[:, 0] - 1, reduction="sum"),
    ),
    Case(
        "sparse_softmax_cross_entropy_loss",
        of={"logits": SCORES},
        given={"labels": LABELS},
        more=", 0.2",
        torch=lambda p, y: F.cross_entropy(p, y.long()[:, 0] - 1, label_smoothing=0.2, reduction="sum"),
    ),
    Case(
        "cosine_embedding_loss",
        of={"pred": SCORES, "other": TARGETS},
        given={"y": np.array([[1.0], [-1.0], [-1.0], [1.0]])},
        more=", 0.1",
        torch=lambda a, b, y: F.cosine_embedding_loss(a, b, y[:, 0], margin=0.1, reduction="sum"),
    ),
    Case(
        "triplet_loss",
        of={"anchor": SCORES, "positive": CLOSE, "negative": TARGETS},
        given={},
        torch=lambda a, p, n: F.triplet_margin_loss(a, p, n, eps=0, reduction="sum"),
    ),
    Case(
        "info_nce_loss",
        of={"pred": SCORES, "other": TARGETS},
        given={},
        more=", 0.3",
        torch=lambda a, b: F.cross_entropy(
            F.normalize(a) @ F.normalize(b).T / 0.3, torch.arange(len(a)), reduction="sum"
        ),
    ),
]


def bce(p: Any, y: Any, weight: float) -> Any:
    return F.binary_cross_entropy_with_logits(p, y, pos_weight=torch.tensor(weight), reduction="sum")


def multi_margin(p: Any, y: Any, margin: float) -> Any:
    return F.multi_margin_loss(p, y.argmax(dim=1), margin=margin, reduction="sum") * p.shape[1]


def focal(p: Any, y: Any, alpha: float, gamma: float) -> Any:
    right = torch.sigmoid(p) * y + torch.sigmoid(-p) * (1 - y)
    weight = alpha * y + (1 - alpha) * (1 - y)
    return -(weight * (1 - right) ** gamma * torch.log(right)).sum()


def pinball(p: Any, y: Any, tau: float) -> Any:
    return torch.maximum(tau * (y - p), (tau - 1) * (y - p)).sum()


def check(case: Case, rows: slice = slice(None)) -> None:
    of = {name: value[rows] for name, value in case.of.items()}
    given = {name: value[rows] if isinstance(value, np.ndarray) else value for name, value in case.given.items()}
    results = [f"d{name}" for name in of]
    found = check_gradient(
        f'source("nn/layers/{case.name}.dml") as layer',
        f"loss = layer::forward({case.call})",
        f"[{', '.join(results)}] = layer::backward({case.call})",
        {**of, **given},
        dict(zip(of, results, strict=True)),
        loss="loss",
        also=["loss"],
    )
    leaves = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in of.values()]
    loss = case.torch(*leaves, *(torch.tensor(value) for value in given.values())) / len(leaves[0])
    loss.backward()
    assert float(found["loss"][0, 0]) == pytest.approx(loss.item(), rel=1e-7)
    for name, leaf in zip(results, leaves, strict=True):
        assert relative_error(found[name], leaf.grad.numpy()) < 1e-7


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}{case.more}")
def test_loss(case: Case) -> None:
    check(case)


# One row of info_nce_loss has nothing to be told from: its loss is zero, and so are gradients.
ALONE = [case for case in CASES if case.name != "info_nce_loss"]


@pytest.mark.parametrize("case", ALONE, ids=lambda case: f"{case.name}{case.more}")
def test_loss_of_one_example(case: Case) -> None:
    check(case, slice(1, 2))


COPIES = np.array([2, 0, 1, 3])


@pytest.mark.parametrize("case", ALONE, ids=lambda case: f"{case.name}{case.more}")
def test_a_weight_is_a_number_of_copies(case: Case) -> None:
    """Weights 2, 0, 1, 3 give the loss of two copies of the first row, none of the second, and so on."""
    copies = np.repeat(np.arange(4), COPIES)
    results = [f"d{name}" for name in case.of]
    call = ", ".join([*case.of, *case.given])
    text = f"""source("nn/layers/{case.name}.dml") as layer
loss = layer::forward({call}{case.more}, weights=weights)
[{", ".join(results)}] = layer::backward({call}{case.more}, weights=weights)"""
    inputs = {**case.of, **case.given}
    found = run(text, {**inputs, "weights": COPIES[:, None]}, ["loss", *results])
    repeated = {name: value[copies] if isinstance(value, np.ndarray) else value for name, value in inputs.items()}
    expected = run(text, {**repeated, "weights": np.ones((len(copies), 1))}, ["loss", *results])
    assert float(found["loss"]) == pytest.approx(float(expected["loss"]), rel=1e-12)
    for name in results:
        together = np.zeros(SHAPE)[:, : np.shape(found[name])[1]]
        np.add.at(together, copies, expected[name])
        assert relative_error(np.asarray(found[name]), together) < 1e-12


@pytest.mark.parametrize(
    ("name", "pred", "y"),
    [
        ("softmax_cross_entropy_loss", SCORES, HOT),
        ("sparse_softmax_cross_entropy_loss", SCORES, LABELS),
        ("cross_entropy_loss", PROBS, HOT),
    ],
)
def test_class_weights_are_those_of_pytorch(name: str, pred: np.ndarray, y: np.ndarray) -> None:
    of_classes = np.array([[0.5, 2.0, 1.3]])
    loss, gradient = losses(name, "p, y, weights=w", p=pred, y=y, w=of_classes)
    leaf = torch.tensor(pred, requires_grad=True)
    logs = torch.log(leaf) if name == "cross_entropy_loss" else F.log_softmax(leaf, dim=1)
    expected = F.nll_loss(logs, torch.tensor(LABELS[:, 0].astype(int) - 1), weight=torch.tensor(of_classes[0]))
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-7)
    assert relative_error(gradient, leaf.grad.numpy()) < 1e-7


def losses(name: str, call: str, **inputs: np.ndarray) -> tuple[float, np.ndarray]:
    text = f'source("nn/layers/{name}.dml") as layer\nloss = layer::forward({call})\n[d] = layer::backward({call})'
    found = run(text, inputs, ["loss", "d"])
    return float(found["loss"]), np.asarray(found["d"])


def test_cross_entropy_loss2d() -> None:
    n, c, pixels = 2, 3, 4
    pred = np.moveaxis(softmax(RNG.normal(size=(n * pixels, c))).reshape(n, pixels, c), 2, 1).reshape(n, -1)
    labels = RNG.integers(0, c, size=(n, pixels))
    y = np.moveaxis(np.eye(c)[labels], 2, 1).reshape(n, -1)
    found = check_gradient(
        'source("nn/layers/cross_entropy_loss2d.dml") as layer',
        "loss = layer::forward(pred, y, C)",
        "dpred = layer::backward(pred, y, C)",
        {"pred": pred, "y": y, "C": c},
        {"pred": "dpred"},
        loss="loss",
        h=1e-6,
        also=["loss"],
    )
    logs = torch.log(torch.tensor(pred).reshape(n, c, pixels) + 1e-10)
    assert float(found["loss"][0, 0]) == pytest.approx(F.nll_loss(logs, torch.tensor(labels)).item(), rel=1e-12)


@pytest.mark.parametrize("weights", [None, np.array([[0.3], [2.0]]), np.array([[1.0, 0.2, 3.0]])])
def test_dice_loss2d(weights: np.ndarray | None) -> None:
    pred = np.random.default_rng(7).uniform(size=(2, 12))
    y = (np.random.default_rng(8).uniform(size=(2, 12)) > 0.5).astype(float)
    given = {} if weights is None else {"w": weights}
    call = "p, y, 3, 0.5" + ("" if weights is None else ", w")
    loss, gradient = losses("dice_loss2d", call, p=pred, y=y, **given)
    leaf, true = torch.tensor(pred.reshape(2, 3, 4), requires_grad=True), torch.tensor(y.reshape(2, 3, 4))
    dice = (2 * (leaf * true).sum(2) + 0.5) / (leaf.sum(2) + true.sum(2) + 0.5)
    cells = torch.ones(2, 3) * torch.tensor(1.0 if weights is None else weights)
    expected = ((1 - dice) * cells).sum() / cells.sum()
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    assert relative_error(gradient, leaf.grad.numpy().reshape(2, 12)) < 1e-12


def test_values_that_the_page_gives() -> None:
    loss, _ = losses("cross_entropy_loss", "p, y", p=np.array([[1.0, 0]]), y=np.array([[0.0, 1]]))
    assert loss == pytest.approx(23.025851, abs=1e-6)
    loss, _ = losses("softmax_cross_entropy_loss", "p, y", p=np.array([[1000.0, 0]]), y=np.array([[0.0, 1]]))
    assert loss == pytest.approx(20.723266, abs=1e-6)


def test_nothing_overflows() -> None:
    far, y = np.array([[1000.0, -800.0], [0.0, 900.0]]), np.array([[1.0, 0], [0, 1]])
    for name in ("logcosh_loss", "bce_with_logits_loss", "focal_loss", "softmax_cross_entropy_loss"):
        for sign in (-1, 1):
            loss, gradient = losses(name, "p, y", p=sign * far, y=y)
            assert np.isfinite(loss), name
            assert np.isfinite(gradient).all(), name
    assert losses("logcosh_loss", "p, y", p=far, y=0 * far)[0] == pytest.approx(1350 - 1.5 * np.log(2))
    zero = np.zeros((2, 3))
    assert np.isfinite(losses("cross_entropy_loss", "p, y", p=zero, y=zero + 1 / 3)[0])
    assert losses("sparse_softmax_cross_entropy_loss", "p, y", p=far, y=np.array([[2.0], [2]]))[0] == 900


def test_log_loss_of_certainty() -> None:
    sure = np.array([[0.0], [1.0]])
    loss, gradient = losses("log_loss", "p, y", p=sure, y=sure)
    assert loss == 0
    assert not gradient.any()
    loss, gradient = losses("log_loss", "p, y", p=sure, y=1 - sure)
    leaf = torch.tensor(sure, requires_grad=True)
    expected = F.binary_cross_entropy(leaf, torch.tensor(1 - sure))
    expected.backward()
    assert loss == expected.item() == 100
    np.testing.assert_allclose(gradient, leaf.grad.numpy())


def test_wrong_class_numbers() -> None:
    with pytest.raises(Exception, match=r"classes must be numbers from 1 to 3, found 0.0 to 2.0"):
        losses("sparse_softmax_cross_entropy_loss", "p, y", p=SCORES, y=LABELS - 1)


REGULARIZERS: Mapping[str, tuple[str, Callable[[np.ndarray], float]]] = {
    "l1_reg": ("X, 0.01", lambda x: 0.01 * np.abs(x).sum()),
    "l2_reg": ("X, 0.01", lambda x: 0.005 * (x**2).sum()),
    "elastic_net_reg": ("X, 0.01, 0.3", lambda x: 0.01 * (0.3 * np.abs(x).sum() + 0.35 * (x**2).sum())),
    "orthogonal_reg": ("X, 0.01", lambda x: 0.01 * ((x.T @ x - np.eye(x.shape[1])) ** 2).sum()),
}


@pytest.mark.parametrize("name", REGULARIZERS)
@pytest.mark.parametrize("shape", [(5, 3), (2, 4), (1, 1)])
def test_regularizer(name: str, shape: tuple[int, int]) -> None:
    call, value = REGULARIZERS[name]
    x = np.random.default_rng(5).normal(size=shape)
    found = check_gradient(
        f'source("nn/layers/{name}.dml") as layer',
        f"loss = layer::forward({call})",
        f"dX = layer::backward({call})",
        {"X": x},
        {"X": "dX"},
        loss="loss",
        also=["loss"],
    )
    assert float(found["loss"][0, 0]) == pytest.approx(value(x), rel=1e-12)


def test_max_norm() -> None:
    x = np.array([[3.0, 0.3, 0.0], [4.0, 0.4, 0.0]])
    found = run('source("nn/layers/max_norm.dml") as m\nY = m::project(X, 2)', {"X": x}, ["Y"])["Y"]
    np.testing.assert_allclose(found, [[1.2, 0.3, 0], [1.6, 0.4, 0]])


@pytest.mark.parametrize("rows", [4, 1])
def test_gaussian_nll_loss(rows: int) -> None:
    """The first variance is below epsilon, 0.2, and counts as that."""
    pred, y = SCORES[:rows], TARGETS[:rows]
    variance = np.random.default_rng(10).uniform(0.3, 2, size=pred.shape)
    variance[0, 0] = 0.1
    found = check_gradient(
        'source("nn/layers/gaussian_nll_loss.dml") as layer',
        "loss = layer::forward(pred, y, variance, 0.2)",
        "[dpred, dvariance] = layer::backward(pred, y, variance, 0.2)",
        {"pred": pred, "y": y, "variance": variance},
        {"pred": "dpred", "variance": "dvariance"},
        loss="loss",
        also=["loss"],
    )
    leaves = [torch.tensor(pred, requires_grad=True), torch.tensor(variance, requires_grad=True)]
    loss = F.gaussian_nll_loss(leaves[0], torch.tensor(y), torch.clamp(leaves[1], min=0.2), reduction="sum") / rows
    loss.backward()
    assert float(found["loss"][0, 0]) == pytest.approx(loss.item(), rel=1e-12)
    for name, leaf in zip(("dpred", "dvariance"), leaves, strict=True):
        assert relative_error(found[name], leaf.grad.numpy()) < 1e-12


@pytest.mark.parametrize(
    ("steps", "classes", "labels"),
    [(6, 4, [[2, 3, 3], [4, 2, 0], [2, 0, 0], [0, 0, 0]]), (1, 3, [[2]]), (5, 2, [[2, 2, 2]])],
)
def test_ctc_loss(steps: int, classes: int, labels: list[list[int]]) -> None:
    y = np.array(labels, dtype=float)
    n = len(y)
    scores = np.random.default_rng(9).normal(size=(n, steps * classes))
    found = check_gradient(
        'source("nn/layers/ctc_loss.dml") as layer',
        "loss = layer::forward(pred, y, T)",
        "dpred = layer::backward(pred, y, T)",
        {"pred": scores, "y": y, "T": steps},
        {"pred": "dpred"},
        loss="loss",
        also=["loss"],
    )
    leaf = torch.tensor(scores, requires_grad=True)
    logs = F.log_softmax(leaf.reshape(n, steps, classes), dim=2).transpose(0, 1)
    lengths = torch.tensor([len(row) - row.count(0) for row in labels])
    targets = torch.clamp(torch.tensor(labels) - 1, min=1)
    loss = F.ctc_loss(logs, targets, torch.full((n,), steps), lengths, reduction="sum") / n
    loss.backward()
    assert float(found["loss"][0, 0]) == pytest.approx(loss.item(), rel=1e-9)
    assert relative_error(found["dpred"], leaf.grad.numpy()) < 1e-9


def test_ctc_loss_refuses_impossible_labels() -> None:
    with pytest.raises(Exception, match="2 steps are too few"):
        losses("ctc_loss", "p, y, 2", p=np.zeros((1, 6)), y=np.array([[2.0, 2.0]]))
    with pytest.raises(Exception, match="labels are numbers from 2 to 3"):
        losses("ctc_loss", "p, y, 2", p=np.zeros((1, 6)), y=np.array([[1.0, 2.0]]))
