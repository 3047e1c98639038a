"""With `-exec auto` large matrices are on the cluster and small ones on the driver, as `explain` says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import CodeType
from typing import Any

import numpy as np
import pytest
from here import Here
from test_distributed import distributed

from gramian import Session
from gramian.api.script import backend_for
from gramian.backends.spark import SparkBackend
from gramian.backends.spark.matrix import SparkMatrix
from gramian.cost import placement
from gramian.cost.placement import UNKNOWN_SIZE
from gramian.errors import UsageError
from gramian.explain.build import build
from gramian.explain.compiled import compile_recorded
from gramian.explain.measured import Finder
from gramian.explain.model import Operator
from gramian.runtime.codegen import site_of
from gramian.runtime.run import Execution
from gramian.runtime.statistics import (
    MADE_AGAIN,
    RECEIVED,
    SENT,
    SHUFFLED,
    SPARK_JOBS,
    Call,
    Statistics,
    Timing,
    counter_texts,
)
from gramian.settings import Settings
from gramian.source import Source

SCRIPT = """
X = rand(rows=20000, cols=100, seed=1)
W = rand(rows=100, cols=5, seed=2)
S = matrix(3, rows=20000, cols=100)
Y = X %*% W
G = t(X) %*% Y
R = rowSums(X)
Z = (X - colMeans(X)) * S
T = X[10:20, ]
Q = W * 2 + colSums(G)
K = removeEmpty(target=Z, margin="rows", select=R > 50)
"""
NAMES = ("X", "W", "S", "Y", "G", "R", "Z", "T", "Q", "K")
AUTO = Settings(memory=300_000_000, mode="auto", master="local[64]")


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """One with a cluster that is this process, whose jobs cost almost nothing."""
    monkeypatch.setattr(placement, "JOB", 1e-3)
    with Session(settings=AUTO) as found:
        assert isinstance(found.backend, SparkBackend)
        found.backend.cluster = Here()
        yield found


def test_by_cost(session: Session) -> None:
    found = session.run(SCRIPT, outputs=NAMES)
    there = {name for name in NAMES if isinstance(found._values[name], SparkMatrix)}
    assert there == {"X", "S", "Y", "Z", "K"}
    with Session() as local:
        expected = local.run(SCRIPT, outputs=NAMES)
        for name in NAMES:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-9, err_msg=name)


def test_explain_says_where_they_will_be(session: Session) -> None:
    """Line by line: what the plan says of a result is where the run has it."""
    found = session.run(SCRIPT, outputs=NAMES)
    written = SCRIPT + "".join(f"print(sum({name}))\n" for name in NAMES)
    plan = build(compile_recorded(Source("test.dml", written), AUTO))
    told = {}
    for operator in plan.operators():
        owner = operator.within or operator
        if owner.place is not None and operator.targets:
            told[operator.targets[0]] = owner.place
    compared = told.keys() & set(NAMES)
    assert {"X", "W", "Y", "T", "K"} <= compared
    for name in compared - {"K"}:
        reason, stays = told[name].reason, isinstance(found._values[name], SparkMatrix)
        if told[name].on_cluster and "is on the cluster" in reason:  # a pipeline may have results of both kinds
            assert ("stay there" if stays else "come back") in reason, name
        else:
            assert told[name].on_cluster == stays, name
    assert UNKNOWN_SIZE in told["K"].reason
    assert "do not fit" in told["X"].reason
    assert "fit into" in told["W"].reason


def test_small_budgets_and_large_jobs_leave_all_on_the_driver() -> None:
    """A cluster of one machine whose jobs cost what they cost: nothing here is worth one, and no session is started."""
    backend = backend_for(AUTO)
    assert isinstance(backend, SparkBackend)
    with Session(settings=AUTO) as found:
        values = found.run(SCRIPT, outputs=NAMES)._values
        assert not any(isinstance(value, SparkMatrix) for value in values.values())
        assert "cluster" not in vars(found.backend)


def test_spark_decides_by_bytes() -> None:
    with Session(settings=Settings(mode="spark")) as found:
        assert isinstance(found.backend, SparkBackend)
        found.backend.cluster = Here()
        values = found.run(SCRIPT, outputs=NAMES)._values
        assert {name for name in NAMES if isinstance(values[name], SparkMatrix)} == {"X", "S", "Z", "K"}


def test_a_small_matrix_is_fetched_once(session: Session) -> None:
    assert isinstance(session.backend, SparkBackend)
    matrix = distributed(session.backend, np.arange(12.0).reshape(4, 3))
    jobs = matrix.cluster.jobs
    for _ in range(3):
        np.testing.assert_array_equal(matrix.load(), np.arange(12.0).reshape(4, 3))
    assert matrix.cluster.jobs == jobs + 1
    written = matrix.writable()
    written.load()
    written[0:1, 0:1] = 5.0
    assert written.load()[0, 0] == 5
    assert matrix.load()[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        matrix.load()[0, 0] = 1


def test_results_for_python_can_be_written_into(session: Session) -> None:
    assert isinstance(session.backend, SparkBackend)
    found = session.run("Y = X", {"X": np.ones((2, 2))}, ["Y"])
    found._values = {"Y": distributed(session.backend, np.ones((2, 2)))}
    found["Y"][0, 0] = 7
    assert found["Y"][0, 0] == 1


def test_sparse_results_for_python() -> None:
    with Session(settings=Settings(mode="spark")) as found:
        assert isinstance(found.backend, SparkBackend)
        found.backend.cluster = Here()
        made = found.run("S = rand(rows=200000, cols=100, sparsity=0.01, seed=1)", outputs=["S"])
        assert isinstance(made._values["S"], SparkMatrix)
        made["S"].data[:] = 0
        assert made["S"].sum() > 0


def test_jobs_and_bytes_are_counted(session: Session) -> None:
    assert isinstance(session.backend, SparkBackend)
    statistics = Statistics()
    cluster = session.backend.cluster
    cluster.count = statistics.count
    session.run("print(sum(rand(rows=20000, cols=100, seed=1) + 1))")
    counted = statistics.counters
    assert counted[SPARK_JOBS] == cluster.jobs > 0
    assert 100 < counted[SENT] < 100_000
    assert 0 < counted[RECEIVED] < 100_000
    assert MADE_AGAIN not in counted
    assert counter_texts("bytes sent to the cluster", 1_234_567) == ("sent to the cluster", "1.2 MB")
    assert counter_texts("microseconds in Spark jobs", 1_234_567) == ("time in Spark jobs", "1.235 s")
    assert counter_texts("Spark jobs", 3) == ("Spark jobs", "3")


def test_shuffles_and_lost_blocks_are_counted(session: Session) -> None:
    assert isinstance(session.backend, SparkBackend)
    cluster, statistics = session.backend.cluster, Statistics()
    assert isinstance(cluster, Here)
    cluster.count = statistics.count
    found = session.run("X = rand(rows=20000, cols=100, seed=1)\nO = order(target=X, by=2)", outputs=["O"])
    assert statistics.counters[SHUFFLED] == 20000 * 100 * 8
    rows = np.arange(20000.0).reshape(-1, 1)
    made = session.run("Y = rand(rows=20000, cols=100, seed=1) * w", {"w": rows}, ["Y"])._values["Y"]
    assert MADE_AGAIN not in statistics.counters
    for store in cluster.stores:
        store.remove_all()
    made.panel(0, 10)
    assert statistics.counters[MADE_AGAIN] == 1
    assert isinstance(found._values["O"], SparkMatrix)


@pytest.mark.parametrize("mode", ["local", "singlenode", "torch"])
def test_modes_without_a_cluster_take_none(mode: str) -> None:
    with pytest.raises(UsageError, match=f"found mode '{mode}'"):
        Settings(mode=mode, master="local[2]")
    with pytest.raises(UsageError, match=f"found mode '{mode}'"):
        Session(spark=object(), settings=Settings(mode=mode))


def test_bfloat16_is_not_ignored() -> None:
    for mode, master in (("spark", None), ("auto", "local[2]")):
        with pytest.raises(UsageError, match="bfloat16"):
            Settings(mode=mode, master=master, precision="bfloat16")


def test_without_pyspark_nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gramian.backends.spark.session.find_spec", lambda name: None)
    for settings in (Settings(mode="spark"), AUTO):
        with pytest.raises(UsageError, match=r"pip install 'gramian\[spark\]'"):
            backend_for(settings)
    backend_for(Settings())


LINES = """
X = rand(rows=3000, cols=20, seed=7, min=-1, max=1)
w = rand(rows=20, cols=30, seed=8)
C = t(X) %*% X
P = X %*% w
v = colVars(X)
O = order(target=X, by=1)
T = table(round(X[, 1] * 3) + 4, round(X[, 2] * 3) + 4)
q = median(X[, 1])
R = rbind(X, X)
B = cbind(X, X[, 2:3])
D = cumsum(X)
[e, V] = eigen(C)
A = aggregate(target=X[, 1], groups=round(X[, 1]) + 2, fn="sum")
s = solve(C, t(colSums(X)))
L = list(X, s)
Y = as.matrix(L[1]) * 2
Z = replace(target=X, pattern=0, replacement=1)
print(sum(P) + sum(v) + sum(O) + sum(T) + q + sum(R) + sum(B) + sum(D) + sum(V) + sum(A) + sum(s) + sum(Y) + sum(Z))
print(as.scalar(X[2999, 20]) + sum(X[5:9, ]) + toString(X[1:3, ]))
X[3, 4] = 5
print(sum(X) + sum(e) + cov(X[, 1], X[, 2]))
"""
LATER = {"rand", "t", "as.matrix", "leftIndex"}  # recipes and views: their cells come with what uses them


class Watched(Statistics):
    """Notes which operators made a cluster work, in the order of their places."""

    def __init__(self, cluster: Here) -> None:
        super().__init__()
        self.cluster = cluster
        self.jobs: dict[tuple[str, CodeType, int], int] = {}

    def timed(self, name: str, kernel: Any) -> Any:
        def run(*values: Any) -> Any:
            caller, before = sys._getframe(1), self.cluster.jobs
            self.record(name, caller.f_code, caller.f_lasti, 1e-3)
            try:
                return kernel(*values)
            finally:
                self.jobs[name, caller.f_code, caller.f_lasti] = self.cluster.jobs - before

        return run

    def found(self) -> Iterator[tuple[Timing, int]]:
        for (name, code, instruction), jobs in self.jobs.items():
            yield self._timing(Call(name, code.co_filename, site_of(code, instruction)), 1.0, 1), jobs


def test_operators_run_where_explain_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "FORCED", 1 << 14)
    settings = Settings(mode="spark")
    compiled = compile_recorded(Source("test.dml", LINES), settings)
    backend = backend_for(settings)
    assert isinstance(backend, SparkBackend)
    backend.cluster = Here()
    watched = Watched(backend.cluster)
    Execution(compiled.program, backend, settings, watched).run()
    finder = Finder(build(compiled, watched.parts))
    checked = set()
    for timing, jobs in watched.found():
        owner = finder.owner(timing)
        if not isinstance(owner, Operator) or timing.name in LATER:
            continue
        place = (owner.within or owner).place
        if place is None or place.where == "?" or "needs its input" in place.reason:
            continue
        assert place.on_cluster == (jobs > 0), f"{owner.text}: {place}, {jobs} jobs"
        checked.add(timing.name.partition(":")[0])
    assert {"%*%", "order", "table", "solve", "eigen", "cumsum", "aggregate", "sum", "cell"} <= checked
    backend.end()
