"""Run-time specialisation: plans for the sizes that show, kept and used again, and one for all sizes."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import pytest

from gramian.api.script import Script
from gramian.errors import ScriptError
from gramian.runtime import late
from gramian.settings import Settings
from gramian.source import Source

COMPILED, REUSED = "plans for known sizes, compiled", "plans for known sizes, used again"
GENERAL, USED = "plans for all sizes, compiled", "plans for all sizes, used"


@pytest.fixture(autouse=True)
def _whatever_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late, "SMALLEST", 0)


def run(text: str) -> tuple[str, dict[str, int]]:
    script = Script.compile(Source("late.dml", text), Settings(statistics=1))
    out = io.StringIO()
    with redirect_stdout(out):
        script.run()
    assert script.statistics is not None
    return out.getvalue(), script.statistics.counters


ROWS = "A = matrix(seq(1, 40), rows=10, cols=4)\n"


def test_known_sizes_need_no_late_plans():
    assert run(ROWS + "print(sum(A - colMeans(A)))")[1] == {}


def test_a_size_that_shows_once():
    text = (
        ROWS
        + 'B = removeEmpty(target=A, margin="rows", select=A[, 1] > 10)\nC = B - colMeans(B)\nprint(nrow(C) + sum(C))'
    )
    assert run(text) == ("7.0\n", {COMPILED: 1})


def test_a_number_that_decides_about_sizes():
    text = """y = matrix("1 3 2 3", 4, 1)
k = as.integer(max(y))
Y = table(seq(1, 4), y, 4, k)
print(ncol(Y) + sum(t(Y) %*% Y))
"""
    assert run(text) == ("7.0\n", {COMPILED: 1})


LOOP = (
    ROWS
    + """total = 0
for (i in 1:{turns}) {{
  n = {size}
  P = A[1:n, ]
  total = total + sum(t(P) %*% P)
}}
print(total > 0)
"""
)


def test_plans_are_used_again():
    printed, counters = run(LOOP.format(turns=9, size="3 + i %% 3"))
    assert printed == "TRUE\n"
    assert counters == {COMPILED: 3, REUSED: 6}


def test_sizes_that_go_on_changing_get_one_plan(monkeypatch):
    monkeypatch.setattr(late, "MOST_PLANS", 3)
    _, counters = run(LOOP.format(turns=10, size="i"))
    assert counters[COMPILED] == 3
    assert counters[GENERAL] == 1
    assert counters[COMPILED] + counters.get(REUSED, 0) + counters[GENERAL] + counters.get(USED, 0) == 10


def test_small_operands_share_one_plan(monkeypatch):
    monkeypatch.setattr(late, "SMALLEST", 1000)
    _, counters = run(LOOP.format(turns=6, size="i"))
    assert COMPILED not in counters


def test_functions_are_compiled_for_the_sizes_of_their_arguments():
    text = """f = function(matrix[double] X) return (double s) {
  s = 0
  for (i in 1:2) { s = s + sum(t(X) %*% X) }
}
A = removeEmpty(target=diag(matrix(1, 5, 1)), margin="rows")
x = 0
for (i in 1:3) {
  n = 1 + i %% 2
  x = x + f(A[1:n, ])
}
print(x)
"""
    assert run(text)[0] == "10.0\n"


def test_left_indexing_stays_in_place_across_late_points():
    text = (
        ROWS
        + """R = matrix(0, rows=20, cols=1)
Q = R
for (i in 1:20) {
  n = 1 + i %% 4
  P = A[1:n, ]
  R[i, 1] = sum(t(P) %*% P) > 0
}
print(sum(R) + " " + sum(Q))
"""
    )
    assert run(text)[0] == "20.0 0.0\n"


def test_errors_have_the_place_and_the_notes_that_they_would_have_without():
    text = """A = removeEmpty(target=matrix(1, 3, 2), margin="rows")
print("before")
B = A %*% t(A)
C = B %*% A %*% A
print(sum(C))
"""
    with pytest.raises(ScriptError) as late_error:
        run(text)
    message = str(late_error.value.render())
    assert "late.dml:4:5" in message
    assert "A is a 3x2 matrix, assigned at late.dml:1:1" in message


def test_what_comes_before_an_error_happens():
    text = 'A = removeEmpty(target=matrix(1, 3, 2), margin="rows")\nprint("before")\nB = A %*% A\nprint(sum(B))'
    script = Script.compile(Source("late.dml", text), Settings())
    out = io.StringIO()
    with redirect_stdout(out), pytest.raises(ScriptError):
        script.run()
    assert out.getvalue() == "before\n"


def test_no_more_than_so_many_parts_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions that take matrices out of lists have late points that multiply, since each part has its own."""
    monkeypatch.setattr(late, "MOST_PARTS", 4)
    text = """
halved = function(list[unknown] parts, int times) return (matrix[double] Y) {
  Y = removeEmpty(target=as.matrix(parts[1]), margin="rows")
  for (i in 1:times) {
    Z = removeEmpty(target=Y, margin="rows", select=Y > 1)
    Y = Z / 2 + sum(Z - 1) * 0
  }
}
A = matrix(seq(1, 40), rows=40, cols=1)
total = 0
for (k in 1:6) {
  B = halved(list(A * k, k), 2)
  total = total + sum(B - 1) + nrow(B)
}
print(total)
"""
    monkeypatch.setattr(late, "SMALLEST", 0)
    printed, counters = run(text)
    monkeypatch.setattr(late, "MOST_PARTS", 10**6)
    expected, more = run(text)
    assert printed == expected
    compiled = counters.get(COMPILED, 0) + counters.get(GENERAL, 0)
    assert compiled < more.get(COMPILED, 0) + more.get(GENERAL, 0)
    assert compiled <= 4 + 6
