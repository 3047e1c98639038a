"""Numbers as text: Java's form, the same one by one and many at a time, and exact in both directions."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from gramian.io import numbers
from gramian.ir.scalar import double_text

KNOWN = [
    (0.0, "0.0"),
    (-0.0, "-0.0"),
    (1.0, "1.0"),
    (0.1, "0.1"),
    (0.001, "0.001"),
    (9.99e-4, "9.99E-4"),
    (1e-10, "1.0E-10"),
    (123456.789, "123456.789"),
    (9999999.999999998, "9999999.999999998"),
    (1e7, "1.0E7"),
    (123456789.0, "1.23456789E8"),
    (-1.5e20, "-1.5E20"),
    (np.inf, "Infinity"),
    (-np.inf, "-Infinity"),
]


def texts(values: list[float], **options: str) -> list[str]:
    found: list[str] = numbers.texts(np.array(values, dtype=np.float64), **options).to_pylist()
    return found


def test_known_forms() -> None:
    assert texts([value for value, _ in KNOWN]) == [text for _, text in KNOWN]
    assert texts([np.nan, 5e-324]) == ["NaN", "5.0E-324"]  # the shortest digits that read back, as Python has them


@given(st.lists(st.floats(allow_nan=True), max_size=30))
def test_many_are_written_like_one_and_read_back(values: list[float]) -> None:
    written = texts(values)
    assert written == [double_text(value) for value in values]
    cells, bad = numbers.parse(pa.array(written, pa.string()))
    assert not bad.any()
    np.testing.assert_array_equal(cells, values)
    np.testing.assert_array_equal(np.signbit(cells[~np.isnan(cells)]), np.signbit([v for v in values if v == v]))


def test_zero_has_a_form_of_its_own() -> None:
    assert texts([0.0, -0.0, 1.0], zero="0") == ["0", "-0.0", "1.0"]
    assert texts([0.0, 2.0], zero="") == ["", "2.0"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e3", 1000.0), (".5", 0.5), ("1.", 1.0), ("+7", 7.0), (" 2 ", 2.0), ("1e400", np.inf), ("+Infinity", np.inf)],
)
def test_forms_that_java_reads(text: str, value: float) -> None:
    cells, bad = numbers.parse(pa.array([text]))
    assert (cells[0], bad[0]) == (value, False)


@pytest.mark.parametrize(
    "text", ["nan", "inf", "Inf", "-inf", "infinity", "0x10", "1_0", "1e", ".", "", "+-1", "1 2", "a"]
)
def test_forms_that_are_no_numbers(text: str) -> None:
    _, bad = numbers.parse(pa.array([text]))
    assert bad[0]
