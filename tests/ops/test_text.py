"""Text of values, print, stop and assert."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from gramian.errors import OperationError
from gramian.ir.frame import BOOLEAN, FP64, INT64, STRING, Frame
from gramian.ir.node import check_arguments
from gramian.ir.op import REGISTRY, Effect
from gramian.ir.types import DOUBLE, LIST, NOTHING, STRING as STRING_TYPE, UNKNOWN, matrix, scalar, type_of
from gramian.ir.values import ListValue
from gramian.ops import text
from gramian.ops.text import ScriptStop, format_printf

DEFAULTS = {"rows": 100, "cols": 100, "decimal": 3, "sparse": False, "sep": " ", "linesep": "\n"}


def to_string(target: Any, **options: Any) -> str:
    return str(REGISTRY["toString"].kernel(target, *(DEFAULTS | options).values()))


def printed(*values: Any) -> str:
    found: list[str] = []
    with text.out.to(found.append):
        REGISTRY["print"].kernel(*values)
    return "".join(found)


def test_defaults_are_those_of_the_record() -> None:
    assert {p.name: p.default for p in REGISTRY["toString"].params[1:]} == DEFAULTS


# --- scalars and matrices ---


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, "3"),
        (True, "TRUE"),
        ("a b", "a b"),
        (2.0, "2.0"),
        (1e7, "1.0E7"),
        (1e-4, "1.0E-4"),
        (math.nan, "NaN"),
        (-0.0, "-0.0"),
    ],
)
def test_scalars(value: Any, expected: str) -> None:
    assert to_string(value) == expected
    assert printed(value) == expected + "\n"


def test_matrices() -> None:
    m = np.array([[0.0625, -0.0001], [2.5, -0.0]])
    assert to_string(m) == "0.062 -0.000\n2.500 0.000\n"
    assert to_string(m.T) == "0.062 2.500\n-0.000 0.000\n"
    assert to_string(m, decimal=0) == "0 -0\n2 0\n"
    assert to_string(m, decimal=-1) == "0.062 -0\n2.5 0\n"
    assert to_string(m, sep=" | ", linesep="%d;") == "0.062 | -0.000%d;2.500 | 0.000%d;"
    assert to_string(m, linesep="") == "0.062 -0.0002.500 0.000"
    assert printed(m) == to_string(m) + "\n"


def test_special_cells() -> None:
    m = np.array([[np.nan, np.inf, -np.inf, 1e20]])
    assert to_string(m, decimal=1, sep="inf") == "NaNinfInfinityinf-Infinityinf100000000000000000000.0\n"
    assert to_string(m, decimal=-1) == "NaN Infinity -Infinity 100000000000000000000\n"
    assert len(to_string(np.array([[1e300]]), decimal=0)) == 302


def test_parts_of_a_matrix() -> None:
    m = np.arange(120.0 * 120).reshape(120, 120)
    lines = to_string(m, decimal=0).splitlines()
    assert len(lines) == 100
    assert all(len(line.split()) == 100 for line in lines)
    assert to_string(m, rows=2, cols=1, decimal=0) == "0\n120\n"
    assert len(to_string(m, rows=-1, cols=-1).split()) == 120 * 120
    assert to_string(m, rows=0) == ""


def test_empty_matrices() -> None:
    assert to_string(np.empty((0, 3))) == ""
    assert to_string(np.empty((2, 0))) == "\n\n"


def test_sparse_form() -> None:
    m = np.array([[0, -0.0, 2.5], [np.nan, 0, -1]])
    assert to_string(m, sparse=True) == "1 3 2.500\n2 1 NaN\n2 3 -1.000\n"
    assert to_string(m, sparse=True, cols=2, sep=",", linesep=";") == "2,1,NaN;"
    assert to_string(np.zeros((2, 2)), sparse=True) == ""


@given(arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=5)), st.integers(0, 12))
def test_cells_are_those_of_c(m: Any, decimal: int) -> None:
    def cell(value: float) -> str:
        if math.isfinite(value):
            return f"{value or 0.0:.{decimal}f}"
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"

    expected = "".join(" ".join(map(cell, row)) + "\n" for row in m.tolist())
    assert to_string(m, decimal=decimal) == expected


def test_large_matrices_are_fast() -> None:
    m = np.random.default_rng(1).standard_normal((1000, 100))
    start = time.perf_counter()
    to_string(m, rows=1000)
    assert time.perf_counter() - start < 1  # some 40 ms


# --- frames and lists ---

FRAME = Frame.of(
    [["x", None], [True, None], [1, None], [0.0625, None]], [STRING, BOOLEAN, INT64, FP64], ["s", "b", "i", "d"]
)


def test_frames() -> None:
    head = "# FRAME: nrow = 2, ncol = 4\n# s b i d\n# STRING BOOLEAN INT64 FP64\n"
    assert to_string(FRAME) == head + "x TRUE 1 0.062\nnull null null null\n"
    assert (
        to_string(FRAME, rows=1, cols=2, sep=",", linesep=";")
        == "# FRAME: nrow = 2, ncol = 4;#,s,b;#,STRING,BOOLEAN;x,TRUE;"
    )
    assert to_string(FRAME, sparse=True, decimal=1) == head + "1 1 x\n1 2 TRUE\n1 3 1\n1 4 0.1\n"
    assert printed(FRAME) == to_string(FRAME) + "\n"
    numbers = Frame.from_matrix(np.array([[1.5, np.nan], [-0.0, np.inf]]))
    assert to_string(numbers) == "# FRAME: nrow = 2, ncol = 2\n# C1 C2\n# FP64 FP64\n1.500 NaN\n0.000 Infinity\n"
    assert to_string(Frame.from_matrix(np.empty((1, 0)))) == "# FRAME: nrow = 1, ncol = 0\n#\n#\n\n"


def test_lists() -> None:
    inner = ListValue([3])
    assert (
        to_string(ListValue([1, "a", True, 2.0, inner])) == "List containing:\n[1, a, TRUE, 2.0, List containing:\n[3]]"
    )
    assert to_string(ListValue([np.eye(2), 1]), decimal=0) == "List containing:\n[\nMatrix:\n1 0\n0 1\n, 1]"
    assert to_string(ListValue([FRAME])) == f"List containing:\n[\n{to_string(FRAME)}]"
    assert to_string(ListValue([1], ["a"])) == "List containing:\n[1]"
    assert to_string(ListValue([])) == "List containing:\n[]"
    assert printed(ListValue([1])) == "List containing:\n[1]\n"


# --- formats ---


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("%d|%5.2f|%s|%b|%-4s|", 3, 2.5, True, True, "ab"), "3| 2.50|true|true|ab  |"),
        (("[%5d] [%-5d] [%05d]", 42, 42, -42), "[   42] [42   ] [-0042]"),
        (("%+d|% d|%,d", 42, 42, 1234567), "+42| 42|1,234,567"),
        (("%d", 3.0), "3"),
        (("%x %X %x", 255, 255, -1), "ff FF ffffffffffffffff"),
        (("%f %.2f %.0f %f", 3.14159, 3.14159, 2.5, -0.0), "3.141590 3.14 3 -0.000000"),
        (("%.2f %.1f %.3f", 0.125, 0.15, 0.0005), "0.13 0.2 0.001"),
        (("%08.3f|%,.2f", -3.14159, 1234567.891), "-003.142|1,234,567.89"),
        (("%e %.2E %.0e %e", 12345.678, 1e-300, 15.0, 0.0), "1.234568e+04 1.00E-300 2e+01 0.000000e+00"),
        (("%g %g %g %g", 12345.678, 0.0001, 1e-5, 0.0), "12345.7 0.000100000 1.00000e-05 0.00000"),
        (("%.3g %G", 1e7, 1e-10), "1.00e+07 1.00000E-10"),
        (("%g %.2g", 999999.9, 99.6), "1.00000e+06 1.0e+02"),
        (("%08.2f|%-10.1f|%+f|%E", math.nan, -math.inf, math.inf, math.inf), "     NaN|-Infinity |+Infinity|INFINITY"),
        (("%s %s %.2s %5s %S", 1.5, 3, "abc", False, "x"), "1.5 3 ab false X"),
        (("100%% %d%%", 5), "100% 5%"),
        (("a", "b"), "a"),
        (("%s", ListValue([1])), "List containing:\n[1]"),
    ],
)
def test_formats(arguments: Any, expected: str) -> None:
    assert format_printf(*arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("%d", 2.5), "%d of print.. needs an int, found a double"),
        (("%d", True), "found a boolean"),
        (("%x", 2.0), "needs an int"),
        (("%f", 3), "%f of print.. needs a double, found an int"),
        (("%5.2f", "3"), "%5.2f of print.. needs a double, found a string"),
        (("%b", 1), "needs a boolean"),
        (("%d", FRAME), "found a frame"),
        (("%d", ListValue([])), "found a list"),
        (("%f", np.eye(2)), "found a 2x2 matrix"),
        (("%d %d", 1), "no argument for the format code %d"),
        (("%d items",), "no argument for the format code %d"),
        (("%F", 1.0), "'%F' is no format code"),
        (("%q", 1), "'%q' is no format code"),
        (("50% of", 1), "no format code"),
        (("5%", 1), "'%' is no format code"),
        (("%-d", 1), "misses its width"),
        (("%-05d", 1), "exclude each other"),
        (("%.2d", 1), "cannot have a precision"),
        (("%05s", "a"), "cannot have the flag '0'"),
    ],
)
def test_formats_that_do_not_fit(arguments: Any, message: str) -> None:
    with pytest.raises(OperationError, match=message):
        format_printf(*arguments)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 8))
def test_doubles_in_formats_are_close_to_those_of_c(value: float, precision: int) -> None:
    assert float(format_printf(f"%.{precision}f", value)) == pytest.approx(value, rel=1e-15, abs=0.6 * 10**-precision)
    found, expected = format_printf(f"%.{precision}e", value), f"{value:.{precision}e}"
    assert float(found) == pytest.approx(float(expected), rel=1.1 * 10**-precision)
    assert len(found) == len(expected)


# --- print, stop, assert ---


def test_print() -> None:
    assert printed("100% done") == "100% done\n"
    assert printed("%d%%", 5) == "5%\n"
    with pytest.raises(OperationError, match="format string"):
        printed(1, 2)


def test_print_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    REGISTRY["print"].kernel("seen")
    assert printed("redirected") == "redirected\n"
    REGISTRY["print"].kernel("again")
    assert capsys.readouterr().out == "seen\nagain\n"


def test_output_comes_back_after_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), text.out.to(lambda _: None):
        raise ZeroDivisionError
    REGISTRY["print"].kernel("back")
    assert capsys.readouterr().out == "back\n"


def test_type_of_print() -> None:
    infer = REGISTRY["print"].infer
    assert infer(matrix(2, 2)) == NOTHING
    assert infer(scalar(STRING_TYPE), matrix(2, 2)) == NOTHING == infer(scalar(UNKNOWN), LIST)
    for first in (scalar(DOUBLE), matrix(1, 1), LIST):
        with pytest.raises(OperationError, match="format string"):
            infer(first, scalar(DOUBLE))
    assert REGISTRY["print"].bind([None]) == [0]
    assert REGISTRY["print"].bind([None] * 3) == [0, 1, 2]


@pytest.mark.parametrize(("message", "expected"), [("too big: 3", "too big: 3"), (2.0, "2.0"), (True, "TRUE")])
def test_stop(message: Any, expected: str) -> None:
    with pytest.raises(ScriptStop) as caught:
        REGISTRY["stop"].kernel(message)
    assert caught.value.message == str(caught.value) == expected


def test_assert() -> None:
    for good in (True, 1, -0.5, math.nan):
        REGISTRY["assert"].kernel(good)
    for bad in (False, 0, 0.0):
        with pytest.raises(OperationError, match=r"^assertion failed$"):
            REGISTRY["assert"].kernel(bad)
    assert REGISTRY["assert"].infer(type_of(False)) == NOTHING
    with pytest.raises(OperationError, match="found a string"):
        REGISTRY["assert"].infer(type_of("x"))
    with pytest.raises(OperationError, match="string"):
        REGISTRY["assert"].kernel("x")


def test_statements_happen_in_order() -> None:
    for name in ("print", "stop", "assert"):
        assert REGISTRY[name].effect is Effect.ORDERED
    with pytest.raises(OperationError):
        check_arguments(REGISTRY["stop"], [matrix(1, 1)])
