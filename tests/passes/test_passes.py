"""What holds of all passes, and what golden plans do not show: places of errors, order of functions."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from gramian.errors import ScriptError
from gramian.ir.program import Program
from gramian.ir.text import plan_text
from gramian.lang.dml import parse
from gramian.lang.lower import lower
from gramian.passes.facts import Facts
from gramian.passes.inline_functions import inline_functions
from gramian.passes.pipeline import PIPELINE, run_passes
from gramian.passes.propagate_sizes import propagate_sizes
from gramian.settings import Settings
from gramian.source import Source

PLANS = sorted((Path(__file__).parents[1] / "plans").rglob("*.dml"))


def compiled(text: str) -> Program:
    return lower(Source("test", dedent(text).strip() + "\n"), parse, Settings())


@pytest.mark.parametrize("path", PLANS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_passes_leave_their_input_alone_and_find_nothing_left_to_do(path: Path) -> None:
    program = compiled(path.read_text(encoding="utf-8").partition("#----")[0])
    for step in PIPELINE:
        before = plan_text(program, types=True)
        changed = step(program, Facts())
        assert plan_text(program, types=True) == before
        if step is not inline_functions:
            assert plan_text(step(changed, Facts()), types=True) == plan_text(changed, types=True)
        program = changed


GROWN = """
    f = function(matrix[double] A) return (matrix[double] B) {
      B = A
      for (i in 1:2) {
        B = B * 1
      }
    }
    X = f(matrix(1, rows=2, cols=3))
    if (sum(X) > 0) {
      W = X
    } else {
      W = X * 2
    }
"""


def size_errors(script: str) -> list[str]:
    with pytest.raises(ScriptError) as found:
        run_passes(compiled(dedent(GROWN) + script), Facts())
    return [d.span.text for d in found.value.diagnostics if d.span is not None]


@pytest.mark.parametrize(
    ("script", "places"),
    [
        ("z = W + (X %*% X)", ["X %*% X"]),
        ("z = (X %*% X) + W", ["X %*% X"]),
        ("print(sum(W) + sum(t(W) %*% (W + t(X))))", ["W + t(X)"]),
        ("z = X %*% W\ny = X + t(W)", ["X %*% W", "X + t(W)"]),
        ("z = sum(X %*% W) + sum(X + t(W))", ["X %*% W", "X + t(W)"]),
    ],
)
def test_the_places_of_sizes_that_do_not_fit(script: str, places: list[str]) -> None:
    found = size_errors(script)
    assert len(found) == len(places)
    # An operand that is to blame may be marked instead of the whole operation.
    assert all(place in text or text in place for text, place in zip(found, places, strict=True))


def test_functions_keep_their_order() -> None:
    program = compiled(
        """
        b = function(double x) return (double y) { y = a(x) }
        a = function(double x) return (double y) { print(x)
          y = x }
        print(a(1) + b(2))
        """
    )
    assert list(propagate_sizes(program, Facts()).functions) == ["b", "a"]


def test_equal_arguments_stay_known() -> None:
    program = compiled(
        """
        f = function(int n, int m) return (int k) {
          k = n + m
          print(k)
        }
        print(f(2, 3) + f(2, 4))
        """
    )
    text = plan_text(run_passes(program, Facts(), "fold_constants"))
    assert "k = 2 + m" in text


def test_recursion_ends() -> None:
    program = compiled(
        """
        f = function(int n, matrix[double] X) return (matrix[double] Y) {
          Y = X
          if (n > 0) {
            Y = f(n - 1, rbind(X, X))
          }
        }
        print(nrow(f(3, matrix(1, rows=1, cols=2))))
        """
    )
    assert "rbind(X, X)" in plan_text(run_passes(program, Facts()))
