"""Matrix Market files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from gramian.errors import OperationError
from gramian.io import read_value, resolve, write_value

BANNER = "%%MatrixMarket matrix "


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str, **options: Any) -> Any:
    Path("x").write_text(BANNER + text)
    return read_value("x", options)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("coordinate real general\n% note\n2 3 2\n1 1 1.5\n2 3 -2\n", [[1.5, 0, 0], [0, 0, -2]]),
        ("coordinate integer general\n2 2 1\n2 1 4\n", [[0, 0], [4, 0]]),
        ("coordinate pattern general\n2 2 1\n2 1\n", [[0, 0], [1, 0]]),
        ("coordinate real symmetric\n2 2 2\n1 1 3\n2 1 5\n", [[3, 5], [5, 0]]),
        ("array real general\n2 2\n1\n2\n3\n4\n", [[1, 3], [2, 4]]),
    ],
)
def test_kinds(text: str, expected: Any) -> None:
    found = read(text)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float64
    assert found.flags.c_contiguous


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("coordinate complex general\n1 1 1\n1 1 2 3\n", "complex numbers"),
        ("coordinate real skew-symmetric\n2 2 1\n2 1 2\n", "skew-symmetric"),
        ("coordinate real general\n2 2 1\n3 1 2\n", "Line 3: Row index out of bounds"),
        ("coordinate real general\n2 2 2\n1 1 2\n", "Truncated file"),
        ("coordinate real general\n2 2 1\n1 1 x\n", "Invalid floating-point value"),
        ("nonsense\n", "cannot read 'x' as a Matrix Market file"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(OperationError, match=message):
        read(text)


def test_sizes_come_from_the_header_and_must_agree() -> None:
    text = "coordinate real general\n2 3 1\n1 1 1.5\n"
    assert read(text, rows=2, cols=3, nnz=1).shape == (2, 3)
    plan = resolve("x", {})
    assert (plan.rows, plan.cols) == (2, 3)
    for option in ({"rows": 3}, {"cols": 2}, {"nnz": 2}):
        (name,) = option
        with pytest.raises(OperationError, match=f"but {name}={option[name]} is given"):
            read(text, **option)
    with pytest.raises(OperationError, match="format mm holds matrices, not frames"):
        read(text, data_type="frame")


def test_written_without_metadata_and_readable_by_others() -> None:
    matrix = np.random.default_rng(3).standard_normal((300, 200))
    matrix[matrix < 0] = 0
    write_value(matrix, "y", {"format": "csv"})
    write_value(matrix, "y", {"format": "mm"})
    assert [p.name for p in Path().iterdir()] == ["y"]
    np.testing.assert_array_equal(scipy.io.mmread("y", spmatrix=False).toarray(), matrix)
    np.testing.assert_array_equal(read_value("y", {}), matrix)
