"""Estimates of memory, against counts by hand."""

from __future__ import annotations

import pytest

from gramian.cost.memory import MATRIX_OVERHEAD, Peak, bytes_text, peak, total, value_bytes
from gramian.ir.program import Block
from gramian.ir.types import DOUBLE, LIST, MISSING, STRING, frame, matrix, results, scalar, type_of
from gramian.lang.dml import parse
from gramian.lang.lower import lower
from gramian.settings import Settings
from gramian.source import Source

MB = 1000 * 125 * 8 + MATRIX_OVERHEAD  # a matrix of 1000 x 125


def block_peak(script: str) -> Peak:
    program = lower(Source("test", script), parse, Settings())
    block = program.main.body[-1]
    assert isinstance(block, Block)
    return peak(block)


def test_values() -> None:
    assert value_bytes(matrix(10, 5)) == 400 + MATRIX_OVERHEAD
    assert value_bytes(matrix(10, 5), 4) == 200 + MATRIX_OVERHEAD
    assert value_bytes(matrix(0, 5)) == MATRIX_OVERHEAD
    assert value_bytes(matrix(10, None)) is None
    assert value_bytes(scalar(DOUBLE)) == value_bytes(scalar(STRING)) == 8
    assert value_bytes(type_of("twelve bytes")) == 12
    assert value_bytes(MISSING) == 0
    assert value_bytes(results(matrix(1, 1), scalar(DOUBLE))) == 16 + MATRIX_OVERHEAD
    assert value_bytes(results(matrix(), scalar(DOUBLE))) is None
    assert value_bytes(LIST) is None
    assert value_bytes(frame(2, 3)) is None


def test_totals() -> None:
    assert total([1, 2]) == 3
    assert total([]) == 0
    assert total([1, None]) is None


X = "X = rand(rows=1000, cols=125)\n"


@pytest.mark.parametrize(
    ("script", "matrices"),
    [
        (X, 1),
        (X + "Y = X + 1", 2),
        (X + "Y = X", 1),
        (X + "X = X + 1\nX = X * 2", 2),  # the old value goes when the new one is there
        (X + "s = sum(exp(abs(X)))", 3),  # X, abs(X) and exp of it
        (X + "s = sum(exp(X) + abs(X))", 4),
        (X + "s = sum(exp(X)) + sum(abs(X))", 2),  # one after the other
        (X + "Y = t(X)[1:50, ]", 1),  # views
        (X + "Y = t(X + 1)\nX = Y", 2),
        (X + "Y = t(exp(X))\ns = sum(Y)\nY = X\nZ = X + 1", 2),
        (X + "X[1, 1] = 5\nX[2, ] = X[3, ]", 1),  # in place
        (X + "Y = X\nY[1, 1] = 5", 2),
        (X + "Y = X\nY[1, 1] = 5\nY[1, 2] = 6\nZ = Y + X", 3),
    ],
)
def test_peaks(script: str, matrices: int) -> None:
    found = block_peak(script)
    assert found.is_complete
    assert matrices * MB <= found.bytes < matrices * MB + 200


def test_variables_of_other_blocks() -> None:
    found = block_peak(X + "if (sum(X) > 0) {\n  Y = 1\n}\nZ = X + 1")
    assert 2 * MB <= found.bytes < 2 * MB + 200


def test_unknown_sizes_are_no_part_of_the_number() -> None:
    found = block_peak(X + "Y = removeEmpty(target=X, margin='rows')\nZ = Y + 1")
    assert not found.is_complete
    assert MB <= found.bytes < MB + 200
    assert str(found) == "1.0 MB + ?"
    assert str(Peak(0, False)) == "?"
    assert str(Peak(1200, True)) == "1.2 KB"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, "?"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KB"),
        (9_949, "9.9 KB"),
        (9_999, "10 KB"),
        (123_456, "123 KB"),
        (999_600, "1.0 MB"),
        (5_500_000_000, "5.5 GB"),
        (2 * 10**18, "2000 PB"),
    ],
)
def test_bytes_for_people(size: int | None, text: str) -> None:
    assert bytes_text(size) == text
