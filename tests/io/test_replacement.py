"""Writing replaces all of what was there, or nothing."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gramian.errors import OperationError
from gramian.io import csv, read_value, write_value, writing
from gramian.ir.values import ListValue

MATRIX = np.array([[1.0, 2.0], [3.0, 4.0]])


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def content() -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(Path().rglob("*"))}


def test_replaces_files_and_folders() -> None:
    for value in (MATRIX, ListValue([1, MATRIX]), 3, ListValue(["a"]), MATRIX):
        write_value(value, "x", {})
        found = read_value("x", {})
        assert isinstance(found, ListValue) == isinstance(value, ListValue)
        assert {path.name for path in Path().iterdir()} == {"x", "x.mtd"}
    np.testing.assert_array_equal(read_value("x", {}), MATRIX)


def test_makes_folders() -> None:
    write_value(1, "a/b/c", {})
    assert read_value("a/b/c", {}) == 1


def test_keeps_symbolic_links() -> None:
    Path("data").write_text("old")
    Path("x").symlink_to("data")
    write_value(2, "x", {})
    assert Path("x").is_symlink()
    assert Path("data").read_text() == "2"


@pytest.mark.parametrize("before", [5, ListValue([1, 2]), None])
@pytest.mark.parametrize("after", [MATRIX, ListValue([1, MATRIX])])
@pytest.mark.parametrize(
    "failure", [KeyboardInterrupt(), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), ZeroDivisionError()]
)
def test_failing_while_writing(
    before: Any, after: Any, failure: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    if before is not None:
        write_value(before, "x", {})
    old = content()

    def fail(file: Any, *_: Any, **__: Any) -> None:
        file.write(b"half")
        raise failure

    monkeypatch.setattr(csv, "write_matrix", fail)
    with pytest.raises(OperationError if isinstance(failure, OSError) else type(failure)) as caught:
        write_value(after, "x", {"format": "csv"})
    assert content() == old
    if isinstance(failure, OSError):
        assert str(caught.value) == "cannot write 'x': No space left on device"


@pytest.mark.parametrize("before", [5, ListValue([1, 2])])
@pytest.mark.parametrize("after", [MATRIX, ListValue([1, MATRIX])])
def test_failing_while_installing(before: Any, after: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write_value(before, "x", {})
    old = content()

    def fail(*_: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OperationError, match="cannot write 'x': Permission denied"):
        write_value(after, "x", {})
    assert content() == old


def test_metadata_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    write_value(5, "x", {})
    old = content()

    def fail(*_: Any) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "metadata_text", fail)
    with pytest.raises(KeyboardInterrupt):
        write_value(MATRIX, "x", {})
    assert content() == old


@pytest.mark.parametrize("before", [5, ListValue([1, 2]), None])
@pytest.mark.parametrize("after", [MATRIX, ListValue([1, MATRIX])])
@pytest.mark.parametrize("links", [True, False])
def test_failing_between_data_and_metadata(
    before: Any, after: Any, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if before is not None:
        write_value(before, "x", {})
    old, replace, targets = content(), os.replace, []

    def fail(*_: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    def second_fails(source: str, target: str) -> None:
        targets.append(Path(target).name)
        if target.endswith(".mtd"):
            fail()
        replace(source, target)

    monkeypatch.setattr(os, "replace", second_fails)
    if not links:
        monkeypatch.setattr(os, "link", fail)
    with pytest.raises(OperationError, match="cannot write 'x': Operation not permitted"):
        write_value(after, "x", {})
    assert targets == ["x", "x.mtd"]
    assert content() == old


def test_a_full_disk() -> None:
    """The real thing, by a limit on the size of files, in a process of its own."""
    write_value(5, "x", {})
    old = content()
    script = """
import resource, signal
import numpy as np
from scipy.sparse import csr_array
from gramian.errors import OperationError
from gramian.io import write_value
from gramian.ir.frame import Frame
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
dense = np.random.default_rng(1).standard_normal((200, 100))
frame = Frame.from_matrix(dense)
for value, formats in (
    (dense, "text csv mm binary npy libsvm parquet hdf5"),
    (csr_array(dense), "text csv mm binary libsvm parquet hdf5"),
    (frame, "text csv binary parquet jsonl"),
):
    for format in formats.split():
        try:
            write_value(value, "x", {"format": format})
        except OperationError as error:
            print(format, error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert len(lines) == 20, done.stderr
    for line in lines:
        assert line.partition(" ")[2].startswith("cannot write 'x': "), line
        assert "File too large" in line
    assert content() == old


def test_what_is_no_file() -> None:
    Path("file").write_text("")
    for path, message in (
        (".", "this would replace the folder"),
        ("..", "this would replace the folder"),
        ("/", "this would replace the folder"),
        ("/dev/null", "neither a file nor a folder"),
        ("file/x", "cannot write 'file/x'"),
        ("x" * 300, "File name too long"),
        ("", "not the name of a file"),
    ):
        with pytest.raises(OperationError, match=message):
            write_value(1, path, {})


def test_folders_of_other_things_are_kept() -> None:
    Path("results/model").mkdir(parents=True)
    Path("results/history.csv").write_text("1,2")
    with pytest.raises(OperationError, match="this would replace the folder"):
        write_value(MATRIX, "results", {})
    assert Path("results/history.csv").read_text() == "1,2"


@pytest.mark.parametrize(
    "names", [[], ["part-00000", "_SUCCESS", ".part-00000.crc"], ["0-m-00000", "1-m-00001"], ["0", "1"]]
)
def test_folders_of_parts_are_replaced(names: list[str]) -> None:
    Path("x").mkdir()
    for name in names:
        Path("x", name).write_text("")
    write_value(3, "x", {})
    assert read_value("x", {}) == 3


def test_home_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("home", "me").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "me"))
    for path in ("home", "home/me"):
        with pytest.raises(OperationError, match="this would replace the folder"):
            write_value(1, path, {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_protected_files() -> None:
    write_value(5, "x", {})
    Path("x").chmod(0o444)
    with pytest.raises(OperationError, match="write-protected"):
        write_value(6, "x", {})


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_no_cells(shape: tuple[int, int]) -> None:
    for value in (np.zeros(shape), ListValue([np.zeros(shape)])):
        with pytest.raises(OperationError, match="has no cells"):
            write_value(value, "x", {})
    assert content() == {}


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        (MATRIX, {"forma": "csv"}, "argument 'forma' of write() is unknown"),
        (MATRIX, {"format": "cvs"}, "must be a format"),
        (MATRIX, {"format": "text", "sep": ";"}, "is for format csv or libsvm, not for text"),
        (MATRIX, {"rows_in_block": 10}, "is for format binary"),
        (MATRIX, {"format": "mm", "description": "d"}, "which has no metadata"),
        (1, {"header": True}, "does not apply to a scalar"),
        (1, {"sparse": "maybe"}, "must be a boolean"),
    ],
)
def test_refused_options(value: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OperationError) as caught:
        write_value(value, "x", options)
    assert message in caught.value.message
    assert content() == {}
