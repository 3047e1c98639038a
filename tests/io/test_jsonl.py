"""Format jsonl: frames as JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from gramian.errors import OperationError
from gramian.io import jsonl, read_value, resolve, write_value
from gramian.ir.frame import BOOLEAN, FP64, INT64, STRING, Frame


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str | bytes, **options: Any) -> Frame:
    Path("x.jsonl").write_bytes(text if isinstance(text, bytes) else text.encode())
    frame = read_value("x.jsonl", options)
    assert isinstance(frame, Frame)
    return frame


def refused(text: str | bytes, **options: Any) -> OperationError:
    with pytest.raises(OperationError) as caught:
        read(text, **options)
    return caught.value


def test_types_and_missing_cells() -> None:
    frame = read(
        '\ufeff{"name": "ada", "age": 36, "score": 1}\r\n\n'
        '{"age": null, "name": "b\\u00e9\\n", "ok": true}\n{"score": 2.5}'
    )
    assert frame.names == ["name", "age", "score", "ok"]
    assert frame.types == (STRING, INT64, FP64, BOOLEAN)
    assert [frame.column(j) for j in range(4)] == [
        ["ada", "bé\n", None],
        [36, None, None],
        [1.0, None, 2.5],
        [None, True, None],
    ]
    assert resolve("x.jsonl", {}).data_type == "frame"


def test_texts_that_look_like_dates_stay() -> None:
    frame = read('{"d": "2020-01-01", "t": "2020-01-01T10:00:00Z", "n": 1}\n{"d": null, "t": "x", "n": 2}\n')
    assert frame.column(0) == ["2020-01-01", None]
    assert frame.column(1) == ["2020-01-01T10:00:00Z", "x"]


def test_schema() -> None:
    frame = read('{"a": 1, "b": "2"}\n', schema="STRING,FP64")
    assert [frame.column(0), frame.column(1)] == [["1"], [2.0]]
    assert "column types" in refused('{"a": 1}\n', schema="complex").message
    assert "has 2 types" in refused('{"a": 1}\n', schema="INT64,INT64").message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\n{"a": }\n', "'x.jsonl' line 2, column 7: not valid JSON"),
        ('{"a": 1}\n\n[1]\n', "line 3: expected a JSON object, found a list"),
        ('{"a": 1}\n{"a": "x"}\n', "line 2: 'a' is a text, but line 1 has a number"),
        ('{"a": null}\n{"a": true}\n{"a": 3}\n', "line 3: 'a' is a number, but line 2 has a boolean"),
        ('{"a": {"b": 1}}\n', "column 'a' of 'x.jsonl' is nested (struct<"),
        ('{"a": [1, 2]}\n', "column 'a' of 'x.jsonl' is nested (list<"),
        ('{"a": 1', "line 1, column 8: not valid JSON"),
        (b'{"a": "\xff"}\n', "x.jsonl"),
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("{}\n{}\n", "has no columns"),
    ],
)
def test_mistakes(text: str | bytes, message: str) -> None:
    assert message in refused(text).message


def test_long_lines_and_many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "_BLOCK_BYTES", 64)
    rows = [{"a": i, "b": "x" * (i % 200)} for i in range(300)]
    frame = read("\n".join(json.dumps(row) for row in rows))
    assert frame.column(0) == list(range(300))
    assert frame.column(1) == [row["b"] for row in rows]
    assert "line 301: 'a' is a text" in refused("\n".join(json.dumps(r) for r in [*rows, {"a": "x"}])).message


def test_parts() -> None:
    Path("x").mkdir()
    Path("x", "part-0").write_text('{"a": 1}\n')
    Path("x", "part-1").write_text('{"a": 2.5, "b": "x"}\n')
    frame = read_value("x", {"data_type": "frame", "format": "jsonl"})
    assert frame.column(0) == [1.0, 2.5]
    assert frame.column(1) == [None, "x"]


def test_written_form() -> None:
    frame = Frame.of(
        [['a"b\n', None], [True, None], [1, -2], [1e10, float("nan")]],
        [STRING, BOOLEAN, INT64, FP64],
        ["s é", "b", "i", "d"],
    )
    write_value(frame, "y", {"format": "jsonl"})
    lines = Path("y").read_text(encoding="utf-8").splitlines()
    assert lines[0] == '{"s é": "a\\"b\\n", "b": true, "i": 1, "d": 1.0E10}'
    assert [json.loads(line) for line in lines] == [
        {"s é": 'a"b\n', "b": True, "i": 1, "d": 1e10},
        {"s é": None, "b": None, "i": -2, "d": None},
    ]
    found = read_value("y", {})
    assert (found.names, found.types) == (frame.names, frame.types)


TEXTS = st.none() | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=6)
NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(TEXTS, NUMBERS), min_size=1, max_size=5))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_cells_come_back(rows: list[tuple[str | None, float | None]]) -> None:
    frame = Frame.of([list(column) for column in zip(*rows, strict=True)], [STRING, FP64])
    write_value(frame, "y", {"format": "jsonl"})
    assert read_value("y", {}).table.equals(frame.table)


def test_what_it_cannot_hold() -> None:
    with pytest.raises(OperationError, match="several columns called 'a'"):
        write_value(Frame.of([[1], [2]], [INT64, INT64], ["a", "a"]), "y", {"format": "jsonl"})
    with pytest.raises(OperationError, match="column 'C1' of the frame holds an infinite number"):
        write_value(Frame.of([[np.inf]], [FP64]), "y", {"format": "jsonl"})
    with pytest.raises(OperationError, match="format jsonl holds frames, not matrices"):
        write_value(np.eye(2), "y", {"format": "jsonl"})
    Path("x").write_text('{"a": 1}\n')
    with pytest.raises(OperationError, match="format jsonl holds frames, not matrices"):
        read_value("x", {"format": "jsonl", "data_type": "matrix"})
    assert not Path("y").exists()
