"""Wrong scripts and exactly what their author reads.

A case is `<topic>/<name>.dml`, with `<name>.err` (what goes to standard error) and, if the script prints something
before it fails, `<name>.out`. Lines at the top of the script that begin with `#:` direct the run:

    #: args -nvargs k=3        script parameters, as on the command line
    #: disk full               every write to a file fails for lack of space
    #: deep                    the script uses up the depth of calls
    #: needs h5py              skipped where this package is not installed
    #: made parquet            $made is a folder with files of this format, which cannot be kept as text

Cases run in the folder of their script, which messages show as <folder>; this folder is <tests>, that of $made <made>.
GRAMIAN_BLESS=1 writes what was found as the expectation.
"""

from __future__ import annotations

import builtins
import gc
import os
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gramian.api.script import Script
from gramian.errors import GramianError, ScriptError
from gramian.settings import Scalar, Settings, parameter_value

HERE = Path(__file__).parent
# The main scripts; what they source and read lies in folders named `parts` and `data`.
CASES = sorted(path for path in HERE.glob("*/*.dml") if path.parent.name not in ("parts", "data"))
PLACE = re.compile(r"^(?P<file>[^\s:]+\.dml):(?P<line>\d+):(?P<column>\d+): error: \S")
CARET = re.compile(r"^ +\| [ \t]*\^+$")
# Words of gramian's inside, and names that its compiler makes up.
INTERNAL = re.compile(
    r"\bv_\w|\bt__|\w__\w|rightIndex|leftIndex|listIndex|listAssign|frameCompare|\bnegate\b|\bcell\("
    r"|\btuple|\bnodes?\b|\bkernel|\binfer|ndarray|numpy|(?<!in )Python(?! expression)|NoneType|Traceback|[Ii]nternal error"
)


def directives(script: Path) -> dict[str, str]:
    found = {}
    for line in script.read_text(encoding="utf-8-sig").splitlines():
        if not line.startswith("#:"):
            break
        key, _, value = line[2:].strip().partition(" ")
        found[key] = value.strip()
    return found


def parameters(text: str) -> dict[str, Scalar]:
    kind, *given = shlex.split(text) or [""]
    if kind == "-args":
        return {str(at): parameter_value(value) for at, value in enumerate(given, 1)}
    return {name: parameter_value(value) for name, _, value in (item.partition("=") for item in given)}


def failure(name: str, settings: Settings) -> GramianError:
    """The error with which the script ends."""
    with pytest.raises(GramianError) as caught:
        Script.compile_file(name, settings).run()
    return caught.value


def text_of(error: GramianError) -> str:
    """What the user reads."""
    text = error.render() if isinstance(error, ScriptError) else f"error: {error}"
    text = text.replace(os.getcwd(), "<folder>").replace(str(HERE), "<tests>") + "\n"
    return re.sub(r"this machine has [0-9.]+ GB", "this machine has <memory> GB", text)


def fill_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files can be created, but the system has no room for what is written into them."""
    real = builtins.open

    def open_(file: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
        opened = real(file, mode, *rest, **options)
        if set(mode) & set("wxa"):
            device = os.open("/dev/full", os.O_WRONLY)
            os.dup2(device, opened.fileno())
            os.close(device)
        return opened

    monkeypatch.setattr(builtins, "open", open_)


def make_parquet(folder: Path) -> None:
    table = pa.table({"city": ["Berlin", "Paris"], "sizes": [[3, 81], [2]]})
    pq.write_table(table, folder / "nested.parquet")
    content = (folder / "nested.parquet").read_bytes()
    (folder / "truncated.parquet").write_bytes(content[: len(content) // 2])


def make_hdf5(folder: Path) -> None:
    import h5py

    with h5py.File(folder / "data.h5", "w") as file:
        file["features"] = np.ones((2, 3))
        file["weight"] = np.ones((3, 1))
        file["names"] = ["age", "income"]


def make_numpy(folder: Path) -> None:
    np.save(folder / "cube.npy", np.ones((2, 3, 4)))
    np.save(folder / "objects.npy", np.array([["a", None]], dtype=object), allow_pickle=True)


MAKERS = {"parquet": make_parquet, "hdf5": make_hdf5, "numpy": make_numpy}


def compare(found: str, golden: Path) -> None:
    if os.environ.get("GRAMIAN_BLESS"):
        if found:
            golden.write_text(found, encoding="utf-8")
        else:
            golden.unlink(missing_ok=True)
    assert found == (golden.read_text(encoding="utf-8") if golden.exists() else "")


@pytest.mark.parametrize("script", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_wrong_script(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    directed = directives(script)
    if "needs" in directed:
        pytest.importorskip(directed["needs"])
    monkeypatch.chdir(script.parent)
    given = parameters(directed.get("args", ""))
    if "made" in directed:
        MAKERS[directed["made"]](tmp_path)
        given["made"] = str(tmp_path)
    settings = Settings(parameters=given)
    before = sorted(os.listdir())
    with monkeypatch.context() as patched:
        if "disk" in directed:
            if not os.path.exists("/dev/full"):
                pytest.skip("this system has no device that is always full")
            fill_disk(patched)
        if "deep" in directed:
            gc.collect()  # what other tests left is better cleaned up here than where there is no depth left
        error = failure(script.name, settings)
    printed, reported = capsys.readouterr()
    assert reported == ""
    assert sorted(os.listdir()) == before

    text = text_of(error).replace(str(tmp_path), "<made>")
    compare(text, script.with_suffix(".err"))
    compare(printed, script.with_suffix(".out"))
    assert not INTERNAL.search(text)
    findings = text.rstrip("\n").split("\n\n")
    assert len(set(findings)) == len(findings)
    for finding in findings:
        first, _source, *rest = finding.split("\n")
        assert len(rest) <= 12, finding
        assert PLACE.match(first), first
        assert any(CARET.match(line) for line in rest), finding


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("trian.dml", "error: script 'trian.dml' does not exist; did you mean 'train.dml'?\n"),
        ("folder", "error: 'folder' is a folder, not a script\n"),
        ("latin1.dml", "error: script 'latin1.dml' is not UTF-8 text (byte 9)\n"),
    ],
)
def test_no_script(name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("train.dml").write_text("print(1)")
    Path("latin1.dml").write_text('print("gr\xf6\xdfe")', encoding="latin-1")
    assert text_of(failure(name, Settings())) == message


def test_there_are_many_cases() -> None:
    assert len(CASES) >= 450
