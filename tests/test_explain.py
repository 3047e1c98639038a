"""What `gramian explain` shows."""

from __future__ import annotations

import io
from pathlib import Path
from textwrap import dedent

import pytest
from rich.console import Console

from gramian.explain import NARROW, WIDE, explain, explain_source, explanation, rows
from gramian.ir.program import Program
from gramian.lang.dml import parse
from gramian.lang.lower import lower
from gramian.settings import Settings
from gramian.source import Source

SCRIPT = """
    standardise = function(matrix[double] X, double floor = 0.5) return (matrix[double] Z) {
      Z = X
      for (j in 1:ncol(X)) {
        Z[, j] = X[, j] / max(sd(X[, j]), floor)
      }
    }

    X = rand(rows=1000, cols=50, seed=1)
    n = nrow(X)
    Z = standardise(X)
    C = t(Z) %*% Z / n
    k = 0
    while (k < 3) {
      Y = removeEmpty(target=C, margin="rows", select=C[, 1] > 0.5 + k)
      k = k + 1
    }
    if (k > 2 & sum(C) > 0) {
      print(sum(Y))
    } else {
      print("none")
    }
"""


def source(script: str = SCRIPT) -> Source:
    return Source("train.dml", dedent(script).strip() + "\n")


def compiled(script: str = SCRIPT) -> Program:
    return lower(source(script), parse, Settings())


def shown(program: Program, width: int = 100, fired: dict[str, int] | None = None) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False).print(explanation(program, fired or {}, width))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def test_the_whole_view() -> None:
    expected = """
        train.dml                                           result              memory  line
        standardise = function(matrix X, double floor = 0…                                 1
        │ block                                             peak                     ?
        │ Z = X                                             matrix ?x?               ?     2
        │ for (j in 1:ncol(X))                                                             3
        │ │ block                                           peak                     ?
        │ │ t1 = X[, j]                                     matrix ?x1            view     4
        │ │ t2 = sd(t1)                                     double                         4
        │ │ t3 = t1 / max(t2, floor)                        matrix ?x1               ?     4
        │ │ Z[, j] = t3                                     matrix ?x?               ?     4
        main
        │ block                                             peak            400 KB + ?
        │ X = rand(rows=1000, cols=50, seed=1)              matrix 1000x50      400 KB     8
        │ n = nrow(X)                                       int = 1000                     9
        │ Z = standardise(X, 0.5)                           matrix ?x?               ?    10
        │ t1 = t(Z)                                         matrix ?x?            view    11
        │ t2 = t1 %*% Z                                     matrix ?x?               ?    11
        │ C = t2 / n                                        matrix ?x?               ?    11
        │ k = 0                                             int = 0                       12
        │ while (k < 3)                                                                   13
        │ │ block                                           peak                     ?
        │ │ t3 = C[, 1]                                     matrix ?x1            view    14
        │ │ t4 = t3 > 0.5 + k                               matrix ?x1               ?    14
        │ │ Y = removeEmpty(target=C, margin="rows", sele…  matrix ?x?               ?    14
        │ │ k = k + 1                                       int                           15
        │ if (k > 2 & sum(C) > 0)                                                         17
        │ │ block                                           peak                     ?
        │ │ t5 = sum(Y)                                     double                        18
        │ │ print(t5)                                                                     18
        │ else                                                                            17
        │ │ print("none")                                                                 20

        ?: not known before it runs; view: the memory of its operand
    """
    assert shown(compiled(), 84) == dedent(expected).strip()


def test_it_fits_the_width() -> None:
    for width in (NARROW, 100, WIDE):
        lines = shown(compiled(), width).splitlines()
        assert max(map(len, lines)) <= width
    long = compiled("x = " + " + ".join(f"sum(matrix({k}, rows=2, cols=2))" for k in range(40)))
    assert max(map(len, shown(long, 80).splitlines())) <= 80


def test_every_operator_on_matrices_has_a_line() -> None:
    texts = [row.text for row in rows(compiled("X = rand(rows=3, cols=2, seed=1)\ny = sum(t(X) %*% (X + 1)) * 2 + 1"))]
    assert texts == [
        "main",
        "X = rand(rows=3, cols=2, seed=1)",
        "t1 = t(X)",
        "t2 = X + 1",
        "t3 = t1 %*% t2",
        "t4 = sum(t3)",
        "y = t4 * 2 + 1",
    ]


def test_unknown_sizes_are_marked() -> None:
    found = {row.text: row for row in rows(compiled("X = removeEmpty(target=matrix(1, 4, 2), margin='rows')"))}
    row = found['X = removeEmpty(target=t1, margin="rows")']
    assert (row.result, row.memory) == ("matrix ?x2", "?")
    assert "?: not known before it runs" in shown(compiled("X = removeEmpty(target=matrix(1, 4, 2), margin='rows')"))
    assert "?" not in shown(compiled("X = matrix(1, 4, 2)"))


def test_places_in_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("part.dml").write_text("f = function(double x) return (double y) {\n  print(x)\n  y = x\n}\n")
    places = {row.text: row.place for row in rows(compiled('source("part.dml") as p\nx = p::f(3)'))}
    assert places["print(x)"] == "part.dml:2"
    assert places["x = part__f(as.double(3))"] == "2"


def test_rules_that_fired() -> None:
    script = source("X = rand(rows=3, cols=2, seed=1)\nprint(sum(t(t(X))) + sum(t(t(X + 1))))")
    after = written(script)
    assert "rules that fired\n   2 x t(t(X)) -> X\n" in after
    assert "rules that fired" not in written(script, "remove_branches")
    assert "rules that fired\n   2 x t(t(X)) -> X\n" in written(script, "simplify")
    assert "= t(" not in after.partition("rules that fired")[0]


def written(script: Source, after: str | None = None) -> str:
    stream = io.StringIO()
    explain_source(script, Settings(), after, stream)
    return stream.getvalue()


def test_files_get_plain_text() -> None:
    stream = io.StringIO()
    explain(compiled(), stream)
    assert "\x1b" not in stream.getvalue()
    assert "standardise = function(matrix X, double floor = 0.5) return (matrix Z)" in stream.getvalue()


def test_an_empty_script() -> None:
    assert shown(compiled("")).splitlines()[1] == "main"
