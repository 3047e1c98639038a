"""Scalars and lists in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from gramian.errors import OperationError
from gramian.io import read_value, write_value
from gramian.ir.frame import STRING, Frame
from gramian.ir.values import ListValue


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str, value_type: str = "double") -> Any:
    Path("x").write_bytes(text.encode())
    return read_value("x", {"data_type": "scalar", "value_type": value_type})


@pytest.mark.parametrize(
    ("value", "text"),
    [(42, "42"), (4.0, "4.0"), (1e10, "1.0E10"), (True, "true"), (False, "false"), ("hello\nworld", "hello\nworld")],
)
def test_written_form(value: Any, text: str) -> None:
    write_value(value, "x", {})
    assert Path("x").read_bytes() == text.encode()
    found = read_value("x", {})
    assert (found, type(found)) == (value, type(value))
    write_value(value, "x", {"format": "csv"})  # the one form of a scalar
    assert Path("x").read_bytes() == text.encode()


@given(st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.booleans())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_scalars_come_back(value: Any) -> None:
    write_value(value, "x", {})
    found = read_value("x", {})
    assert (repr(found), type(found)) == (repr(value), type(value))


def test_reading() -> None:
    assert read("4.5") == 4.5
    assert read(" 1e3 \r\n") == 1000.0
    assert np.isnan(read("NaN"))
    assert read("+7\n", "int") == 7
    assert read("TRUE\n", "boolean") is True
    assert read("a\r\n b\r\n", "string") == "a\r\n b"
    assert read("a\n\n", "string") == "a\n"
    assert read("", "string") == ""


@pytest.mark.parametrize(
    ("text", "value_type"),
    [("x", "double"), ("", "double"), ("1 2", "double"), ("1.5", "int"), ("9" * 19, "int"), ("1", "boolean")],
)
def test_mistakes(text: str, value_type: str) -> None:
    with pytest.raises(OperationError, match=f"'x' does not hold a scalar of type {value_type}: '{text}'"):
        read(text, value_type)


def test_lists() -> None:
    matrix = np.array([[1.0, 0.0]])
    frame = Frame.of([["a", None]], [STRING])
    inner = ListValue([1, ListValue([])], ["one", None])
    value = ListValue([matrix, 2, "text", True, frame, inner], ["m", None, "s", None, "f", "l"])
    for options in ({}, {"format": "csv", "header": True, "sep": ";"}, {"format": "binary"}):
        write_value(value, "x", options)
        names = {path.name for path in Path("x").iterdir() if not path.name.endswith(".mtd")}
        assert names == {"0_m", "1_null", "2_s", "3_null", "4_f", "5_l"}
        found = read_value("x", {})
        assert found.names == value.names
        np.testing.assert_array_equal(found.items[0], matrix)
        assert found.items[1:4] == (2, "text", True)
        assert found.items[4].column(0) == ["a", None]
        assert found.items[5].items[0] == 1
        assert found.items[5].names == ("one", None)
        assert len(found.items[5].items[1]) == 0
    assert read_value("x", {"data_type": "list"}).items[1] == 2


def test_many_entries_keep_their_order() -> None:
    write_value(ListValue(range(12)), "x", {})
    assert read_value("x", {}).items == tuple(range(12))


def test_matrix_market_entries() -> None:
    write_value(ListValue([np.eye(2), 1]), "x", {"format": "mm"})
    np.testing.assert_array_equal(read_value("x", {}).items[0], np.eye(2))
    with pytest.raises(OperationError, match="format mm holds matrices, not frames"):
        write_value(ListValue([Frame.of([["a"]], [STRING])]), "x", {"format": "mm"})


@pytest.mark.parametrize("name", ["a/b", "", "null", "x.mtd", "a\0"])
def test_names_that_files_cannot_have(name: str) -> None:
    with pytest.raises(OperationError, match="name"):
        write_value(ListValue([1], [name]), "x", {})
    assert not Path("x").exists()


def test_folders_that_are_no_lists() -> None:
    write_value(ListValue([1, 2, 3]), "x", {})
    Path("x", "1_null").unlink()
    with pytest.raises(OperationError, match="the list 'x' lacks its entry 1"):
        read_value("x", {})
    Path("x", "1_null").write_text("2")
    Path("x", "3_null").write_text("2")
    with pytest.raises(OperationError, match="has 4 entries, but 3 are expected"):
        read_value("x", {})
    Path("x", "other").write_text("2")
    with pytest.raises(OperationError, match="'x/other' is not an entry of a list"):
        read_value("x", {})
    Path("y").write_text("2")
    with pytest.raises(OperationError, match="'y' is not a folder"):
        read_value("y", {"data_type": "list"})
