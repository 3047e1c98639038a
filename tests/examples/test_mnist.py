"""The MNIST examples, run the way a user runs them, on a few images that look like ten digits."""

from __future__ import annotations

import csv
import gzip
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "mnist"
SIDE = 28
COLUMNS = ["epoch", "loss", "validation_loss", "validation_accuracy", "seconds"]
TRAINED = (
    ("softmax", {"W": (784, 10), "b": (1, 10)}),
    (
        "lenet",
        {"W1": (32, 25), "b1": (32, 1), "W2": (64, 800), "b2": (64, 1), "W3": (3136, 512), "b3": (1, 512)}
        | {"W4": (512, 10), "b4": (1, 10)},
    ),
)


def run(*command: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, *map(str, command)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert "Traceback" not in done.stderr
    return done


def gramian(script: Path, **params: object) -> subprocess.CompletedProcess[str]:
    nvargs = [f"{name}={value}" for name, value in params.items()]
    return run("-m", "gramian", "run", script, "-precision", "single", "-nvargs", *nvargs)


def printed(script: Path, **params: object) -> str:
    done = gramian(script, **params)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def idx(cells: np.ndarray) -> bytes:
    return bytes((0, 0, 8, cells.ndim)) + struct.pack(f">{cells.ndim}I", *cells.shape) + cells.tobytes()


def images_and_labels(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Each digit is a pattern of its own, under noise."""
    rng = np.random.default_rng(seed)
    patterns = np.random.default_rng(0).integers(0, 2, (10, SIDE, SIDE)) * 200
    labels = rng.permutation(np.arange(count) % 10)
    return (patterns[labels] + rng.integers(0, 56, (count, SIDE, SIDE))).astype(np.uint8), labels.astype(np.uint8)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with idx files: those for training packed, those for the test not."""
    folder = tmp_path_factory.mktemp("idx")
    images, labels = images_and_labels(120, seed=1)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    images, labels = images_and_labels(40, seed=2)
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(images))
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder


@pytest.fixture(scope="module")
def data(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("npy")
    done = run(EXAMPLE / "fetch.py", "--from", packed, "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    return out


@pytest.fixture
def spoiled(data: Path, tmp_path: Path) -> Path:
    """A copy of the data, to change."""
    for file in data.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def test_fetch_converts(data: Path) -> None:
    images, labels = images_and_labels(120, seed=1)
    np.testing.assert_array_equal(np.load(data / "train-images.npy"), images.reshape(120, -1))
    np.testing.assert_array_equal(np.load(data / "train-labels.npy")[:, 0], labels)
    assert sorted(p.name for p in data.iterdir()) == [
        f"{a}-{b}.npy" for a in ("test", "train") for b in ("images", "labels")
    ]


def test_fetch_says_what_is_wrong(packed: Path, tmp_path: Path) -> None:
    def error(*options: object) -> str:
        done = run(EXAMPLE / "fetch.py", "--out", tmp_path / "out", *options)
        assert done.returncode == 1
        assert not any((tmp_path / "out").iterdir())
        return done.stderr

    assert "there is neither" in error("--from", tmp_path)
    name = "train-images-idx3-ubyte"
    (tmp_path / name).write_bytes(gzip.decompress((packed / f"{name}.gz").read_bytes())[:-1])
    assert f"{name} is damaged" in error("--from", tmp_path)
    (tmp_path / name).write_bytes(b"no idx file")
    assert f"{name} is not an idx file" in error("--from", tmp_path)
    assert "its checksum is wrong" in error("--mirror", packed.as_uri())
    assert "--mirror" in error("--mirror", (tmp_path / "nothing").as_uri())


@pytest.mark.parametrize(("name", "weights"), TRAINED)
def test_train_and_predict(name: str, weights: dict[str, tuple[int, int]], data: Path, tmp_path: Path) -> None:
    seen = printed(EXAMPLE / f"{name}-train.dml", data=data, out=tmp_path, epochs=3, batch_size=16)
    assert "Training on 100 images, validation on 20 others" in seen

    model = {
        file.name.split("_")[1]: np.load(file) for file in (tmp_path / "model").glob("*_*") if file.suffix != ".mtd"
    }
    assert {key: value.shape for key, value in model.items()} == weights
    assert (tmp_path / "model.mtd").exists()
    rows = list(csv.DictReader((tmp_path / "history.csv").read_text().splitlines()))
    assert list(rows[0]) == COLUMNS
    assert [float(row["epoch"]) for row in rows] == [1, 2, 3]
    assert float(rows[2]["loss"]) < float(rows[0]["loss"])
    lines = re.findall(r"^ +(\d) +(\d\.\d{6}) +(\d\.\d{6}) +(\d\.\d{4}) +\d+\.\d\d$", seen, re.MULTILINE)
    assert [line[0] for line in lines] == ["1", "2", "3"]
    assert [float(line[1]) for line in lines] == pytest.approx([float(row["loss"]) for row in rows], abs=1e-4)

    out = tmp_path / "p.npy"
    seen = printed(EXAMPLE / f"{name}-predict.dml", data=data, model=tmp_path / "model", out=out)
    probabilities, labels = np.load(out), np.load(data / "test-labels.npy")[:, 0]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    accuracy = np.mean(probabilities.argmax(axis=1) == labels)
    assert accuracy > 0.5
    found = re.search(r"^(\d+) of 40 digits are right: accuracy (\S+)$", seen, re.MULTILINE)
    assert found
    assert int(found[1]) == round(40 * accuracy)
    assert float(found[2]) == pytest.approx(accuracy, abs=1e-4)


def test_missing_data_says_how_to_fetch_it(tmp_path: Path) -> None:
    done = gramian(EXAMPLE / "softmax-train.dml", data=tmp_path / "nothing", out=tmp_path)
    assert done.returncode == 1
    assert "cannot find the file" in done.stderr
    assert "python examples/mnist/fetch.py" in done.stderr


def test_labels_that_are_not_one_hot(spoiled: Path) -> None:
    def error(labels: np.ndarray) -> str:
        np.save(spoiled / "train-labels.npy", labels)
        done = gramian(EXAMPLE / "softmax-train.dml", data=spoiled, out=spoiled)
        assert done.returncode == 1
        return done.stderr

    digits = np.load(spoiled / "train-labels.npy")[:, 0]
    one_hot = np.eye(10)[digits]
    one_hot[6] = 0.1
    one_hot[8, :2] = 1
    assert "must be one-hot, a single 1 in each row and zeros else; row 7 is not, nor is 1 other" in error(one_hot)
    assert "labels must be one-hot, with a column for each of 10 classes; found 9 columns" in error(one_hot[:, :9])
    assert "classes must be numbers from 1 to 10, found 1.0 to 11.0" in error(np.append(digits[:-1], 10))
    assert "has 120 rows, but" in error(digits[:-1])


def test_labels_may_be_one_hot_already(spoiled: Path) -> None:
    np.save(spoiled / "train-labels.npy", np.eye(10)[np.load(spoiled / "train-labels.npy")[:, 0]])
    printed(EXAMPLE / "softmax-train.dml", data=spoiled, out=spoiled, epochs=1, examples=60)
    assert (spoiled / "history.csv").exists()


def test_a_loss_that_is_no_number_stops_the_training(data: Path, tmp_path: Path) -> None:
    done = gramian(EXAMPLE / "lenet-train.dml", data=data, out=tmp_path, epochs=2, batch_size=20, lr=1e30)
    assert done.returncode == 1
    assert re.search(r"The loss is NaN in epoch 1, batch [2-5]: try a smaller learning rate", done.stderr)
    assert not (tmp_path / "model").exists()


def test_paramserv_trains_the_same_networks(data: Path, tmp_path: Path) -> None:
    script = tmp_path / "workers.dml"
    script.write_text(
        f"""
source("{(EXAMPLE / "mnist.dml").as_posix()}") as mnist
source("{(EXAMPLE / "softmax.dml").as_posix()}") as softmax
[X, Y] = mnist::load("{data.as_posix()}", "train", 10, 0)
[X_test, Y_test] = mnist::load("{data.as_posix()}", "test", 10, 0)
model = paramserv(model=softmax::init(784, 10, 1), features=X / 255, labels=Y, upd="softmax::gradients",
  agg="softmax::aggregation", epochs=4, batchsize=10, k=2, utype="BSP", hyperparams=list(lr=0.02, mu=0.5))
print(mean(rowIndexMax(softmax::predict(X_test / 255, model)) == rowIndexMax(Y_test)))
"""
    )
    assert float(printed(script, unused=1)) > 0.9


def test_lenet_trains_by_batches_in_parallel(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    small = {"F1": 4, "F2": 8, "M": 32, "keep": 1.0}
    text = printed(EXAMPLE / "lenet-distrib-train.dml", data=data, out=out, epochs=4, batch_size=10, lr=0.05, **small)
    assert "Training on 100 images, 4 batches at a time, validation on 20 others" in text
    with open(out / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == COLUMNS
    assert float(rows[-1]["loss"]) < 0.5 * float(rows[0]["loss"])
    seen = printed(EXAMPLE / "lenet-predict.dml", data=data, model=out / "model", out=tmp_path / "probs.npy")
    assert "40" in seen
    assert np.load(tmp_path / "probs.npy").shape == (40, 10)


def test_lenet_trains_on_random_images(tmp_path: Path) -> None:
    small = {"F1": 2, "F2": 2, "M": 8, "epochs": 1}
    text = printed(EXAMPLE / "lenet-distrib-train.dml", dummy=30, out=tmp_path, **small)
    assert "Training on 25 images" in text
