"""The metadata file beside the data."""

from __future__ import annotations

import getpass
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gramian.errors import OperationError
from gramian.io import read_metadata, write_value
from gramian.ir.frame import FP64, STRING, Frame


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def parsed(text: str) -> Any:
    Path("x.mtd").write_text(text)
    return read_metadata("x")


def refused(text: str) -> OperationError:
    with pytest.raises(OperationError) as caught:
        parsed(text)
    return caught.value


def test_no_file() -> None:
    assert read_metadata("x") is None
    assert read_metadata("folder/x") is None


def test_keys_and_their_forms() -> None:
    found = parsed(
        '\ufeff{"data_type": "Matrix", "value_type": "DOUBLE", "format": "CSV", "rows": "2", "cols": 3.0, "nnz": -1,'
        ' "header": "true", "sep": ";", "fill": false, "default": 1, "na.strings": "NA", "description": "-1",'
        ' "author": "a", "created": "c", "privacy": "x"}'
    )
    assert found.options == {
        "data_type": "matrix",
        "value_type": "double",
        "format": "csv",
        "rows": 2,
        "cols": 3,
        "header": True,
        "sep": ";",
        "fill": False,
        "default": 1.0,
        "naStrings": ("NA",),
    }
    assert found.notes["description"] == "-1"
    assert parsed('{"schema": "STRING,fp64,INT32,"}').options["schema"] == (STRING, FP64, "INT64")
    assert parsed('{"naStrings": ["NA", "?"]}').options["naStrings"] == ("NA", "?")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"rwos": 2}', "the key 'rwos' of 'x.mtd' is unknown"),
        ('{"rows": "two"}', "the key 'rows' of 'x.mtd' must be a whole number of at least 0, or -1, found 'two'"),
        ('{"rows": 1.5}', "must be a whole number"),
        ('{"rows": true}', "must be a whole number"),
        ('{"header": "yes"}', "the key 'header' of 'x.mtd' must be a boolean, found 'yes'"),
        ('{"sep": "::"}', "the key 'sep' of 'x.mtd' must be one character"),
        ('{"default": [1]}', "the key 'default' of 'x.mtd' must be a number, found [1]"),
        ('{"data_type": "tensor"}', "must be a data type (matrix, frame, scalar, list), found 'tensor'"),
        ('{"value_type": "complex"}', "must be a value type"),
        ('{"format": "delta"}', "format 'delta' is not supported"),
        ('{"schema": "STRING,COMPLEX"}', "must be column types"),
        ('{"naStrings": [1]}', "must be a string or a list of strings"),
        ('{"rows": 1, "rows": 2}', "the key 'rows' of 'x.mtd' is given twice"),
        ('{"naStrings": "a", "na.strings": "b"}', "is given twice"),
        ("[1]", "'x.mtd' must hold one JSON object"),
        ('{\n  "rows": 2\n  "cols": 3}', "x.mtd:3:3: not valid JSON: Expecting ',' delimiter"),
        ("", "x.mtd:1:1: not valid JSON"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    assert message in refused(text).message


def test_hint_for_unknown_keys() -> None:
    assert refused('{"rwos": 2}').hint == "did you mean 'rows'?"
    assert "the known names are" in (refused('{"xyz": 2}').hint or "")


def test_not_text() -> None:
    Path("x.mtd").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OperationError, match=r"'x\.mtd' is not a text file"):
        read_metadata("x")


def test_folder_of_parts() -> None:
    Path("x.mtd").mkdir()
    Path("x.mtd", "part-0").write_text('{"rows": 2}')
    Path("x.mtd", "part-1").write_text('{"cols": 3}')
    Path("x.mtd", "_SUCCESS").write_text("")
    found = read_metadata("x/")
    assert found
    assert found.options == {"rows": 2, "cols": 3}


def test_written_for_a_matrix() -> None:
    matrix = np.array([[1, 0, np.nan], [0, 2, 3.0]])
    write_value(matrix, "y", {"format": "csv", "header": True, "sep": ";", "description": "häi"})
    about = json.loads(Path("y.mtd").read_text(encoding="utf-8"))
    created = about.pop("created")
    written = datetime.strptime(created, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
    assert abs((written - datetime.now(UTC)).total_seconds()) < 60
    assert list(about.items()) == [
        ("data_type", "matrix"),
        ("value_type", "double"),
        ("rows", 2),
        ("cols", 3),
        ("nnz", 4),
        ("format", "csv"),
        ("description", "häi"),
        ("author", getpass.getuser()),
        ("header", True),
        ("sep", ";"),
    ]
    write_value(matrix, "y", {})
    assert "sep" not in json.loads(Path("y.mtd").read_text())
    write_value(matrix, "y", {"format": "binary", "rows_in_block": 500})
    about = json.loads(Path("y.mtd").read_text())
    assert (about["rows_in_block"], about["cols_in_block"]) == (500, 1000)


def test_written_for_frames_and_scalars() -> None:
    write_value(Frame.of([["a"], [1.0]], [STRING, FP64]), "y", {})
    about = json.loads(Path("y.mtd").read_text())
    assert about["schema"] == "STRING,FP64,"
    assert "value_type" not in about
    assert "nnz" not in about
    write_value(True, "y", {"description": "d"})
    about = json.loads(Path("y.mtd").read_text())
    assert list(about) == ["data_type", "value_type", "format", "description", "author", "created"]
    assert (about["data_type"], about["value_type"], about["format"]) == ("scalar", "boolean", "text")


def test_unknown_user(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise KeyError("no such user")

    monkeypatch.setattr(getpass, "getuser", fail)
    write_value(1, "y", {})
    assert json.loads(Path("y.mtd").read_text())["author"] == "unknown"
