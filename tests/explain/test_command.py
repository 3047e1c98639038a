"""The command `gramian explain` as whole processes: output, files, exit status."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = 'X = rand(rows=100, cols=20, seed=1)\nprint("sum " + round(sum(X %*% t(X))))\n'


def gramian(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gramian", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=60, check=False, encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "s.dml").write_text(SCRIPT)
    return tmp_path


def test_the_page_is_one_file(folder: Path) -> None:
    for words in (["--html", "plan.html"], ["-html", "plan.html"], ["--html=plan.html"]):
        done = gramian("explain", "s.dml", *words, cwd=folder)
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr.endswith("; written to plan.html\n")
        assert (folder / "plan.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
        (folder / "plan.html").unlink()
    assert sorted(path.name for path in folder.iterdir()) == ["s.dml"]


def test_folders_are_made_for_it(folder: Path) -> None:
    assert gramian("explain", "s.dml", "--html", "a/b/plan.html", cwd=folder).returncode == 0
    assert (folder / "a" / "b" / "plan.html").is_file()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (".", "cannot write '.': it is a folder; name a file in it"),
        ("s.dml/plan.html", "cannot write 's.dml/plan.html'"),
        ("", "'' is not the name of a file"),
        ("http://x/plan.html", "is not a local file"),
    ],
)
def test_pages_that_cannot_be_written(folder: Path, path: str, message: str) -> None:
    before = sorted(folder.iterdir())
    done = gramian("explain", "s.dml", "--stats", f"--html={path}", cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""  # the script has not even begun
    assert sorted(folder.iterdir()) == before


def test_a_wrong_script_leaves_the_old_page(folder: Path) -> None:
    (folder / "plan.html").write_text("old")
    (folder / "s.dml").write_text("x = y\n")
    done = gramian("explain", "s.dml", "--html", "plan.html", cwd=folder)
    assert done.returncode == 1
    assert done.stderr.startswith("s.dml:1:5")
    assert (folder / "plan.html").read_text() == "old"
    assert len(list(folder.iterdir())) == 2


def test_the_plan_follows_what_the_script_prints(folder: Path) -> None:
    done = gramian("explain", "s.dml", "--stats", cwd=folder)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("sum ")
    assert set(lines[1]) == {"─", " ", *"plan"}
    assert lines[2].startswith("s.dml: peak memory ")
    assert any("Heaviest operators" in line for line in lines)
    assert done.stderr == ""


def test_a_script_that_fails_is_shown_with_what_was_measured(folder: Path) -> None:
    (folder / "s.dml").write_text(SCRIPT + 'if (sum(X) > 0) {\n  stop("enough")\n}\n')
    done = gramian("explain", "s.dml", "--stats", "3", cwd=folder)
    assert done.returncode == 1
    assert "Heaviest operators" in done.stdout
    assert "enough" in done.stderr
    done = gramian("explain", "s.dml", "--stats", "--html", "plan.html", cwd=folder)
    assert done.returncode == 1
    assert "sum " in done.stdout
    assert (folder / "plan.html").is_file()


def test_plans_after_a_pass(folder: Path) -> None:
    done = gramian("explain", "s.dml", "--after", "lower", "--html", "plan.html", cwd=folder)
    assert done.returncode == 0
    assert "plan after lower" in (folder / "plan.html").read_text(encoding="utf-8")
    assert gramian("explain", "s.dml", "--after", "nothing", "--html", "other.html", cwd=folder).returncode == 2
    assert not (folder / "other.html").exists()


def test_random_numbers_repeat_with_a_seed(folder: Path) -> None:
    (folder / "s.dml").write_text("print(sum(rand(rows=3, cols=3)))\n")
    found = [gramian("explain", "s.dml", "--stats", "-seed", "7", cwd=folder).stdout.splitlines()[0] for _ in range(2)]
    assert found[0] == found[1]


def test_compiled_and_reused_plans_are_counted(folder: Path) -> None:
    (folder / "s.dml").write_text(
        "X = rand(rows=2000, cols=10, seed=1)\nfor (i in 1:4) {\n"
        '  Y = removeEmpty(target=X, margin="rows", select=X[, i] > -1)\n  Z = abs(Y) * 2\n  print(sum(Z) > 0)\n}\n'
    )
    done = gramian("explain", "s.dml", "--stats", "--html", "plan.html", cwd=folder)
    assert done.stdout == "TRUE\n" * 4
    page = (folder / "plan.html").read_text(encoding="utf-8")
    assert "Compiled while it ran" in page
    text = gramian("explain", "s.dml", "--stats", cwd=folder).stdout
    assert "plans for known sizes, compiled: 1" in text
    assert "plans for known sizes, used again: 3" in text
    assert "compiled while it ran" in text
    assert "rest of main, compiled for " in text
    assert "Y 2000x10" in text
