"""Times by operator and place."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest

from gramian.api.script import Script
from gramian.runtime.statistics import Call, Statistics, Timing, untimed
from gramian.settings import Settings
from gramian.source import Source


def measured(text: str) -> Statistics:
    script = Script.compile(Source("s.dml", text), Settings(statistics=10))
    script.run()
    assert script.statistics is not None
    return script.statistics


def by_place(text: str) -> dict[tuple[str, str], int]:
    """The calls by operator and the text of the script that they come from."""
    return {(t.name, t.span.text if t.span else ""): t.calls for t in measured(text).timings()}


def test_the_same_operator_in_several_places_of_one_line() -> None:
    found = by_place(
        "X = rand(rows=5, cols=4)\nY = rand(rows=3, cols=4)\nif (sum(X) + sum(Y) * 2 < 0) {\n  print(sum(X))\n}\n"
    )
    assert found["sum", "sum(X)"] == 1
    assert found["sum", "sum(Y)"] == 1


def test_calls_in_loops_and_functions_are_counted_where_they_stand(capsys: pytest.CaptureFixture[str]) -> None:
    found = by_place(
        "f = function(matrix[double] X, int n) return (double s) {\n"
        "  s = 0\n  for (i in 1:n) {\n    s = s + max(X * i)\n  }\n}\n"
        "X = rand(rows=5, cols=4)\nprint(f(X, 3) + f(X, 4) > 0)\n"
    )
    assert capsys.readouterr().out == "TRUE\n"
    assert found["max", "max(X * i)"] == 7
    assert found["*", "X * i"] == 7


def test_writing_into_a_matrix_is_counted() -> None:
    text = "X = rand(rows=5, cols=4)\nfor (i in 1:3) {\n  X[i, ] = X[i, ] * 2\n}\nprint(sum(X))"
    (found,) = [t for t in measured(text).timings() if t.name == "leftIndex"]
    assert found.calls == 3
    assert found.span is not None
    assert found.span.line == 3


def test_pipelines_are_named_by_what_they_do() -> None:
    statistics = measured(
        "X = rand(rows=40000, cols=10, seed=1)\nv = rand(rows=10, cols=1, seed=2)\nw = rand(rows=40000, cols=1, seed=3)\n"
        "g = t(X) %*% (w * (X %*% v))\nprint(max(g))"
    )
    names = [total.name for total in statistics.heaviest()]
    assert "pipeline: t(X) %*% (w * X %*% v)" in names


def test_code_compiled_while_running_has_places_too() -> None:
    statistics = measured(
        'A = rand(rows=2000, cols=10, seed=1)\nB = removeEmpty(target=A, margin="rows", select=A[, 1] > 0.5)\n'
        "C = abs(B) * 2\nprint(sum(C))"
    )
    (part,) = statistics.parts
    found = {t.name: t for t in statistics.timings() if t.file == part}
    assert found["abs"].span is not None
    assert found["abs"].span.text == "abs(B)"
    assert found["abs"].node is not None


def test_kernels_that_fail_are_counted() -> None:
    statistics = Statistics()

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        statistics.timed("f", fail)()
    assert [(t.name, t.calls) for t in statistics.timings()] == [("f", 1)]


def test_a_run_without_statistics_calls_the_kernels_themselves() -> None:
    kernel: Callable[[], int] = lambda: 1  # noqa: E731
    assert untimed("f", kernel) is kernel


def test_heaviest_adds_up_what_has_one_name_and_names_the_worst_place() -> None:
    statistics = measured("X = rand(rows=30, cols=4)\nprint(sum(X))\nprint(sum(X + 1))\nprint(max(X))")
    totals = {total.name: total for total in statistics.heaviest()}
    assert totals["sum"].calls == 2
    sums = [t for t in statistics.timings() if t.name == "sum"]
    assert totals["sum"].seconds == pytest.approx(sum(t.seconds for t in sums))
    assert totals["sum"].span == max(sums, key=lambda t: t.seconds).span
    seconds = [total.seconds for total in statistics.heaviest()]
    assert seconds == sorted(seconds, reverse=True)
    assert len(statistics.heaviest(2)) == 2


def test_counts_travel_between_processes() -> None:
    first = measured("X = rand(rows=30, cols=4)\nprint(sum(X))")
    before = {key(t): t.calls for t in first.timings()}
    first.count("plans")
    counts = pickle.loads(pickle.dumps(first.take()))
    assert first.timings() == []
    assert first.counters == {}
    assert all(isinstance(call, Call) for call in counts[0])
    first.add(counts)
    first.add(counts)
    assert {key(t): t.calls for t in first.timings()} == {name: 2 * calls for name, calls in before.items()}
    assert first.counters == {"plans": 2}


def test_code_that_the_other_process_does_not_have_is_not_told_by_place() -> None:
    statistics = measured("X = rand(rows=30, cols=4)\nprint(sum(X))")
    statistics.take()
    statistics.add(({Call("f", "<later>", None): (1.0, 2), Call("f", "<even later>", None): (1.0, 3)}, {}))
    assert statistics.take() == ({Call("f", "", None): (2.0, 5)}, {})


def key(timing: Timing) -> tuple[str, int]:
    return timing.name, timing.span.start if timing.span is not None else -1
