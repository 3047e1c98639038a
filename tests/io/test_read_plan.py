"""How a read statement, the metadata and the file together say what to read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gramian.errors import OperationError
from gramian.io import ReadPlan, read_value, resolve
from gramian.ir.values import ListValue


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def plan(text: str, about: str | None = None, name: str = "x", **options: Any) -> ReadPlan:
    Path(name).write_text(text)
    if about is not None:
        Path(name + ".mtd").write_text(about)
    return resolve(name, options)


def refused(text: str, about: str | None = None, name: str = "x", **options: Any) -> OperationError:
    with pytest.raises(OperationError) as caught:
        plan(text, about, name, **options)
    return caught.value


@pytest.mark.parametrize(
    ("name", "text", "format", "sep"),
    [
        ("x", "%%MatrixMarket matrix coordinate real general\n2 2 0\n", "mm", ","),
        ("x.csv", "1\n", "csv", ","),
        ("x.csv", "1;2\n", "csv", ";"),
        ("x.tsv", "1\n", "csv", "\t"),
        ("x", "1,2\n", "csv", ","),
        ("x", "1;2\n", "csv", ";"),
        ("x", "1\t2\n", "csv", "\t"),
        ("x", "1|2\n", "csv", "|"),
        ("x", "1.5\n2\n", "csv", ","),
    ],
)
def test_formats_are_recognised(name: str, text: str, format: str, sep: str) -> None:
    found = plan(text, name=name)
    assert (found.format, found.sep) == (format, sep)


def test_text_is_recognised() -> None:
    assert plan("3 2 7.5\n", rows=3, cols=3).format == "text"
    assert plan("1,2\n", name="x.ijv", rows=1, cols=1).format == "text"
    assert "needs rows and cols" in refused("3 2 7.5\n").message


def test_options_of_csv_say_that_it_is_csv() -> None:
    assert plan("3 2 7.5\n", sep=" ").format == "csv"
    assert plan("a\n1\n", header=True).format == "csv"


def test_formats_that_cannot_be_told() -> None:
    for text in ("1 2\n", "a b c d\n", ""):
        error = refused(text)
        assert "cannot tell the format of 'x'" in error.message
        assert "csv" in (error.hint or "")


def test_metadata_fills_in() -> None:
    about = '{"data_type": "matrix", "format": "csv", "rows": 2, "cols": 3, "header": true, "sep": "|", "nnz": 99}'
    expected = ReadPlan("x", format="csv", rows=2, cols=3, header=True, sep="|")
    assert plan("", about) == expected
    assert plan("", about, format="CSV", rows=2, header=True, sep="|", data_type="MATRIX") == expected


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("rows", 7, "2"), ("format", "text", "'csv'"), ("header", False, "TRUE"), ("sep", ",", "'|'")],
)
def test_conflicts(option: str, value: Any, said: str) -> None:
    about = '{"format": "csv", "rows": 2, "cols": 3, "header": true, "sep": "|"}'
    error = refused("", about, **{option: value})
    assert f"argument '{option}' of read() is" in error.message
    assert f"'x.mtd' says {said}" in error.message


def test_lists_of_texts() -> None:
    assert plan("1,2\n", naStrings=ListValue(["NA", "?"])).na_strings == ("NA", "?")
    assert plan("1,2\n", **{"na.strings": "NA"}).na_strings == ("NA",)
    found = plan("1,2\n", data_type="frame", schema=ListValue(["string", "INT32"]))
    assert found.schema == ("STRING", "INT64")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"forma": "csv"}, "argument 'forma' of read() is unknown"),
        ({"format": "cvs"}, "must be a format (text, csv, mm, binary, libsvm, parquet, hdf5, npy, jsonl), found 'cvs'"),
        ({"format": "delta"}, "format 'delta' is not supported"),
        ({"rows": -1}, "argument 'rows' of read() must be a whole number of at least 0, found -1"),
        ({"format": "binary", "sep": ";"}, "argument 'sep' of read() is for format csv or libsvm, not for binary"),
        ({"format": "csv", "indSep": ";"}, "argument 'indSep' of read() is for format libsvm"),
        ({"format": "csv", "rows_in_block": 10}, "is for format binary"),
        ({"format": "csv", "schema": "STRING"}, "does not apply to a matrix"),
        ({"data_type": "scalar", "rows": 1}, "does not apply to a scalar"),
        ({"data_type": "scalar", "format": "csv"}, "must be text for a scalar"),
        ({"data_type": "list", "value_type": "int"}, "does not apply to a list"),
        ({"value_type": "int", "format": "csv"}, "a matrix has value type double"),
    ],
)
def test_refused_options(options: dict[str, Any], message: str) -> None:
    assert message in refused("1,2\n", **options).message


def test_options_that_say_what_holds_anyway() -> None:
    assert plan("1 1 1\n", format="text", rows=1, cols=1, header=False, sep=",", fill=True, default=0).format == "text"


def test_missing_files() -> None:
    Path("train.csv").write_text("1\n")
    with pytest.raises(OperationError) as caught:
        resolve("trian.csv", {})
    assert f"cannot find the file 'trian.csv' in the working directory '{Path.cwd()}'" in caught.value.message
    assert caught.value.hint == "did you mean 'train.csv'?"
    with pytest.raises(OperationError) as caught:
        resolve("no/x.csv", {})
    assert caught.value.hint == "the folder 'no' does not exist"
    with pytest.raises(OperationError) as caught:
        resolve(str(Path.cwd() / "zzz"), {})
    assert "working directory" not in caught.value.message
    Path("link").symlink_to("nowhere")
    with pytest.raises(OperationError) as caught:
        resolve("link", {})
    assert "symbolic link to 'nowhere'" in (caught.value.hint or "")


@pytest.mark.parametrize("path", ["", "  ", "a\0b", "hdfs://host/x", "s3://bucket/x"])
def test_paths_that_are_none(path: str) -> None:
    with pytest.raises(OperationError, match="not"):
        resolve(path, {})


def test_sizes_are_checked() -> None:
    Path("x").write_text("1,2\n3,4\n")
    assert read_value("x", {"format": "csv", "rows": 2, "cols": 2, "nnz": 4}).shape == (2, 2)
    for options, message in (
        ({"rows": 3}, "holds a 2x2 matrix, but rows=3 is given"),
        ({"cols": 3}, "line 1: expected 3 fields, found 2"),
        ({"nnz": 3}, "holds 4 values other than zero, but nnz=3 is given"),
    ):
        with pytest.raises(OperationError, match=message):
            read_value("x", {"format": "csv", **options})


def test_folders_that_are_no_data() -> None:
    Path("x", "y").mkdir(parents=True)
    Path("z").mkdir()
    for path, message in (("x", "holds folders"), ("z", "without part files")):
        with pytest.raises(OperationError, match=message):
            read_value(path, {"format": "csv"})
    Path("z", "a").write_bytes(b"")
    Path("z", "b").write_bytes(b"")
    with pytest.raises(OperationError, match="always one file"):
        read_value("z", {"format": "mm"})
    np.save("z/a.npy", np.ones((2, 3)))
    np.save("z/b.npy", np.ones((2, 2)))
    Path("z", "a").unlink()
    Path("z", "b").unlink()
    with pytest.raises(
        OperationError, match=r"the parts of 'z' have different columns: 'z/b.npy' has 2, 'z/a.npy' has 3"
    ):
        read_value("z", {"format": "binary"})


def test_arrays_in_parts() -> None:
    Path("x").mkdir()
    first, second = np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(9, dtype=np.int32).reshape(3, 3))
    np.save("x/part-0.npy", first)
    np.save("x/part-1.npy", second)
    np.testing.assert_array_equal(read_value("x", {"rows": 5, "cols": 3}), np.vstack([first, second]))
