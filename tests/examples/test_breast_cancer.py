"""The main example, run the way a user runs it, and checked against NumPy."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "breast_cancer"
DATA = EXAMPLE / "data" / "wdbc.csv"
LAMBDA = 1.0

# A feature with outliers so far away that a full Newton step overshoots.
OUTLIERS = """
source("{example}/logistic.dml") as logistic
left = matrix("0.7 13.7 3.5 -6.2 21.6 1.1 -2.7 -2872.7 2.4 -0.6 -0.6 13.5 0.5 -0.5", rows=14, cols=1)
right = matrix("-0.4 -1.8 -0.3 -4.2 -2.5 15.8 -12.6 0.8 0.4 22.5 3 -1.2 -0.5", rows=13, cols=1)
x = rbind(left, right)
y = seq(1, 27) == 20
model = logistic::fit(X=x, y=y, lambda=1e-8)
"""


def gramian(script: Path, **params: object) -> str:
    """What the script prints, run from the project's root."""
    nvargs = ["-nvargs", *(f"{name}={value}" for name, value in params.items())] if params else []
    command = [sys.executable, "-m", "gramian", "run", str(script), *nvargs]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def load(path: Path, header: bool = False) -> np.ndarray:
    return np.loadtxt(path, delimiter=",", skiprows=int(header), ndmin=2)


def losses(printed: str) -> list[float]:
    return [float(loss) for loss in re.findall(r"^ +\d+ +(\d\.\d{6})\b", printed, re.MULTILINE)]


def steps(printed: str) -> list[float]:
    return [float(step) for step in re.findall(r"^ +\d+ +\d\.\d{6} .* (\d\.\d\d)$", printed, re.MULTILINE)]


def measures(printed: str) -> tuple[float, float, float]:
    found = re.search(r"^accuracy (\S+)  precision (\S+)  recall (\S+)$", printed, re.MULTILINE)
    assert found, printed
    return float(found[1]), float(found[2]), float(found[3])


def standardised(features: np.ndarray, model: np.ndarray) -> np.ndarray:
    return (np.column_stack([features, np.ones(len(features))]) - model[0]) / model[1]


def probabilities(features: np.ndarray, model: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-standardised(features, model) @ model[2]))


@dataclass(frozen=True)
class Training:
    printed: str
    model: Path
    test: Path


def train(folder: Path) -> Training:
    model, test = folder / "model.csv", folder / "test.csv"
    return Training(gramian(EXAMPLE / "train.dml", model=model, test=test), model, test)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Training:
    return train(tmp_path_factory.mktemp("trained"))


def test_newton_converges(trained: Training) -> None:
    seen = losses(trained.printed)
    assert seen[0] == pytest.approx(np.log(2), abs=1e-6)
    assert 5 <= len(seen) <= 20
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] < 0.1


def test_held_out_patients_are_classified_well(trained: Training) -> None:
    test = load(trained.test, header=True)
    p = probabilities(test[:, :-1], load(trained.model))
    actual, predicted = test[:, -1] == 1, p > 0.5
    hits = np.sum(actual & predicted)
    expected = (np.mean(actual == predicted), hits / np.sum(predicted), hits / np.sum(actual))
    assert measures(trained.printed) == pytest.approx(expected, abs=1e-4)
    assert measures(trained.printed)[0] >= 0.96


def test_split_is_a_partition(trained: Training) -> None:
    everyone = {tuple(row) for row in load(DATA, header=True)}
    held_out = {tuple(row) for row in load(trained.test, header=True)}
    assert len(everyone) == 569  # no two patients are alike, so rows identify them
    assert len(held_out) == 171
    assert held_out < everyone


def test_model_is_the_minimum(trained: Training) -> None:
    held_out = {tuple(row) for row in load(trained.test, header=True)}
    rows = np.array([row for row in load(DATA, header=True) if tuple(row) not in held_out])
    features, labels = rows[:, :-1], rows[:, -1]
    mean, scale, weight = model = load(trained.model)

    np.testing.assert_allclose(mean, [*features.mean(axis=0), 0], rtol=1e-12)
    np.testing.assert_allclose(scale, [*features.std(axis=0, ddof=1), 1], rtol=1e-12)
    penalty = LAMBDA * np.append(np.ones(30), 0)  # the intercept goes free
    gradient = standardised(features, model).T @ (probabilities(features, model) - labels) + penalty * weight
    np.testing.assert_allclose(gradient, 0, atol=1e-5)


def test_model_has_metadata(trained: Training) -> None:
    metadata = json.loads(Path(f"{trained.model}.mtd").read_text())
    assert (metadata["data_type"], metadata["format"]) == ("matrix", "csv")
    assert (metadata["rows"], metadata["cols"]) == (3, 31)
    assert "weight" in metadata["description"]


def test_same_seed_same_run(trained: Training, tmp_path: Path) -> None:
    again = train(tmp_path)
    assert again.printed == trained.printed
    assert again.model.read_bytes() == trained.model.read_bytes()
    assert again.test.read_bytes() == trained.test.read_bytes()


def test_saved_model_predicts_the_same(trained: Training, tmp_path: Path) -> None:
    out = tmp_path / "p.csv"
    printed = gramian(EXAMPLE / "predict.dml", model=trained.model, data=trained.test, out=out)
    assert measures(printed) == measures(trained.printed)
    expected = probabilities(load(trained.test, header=True)[:, :-1], load(trained.model))
    np.testing.assert_allclose(load(out)[:, 0], expected, rtol=1e-9)
    assert printed.startswith(f"171 patients: {np.sum(expected > 0.5)} predicted malignant, ")


def test_patients_without_labels(trained: Training, tmp_path: Path) -> None:
    unlabelled, out = tmp_path / "patients.csv", tmp_path / "p.csv"
    lines = DATA.read_text().splitlines()
    unlabelled.write_text("".join(line.rpartition(",")[0] + "\n" for line in lines))
    printed = gramian(EXAMPLE / "predict.dml", model=trained.model, data=unlabelled, out=out)
    assert "accuracy" not in printed
    expected = probabilities(load(DATA, header=True)[:, :-1], load(trained.model))
    np.testing.assert_allclose(load(out)[:, 0], expected, rtol=1e-9)


def test_a_step_that_overshoots_is_halved(tmp_path: Path) -> None:
    script = tmp_path / "outliers.dml"
    script.write_text(OUTLIERS.format(example=EXAMPLE.as_posix()))
    printed = gramian(script)
    assert min(steps(printed)) < 1
    assert losses(printed) == sorted(losses(printed), reverse=True)
