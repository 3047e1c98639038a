"""`-exec auto` on a real cluster: what does not fit goes there, results are the same, and `-stats` tells what it took."""

from __future__ import annotations

import io
from typing import Any

import pytest

from gramian.api.script import Script
from gramian.cost import placement
from gramian.report import print_statistics
from gramian.settings import Settings
from gramian.source import Source

SCRIPT = """
X = rand(rows=20000, cols=100, seed=1)
y = rowSums(X)
w = matrix(0, rows=100, cols=1)
for (i in 1:3) {
  w = w - 1e-7 * (t(X) %*% (X %*% w - y))
}
print(sum(w) + " " + nrow(X))
"""


def run(text: str, settings: Settings) -> Script:
    script = Script.compile(Source("test.dml", text), settings)
    script.run()
    return script


def test_auto(
    spark: Any, master: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    monkeypatch.setattr(placement, "JOB", 1e-3)
    run(SCRIPT, Settings())
    expected = [float(word) for word in capsys.readouterr().out.split()]
    script = run(SCRIPT, Settings(mode="auto", master=master, memory=300_000_000, statistics=3))
    assert [float(word) for word in capsys.readouterr().out.split()] == pytest.approx(expected, rel=1e-9)
    assert script.statistics is not None
    told = io.StringIO()
    print_statistics(script.statistics, 3, told)
    lines = told.getvalue().splitlines()
    counted = dict(line.split(": ") for line in lines if line.count(": ") == 1 and " seconds " not in line)
    assert int(counted["Spark jobs"]) >= 4  # one for y, and one in each turn
    assert 0 < float(counted["time in Spark jobs"].removesuffix(" s")) < script.statistics.total
    for what in ("sent to the cluster", "from the cluster"):
        number, unit = counted[what].split()
        assert float(number) > 0
        assert unit in ("KB", "MB") or (unit == "B" and float(number) > 100)


def test_small_matrices_start_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody answers at this master, and nobody asks it."""
    script = run("print(sum(matrix(2, 30, 30)))", Settings(master="spark://localhost:1", statistics=3))
    assert capsys.readouterr().out == "1800.0\n"
    assert script.statistics is not None
    assert script.statistics.counters == {}
