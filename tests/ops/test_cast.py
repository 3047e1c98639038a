"""Conversions and sizes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import gramian.ops.cast  # noqa: F401
from gramian.errors import OperationError, SizeError
from gramian.ir.frame import BOOLEAN as BOOLEAN_COLUMN, FP64, INT64, STRING as STRING_COLUMN, Frame
from gramian.ir.node import check_arguments
from gramian.ir.op import REGISTRY
from gramian.ir.types import BOOLEAN, DOUBLE, INT, LIST, MISSING, STRING, UNKNOWN, frame, matrix, scalar, type_of
from gramian.ir.values import ListValue


def call(name: str, *values: Any) -> Any:
    return REGISTRY[name].kernel(*values)


def infer(name: str, *types: Any) -> Any:
    check_arguments(REGISTRY[name], list(types))
    return REGISTRY[name].infer(*types)


def same(found: Any, expected: Any) -> bool:
    """Equal, of the same type, and with the same sign of zero."""
    return repr(found) == repr(expected)


# --- as.scalar ---


def test_as_scalar() -> None:
    assert same(call("as.scalar", np.array([[2.5]])), 2.5)
    assert same(call("as.scalar", Frame.of([["x"]], [STRING_COLUMN])), "x")
    assert same(call("as.scalar", Frame.of([[3]], [INT64])), 3)
    assert same(call("as.scalar", Frame.of([[True]], [BOOLEAN_COLUMN])), True)
    assert same(call("as.scalar", ListValue(["a"])), "a")
    assert same(call("as.scalar", ListValue([np.array([[2.0]])])), 2.0)
    assert REGISTRY["castAsScalar"] is REGISTRY["as.scalar"]


@pytest.mark.parametrize("value", [np.ones((1, 2)), np.ones((0, 0)), Frame.from_matrix(np.ones((2, 1)))])
def test_as_scalar_of_other_sizes(value: Any) -> None:
    with pytest.raises(SizeError, match="needs one cell"):
        call("as.scalar", value)


@pytest.mark.parametrize(
    "value", [ListValue([]), ListValue([1, 2]), ListValue([ListValue([1])]), ListValue([np.ones((2, 2))])]
)
def test_as_scalar_of_other_lists(value: Any) -> None:
    with pytest.raises(OperationError, match=r"as\.scalar"):
        call("as.scalar", value)


def test_type_of_as_scalar() -> None:
    assert infer("as.scalar", matrix(1, None)) == scalar(DOUBLE)
    assert infer("as.scalar", frame(1, 1)) == scalar(UNKNOWN) == infer("as.scalar", LIST)
    with pytest.raises(SizeError, match="a 2x\\? matrix"):
        infer("as.scalar", matrix(2, None))
    with pytest.raises(OperationError, match="must be a matrix"):
        infer("as.scalar", scalar(INT))


# --- as.matrix ---


def test_as_matrix() -> None:
    m = np.ones((2, 3))
    assert call("as.matrix", m) is m
    assert call("as.matrix", ListValue([m])) is m
    for value, expected in ((2, 2.0), (True, 1.0), (-0.5, -0.5)):
        np.testing.assert_array_equal(call("as.matrix", value), [[expected]])
    np.testing.assert_array_equal(call("as.matrix", Frame.of([["1", None]], [STRING_COLUMN])), [[1], [np.nan]])
    np.testing.assert_array_equal(call("as.matrix", ListValue([1, 2.5, True])), [[1], [2.5], [1]])
    np.testing.assert_array_equal(call("as.matrix", ListValue([m[:1], 2 * m[:1]])), [[1, 1, 1], [2, 2, 2]])
    np.testing.assert_array_equal(call("as.matrix", ListValue([Frame.from_matrix(m)])), m)
    assert call("as.matrix", ListValue([])).shape == (0, 1)
    assert call("as.matrix", 2).dtype == np.float64


@pytest.mark.parametrize(
    "value",
    [
        "3.5",
        ListValue(["3.5"]),
        ListValue([np.ones((2, 1)), 1]),
        ListValue([1, np.ones((1, 2))]),
        ListValue([ListValue([1])]),
    ],
)
def test_as_matrix_refuses(value: Any) -> None:
    with pytest.raises(OperationError, match=r"as\.matrix"):
        call("as.matrix", value)


def test_type_of_as_matrix() -> None:
    assert infer("as.matrix", frame(3, 2)) == matrix(3, 2)
    assert infer("as.matrix", matrix(3, None)) == matrix(3, None)
    assert infer("as.matrix", scalar(BOOLEAN)) == matrix(1, 1)
    assert infer("as.matrix", LIST) == matrix()
    with pytest.raises(OperationError):
        infer("as.matrix", scalar(STRING))


# --- as.frame, as.list ---


def test_as_frame() -> None:
    value = call("as.frame", np.array([[0.1, 1.0], [np.nan, 0.0]]), None)
    assert value.types == (FP64, FP64)
    assert value.cell(0, 0) == 0.1
    assert value.names == ["C1", "C2"]
    for cell, kind in ((1, INT64), (1.5, FP64), (True, BOOLEAN_COLUMN), ("a", STRING_COLUMN)):
        one = call("as.frame", cell, None)
        assert one.shape == (1, 1)
        assert one.types == (kind,)
        assert same(one.cell(0, 0), cell)
    assert call("as.frame", np.ones((1, 2)), ListValue(["a", "b"])).names == ["a", "b"]
    assert call("as.frame", ListValue([value]), None) is value
    with pytest.raises(SizeError):
        call("as.frame", np.ones((1, 2)), ListValue(["a"]))
    with pytest.raises(OperationError, match="list of strings"):
        call("as.frame", np.ones((1, 2)), ListValue([1, 2]))
    with pytest.raises(OperationError, match="one entry"):
        call("as.frame", ListValue([1, 2]), None)
    assert infer("as.frame", matrix(3, None), MISSING) == frame(3, None)
    assert infer("as.frame", scalar(STRING), MISSING) == frame(1, 1)


def test_as_list() -> None:
    inner = ListValue([1, 2])
    assert call("as.list", ListValue([inner])) is inner
    for value in (ListValue([1]), ListValue([np.ones((1, 1))]), inner, ListValue([])):
        with pytest.raises(OperationError, match=r"as\.list"):
            call("as.list", value)


# --- casts of scalars ---


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("as.double", 3, 3.0),
        ("as.double", True, 1.0),
        ("as.double", "1e3", 1000.0),
        ("as.double", " 3.5 ", 3.5),
        ("as.double", "NaN", math.nan),
        ("as.double", "Infinity", math.inf),
        ("as.integer", -3.7, -3),
        ("as.integer", 3.7, 3),
        ("as.integer", math.nan, 0),
        ("as.integer", math.inf, 2**63 - 1),
        ("as.integer", -1e300, -(2**63)),
        ("as.integer", "1.7", 1),
        ("as.integer", False, 0),
        ("as.logical", 2.5, True),
        ("as.logical", 0, False),
        ("as.logical", math.nan, True),
        ("as.logical", "True", True),
        ("as.logical", "yes", False),
        ("as.boolean", "FALSE", False),
    ],
)
def test_casts(name: str, value: Any, expected: Any) -> None:
    assert same(call(name, value), expected)
    found = infer(name, type_of(value))
    assert same(found.value, expected)
    assert found == type_of(expected)
    assert infer(name, scalar(UNKNOWN)).value_type is found.value_type
    assert infer(name, type_of(value).without_value()) == scalar(found.value_type)


@pytest.mark.parametrize("name", ["as.double", "as.integer"])
def test_bad_text_is_an_error_at_run_time_only(name: str) -> None:
    assert infer(name, type_of("abc")).value is None
    with pytest.raises(OperationError, match="'abc' is not a number"):
        call(name, "abc")


def test_casts_take_scalars_only() -> None:
    for name in ("as.double", "as.integer", "as.logical"):
        with pytest.raises(OperationError, match="must be a"):
            infer(name, matrix(1, 1))


@given(st.integers(-(2**63), 2**63 - 1) | st.floats() | st.booleans() | st.sampled_from(["1", "2.5", "true"]))
def test_generated_code_agrees_with_the_kernel(value: Any) -> None:
    import gramian.ir.scalar as names

    for name in ("as.double", "as.integer", "as.logical"):
        op = REGISTRY[name]
        assert op.scalar is not None
        for type in (type_of(value), scalar(UNKNOWN)):
            code = op.scalar(type)
            assert code is not None
            if value == "true" and name != "as.logical":
                continue
            assert same(eval(code.format("x"), vars(names) | {"x": value}), call(name, value))


# --- sizes ---


@pytest.mark.parametrize("shape", [(2, 3), (0, 3), (3, 0), (1, 1)])
def test_sizes(shape: tuple[int, int]) -> None:
    expected = (*shape, shape[0] * shape[1])
    for value in (np.zeros(shape), Frame.from_matrix(np.zeros(shape))):
        assert tuple(call(name, value) for name in ("nrow", "ncol", "length")) == expected
    for build in (matrix, frame):
        assert tuple(infer(name, build(*shape)).value for name in ("nrow", "ncol", "length")) == expected


def test_sizes_of_lists_and_unknown_sizes() -> None:
    value = ListValue([1, "a", np.ones((5, 5))])
    assert tuple(call(name, value) for name in ("nrow", "ncol", "length")) == (3, 1, 3)
    assert infer("nrow", LIST) == scalar(INT) == infer("length", LIST)
    assert infer("ncol", LIST) == type_of(1)
    assert infer("nrow", matrix(None, 3)) == scalar(INT) == infer("length", matrix(None, 3))
    assert infer("ncol", matrix(None, 3)) == type_of(3)
    for name in ("nrow", "ncol", "length"):
        with pytest.raises(OperationError):
            infer(name, scalar(STRING))
