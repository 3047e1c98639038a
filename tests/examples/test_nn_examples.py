"""The examples of the neural network library: each trains on a little data, writes its files, and predicts from them."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from gramian.api.script import Script
from gramian.errors import ScriptError
from gramian.settings import Settings

EXAMPLES = Path(__file__).parents[2] / "examples"
DIGITS = EXAMPLES / "data" / "digits.csv"
PATIENTS = EXAMPLES / "breast_cancer" / "data" / "wdbc.csv"
NUMBER = r"[-+.\de]+"
EPOCH = re.compile(rf"^ +(\d+) +({NUMBER}) +({NUMBER}) +({NUMBER}) +({NUMBER})$", re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """A folder with train.dml and predict.dml, and parameters with which it is done in a second or two.

    Of 300 rows, 210 are for training and 30 for validation: with batches of 30 there is one size to compile for.
    """

    name: str
    parameters: dict[str, int | float | str]
    result: str = "probabilities"
    columns: int = 10

    @property
    def folder(self) -> Path:
        return EXAMPLES / self.name


SMALL = [
    Example("sequences", {"epochs": 3, "cells": 16}),
    Example("autoencoder", {"epochs": 3}, "codes", 8),
    Example("residual", {"epochs": 2, "channels": 4}),
    Example("transformer", {"epochs": 2, "width": 8, "heads": 2, "layers": 1, "lr": 0.02}),
    Example("breast_cancer_mlp", {"epochs": 5}, columns=1),
    Example("paramserv", {"epochs": 3, "F1": 2, "F2": 4, "M": 16}),
]


def run(script: Path, **parameters: int | float | str) -> None:
    Script.compile_file(str(script), Settings(parameters=dict(parameters))).run()


def little(data: Path, folder: Path, rows: int = 300) -> str:
    """A file with the first rows of the data."""
    lines = data.read_text().splitlines(keepends=True)
    short = folder / data.name
    short.write_text("".join(lines[: rows + 1]))
    return str(short)


def data_of(example: Example) -> Path:
    return PATIENTS if example.name == "breast_cancer_mlp" else DIGITS


def load(path: Path) -> np.ndarray:
    header = 0 if re.match(r"[-\d]", path.read_text()) else 1
    return np.loadtxt(path, delimiter=",", skiprows=header, ndmin=2)


@pytest.mark.parametrize("example", SMALL, ids=lambda e: e.name)
def test_trains_and_predicts(example: Example, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    run(
        example.folder / "train.dml",
        data=little(data_of(example), tmp_path),
        out=str(out),
        batch_size=30,
        **example.parameters,
    )
    epochs = [[float(cell) for cell in line] for line in EPOCH.findall(capsys.readouterr().out)]
    assert [int(e[0]) for e in epochs] == list(range(1, int(example.parameters["epochs"]) + 1))
    assert epochs[-1][1] < epochs[0][1]  # the loss falls
    with (out / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in history] == pytest.approx([e[1] for e in epochs], abs=1e-6)
    assert [float(row["validation_loss"]) for row in history] == pytest.approx([e[2] for e in epochs], abs=1e-6)
    assert list(history[0])[-1] == "seconds"

    test, predicted = load(out / "test.csv"), tmp_path / "predicted.csv"
    given = {"model": str(out / "model"), "data": str(out / "test.csv"), example.result: str(predicted)}
    if example.name == "autoencoder":
        given |= {"pca": str(out / "pca"), "decoded": str(tmp_path / "decoded.csv")}
    run(example.folder / "predict.dml", **given)
    result = load(predicted)
    assert result.shape == (len(test), example.columns)
    if example.result == "probabilities":
        assert ((result >= 0) & (result <= 1)).all()
        assert example.columns == 1 or result.sum(axis=1) == pytest.approx(1)
    check_told(capsys.readouterr().out, example, result, test)


def check_told(told: str, example: Example, result: np.ndarray, test: np.ndarray) -> None:
    """What predict.dml prints is true."""
    if example.name == "autoencoder":
        return
    right = (result[:, 0] > 0.5) == test[:, -1] if example.columns == 1 else result.argmax(axis=1) == test[:, 0]
    found = re.search(rf"accuracy ({NUMBER})", told)
    assert found is not None
    assert float(found[1]) == pytest.approx(right.mean(), abs=1e-4)


def test_autoencoder_against_pca(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = little(DIGITS, tmp_path, 200)
    out, decoded = tmp_path / "out", tmp_path / "decoded.csv"
    run(EXAMPLES / "autoencoder" / "train.dml", data=data, out=str(out), epochs=1, code=5)
    files = {name: str(out / name) for name in ("model", "pca")}
    run(EXAMPLES / "autoencoder" / "predict.dml", data=data, codes=str(out / "c.csv"), decoded=str(decoded), **files)
    pixels, test = load(Path(data))[:, 1:] / 16, load(out / "test.csv")[:, 1:] / 16
    held_out = {tuple(row) for row in test}
    # the rows of training and validation; PCA was fitted to those of training only, so it can only be worse than on both
    others = np.array([row for row in pixels if tuple(row) not in held_out])
    center = others.mean(axis=0)
    variances = np.linalg.svd(others - center, compute_uv=False) ** 2
    best = variances[5:].sum() / others.size
    told = dict(re.findall(r"^(\w+) +(0\.\d+)", capsys.readouterr().out, re.MULTILINE))
    assert best < float(told["PCA"]) < 2 * best
    assert float(told["autoencoder"]) == pytest.approx(np.mean((load(decoded) / 16 - pixels) ** 2), abs=1e-6)


def test_batch_norms_predict_by_running_averages(tmp_path: Path) -> None:
    """What the residual network says of an image does not depend on the other images."""
    out = tmp_path / "out"
    run(
        EXAMPLES / "residual" / "train.dml",
        data=little(DIGITS, tmp_path),
        out=str(out),
        epochs=1,
        channels=4,
        batch_size=30,
    )
    test = (out / "test.csv").read_text().splitlines(keepends=True)
    (tmp_path / "few.csv").write_text("".join(test[:6]))
    found = []
    for data in (out / "test.csv", tmp_path / "few.csv"):
        result = tmp_path / f"{data.stem}_p.csv"
        run(EXAMPLES / "residual" / "predict.dml", model=str(out / "model"), data=str(data), probabilities=str(result))
        found.append(load(result))
    np.testing.assert_allclose(found[0][:5], found[1], rtol=1e-9)


def test_cross_validation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = tmp_path / "folds.csv"
    script = EXAMPLES / "breast_cancer_mlp" / "cross_validate.dml"
    run(script, data=str(PATIENTS), result=str(result), folds=4, epochs=6)
    folds = load(result)
    assert folds.shape == (4, 4)
    told = capsys.readouterr().out
    assert sum(int(n) for n in re.findall(r"^ +\d +(\d+) +\d\.", told, re.MULTILINE)) == 569
    for line, expected in (("mean", folds[:, 1:].mean(axis=0)), ("spread", folds[:, 1:].std(axis=0, ddof=1))):
        found = re.search(rf"^{line} +({NUMBER}) +({NUMBER}) +({NUMBER})$", told, re.MULTILINE)
        assert found is not None
        assert [float(x) for x in found.groups()] == pytest.approx(expected, abs=1e-4)
    assert folds[:, 1].mean() > 0.93


@pytest.mark.parametrize("mode", ["BSP", "SBP", "ASP", "SSP"])
@pytest.mark.parametrize("network", ["softmax", "lenet"])
def test_two_workers_in_every_mode(network: str, mode: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = {"epochs": 8, "F1": 4, "F2": 8, "M": 16, "batch_size": 15, "lr": 0.02}
    script, data = EXAMPLES / "paramserv" / "train.dml", little(DIGITS, tmp_path)
    run(script, data=data, out=str(tmp_path / "out"), network=network, mode=mode, workers=2, **small)
    told = capsys.readouterr().out
    assert f"by 2 workers, {mode};" in told
    losses = [float(line[1]) for line in EPOCH.findall(told)]
    assert len(losses) == 8
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("name", ["sequences", "paramserv", "breast_cancer_mlp"])
def test_a_loss_that_is_nan_stops_the_training(name: str, tmp_path: Path) -> None:
    data = PATIENTS if name == "breast_cancer_mlp" else DIGITS
    lines = data.read_text().splitlines()
    cells = lines[1].split(",")
    cells[5] = "NaN"
    broken = tmp_path / "broken.csv"
    broken.write_text("\n".join([lines[0]] + [",".join(cells)] * 40) + "\n")
    with pytest.raises(ScriptError, match=r"The loss is NaN in epoch 1, batch 1: try a smaller learning rate"):
        run(EXAMPLES / name / "train.dml", data=str(broken), out=str(tmp_path / "out"), epochs=2)
