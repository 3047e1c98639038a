"""The command line, as whole processes: output, exit status, nothing on the wrong stream."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gramian import __version__
from gramian.arguments import upstream_spelling


def gramian(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gramian", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=60, check=False)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.dml"
    path.write_text(
        'n = ifdef($n, 2)\nX = matrix(n, rows=3, cols=4)\nP = X %*% t(X)\nprint("sum " + (sum(P) + 0 * max(P)))\n'
    )
    return path


def test_output_goes_to_stdout_alone(script: Path) -> None:
    done = gramian("run", str(script))
    assert (done.returncode, done.stdout, done.stderr) == (0, "sum 144.0\n", "")


def test_named_parameters_in_both_spellings(script: Path) -> None:
    for spelling in (["-nvargs", "n=1"], ["--nvargs", "n=1"], ["--nvargs=n=1"]):
        assert gramian("run", str(script), *spelling).stdout == "sum 36.0\n"
    assert gramian("run", "-nvargs", "n=1", "-f", str(script)).stdout == "sum 36.0\n"


def test_positional_parameters_may_be_negative() -> None:
    done = gramian("run", "-s", "print($1 - $2)", "-args", "1", "-2")
    assert done.stdout == "3\n"


def test_a_script_error_names_its_place(tmp_path: Path) -> None:
    (tmp_path / "bad.dml").write_text('print("first")\nx = matrix(1, 2, 2) %*% matrix(1, 3, 1)\n')
    done = gramian("run", "bad.dml", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("bad.dml:2:")
    assert "Traceback" not in done.stderr


def test_output_before_a_runtime_error_stays(tmp_path: Path) -> None:
    (tmp_path / "bad.dml").write_text('print("first")\nif (TRUE) { stop("enough") }\nprint("never")\n')
    done = gramian("run", "bad.dml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "first\n")
    assert "enough" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "nothere.dml"],
        ["run", "a.dml", "-s", "print(1)"],
        ["run", "-s", "print(1)", "-nvargs", "novalue"],
        ["run", "-s", "print(1)", "-nvargs", "1x=3"],
        ["run", "-s", "print(1)", "-nvargs", "a=1", "a=2"],
        ["run", "-s", "print(1)", "-nvargs", "a=1", "-args", "3"],
        ["run", "-s", "print(1)", "-exec", "sparc"],
        ["run", "-s", "print(1)", "-exec", "local", "-master", "local[2]"],
        ["explain", "x.dml", "-exec", "torch", "-master", "local[2]"],
        ["run", "-s", "print(1)", "-exec", "spark", "-precision", "bfloat16"],
        ["run", "-s", "print(1)", "-stats", "0"],
        ["run", "-s", "print(1)", "-precision", "half"],
        ["check", "x.dml", "-precision", "half"],
        ["run", "-s", "print(1)", "-bogus"],
        ["run", "x.pydml"],
        ["explain", "nothere.dml"],
        ["builtins", "colSum"],
        ["nothing"],
    ],
)
def test_usage_errors(arguments: list[str], tmp_path: Path) -> None:
    done = gramian(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "rror" in done.stderr
    assert "Traceback" not in done.stderr


def test_statistics_go_to_stderr(script: Path) -> None:
    done = gramian("run", str(script), "-stats", "3")
    assert done.stdout == "sum 144.0\n"
    assert "Heaviest operators" in done.stderr
    assert "%*%" in done.stderr


@pytest.mark.parametrize("mode", ["auto", "hybrid", "AUTO", "local", "singlenode"])
def test_modes_of_this_machine(mode: str, script: Path) -> None:
    assert gramian("run", str(script), "-exec", mode).stdout == "sum 144.0\n"


def test_a_cluster_needs_its_package_before_anything_is_read(tmp_path: Path) -> None:
    blocked = "import sys; sys.modules['pyspark'] = None; import gramian.cli; gramian.cli.main()"
    (tmp_path / "x.dml").write_text("print(1)\nX = read('nothere.csv')")
    for options in (
        ["run", "-exec", "spark"],
        ["run", "-master", "sc://nowhere"],
        ["explain", "--stats", "-exec", "spark"],
    ):
        command = [sys.executable, "-c", blocked, *options, "x.dml"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "error: Spark needs its Python package: pip install 'gramian[spark]'\n"


def test_explain_places_operators_without_a_cluster(tmp_path: Path) -> None:
    (tmp_path / "x.dml").write_text("X = rand(rows=4000000, cols=100)\nprint(sum(X) + sum(rand(rows=3, cols=3)))")
    done = gramian("explain", "x.dml", "-memory", "2G", "--master", "spark://nowhere:7077", cwd=tmp_path)
    assert done.returncode == 0
    assert "cluster: 3.2 GB and a result like it do not fit into the driver's 1.5 GB" in done.stdout
    assert "cluster: X is on the cluster" in done.stdout
    assert "driver: 200 B fit into" in done.stdout
    forced = gramian("explain", "x.dml", "-exec", "spark", cwd=tmp_path)
    assert "driver: 200 B: less than 1.0 MB, with -exec spark" in forced.stdout


def test_seed_makes_runs_repeat() -> None:
    text = "print(sum(rand(rows=3, cols=3)) + sum(sample(100, 3)))"
    first, second, other = (gramian("run", "-s", text, "-seed", seed).stdout for seed in ("7", "7", "8"))
    assert first == second != other


def test_precision_in_all_spellings(script: Path) -> None:
    text = "X = matrix('0.1 0.2', rows=1, cols=2); print(as.scalar(X[1, 1]))"
    for words in (["-precision", "single"], ["--precision", "SINGLE"], ["--precision=single"], ["-precision=single"]):
        assert gramian("run", *words, "-s", text).stdout == "0.10000000149011612\n"
    double = [gramian("run", "-s", text, *words).stdout for words in ((), ("-precision", "double"))]
    assert double == ["0.1\n"] * 2
    assert gramian("check", str(script), "-precision", "single").returncode == 0
    wrong = gramian("run", "-s", text, "-precision", "singel")
    assert wrong.returncode == 2
    assert "precision is double, single or bfloat16, found 'singel'; did you mean 'single'?" in wrong.stderr


def test_explain_estimates_memory_in_the_precision(tmp_path: Path) -> None:
    (tmp_path / "s.dml").write_text("X = rand(rows=1000, cols=1000)\nprint(sum(X))\n")
    found = [gramian("explain", "s.dml", *words, cwd=tmp_path).stdout for words in ((), ("-precision", "single"))]
    assert "8.0 MB" in found[0]
    assert "4.0 MB" in found[1]


def test_check_reports_all_errors_and_runs_nothing(tmp_path: Path, script: Path) -> None:
    (tmp_path / "bad.dml").write_text('print("ran")\nx = y\nz = colSum(matrix(1, 2, 2))\n')
    done = gramian("check", "bad.dml", script.name, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == "script.dml: ok\n"
    assert "bad.dml:2:5" in done.stderr
    assert "did you mean 'colSums'?" in done.stderr


def test_explain_shows_sizes(script: Path) -> None:
    done = gramian("explain", str(script))
    assert done.returncode == 0
    assert "3x3" in done.stdout
    assert gramian("explain", str(script), "--after", "lower").returncode == 0
    wrong = gramian("explain", str(script), "--after", "simplif")
    assert wrong.returncode == 2
    assert "did you mean 'simplify'" in wrong.stderr


def test_explain_option_keeps_stdout_clean(script: Path) -> None:
    done = gramian("run", str(script), "-explain")
    assert done.stdout == "sum 144.0\n"
    assert "3x3" in done.stderr


def test_builtins() -> None:
    assert "colSums" in gramian("builtins").stdout
    assert gramian("builtins", "order").stdout.startswith("order(target: matrix")


def test_version_answers_without_numpy() -> None:
    code = "import sys, gramian.cli; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert gramian("--version").stdout == f"gramian {__version__}\n"


def test_closed_pipe_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "long.dml").write_text("for (i in 1:100000) print(i)\n")
    command = f"{sys.executable} -m gramian run long.dml | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert done.stdout == "1\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("-nvargs a=1 b=2 -stats 5", "--nvargs=a=1 --nvargs=b=2 --stats=5"),
        ("-stats f.dml", "--stats=10 f.dml"),
        ("-stats -explain", "--stats=10 --explain="),
        ("-explain hops f.dml", "--explain= f.dml"),
        ("-explain simplify", "--explain=simplify"),
        ("-exec spark -args 1 -2", "--exec spark --args=1 --args=-2"),
        ("--seed 3 -s text -f file", "--seed 3 -s text -f file"),
        ("-unknown", "--unknown"),
    ],
)
def test_upstream_spelling(written: str, read: str) -> None:
    assert upstream_spelling(written.split()) == read.split()


def test_options_that_need_values() -> None:
    with pytest.raises(ValueError, match="-nvargs needs"):
        upstream_spelling(["-nvargs", "-stats"])
