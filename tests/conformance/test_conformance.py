"""The conformance cases, run in this process so that all of them take a second or two.

`run_cases.py` beside this file says what a case looks like; it runs the same cases with any command.
"""

from __future__ import annotations

import importlib.util
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from watched import precisions

from gramian.api.script import Script
from gramian.arguments import upstream_spelling
from gramian.cli import parameters
from gramian.errors import GramianError
from gramian.ops.text import out
from gramian.runtime import late
from gramian.settings import Settings

HERE = Path(__file__).parent
CASES = sorted(path for path in HERE.rglob("*.dml") if "data" not in path.parts)

spec = importlib.util.spec_from_file_location("run_cases", HERE / "run_cases.py")
assert spec is not None
assert spec.loader is not None
run_cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run_cases)


def settings(arguments: str, precision: str = "double") -> Settings:
    words = upstream_spelling(shlex.split(arguments))
    named = [w.removeprefix("--nvargs=") for w in words if w.startswith("--nvargs=")]
    positional = [w.removeprefix("--args=") for w in words if w.startswith("--args=")]
    return Settings(parameters(named, positional), precision=precision)


def run(case: Path, arguments: str, write: Callable[[str], object], precision: str) -> None:
    with out.to(write):
        Script.compile_file(case.name, settings(arguments, precision)).run()


def name(case: Path) -> str:
    return str(case.relative_to(HERE).with_suffix(""))


def check(case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str, tolerance: float | None) -> None:
    """The case's output must be the expected one, within a tolerance; without one, it only must run."""
    directives = run_cases.directives(case)
    arguments = directives.get("args", "").format(data=case.parent / "data", tmp=tmp_path)
    monkeypatch.chdir(case.parent)
    printed: list[str] = []
    if "error" in directives:
        with pytest.raises(GramianError):
            run(case, arguments, printed.append, precision)
        return
    run(case, arguments, printed.append, precision)
    expected = case.with_suffix(".out").read_text(encoding="utf-8")
    if tolerance is not None:
        tolerance = max(tolerance, float(directives.get("tol", 0)))
        assert run_cases.differs(expected, "".join(printed), tolerance) is None


@pytest.mark.parametrize("case", CASES, ids=name)
def test_case(case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(case, tmp_path, monkeypatch, "double", float(run_cases.directives(case).get("tol", 1e-6)))


# Cases whose output is another one in single precision.
BEYOND_SINGLE = {
    **dict.fromkeys(
        (
            *("lang/programs/conjugate_gradient", "lang/programs/gram_schmidt", "lang/programs/markov_chain"),
            *("lang/programs/matrix_factorisation", "lang/programs/power_iteration", "matrix/linalg/cholesky_factor"),
            *("matrix/linalg/conjugate_gradient", "matrix/linalg/eigen_structured", "matrix/linalg/fourier_transform"),
            *("matrix/linalg/inverse", "matrix/linalg/lu_reconstruction", "matrix/linalg/singular_values"),
            *("matrix/sizes/functions_of_any_size", "matrix/stats/correlation_matrix", "matrix/stats/linear_regression"),
            *("matrix/stats/logistic_regression", "matrix/stats/matrix_factorization", "matrix/stats/page_rank"),
            *("matrix/stats/standardise", "matrix/linalg/power_iteration"),
        ),
        "asks whether an error is below 1e-8 or so",
    ),
    **dict.fromkeys(
        (
            *("matrix/aggregates/central_moment", "matrix/aggregates/covariance"),
            *("matrix/rewrites/square_of_deviation", "matrix/stats/ridge_path"),
        ),
        "prints a difference of nearly equal numbers",
    ),
    **dict.fromkeys(
        (
            *("matrix/sparse/sparse_bind", "matrix/sparse/sparse_matrix_products"),
            *("matrix/sparse/sparse_row_col_aggregates", "matrix/sparse/sparse_transpose_reshape"),
        ),
        "makes its data of whole numbers above 2^24",
    ),
    "matrix/elementwise/log_nonzero": "adds 1e-300, which is 0",
}


@pytest.mark.parametrize("case", CASES, ids=name)
def test_case_in_single_precision(case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with precisions() as found:
        check(case, tmp_path, monkeypatch, "single", None if name(case) in BEYOND_SINGLE else 1e-3)
    assert all(types <= {np.dtype(np.float32)} for types in found.values()), found


def test_exceptions_are_cases() -> None:
    assert set(BEYOND_SINGLE) <= set(map(name, CASES))


def test_all_cases_are_found() -> None:
    assert len(CASES) > 180


@pytest.mark.parametrize("case", CASES, ids=name)
def test_case_compiled_late(case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever sizes show while running, the rest is compiled for them, however small it is."""
    monkeypatch.setattr(late, "SMALLEST", 0)
    check(case, tmp_path, monkeypatch, "double", float(run_cases.directives(case).get("tol", 1e-6)))
