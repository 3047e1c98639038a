"""paramserv() whose workers are tasks, in a cluster that is this process, gives what it gives with threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from here import Here
from test_spark_loops_here import NEVER, output

from gramian.backends.spark import SparkBackend
from gramian.budget import Budget

SCRIPT = """
gradients = function(list[unknown] model, list[unknown] hyperparams, matrix[double] features, matrix[double] labels)
    return (list[unknown] gradients) {{
  w = as.matrix(model["w"])
  keep = rand(rows=nrow(features), cols=1) < 0.7                            # belongs to the worker
  {line}
  gradients = list(w=t(features) %*% (keep * (features %*% w - labels)) / nrow(features))
}}
aggregation = function(list[unknown] model, list[unknown] hyperparams, list[unknown] gradients)
    return (list[unknown] new) {{
  new = list(w=as.matrix(model["w"]) - as.scalar(hyperparams["step"]) * as.matrix(gradients["w"]))
}}
measure = function(matrix[double] val_features, matrix[double] val_labels, list[unknown] model,
    list[unknown] hyperparams) return (double loss) {{
  loss = sum((val_features %*% as.matrix(model["w"]) - val_labels)^2)
}}
train = function(matrix[double] X, matrix[double] y) return (list[unknown] m) {{
  m = paramserv(model=list(w=matrix(0, ncol(X), 1)), features=X, labels=y, upd="gradients", agg="aggregation",
    hyperparams=list(step=0.1), epochs=3, batchsize=60, val="measure", val_features=X[1:10, ], val_labels=y[1:10, ],
    mode="REMOTE_SPARK", {options})
}}
X = rand(rows=700, cols=40, seed=1)                                         # 224 KB
y = rowSums(X[, 1:3])
m = train(X, y)
print(toString(as.matrix(m["w"]), decimal=17, rows=40))
"""


@pytest.fixture
def here() -> Iterator[SparkBackend]:
    found = SparkBackend(lambda: None, budget=Budget(), least=NEVER)
    found.cluster = Here()
    yield found
    found.end()


def compare(options: str, here: SparkBackend, line: str = "") -> str:
    text = SCRIPT.format(options=options, line=line)
    found = output(text, here, seed=7)
    assert found == output(text, seed=7)
    assert here.cluster.jobs > 0
    return found


@pytest.mark.parametrize(
    "options",
    [
        'utype="BSP", freq="BATCH", k=3',
        'utype="BSP", freq="EPOCH", k=2, scheme="DISJOINT_ROUND_ROBIN"',
        'utype="BSP", freq="NBATCHES", nbatches=2, k=2, modelAvg=TRUE, scheme="OVERLAP_RESHUFFLE", seed=3',
        'utype="BSP", freq="BATCH", k=3, scheme="DISJOINT_RANDOM", seed=3',
        'utype="SBP", freq="BATCH", k=2, num_backup_workers=0',
        'utype="ASP", freq="BATCH", k=1',
        'utype="SSP", freq="BATCH", k=1',
    ],
)
def test_the_same_as_with_threads(options: str, here: SparkBackend) -> None:
    assert "epoch 3: loss" in compare(options, here)


def test_a_step_is_one_job(here: SparkBackend) -> None:
    compare('utype="BSP", freq="BATCH", k=4', here)
    assert here.cluster.jobs == 3 * 3  # epochs of 175 rows each worker, 60 at a time


@pytest.mark.parametrize("utype", ["ASP", "SSP", "SBP"])
def test_several_workers_at_once(utype: str, here: SparkBackend) -> None:
    found = output(SCRIPT.format(options=f'utype="{utype}", freq="BATCH", k=3', line=""), here, seed=7)
    assert "error" not in found
    assert "epoch 3: loss" in found


def test_lines_of_workers(here: SparkBackend) -> None:
    found = compare('utype="BSP", freq="BATCH", k=1', here, 'print("batch of " + nrow(features) + " rows")')
    assert found.count("batch of 60 rows") == 3 * 11


@pytest.mark.parametrize(
    "line",
    ['if (nrow(features) < 60) stop("a short batch")', "w = features %*% labels", "w = as.matrix(model['none'])"],
)
@pytest.mark.parametrize("utype", ["BSP", "ASP"])
def test_errors_are_those_of_one_machine(utype: str, line: str, here: SparkBackend) -> None:
    found = compare(f'utype="{utype}", freq="BATCH", k=1', here, line)
    assert "error:" in found
    assert "called at" in found


def test_a_result_that_is_no_list(here: SparkBackend) -> None:
    text = (
        SCRIPT.replace('upd="gradients"', 'upd="wrong"')
        + """
wrong = function(list[unknown] model, list[unknown] hyperparams, matrix[double] features, matrix[double] labels)
    return (double x) {{ x = 1 }}
"""
    )
    text = text.format(options='utype="BSP", k=2', line="")
    found = output(text, here)
    assert "must return a list" in found
    assert found == output(text)


def test_distributed_rows_stay_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    spread = SparkBackend(lambda: None, budget=Budget(), least=1 << 14)
    spread.cluster = Here()
    text = SCRIPT.format(options='utype="BSP", freq="BATCH", k=3', line="").replace("X[, 1:3]", "X")
    fetched: list[Any] = []
    monkeypatch.setattr("gramian.backends.spark.matrix.SparkMatrix.load", lambda self: fetched.append(self))
    assert output(text, spread, seed=7) == output(text, seed=7)
    assert not fetched
    spread.end()
