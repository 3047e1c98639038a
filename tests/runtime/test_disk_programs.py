"""Programs print the same when their matrices are on disk."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import pytest
from programs import program
from test_differential import CONTROL, SHARING, Thrown, check

from gramian.api import script
from gramian.api.script import Script
from gramian.budget import Budget
from gramian.runtime.parfor.cost import Way
from gramian.runtime.parfor.loops import forced
from gramian.source import Source


class Tiny(Budget):
    """Keeps next to nothing in memory, but lets operators load what they need."""

    def keeps(self, size: int) -> bool:
        return size <= 8

    def loads(self, size: int) -> bool:
        return True


@pytest.fixture(autouse=True)
def on_disk(monkeypatch):
    monkeypatch.setattr(script, "Budget", lambda *_: Tiny(large=1))


@pytest.mark.parametrize("start", range(0, 40, 10))
def test_random_programs(start):
    for offset in range(10):
        check(program(Thrown(17_000 + start + offset), 4 + offset))


@pytest.mark.parametrize("what", SHARING)
def test_writing_into_shared_matrices(what):
    check(SHARING[what].lstrip())


@pytest.mark.parametrize("what", CONTROL)
def test_control_flow(what):
    check(CONTROL[what].lstrip())


PARFOR = {
    "an operand of all iterations": """
X = rand(rows=40, cols=6, seed=3)
R = matrix(0, 6, 2)
parfor (i in 1:6) {
  R[i, 1] = sum(X[, i] * X[, 1])
  R[i, 2] = sum(X %*% t(X[i, 1:6]))
}
print(toString(R))""",
    "results by column, by row and by cell": """
X = rand(rows=12, cols=12, seed=4)
A = matrix(0, 12, 12)
B = matrix(0, 12, 12)
parfor (i in 1:12) {
  A[, i] = X[, i] * i
  B[i, ] = X[i, ] * i
}
print(toString(A)); print(toString(B))""",
    "a sum": """
X = rand(rows=12, cols=4, seed=4)
A = matrix(1, 12, 4)
parfor (i in 1:40) { A += X * i }
print(toString(A))""",
    "a list": """
X = rand(rows=12, cols=4, seed=4)
L = list(1, 2, 3)
parfor (i in 1:3) { L[i] = X * i }
print(toString(as.matrix(L[2])))""",
}


def script_prints(text: str) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        Script.compile(Source("s.dml", text)).run()
    return out.getvalue()


@pytest.mark.parametrize("way", list(Way))
@pytest.mark.parametrize("what", PARFOR)
def test_parfor(what, way, monkeypatch):
    with forced(way):
        found = script_prints(PARFOR[what])
    monkeypatch.undo()
    assert found == script_prints(PARFOR[what])
