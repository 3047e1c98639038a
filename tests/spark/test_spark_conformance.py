"""The conformance cases with their matrices on the cluster, in one long-lived session.

What makes matrices (constants, text, random numbers, files) puts nearly all of them on the cluster, in panels of a few rows.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
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
SHARE = {"local": 8, "connect": 16, "cluster": 16}  # one of so many cases runs with jobs of Spark, in each way


def module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


conformance = module(CONFORMANCE / "test_conformance.py")

# Cases of so many steps that their jobs would take minutes; they run in this process as all do.
LONG = frozenset(
    f"lang/programs/{name}"
    for name in ("game_of_life", "matrix_factorisation", "logistic_regression", "bootstrap_parfor", "kmeans")
)
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
        if not isinstance(value, np.ndarray) or value.nbytes < self.least:
            return value
        recipe = sent(self.cluster.fresh(), in_panels(len(value)), value)
        return SparkMatrix(recipe, self.cluster, self.budget.scratch)


def in_panels(rows: int) -> Cut:
    return Cut(rows, -(-rows // PANELS))


def share(way: str) -> int:
    return SHARE[way]


def cases() -> list[Path]:
    found = [case for case in conformance.CASES if conformance.name(case) not in LONG]
    return found[:: share(os.environ.get("GRAMIAN_TEST_SPARK", "local"))]


@pytest.fixture(scope="module")
def backend(spark: Any) -> Iterator[SparkBackend]:
    """One for all cases, so that nothing of one case may trouble another."""
    found = Everywhere(lambda: spark, least=LEAST)
    yield found
    jobs = found.cluster.jobs
    found.end()
    print(f"{jobs} jobs")
    assert jobs > len(cases())


@pytest.fixture(scope="module")
def here() -> Iterator[SparkBackend]:
    """One whose cluster is this process: jobs cost nothing."""
    found = Everywhere(lambda: None, least=LEAST)
    found.cluster = Here()
    yield found
    found.end()
    assert found.cluster.jobs > 3 * len(conformance.CASES)


@pytest.mark.parametrize("case", cases(), ids=conformance.name)
def test_case(case: Path, backend: SparkBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(case, backend, tmp_path, monkeypatch)


@pytest.mark.parametrize("case", conformance.CASES, ids=conformance.name)
def test_case_here(case: Path, here: SparkBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(case, here, tmp_path, monkeypatch)


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
