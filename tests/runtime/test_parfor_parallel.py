"""parfor gives the same results, output and errors whichever way it runs: one iteration after the other, by threads, or
by processes, or on a cluster, which here is this process."""

from __future__ import annotations

import gc
import io
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from here import Here
from hypothesis import given, settings as hypothesis_settings, strategies as st
from programs import program
from test_differential import Thrown

from gramian.api.script import Script
from gramian.backends.spark import SparkBackend
from gramian.backends.spark.loops import SparkRemote
from gramian.budget import Budget
from gramian.errors import ScriptError
from gramian.ir.cores import cores, one_core
from gramian.ops import index
from gramian.runtime.parfor import body, loop, loops
from gramian.runtime.parfor.cost import Outlook, Way, can_fork
from gramian.runtime.parfor.loop import rebound
from gramian.runtime.parfor.loops import forced
from gramian.runtime.run import Execution
from gramian.settings import Settings
from gramian.source import Source

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

APART = (Way.THREADS, Way.PROCESSES)
THERE = (*APART, Way.CLUSTER)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """No test leaves processes, dead or alive, or threads behind."""
    yield
    assert not multiprocessing.active_children()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert not [t for t in threading.enumerate() if t.name.startswith("gramian parfor")]
    assert not loops.under_way


def printed(text: str, way: Way, seed: int | None = None) -> str:
    """What a script prints, and the error that it ends with."""
    stream = io.StringIO()
    with redirect_stdout(stream), forced(way):
        try:
            script = Script.compile(Source("script.dml", text), Settings(seed=seed))
            if way is Way.CLUSTER:
                run_on_cluster(script)
            else:
                script.run()
        except ScriptError as error:
            stream.write(error.render())
    return stream.getvalue()


def run_on_cluster(script: Script) -> int:
    """The number of jobs that it took."""
    backend = SparkBackend(lambda: None, budget=Budget(), least=1 << 60)
    backend.cluster = Here()
    try:
        Execution(script.program, backend, script.settings, script.statistics).run()
        return backend.cluster.jobs
    finally:
        backend.end()


def same_all_ways(text: str, seed: int | None = None) -> str:
    """What a script prints, which must be the same whichever way it runs."""
    expected = printed(text, Way.SEQUENTIAL, seed)
    for way in THERE:
        assert printed(text, way, seed) == expected, way
    return expected


# -- results ----------------------------------------------------------------------------------------------------------

LOOPS = {
    "cells": """
        A = matrix(0, rows=9, cols=3)
        parfor (i in 1:9) { A[i, 1] = i; A[i, i %% 2 + 2] = -i }
        print(toString(A))""",
    "rows that exist before, downwards": """
        X = rand(rows=7, cols=4, seed=1)
        B = X
        parfor (i in 7:1) { X[i, ] = X[i, ] * i + sum(X[i, ]) }
        print(toString(X, decimal=17)); print(toString(B, decimal=17))""",
    "columns, with a step": """
        A = matrix(-1, rows=3, cols=10)
        parfor (j in seq(10, 1, -3)) { A[, j] = matrix(j, rows=3, cols=1) }
        print(toString(A))""",
    "two matrices": """
        A = matrix(0, rows=6, cols=1); B = matrix(1, rows=2, cols=6)
        parfor (i in 1:6) { A[i, 1] = i * 2; if (i > 3) B[, i] = B[, i] + i }
        print(toString(A)); print(toString(B))""",
    "a matrix of which a variable holds a part": """
        A = rand(rows=8, cols=3, seed=2)
        parfor (i in 1:8) { row = A[i, ]; A[i, 1] = 5; A[i, 2] = sum(row); row[1, 1] = 7; A[i, 3] = sum(row) }
        print(toString(A, decimal=17))""",
    "signed zeros and NaN": """
        A = matrix("0 -1 0 3", rows=4, cols=1)
        parfor (i in 1:4) { x = A[i, ]; A[i, 1] = 0 / as.scalar(x) - 0.0; if (i == 4) A[i, 1] = -1 / Inf }
        print(toString(1 / A))""",
    "sums": """
        s = rand(rows=3, cols=3, seed=3); n = matrix(0, rows=1, cols=1)
        parfor (i in 1:50) { s += rand(rows=3, cols=3, seed=i) / 3; s += matrix(0.1, 3, 3); n += matrix(i, 1, 1) }
        print(toString(s, decimal=17)); print(as.scalar(n))""",
    "sums that grow by broadcasting, only now and then": """
        s = matrix(1, rows=1, cols=3)
        parfor (i in 1:9) { if (i %% 2 == 0) s += matrix(i, 2, 3) * 0.1 }
        print(toString(s, decimal=17))""",
    "sums of sparse matrices": """
        s = rand(rows=300, cols=300, sparsity=0.01, seed=3)
        parfor (i in 1:6) { s += rand(rows=300, cols=300, sparsity=0.01, seed=i) }
        print(sum(s) + " " + sum(s != 0) + " " + sum(s * seq(1, 300)))""",
    "sparse rows": """
        A = rand(rows=300, cols=300, sparsity=0.01, seed=3)
        parfor (i in 1:300) { if (i %% 3 == 0) A[i, ] = A[i, ] * 2 }
        print(sum(A) + " " + sum(A * seq(1, 300)))""",
    "lists": """
        L = list(a=1, b="two", c=matrix(3, 1, 1), d=list(4), e=5)
        parfor (i in 1:5) { if (i != 2) L[i] = matrix(i, 1, 2); if (i == 4) L[i] = list(x=i, y="y") }
        print(toString(L))""",
    "lists of matrices that are written into afterwards": """
        L = list(0, 0, 0); X = matrix(1, 2, 2)
        parfor (i in 1:3) { B = X; B[1, 1] = i; L[i] = B; B[2, 2] = 9 }
        X[1, 1] = 100
        print(toString(L)); print(toString(X))""",
    "frames": """
        F = as.frame(matrix(seq(1, 12), rows=6, cols=2))
        F = cbind(F, as.frame(matrix("1 0 1 0 1 1", 6, 1)))
        G = as.frame(matrix(0, 6, 1))
        parfor (i in 1:6) { F[i, 1] = as.frame(-i); if (i > 4) G[i, 1] = F[i, 2] }
        print(toString(F)); print(toString(G))""",
    "frames of text": """
        F = rbind(as.frame("a"), rbind(as.frame("b"), as.frame("c")))
        parfor (i in 1:3) { if (i != 2) F[i, 1] = as.frame("row " + i) }
        print(toString(F))""",
    "nested": """
        A = matrix(0, rows=4, cols=5); s = matrix(0, 1, 1)
        parfor (i in 1:4) {
          T = matrix(0, rows=1, cols=5)
          parfor (j in 1:5) { T[1, j] = i * 10 + j; s += matrix(j / 7, 1, 1); A[i, j] = -j }
          A[i, ] = A[i, ] + T
        }
        print(toString(A)); print(toString(s, decimal=17))""",
    "functions, eval, loops": """
        f = function(matrix[double] x, int n) return (matrix[double] y, double last) {
          y = x; last = 0
          for (k in 1:n) { y[1, k] = k * 2; last = last + k }
          parfor (k in 1:n) { y[1, k] = as.scalar(y[1, k]) + n }
        }
        A = matrix(0, rows=5, cols=5); s = matrix(0, 1, 1)
        parfor (i in 1:5) {
          [y, last] = f(A[i, ], i)
          A[i, ] = y + eval("colSums", y)
          k = 0
          while (k < i) k = k + 1
          s += matrix(k + last, 1, 1)
        }
        print(toString(A)); print(toString(s))""",
    "paramserv": """
        gradients = function(list[unknown] model, list[unknown] hyperparams, matrix[double] features, matrix[double] labels)
            return (list[unknown] gradients) {
          w = as.matrix(model[1]); gradients = list(t(features) %*% (features %*% w - labels))
        }
        aggregation = function(list[unknown] model, list[unknown] hyperparams, list[unknown] gradients)
            return (list[unknown] new) { new = list(as.matrix(model[1]) - 0.01 * as.matrix(gradients[1])) }
        X = rand(rows=12, cols=2, seed=1); W = matrix(0, rows=2, cols=3)
        parfor (i in 1:3) {
          m = paramserv(model=list(matrix(i, 2, 1)), features=X, labels=rowSums(X), upd="gradients", agg="aggregation",
                        epochs=3, k=2, utype="BSP")
          W[, i] = as.matrix(m[1])
        }
        print(toString(W, decimal=17))""",
    "variables of the body": """
        R = matrix(0, rows=4, cols=1); x = 100
        parfor (i in 1:4, check=0) { x = x + i; R[i, 1] = x }
        print(toString(R)); print(x)""",
    "many iterations": """
        R = matrix(0, rows=1000, cols=1); s = matrix(0, 1, 1)
        parfor (i in 1:1000) { R[i, 1] = i; s += matrix(1 / i, 1, 1) }
        print(sum(R * seq(1, 1000))); print(toString(s, decimal=17))""",
    "asking whether variables exist": """
        R = matrix(0, rows=3, cols=2)
        if (sum(R) == 0) q = 1
        if (sum(R) > 0) p = 1
        parfor (i in 1:3) { if (exists(q)) R[i, 1] = 1; if (exists("p")) R[i, 2] = 1 }
        print(toString(R)); if (exists(p)) print(p); if (exists(q)) print(q)""",
    "none and one": """
        R = matrix(0, rows=3, cols=1); n = 0
        parfor (i in seq(1, n)) { R[i + 1, 1] = 5 }
        parfor (i in seq(2, 1, 1)) { R[i + 8, 1] = 5 }
        parfor (i in 3:3) { R[i, 1] = i }
        print(toString(R))""",
    "a result in several loops": """
        R = matrix(0, rows=6, cols=1)
        for (k in 1:5) {
          parfor (i in 1:6) { R[i, 1] = as.scalar(R[i, 1]) + i * k }
          if (k == 2) S = R
        }
        print(toString(R)); print(toString(S))""",
}


@pytest.mark.parametrize("name", LOOPS)
def test_results_are_the_same(name: str) -> None:
    text = same_all_ways(LOOPS[name])
    assert text
    assert "error" not in text


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_the_number_of_workers_does_not_show(workers: int) -> None:
    text = LOOPS["sums"]
    expected = printed(text, Way.SEQUENTIAL)
    for way in THERE:
        assert printed(text.replace("1:50", f"1:50, par={workers}"), way) == expected


@pytest.mark.parametrize("start", range(0, 40, 10))
def test_random_programs_print_the_same(start: int) -> None:
    texts = [program(Thrown(start + offset), 12) for offset in range(10)]
    with_loops = [text for text in texts if "parfor" in text]
    assert len(with_loops) > 1
    for text in with_loops:
        same_all_ways(text)


BODIES = {
    "A": "A[i, ] = X[i, ] * {k}",
    "cell": "A[i, {c}] = as.scalar(X[i, 1]) / {k}",
    "view": "v = A[i, ]; A[i, {c}] = sum(v) + {k}",
    "s": "s += X[i, ] / {k}",
    "twice": "s += matrix({k}, 1, 3) / 3; s += t(X[1:3, 1])",
    "list": "L[i] = X[i, ] * {k}",
    "print": 'print(i + " {k}")',
    "random": "A[i, {c}] = as.scalar(rand(rows=1, cols=1))",
    "fail": "if (i == {k}) A[i, 7] = 1",
    "branch": "if (i > {k}) A[i, {c}] = i",
}


@hypothesis_settings(max_examples=25)
@given(
    parts=st.lists(st.tuples(st.sampled_from(sorted(BODIES)), st.integers(1, 5), st.integers(1, 3)), max_size=5),
    count=st.integers(1, 9),
    workers=st.integers(2, 4),
)
def test_any_body_gives_the_same(parts: list[tuple[str, int, int]], count: int, workers: int) -> None:
    lines = "\n".join(BODIES[name].format(k=k, c=c) for name, k, c in parts)
    same_all_ways(
        f"""
        X = rand(rows=9, cols=3, seed=4); A = matrix(1, rows=9, cols=3); s = X[1, ]
        L = list(1, 2, 3, 4, 5, 6, 7, 8, 9)
        parfor (i in 1:{count}, par={workers}, check=0) {{
          {lines}
          q = i
        }}
        print(toString(A, decimal=17)); print(toString(s, decimal=17)); print(toString(L))
        """,
        seed=7,
    )


def test_matrices_too_large_to_be_dense_stay_sparse(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (index, loop):
        monkeypatch.setattr(module, "DENSE_UP_TO", 1000)
    text = """
        A = rand(rows=200, cols=200, sparsity=0.01, seed=3)
        B = A
        parfor (i in 1:20) { A[i, i] = i; A[i, 100:101] = matrix("0 7", 1, 2) }
        print(toString(A, rows=200, cols=200, sparse=TRUE)); print(sum(B))"""
    same_all_ways(text)


# -- what iterations say, draw, and how they fail ---------------------------------------------------------------------

PRINTS = """
A = matrix(0, rows=30, cols=1)
parfor (i in 1:30) {
  print("begin " + i)
  A[i, 1] = sum(rand(rows=30 - i, cols=20, seed=1))
  print("end %d", i)
}
print("behind")
"""


def test_lines_come_in_the_order_of_the_iterations() -> None:
    lines = same_all_ways(PRINTS).splitlines()
    assert lines == [line for i in range(1, 31) for line in (f"begin {i}", f"end {i}")] + ["behind"]


DRAWS = """
A = matrix(0, rows=12, cols=2)
before = sum(rand(rows=2, cols=2))
parfor (i in 1:12) {
  A[i, 1] = sum(rand(rows=2, cols=1))
  parfor (j in 1:2) { x = rand(rows=1, cols=1); A[i, j] = A[i, j] + x }
}
print(before + " " + sum(rand(rows=2, cols=2)))
print(toString(A, decimal=17))
"""


def test_random_numbers_belong_to_iterations() -> None:
    first = same_all_ways(DRAWS, seed=5)
    assert same_all_ways(DRAWS, seed=5) == first
    assert printed(DRAWS, Way.SEQUENTIAL, seed=6) != first
    cells = first.split()[2:]
    assert len(cells) == len(set(cells)) == 24


@pytest.mark.parametrize("way", Way)
def test_without_a_seed_iterations_differ(way: Way) -> None:
    cells = printed(DRAWS, way).split()[2:]
    assert len(set(cells)) == 24
    assert printed(DRAWS, way).split()[2:] != cells


FAILS = """
first = function(matrix[double] d, int i) return (double y) {
  k = 0
  while (k < i) k = k + 1
  y = as.scalar(d[k, 1])
}
second = function(matrix[double] d, int i) return (double y) {
  for (k in 1:2) y = first(d, i)
}
A = matrix(0, rows=20, cols=1)
data = matrix(1, rows=14, cols=1)
parfor (i in 1:20) {
  print("doing " + i)
  A[i, 1] = second(data, i)
}
"""


def test_the_first_iteration_that_fails_is_reported() -> None:
    text = same_all_ways(FAILS)
    said, error = text.split("script.dml", 1)
    assert said.splitlines() == [f"doing {i}" for i in range(1, 16)]
    assert "row index 15 is out of range for a 14x1 matrix" in error
    assert "note: d is a 14x1 matrix, an argument of first()" in error
    assert "in first(), called at script.dml:8:22" in error
    assert "in second(), called at script.dml:14:13" in error


@pytest.mark.parametrize(
    "failing",
    [
        'if (i > 3) stop("enough at " + i)',
        "if (i > 3) { x = y; print(x) }",
        "assert(i < 3)",
        "x = A %*% A[, i]; print(sum(x))",
        "x = solve(matrix(0, 2, 2), matrix(i, 2, 1)); print(sum(x))",
        'x = read("nowhere" + i)',
        'x = eval("nothing" + i)',
    ],
)
def test_errors_are_the_same(failing: str) -> None:
    text = same_all_ways(
        f"""
        A = matrix(1, rows=6, cols=2); R = matrix(0, rows=6, cols=1)
        if (sum(A) < 0) y = 1
        parfor (i in 1:6) {{ {failing}; R[i, 1] = i }}
        """
    )
    assert "error: " in text
    assert "^" in text


@pytest.mark.parametrize("way", APART)
def test_recursion_without_end_is_found(way: Way) -> None:
    text = """
        deep = function(double x) return (double y) { y = deep(x + 1) }
        R = matrix(0, rows=6, cols=1)
        parfor (i in 1:6) { R[i, 1] = deep(i) }"""
    gc.collect()  # what other tests left is better cleaned up here than where there is no depth left
    error = printed(text, way)
    assert "functions call one another without end: more than " in error
    assert "script.dml:2:" in error
    assert "script.dml:4:" in error


@pytest.mark.parametrize("way", APART)
def test_an_error_stops_the_other_workers(way: Way, tmp_path: Path) -> None:
    endless = 'if (i == 1) stop("at once"); k = 0; while (k >= 0) k = k + 1; R[i, 1] = k'
    text = f"R = matrix(0, rows=4, cols=1)\nparfor (i in 1:4, par=2) {{ {endless} }}"
    assert "at once" in printed(text, way)


def test_a_worker_that_is_killed_is_an_error() -> None:
    script = Script.compile(Source("script.dml", "R = matrix(0, 4, 1)\nparfor (i in 1:4) { R[i, 1] = time() }"))
    parent = os.getpid()

    def die(*_: object) -> int:
        assert os.getpid() != parent
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    execution = script_execution(script)
    execution.namespace["k_time"] = die
    with forced(Way.PROCESSES), pytest.raises(ScriptError) as caught:
        execution.run()
    (found,) = caught.value.diagnostics
    assert found.message == "a worker process of parfor ended by signal 9 in the midst of its work"
    assert found.span is not None
    assert found.span.line == 2
    assert "par=1" in (found.hint or "")


def script_execution(script: Script) -> Any:
    from gramian.backends.local import LocalBackend
    from gramian.runtime.run import Execution

    return Execution(script.program, LocalBackend(), script.settings, script.statistics)


RUN = """
import sys
from gramian.runtime.parfor.cost import Way
from gramian.runtime.parfor.loops import forced
from gramian.runtime.run import Execution
from gramian.cli import main
sys.argv = ["gramian", "run", "-s", sys.argv[2]]
with forced(Way[{way!r}]):
    main()
"""


@pytest.mark.parametrize("way", APART)
def test_interrupting_ends_all_workers(way: Way) -> None:
    text = 'R = matrix(0, 4, 1); print("go"); parfor (i in 1:4, par=2) { k = 0; while (k >= 0) k = k + 1; R[i, 1] = k }'
    code = RUN.format(way=way.name).replace("sys.argv[2]", repr(text))
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "go\n"
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does
    _, error = process.communicate(timeout=60)
    assert error == "error: interrupted\n"
    assert process.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)  # nobody of its group is left


# -- loops without the check ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "s = matrix(0, 1, 1)\nparfor (i in 1:5, check=0) { s += matrix(i, 1, 1); print(as.scalar(s)) }\nprint(as.scalar(s))",
        "s = matrix(0, 1, 3)\nparfor (i in 1:3, check=0) { s += matrix(i, 1, 3); s[1, i] = 9 }\nprint(toString(s))",
        "Z = matrix(0, 2, 2)\nparfor (i in 1:4, check=0) { Z = Z + i; Z[1, 2] = i }\nprint(toString(Z))",
        "L = list(0, 0)\nparfor (i in 1:2, check=0) { L = append(L, i); L[1] = i }\nprint(toString(L))",
        "s = matrix(0, 1, 1)\nparfor (i in 1:3, check=0) { s = matrix(i, 1, 1); s += matrix(1, 1, 1) }\nprint(toString(s))",
    ],
)
def test_iterations_that_need_one_another_run_in_order(text: str) -> None:
    same_all_ways(text)


# -- choosing the way -------------------------------------------------------------------------------------------------


def outlook(seconds: float, **other: object) -> Outlook:
    return Outlook(**{"seconds": seconds, "workers": 2, "speedup": None, "can_fork": True, **other})  # type: ignore[arg-type]


def test_a_cluster_pays_for_long_loops() -> None:
    assert outlook(100.0, cores=16).best() is Way.CLUSTER
    assert outlook(100.0, cores=16).best(Way.PROCESSES) is Way.CLUSTER
    assert outlook(100.0, cores=2).best() is Way.THREADS
    assert outlook(0.2, cores=16).best() is Way.THREADS
    assert outlook(100.0, cores=16, carried=10**10).best() is Way.THREADS


def test_the_way_depends_on_what_it_costs() -> None:
    assert outlook(0.001).best() is Way.SEQUENTIAL
    assert outlook(1.0).best() is Way.THREADS
    assert outlook(1.0, speedup=1.0).best() is Way.PROCESSES
    assert outlook(1.0, speedup=1.0, can_fork=False).best() is Way.SEQUENTIAL
    assert outlook(1.0, speedup=loops.INTERPRETED).best() is Way.PROCESSES
    assert outlook(1.0, speedup=loops.INTERPRETED, can_fork=False).best() is Way.THREADS
    assert outlook(0.01, speedup=1.0).best() is Way.SEQUENTIAL
    assert outlook(1.0, speedup=1.0, sent=10**10).best() is Way.SEQUENTIAL
    assert outlook(1.0, speedup=1.0, shared=10**10).best() is Way.SEQUENTIAL
    assert outlook(1.0, speedup=1.0).best(Way.THREADS) is Way.PROCESSES
    assert outlook(1.0, speedup=1.9).best(Way.THREADS) is Way.THREADS


def ways_taken(monkeypatch: pytest.MonkeyPatch, text: str) -> list[Way]:
    taken: list[Way] = []
    apart = loops.Run.apart

    def noted(run: loops.Run, way: Way, *rest: Any) -> Any:
        taken.append(way)
        return apart(run, way, *rest)

    monkeypatch.setattr(loops.Run, "apart", noted)
    monkeypatch.setattr(loops, "can_fork", lambda: True)  # whatever threads the test runner has
    monkeypatch.setattr(loops, "cores", lambda: 2)
    Script.compile(Source("script.dml", text)).run()
    return taken


def test_short_loops_run_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    small = "R = matrix(0, 4, 1)\nparfor (i in 1:4) { for (k in 1:3) R[i, 1] = sum(matrix(k, 2, 2)) }"
    assert not ways_taken(monkeypatch, small)
    many = "R = matrix(0, 500, 1); n = as.scalar(R[1, 1])\nparfor (i in 1:500) { R[i, 1] = n }"
    assert not ways_taken(monkeypatch, many)


def test_few_iterations_of_unknown_length_start_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    head = "n = as.scalar(rand(rows=1, cols=1)) * 2 + 3\nR = matrix(0, 4, 1)\n"
    assert ways_taken(monkeypatch, head + "parfor (i in 1:4) { k = 0; while (k < n) k = k + 1; R[i, 1] = k }") == [
        Way.PROCESSES
    ]
    large = (
        head + 'X = rand(rows=n, cols=n)\nparfor (i in 1:4) { R[i, 1] = sum(removeEmpty(target=X * i, margin="rows")) }'
    )
    assert ways_taken(monkeypatch, large) == [Way.THREADS]


def test_loops_that_turn_out_long_go_over(monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
    R = matrix(0, rows=100, cols=1); s = matrix(0, 1, 1)
    parfor (i in 1:100) { for (k in 1:3000) R[i, 1] = k; s += matrix(i, 1, 1) }
    if (sum(R) != 300000 | as.scalar(s) != 5050) stop("wrong")
    """
    monkeypatch.setattr(loops, "LOOK", 0.0)
    monkeypatch.setattr(Outlook, "best", lambda self, now=Way.SEQUENTIAL: Way.THREADS)
    assert ways_taken(monkeypatch, text) == [Way.THREADS]


def test_threads_that_wait_for_one_another_become_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
    R = matrix(0, rows=100, cols=1); s = matrix(0, 1, 1)
    parfor (i in 1:100) { for (k in 1:30000) R[i, 1] = k; s += matrix(1 / i, 1, 1); print(i) }
    print(sum(R)); print(toString(s, decimal=17))
    """
    expected = printed(text, Way.SEQUENTIAL)
    nexts = {Way.SEQUENTIAL: Way.THREADS, Way.THREADS: Way.PROCESSES}
    monkeypatch.setattr(loops, "LOOK", 0.0)
    monkeypatch.setattr(Outlook, "best", lambda self, now=Way.SEQUENTIAL: nexts[now])
    stream = io.StringIO()
    with redirect_stdout(stream):
        taken = ways_taken(monkeypatch, text)
    assert stream.getvalue() == expected
    assert taken == [Way.THREADS, Way.PROCESSES]


@pytest.mark.parametrize("before", APART)
def test_a_loop_goes_over_to_a_cluster(before: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
    R = matrix(0, rows=100, cols=1); s = matrix(0, 1, 1)
    parfor (i in 1:100) { for (k in 1:10000) R[i, 1] = k; s += matrix(1 / i, 1, 1); print(i) }
    print(sum(R)); print(toString(s, decimal=17))
    """
    expected = printed(text, Way.SEQUENTIAL)
    nexts = {Way.SEQUENTIAL: before, before: Way.CLUSTER}
    monkeypatch.setattr(loops, "LOOK", 0.0)
    monkeypatch.setattr(Outlook, "best", lambda self, now=Way.SEQUENTIAL: nexts[now])
    monkeypatch.setattr(SparkRemote, "is_near", True)
    stream = io.StringIO()
    with redirect_stdout(stream):
        jobs = run_on_cluster(Script.compile(Source("script.dml", text)))
    assert stream.getvalue() == expected
    assert jobs == 1


def test_without_room_for_processes_threads_run(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = printed(LOOPS["sums"], Way.SEQUENTIAL)

    def full() -> int:
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(os, "fork", full)
    assert printed(LOOPS["sums"], Way.PROCESSES) == expected


def test_without_room_for_threads_iterations_run_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = printed(LOOPS["sums"], Way.SEQUENTIAL)
    start = threading.Thread.start

    def full(thread: threading.Thread) -> None:
        if thread.name == "gramian parfor 2":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", full)
    assert printed(LOOPS["sums"], Way.THREADS) == expected


def test_one_worker_means_none(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "R = matrix(0, 4, 1)\nparfor (i in 1:4, par=1) { for (k in 1:100) R[i, 1] = i }\nprint(sum(R))"
    with forced(Way.PROCESSES):
        assert ways_taken(monkeypatch, text) == []


def test_only_the_outermost_loop_has_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    with forced(Way.THREADS):
        assert ways_taken(monkeypatch, LOOPS["nested"]) == [Way.THREADS]


def test_other_threads_forbid_fork() -> None:
    known = can_fork()
    wait = threading.Event()
    thread = threading.Thread(target=wait.wait, name="somebody's")
    thread.start()
    try:
        assert not can_fork()
        thread.name = "gramian progress"
        assert can_fork() is known
    finally:
        wait.set()
        thread.join()


def test_inside_a_worker_there_is_one_core() -> None:
    assert cores() >= 1
    with one_core():
        assert cores() == 1


# -- parts ------------------------------------------------------------------------------------------------------------


def test_chunks_depend_on_the_number_of_iterations_alone() -> None:
    for count in (0, 1, 5, 256, 257, 1000, 100_000):
        chunks = body.chunks_of(count)
        assert [i for chunk in chunks for i in chunk] == list(range(count))
        assert len(chunks) <= body.CHUNKS


def test_variables_that_are_written_in_place() -> None:
    source = """
    def body_1(v_i, v_k=v_k):
        nonlocal v_A, v_B, v_C, v_D, o_A, o_B
        if not o_A:
            v_A = writable(v_A)
            o_A = True
        v_A[v_i, 1] = 5
        store(v_B, 1, v_i, None, 1, None)
        o_B = False
        v_C = k_leftIndex(v_C, 1)
        if False:
            v_A = o_A = None
        def body_2(v_j):
            nonlocal v_D
            v_D = v_A
    """
    assert rebound(source, ["A", "B", "C", "D"]) == {"B", "C", "D"}


def test_results_stay_in_shared_memory() -> None:
    from gramian.runtime.parfor.processes import is_shared, shared_copy

    value = np.asfortranarray([[1.0, 2.0], [3.0, 4.0]])
    shared = shared_copy(value)
    assert (shared == value).all()
    assert shared.flags.f_contiguous
    assert is_shared(shared)
    assert is_shared(shared[1:])
    assert not is_shared(value)
    assert not is_shared(shared.copy())
    assert shared_copy(value[:0]).shape == (0, 2)


def test_statistics_of_workers_are_added() -> None:
    counts = []
    for way in Way:
        script = Script.compile(Source("script.dml", LOOPS["sums"]), Settings(statistics=10))
        with redirect_stdout(io.StringIO()), forced(way):
            script.run()
        assert script.statistics is not None
        counts.append({total.name: total.calls for total in script.statistics.heaviest() if total.name != "+"})
    assert counts[0] == counts[1] == counts[2]
    assert counts[0]["rand"] == 51


def test_progress_tells_how_many_iterations_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    from gramian.runtime.progress import Progress

    seen: list[str] = []

    def watch(progress: Progress) -> None:
        while not progress.done.is_set():
            seen.append(progress.describe() or "")
            time.sleep(0.002)

    monkeypatch.setattr(Progress, "_watch", watch)
    text = "R = matrix(0, 9, 1)\nparfor (i in 1:9, par=2) { for (k in 1:90000) R[i, 1] = k }"
    with forced(Way.THREADS):
        Script.compile(Source("loop.dml", text), Settings(progress=True)).run()
    assert any(re.match(r"i: [0-8] of 9 done by 2 threads, line 2: parfor", text) for text in seen)
