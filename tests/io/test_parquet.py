"""Format parquet: matrices and frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from scipy.sparse import csr_array

from gramian.errors import OperationError
from gramian.io import read_value, resolve, write_value
from gramian.ir.frame import BOOLEAN, FP64, INT64, STRING, Frame


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def store(name: str = "x", **columns: Any) -> None:
    parquet.write_table(pa.table(columns), name)


MATRIX = np.array([[1.0, -0.0, np.nan], [np.inf, 5e-324, 0.1]])


@pytest.mark.parametrize("matrix", [MATRIX, np.asfortranarray(MATRIX), MATRIX[:, ::2], csr_array(MATRIX)])
def test_matrices(matrix: Any) -> None:
    write_value(matrix, "y", {"format": "parquet"})
    assert parquet.read_table("y").column_names == [f"C{j}" for j in range(1, matrix.shape[1] + 1)]
    expected = matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
    np.testing.assert_array_equal(read_value("y", {}), expected)
    Path("y.mtd").unlink()
    found = read_value("y", {})
    assert found.tobytes() == np.ascontiguousarray(expected).tobytes()


def test_many_rows() -> None:
    matrix = np.random.default_rng(1).standard_normal((300_000, 3))
    write_value(matrix, "y", {"format": "parquet"})
    np.testing.assert_array_equal(read_value("y", {}), matrix)


def test_matrices_from_elsewhere() -> None:
    store(
        a=pa.array([1, None], pa.int32()),
        b=pa.array([True, False]),
        c=pa.array([1.5, None], pa.float32()),
        d=pa.array([3, 4], pa.int8()).dictionary_encode(),
        e=pa.array([None, None]),
        f=pa.array(["1.25", "2"]).cast(pa.decimal128(5, 2)),
    )
    expected = [[1, 1, 1.5, 3, np.nan, 1.25], [np.nan, 0, np.nan, 4, np.nan, 2]]
    np.testing.assert_array_equal(read_value("x", {}), expected)
    assert (resolve("x", {}).rows, resolve("x", {}).cols) == (2, 6)
    with pytest.raises(OperationError, match="has rows=2, but rows=3 is given"):
        read_value("x", {"rows": 3})


def test_texts_are_no_matrix() -> None:
    store(a=[1, 2], b=["x", "y"])
    with pytest.raises(OperationError, match="column 'b' of 'x' holds string, not numbers") as caught:
        read_value("x", {})
    assert 'data_type="frame"' in (caught.value.hint or "")


@pytest.mark.parametrize("data_type", ["matrix", "frame"])
@pytest.mark.parametrize("column", [[[1], [2, 3]], [{"u": 1}, {"u": 2}]])
def test_nested_columns(data_type: str, column: Any) -> None:
    store(a=[1, 2], b=column)
    with pytest.raises(OperationError, match=r"column 'b' of 'x' is nested \((list|struct)<"):
        read_value("x", {"data_type": data_type})


def test_frames() -> None:
    frame = Frame.of(
        [["a", None, ""], [True, None, False], [1, -2, None], [0.0, None, np.nan]],
        [STRING, BOOLEAN, INT64, FP64],
        ["s", "b", "i", "d"],
    )
    write_value(frame, "y", {"format": "parquet"})
    found = read_value("y", {})
    assert (found.names, found.types) == (frame.names, frame.types)
    assert found.table.drop_columns("d").equals(frame.table.drop_columns("d"))
    assert str(found.column(3)) == str(frame.column(3))
    typed = read_value("y", {"schema": "STRING,BOOLEAN,INT64,FP64"})
    assert typed.types == frame.types


def test_frames_from_elsewhere() -> None:
    store(
        a=pa.array(["x", None]).dictionary_encode(), b=pa.array([1, 2], pa.int16()), c=pa.array([18262, 0], pa.date32())
    )
    frame = read_value("x", {"data_type": "frame"})
    assert frame.types == (STRING, INT64, STRING)
    assert frame.column(2) == ["2020-01-01", "1970-01-01"]
    assert read_value("x", {"data_type": "frame", "schema": "STRING,FP64,STRING"}).types == (STRING, FP64, STRING)
    store(a=pa.array([2**64 - 1], pa.uint64()))
    with pytest.raises(OperationError, match="cannot read 'x'"):
        read_value("x", {"data_type": "frame"})
    np.testing.assert_array_equal(read_value("x", {}), [[2.0**64]])


def test_parts() -> None:
    Path("x").mkdir()
    store("x/part-1.parquet", a=[3, 4])
    store("x/part-0.parquet", a=[1, 2])
    Path("x", "_SUCCESS").touch()
    np.testing.assert_array_equal(read_value("x", {"format": "parquet"}), [[1], [2], [3], [4]])
    assert read_value("x", {"data_type": "frame"}).column(0) == [1, 2, 3, 4]
    store("x/part-2.parquet", b=[3, 4])
    with pytest.raises(OperationError, match="the parts of 'x' have different columns: see"):
        read_value("x", {})


def test_other_files() -> None:
    Path("x.parquet").write_text("1,2\n")
    Path("y").write_bytes(b"PAR1xxxx" + bytes(100) + b"PAR1")
    for name in ("x.parquet", "y"):
        with pytest.raises(OperationError, match=f"cannot read '{name}'"):
            read_value(name, {})
    parquet.write_table(pa.table({}), "z")
    with pytest.raises(OperationError, match="'z' has no columns"):
        read_value("z", {})
