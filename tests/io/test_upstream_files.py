"""Files as Apache SystemDS 3.4 writes them, metadata included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gramian.io import read_value
from gramian.ir.frame import FP64, INT64


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


MATRIX = [[1, 0, -2.5], [0, 1e-6, 3], [7, 0, 0], [1e10, 0, 5]]
CELLS = "1 1 1.0\n1 3 -2.5\n2 2 1.0E-6\n2 3 3.0\n3 1 7.0\n4 1 1.0E10\n4 3 5.0\n"


def store(name: str, text: str, format: str, more: str = "") -> None:
    Path(name).write_text(text)
    Path(name + ".mtd").write_text(
        f'{{\n    "data_type": "matrix",\n    "value_type": "double",\n    "rows": 4,\n    "cols": 3,\n    "nnz": 7,\n'
        f'    "format": "{format}",\n    "author": "root",\n{more}    "created": "2026-11-22 12:49:43 UTC"\n}}'
    )


def test_matrices() -> None:
    store("a", "C1;C2;C3\n1.0;0;-2.5\n0;1.0E-6;3.0\n7.0;0;0\n1.0E10;0;5.0\n", "csv", '"header": true,\n"sep": ";",\n')
    store("b", "1.0,,-2.5\n,1.0E-6,3.0\n7.0,,\n1.0E10,,5.0\n", "csv", '"header": false,\n"sep": ",",\n')
    store("c", CELLS, "text")
    store("d", "-2.5,1:1.0\n3.0,2:1.0E-6\n0.0,1:7.0\n5.0,1:1.0E10\n", "libsvm")
    store("e", "-2.5 1:1.0\n3.0 2:1.0E-6\n0.0 1:7.0\n5.0 1:1.0E10\n", "libsvm")  # sep=" "
    Path("f").write_text("%%MatrixMarket matrix coordinate real general\n4 3 7\n" + CELLS)
    for name in "abcdef":
        np.testing.assert_array_equal(read_value(name, {}), MATRIX)


def test_folders_of_parts() -> None:
    """As Spark and Hadoop leave them, with metadata in a folder as well."""
    for name, parts in {
        "a": ["1,2\n", "3,4\n"],
        "b": ["1 1 1\n2 2 4\n", "1 2 2\n2 1 3\n"],
        "c": ["2,1:1\n", "4,1:3\n"],
    }.items():
        Path(name).mkdir()
        for at, text in enumerate(parts):
            Path(name, f"part-{at:05}").write_text(text)
            Path(name, f".part-{at:05}.crc").write_bytes(b"crc")
        Path(name, "_SUCCESS").touch()
        Path(name + ".mtd").mkdir()
        format = {"a": "csv", "b": "text", "c": "libsvm"}[name]
        Path(name + ".mtd", "part-00000").write_text(f'{{"data_type": "matrix", "format": "{format}"}}')
        Path(name + ".mtd", "part-00001").write_text('{"rows": 2, "cols": 2, "nnz": -1}')
        np.testing.assert_array_equal(read_value(name, {}), [[1, 2], [3, 4]])


def test_frames() -> None:
    Path("f").write_text("C1,C2\n1,0.0\n10000000000,-2.5\n")
    Path("f.mtd").write_text(
        '{"data_type": "frame", "schema": "INT64,FP32,", "rows": 2, "cols": 2, "format": "csv", "author": "root",'
        ' "header": true, "sep": ",", "created": "2026-11-22 12:49:44 UTC"}'
    )
    frame = read_value("f", {})
    assert frame.types == (INT64, FP64)
    assert [frame.column(0), frame.column(1)] == [[1, 10_000_000_000], [0.0, -2.5]]
    Path("t").write_text("1 1 1\n1 2 -2.5\n2 1 7\n")
    Path("t.mtd").write_text(
        '{"data_type": "frame", "schema": "INT64,FP32,", "rows": 2, "cols": 2, "format": "text", "description": "-1"}'
    )
    assert read_value("t", {}).column(0) == [1, 7]
