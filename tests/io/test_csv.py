"""Matrices in csv files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from gramian.errors import OperationError
from gramian.io import chunks, read_value, write_value
from gramian.ir.values import ListValue


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str | bytes, **options: Any) -> Any:
    Path("x.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_value("x.csv", options)


def refused(text: str | bytes, **options: Any) -> OperationError:
    with pytest.raises(OperationError) as caught:
        read(text, **options)
    return caught.value


FORMS = "1e3,.5,1.\n+7,NaN,Infinity\n -Infinity ,\t-0.0, 5e-324\n"


def test_all_forms_of_numbers() -> None:
    expected = [[1000, 0.5, 1], [7, np.nan, np.inf], [-np.inf, -0.0, 5e-324]]
    np.testing.assert_array_equal(read(FORMS), expected)
    np.testing.assert_array_equal(read(FORMS.replace("\n", "\r\n")), expected)
    np.testing.assert_array_equal(read(FORMS.removesuffix("\n")), expected)
    np.testing.assert_array_equal(read(b"\xef\xbb\xbf" + FORMS.encode()), expected)


def test_result_is_contiguous_doubles() -> None:
    matrix = read("1,2\n3,4\n")
    assert matrix.dtype == np.float64
    assert matrix.flags.c_contiguous


@pytest.mark.parametrize("text", ["nan", "inf", "Inf", "-inf", '"1"', "0x10", "x", "1 2", "TRUE"])
def test_other_forms_are_no_numbers(text: str) -> None:
    error = refused(f"1,2\n3,{text}\n")
    assert f"'x.csv' line 2, column 2: '{text}' is not a number" in error.message


@pytest.mark.parametrize("header", [False, True])
def test_header_and_separator(header: bool) -> None:
    text = ("a|b\n" if header else "") + "1|2\n3|4\n"
    np.testing.assert_array_equal(read(text, header=header, sep="|"), [[1, 2], [3, 4]])


def test_empty_fields() -> None:
    text = "1,,3\n,5,\n"
    np.testing.assert_array_equal(read(text), [[1, 0, 3], [0, 5, 0]])
    np.testing.assert_array_equal(read(text, default=-1), [[1, -1, 3], [-1, 5, -1]])
    np.testing.assert_array_equal(read(text, default=0.5, fill=True), [[1, 0.5, 3], [0.5, 5, 0.5]])
    assert "line 1, column 2: the field is empty" in refused(text, fill=False).message
    np.testing.assert_array_equal(read("1,\n2,\n"), [[1, 0], [2, 0]])
    np.testing.assert_array_equal(read("1, \n2,3\n", default=4), [[1, 4], [2, 3]])


def test_a_column_may_have_empty_fields() -> None:
    np.testing.assert_array_equal(read("\n1\n\n", default=2), [[2], [1], [2]])


def test_texts_for_missing_values() -> None:
    text = "1,NA,3\n?,,-999\n"
    expected = [[1, np.nan, 3], [np.nan, 7, np.nan]]
    names = ListValue(["NA", "?", "-999"])
    np.testing.assert_array_equal(read(text, naStrings=names, default=7), expected)
    np.testing.assert_array_equal(read("1, -999\n", naStrings="-999"), [[1, np.nan]])
    np.testing.assert_array_equal(read("1,NA\n", **{"na.strings": "NA"}), [[1, np.nan]])
    np.testing.assert_array_equal(read("1,\n", naStrings=""), [[1, np.nan]])
    assert 'naStrings=["?"]' in (refused(text, naStrings="NA").hint or "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3\n", "line 2: expected 2 fields, found 1"),
        ("1,2\n3,4\n5,6,7\n", "line 3: expected 2 fields, found 3"),
        ("1,2\n\n3,4\n", "line 2: the line is empty"),
        ("1,2\n3,4\n\n", "line 3: the line is empty"),
        ("1,2,3\n4\n5,6\n", "line 2: expected 3 fields, found 1"),
        ("", "is empty"),
    ],
)
def test_lines_of_wrong_length(text: str, message: str) -> None:
    assert message in refused(text).message


@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("cols", [3, 1500])
def test_a_file_that_changes_its_width_half_way(width: int, cols: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 20_000)
    row, other = ",".join(["1.5"] * cols), ",".join(["1.5"] * (cols + width - 3))
    error = refused((row + "\n") * 3000 + (other + "\n") * 3000 if cols == 3 else (row + "\n") * 30 + other)
    line = 3001 if cols == 3 else 31
    assert error.message == f"'x.csv' line {line}: expected {cols} fields, found {cols + width - 3}"


@pytest.mark.parametrize("cols", [1, 3, 1200])
@pytest.mark.parametrize("default", [0.0, 4.0, np.nan, np.inf])
def test_named_numbers_and_empty_fields(cols: int, default: float) -> None:
    """The quick ways and the thorough one read the same."""
    rng = np.random.default_rng(1)
    forms = np.array(["1.5", "NaN", "Infinity", "-Infinity", "", "-0.0"])
    values = np.array([1.5, np.nan, np.inf, -np.inf, default, -0.0])
    which = rng.integers(0, len(forms), (3000 // cols, cols))
    text = "\n".join(",".join(row) for row in forms[which]) + "\n"
    np.testing.assert_array_equal(read(text, default=default), values[which])
    np.testing.assert_array_equal(read(text.replace("1.5", "+1.5"), default=default), values[which])
    for odd in ("nan", "inf", "-NaN", "infinity", "NaN(NaN)", "NaNs"):
        assert f"'{odd}' is not a number" in refused(text + ",".join([odd] + ["1"] * (cols - 1))).message
    missing = np.where(which == 5, np.nan, np.where(which == 4, np.nan, values[which]))
    np.testing.assert_array_equal(read(text, naStrings=["", "-0.0"]), missing)
    assert "'inf'" in refused(text.replace("1.5", "inf"), naStrings=["", "NaN"]).message


def test_a_lone_carriage_return_ends_no_line() -> None:
    assert "line 1" in refused("1,2\r3,4\n").message
    assert "line 1" in refused("1\r2\n").message


def test_errors_count_the_header() -> None:
    assert "line 3:" in refused("a,b\n1,2\n3\n", header=True).message
    assert "line 3, column 1" in refused("a,b\n1,2\nx,3\n", header=True).message
    assert "has no rows" in refused("a,b\n", header=True).message


def test_hints() -> None:
    assert 'sep=";"' in (refused("1;2\n3;4\n", format="csv").hint or "")
    assert 'sep="\\t"' in (refused("1,2\n3\t4\n").hint or "")
    assert "header=TRUE" in (refused("a,b\n1,2\n").hint or "")
    assert "NaN" in (refused("1,2\n3,nan\n").hint or "")


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_chunks_do_not_show(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", chunk)
    text = "a,b,c\r\n1,2,3\r\n40,,NaN\r\n7,8,900"
    np.testing.assert_array_equal(read(text, header=True), [[1, 2, 3], [40, 0, np.nan], [7, 8, 900]])
    assert "line 4, column 2: 'x'" in refused(text.replace("8", "x"), header=True).message
    assert "line 3: expected 3" in refused(text.replace("40,", ""), header=True).message


def test_part_files() -> None:
    Path("x").mkdir()
    for name, text in {"part-2": "5,6", "part-1": "a,b\n1,2\n3,4\n", "_SUCCESS": "", ".part-1.crc": "x"}.items():
        Path("x", name).write_text(text)
    expected = [[1, 2], [3, 4], [5, 6]]
    np.testing.assert_array_equal(read_value("x", {"format": "csv", "header": True}), expected)
    Path("x", "part-2").write_text("a,b\n5,6")  # as Spark writes it
    np.testing.assert_array_equal(read_value("x", {"format": "csv", "header": True}), expected)
    Path("x", "part-3").write_text("7\n")
    with pytest.raises(OperationError, match="'x/part-3' line 1: expected 2 fields, found 1"):
        read_value("x", {"format": "csv", "header": True})


def test_written_form() -> None:
    write_value(np.array([[1, 0, -2.5], [1e-10, np.nan, -np.inf]]), "y", {"format": "csv"})
    assert Path("y").read_text() == "1.0,0,-2.5\n1.0E-10,NaN,-Infinity\n"
    write_value(np.array([[1.0, 0.0]]), "y", {"format": "CSV", "sep": ";", "header": True, "sparse": True})
    assert Path("y").read_text() == "C1;C2\n1.0;\n"
    np.testing.assert_array_equal(read_value("y", {}), [[1, 0]])
    write_value(np.array([[1.0], [0.0], [2.0]]), "y", {"format": "csv", "sparse": True})
    np.testing.assert_array_equal(read_value("y", {}), [[1], [0], [2]])


@given(arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=5)), st.sampled_from(",;\t| "), st.booleans())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_numbers_come_back(matrix: Any, sep: str, header: bool) -> None:
    write_value(np.asfortranarray(matrix), "y", {"format": "csv", "sep": sep, "header": header})
    found = read_value("y", {})
    np.testing.assert_array_equal(found, matrix)
    np.testing.assert_array_equal(np.signbit(found), np.signbit(np.where(np.isnan(matrix), 1.0, matrix)))


def test_wide_and_long(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    for shape in ((2, 20_000), (20_000, 2), (1, 1)):
        matrix = rng.standard_normal(shape)
        write_value(matrix, "y", {"format": "csv"})
        np.testing.assert_array_equal(read_value("y", {}), matrix)


def test_speed() -> None:
    matrix = np.random.default_rng(1).standard_normal((20_000, 10))
    start = time.perf_counter()
    write_value(matrix, "y", {"format": "csv"})
    read_value("y", {})
    assert time.perf_counter() - start < 2  # about 0.1 s; a loop over cells would need more


def test_separators() -> None:
    for sep in ("ab", "", "1", "a", ".", "-", '"', "\n", "·"):
        assert "must be one character" in refused("1,2\n", sep=sep).message
