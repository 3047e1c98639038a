"""`gramian doctor`: what it says of this machine, of workers unlike the driver, and its exit status."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from gramian import doctor
from gramian.backends.spark.probe import PACKAGES, Machine
from gramian.settings import Settings


def gramian(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gramian", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_this_machine_is_ready() -> None:
    done = gramian("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("Python", "packages", "BLAS", "memory", "disk", "cache", "Spark", "PyTorch"):
        assert f" {name} " in done.stdout
    assert done.stdout.splitlines()[-1].startswith("ready")


def test_nobody_at_the_master() -> None:
    pytest.importorskip("pyspark")
    done = gramian("doctor", "-master", "sc://127.0.0.1:1")
    assert done.returncode == 1
    assert "✗ cluster" in done.stdout
    assert "refused" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 thing has to be mended"


def test_what_is_no_master_is_a_finding() -> None:
    done = gramian("doctor", "--master", "bogus")
    assert done.returncode == 1
    assert "✗ cluster" in done.stdout


def test_folders_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GRAMIAN_CACHE", str(tmp_path / "file"))
    (cache,) = doctor.cache(Settings())
    assert (cache.status, cache.mend) == ("warning", "set GRAMIAN_CACHE to a folder that can be written")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "gone"))
    (disk,) = doctor.disk(Settings())
    assert disk.status == "failure"


def test_a_small_budget_is_warned_of() -> None:
    (found,) = doctor.memory(Settings(memory=500_000_000))
    assert found.status == "warning"
    assert "up to 0.5 GB" in found.found


DRIVER = Machine("driver", "", "3.11.7", "Linux x86_64", dict.fromkeys(PACKAGES, "1.0"), 8_000_000_000, 4)


@pytest.mark.parametrize(
    ("worker", "status", "said"),
    [
        (
            replace(DRIVER, host="w"),
            "good",
            "w: Python 3.11.7, Linux x86_64, 8.0 GB, 4 cores; packages as on the driver",
        ),
        (replace(DRIVER, python="3.11.2"), "good", "3.11.2"),
        (replace(DRIVER, python="3.12.1"), "failure", "3.12.1"),
        (replace(DRIVER, versions=DRIVER.versions | {"gramian": None}), "failure", "without gramian"),
        (replace(DRIVER, versions=DRIVER.versions | {"gramian": "0.9"}), "failure", "gramian 0.9 (driver: 1.0)"),
        (replace(DRIVER, versions=DRIVER.versions | {"numpy": "2.0"}), "warning", "numpy 2.0 (driver: 1.0)"),
        (replace(DRIVER, platform="Linux aarch64"), "warning", "driver: Linux x86_64"),
    ],
)
def test_workers_beside_the_driver(worker: Machine, status: str, said: str) -> None:
    found = doctor.compared("worker 1", worker, DRIVER)
    assert found.status == status
    assert said in found.found
    assert (found.mend is None) == (status == "good")


def test_the_report_counts_what_is_wrong() -> None:
    stream = StringIO()
    findings = [doctor.Finding("a", "good", "[x]"), doctor.Finding("b", "failure", "y", "do z")]
    doctor.show([*findings, doctor.Finding("c", "failure", "y", "do z")], stream)
    assert [line.split() for line in stream.getvalue().splitlines()] == [
        ["✓", "a", "[x]"],
        ["✗", "b", "y"],
        ["→", "do", "z"],
        ["✗", "c", "y"],
        ["→", "do", "z"],
        [],
        ["2", "things", "have", "to", "be", "mended"],
    ]
