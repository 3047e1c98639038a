"""What `gramian explain` shows in the terminal.

`golden/NAME.dml` is a script and `golden/NAME.txt` what explain shows of it. GRAMIAN_BLESS=1 writes what it shows now.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from explained import GOLDEN, explained, explained_run, shown

from gramian.backends.local.fused import compiled, kernel, ledger
from gramian.explain.model import Operator
from gramian.explain.terminal import WIDE, rows, show
from gramian.explain.words import seconds_text, share_text
from gramian.settings import Settings

# Of the scripts that are explained for something else than a machine with much memory.
SETTINGS = {"places": Settings(memory=2_000_000_000, mode="auto", master="local[2]")}
TRAIN = (GOLDEN / "train.dml").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _nothing_compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is compiled already decides about kernels, and whether the compiler is loaded."""
    monkeypatch.setattr(kernel, "LOAD_COMPILER", 0.0)
    for module in (compiled, ledger):
        monkeypatch.setattr(module, "folder", lambda: tmp_path)
    monkeypatch.setattr(compiled, "_functions", {})


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.dml")), ids=lambda path: path.stem)
def test_golden(path: Path) -> None:
    text = shown(explained(path.read_text(encoding="utf-8"), path.name, SETTINGS.get(path.stem)))
    golden = path.with_suffix(".txt")
    if os.environ.get("GRAMIAN_BLESS"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [40, 60, 80, 100, WIDE])
@pytest.mark.parametrize("name", ["train", "pipelines", "sparse"])
def test_it_fits_the_width(name: str, width: int) -> None:
    explanation = explained((GOLDEN / f"{name}.dml").read_text(encoding="utf-8"))
    lines = shown(explanation, width).splitlines()
    assert max(map(len, lines)) <= width
    table = lines[lines.index(next(line for line in lines if line.startswith("plan"))) :]
    # Every row of the plan is one line: what there is no room for is cut, or the whole column goes.
    assert len([line for line in table if line]) >= len(rows(explanation))
    assert not any(line.startswith("  ") for line in table[1 : len(rows(explanation))])


def test_expressions_are_cut_rather_than_sizes() -> None:
    names = ", ".join(f"rand(rows=2000, cols={k})" for k in range(1, 30))
    text = shown(explained(f"X = cbind({names})\nprint(sum(X))"), 80)
    assert max(map(len, text.splitlines())) <= 80
    line = next(line for line in text.splitlines() if "X = cbind(" in line)
    assert "…" in line
    assert "2000x435" in line


def test_every_operator_on_matrices_has_a_line() -> None:
    found = explained("X = rand(rows=3, cols=3, seed=1)\ny = max(inv(X) %*% (X + 1)) * 2 + 1\nprint(y)")
    assert [row.text for row in rows(found)] == [
        "main",
        "X = rand(rows=3, cols=3, seed=1)",
        "t1 = inv(X)",
        "t2 = X + 1",
        "t3 = t1 %*% t2",
        "t4 = max(t3)",
        "y = t4 * 2 + 1",
        "print(y)",
    ]


def test_unknown_sizes_are_marked() -> None:
    script = "X = removeEmpty(target=rand(rows=4, cols=2), margin='rows')\nprint(sum(X))"
    row = next(row for row in rows(explained(script)) if row.text.startswith("X = "))
    assert (row.result, row.memory) == ("?x2", "?")
    assert "?: not known before it runs" in shown(explained(script))
    assert "?" not in shown(explained("print(sum(rand(rows=4, cols=2)))"))


def test_places_in_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recursive = "f = function(double x) return (double y) {\n  y = x\n  if (x > 0) {\n    y = f(x - 1)\n  }\n}\n"
    Path("part.dml").write_text(recursive)
    places = {row.text: row.place for row in rows(explained('source("part.dml") as p\nprint(p::f(3))'))}
    assert places["if (x > 0)"] == "part.dml:3"
    assert places["y = part__f(x - 1)"] == "part.dml:4"
    assert "2" in places.values()


def test_rules_are_named_at_their_operators() -> None:
    text = shown(explained("X = rand(rows=30, cols=20, seed=1)\nprint(sum(X ^ 2))\nprint(sum(t(t(X + 1)) ^ 2))"))
    numbered = [line.split("]")[0].strip().removeprefix("[") for line in text.splitlines() if "X ^ 2 -> X * X" in line]
    assert len(numbered) == 1
    columns = next(line for line in text.splitlines() if line.startswith("plan")).split()
    squares = [line for line in text.splitlines() if " * " in line and line.startswith("│")]
    assert "rule" in columns
    assert len(squares) == 2
    assert all(numbered[0] in line.split()[-2].split(",") for line in squares)


def test_times_stand_beside_the_operators_that_took_them() -> None:
    explanation = explained_run(
        "X = rand(rows=300, cols=200, seed=1)\ns = sum(X %*% t(X))\nif (s > 1e9) {\n  print(s)\n}"
    )
    calls = {row.text.partition(" = ")[2]: row.calls for row in rows(explanation) if row.calls}
    assert calls["rand(rows=300, cols=200, seed=1)"] == 1
    assert set(calls.values()) == {1}
    assert "print(s)" not in calls
    text = shown(explanation)
    assert "ran in" in text
    assert "calls" in next(line for line in text.splitlines() if line.startswith("plan"))


def test_what_memory_has_no_room_for_is_on_disk() -> None:
    script = "X = rand(rows=100000, cols=1000)\nY = cumsum(X)\nprint(sum(Y[1, ]))"
    small = explained(script, settings=Settings(memory=500_000_000))
    assert {row.text: row.kernel for row in rows(small)}["Y = cumsum(X)"] == "disk"
    assert "(budget 500 MB, the rest on disk)" in shown(small)
    assert "disk" not in shown(explained(script))


def test_reasons_are_given_only_with_a_cluster() -> None:
    script = (GOLDEN / "places.dml").read_text(encoding="utf-8")
    assert "places" not in shown(explained(script))
    forced = shown(explained(script, settings=Settings(memory=2_000_000_000, mode="spark")))
    assert "cluster: 3.2 GB: at least 1.0 MB, with -exec spark" in forced
    assert "driver: 800 KB: less than 1.0 MB, with -exec spark" in forced


def test_values_whose_place_depends_on_a_branch_are_left_to_the_run() -> None:
    start = "X = rand(rows=4000000, cols=100)\nfor (i in 1:3) {\n"
    places = {}
    for name, script in {
        "loop": start + "print(sum(X + i))\nX = X[1:9, ]\n}",
        "branch": start + "if (sum(X) > i) {\nX = matrix(i, rows=9, cols=100)\n}\n}\nprint(sum(X + 1))",
        "stays": start + "if (sum(X) > i) {\nX = X * 2\n}\n}\nprint(sum(X + 1))",
    }.items():
        found = explained(script, settings=SETTINGS["places"]).operators()
        places[name] = [o.place.where for o in found if o.place is not None and "X +" in (o.text + _inside(o))]
    assert places == {"loop": ["?"], "branch": ["?"], "stays": ["cluster"]}


def test_frames_are_where_the_run_finds_them_worth_it() -> None:
    script = "X = rand(rows=4000000, cols=100)\nF = as.frame(X)\nG = map(F, 'x -> x', 2)\nprint(toString(G))"
    found = explained(script, settings=SETTINGS["places"]).operators()
    places = {o.text.partition("(")[0]: o.place.where for o in found if o.place is not None}
    assert places == {"X = rand": "cluster", "F = as.frame": "cluster", "G = map": "?", "t1 = toString": "?"}


def _inside(operator: Operator) -> str:
    return " ".join(inner.text for inner in operator.pipeline.operators) if operator.pipeline is not None else ""


def test_files_get_plain_text() -> None:
    stream = io.StringIO()
    show(explained(TRAIN), stream)
    assert "\x1b" not in stream.getvalue()
    assert "standardise = function(matrix X, double floor = 0.5) return (matrix Z)" in stream.getvalue()


def test_an_empty_script() -> None:
    assert shown(explained("")).splitlines()[2:] == ["plan", "main"]


def test_words() -> None:
    assert [seconds_text(s) for s in (12.345, 1.0, 0.9999, 0.0456, 7e-6, 1e-9)] == [
        "12.3 s",
        "1.00 s",
        "1.00 s",
        "45.6 ms",
        "7.00 µs",
        "0.00 µs",
    ]
    assert [share_text(s) for s in (0.0, 0.01, 0.123, 0.999, 0.00001)] == ["0 %", "1 %", "12 %", "99.9 %", "1e-3 %"]
