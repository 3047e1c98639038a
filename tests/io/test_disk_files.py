"""Matrices on disk are written as those in memory are, and files are read to disk where memory has no room."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gramian.errors import OperationError
from gramian.io import csv, read_value, write_value
from gramian.ir import disk
from gramian.ir.disk import DiskMatrix, Room, is_on_disk

DENSE = ("csv", "text", "binary", "npy", "parquet", "hdf5")
X = np.round(np.random.default_rng(7).normal(size=(40, 6)), 3)
X[3, 2] = X[5, 5] = X[39, 0] = 0.0


class OnDisk(Room):
    """No room in memory at all."""

    def __init__(self, folder: Path, dtype: str = "f8") -> None:
        self.folder = folder
        self.dtype = dtype

    def place(self, rows: int, cols: int) -> Any:
        return DiskMatrix.new((rows, cols), str(self.folder), self.dtype)

    def require(self, size: int, what: str) -> None:
        raise OperationError(f"{what} needs {size} bytes")


@pytest.fixture(autouse=True)
def small_panels(monkeypatch):
    monkeypatch.setattr(disk, "BATCH", 16)


def on_disk(matrix: Any, folder: Path) -> DiskMatrix:
    found = DiskMatrix.new(matrix.shape, str(folder), matrix.dtype)
    found.write(0, matrix)
    return found


@pytest.mark.parametrize("format", DENSE)
def test_reading(format: str, tmp_path: Path) -> None:
    path = str(tmp_path / f"x.{format}")
    write_value(X, path, {"format": format})
    for dtype in ("f8", "f4"):
        found = read_value(path, {}, OnDisk(tmp_path, dtype))
        assert is_on_disk(found)
        assert (found.shape, found.dtype) == (X.shape, np.dtype(dtype))
        np.testing.assert_array_equal(found.load(), X.astype(dtype))


@pytest.mark.parametrize("form", ["rows", "columns"])
@pytest.mark.parametrize("format", [*DENSE, "mm", "libsvm"])
def test_writing(format: str, form: str, tmp_path: Path) -> None:
    here, there = str(tmp_path / f"x.{format}"), str(tmp_path / f"y.{format}")
    write_value(X if form == "rows" else np.asfortranarray(X), here, {"format": format})
    write_value(on_disk(X, tmp_path) if form == "rows" else on_disk(X.T, tmp_path).T, there, {"format": format})
    if format == "hdf5":
        np.testing.assert_array_equal(read_value(there, {}), X)
    else:
        assert Path(there).read_bytes() == Path(here).read_bytes()
    if format != "mm":
        about_there, about_here = (json.loads(Path(path + ".mtd").read_text("utf-8")) for path in (there, here))
        assert about_there | {"created": None} == about_here | {"created": None}


def test_a_binary_file_stays_where_it_is(tmp_path: Path) -> None:
    path = str(tmp_path / "x.npy")
    for matrix in (X, np.asfortranarray(X), X.astype("f4"), X.astype(">i2"), X[:, :1]):
        np.save(path, matrix)
        before = set(tmp_path.iterdir())
        found = read_value(path, {}, OnDisk(tmp_path))
        np.save(tmp_path / "other.npy", X + 1)
        (tmp_path / "other.npy").replace(path)  # as write() does it
        np.testing.assert_array_equal(found.load(), matrix.astype("f8"))
        assert set(tmp_path.iterdir()) == before


def test_a_csv_file_that_is_longer_than_it_seems(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("gramian.io.chunks.CHUNK_BYTES", 64)
    rows = [f"{i}.000000000000,{-i}.00000000000" for i in range(4)] + [f"{i % 10},1" for i in range(500)]
    path = tmp_path / "x.csv"
    path.write_text("\n".join(rows) + "\n")
    expected = read_value(str(path), {})
    assert expected.shape == (504, 2)

    class Little(OnDisk):
        """Room for some rows, but not for all."""

        def place(self, rows: int, cols: int) -> Any:
            return np.empty((rows, cols)) if rows < 200 else super().place(rows, cols)

    for room in (OnDisk(tmp_path), Little(tmp_path)):
        found = read_value(str(path), {}, room)
        assert is_on_disk(found)
        np.testing.assert_array_equal(found.load(), expected)


def test_cells_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "x.ijv"
    draw = np.random.default_rng(1)
    cells = [(i, j) for i in range(30) for j in range(5)]
    draw.shuffle(cells)
    lines = [f"{i + 1} {j + 1} {i * 10 + j}" for i, j in cells] + ["3 3 -1", "3 3 -2"]
    path.write_text("\n".join(lines) + "\n")
    options = {"format": "text", "rows": 30, "cols": 5}
    found = read_value(str(path), options, OnDisk(tmp_path))
    np.testing.assert_array_equal(found.load(), read_value(str(path), options))
    assert found[2, 2] == -2


def test_what_is_read_in_one_piece_needs_room(tmp_path: Path) -> None:
    for format in ("mm", "libsvm"):
        path = str(tmp_path / f"x.{format}")
        write_value(X, path, {"format": format})
        with pytest.raises(OperationError, match=f"reading '.*x.{format}' needs"):
            read_value(path, {}, OnDisk(tmp_path))


def test_wrong_lines_are_found(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("1,2\n" * 100 + "3,x\n")
    with pytest.raises(OperationError, match="line 101, column 2"):
        read_value(str(path), {}, OnDisk(tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["x.csv"]


def test_cells_grow_in_memory_that_another_matrix_has_left() -> None:
    class Left(Room):
        def place(self, rows: int, cols: int) -> np.ndarray:
            return np.frombuffer(bytearray(8 * rows * cols), np.float64).reshape(rows, cols)

    cells = csv.Cells(2, 1, Left())
    expected = np.arange(1.0, 61).reshape(30, 2)
    for first in range(0, 30, 3):
        cells.append(expected[first : first + 3].ravel())
    np.testing.assert_array_equal(cells.matrix(), expected)


def test_cells_grow_in_memory() -> None:
    cells = csv.Cells(2, 1, Room())
    for i in range(50):
        cells.append(np.arange(6.0) + i)
    assert cells.matrix().shape == (150, 2)
