"""Random programs: passes keep what they print, and their plans parse back after every pass."""

from __future__ import annotations

import math
from random import Random

import pytest
from cases import compiled, printed, stages

from gramian.ir.text import plan_text
from gramian.ir.verify import verify

HEAD = """
f = function(double x, matrix[double] M) return (double y, matrix[double] N) {
  print("f " + x)
  y = x + 1
  N = M * 0.5 + x
}
g = function(double x) return (double y) {
  print("g " + x)
  y = x * 0.5
}
h = function(matrix[double] A, double s) return (matrix[double] B, double t) {
  A[1, 1] = s
  B = A + t(A)
  t = sum(B) * 0.01
}
p = function(double x) return (double y) { y = x * x - x }
a = 1.5
b = -2.0
c = 0.25
X = matrix("1 2 3 4", rows=2, cols=2)
Y = matrix("0.5 -1 2 0.1", rows=2, cols=2)
l = list(1, 2.5)
"""
TAIL = """
print(a + " " + b + " " + c)
print(toString(X))
print(toString(Y))
print(l)
"""


class Writer:
    """Writes one script. Values are cut to small ones, so that rounding stays small as well."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def script(self) -> str:
        return HEAD + self.block(0) + TAIL

    def pick(self, *choices: str) -> str:
        return self.random.choice(choices)

    def scalar(self, depth: int = 0) -> str:
        if depth > 2 or self.random.random() < 0.35:
            return self.pick("a", "b", "c", "1.5", "2", "0.5")
        x, y = (lambda: self.scalar(depth + 1)), (lambda: self.matrix(depth + 1))
        forms = [
            *[lambda: f"({x()} {self.pick('+', '-', '*')} {x()})"] * 3,
            lambda: f"-{x()}",
            lambda: f"sum({y()})",
            lambda: f"g({x()})",
            lambda: f"p({x()})",
            lambda: f"as.scalar({self.cell()})",
            lambda: f"min({x()}, {x()})",
        ]
        return self.random.choice(forms)()

    def matrix(self, depth: int = 0) -> str:
        if depth > 2 or self.random.random() < 0.4:
            return self.pick("X", "Y")
        x, y = (lambda: self.scalar(depth + 1)), (lambda: self.matrix(depth + 1))
        forms = [
            lambda: f"({y()} {self.pick('+', '-', '*', '%*%')} {y()})",
            lambda: f"({y()} {self.pick('+', '-', '*')} {x()})",
            lambda: f"{self.pick('t', 'abs', 'sigmoid')}({y()})",
        ]
        return self.random.choice(forms)()

    def cell(self) -> str:
        return f"{self.pick('X', 'Y')}[{self.pick('1', '2')}, {self.pick('1', '2')}]"

    def small(self) -> str:
        return f"min(max({self.scalar()}, -5), 5)"

    def condition(self) -> str:
        more = self.pick("", "", " && g(a) > b", " || c < g(b)", " & TRUE")
        return f"{self.scalar()} {self.pick('<', '>')} {self.scalar()}{more}"

    def simple(self) -> str:
        forms = [
            lambda: f"{self.pick('a', 'b', 'c')} = {self.small()}",
            lambda: f"{self.pick('X', 'Y')} = sigmoid({self.matrix()})",
            lambda: f"{self.pick('X = Y', 'Y = X', 'a = b', 'b = c', 'c = a')}",
            lambda: f"{self.cell()} = {self.small()}",
            lambda: f"{self.pick('X[1, ]', 'Y[2, ]')} = {self.pick('X[2, ]', 'Y[1, ]')}",
            lambda: (
                f"[{self.pick('a, X', 'b, Y', 'c, X', 'X[1, 1], Y')}] = f({self.small()}, sigmoid({self.matrix()}))"
            ),
            lambda: f"[{self.pick('a', 'b')}] = f({self.small()}, X)",
            lambda: f"[{self.pick('X', 'Y')}, {self.pick('a', 'b')}] = h(sigmoid({self.matrix()}), {self.small()})",
            lambda: f'print({self.scalar()} + " " + {self.scalar()})',
            lambda: f"l[{self.pick('1', '2')}] = {self.scalar()}",
            lambda: f"c = min(max(as.double(as.scalar(l[{self.pick('1', '2')}])), -5), 5)",
            lambda: f"g({self.scalar()})",
        ]
        return self.random.choice(forms)()

    def statement(self, depth: int) -> str:
        kind = self.random.random()
        if depth > 2 or kind < 0.8:
            return self.simple()
        body = f"{{\n{self.block(depth + 1)}\n}}"
        if kind < 0.9:
            return f"if ({self.condition()}) {body} else {{\n{self.block(depth + 1)}\n}}"
        if kind < 0.95:
            return f"for (i{depth} in 1:{self.pick('1', '2', '3')}) {body}"
        test = f"n{depth} < 2{self.pick('', ' & a < 3', ' && g(a) < 3')}"
        return f"n{depth} = 0\nwhile ({test}) {{\nn{depth} = n{depth} + 1\n{body[2:]}"

    def block(self, depth: int) -> str:
        return "\n".join(self.statement(depth) for _ in range(self.random.randint(1, 5)))


def alike(first: str, second: str) -> bool:
    """Equal but for rounding."""
    pairs = list(zip(first.split(), second.split(), strict=True))
    return all(x == y or math.isclose(float(x), float(y), rel_tol=1e-6, abs_tol=2e-3) for x, y in pairs)


@pytest.mark.parametrize("seed", range(12))
def test_random_program(seed: int) -> None:
    script = Writer(seed).script()
    program = compiled(script)
    output, message = printed(program)
    plans = set()
    for _, changed in stages(program):
        verify(changed)
        text = plan_text(changed)
        if text in plans:
            continue
        plans.add(text)
        again = compiled(text)
        assert plan_text(again) == text
        assert printed(again) == printed(changed)
        assert alike(printed(changed)[0], output)
        assert printed(changed)[1] == message
