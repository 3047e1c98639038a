"""Operators on lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gramian.ops.list
import gramian.ops.reorg  # noqa: F401
from gramian.errors import OperationError, SizeError
from gramian.ir.frame import Frame
from gramian.ir.op import REGISTRY
from gramian.ir.types import DOUBLE, INT, LIST, MISSING, STRING, frame, join, matrix, results, scalar, type_of
from gramian.ir.values import ListValue


def call(name: str, *values: Any) -> Any:
    return REGISTRY[name].kernel(*values)


def test_list_takes_any_number_of_values() -> None:
    op = REGISTRY["list"]
    assert op.bind([]) == []
    assert op.bind([None, None]) == [0, 1]
    assert call("list", 1, "a").items == (1, "a")
    assert len(call("list")) == 0
    assert op.infer() == LIST
    assert op.internal


def test_types_of_entries_are_known() -> None:
    known = REGISTRY["list"].infer(scalar(INT), matrix(2, 3), LIST)
    assert known.kind is LIST.kind
    assert known.items == (scalar(INT), matrix(2, 3), LIST)
    index, assign, append = (REGISTRY[name].infer for name in ("listIndex", "listAssign", "append"))
    one, two, four = (type_of(value) for value in (1, 2.0, 4))
    assert index(known, two, MISSING).items == (matrix(2, 3),)
    assert index(known, one, two).items == (scalar(INT), matrix(2, 3))
    for at in (four, scalar(INT), type_of("a")):
        assert index(known, at, MISSING) == LIST
        assert assign(known, matrix(1, 1), at, MISSING) == LIST
    assert assign(known, matrix(1, 1), one, MISSING).items == (matrix(1, 1), matrix(2, 3), LIST)
    assert assign(known, LIST, one, MISSING) == LIST
    assert append(known, scalar(INT)).items == (*known.items, scalar(INT))
    assert append(known, LIST) == LIST == append(LIST, scalar(INT))
    assert REGISTRY["as.matrix"].infer(index(known, two, MISSING)) == matrix(2, 3)
    assert REGISTRY["as.scalar"].infer(index(known, one, MISSING)) == scalar(INT)
    assert REGISTRY["as.matrix"].infer(known) == matrix()


def test_types_of_entries_join() -> None:
    a, b, c = (REGISTRY["list"].infer(matrix(2, n), type_of(n)) for n in (3, 3, 4))
    assert join(a, b) == a
    assert join(a, c) == REGISTRY["list"].infer(matrix(2, None), scalar(INT))
    assert join(a, REGISTRY["list"].infer(matrix(2, 3))) == LIST
    assert join(a, REGISTRY["list"].infer(type_of(1), type_of(1))) == LIST
    assert a.without_size() == LIST


def test_append_grows_a_list() -> None:
    items = ListValue([])
    for i in range(3):
        items = call("append", items, i)
    assert items.items == (0, 1, 2)
    assert call("append", items, 5, "x").items == (0, 1, 2, 5, "x")
    m = np.ones((2, 2))
    assert call("append", items, m).items[3] is m


def test_append_of_lists() -> None:
    items = ListValue([1, 2])
    assert call("append", items, ListValue([7])).items == (1, 2, 7)
    long = ListValue([7, 8])
    assert call("append", items, long).items[2] is long
    empty = ListValue([])
    assert call("append", items, empty).items[2] is empty


def test_append_with_names() -> None:
    items = call("append", ListValue([1], ["a"]), ListValue([2], ["b"]))
    assert (items.items, items.names) == ((1, 2), ("a", "b"))
    assert call("append", ListValue([]), ListValue([2], ["b"])).names == ("b",)
    assert call("append", ListValue([1]), ListValue([2], ["b"])).names == (None, "b")
    with pytest.raises(OperationError, match="needs an entry with a name"):
        call("append", items, 3)
    with pytest.raises(OperationError, match="needs an entry with a name"):
        call("append", items, ListValue([1, 2], ["x", "y"]))
    with pytest.raises(OperationError, match="'a' already"):
        call("append", items, ListValue([2], ["a"]))


def test_append_of_matrices_frames_and_text() -> None:
    a = np.ones((2, 1))
    np.testing.assert_array_equal(call("append", a, 2 * a, 3 * a), [[1, 2, 3], [1, 2, 3]])
    assert call("append", Frame.from_matrix(a), Frame.from_matrix(a)).shape == (2, 2)
    assert call("append", "a", "b") == "a\nb"
    assert call("append", "a", 2.0, True) == "a\n2.0\nTRUE"
    with pytest.raises(OperationError, match="scalars only"):
        call("append", "a", a)


def test_type_of_append() -> None:
    infer = REGISTRY["append"].infer
    assert infer(LIST, matrix(2, 2)) == LIST
    assert infer(matrix(2, 1), matrix(2, 3)) == matrix(2, 4)
    assert infer(frame(2, 1), frame(2, 3)) == frame(2, 4)
    assert infer(scalar(STRING), scalar(DOUBLE)) == scalar(STRING)
    with pytest.raises(SizeError):
        infer(matrix(2, 1), matrix(3, 1))
    with pytest.raises(OperationError):
        infer(matrix(2, 1), scalar(DOUBLE))
    with pytest.raises(OperationError, match="scalars only"):
        infer(scalar(STRING), LIST)


def test_remove() -> None:
    items = ListValue([1, "x", 3.5], ["a", "b", None])
    rest, removed = call("remove", items, 2)
    assert (rest.items, rest.names) == ((1, 3.5), ("a", None))
    assert (removed.items, removed.names) == (("x",), ("b",))
    rest, removed = call("remove", items, "a")
    assert (rest.items, removed.items) == (("x", 3.5), (1,))
    assert call("remove", items, 3.0)[1].items == (3.5,)
    assert items.items == (1, "x", 3.5)
    assert REGISTRY["remove"].infer(LIST, scalar(INT)) == results(LIST, LIST)


@pytest.mark.parametrize("key", [0, 4, -1, "z", True])
def test_remove_of_what_is_not_there(key: Any) -> None:
    with pytest.raises(OperationError):
        call("remove", ListValue([1, 2, 3], ["a", "b", "c"]), key)
