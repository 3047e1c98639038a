"""Format hdf5."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.sparse import csr_array

from gramian.errors import OperationError
from gramian.io import read_value, resolve, write_value


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def store(**data: Any) -> None:
    with h5py.File("x.h5", "w") as file:
        for name, values in data.items():
            file[name.replace("__", "/")] = values


def refused(**options: Any) -> OperationError:
    with pytest.raises(OperationError) as caught:
        read_value("x.h5", options)
    return caught.value


MATRIX = np.array([[1.0, -0.0, np.nan], [np.inf, 5e-324, 0.1]])


@pytest.mark.parametrize("matrix", [MATRIX, np.asfortranarray(MATRIX), MATRIX[:1], csr_array(MATRIX)])
@pytest.mark.parametrize("dataset", [None, "d", "/group/d"])
def test_matrices_come_back(matrix: Any, dataset: str | None) -> None:
    write_value(matrix, "y", {"format": "hdf5", **({"dataset": dataset} if dataset else {})})
    with h5py.File("y") as file:
        assert file[dataset or "X"].shape == matrix.shape
    expected = matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
    np.testing.assert_array_equal(read_value("y", {}), expected)
    assert json.loads(Path("y.mtd").read_text())["dataset"] == (dataset or "X")
    Path("y.mtd").unlink()
    np.testing.assert_array_equal(read_value("y", {}), expected)


def test_data_from_elsewhere() -> None:
    store(a=np.array([[1, 2], [3, 4]], np.int16))
    found = read_value("x.h5", {})
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [[1, 2], [3, 4]])
    assert resolve("x.h5", {}).cols == 2
    assert "has cols=2, but cols=3 is given" in refused(cols=3).message
    store(a=np.array([True, False]))
    np.testing.assert_array_equal(read_value("x.h5", {}), [[1], [0]])


def test_which_data_set() -> None:
    store(train__x=MATRIX, train__y=MATRIX[:, 0])
    np.testing.assert_array_equal(read_value("x.h5", {"dataset": "train/y"}), MATRIX[:, :1])
    assert refused().message == "'x.h5' holds 2 data sets: train/x, train/y"
    error = refused(dataset="train/z")
    assert error.message == "'x.h5' has no data set 'train/z'"
    assert "did you mean 'train/" in (error.hint or "")
    assert "has no data set 'train'" in refused(dataset="train").message
    store()
    assert "holds no data set" in refused().message


def test_what_is_no_matrix() -> None:
    for values in (np.zeros((2, 2, 2)), np.zeros((1, 1), complex), [b"a"], 3.0):
        store(a=values)
        assert "not a matrix of numbers" in refused().message
    Path("x.h5").write_text("1,2\n")
    assert "is not an HDF5 file" in refused().message
    with pytest.raises(OperationError, match="format hdf5 holds matrices, not frames"):
        read_value("x.h5", {"data_type": "frame"})


def test_bad_names() -> None:
    with pytest.raises(OperationError, match="dataset"):
        write_value(MATRIX, "y", {"format": "csv", "dataset": "d"})
    with pytest.raises(OperationError, match="cannot be the name of a data set"):
        write_value(MATRIX, "y", {"format": "hdf5", "dataset": "/"})
    assert not Path("y").exists()


def test_without_h5py(monkeypatch: pytest.MonkeyPatch) -> None:
    store(a=MATRIX)
    monkeypatch.setitem(sys.modules, "h5py", None)
    error = refused()
    assert "needs the package h5py" in error.message
    assert error.hint == "install it: pip install 'gramian[hdf5]'"
    with pytest.raises(OperationError, match="h5py"):
        write_value(MATRIX, "y", {"format": "hdf5"})
    assert not Path("y").exists()
