"""The operators read, readMM and write: what is known when compiling, and that they reach the files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gramian.errors import OperationError, SizeError
from gramian.io import write_value
from gramian.ir.op import REGISTRY, Effect
from gramian.ir.types import (
    BOOLEAN,
    DOUBLE,
    INT,
    LIST,
    MISSING,
    NOTHING,
    STRING,
    UNKNOWN,
    Type,
    frame,
    matrix,
    scalar,
    type_of,
)
from gramian.ir.values import ListValue
from gramian.ops.io import type_from_file


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def slots(name: str, first: tuple[Any, ...], options: dict[str, Any], absent: Any) -> list[Any]:
    return [*first, *(options.get(param.name, absent) for param in REGISTRY[name].params[len(first) :])]


def as_type(value: Any) -> Type:
    return value if isinstance(value, Type) else type_of(value)


def infer(name: str, *first: Any, **options: Any) -> Type:
    types = {option: as_type(value) for option, value in options.items()}
    return REGISTRY[name].infer(*slots(name, tuple(as_type(value) for value in first), types, MISSING))


def look(name: str, path: str, **options: Any) -> Type:
    """What the compiler learns from the file itself."""
    types = {option: as_type(value) for option, value in options.items()}
    return type_from_file(path, tuple(slots(name, (as_type(path),), types, MISSING)[1:]))


def call(name: str, *first: Any, **options: Any) -> Any:
    return REGISTRY[name].kernel(*slots(name, first, options, None))


def test_records() -> None:
    for name in ("read", "readMM", "write"):
        assert REGISTRY[name].effect is Effect.ORDERED
    names = [param.name for param in REGISTRY["read"].params]
    assert {"naStrings", "na.strings", "indSep", "dataset"} < set(names)
    assert not any(param.required for param in REGISTRY["read"].params[1:])


def test_kernels() -> None:
    X = np.array([[1.0, 2.0], [3.0, 0.0]])
    assert call("write", X, "x.csv", format="csv", header=True) == ()
    np.testing.assert_array_equal(call("read", "x.csv"), X)
    Path("y").write_text("1,NA\n")
    np.testing.assert_array_equal(call("read", "y", naStrings=ListValue(["NA"])), [[1, np.nan]])
    call("write", X, "x.mtx", format="mm")
    np.testing.assert_array_equal(REGISTRY["readMM"].kernel("x.mtx"), X)


def test_types_come_from_metadata() -> None:
    write_value(np.ones((2, 3)), "x", {})
    assert look("read", "x") == matrix(2, 3)
    for value, type in ((1, INT), (1.5, DOUBLE), (True, BOOLEAN), ("a", STRING)):
        write_value(value, "x", {})
        assert look("read", "x") == scalar(type)
    write_value(ListValue([1]), "x", {})
    assert look("read", "x") == LIST
    Path("x.csv").write_text("1,2\n")
    assert look("read", "x.csv") == matrix(None, 2)
    assert look("read", "x.csv", data_type="frame", rows=1) == frame(1)
    Path("x.mtx").write_text("%%MatrixMarket matrix coordinate real general\n4 5 0\n")
    assert look("readMM", "x.mtx") == look("read", "x.mtx") == matrix(4, 5)


def test_types_without_a_file() -> None:
    for path in ("nothing", scalar(STRING)):
        assert infer("read", path) == matrix()
        assert infer("read", path, rows=3, cols=scalar(INT)) == matrix(3)
        assert infer("read", path, data_type="Frame", cols=2) == frame(None, 2)
        assert infer("read", path, data_type="list") == LIST
        assert infer("read", path, data_type="scalar") == scalar(UNKNOWN)
        assert infer("read", path, data_type="scalar", value_type="double") == scalar(DOUBLE)
        assert infer("read", path, data_type="scalar", value_type="string") == scalar(STRING)


def test_types_with_options_not_yet_known() -> None:
    write_value(np.ones((2, 3)), "x", {"format": "csv"})
    assert look("read", "x", format=scalar(STRING)) == matrix(2, 3, 1.0)
    assert look("read", "x", naStrings=LIST).shape == (2, 3)
    assert infer("read", "x") == matrix()
    with pytest.raises(OperationError, match="must be a constant"):
        infer("read", "x", data_type=scalar(STRING))


def test_mistakes_show_when_compiling() -> None:
    write_value(np.ones((2, 3)), "x", {"format": "csv"})
    with pytest.raises(OperationError, match="argument 'rows' of read"):
        look("read", "x", rows=7)
    for path in ("x", "nothing"):
        with pytest.raises(OperationError, match="must be a format"):
            infer("read", path, format="cvs")
        with pytest.raises(OperationError, match="must be one character"):
            infer("read", path, sep="::")
    with pytest.raises(OperationError, match="must be a format"):
        infer("write", matrix(), "x", format="cvs")
    with pytest.raises(OperationError, match="is for format csv"):
        infer("write", matrix(), "x", sep=";")
    with pytest.raises(SizeError, match="no cells"):
        infer("write", matrix(0, 3), "x")
    assert infer("write", matrix(), scalar(STRING), format=scalar(STRING), sep=";") == NOTHING
    assert infer("write", scalar(INT), "x") == NOTHING


def test_missing_input() -> None:
    with pytest.raises(OperationError, match="cannot find the file 'y'"):
        look("read", "y", format="csv")
