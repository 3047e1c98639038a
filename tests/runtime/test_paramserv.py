"""paramserv(): check values of a linear model, a direct simulation of it, and what happens if something goes wrong."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import gramian.runtime.paramserv as ps
from gramian.api.script import Script
from gramian.errors import OperationError, ScriptError, SizeError
from gramian.ir.op import REGISTRY
from gramian.ir.types import LIST, MISSING, Type, matrix, type_of
from gramian.ir.values import ListValue
from gramian.ops.paramserv import NAMES, Options
from gramian.settings import Settings
from gramian.source import Source

X = (np.arange(1, 17) / 16).reshape(8, 2)
Y = X @ np.array([[1.0], [2.0]])

FUNCTIONS = """
gradients = function(list[unknown] model, list[unknown] hyperparams, matrix[double] features, matrix[double] labels)
    return (list[unknown] gradients) {
  w = as.matrix(model["w"])
  gradients = list(w=t(features) %*% (features %*% w - labels) / nrow(features))
}
aggregation = function(list[unknown] model, list[unknown] hyperparams, list[unknown] gradients)
    return (list[unknown] new) {
  new = list(w=as.matrix(model["w"]) - as.scalar(hyperparams["step"]) * as.matrix(gradients["w"]))
}
measure = function(matrix[double] val_features, matrix[double] val_labels, list[unknown] model,
    list[unknown] hyperparams) return (double loss, matrix[double] accuracy) {
  loss = sum((val_features %*% as.matrix(model["w"]) - val_labels)^2)
  accuracy = matrix(0.5, 1, 1)
}
"""
DATA = """
X = matrix(seq(1, 16), 8, 2) / 16
y = X %*% matrix("1 2", 2, 1)
start = list(w=matrix(0, 2, 1))
"""
CALL = 'model=start, features=X, labels=y, upd="gradients", agg="aggregation", hyperparams=list(step=0.1)'


def run(script: str, **parameters: Any) -> None:
    Script.compile(Source("main.dml", script), Settings(parameters=parameters, seed=parameters.get("seed"))).run()


def call_text(options: dict[str, Any], call: str = CALL) -> str:
    written = [f'{n}="{v}"' if isinstance(v, str) else f"{n}={str(v).upper()}" for n, v in options.items()]
    return f"m = paramserv({', '.join([call, *written])})\n"


def trained(capsys: pytest.CaptureFixture[str], functions: str = FUNCTIONS, **options: Any) -> list[float]:
    text = functions + DATA + call_text({"epochs": 3, **options}) + 'print(toString(t(as.matrix(m["w"])), decimal=15))'
    run(text)
    return [float(v) for v in capsys.readouterr().out.splitlines()[-2].split()]


# ---- check values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"k": 1, "batchsize": 4, "utype": "BSP", "freq": "BATCH"}, [0.53876359, 0.59063247]),
        ({"k": 1, "batchsize": 4, "utype": "ASP", "freq": "BATCH"}, [0.53876359, 0.59063247]),
        ({"k": 1, "batchsize": 4, "utype": "SSP", "freq": "BATCH"}, [0.53876359, 0.59063247]),
        ({"k": 1, "batchsize": 4, "utype": "SBP", "freq": "BATCH"}, [0.53876359, 0.59063247]),
        ({"k": 1, "batchsize": 4, "freq": "NBATCHES"}, [0.53876359, 0.59063247]),
        ({"k": 2, "batchsize": 2, "utype": "BSP", "freq": "BATCH"}, [0.89357346, 0.98002203]),
        (
            {"k": 2, "batchsize": 2, "utype": "BSP", "freq": "BATCH", "scheme": "DISJOINT_ROUND_ROBIN"},
            [0.91261911, 1.00080597],
        ),
        ({"k": 2, "batchsize": 2, "utype": "BSP", "freq": "EPOCH", "modelAvg": True}, [0.52322658, 0.57411618]),
        ({"k": 1, "batchsize": 64, "utype": "BSP"}, [0.29495392, 0.32326057]),
        ({"k": 1}, [0.29495392, 0.32326057]),
        ({"k": 1, "modelAvg": True}, [0.29495392, 0.32326057]),
    ],
)
def test_check_values(capsys: pytest.CaptureFixture[str], options: dict[str, Any], expected: list[float]) -> None:
    np.testing.assert_allclose(trained(capsys, **options), expected, atol=5e-9)


# ---- against a direct simulation ------------------------------------------------------------------------------------


def gradient(w: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return X[rows].T @ (X[rows] @ w - Y[rows]) / len(rows)


@dataclass(frozen=True)
class Plan:
    k: int
    batchsize: int
    freq: str
    nbatches: int
    average: bool
    scheme: str

    def parts(self) -> list[np.ndarray]:
        if self.scheme == "DISJOINT_ROUND_ROBIN":
            return [np.arange(i, 8, self.k) for i in range(self.k)]
        share = -(-8 // self.k)
        return [np.arange(i * share, min((i + 1) * share, 8)) for i in range(self.k)]

    def pushes(self) -> list[list[list[np.ndarray]]]:
        size = {"BATCH": 1, "NBATCHES": self.nbatches, "EPOCH": 8}[self.freq]
        found = []
        for part in self.parts():
            batches = [part[i : i + self.batchsize] for i in range(0, len(part), self.batchsize)]
            found.append([batches[i : i + size] for i in range(0, len(batches), size)])
        return found

    def simulate(self, epochs: int = 3) -> np.ndarray:
        w = np.zeros((2, 1))
        pushes = self.pushes()
        for _ in range(epochs):
            for step in range(max(map(len, pushes))):
                found = [self.work(w, mine[step]) for mine in pushes if step < len(mine)]
                w = sum(found) / len(found) if self.average else w - 0.1 * sum(found)
        return w

    def work(self, w: np.ndarray, batches: list[np.ndarray]) -> np.ndarray:
        total = np.zeros((2, 1))
        for rows in batches:
            g = gradient(w, rows)
            total = total + g
            w = w - 0.1 * g
        return w if self.average else total


PLANS = st.builds(
    Plan,
    st.integers(1, 10),
    st.integers(1, 9),
    st.sampled_from(["BATCH", "NBATCHES", "EPOCH"]),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from(["DISJOINT_CONTIGUOUS", "DISJOINT_ROUND_ROBIN"]),
)


def gradients_in_python(model: ListValue, hyperparams: ListValue, features: Any, labels: Any) -> ListValue:
    w = model.items[0]
    return ListValue([features.T @ (features @ w - labels) / features.shape[0]], ["w"])


def updated_in_python(model: ListValue, hyperparams: ListValue, gradients: ListValue) -> ListValue:
    return ListValue([model.items[0] - 0.1 * gradients.items[0]], ["w"])


class Table:
    """Functions in Python in place of those of a script."""

    def __init__(self, **functions: Callable[..., Any]) -> None:
        self.functions = {"upd": gradients_in_python, "agg": updated_in_python, **functions}


@pytest.fixture(autouse=True)
def _python_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    original = ps.Called.of.__func__

    def of(cls: Any, table: Any, role: str, name: str) -> Any:
        if not isinstance(table, Table):
            return original(cls, table, role, name)
        function = table.functions[role]
        return cls(role, role, lambda values: (function(**values),), ("result",))

    monkeypatch.setattr(ps.Called, "of", classmethod(of))


DEFAULTS = {p.name: p.default for p in REGISTRY["paramserv"].params if not p.required}


def in_python(table: Table | None = None, **options: Any) -> ListValue:
    start = ListValue([np.zeros((2, 1))], ["w"])
    given = {**DEFAULTS, "model": start, "features": X, "labels": Y, "upd": "u", "agg": "a", "epochs": 3, **options}
    return ps.paramserv(table or Table(), *(given[name] for name in NAMES))  # type: ignore[arg-type]


@settings(deadline=None, max_examples=60)
@given(PLANS, st.sampled_from(["BSP", "SBP"]))
def test_steps_agree_with_a_simulation(plan: Plan, utype: str) -> None:
    model = in_python(
        k=plan.k,
        batchsize=plan.batchsize,
        utype=utype,
        freq=plan.freq,
        nbatches=plan.nbatches,
        modelAvg=plan.average,
        scheme=plan.scheme,
        num_backup_workers=0,
    )
    np.testing.assert_allclose(model.items[0], plan.simulate(), rtol=1e-12)
    assert model.names == ("w",)


@settings(deadline=None, max_examples=20)
@given(PLANS)
def test_one_worker_gives_the_same_in_every_schedule(plan: Plan) -> None:
    expected = replace(plan, k=1).simulate()
    for utype in ("ASP", "SSP", "BSP", "SBP"):
        model = in_python(
            k=1,
            batchsize=plan.batchsize,
            utype=utype,
            freq=plan.freq,
            nbatches=plan.nbatches,
            modelAvg=plan.average,
        )
        np.testing.assert_allclose(model.items[0], expected, rtol=1e-12)


@pytest.mark.parametrize("utype", ["ASP", "SSP", "SBP"])
@pytest.mark.parametrize("freq", ["BATCH", "EPOCH"])
@pytest.mark.parametrize("average", [False, True])
def test_other_schedules_come_to_the_solution(utype: str, freq: str, average: bool) -> None:
    data = np.random.default_rng(3).standard_normal((12, 2))
    model = in_python(
        k=3,
        batchsize=2,
        utype=utype,
        freq=freq,
        modelAvg=average,
        epochs=200,
        features=data,
        labels=data @ np.array([[1.0], [2.0]]),
    )
    np.testing.assert_allclose(model.items[0], [[1], [2]], atol=1e-3)


# ---- which rows go where --------------------------------------------------------------------------------------------


def rows_seen(**options: Any) -> list[list[int]]:
    """The rows of each batch, in the order of their evaluation."""
    seen = []

    def noting(model: ListValue, hyperparams: ListValue, features: Any, labels: Any) -> ListValue:
        seen.append([int(np.flatnonzero((row == X).all(axis=1))[0]) for row in np.asarray(features)])
        return gradients_in_python(model, hyperparams, features, labels)

    in_python(Table(upd=noting), **{"epochs": 1, "utype": "BSP", "batchsize": 8, **options})
    return seen


def test_disjoint_schemes_cover_all_rows_once() -> None:
    assert sorted(rows_seen(k=3)) == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert sorted(rows_seen(k=7)) == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert sorted(rows_seen(k=3, scheme="DISJOINT_ROUND_ROBIN")) == [[0, 3, 6], [1, 4, 7], [2, 5]]
    drawn = rows_seen(k=3, scheme="DISJOINT_RANDOM", seed=5)
    assert sorted(map(len, drawn)) == [2, 3, 3]
    assert sorted(row for rows in drawn for row in rows) == list(range(8))
    assert sorted(rows_seen(k=3, scheme="DISJOINT_RANDOM", seed=5)) == sorted(drawn)
    assert sorted(rows_seen(k=3, scheme="DISJOINT_RANDOM", seed=6)) != sorted(drawn)


def test_reshuffling_gives_every_worker_all_rows_in_its_own_order() -> None:
    drawn = rows_seen(k=3, scheme="OVERLAP_RESHUFFLE", seed=5)
    assert [sorted(rows) for rows in drawn] == [list(range(8))] * 3
    assert len(set(map(tuple, drawn))) == 3


def test_batches_of_a_worker_are_in_order() -> None:
    assert rows_seen(k=1, batchsize=3, freq="BATCH") == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert len(rows_seen(k=1, batchsize=1, epochs=4)) == 32


def test_no_rows_leave_the_model_as_it_is() -> None:
    model = in_python(features=np.empty((0, 2)), labels=np.empty((0, 1)), k=2)
    assert model.items[0].tolist() == [[0], [0]]


def test_sparse_features() -> None:
    from scipy.sparse import csc_array, csr_array

    for kind in (csr_array, csc_array):
        for scheme in ("DISJOINT_CONTIGUOUS", "DISJOINT_ROUND_ROBIN", "DISJOINT_RANDOM"):
            options = {"k": 2, "batchsize": 2, "utype": "BSP", "freq": "BATCH", "scheme": scheme, "seed": 3}
            dense, sparse = in_python(**options), in_python(features=kind(X), **options)
            np.testing.assert_allclose(sparse.items[0], dense.items[0])


# ---- schedules ------------------------------------------------------------------------------------------------------


def test_steps_have_one_update_each_and_asynchronous_workers_one_each_push() -> None:
    for utype, expected in (("BSP", 6), ("ASP", 12), ("SSP", 12)):
        updates: list[int] = []

        def counting(model: Any, hyperparams: Any, gradients: Any, updates: list[int] = updates) -> ListValue:
            updates.append(1)
            return updated_in_python(model, hyperparams, gradients)

        in_python(Table(agg=counting), k=2, batchsize=2, utype=utype, freq="BATCH")
        assert len(updates) == expected


@pytest.mark.parametrize("staleness", [0, 1, 3])
def test_no_worker_runs_ahead_of_the_slowest_by_more_than_the_staleness(staleness: int) -> None:
    done = [0, 0]
    apart = []

    def uneven(model: ListValue, hyperparams: ListValue, features: Any, labels: Any) -> ListValue:
        me = 0 if features[0, 0] < 0.5 else 1
        apart.append(done[1] - done[0])
        time.sleep(0.004 * (1 - me))
        done[me] += 1
        return gradients_in_python(model, hyperparams, features, labels)

    in_python(Table(upd=uneven), k=2, batchsize=4, utype="SSP", freq="BATCH", staleness=staleness, epochs=20)
    assert done == [20, 20]
    assert max(apart) <= staleness + 1  # a worker may be through with a push that is not there yet
    assert staleness == 0 or max(apart) > 0


def test_backup_workers_are_not_waited_for() -> None:
    last = threading.Event()

    def one_is_stuck(model: ListValue, hyperparams: ListValue, features: Any, labels: Any) -> ListValue:
        if features[0, 0] == X[0, 0]:
            assert last.wait(20)
        return ListValue([np.full((2, 1), features[0, 0])], ["w"])

    def adding(model: ListValue, hyperparams: ListValue, gradients: ListValue) -> ListValue:
        updates.append(float(gradients.items[0][0, 0]))
        if len(updates) == 5:
            last.set()
        return model

    updates: list[float] = []
    in_python(Table(upd=one_is_stuck, agg=adding), k=4, utype="SBP", freq="BATCH", batchsize=2, epochs=5)
    # What the stuck worker pushes in the end is dropped, and so are others that come too late for their step.
    others = {X[2, 0], X[4, 0], X[6, 0]}
    assert updates[0] == sum(others)
    assert all(u <= sum(others) for u in updates)


def test_steps_go_on_when_only_a_late_worker_has_batches_left() -> None:
    slow = [0.02]

    def uneven(model: ListValue, hyperparams: ListValue, features: Any, labels: Any) -> ListValue:
        if features[0, 0] < 0.7:
            time.sleep(slow[0])
        return gradients_in_python(model, hyperparams, features, labels)

    # Three batches of six rows for the first worker, one for the second.
    table = Table(upd=uneven)
    in_python(table, k=2, utype="SBP", freq="BATCH", batchsize=2, features=X[:6], labels=Y[:6], epochs=3)
    in_python(
        table, k=2, utype="SBP", freq="BATCH", batchsize=2, features=X[:7], labels=Y[:7], epochs=3, num_backup_workers=5
    )


def test_random_numbers_of_workers_follow_the_seed_of_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    noisy = FUNCTIONS.replace("/ nrow(features)", "/ nrow(features) + 0.01 * rand(rows=2, cols=1)")
    text = noisy + DATA + call_text({"epochs": 8, "k": 3, "batchsize": 1, "utype": "BSP", "freq": "BATCH"})
    text += 'print(toString(as.matrix(m["w"]), decimal=15))'
    results = set()
    for seed in (1, 1, 1, 2):
        run(text, seed=seed)
        results.add(capsys.readouterr().out)
    assert len(results) == 2


# ---- validation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("utype", ["BSP", "ASP"])
def test_validation_is_printed_after_each_epoch(capsys: pytest.CaptureFixture[str], utype: str) -> None:
    options = {"epochs": 2, "k": 2, "utype": utype, "freq": "BATCH", "batchsize": 2, "val": "measure"}
    run(FUNCTIONS + DATA + call_text(options, CALL + ", val_features=X, val_labels=y"))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" loss ")[0] for line in lines] == ["paramserv: epoch 1:", "paramserv: epoch 2:"]
    losses = [float(line.split("loss ")[1].split(",")[0]) for line in lines]
    assert losses[1] < losses[0]
    assert all(line.endswith(", accuracy 0.5") for line in lines)


# ---- functions by name ----------------------------------------------------------------------------------------------


def test_functions_of_files_and_namespaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    train = """
    train = function(matrix[double] X, matrix[double] y, list[unknown] start) return (matrix[double] w) {
      m = paramserv(model=start, features=X, labels=y, upd="gradients", agg="./model.dml::aggregation",
        hyperparams=list(step=0.1), epochs=3, k=1)
      w = as.matrix(m["w"])
    }
    """
    Path("model.dml").write_text(FUNCTIONS + train)
    show = 'print(toString(t(as.matrix(m["w"])), decimal=8))'
    for upd in ("model.dml::gradients", "m::gradients"):
        call = CALL.replace("gradients", upd).replace("aggregation", "m::aggregation")
        run('source("model.dml") as m\n' + DATA + call_text({"epochs": 3, "k": 1}, call) + show)
        assert capsys.readouterr().out.split() == ["0.29495392", "0.32326057"]
    run('source("model.dml") as m\n' + DATA + "print(toString(t(m::train(X, y, start)), decimal=8))")
    assert capsys.readouterr().out.split() == ["0.29495392", "0.32326057"]
    name = 'u = "gradients"; if (sum(X) > 0) { u = "" + "gradients" }\n'
    run(FUNCTIONS + DATA + name + call_text({"epochs": 3, "k": 1}, CALL.replace('"gradients"', "u")) + show)
    assert capsys.readouterr().out.split() == ["0.29495392", "0.32326057"]


def refusal(call: str = CALL, functions: str = FUNCTIONS, before: str = "", **options: Any) -> str:
    with pytest.raises(ScriptError) as raised:
        run(functions + DATA + before + call_text({"epochs": 3, "k": 1, **options}, call))
    return raised.value.render()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gradient", "function 'gradient' is not defined\n.*\n.*\n  hint: did you mean 'gradients'"),
        ("sum", "hint: paramserv.. calls functions that are written in DML"),
        ("nn::gradients", "namespace 'nn' is not defined"),
        ("no.dml::gradients", "source file 'no.dml' does not exist"),
        ("model.dml::foo", "model.dml has no function 'foo'"),
        ("broken.dml::foo", "broken.dml:1:5: error"),
        ("aggregation", "function 'aggregation' cannot be the upd of paramserv..: it has no parameter 'features'"),
    ],
)
def test_wrong_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model.dml").write_text(FUNCTIONS)
    Path("broken.dml").write_text("x = = 1")
    assert re.search(message, refusal(CALL.replace("gradients", name)))


def test_names_that_are_made_while_the_script_runs() -> None:
    unknown = 'u = ifelse(sum(X) > 0, "{}", "b")\n'
    found = refusal(CALL.replace('"gradients"', "u"), before=unknown.format("foo"))
    assert "paramserv(): there is no DML function 'foo'" in found
    found = refusal(CALL.replace('"gradients"', "u"), before=unknown.format("f.dml::foo"))
    assert "must be named by a constant, so that the file is compiled" in found


# ---- what goes wrong in workers -------------------------------------------------------------------------------------

FAILING = {
    "upd": ("t(features) %*%", "t(features)[1:3,] %*%", "row index 3 is out of range"),
    "agg": ('as.matrix(gradients["w"])', 'as.matrix(gradients["v"])', "the list has no entry named 'v'"),
}


@pytest.mark.parametrize("utype", ["BSP", "ASP", "SBP", "SSP"])
@pytest.mark.parametrize("role", FAILING)
@pytest.mark.parametrize("freq", ["BATCH", "EPOCH"])
def test_errors_of_functions_come_with_their_place(utype: str, role: str, freq: str) -> None:
    good, bad, message = FAILING[role]
    found = refusal(functions=FUNCTIONS.replace(good, bad), utype=utype, freq=freq, k=3, batchsize=1)
    line = FUNCTIONS.replace(good, bad)[: FUNCTIONS.index(good)].count("\n") + 1
    assert message in found
    assert found.startswith(f"main.dml:{line}:")
    assert f"in {'gradients' if role == 'upd' else 'aggregation'}(), called at main.dml:20:5" in found


@pytest.mark.parametrize("utype", ["BSP", "ASP", "SBP", "SSP"])
def test_the_error_of_one_worker_ends_the_others(utype: str) -> None:
    calls = []

    def one_fails(model: ListValue, hyperparams: ListValue, features: Any, labels: Any) -> ListValue:
        calls.append(1)
        if features[0, 0] == X[6, 0] and len(calls) > 20:
            raise OperationError("no more")
        return gradients_in_python(model, hyperparams, features, labels)

    with pytest.raises(OperationError, match="no more"):
        in_python(Table(upd=one_fails), k=4, utype=utype, freq="BATCH", epochs=10**6)
    assert not [t for t in threading.enumerate() if t.name.startswith("gramian worker")]


def test_an_interrupt_ends_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(futures: Sequence[Any], **_: Any) -> None:
        time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(ps, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        in_python(k=2, utype="ASP", freq="BATCH", epochs=10**9)


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        (
            {"upd": lambda **_: np.ones((2, 1))},
            "function 'upd', the upd of paramserv.., must return a list, found a 2x1",
        ),
        ({"agg": lambda **_: 1.5}, "must return a list, found a double"),
        ({"upd": lambda features, **_: ListValue([np.ones((len(features), 1))])}, "cannot add a 3x1 and a 2x1 matrix"),
        ({"upd": lambda features, **_: ListValue([1] * len(features))}, "cannot add lists of 3 and 2 entries"),
        ({"upd": lambda **_: ListValue(["a"])}, "can add matrices and numbers only, found a string"),
        ({"upd": lambda **_: ListValue([True])}, "can add matrices and numbers only, found a boolean"),
    ],
)
def test_wrong_results_of_functions(functions: dict[str, Any], message: str) -> None:
    with pytest.raises(OperationError, match=message):
        in_python(Table(**functions), k=3, utype="BSP")


def test_lists_of_numbers_and_lists_are_added() -> None:
    def nested(**_: Any) -> ListValue:
        return ListValue([1, 2.5, ListValue([np.ones((1, 2))], ["c"])], ["a", "b", None])

    seen = []

    def noting(model: ListValue, gradients: ListValue, **_: Any) -> ListValue:
        seen.append(gradients)
        return gradients

    in_python(Table(upd=nested, agg=noting), k=4, utype="BSP", epochs=1)
    assert seen[0].names == ("a", "b", None)
    assert seen[0].items[:2] == (4, 10.0)
    assert seen[0].items[2].items[0].tolist() == [[4, 4]]
    average = in_python(Table(upd=nested, agg=noting), k=4, utype="BSP", epochs=1, modelAvg=True)
    assert average.items[:2] == (1.0, 2.5)


def test_val_must_give_scalars() -> None:
    table = Table(val=lambda **_: np.ones((2, 1)))
    with pytest.raises(OperationError, match=r"the val of paramserv.., must return scalars, found a 2x1 matrix"):
        in_python(table, val="v", val_features=X, val_labels=Y)


# ---- options --------------------------------------------------------------------------------------------------------


def infer(**given: Any) -> Type:
    types = {"model": LIST, "features": matrix(8, 2), "labels": matrix(8, 1), "upd": "u", "agg": "a", "epochs": 3}
    known = {**dict.fromkeys(NAMES, MISSING), **{n: v for n, v in DEFAULTS.items() if v is not None}, **types, **given}
    return REGISTRY["paramserv"].infer(*(v if isinstance(v, Type) else type_of(v) for v in (known[n] for n in NAMES)))


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"utype": "bsp"}, '\'utype\' .* one of "ASP", "BSP", "SBP", "SSP", found "bsp"', "did you mean 'BSP'?"),
        ({"freq": "BATCHES"}, "'freq' .* found \"BATCHES\"", "did you mean 'NBATCHES'?"),
        ({"scheme": "RANDOM"}, "'scheme'", None),
        ({"mode": "REMOTE"}, "'mode' of paramserv.. must be one of", "did you mean 'REMOTE_SPARK'?"),
        ({"checkpointing": "EPOCH10"}, "'checkpointing' of paramserv.. must be \"NONE\"", "fewer epochs"),
        ({"runtime_balancing": "CYCLE_AVG"}, "'runtime_balancing'", "federated"),
        ({"weighting": True}, "'weighting' of paramserv.. must be FALSE", "federated"),
        ({"he": True}, "'he' of paramserv.. must be FALSE", "federated"),
        ({"epochs": 0}, "'epochs' of paramserv.. must be at least 1, found 0", None),
        ({"batchsize": -1}, "'batchsize' of paramserv.. must be at least 1", None),
        ({"k": 0}, "'k' of paramserv.. must be at least 1", None),
        ({"staleness": -1}, "'staleness' of paramserv.. must be at least 0", None),
        ({"val": "v"}, "paramserv.. with 'val' also needs 'val_features'", None),
    ],
)
def test_wrong_options_are_refused_before_and_while_it_runs(
    given: dict[str, Any], message: str, hint: str | None
) -> None:
    for attempt in (infer, in_python):
        with pytest.raises(OperationError, match=message) as raised:
            attempt(**given)
        assert hint is None or hint in str(raised.value.hint)


def test_sizes_of_data() -> None:
    assert infer() == LIST
    with pytest.raises(SizeError, match=r"'features' and 'labels' .* equal numbers of rows, found 8 and 7"):
        infer(labels=matrix(7, 1))
    with pytest.raises(SizeError, match=r"'features' and 'labels' .* equal numbers of rows, found 8 and 7"):
        in_python(labels=Y[:7])
    with pytest.raises(SizeError, match=r"'val_features' and 'val_labels'"):
        infer(val="v", val_features=matrix(3, 2), val_labels=matrix(2, 1))
    with pytest.raises(SizeError, match=r"'val_features' and 'val_labels'"):
        in_python(Table(val=print), val="v", val_features=X, val_labels=Y[:7])


def test_as_many_workers_as_cores_by_default() -> None:
    assert Options.of({**DEFAULTS, "epochs": 1}).workers >= 1
    with ThreadPoolExecutor(1) as threads:  # a script may run in a thread of its own
        model = threads.submit(in_python, utype="BSP").result()
    assert model.items[0].shape == (2, 1)
