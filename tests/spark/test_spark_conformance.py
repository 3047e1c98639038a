"""The conformance cases in one long-lived session of Spark: with nearly all of their matrices on the cluster, and as the
command runs them.

What makes matrices (constants, text, random numbers, files) puts nearly all of them on the cluster, in panels of a few
rows. Three cases loop so often that only their larger matrices are there; with GRAMIAN_TEST_SPARK_LONG=1 all are, for
9,000 jobs more.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from here import Here
from placements import sent

from gramian.api.script import Script
from gramian.backends.spark import SparkBackend
from gramian.backends.spark.blocks import Cut
from gramian.backends.spark.matrix import SparkMatrix
from gramian.backends.spark.work import Rows
from gramian.errors import GramianError, ScriptError
from gramian.ir.op import Op
from gramian.ops.text import out
from gramian.runtime.backend import Kernel
from gramian.runtime.run import Execution

CONFORMANCE = Path(__file__).parents[1] / "conformance"
LEAST = 64  # bytes of a matrix on the cluster
PANELS = 3
LONG_LEAST = 256  # the same in cases that would take minutes otherwise


def module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


conformance = module(CONFORMANCE / "test_conformance.py")

LONG = frozenset(f"lang/programs/{name}" for name in ("game_of_life", "matrix_factorisation", "logistic_regression"))
ENTRIES = ("matrix", "rand", "seq", "read", "rbind", "cbind", "table", "diag", "order", "removeEmpty")


class Everywhere(SparkBackend):
    """Puts whatever these operators make on the cluster, however small it is, in panels of few rows."""

    def kernel(self, op: Op) -> Kernel | None:
        found = super().kernel(op)
        if op.name not in ENTRIES:
            return found

        def scattered(*values: Any) -> Any:
            return self.scattered((found or op.kernel)(*values))

        return scattered

    def scattered(self, value: Any) -> Any:
        if isinstance(value, SparkMatrix):  # random numbers come in larger blocks
            recipe, cut = value.recipe, in_panels(value.shape[0])
            name = self.cluster.fresh()
            found = SparkMatrix(Rows(name, cut, recipe.cols, recipe.dtype, recipe, 0), self.cluster, value.folder)
            found.base = [value]
            return found
        if not isinstance(value, np.ndarray) or value.nbytes < (self.placement.least or 0):
            return value
        recipe = sent(self.cluster.fresh(), in_panels(len(value)), value)
        return SparkMatrix(recipe, self.cluster, self.budget.scratch)


def in_panels(rows: int) -> Cut:
    return Cut(rows, -(-rows // PANELS))


@pytest.fixture(scope="module")
def backend(spark: Any) -> Iterator[SparkBackend]:
    """One for all cases, so that nothing of one case may trouble another."""
    found = Everywhere(lambda: spark, least=LEAST)
    yield found
    found.end()
    assert found.cluster.jobs > 3 * len(conformance.CASES)


@pytest.fixture(scope="module")
def plain(spark: Any) -> Iterator[SparkBackend]:
    """The one of `gramian run -exec spark`."""
    found = SparkBackend(lambda: spark)
    yield found
    found.end()


@pytest.fixture(scope="module")
def here(way: str) -> Iterator[SparkBackend]:
    """One whose cluster is this process: jobs cost nothing."""
    if way != "local":
        pytest.skip("the same in all ways")
    found = Everywhere(lambda: None, least=LEAST)
    found.cluster = Here()
    yield found
    found.end()
    assert found.cluster.jobs > 3 * len(conformance.CASES)


@pytest.mark.parametrize("case", conformance.CASES, ids=conformance.name)
def test_case(case: Path, backend: SparkBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(case, backend, monkeypatch)
    check(case, backend, tmp_path, monkeypatch)


@pytest.mark.parametrize("case", conformance.CASES, ids=conformance.name)
def test_case_as_the_command_runs_it(
    case: Path, plain: SparkBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(case, plain, tmp_path, monkeypatch)


@pytest.mark.parametrize("case", conformance.CASES, ids=conformance.name)
def test_case_here(case: Path, here: SparkBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(case, here, monkeypatch)
    check(case, here, tmp_path, monkeypatch)


def shorten(case: Path, backend: SparkBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    if conformance.name(case) in LONG and "GRAMIAN_TEST_SPARK_LONG" not in os.environ:
        monkeypatch.setattr(backend, "placement", replace(backend.placement, least=LONG_LEAST))


def check(case: Path, backend: SparkBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case.parent)
    directives = conformance.run_cases.directives(case)
    arguments = directives.get("args", "").format(data=case.parent / "data", tmp=tmp_path)
    settings = conformance.settings(arguments)
    printed: list[str] = []

    def run() -> None:
        with out.to(printed.append):
            script = Script.compile_file(case.name, settings)
            Execution(script.program, backend, settings).run()

    if "error" in directives:
        with pytest.raises(GramianError) as caught:
            run()
        assert isinstance(caught.value, ScriptError), caught.value
        return
    run()
    expected = case.with_suffix(".out").read_text(encoding="utf-8")
    assert conformance.run_cases.differs(expected, "".join(printed), float(directives.get("tol", 1e-6))) is None
