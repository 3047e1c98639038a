"""Format binary: .npy and Arrow files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from gramian.errors import OperationError
from gramian.io import read_value, resolve, write_value
from gramian.ir.frame import FP64, STRING, Frame


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


MATRIX = np.array([[1.0, -0.0, np.nan], [np.inf, 5e-324, 0.1]])


@pytest.mark.parametrize("matrix", [MATRIX, np.asfortranarray(MATRIX), MATRIX[:, ::2], MATRIX[:1], MATRIX[:, :1]])
def test_matrices_are_npy_files(matrix: np.ndarray) -> None:
    write_value(matrix, "y", {"format": "binary"})
    with open("y", "rb") as file:
        loaded = np.load(file)
    for found in (loaded, read_value("y", {}), read_value("y", {"format": "binary", "rows": matrix.shape[0]})):
        assert found.shape == matrix.shape
        assert np.ascontiguousarray(found).tobytes() == np.ascontiguousarray(matrix).tobytes()


def test_npy_files_from_elsewhere() -> None:
    np.save("a.npy", np.array([[1, 2], [3, 4]], dtype=np.int32))
    np.save("b.npy", np.array([True, False]))
    np.testing.assert_array_equal(read_value("a.npy", {}), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(read_value("b.npy", {}), [[1], [0]])
    assert resolve("a.npy", {}).cols == 2
    for array in (np.zeros((2, 2, 2)), np.array([[1j]]), np.array([["a"]])):
        np.save("c.npy", array)
        with pytest.raises(OperationError, match="not a matrix of numbers"):
            read_value("c.npy", {})
    np.save("c.npy", np.array([[None]], dtype=object), allow_pickle=True)
    with pytest.raises(OperationError, match=r"c\.npy"):
        read_value("c.npy", {})


def test_frames_are_arrow_files() -> None:
    frame = Frame.of([["a", None], [1.5, None]], [STRING, FP64], ["name", "value"])
    write_value(frame, "y", {"format": "binary"})
    assert pa.ipc.open_file(pa.BufferReader(Path("y").read_bytes())).read_all().equals(frame.table)
    found = read_value("y", {})
    assert found.names == ["name", "value"]
    assert found.table.equals(frame.table)
    Path("y.mtd").unlink()
    assert resolve("y", {}).data_type == "frame"
    with pytest.raises(OperationError) as caught:
        read_value("y", {"data_type": "matrix", "format": "binary"})
    assert 'data_type="frame"' in (caught.value.hint or "")


def test_other_files_are_refused() -> None:
    Path("y").write_text("1,2\n")
    Path("z").write_bytes(b"\x93NUMPYxxxx")
    Path("a").write_bytes(b"ARROW1xxxx")
    for name, data_type in (("y", "matrix"), ("y", "frame"), ("z", "matrix"), ("a", "frame")):
        with pytest.raises(OperationError, match=f"'{name}'"):
            read_value(name, {"format": "binary", "data_type": data_type})


def test_sizes_must_agree() -> None:
    write_value(MATRIX, "y", {"format": "binary"})
    Path("y.mtd").unlink()
    with pytest.raises(OperationError, match="has rows=2, but rows=3 is given"):
        read_value("y", {"rows": 3})
