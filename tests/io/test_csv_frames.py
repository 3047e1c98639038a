"""Frames in csv files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from gramian.errors import OperationError
from gramian.io import read_value, write_value
from gramian.ir.frame import BOOLEAN, FP64, INT64, STRING, Frame


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str | bytes, **options: Any) -> Frame:
    Path("x.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    frame = read_value("x.csv", {"data_type": "frame", "format": "csv", **options})
    assert isinstance(frame, Frame)
    return frame


def refused(text: str | bytes, **options: Any) -> OperationError:
    with pytest.raises(OperationError) as caught:
        read(text, **options)
    return caught.value


def cells(frame: Frame) -> list[list[Any]]:
    return [frame.column(j) for j in range(frame.shape[1])]


def test_texts_by_default() -> None:
    frame = read('a,1\n"x,y", 2 \n"say ""hi""",\n"two\nlines",""\n')
    assert frame.types == (STRING, STRING)
    assert frame.names == ["C1", "C2"]
    assert cells(frame) == [["a", "x,y", 'say "hi"', "two\nlines"], ["1", " 2 ", None, ""]]


def test_header_and_schema() -> None:
    text = 'name;"the;flag";n;\nx;true;1;1e3\ny;FALSE;-2;NaN\n;;;\n'
    frame = read(text, header=True, sep=";", schema="string,Boolean,int,double")
    assert frame.names == ["name", "the;flag", "n", "C4"]
    assert frame.types == (STRING, BOOLEAN, INT64, FP64)
    assert cells(frame)[:3] == [["x", "y", None], [True, False, None], [1, -2, None]]
    assert frame.column(3)[0] == 1000.0
    assert frame.column(3)[2] is None
    assert read("1,2\n", schema="double").types == (FP64, FP64)
    assert read("1,2\n", schema="").types == (STRING, STRING)


def test_cells_that_do_not_fit() -> None:
    error = refused("1,2\n3,x\n", schema="STRING,FP64")
    assert "x.csv" in error.message
    assert "'x' in row 2, column 2" in error.message
    assert "has 3 types, but the frame has 2" in refused("1,2\n", schema="int,int,int", cols=2).message
    assert "column types" in refused("1,2\n", schema="int,complex").message


def test_short_lines_are_padded() -> None:
    assert cells(read('a,b,c\n1\n"x\ny",2\n')) == [["a", "1", "x\ny"], ["b", None, "2"], ["c", None, None]]
    assert cells(read("a\n", cols=3)) == [["a"], [None], [None]]
    assert cells(read("a,b\r\n1\r\n2,3\r\n")) == [["a", "1", "2"], ["b", None, "3"]]
    assert cells(read("a\n\nb\n")) == [["a", None, "b"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2,3\n", "line 2: expected 2 fields, found 3"),
        ("a,b\n\n1,2\n", "line 2: the line is empty"),
        ('a,b\n1,"2\n', "line 2: unexpected end of data"),
        ("", "is empty"),
        (b"a,b\n\xff,1\n", "UTF-8"),
    ],
)
def test_wrong_lines(text: str | bytes, message: str) -> None:
    error = refused(text)
    assert message in error.message
    assert "'x.csv'" in error.message


def test_errors_count_the_header() -> None:
    assert "line 4: expected 2" in refused('"a\nb",c\n1,2\n3,4,5\n', header=True).message


def test_texts_for_missing_cells() -> None:
    frame = read('NA,"NA"\n?,1\n', naStrings=["NA", "?"])
    assert cells(frame) == [[None, None], ["NA", "1"]]


def test_part_files() -> None:
    Path("x").mkdir()
    Path("x", "part-0").write_text("a,b\n1,2\n")
    Path("x", "part-1").write_text("3,4\n")
    frame = read_value("x", {"data_type": "frame", "format": "csv", "header": True})
    assert frame.names == ["a", "b"]
    assert cells(frame) == [["1", "3"], ["2", "4"]]


def test_written_form() -> None:
    frame = Frame.of(
        [["a,b", 'q"', "", None], [True, False, None, True], [1, None, 3, 4], [0.0, 1e-9, None, float("nan")]],
        [STRING, BOOLEAN, INT64, FP64],
        ["s", "b", "i", "d"],
    )
    write_value(frame, "y", {"format": "csv", "header": True})
    assert Path("y").read_text() == 's,b,i,d\n"a,b",TRUE,1,0.0\n"q""",FALSE,,1.0E-9\n"",,3,\n,TRUE,4,NaN\n'
    found = read_value("y", {})
    assert (found.names, found.types) == (frame.names, frame.types)
    assert cells(found)[:3] == cells(frame)[:3]


TEXTS = st.none() | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=6)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5), st.sampled_from(",;\t "), st.booleans())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_texts_come_back(rows: list[tuple[str | None, str | None]], sep: str, header: bool) -> None:
    frame = Frame.of([list(column) for column in zip(*rows, strict=True)], [STRING, STRING])
    write_value(frame, "y", {"format": "csv", "sep": sep, "header": header})
    assert cells(read_value("y", {})) == cells(frame)


def test_options_of_matrices_only() -> None:
    for option in ({"fill": False}, {"default": 1}, {"nnz": 3}):
        assert "does not apply to a frame" in refused("1,2\n", **option).message
