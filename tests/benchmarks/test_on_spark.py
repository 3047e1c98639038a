"""What the benchmarks on Spark are made of: inputs, processes that are watched, results that are compared. The sides
themselves are in tests/spark.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from on_spark import data, measures
from on_spark.data import CLASSES, CLASSIFIED, CLUSTERED, REGRESSION, Input
from on_spark.measures import DisagreementError, Plan, difference, report
from on_spark.process import FailedError, run


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "DATA", tmp_path / "data")
    monkeypatch.setattr(data, "CHUNK", 100)


@pytest.mark.parametrize("source", [REGRESSION, CLUSTERED, CLASSIFIED], ids=lambda source: source.name)
def test_more_rows_begin_with_the_same_ones(source: Input) -> None:
    few, many = ({name: np.load(file) for name, file in source.files(rows, 7).items()} for rows in (150, 420))
    for name, shape in (("X", (150, 7)), ("y", (150, 1))):
        assert few[name].shape == shape
        assert np.array_equal(few[name], many[name][:150])
        assert len(np.unique(many[name], axis=0)) > 2


def test_classes_are_numbered_from_one() -> None:
    y = np.load(CLASSIFIED.files(500, 4)["y"])
    assert np.unique(y).tolist() == [float(number) for number in range(1, CLASSES + 1)]


def test_inputs_are_made_once() -> None:
    file = REGRESSION.files(10, 3)["X"]
    before = file.stat().st_mtime_ns
    assert REGRESSION.files(10, 3)["X"].stat().st_mtime_ns == before
    assert np.array_equal(np.load(data.first_rows(file, 4)), np.load(file)[:4])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks come from /proc")
def test_peaks_of_a_process_and_of_those_that_it_starts() -> None:
    child = "import time; x = bytes(range(256)) * 400_000; time.sleep(0.5)"  # 100 MB, all of it written
    parent = f"import subprocess, sys; print('nanoseconds 7'); subprocess.run([sys.executable, '-c', {child!r}])"
    done = run([sys.executable, "-c", parent])
    assert done.printed == "nanoseconds 7\n"
    assert done.seconds > 0.5
    assert done.peaks.worker > 100e6 > done.peaks.driver > 1e6
    assert done.peaks.java == 0


def test_a_side_that_fails_says_why() -> None:
    with pytest.raises(FailedError, match="ended with 3:\nbefore\nafter"):
        run([sys.executable, "-c", "import sys; print('before'); print('after', file=sys.stderr); sys.exit(3)"])


def test_results_that_differ_are_no_figures(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.csv", tmp_path / "theirs.csv"
    ours.write_text("1.0\n2.0\n")
    theirs.write_text("1.0\n2.0000001\n")
    assert difference(ours, theirs) == pytest.approx(5e-8)
    for other in ("1.0\n2.1\n", "1.0\n", "1.0\nnan\n"):
        theirs.write_text(other)
        with pytest.raises(DisagreementError):
            difference(ours, theirs)


def test_a_measure_that_fails_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def one(plan: Plan) -> Iterator[str]:
        yield "begun"
        raise FailedError("it broke")

    def other(plan: Plan) -> Iterator[str]:
        yield f"{plan.threads} threads"

    monkeypatch.setattr(measures, "MEASURES", {"one": one, "other": other})
    plan = Plan("local[3]", 1000, 1 << 20, 2, 1, tmp_path)
    assert not report(plan, "")
    assert capsys.readouterr().out == "begun\n  one: it broke\n3 threads\n"
    assert report(plan, "other")
