"""Frames, and the operators on their columns."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

import gramian.ops.frame  # noqa: F401
from gramian.errors import OperationError, SizeError
from gramian.ir.frame import BOOLEAN, FP64, INT64, STRING, Frame, column_type
from gramian.ir.op import REGISTRY
from gramian.ir.types import DOUBLE, MISSING, frame, scalar, type_of
from gramian.ir.values import ListValue


def call(name: str, *values: Any) -> Any:
    return REGISTRY[name].kernel(*values)


def infer(name: str, *types: Any) -> Any:
    return REGISTRY[name].infer(*types)


def cells(value: Frame) -> list[list[Any]]:
    return [value.column(j) for j in range(value.shape[1])]


def texts(*columns: Any, names: Any = None) -> Frame:
    return Frame.of(columns, [STRING] * len(columns), names)


MIXED = Frame.of(
    [["x", None, "z"], [True, False, None], [1, None, 3], [0.5, math.nan, None]],
    [STRING, BOOLEAN, INT64, FP64],
    ["s", "b", "i", "d"],
)


def test_pyarrow_is_not_imported_without_frames() -> None:
    code = "import sys, gramian.ops.frame, gramian.ops.text, gramian.ops.cast; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- the value ---


def test_columns_of_an_arrow_table_get_the_four_types() -> None:
    table = pa.table(
        {
            "a": pa.array([1, 2], pa.int32()),
            "b": pa.array([1.5, None], pa.float32()),
            "c": pa.array(["x", "y"]).dictionary_encode(),
            "d": pa.array([True, None]),
            "e": pa.nulls(2),
            "f": pa.array(["x", "y"], pa.large_string()),
        }
    )
    value = Frame(table)
    assert value.types == (INT64, FP64, STRING, BOOLEAN, STRING, STRING)
    assert value.shape == (2, 6)
    assert value.names == list("abcdef")
    assert cells(value)[1] == [1.5, None]
    assert cells(value)[4] == [None, None]
    assert repr(value).startswith("Frame(2x6, {'a': 'INT64'")


def test_of_a_pandas_table() -> None:
    value = Frame(pa.Table.from_pandas(pd.DataFrame({"n": [1, 2], "t": ["a", None]})))
    assert cells(value) == [[1, 2], ["a", None]]


def test_cells() -> None:
    assert [MIXED.cell(0, j) for j in range(4)] == ["x", True, 1, 0.5]
    assert MIXED.cell(1, 0) == "null"
    assert MIXED.cell(2, 1) == "null"
    assert math.isnan(float(MIXED.cell(1, 2)))
    assert math.isnan(float(MIXED.cell(2, 3)))
    assert MIXED.texts(3) == ["0.5", "NaN", "null"]


@given(st.integers(0, 5), st.integers(0, 4), st.integers(0, 2**32 - 1))
def test_matrix_round_trip_is_exact(rows: int, cols: int, seed: int) -> None:
    matrix = np.random.default_rng(seed).standard_normal((rows, cols))
    matrix[matrix > 1] = np.nan
    value = Frame.from_matrix(matrix)
    assert value.shape == (rows, cols)
    assert set(value.types) <= {FP64}
    np.testing.assert_array_equal(value.to_matrix(), matrix)


def test_from_matrix_does_not_share_memory() -> None:
    matrix = np.ones((2, 2))
    value = Frame.from_matrix(matrix)
    matrix[:] = 7
    assert cells(value) == [[1, 1], [1, 1]]


def test_text_as_matrix() -> None:
    value = texts(["1", " 2.5 ", "1e3"], ["TRUE", "FALSE", "true"], ["NaN", "-Infinity", "inf"], [None, "", " "])
    expected = [[1, 1, np.nan, np.nan], [2.5, 0, -np.inf, np.nan], [1000, 1, np.inf, np.nan]]
    np.testing.assert_array_equal(value.to_matrix(), expected)
    np.testing.assert_array_equal(
        MIXED.select(slice(3), slice(1, 4)).to_matrix(), [[1, 1, 0.5], [0, np.nan, np.nan], [np.nan, 3, np.nan]]
    )


@pytest.mark.parametrize("bad", ["west", "1_000", "1.5f", "0x10", "1 2"])
def test_text_that_is_no_number(bad: str) -> None:
    with pytest.raises(OperationError, match=rf"'{bad}' in row 2, column 2 \(district\) .* not a number"):
        texts(["1", "2"], ["3", bad], names=["zip", "district"]).to_matrix()


def test_select() -> None:
    part = MIXED.select(slice(1, 3), slice(0, 3, 1))
    assert cells(part) == [[None, "z"], [False, None], [None, 3]]
    assert part.names == ["s", "b", "i"]
    assert MIXED.select(slice(0, 2), slice(0, 0)).shape == (2, 0)
    assert MIXED.select(slice(1, 1), slice(0, 4)).shape == (0, 4)


def test_default_names_start_again_in_a_part() -> None:
    value = Frame.from_matrix(np.zeros((1, 3)))
    assert value.has_default_names
    assert value.select(slice(1), slice(1, 3)).names == ["C1", "C2"]
    with pytest.raises(SizeError):
        value.with_names(["a"])


def test_replace_keeps_the_column_types() -> None:
    changed = MIXED.replace(slice(1, 3), slice(2, 4), Frame.from_matrix(np.array([[4, 5], [6, 7.5]])))
    assert cells(changed)[2:] == [[1, 4, 6], [0.5, 5, 7.5]]
    assert changed.types == MIXED.types
    assert changed.names == MIXED.names
    assert MIXED.column(2) == [1, None, 3]
    assert cells(MIXED.replace(slice(0, 3), slice(0, 1), 2.5))[0] == ["2.5"] * 3
    assert cells(MIXED.replace(slice(0, 1), slice(1, 4), "0"))[1:] == [
        [False, False, None],
        [0, None, 3],
        pytest.approx([0, math.nan, None], nan_ok=True),
    ]
    assert cells(MIXED.replace(slice(0, 2), slice(3, 4), np.array([[1.0], [2.0]])))[3] == [1, 2, None]


def test_replace_refuses_what_does_not_fit() -> None:
    with pytest.raises(OperationError, match=r"2\.5 in row 2, column 3 \(i\) .* not of type INT64"):
        MIXED.replace(slice(1, 2), slice(2, 3), 2.5)
    with pytest.raises(OperationError, match="'x' in row 1, column 4"):
        MIXED.replace(slice(0, 1), slice(3, 4), "x")
    with pytest.raises(SizeError, match="a 1x2 frame cannot replace a 2x1 region"):
        MIXED.replace(slice(0, 2), slice(0, 1), texts(["a"], ["b"]))


def test_many_replacements_do_not_slow_down() -> None:
    value = texts(["a"] * 300)
    for i in range(300):
        value = value.replace(slice(i, i + 1), slice(0, 1), str(i))
    assert value.column(0) == [str(i) for i in range(300)]
    assert value.table.column(0).num_chunks <= 64


def test_cbind_keeps_names_and_counts_default_names_through() -> None:
    plain, named = Frame.from_matrix(np.ones((3, 2))), MIXED
    assert Frame.cbind([plain, plain]).names == ["C1", "C2", "C3", "C4"]
    both = Frame.cbind([named, plain, named])
    assert both.names == ["s", "b", "i", "d", "C5", "C6", "s", "b", "i", "d"]
    assert both.types == (*named.types, FP64, FP64, *named.types)
    assert Frame.cbind([Frame.from_matrix(np.ones((3, 0))), plain]).shape == (3, 2)
    assert Frame.cbind([Frame.from_matrix(np.ones((3, 0)))] * 2).shape == (3, 0)
    with pytest.raises(SizeError):
        Frame.cbind([plain, texts(["a"])])


def test_rbind_widens_types() -> None:
    one = Frame.of([[1], [2], [True], [0.5]], [INT64, INT64, BOOLEAN, FP64], list("abcd"))
    two = Frame.of([[1.5], ["x"], [None], [None]], [FP64, STRING, BOOLEAN, INT64])
    both = Frame.rbind([one, two])
    assert both.types == (FP64, STRING, BOOLEAN, FP64)
    assert cells(both) == [[1, 1.5], ["2", "x"], [True, None], [0.5, None]]
    assert both.names == list("abcd")
    flags = Frame.rbind([Frame.of([[True, None]], [BOOLEAN]), Frame.of([[1e7]], [FP64])])
    assert cells(flags) == [["TRUE", None, "1.0E7"]]
    assert Frame.rbind([Frame.from_matrix(np.ones((3, 0)))] * 2).shape == (6, 0)
    with pytest.raises(SizeError):
        Frame.rbind([one, texts(["a"])])


def test_compare() -> None:
    a = Frame.of([["a", "b", None], [1, 2, 3], [None, True, False]], [STRING, INT64, BOOLEAN])
    b = Frame.of([["a", "c", None], [1.0, 2.5, math.nan], ["TRUE", "TRUE", None]], [STRING, FP64, STRING])
    assert cells(a.compare(b, "==")) == [[True, False, True], [True, False, False], [False, True, False]]
    assert cells(a.compare(b, "!=")) == [[False, True, False], [False, True, True], [True, False, True]]
    assert cells(a.compare(b, "<")) == [[False, True, False], [False, True, False], [False, False, False]]
    assert cells(a.compare(b, ">=")) == [[True, False, False], [True, False, False], [False, True, False]]
    assert a.compare(b, "==").types == (BOOLEAN,) * 3
    with pytest.raises(SizeError, match="operator == cannot compare a 3x3 and a 1x1 frame"):
        a.compare(texts(["a"]), "==")


@given(st.lists(st.none() | st.floats() | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.text(max_size=3)))
def test_everything_has_a_text(values: list[Any]) -> None:
    for value in values:
        kind = {bool: BOOLEAN, int: INT64, float: FP64}.get(type(value), STRING)
        column = Frame.of([[value]], [kind]).with_types([STRING])
        assert column.types == (STRING,)
        if kind in (INT64, FP64):
            back = column.with_types([kind]).column(0)[0]
            assert back == value or value != value
            assert isinstance(back, type(value))


@pytest.mark.parametrize(
    ("cell", "kind", "expected"),
    [
        ("1", BOOLEAN, True),
        ("f", BOOLEAN, False),
        ("0.0", BOOLEAN, False),
        ("", BOOLEAN, None),
        ("9223372036854775807", INT64, 2**63 - 1),
        (" 9223372036854775807", INT64, 2**63 - 1),
        ("2.0", INT64, 2),
        ("1e3", INT64, 1000),
        ("+5", FP64, 5.0),
        ("", STRING, ""),
    ],
)
def test_conversion_of_text(cell: str, kind: str, expected: Any) -> None:
    assert texts([cell]).with_types([kind]).column(0) == [expected]


@pytest.mark.parametrize(
    ("cell", "kind"),
    [("2", BOOLEAN), ("yes", BOOLEAN), ("1.5", INT64), ("9223372036854775808", INT64), ("nan", INT64), ("t", FP64)],
)
def test_conversion_that_would_change_a_value(cell: str, kind: str) -> None:
    with pytest.raises(OperationError, match=f"'{cell}' in row 1"):
        texts([cell]).with_types([kind])


def test_column_types_have_many_names() -> None:
    names = {
        "String": STRING,
        "str": STRING,
        "bool": BOOLEAN,
        " INT32 ": INT64,
        "int": INT64,
        "fp32": FP64,
        "Double": FP64,
    }
    assert {name: column_type(name) for name in names} == names
    with pytest.raises(OperationError, match="'strng'") as caught:
        column_type("strng")
    assert caught.value.hint == "did you mean 'STRING'?"


# --- the operators ---


def test_frame_fills_columns_of_the_schema() -> None:
    assert cells(call("frame", 3, 2, 1, None)) == [["3", "3"]]
    value = call("frame", "1", 2, 4, ListValue(["STRING", "int32", "Boolean", "FP64"]))
    assert cells(value) == [["1", "1"], [1, 1], [True, True], [1.0, 1.0]]
    assert value.types == (STRING, INT64, BOOLEAN, FP64)
    assert cells(call("frame", "", 1, 2, "string,double")) == [[""], [None]]
    assert call("frame", "a", 2, 0, None).shape == (2, 0)
    assert call("frame", "a", 0, 2, None).shape == (0, 2)


def test_frame_refuses() -> None:
    with pytest.raises(SizeError, match="3 columns gets a schema of 1 types"):
        call("frame", 1, 2, 3, ListValue(["STRING"]))
    with pytest.raises(OperationError, match="cannot fill a column of type INT64 with 'a'"):
        call("frame", "a", 2, 1, "int")
    with pytest.raises(OperationError, match="must hold the names"):
        call("frame", "a", 2, 1, ListValue([1]))
    with pytest.raises(SizeError, match="'rows' of frame"):
        infer("frame", scalar(DOUBLE), type_of(-1), type_of(2), MISSING)


def test_frame_size() -> None:
    assert infer("frame", scalar(DOUBLE), type_of(3), type_of(2), MISSING) == frame(3, 2)
    assert infer("frame", scalar(DOUBLE), scalar(DOUBLE), type_of(2), MISSING) == frame(None, 2)


def test_names_and_types() -> None:
    assert cells(call("colnames", MIXED)) == [["s"], ["b"], ["i"], ["d"]]
    assert cells(call("typeof", MIXED)) == [[STRING], [BOOLEAN], [INT64], [FP64]]
    assert call("colnames", MIXED).names == ["C1", "C2", "C3", "C4"]
    assert infer("typeof", frame(7, 3)) == frame(1, 3)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (["TRUE", "f", "0", "1.0"], "BOOLEAN"),
        (["1", "0", "-7"], "INT32"),
        (["2147483648", "1"], "INT64"),
        (["9223372036854775808"], "FP64"),
        (["1" * 5000], "FP64"),
        (["1.5", "nan", "-inf", "3"], "FP32"),
        (["0.12345678901"], "FP64"),
        (["2147483648", "1.5"], "FP64"),
        (["a", "b"], "CHARACTER"),
        (["deadbeef"], "HASH32"),
        (["deadbeef", "0123456789abcdef"], "HASH64"),
        (["1", "west"], "STRING"),
        (["5", "t"], "STRING"),
        (["5", None], "INT32·n"),
        (["5", ""], "INT32·n"),
        ([None], "STRING·n"),
    ],
)
def test_detected_schema_can_be_applied(column: list[Any], expected: str) -> None:
    schema = call("detectSchema", texts(column))
    assert cells(schema) == [[expected]]
    applied = call("applySchema", texts(column), schema)
    assert applied.types == (column_type(expected.removesuffix("·n")),)
    assert [cell is None for cell in applied.column(0)] == [
        cell is None or (cell == "" and applied.types != (STRING,)) for cell in column
    ]


def test_apply_schema_refuses() -> None:
    with pytest.raises(OperationError, match="'x' in row 2, column 1"):
        call("applySchema", texts(["1", "x"]), texts(["INT64"]))
    with pytest.raises(SizeError, match="1 types"):
        call("applySchema", MIXED, texts(["INT64"]))
    with pytest.raises(SizeError, match="one row"):
        call("applySchema", texts(["1"]), texts(["INT64", "INT64"]))
    with pytest.raises(SizeError, match="one type per column"):
        infer("applySchema", frame(2, 2), frame(1, 3))
    with pytest.raises(SizeError, match="one row"):
        infer("applySchema", frame(2, 2), frame(2, 2))
    assert infer("applySchema", frame(5, None), frame(1, 3)) == frame(5, None)
