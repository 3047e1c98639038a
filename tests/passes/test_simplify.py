"""Rules that gain only if they save an inner operator look at all of a block."""

from __future__ import annotations

import pytest

from gramian.ir.node import build, var
from gramian.ir.program import Program
from gramian.ir.text import plan_text
from gramian.ir.types import matrix
from gramian.lang.dml import parse
from gramian.lang.lower import lower
from gramian.passes.facts import Facts
from gramian.passes.pipeline import run_passes
from gramian.passes.simplify import simplify_with, use_counts
from gramian.rewrite.driver import Driver
from gramian.rewrite.rule import read_rules
from gramian.settings import Settings
from gramian.source import Source

RULES = "sum(X %*% Y) -> as.scalar(colSums(X) %*% rowSums(Y))  if once(X %*% Y)\nrowSums(t(X)) -> t(colSums(X))"
START = "X = rand(rows=4, cols=3, seed=1)\nY = rand(rows=3, cols=5, seed=2)\n"


def plan(script: str) -> str:
    program = run_passes(lower(Source("plan", START + script), parse, Settings()), Facts(), "remove_branches")
    simple: Program = simplify_with(program, Driver(read_rules(Source("test.rules", RULES))))
    return plan_text(simple)


def test_a_product_that_is_used_once_is_saved() -> None:
    assert "%*% Y" not in plan("print(sum(X %*% Y))")
    assert "colSums(X)" in plan("P = X %*% Y\nprint(sum(P))")


@pytest.mark.parametrize(
    "rest",
    [
        "P = X %*% Y\nprint(sum(P))\nprint(max(P))",
        "P = X %*% Y\nprint(sum(P) + max(t(P)))",
        "P = X %*% Y\nprint(sum(P))\nwhile (sum(X) < 0) { print(max(P)) }",
    ],
)
def test_a_product_that_is_needed_anyway_stays(rest: str) -> None:
    assert "sum(P)" in plan(rest)
    assert "colSums" not in plan(rest)


def test_rules_that_do_not_count_come_first() -> None:
    assert "rowSums(t" not in plan("print(sum(t(Y) %*% t(X)) + sum(rowSums(t(X))))")


def test_counting_happens_in_branches_loops_and_functions() -> None:
    inner = "print(sum(X %*% Y))"
    for rest in (
        f"if (sum(X) > 1) {{ {inner} }} else {{ print(1) }}",
        f"for (i in 1:3) {{ {inner} }}",
        "while (sum(X %*% Y) < 0) { print(1) }",
        f"f = function(matrix[double] X, matrix[double] Y) {{ {inner} if (sum(X) < 1) {{ print(2) }} }}\nf(X, Y)",
    ):
        assert "colSums(X) %*% rowSums(Y)" in plan(rest)


def test_uses_are_counted_by_users_and_roots() -> None:
    x = var("X", matrix(3, 3))
    product, squares = build("%*%", [x, x]), build("*", [x, x])
    total = build("+", [product, squares])
    counts = use_counts([total, squares])
    assert counts == {x: 2, product: 1, squares: 2, total: 1}
