"""Optimizers: several steps against PyTorch where it has the same rule, else against the formula in NumPy."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import run

import gramian

torch = pytest.importorskip("torch")

RNG = np.random.default_rng(6)
STEPS = 7
START = RNG.normal(size=(3, 2))
GRADIENTS = RNG.normal(size=(STEPS, 6))  # a row for each step

Step = Callable[[np.ndarray, np.ndarray, dict[str, Any], int], np.ndarray]


@dataclass(frozen=True)
class Rule:
    """An optimizer: the arguments between dX and the states, the states, and what else follows the same rule."""

    name: str
    arguments: str
    states: tuple[str, ...]
    torch: Callable[[Any], Any] | None = None
    numpy: Step | None = None
    after: str = ""  # arguments after the states
    tolerance: float = 1e-9  # for PyTorch


def adam(decay: float = 0.0, epsilon_late: bool = False) -> Step:
    def step(x: np.ndarray, g: np.ndarray, state: dict[str, Any], t: int) -> np.ndarray:
        m = state["m"] = 0.9 * state.get("m", 0) + 0.1 * g
        v = state["v"] = 0.99 * state.get("v", 0) + 0.01 * g**2
        root = np.sqrt(v) / np.sqrt(1 - 0.99**t)
        epsilon = 1e-3 / np.sqrt(1 - 0.99**t) if epsilon_late else 1e-3
        return np.asarray(x - 0.1 * (m / (1 - 0.9**t) / (root + epsilon) + decay * x))

    return step


def momentum(x: np.ndarray, g: np.ndarray, state: dict[str, Any], t: int) -> np.ndarray:
    state["v"] = 0.8 * state.get("v", 0) - 0.1 * g
    return np.asarray(x + state["v"])


def nesterov(x: np.ndarray, g: np.ndarray, state: dict[str, Any], t: int) -> np.ndarray:
    before = state.get("v", 0)
    state["v"] = 0.8 * before - 0.1 * g
    return np.asarray(x - 0.8 * before + 1.8 * state["v"])


def nadam(x: np.ndarray, g: np.ndarray, state: dict[str, Any], t: int) -> np.ndarray:
    m = state["m"] = 0.9 * state.get("m", 0) + 0.1 * g
    v = state["v"] = 0.99 * state.get("v", 0) + 0.01 * g**2
    ahead = 0.9 * m / (1 - 0.9 ** (t + 1)) + 0.1 * g / (1 - 0.9**t)
    return np.asarray(x - 0.1 * ahead / (np.sqrt(v / (1 - 0.99**t)) + 1e-3))


def lars(x: np.ndarray, g: np.ndarray, state: dict[str, Any], t: int) -> np.ndarray:
    rate = 0.02 * np.linalg.norm(x) / (np.linalg.norm(g) + 0.01 * np.linalg.norm(x) + 1e-8)
    state["v"] = 0.8 * state.get("v", 0) - 0.1 * rate * (g + 0.01 * x)
    return np.asarray(x + state["v"])


def lion(x: np.ndarray, g: np.ndarray, state: dict[str, Any], t: int) -> np.ndarray:
    m = state.get("m", 0)
    state["m"] = 0.99 * m + 0.01 * g
    return np.asarray(x - 0.1 * (np.sign(0.9 * m + 0.1 * g) + 0.02 * x))


def lamb(x: np.ndarray, g: np.ndarray, state: dict[str, Any], t: int) -> np.ndarray:
    r = (x - adam(decay=0.02)(x, g, state, t)) / 0.1
    return np.asarray(x - 0.1 * np.linalg.norm(x) / np.linalg.norm(r) * r)


def adan(x: np.ndarray, g: np.ndarray, state: dict[str, Any], t: int) -> np.ndarray:
    change = g - state.get("before", g)
    state["before"] = g
    m = state["m"] = 0.9 * state.get("m", 0) + 0.1 * g
    v = state["v"] = 0.99 * state.get("v", 0) + 0.01 * change
    n = state["n"] = 0.98 * state.get("n", 0) + 0.02 * (g + 0.99 * change) ** 2
    ahead = m / (1 - 0.9**t) + 0.99 * v / (1 - 0.99**t)
    return np.asarray((x - 0.1 * ahead / (np.sqrt(n / (1 - 0.98**t)) + 1e-3)) / (1 + 0.1 * 0.02))


BETAS: Mapping[str, Any] = {"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-3}
ADAM = "0.1, 0.9, 0.99, 1e-3"
optim = torch.optim

RULES = [
    Rule("sgd", "0.1", (), torch=lambda p: optim.SGD(p, lr=0.1)),
    Rule("sgd_weight_decay", "0.1, 0.02", (), torch=lambda p: optim.SGD(p, lr=0.1, weight_decay=0.02)),
    # With a constant rate, PyTorch's velocity is ours divided by -lr.
    Rule("sgd_momentum", "0.1, 0.8", ("v",), torch=lambda p: optim.SGD(p, lr=0.1, momentum=0.8), numpy=momentum),
    Rule(
        "sgd_nesterov",
        "0.1, 0.8",
        ("v",),
        torch=lambda p: optim.SGD(p, lr=0.1, momentum=0.8, nesterov=True),
        numpy=nesterov,
    ),
    Rule("adagrad", "0.1, 1e-3", ("cache",), torch=lambda p: optim.Adagrad(p, lr=0.1, eps=1e-3)),
    Rule("rmsprop", "0.1, 0.9, 1e-3", ("cache",), torch=lambda p: optim.RMSprop(p, lr=0.1, alpha=0.9, eps=1e-3)),
    Rule("adadelta", "0.5, 0.9, 1e-3", ("v", "u"), torch=lambda p: optim.Adadelta(p, lr=0.5, rho=0.9, eps=1e-3)),
    Rule("adam", f"{ADAM}, t", ("m", "v"), numpy=adam(epsilon_late=True)),
    Rule("adamw", f"{ADAM}, 0.02, t", ("m", "v"), torch=lambda p: optim.AdamW(p, **BETAS, weight_decay=0.02)),
    # PyTorch lets beta1 grow towards its value; at an endless rate it is there from the start. It keeps a factor in single.
    Rule(
        "nadam",
        f"{ADAM}, t",
        ("m", "v"),
        torch=lambda p: optim.NAdam(p, **BETAS, momentum_decay=1e9),
        numpy=nadam,
        tolerance=1e-6,
    ),
    Rule("radam", f"{ADAM}, t", ("m", "v"), torch=lambda p: optim.RAdam(p, **BETAS)),
    Rule("amsgrad", f"{ADAM}, t", ("m", "v", "largest"), torch=lambda p: optim.Adam(p, **BETAS, amsgrad=True)),
    Rule("adamax", f"{ADAM}, t", ("m", "u"), torch=lambda p: optim.Adamax(p, **BETAS)),
    Rule("lamb", f"{ADAM}, 0.02, t", ("m", "v"), numpy=lamb),
    Rule(
        "adafactor",
        "0.1, 0.9, 1e-12, 0.5, 1, t",
        ("R", "C"),
        torch=lambda p: optim.Adafactor(p, lr=0.1, beta2_decay=-0.9, eps=(1e-12, 0.5), d=1, weight_decay=0),
    ),
    Rule("adan", "0.1, 0.9, 0.99, 0.98, 1e-3, 0.02, t", ("m", "v", "n", "before"), numpy=adan),
    Rule("lion", "0.1, 0.9, 0.99, 0.02", ("m",), numpy=lion),
    Rule("lars", "0.1, 0.8", ("v",), numpy=lars, after=", 0.01, 0.02"),
]


def steps_of(rule: Rule) -> np.ndarray:
    """The parameter after each step, as a row."""
    states = "".join(f", {state}" for state in rule.states)
    init = f"[{', '.join(rule.states)}] = o::init(X)" if rule.states else ""
    text = f"""source("nn/optim/{rule.name}.dml") as o
{init}
path = matrix(0, nrow(G), ncol(G))
for (i in 1:nrow(G)) {{
  t = i - 1
  dX = matrix(G[i, ], nrow(X), ncol(X))
  [X{states}] = o::update(X, dX, {rule.arguments}{states}{rule.after})
  path[i, ] = matrix(X, 1, ncol(G))
}}"""
    return np.asarray(run(text, {"X": START, "G": GRADIENTS}, ["path"])["path"])


def by_torch(make: Callable[[Any], Any]) -> np.ndarray:
    parameter = torch.nn.Parameter(torch.tensor(START))
    optimizer = make([parameter])
    path = []
    for gradient in GRADIENTS:
        parameter.grad = torch.tensor(gradient.reshape(START.shape))
        optimizer.step()
        path.append(parameter.detach().numpy().ravel().copy())
    return np.array(path)


def by_numpy(step: Step) -> np.ndarray:
    x, state, path = START, {}, []
    for t, gradient in enumerate(GRADIENTS, 1):
        x = step(x, gradient.reshape(START.shape), state, t)
        path.append(x.ravel())
    return np.array(path)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_steps(rule: Rule) -> None:
    found = steps_of(rule)
    assert rule.torch is not None or rule.numpy is not None
    if rule.torch is not None:
        np.testing.assert_allclose(found, by_torch(rule.torch), rtol=rule.tolerance, atol=1e-12)
    if rule.numpy is not None:
        np.testing.assert_allclose(found, by_numpy(rule.numpy), rtol=1e-12, atol=1e-14)


def test_adam_is_that_of_pytorch_but_for_epsilon() -> None:
    rule = Rule("adam", "0.1, 0.9, 0.99, 1e-12, t", ("m", "v"))
    by_them = by_torch(lambda p: optim.Adam(p, lr=0.1, betas=(0.9, 0.99), eps=1e-12))
    np.testing.assert_allclose(steps_of(rule), by_them, rtol=1e-9)


def test_values_that_the_page_gives() -> None:
    text = """source("nn/optim/adam.dml") as adam
source("nn/optim/adamw.dml") as adamw
source("nn/optim/sgd_nesterov.dml") as nesterov
source("nn/optim/lars.dml") as lars
X = matrix("1 2", 1, 2)
g = matrix("0.5 -0.1", 1, 2)
[m0, v0] = adam::init(X)
[A, m, v] = adam::update(X, g, 0.1, 0.9, 0.999, 1e-8, 0, m0, v0)
[W, mw, vw] = adamw::update(X, g, 0.1, 0.9, 0.999, 1e-8, 0.01, 0, m0, v0)
[N, vn] = nesterov::update(X, g, 0.1, 0.9, matrix("0.2 0.3", 1, 2))
M = matrix("1 2 3 4", 2, 2)
[L, vl] = lars::update(M, matrix("0.5 -0.1 0.2 0.3", 2, 2), 0.1, 0.9, lars::init(M), 0.01, 0.001)
[R, vr] = lars::update(X, g, 0.1, 0.9, lars::init(X), 0.01, 0.001)"""
    found = run(text, {}, ["A", "m", "v", "W", "N", "vn", "L", "R"])
    expected = {
        "A": [[0.90000006, 2.09999968]],
        "m": [[0.05, -0.01]],
        "v": [[0.00025, 0.00001]],
        "W": [[0.899, 2.098]],
        "N": [[1.067, 2.262]],
        "vn": [[0.13, 0.28]],
        "L": [[0.999588768, 2.000064507], [2.999814542, 3.999725845]],
        "R": [[1 - 0.1 * 0.51, 2 - 0.1 * -0.08]],  # a row has no rate of its own
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-7 if name in "AW" else 1e-9)


def test_lars_warmup() -> None:
    text = """source("nn/optim/lars_util.dml") as u
a = u::get_lr_with_warmup(0.1, 1, 5, 10, 20, 512, 256, 2, 2)
b = u::get_lr_with_warmup(0.1, 2, 20, 10, 20, 512, 256, 2, 2)
c = u::get_lr_with_warmup(0.1, 6, 20, 10, 20, 512, 256, 2, 2)
d = u::get_lr_with_warmup(0.1, 10, 20, 10, 20, 512, 256, 2, 2)"""
    found = run(text, {}, ["a", "b", "c", "d"])
    assert found["a"] == pytest.approx(0.2 * 5 / 40)
    assert found["b"] == pytest.approx(0.2)
    assert found["c"] == pytest.approx(0.2 * (1 - 80 / 160) ** 2)
    assert found["d"] == 0


def test_scaled_gd() -> None:
    """Two factors of a matrix of rank two: the published steps, and their speed when the matrix is ill conditioned."""
    left, right = np.linalg.qr(RNG.normal(size=(6, 2)))[0], np.linalg.qr(RNG.normal(size=(5, 2)))[0]
    target = left @ np.diag([10.0, 0.1]) @ right.T
    x, y = left @ np.diag([3.0, 0.5]), right @ np.diag([3.5, 0.3])
    text = """source("nn/optim/scaled_gd.dml") as scaled_gd
r = scaled_gd::init(X, Y)
for (i in 1:n) {
  E = X %*% t(Y) - M
  [X, Y] = scaled_gd::update(X, Y, E %*% Y, t(E) %*% X, 0.5, r)
}"""
    found = run(text, {"X": x, "Y": y, "M": target, "n": 1}, ["X", "Y", "r"])
    e = x @ y.T - target
    np.testing.assert_allclose(found["X"], x - 0.5 * e @ y @ np.linalg.inv(y.T @ y), rtol=1e-9)
    np.testing.assert_allclose(found["Y"], y - 0.5 * e.T @ x @ np.linalg.inv(x.T @ x), rtol=1e-9)
    assert found["r"] == 2
    late = run(text, {"X": x, "Y": y, "M": target, "n": 40}, ["X", "Y"])
    np.testing.assert_allclose(np.asarray(late["X"]) @ np.asarray(late["Y"]).T, target, atol=1e-6)
    with pytest.raises(Exception, match="columns, found 2 and 2"):
        run(text.replace("r = scaled_gd::init(X, Y)", "r = 3"), {"X": x, "Y": y, "M": target, "n": 1}, ["X"])


def power(p: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(p)
    return np.asarray(vectors * values**-0.25 @ vectors.T)


@pytest.mark.parametrize("threshold", [10, 2])
@pytest.mark.parametrize("with_momentum", [False, True])
def test_shampoo(threshold: int, with_momentum: bool) -> None:
    kind, extra = ("_momentum", ", momentum") if with_momentum else ("", "")
    text = f"""source("nn/optim/shampoo.dml") as shampoo
[L, R{extra}, useDiag] = shampoo::init{kind}(X, 0.1, threshold)
for (i in 1:nrow(G)) {{
  dX = matrix(G[i, ], nrow(X), ncol(X))
  [X, L, R{extra}] = shampoo::update{kind}(X, dX, 0.1, L, R{extra}, useDiag)
}}"""
    found = run(text, {"X": START, "G": GRADIENTS, "threshold": threshold}, ["X", "L", "R"])
    x, m = START, np.zeros_like(START)
    left, right = 0.1 * np.eye(3), 0.1 * np.eye(2)
    for row in GRADIENTS:
        g = row.reshape(x.shape)
        left, right = left + g @ g.T, right + g.T @ g
        if threshold == 2:
            left, right = np.diag(np.diag(left)), np.diag(np.diag(right))
        m = 0.9 * m + 0.1 * g if with_momentum else g
        x = x - 0.1 * power(left) @ m @ power(right)
    np.testing.assert_allclose(found["X"], x, rtol=1e-9)
    np.testing.assert_allclose(found["L"], left if threshold == 10 else np.diag(left)[:, None], rtol=1e-12)
    np.testing.assert_allclose(found["R"], right if threshold == 10 else np.diag(right)[None], rtol=1e-12)


@pytest.mark.parametrize("threshold", [10, 2])
def test_shampoo_heuristic(threshold: int) -> None:
    text = """source("nn/optim/shampoo.dml") as shampoo
[L, R, step, bL, bR, m, rL, rR, useDiag] = shampoo::init_heuristic(X, 0.1, threshold)
for (i in 1:nrow(G)) {
  dX = matrix(G[i, ], nrow(X), ncol(X))
  [X, L, R, m, step, bL, bR, rL, rR] = shampoo::update_heuristic(X, dX, 0.1, L, R, m, step, 3, 2, bL, bR, rL, rR, useDiag)
}"""
    found = run(text, {"X": START, "G": GRADIENTS, "threshold": threshold}, ["X", "step", "L", "bL"])
    x, m = START, np.zeros_like(START)
    left, right = 0.1 * np.eye(3), 0.1 * np.eye(2)
    roots = power(left), power(right)
    waiting: list[np.ndarray] = []
    for step, row in enumerate(GRADIENTS):
        g = row.reshape(x.shape)
        waiting.append(g)
        m = 0.9 * m + 0.1 * g
        if step > 0 and step % 2 == 0:
            left = left + sum(w @ w.T for w in waiting)
            right = right + sum(w.T @ w for w in waiting)
            if threshold == 2:
                left, right = np.diag(np.diag(left)), np.diag(np.diag(right))
            waiting = []
        if step > 0 and step % 3 == 0:
            roots = power(left), power(right)
        x = x - 0.1 * roots[0] @ m @ roots[1]
    np.testing.assert_allclose(found["X"], x, rtol=1e-9)
    assert found["step"] == STEPS
    np.testing.assert_allclose(found["L"], left if threshold == 10 else np.diag(left)[:, None], rtol=1e-12)
    assert np.abs(found["bL"]).max() == 0  # step 6 was the last and emptied it


def test_ema_weights() -> None:
    text = """source("nn/optim/ema_weights.dml") as ema
E = ema::init(X)
for (i in 1:nrow(G)) { E = ema::update(E, matrix(G[i, ], nrow(X), ncol(X)), 0.9) }"""
    expected = START
    for row in GRADIENTS:
        expected = 0.9 * expected + 0.1 * row.reshape(START.shape)
    np.testing.assert_allclose(run(text, {"X": START, "G": GRADIENTS}, ["E"])["E"], expected)


def test_clip() -> None:
    a, b = np.array([[3.0, -0.5], [0.2, -4.0]]), np.array([[12.0]])
    text = """source("nn/optim/clip.dml") as clip
V = clip::by_value(A, 1)
N = clip::by_norm(A, 2)
S = clip::by_norm(A, 100)
Z = clip::by_norm(0 * A, 1)
[short, norm] = clip::by_global_norm(list(A, B), 2.5)
[same, norm2] = clip::by_global_norm(list(a=A, b=B), 100)
A1 = as.matrix(short[1])
B1 = as.matrix(short[2])
A2 = as.matrix(same["a"])"""
    found = run(text, {"A": a, "B": b}, ["V", "N", "S", "Z", "norm", "A1", "B1", "A2"])
    np.testing.assert_array_equal(found["V"], np.clip(a, -1, 1))
    np.testing.assert_allclose(found["N"], a * 2 / np.linalg.norm(a))
    np.testing.assert_array_equal(found["S"], a)
    np.testing.assert_array_equal(found["Z"], 0 * a)
    leaves = [torch.nn.Parameter(torch.tensor(value)) for value in (a, b)]
    for leaf in leaves:
        leaf.grad = leaf.detach().clone()
    norm = torch.nn.utils.clip_grad_norm_(leaves, 2.5)
    assert found["norm"] == pytest.approx(norm.item())
    np.testing.assert_allclose(found["A1"], leaves[0].grad.numpy(), rtol=1e-6)  # PyTorch adds 1e-6 to the norm
    np.testing.assert_allclose(found["B1"], leaves[1].grad.numpy(), rtol=1e-6)
    np.testing.assert_array_equal(found["A2"], a)


def schedule(call: str, total: int) -> np.ndarray:
    text = f"""source("nn/optim/lr_schedule.dml") as s
lr = matrix(0, {total}, 1)
for (it in 0:{total - 1}) {{ lr[it + 1, 1] = s::{call} }}"""
    return np.asarray(run(text, {}, ["lr"])["lr"]).ravel()


def rates(make: Callable[[Any], Any], total: int, lr: float = 0.1) -> np.ndarray:
    optimizer = optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = make(optimizer)
    found = []
    for _ in range(total):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(found)


def test_schedules_that_pytorch_has() -> None:
    lr = optim.lr_scheduler
    pairs: list[tuple[str, Callable[[Any], Any]]] = [
        ("step(0.1, it, 4, 0.5)", lambda o: lr.StepLR(o, 4, 0.5)),
        ("exponential(0.1, it, 0.9)", lambda o: lr.ExponentialLR(o, 0.9)),
        ("cosine(0.1, 0.01, it, 12)", lambda o: lr.CosineAnnealingLR(o, 12, 0.01)),
        ("polynomial(0.1, 0, it, 12, 2)", lambda o: lr.PolynomialLR(o, 12, 2.0)),
        ("one_cycle(0.1, it, 12)", lambda o: lr.OneCycleLR(o, 0.1, total_steps=12 + 1)),
    ]
    for call, make in pairs[:-1]:
        np.testing.assert_allclose(schedule(call, 12), rates(make, 12), rtol=1e-9, err_msg=call)
    cycle = rates(pairs[-1][1], 13)
    np.testing.assert_allclose(schedule("one_cycle(0.1, it, 13)", 13), cycle, rtol=1e-9)


def test_warmup() -> None:
    for call in ("cosine(0.1, 0.01, it, 12, 4)", "polynomial(0.1, 0.01, it, 12, 1, 4)"):
        found = schedule(call, 14)
        np.testing.assert_allclose(found[:5], [0.025, 0.05, 0.075, 0.1, 0.1])
        np.testing.assert_allclose(found[8], 0.055)
        np.testing.assert_allclose(found[12:], 0.01)
    found = schedule("inverse_sqrt(0.1, it, 4)", 16)
    np.testing.assert_allclose(found[[0, 3, 15]], [0.025, 0.1, 0.05])
    np.testing.assert_allclose(schedule("inverse_sqrt(0.1, it, 3)", 3), [0.1 / 3, 0.2 / 3, 0.1])


def test_plateau() -> None:
    losses = np.array([5.0, 4, 4, 4, 4.5, 3, 3.5, 3, 3, 3, 3, 2, 2])
    text = """source("nn/optim/lr_schedule.dml") as s
lr = 0.1
path = matrix(0, nrow(H), 1)
for (i in 1:nrow(H)) { lr = s::plateau(lr, H[1:i, ], 1, 0.5)
  path[i, 1] = lr }"""
    found = run(text, {"H": losses[:, None]}, ["path"])["path"]
    optimizer = optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, threshold=0)
    expected = []
    for loss in losses:
        scheduler.step(loss)
        expected.append(optimizer.param_groups[0]["lr"])
    np.testing.assert_allclose(np.asarray(found).ravel(), expected)


HYPER = "list(lr=0.1, mu=0.8, decay_rate=0.9, rho=0.9, beta1=0.9, beta2=0.99, beta3=0.98, epsilon=1e-3, lambda=0.02, "
HYPER += "epsilon1=1e-12, epsilon2=0.5, threshold=1)"
BY_NAME = [rule.name for rule in RULES if rule.name not in ("sgd_weight_decay", "lars")]


@pytest.mark.parametrize("name", BY_NAME)
def test_list_optim(name: str) -> None:
    """All parameters of a list move as each does alone."""
    rule = next(rule for rule in RULES if rule.name == name)
    states = "".join(f", {state}" for state in rule.states)
    alone = f"[X{states}] = o::update(X, dX, {rule.arguments}{states})"
    hyper = HYPER.replace("lr=0.1", "lr=0.5") if name == "adadelta" else HYPER
    text = f"""source("nn/optim/list_optim.dml") as list_optim
source("nn/optim/{name}.dml") as o
params = list(W=X, b=X[1, ])
state = list_optim::init(params, "{name}")
{f"[{states[2:]}] = o::init(X)" if states else ""}
for (i in 1:nrow(G)) {{
  t = i - 1
  dX = matrix(G[i, ], nrow(X), ncol(X))
  [params, state] = list_optim::update(params, list(dX, 2 * dX[1, ]), state, "{name}", {hyper}, t)
  {alone}
}}
W = as.matrix(params["W"])
b = as.matrix(params["b"])
n = length(state)"""
    found = run(text, {"X": START, "G": GRADIENTS}, ["X", "W", "b", "n"])
    np.testing.assert_allclose(found["W"], found["X"], rtol=1e-12)
    assert np.asarray(found["b"]).shape == (1, 2)
    assert not np.allclose(found["b"], START[0])
    assert found["n"] == 2 * len(rule.states)


def test_list_optim_says_which_there_are() -> None:
    text = 'source("nn/optim/list_optim.dml") as o\nstate = o::init(list(X), "adem")\nn = length(state)'
    with pytest.raises(Exception, match="no optimizer 'adem'; there are sgd, "):
        run(text, {"X": START}, ["n"])


def test_every_optimizer_is_tested() -> None:
    folder = Path(gramian.__file__).parent / "lib" / "nn" / "optim"
    here = Path(__file__).read_text()
    untested = [path.stem for path in folder.glob("*.dml") if not re.search(rf'"{path.stem}"|{path.stem}\.dml', here)]
    assert untested == []
