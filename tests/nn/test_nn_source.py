"""`source()` finds the packaged library from everywhere, and a user's own files first."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import gramian
from gramian.api.script import Script
from gramian.errors import ScriptError
from gramian.ops.text import out
from gramian.source import Source

LIBRARY = Path(gramian.__file__).parent / "lib" / "nn"
OWN = (
    "forward = function(matrix[double] X, matrix[double] W, matrix[double] b) return (matrix[double] out) { out = X }\n"
)
CALL = "print(sum(affine::forward(matrix(1, 2, 3), matrix(2, 3, 1), matrix(0.5, 1, 1))))"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def printed(text: str, name: str = "main.dml") -> str:
    lines: list[str] = []
    with out.to(lines.append):
        Script.compile(Source(name, text)).run()
    return "".join(lines)


def messages(text: str) -> str:
    with pytest.raises(ScriptError) as error:
        Script.compile(Source("main.dml", text))
    return str(error.value.diagnostics[0].message) + " | " + str(error.value.diagnostics[0].hint)


SPELLINGS = ("nn/layers/affine.dml", "./nn/layers/affine.dml", "scripts/nn/layers/affine.dml")
SPELLINGS += ("./scripts/nn/layers/affine.dml", "nn//layers/../layers/affine.dml")


@pytest.mark.parametrize("path", SPELLINGS)
def test_every_spelling_finds_the_library(path: str) -> None:
    assert printed(f'source("{path}") as affine\n{CALL}') == "13.0\n"


def test_from_the_folder_of_a_script_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "projects" / "nets"
    folder.mkdir(parents=True)
    assert printed(f'source("nn/layers/affine.dml") as affine\n{CALL}', str(folder / "train.dml")) == "13.0\n"
    assert printed(f'setwd("projects")\nsource("nn/layers/affine.dml") as affine\n{CALL}') == "13.0\n"


def test_spellings_are_one_namespace_lowered_once() -> None:
    sources = "\n".join(f'source("{path}") as affine' for path in SPELLINGS)
    more = 'source("scripts/nn/layers/affine.dml") as other'
    script = Script.compile(Source("main.dml", f"{sources}\n{more}\n{CALL}\n{CALL.replace('affine', 'other')}"))
    names = set(script.program.callable.values())
    assert script.program.callable["affine::forward"] == script.program.callable["other::forward"]
    assert len([name for name in names if "forward" in name]) == 1


def test_a_file_of_ones_own_wins(tmp_path: Path) -> None:
    (tmp_path / "nn" / "layers").mkdir(parents=True)
    (tmp_path / "nn" / "layers" / "affine.dml").write_text(OWN)
    assert printed(f'source("nn/layers/affine.dml") as affine\n{CALL}') == "6.0\n"
    assert printed(f'source("./nn/layers/affine.dml") as affine\n{CALL}') == "6.0\n"


def test_a_file_of_ones_own_under_scripts_wins(tmp_path: Path) -> None:
    (tmp_path / "scripts" / "nn" / "layers").mkdir(parents=True)
    (tmp_path / "scripts" / "nn" / "layers" / "affine.dml").write_text(OWN)
    for path in SPELLINGS[:4]:
        assert printed(f'source("{path}") as affine\n{CALL}') == "6.0\n"


def test_the_library_itself_does_not_read_files_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "nn").mkdir()
    (tmp_path / "nn" / "util.dml").write_text("unrelated = function() return (double x) { x = 1 }\n")
    text = 'source("nn/layers/softmax2d.dml") as s\nprint(round(sum(s::forward(matrix("1 2 3 4", 1, 4), 2))))'
    assert printed(text) == "2.0\n"
    assert printed('source("nn/util.dml") as util\nprint(util::unrelated())') == "1.0\n"


def test_aliases_may_be_names_of_operators() -> None:
    text = 'source("nn/layers/tanh.dml") as tanh\nX = matrix(0.5, 1, 1)\nprint(sum(tanh::forward(X)) == sum(tanh(X)))'
    assert printed(text) == "TRUE\n"


def test_functions_of_layers_need_their_namespace() -> None:
    text = 'source("nn/layers/relu.dml") as relu\nname = "for" + "ward"\nprint(sum(eval(name, matrix(1, 1, 1))))'
    with pytest.raises(ScriptError, match="forward"):
        printed(text)


def test_what_is_missing() -> None:
    assert messages('source("nn/layers/afine.dml") as a') == (
        "source file 'nn/layers/afine.dml' does not exist | did you mean 'nn/layers/affine.dml'?"
    )
    assert "did you mean 'scripts/nn/optim/adamw.dml'?" in messages('source("scripts/nn/optim/adammw.dml") as a')
    assert "did you mean 'nn/optim/adam.dml'?" in messages('source("nn/layers/adam.dml") as a')
    assert "the working directory is" in messages('source("../lib/nn/layers/no_such.dml") as a')


def test_errors_inside_the_library_are_shown_where_the_script_calls_it() -> None:
    text = 'source("./scripts/nn/layers/glu.dml") as glu\nX = glu::forward(matrix(1, 2, 3))'
    with pytest.raises(ScriptError) as error:
        printed(text)
    assert "even number of columns, found 3" in str(error.value)
    found = error.value.diagnostics[0]
    assert str(found.span) == "main.dml:2:5"
    assert next(place.source.name for _, place in found.notes) == "nn/layers/glu.dml"


def test_every_file_compiles_and_nothing_keeps_files_out_of_wheels() -> None:
    files = sorted(LIBRARY.rglob("*.dml"))
    assert len(files) > 50
    for file in files:
        path = file.relative_to(LIBRARY.parent).as_posix()
        Script.compile(Source("main.dml", f'source("{path}") as layer\nprint(1)'))
    root = Path(__file__).parent.parent.parent
    wheel = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel == {"packages": ["src/gramian"]}
    ignored = [
        line for line in (root / ".gitignore").read_text().split("\n") if line.strip("/") in ("lib", "nn", "layers")
    ]
    assert ignored == []
