"""The conformance cases, run in this process so that all of them take a second or two.

`run_cases.py` beside this file says what a case looks like; it runs the same cases with any command.
"""

from __future__ import annotations

import importlib.util
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from gramian.api.script import Script
from gramian.arguments import upstream_spelling
from gramian.cli import parameters
from gramian.errors import GramianError
from gramian.ops.text import out
from gramian.settings import Settings

HERE = Path(__file__).parent
CASES = sorted(path for path in HERE.rglob("*.dml") if "data" not in path.parts)

spec = importlib.util.spec_from_file_location("run_cases", HERE / "run_cases.py")
assert spec is not None
assert spec.loader is not None
run_cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run_cases)


def settings(arguments: str) -> Settings:
    words = upstream_spelling(shlex.split(arguments))
    named = [w.removeprefix("--nvargs=") for w in words if w.startswith("--nvargs=")]
    positional = [w.removeprefix("--args=") for w in words if w.startswith("--args=")]
    return Settings(parameters(named, positional))


def run(case: Path, arguments: str, write: Callable[[str], object]) -> None:
    with out.to(write):
        Script.compile_file(case.name, settings(arguments)).run()


@pytest.mark.parametrize("case", CASES, ids=lambda path: str(path.relative_to(HERE).with_suffix("")))
def test_case(case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directives = run_cases.directives(case)
    arguments = directives.get("args", "").format(data=case.parent / "data", tmp=tmp_path)
    monkeypatch.chdir(case.parent)
    printed: list[str] = []
    if "error" in directives:
        with pytest.raises(GramianError):
            run(case, arguments, printed.append)
        return
    run(case, arguments, printed.append)
    expected = case.with_suffix(".out").read_text(encoding="utf-8")
    assert run_cases.differs(expected, "".join(printed), float(directives.get("tol", 1e-6))) is None


def test_all_cases_are_found() -> None:
    assert len(CASES) > 180
