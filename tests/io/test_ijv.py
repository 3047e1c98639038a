"""Format text: one cell a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra.numpy import array_shapes, arrays

from gramian.errors import OperationError
from gramian.io import chunks, read_value, write_value
from gramian.ir.frame import BOOLEAN, FP64, INT64, STRING, Frame


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str, **options: Any) -> Any:
    Path("x").write_text(text)
    return read_value("x", {"format": "text", **options})


def refused(text: str, **options: Any) -> OperationError:
    with pytest.raises(OperationError) as caught:
        read(text, **options)
    return caught.value


CELLS = [[1.0, 0, -2], [0, np.nan, 0]]


@pytest.mark.parametrize(
    "text",
    [
        "2 2 NaN\n1 1 1\n1 3 -2\n",
        "1 1 1.0\r\n2 2 NaN\r\n1 3 -2",
        "\n  1\t1   1e0 \n\n2 2 NaN\n1 3 -2.0\n",
    ],
)
@pytest.mark.parametrize("chunk", [1, 8, 1000])
def test_cells_in_any_order(text: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", chunk)
    np.testing.assert_array_equal(read(text, rows=2, cols=3), CELLS)


def test_no_cells() -> None:
    np.testing.assert_array_equal(read("", rows=2, cols=2), np.zeros((2, 2)))


def test_sizes_are_needed() -> None:
    for sizes in ({}, {"rows": 3}, {"cols": 3}):
        assert "needs rows and cols" in refused("1 1 1\n", **sizes).message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 1 1\n3 1 1\n", "line 2: row 3, column 1 lies outside of the 2x3 matrix"),
        ("1 4 1\n", "line 1: row 1, column 4"),
        ("0 1 1\n", "line 1: row 0, column 1"),
        ("\n1 99999999999999999999 1\n", "line 2: row 1, column"),
        ("1 1 1\n1 2\n", "line 2: expected row, column and value, found '1 2'"),
        ("1 1 1 1\n", "line 1: expected row, column and value"),
        ("1 1 1\n1 1.5 1\n", "line 2: expected row, column and value"),
        ("1 1 1\n1 2 x\n", "line 2: 'x' is not a number"),
        ("1 1 inf\n", "line 1: 'inf' is not a number"),
    ],
)
def test_wrong_lines(text: str, message: str) -> None:
    assert message in refused(text, rows=2, cols=3).message


def test_too_large() -> None:
    assert "memory" in refused("1 1 1\n", rows=2**62, cols=2**62).message
    assert "memory" in refused("1 1 1\n", rows=2**40, cols=2**20).message


def test_written_form() -> None:
    write_value(np.array(CELLS), "y", {})
    assert Path("y").read_text() == "1 1 1.0\n1 3 -2.0\n2 2 NaN\n"
    np.testing.assert_array_equal(read_value("y", {}), CELLS)


@given(arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=5)))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_numbers_come_back(matrix: Any) -> None:
    for format in ("text", "mm", "binary"):
        write_value(matrix, "y", {"format": format})
        np.testing.assert_array_equal(read_value("y", {}), matrix)


def test_frames() -> None:
    frame = Frame.of(
        [["a b", None, ""], [True, None, False], [1, -2, None], [0.0, None, 1e-9]], [STRING, BOOLEAN, INT64, FP64]
    )
    write_value(frame, "y", {})
    assert "1 1 a b\n3 1 \n" in Path("y").read_text()
    found = read_value("y", {})
    assert found.types == frame.types
    assert found.table.to_pylist() == frame.table.to_pylist()
    assert read("1 1 x\n", data_type="frame", rows=2, cols=1).column(0) == ["x", None]
    with pytest.raises(OperationError, match="several lines"):
        write_value(Frame.of([["a\nb"]], [STRING]), "y", {})
