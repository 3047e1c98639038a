"""The digits example, run the way a user runs it."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "digits"
DATA = EXAMPLE.parent / "data" / "digits.csv"


def gramian(script: str, **params: object) -> str:
    nvargs = [f"{name}={value}" for name, value in params.items()]
    command = [sys.executable, "-m", "gramian", "run", str(EXAMPLE / script), "-nvargs", *nvargs]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    assert gramian("train.dml", out=folder).startswith(
        "Training on 1258 digits, 180 for validation, 359 for the test\n"
    )
    return folder


def rows_of(path: Path) -> np.ndarray:
    return np.loadtxt(path, delimiter=",", skiprows=1)


def test_history(out: Path) -> None:
    rows = list(csv.DictReader((out / "history.csv").read_text().splitlines()))
    assert [float(row["epoch"]) for row in rows] == list(range(1, 13))
    assert float(rows[-1]["validation_accuracy"]) >= 0.95
    assert float(rows[-1]["loss"]) < 0.2 * float(rows[0]["loss"])


def test_split_is_a_partition(out: Path) -> None:
    everything, held_out = rows_of(DATA), rows_of(out / "test.csv")
    assert everything.shape == (1797, 65)
    assert len(held_out) == 359
    assert {tuple(row) for row in held_out} < {tuple(row) for row in everything}


def test_saved_network_predicts(out: Path, tmp_path: Path) -> None:
    seen = gramian("predict.dml", model=out / "model", data=out / "test.csv", out=tmp_path / "p.csv")
    probabilities = np.loadtxt(tmp_path / "p.csv", delimiter=",")
    accuracy = np.mean(probabilities.argmax(axis=1) == rows_of(out / "test.csv")[:, 0])
    assert accuracy >= 0.97
    assert float(re.search(r"accuracy (\S+)$", seen, re.MULTILINE)[1]) == pytest.approx(accuracy, abs=1e-4)


def test_images_without_labels(out: Path, tmp_path: Path) -> None:
    unlabelled = tmp_path / "images.csv"
    unlabelled.write_text("".join(line.partition(",")[2] + "\n" for line in DATA.read_text().splitlines()[:101]))
    seen = gramian("predict.dml", model=out / "model", data=unlabelled, out=tmp_path / "p.csv")
    assert seen.startswith("100 images, ")
    assert "accuracy" not in seen
    assert np.loadtxt(tmp_path / "p.csv", delimiter=",").shape == (100, 10)
