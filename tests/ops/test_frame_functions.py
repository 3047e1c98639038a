"""Functions that repair and compare frames, and the functions of matrices that also take frames."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

import gramian.ops.frame
import gramian.ops.select
import gramian.ops.table  # noqa: F401
from gramian.errors import OperationError, SizeError
from gramian.ir.frame import BOOLEAN, FP64, INT64, STRING, Frame
from gramian.ir.op import REGISTRY
from gramian.ir.types import BOOLEAN as TRUTH, DOUBLE, MISSING, STRING as TEXT, Type, frame, matrix, scalar, type_of

NAN = math.nan


def call(name: str, *values: Any) -> Any:
    return REGISTRY[name].kernel(*values)


def infer(name: str, *types: Type) -> Type:
    return REGISTRY[name].infer(*types)


def cells(value: Frame) -> list[list[Any]]:
    return [value.column(j) for j in range(value.shape[1])]


def texts(*columns: Any, names: Any = None) -> Frame:
    return Frame.of(columns, [STRING] * len(columns), names)


def row(*values: Any) -> Frame:
    return texts(*([v] for v in values))


MIXED = Frame.of(
    [["x", None, "z"], [True, False, None], [1, None, 3], [0.5, NAN, None]],
    [STRING, BOOLEAN, INT64, FP64],
    list("sbid"),
)
EMPTY = Frame.from_matrix(np.empty((3, 0)))


# ---- dropInvalidType ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        ("BOOLEAN", ["0", "true", "F", "1.0"]),
        ("INT64", ["0", "true", "F", "1.0", "-12", "99999999999"]),
        ("FP64", ["0", "true", "F", "1.0", "-12", "99999999999", "2.50", "nan", "1e400"]),
        ("STRING", ["0", "true", "F", "1.0", "-12", "99999999999", "2.50", "nan", "1e400", "a", "text", "", " "]),
    ],
)
def test_drop_invalid_type_of_text(kind: str, kept: list[str]) -> None:
    column = ["0", "true", "F", "1.0", "-12", "99999999999", "2.50", "nan", "1e400", "a", "text", "", " ", None]
    result = call("dropInvalidType", texts(column, names=["c"]), row(kind))
    assert cells(result) == [[c if c in kept else None for c in column]]
    assert (result.types, result.names) == ((STRING,), ["c"])


def test_drop_invalid_type_of_numbers_keeps_what_the_type_can_hold() -> None:
    numbers = Frame.of([[1.0, 2.5, 0.0, math.inf, NAN, None]], [FP64])
    assert repr(cells(call("dropInvalidType", numbers, row("int·n")))) == repr([[1.0, None, 0.0, None, None, None]])
    assert cells(call("dropInvalidType", numbers, row("BOOLEAN"))) == [[1.0, None, 0.0, None, None, None]]
    assert repr(cells(call("dropInvalidType", numbers, row("fp64")))) == repr(cells(numbers))
    assert cells(call("dropInvalidType", MIXED, row("STRING", "INT64", "FP64", "STRING")))[:3] == cells(MIXED)[:3]


def test_drop_invalid_type_sizes() -> None:
    assert infer("dropInvalidType", frame(5, 2), frame(1, 2)) == frame(5, 2)
    with pytest.raises(SizeError, match="one type per column, found 3 types for 2 columns"):
        infer("dropInvalidType", frame(5, 2), frame(1, 3))
    with pytest.raises(SizeError, match="a frame of one row, found a 2x2 frame"):
        infer("dropInvalidType", frame(5, 2), frame(2, 2))
    with pytest.raises(SizeError, match="one type per column, found 1 types for 4 columns"):
        call("dropInvalidType", MIXED, row("STRING"))
    with pytest.raises(OperationError, match="'STRIN' is no type"):
        call("dropInvalidType", texts(["a"]), row("STRIN"))
    assert call("dropInvalidType", EMPTY, EMPTY.select(slice(0, 1), slice(0, 0))).shape == (3, 0)


# ---- dropInvalidLength ----------------------------------------------------------------------------------------------


def test_drop_invalid_length() -> None:
    result = call("dropInvalidLength", MIXED, np.array([[0.0, 4, -1, 3]]))
    assert cells(result)[:3] == [[None] * 3, [True, None, None], [1, None, 3]]
    assert repr(cells(result)[3]) == "[0.5, nan, None]"
    assert (result.types, result.names) == (MIXED.types, MIXED.names)
    assert cells(call("dropInvalidLength", texts(["äöü", "a"]), np.array([[2.5]]))) == [[None, "a"]]
    assert call("dropInvalidLength", EMPTY, np.empty((1, 0))).shape == (3, 0)


@settings(deadline=None)
@given(st.lists(st.text(max_size=4) | st.none(), max_size=9), st.integers(-1, 4))
def test_drop_invalid_length_counts_characters(column: list[str | None], most: int) -> None:
    expected = [c if c is None or most < 0 or len(c) <= most else None for c in column]
    assert cells(call("dropInvalidLength", texts(column), np.array([[float(most)]]))) == [expected]


def test_drop_invalid_length_sizes() -> None:
    assert infer("dropInvalidLength", frame(5, 2), matrix(1, 2)) == frame(5, 2)
    for types in ((frame(5, 2), matrix(1, 3)), (frame(5, 2), matrix(2, 1))):
        with pytest.raises(SizeError, match="must be one row of 2 cells, one for each column, found a"):
            infer("dropInvalidLength", *types)
    with pytest.raises(SizeError, match="one row of 4 cells"):
        call("dropInvalidLength", MIXED, np.ones((1, 3)))


# ---- freplicate, valueSwap ------------------------------------------------------------------------------------------


def test_freplicate() -> None:
    result = call("freplicate", MIXED, Frame.of([["a"], [1], [None], [2.5]], [STRING, INT64, BOOLEAN, FP64]))
    assert cells(result) == [["a"] * 3, [1] * 3, [None] * 3, [2.5] * 3]
    assert (result.types, result.names) == ((STRING, INT64, BOOLEAN, FP64), MIXED.names)
    assert infer("freplicate", frame(5, 2), frame(1, 2)) == frame(5, 2)
    assert call("freplicate", EMPTY, EMPTY.select(slice(0, 1), slice(0, 0))).shape == (3, 0)
    assert call("freplicate", texts([]), row("a")).shape == (0, 1)
    with pytest.raises(SizeError, match="must be a 1x2 frame, found a 2x2 frame"):
        infer("freplicate", frame(5, 2), frame(2, 2))
    with pytest.raises(SizeError, match="must be a 1x4 frame, found a 1x1 frame"):
        call("freplicate", MIXED, row("a"))


def test_value_swap() -> None:
    people = texts(["Ann", "35", "Cy"], ["30", "Bob", "x"], ["1.5", "2", None], names=["name", "age", "size"])
    result = call("valueSwap", people, row("STRING", "INT64", "FP64"))
    assert cells(result) == [["Ann", "Bob", "Cy"], ["30", "35", "x"], ["1.5", "2", None]]
    assert (result.names, result.types) == (people.names, people.types)
    # A number may stand in any column of text: the cell that is wrong itself is the partner.
    assert cells(call("valueSwap", row("a", "b", "1"), row("INT64", "STRING", "INT64"))) == [["a"], ["b"], ["1"]]
    assert cells(call("valueSwap", row("a", "1", "TRUE"), row("BOOLEAN", "STRING", "STRING"))) == [
        ["1"],
        ["a"],
        ["TRUE"],
    ]
    assert cells(call("valueSwap", MIXED, row("STRING", "BOOLEAN", "INT64", "STRING")))[:3] == cells(MIXED)[:3]
    typed = Frame.of([["a"], [1]], [STRING, INT64])
    assert call("valueSwap", typed, row("INT64", "STRING")).types == (STRING, STRING)
    assert infer("valueSwap", frame(5, 2), frame(1, 2)) == frame(5, 2)


# ---- comparisons ----------------------------------------------------------------------------------------------------


def test_frame_compare() -> None:
    result = call("frameCompare", MIXED, MIXED, "==")
    assert cells(result) == [[True] * 3, [True] * 3, [True] * 3, [True, False, True]]
    assert cells(call("frameCompare", texts(["a", "b"]), texts(["b", "b"]), "<")) == [[True, False]]
    assert infer("frameCompare", frame(None, 2), frame(3, None), type_of("==")) == frame(3, 2)


@pytest.mark.parametrize("other", [scalar(DOUBLE), matrix(2, 2), scalar(TEXT)])
def test_frames_are_compared_with_frames_only(other: Type) -> None:
    with pytest.raises(OperationError, match="operator < cannot compare a 2x2 frame and a"):
        infer("frameCompare", frame(2, 2), other, type_of("<"))


def test_frame_compare_sizes() -> None:
    with pytest.raises(SizeError, match="operator == cannot compare a 2x2 frame and a 2x3 frame"):
        infer("frameCompare", frame(2, 2), frame(2, 3), type_of("=="))
    with pytest.raises(SizeError, match="cannot compare a 3x4 and a 1x1 frame"):
        call("frameCompare", MIXED, row("a"), "==")


# ---- removeEmpty ----------------------------------------------------------------------------------------------------


def remove_empty(target: Frame, margin: str, select: Any = None, empty_return: bool = True) -> Frame:
    result = call("removeEmpty", target, margin, select, empty_return)
    kind = infer("removeEmpty", frame(*target.shape), type_of(margin), MISSING, type_of(empty_return))
    assert all(known in (None, size) for known, size in zip((kind.rows, kind.cols), result.shape, strict=True))
    return result


HOLES = Frame.of(
    [["", None, "a"], [0, None, 1], [0.0, None, NAN], [False, None, False]], [STRING, INT64, FP64, BOOLEAN]
)


def test_remove_empty_of_frames() -> None:
    assert repr(cells(remove_empty(HOLES, "rows"))) == repr([["a"], [1], [NAN], [False]])
    kept = remove_empty(HOLES.with_names(list("abcd")), "cols")
    assert (kept.names, kept.types) == (list("abc"), (STRING, INT64, FP64))
    assert remove_empty(HOLES, "cols").names == ["C1", "C2", "C3"]
    select = np.array([[0.0, 1, 1, NAN]])
    assert remove_empty(HOLES, "cols", select).types == (INT64, FP64, BOOLEAN)
    assert cells(remove_empty(HOLES, "rows", np.array([[1.0], [1], [0]])))[1] == [0, None]


def test_remove_empty_of_frames_with_nothing_left() -> None:
    blank = texts(["", None], [None, ""])
    assert cells(remove_empty(blank, "rows")) == [[None], [None]]
    assert cells(remove_empty(blank, "cols")) == [[None, None]]
    assert remove_empty(blank, "rows", empty_return=False).shape == (0, 2)
    assert remove_empty(blank, "cols", empty_return=False).shape == (2, 0)
    assert remove_empty(EMPTY, "rows", np.array([[1.0, 0, 1]])).shape == (2, 0)
    assert infer("removeEmpty", frame(4, 3), scalar(TEXT), MISSING, type_of(True)) == frame()
    with pytest.raises(SizeError, match="must be a vector of 3 cells"):
        remove_empty(HOLES, "rows", np.ones((2, 1)))


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["", "a", None]), st.sampled_from([0, 1, None])), min_size=1, max_size=8))
def test_remove_empty_agrees_with_pandas(rows: list[tuple[Any, Any]]) -> None:
    target = Frame.of([[r[0] for r in rows], [r[1] for r in rows]], [STRING, INT64])
    table = pd.DataFrame({"s": [r[0] for r in rows], "i": pd.array([r[1] for r in rows], "Int64")})
    keep = (table["s"].fillna("") != "") | (table["i"].fillna(0) != 0)
    assert cells(remove_empty(target, "rows", empty_return=False))[0] == [
        s for (s, _), k in zip(rows, keep, strict=True) if k
    ]


# ---- replace and contains -------------------------------------------------------------------------------------------


def test_replace_in_frames() -> None:
    column = texts(["a", None, "b", "a"])
    assert cells(call("replace", column, "a", "x")) == [["x", None, "b", "x"]]
    assert cells(call("replace", column, "a", 2.5)) == [["2.5", None, "b", "2.5"]]
    assert cells(call("replace", MIXED, "TRUE", False))[1] == [False, False, None]
    for one in (1, 1.0, "1", True):
        assert cells(call("replace", MIXED, one, 0))[2] == [0, None, 3]
    result = call("replace", MIXED, NAN, 7)
    assert cells(result)[2:] == [[1, 7, 3], [0.5, 7.0, 7.0]]
    assert cells(result)[:2] == cells(MIXED)[:2]
    assert (result.types, result.names) == (MIXED.types, MIXED.names)
    assert call("replace", EMPTY, "a", "b").shape == (3, 0)


def test_replace_refuses_what_a_column_cannot_hold() -> None:
    with pytest.raises(OperationError, match=r"replace\(\) cannot put 'many' into column 3 \(i\) of type INT64"):
        call("replace", MIXED, 3, "many")
    assert cells(call("replace", MIXED, "x", "many"))[0] == ["many", None, "z"]
    assert infer("replace", frame(2, 3), scalar(TEXT), scalar(TEXT)) == frame(2, 3)
    for types in ((scalar(TEXT), scalar(DOUBLE)), (scalar(DOUBLE), scalar(TRUTH))):
        with pytest.raises(
            OperationError, match=r"of replace\(\) must be a number for a matrix, found a (string|boolean)"
        ):
            infer("replace", matrix(2, 2), *types)


def test_contains_in_frames() -> None:
    for pattern in ("x", True, "FALSE", 3, "3", 0.5, NAN):
        assert call("contains", MIXED, pattern) is True
    for pattern in ("y", 2, "0.55", ""):
        assert call("contains", MIXED, pattern) is False
    assert call("contains", MIXED, Frame.of([["x"], [True], [1], [0.5]], MIXED.types)) is True
    assert call("contains", MIXED, row("x", "TRUE", "1", "0.5")) is True
    assert call("contains", MIXED, row("x", "TRUE", "3", "0.5")) is False
    assert call("contains", texts(["a", None]), row(None)) is True
    assert call("contains", Frame.from_matrix(np.array([[1.0, 2], [3, 4]])), np.array([[3.0, 4]])) is True
    assert infer("contains", frame(2, 3), frame(1, 3)) == scalar(TRUTH)
    with pytest.raises(SizeError, match="1x3, found a 1x2"):
        infer("contains", frame(2, 3), frame(1, 2))
    with pytest.raises(OperationError, match=r"of contains\(\) must be a number for a matrix, found a string"):
        infer("contains", matrix(2, 3), scalar(TEXT))


# ---- distinct values ------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_approximate_counts_are_exact(values: list[int]) -> None:
    x = np.array([values, values[::-1]], dtype=float)
    assert call("countDistinctApprox", x, "KMV", "rc") == len(set(values))
    assert call("rowCountDistinctApprox", x, "KMV").tolist() == [[len(set(values))]] * 2
    columns = [[len({a, b}) for a, b in zip(values, values[::-1], strict=True)]]
    assert call("colCountDistinctApprox", x, "KMV").tolist() == columns
    assert call("countDistinctApprox", x, "KMV", "c").tolist() == columns


def test_unknown_sketches_are_refused() -> None:
    with pytest.raises(OperationError, match=r"'type' of countDistinctApprox\(\) must be \"KMV\", found \"HLL\""):
        infer("countDistinctApprox", matrix(2, 2), type_of("HLL"), type_of("rc"))
    assert infer("rowCountDistinctApprox", matrix(4, 2), type_of("KMV")) == matrix(4, 1)
