"""Random programs through the whole pipeline, without any pass, and through a reference interpreter.

What they print must be the same, character by character. The programs stress what is delicate: matrices that several
variables, lists, functions and views hold while one of them is written into; loops and branches; the order of effects.
"""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import TypeVar

import interpreter
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies as st
from programs import program

from gramian.api.script import Script
from gramian.errors import ScriptError
from gramian.ir import sparse
from gramian.settings import Settings
from gramian.source import Source

T = TypeVar("T")
FAILS = "the script fails"


class Drawn:
    """Choices by hypothesis, which makes programs that fail small."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data

    def pick(self, options: Sequence[T]) -> T:
        return options[self.data.draw(st.integers(0, len(options) - 1))]


def printed(text: str, until: str | None) -> str:
    out = io.StringIO()
    try:
        with redirect_stdout(out):
            Script.compile(Source("random.dml", text), Settings(until=until)).run()
    except ScriptError:
        return FAILS
    return out.getvalue()


def expected(text: str) -> str:
    try:
        return "".join(f"{line}\n" for line in interpreter.run(text))
    except interpreter.ScriptFailsError:
        return FAILS


def check(text: str) -> None:
    wanted = expected(text)
    assert printed(text, "lower") == wanted, f"without passes:\n{text}"
    assert printed(text, None) == wanted, f"with all passes:\n{text}"


class Thrown:
    """Choices by a generator of random numbers: more varied programs, none made small."""

    def __init__(self, start: int) -> None:
        self.random = random.Random(start)

    def pick(self, options: Sequence[T]) -> T:
        return self.random.choice(options)


@pytest.mark.parametrize("start", range(0, 120, 10))
def test_random_programs(start):
    for offset in range(10):
        check(program(Thrown(start + offset), 4 + offset, special=start % 40 == 0))


@pytest.mark.parametrize("densest", [0.7, 1.0])
def test_random_programs_with_sparse_matrices(monkeypatch, densest):
    """Small matrices are sparse here, too."""
    monkeypatch.setattr(sparse, "SMALLEST", 1)
    monkeypatch.setattr(sparse, "LARGEST_ZERO", 1)
    monkeypatch.setattr(sparse, "DENSEST", densest)
    for start in range(20):
        check(program(Thrown(1000 + start), 6))


@pytest.mark.parametrize("size", [2, 6])
def test_random_programs_made_small(size):
    @seed(size)
    @settings(
        max_examples=50,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def trial(data: st.DataObject) -> None:
        check(program(Drawn(data), size))

    trial()


SHOW = "print(toString(A)); print(toString(B))"
SHARING = {
    "a second variable": f"""
A = matrix(0, 2, 2); B = A; A[1, 1] = 5
{SHOW}; B[2, 2] = 7
{SHOW}""",
    "equal constructors": f"""
A = matrix(0, 2, 2); B = matrix(0, 2, 2); A[1, 1] = 5
{SHOW}; B[1, 1] = 5; A[2, 2] = 1
{SHOW}""",
    "equal updates": f"""
A = matrix(0, 2, 2); A[1, 1] = 5; B = matrix(0, 2, 2); B[1, 1] = 5; A[2, 2] = 1
{SHOW}; B[1, 2] = 3
{SHOW}""",
    "views": f"""
A = matrix("1 2 3 4", 2, 2); B = t(A); C = A[1:2, 1:2]; A[1, 2] = 5; B[1, 1] = 7
{SHOW}; C[2, 2] = 9; print(toString(C))
{SHOW}""",
    "a part moved within one matrix": f"""
A = matrix("1 2 3 4", 2, 2); A[1, ] = A[2, ]; B = A; A[, 2] = A[, 1]; A[1:2, 1:2] = t(A)
{SHOW}""",
    "the old value is needed later": f"""
A = matrix("1 2 3 4", 2, 2); B = A + 1; s = sum(A); A[1, 1] = s; B = B + A; A[2, 2] = sum(B) + s
{SHOW}""",
    "a list keeps": f"""
A = matrix(0, 2, 2); L = list(A, 3); A[1, 1] = 5; B = as.matrix(L[1])
{SHOW}; B[1, 2] = 6; L[1] = B; B[2, 2] = 7; A = as.matrix(L[1])
{SHOW}""",
    "out of a list in another block": f"""
A = matrix(0, 2, 2); L = list(A, 3)
if (sum(A) == 0) print("zero")
B = as.matrix(L[1]); B[1, 1] = 5
{SHOW}""",
    "a list in a list": f"""
A = matrix(0, 2, 2); L = list(A); M = list(L, 1)
for (i in 1:2) {{ B = as.matrix(as.list(M[1])); B[1, i] = i; A[2, i] = i }}
{SHOW}; print(toString(as.matrix(L[1])))""",
    "a function returns its argument": f"""
f = function(matrix[double] X) return (matrix[double] Y, matrix[double] Z) {{ Y = X; Z = X; Y[1, 1] = 5 }}
A = matrix(0, 2, 2); [B, C] = f(A); A[2, 2] = 1; C[1, 2] = 3
{SHOW}; print(toString(C))""",
    "a function writes into its argument": f"""
f = function(matrix[double] X) return (matrix[double] Y) {{ X[1, 1] = 5; Y = X; X[2, 2] = 6 }}
A = matrix(0, 2, 2); B = f(A); B[1, 2] = 3; C = f(B)
{SHOW}; print(toString(C))""",
    "eval returns its argument": f"""
f = function(matrix[double] X) return (matrix[double] Y) {{ Y = X }}
A = matrix(0, 2, 2); B = eval("f", A)
for (i in 1:2) {{ }}
B[1, 1] = 5
{SHOW}""",
    "a loop": f"""
A = matrix(0, 2, 2); B = A; L = list()
for (i in 1:3) {{ A[1, 1] = i; L = append(L, A); if (i == 2) B = A }}
{SHOW}; print(toString(as.matrix(L[1]))); print(toString(as.matrix(L[3])))""",
    "a loop that swaps": f"""
A = matrix(0, 2, 2); B = matrix(1, 2, 2)
for (i in 1:3) {{ C = A; A = B; B = C; A[1, i %% 2 + 1] = 10 * i; B[2, 2] += 1 }}
{SHOW}; print(toString(C))""",
    "parfor writes what others hold": f"""
A = matrix(0, 2, 2); B = A; L = list(A)
parfor (i in 1:2) {{ A[i, ] = matrix(i, 1, 2) }}
{SHOW}; print(toString(as.matrix(L[1])))""",
    "parfor puts a matrix into a list": f"""
A = matrix("1 2 3 4", 2, 2); A[1, 1] = 9; L = list(1, 2)
parfor (i in 1:2) {{ P = A; L[i] = P }}
A[2, 2] = 5; B = as.matrix(L[2])
{SHOW}""",
    "parfor starts from a matrix that it replaces": f"""
A = matrix(0, 2, 2); A[1, 1] = 9; L = list(1, 2)
parfor (i in 1:2, check=0) {{ L[i] = A; A = matrix(i, 2, 2); A[1, 2] = 7 }}
A[2, 2] = 5; B = as.matrix(L[2])
{SHOW}""",
    "a parfor in a parfor": f"""
A = matrix(0, 2, 2); B = A
parfor (i in 1:2) {{ P = matrix(i, 1, 2); parfor (j in 1:2, check=0) {{ Q = P; P[1, j] = j * i; A[i, j] = sum(Q) }} }}
{SHOW}""",
}


@pytest.mark.parametrize("what", SHARING)
def test_writing_into_shared_matrices(what):
    check(SHARING[what].lstrip())


CONTROL = {
    "calls in the condition of an if in a loop": """
f = function(int k) return (int n) { n = k; print("f " + k) }
w = 0
while (w < 2) { if (f(w) == 0) { print("zero") } else { print("other") }; w = w + 1 }
for (i in 1:2) { for (j in 1:f(i)) { print(i + j) } }""",
    "calls on the right of lazy operators in a loop": """
f = function(int k) return (boolean b) { b = k < 2; print("f " + k) }
w = 0
while (w < 3 && f(w)) { if (w == 1 || f(w + 10)) { print("yes") }; w = w + 1 }
print(w)""",
    "zero with a sign": """
A = matrix(0, 2, 2)
print(-sum(A)); print(sum(-A)); print(floor(-sum(A)) %% 11); print(as.scalar((0 - A)[1, 1])); print(sum(-3 * A))
print(toString(-A)); print(toString(floor(-A) %% 11)); print(toString(1 / (A * -1))); print(toString(1 / (0 - A)))""",
}


@pytest.mark.parametrize("what", CONTROL)
def test_control_flow_and_numbers(what):
    check(CONTROL[what].lstrip())
