"""URLs, with fsspec's file system in memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from gramian.errors import OperationError
from gramian.io import read_value, remote, write_value
from gramian.ir.frame import STRING, Frame
from gramian.ir.op import REGISTRY
from gramian.ir.types import MISSING, frame, matrix, type_of
from gramian.ir.values import ListValue
from gramian.ops.io import type_from_file


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.chdir(tmp_path)
    files = fsspec.filesystem("memory")
    yield files
    for name in list(files.store):
        del files.store[name]
    files.pseudo_dirs[:] = [""]


MATRIX = np.array([[1.0, 0.0], [np.nan, 4.0]])


def content(files: Any) -> dict[str, bytes]:
    return {name: bytes(file.getvalue()) for name, file in files.store.items()}


@pytest.mark.parametrize("format", ["text", "csv", "mm", "binary", "libsvm", "parquet", "hdf5"])
def test_matrices(format: str, memory: Any) -> None:
    url = "memory://data/deep/x"
    for value in (np.ones((3, 3)), MATRIX):
        write_value(value, url, {"format": format})
        np.testing.assert_array_equal(read_value(url, {}), value)
    names = {"/data/deep/x"} | ({"/data/deep/x.mtd"} if format != "mm" else set())
    assert set(content(memory)) == names
    assert list(Path().iterdir()) == []


def test_frames_scalars_and_lists(memory: Any) -> None:
    frame = Frame.of([["a", None]], [STRING])
    value = ListValue([MATRIX, 2, frame, ListValue(["a"])], ["m", None, "f", None])
    for old in (value, 3, value, value):
        write_value(old, "memory://x", {"format": "csv"})
    found = read_value("memory://x", {})
    np.testing.assert_array_equal(found.items[0], MATRIX)
    assert found.items[1] == 2
    assert found.items[2].column(0) == ["a", None]
    assert found.items[3].items == ("a",)
    write_value("text", "memory://x", {})
    assert read_value("memory://x", {}) == "text"
    assert set(content(memory)) == {"/x", "/x.mtd"}


def test_part_files_and_suffixes(memory: Any) -> None:
    memory.pipe({"/d/x.csv/part-1": b"5;6\n", "/d/x.csv/part-0": b"1;2\n3;4\n", "/d/x.csv/_SUCCESS": b""})
    np.testing.assert_array_equal(read_value("memory://d/x.csv", {}), [[1, 2], [3, 4], [5, 6]])
    np.testing.assert_array_equal(read_value("memory://d/x.csv/", {}), [[1, 2], [3, 4], [5, 6]])
    memory.pipe("/y.tsv", b"1\t2\n")
    np.testing.assert_array_equal(read_value("memory://y.tsv", {}), [[1, 2]])


def test_errors_name_the_url(memory: Any) -> None:
    memory.pipe({"/x.csv": b"1,2\n3\n", "/y": b"1,2\n", "/y.mtd": b'{"rwos": 1}'})
    for url, message in (
        ("memory://x.csv", "'memory://x.csv' line 2: expected 2 fields, found 1"),
        ("memory://y", "the key 'rwos' of 'memory://y.mtd' is unknown"),
        ("memory://z", "cannot find 'memory://z'"),
        ("nosuch://z", "cannot open 'nosuch://z': Protocol not known: nosuch"),
    ):
        with pytest.raises(OperationError) as caught:
            read_value(url, {})
        assert caught.value.message == message
    with pytest.raises(OperationError, match=r"^cannot write 'memory://z': a 0x1 matrix has no cells"):
        write_value(np.zeros((0, 1)), "memory://z", {})


@pytest.mark.parametrize("before", [None, 5, ListValue([1, 2])])
@pytest.mark.parametrize("after", [MATRIX, ListValue([1, MATRIX])])
@pytest.mark.parametrize(("method", "call"), [("put", 1), ("put", 2), ("mv", 1), ("mv", 2), ("mv", 3), ("mv", 4)])
def test_failing_while_writing(
    before: Any, after: Any, method: str, call: int, memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if before is not None:
        write_value(before, "memory://d/x", {})
    old = content(memory)
    calls: list[str] = []
    real = getattr(MemoryFileSystem, method)

    def fail_once(self: Any, source: str, target: str, **options: Any) -> None:
        calls.append(source)
        if len(calls) == call:
            raise ConnectionError("connection lost\nlong story")
        real(self, source, target, **options)

    monkeypatch.setattr(MemoryFileSystem, method, fail_once)
    if before is None and (method, call) in (("mv", 3), ("mv", 4)):
        write_value(after, "memory://d/x", {})  # nothing to move out of the way
        return
    with pytest.raises(OperationError, match=r"^cannot write 'memory://d/x': connection lost$"):
        write_value(after, "memory://d/x", {})
    assert content(memory) == old


def test_without_fsspec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    for action in (lambda: read_value("s3://b/x", {}), lambda: write_value(1, "s3://b/x", {})):
        with pytest.raises(OperationError, match="the package fsspec, which opens URLs, is not installed") as caught:
            action()
        assert caught.value.hint == "install it: pip install 'gramian[remote]'"
    write_value(1, "x", {})
    assert read_value(f"file://{Path.cwd()}/x", {}) == 1


def test_urls_of_local_files(tmp_path: Path) -> None:
    for prefix in ("file://", "file:", "FILE://localhost"):
        url = f"{prefix}{tmp_path}/a%20b.csv"
        write_value(MATRIX, url, {"format": "csv"})
        assert Path("a b.csv").exists()
        np.testing.assert_array_equal(read_value(url, {}), MATRIX)
    with pytest.raises(OperationError, match=f"cannot find the file '{tmp_path}/c'"):
        read_value(f"file://{tmp_path}/c", {})
    assert [remote.is_url(path) for path in ("s3://b/x", "file:///x", "x://", "a/b://c", "c:/x", "x")] == [
        True,
        False,
        True,
        False,
        False,
        False,
    ]


def test_types_come_from_the_metadata(memory: Any) -> None:
    absent = (MISSING,) * (len(REGISTRY["read"].params) - 1)
    write_value(MATRIX, "memory://x", {"format": "csv"})
    del memory.store["/x"]  # the compiler does not fetch data
    assert type_from_file("memory://x", absent) == matrix(2, 2, 0.75)
    write_value(Frame.of([["a"]], [STRING]), "memory://x", {"format": "csv"})
    assert type_from_file("memory://x", absent) == frame(1, 1)
    assert type_from_file("memory://nothing", absent) == matrix()
    rows = tuple(type_of(7) if p.name == "rows" else MISSING for p in REGISTRY["read"].params[1:])
    with pytest.raises(OperationError, match="argument 'rows' of read"):
        type_from_file("memory://x", rows)
