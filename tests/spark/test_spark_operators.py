"""Operators on distributed matrices give what they give in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from many_rows import CASES, FILTER, FILTERS, GROUPS, IMAGES, KINDS, NOTHING, ONE, RNG, V, W, X, Y, sizes

from gramian.backends.local import LocalBackend
from gramian.backends.spark import SparkBackend, matrix
from gramian.backends.spark.blocks import Cut
from gramian.backends.spark.matrix import SparkMatrix
from gramian.backends.spark.ways import WAYS, frames, transform
from gramian.backends.spark.ways.recipes import Pieces
from gramian.backends.spark.work import Given
from gramian.budget import Budget
from gramian.errors import OperationError
from gramian.ir.disk import is_on_disk
from gramian.ir.op import REGISTRY
from gramian.ir.sparse import densify
from gramian.ir.values import ListValue
from gramian.runtime.backend import kernel_of

MEMORY = LocalBackend()
STEP = 7  # rows of a panel


@pytest.fixture(scope="module")
def backend(spark: Any) -> Iterator[SparkBackend]:
    found = SparkBackend(lambda: spark, budget=Budget(), least=1)
    yield found
    found.cluster.close()


@pytest.fixture(autouse=True)
def small_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "PANEL_BYTES", 8 * 3 * STEP)


def distributed(backend: SparkBackend, cells: Any, step: int = STEP) -> SparkMatrix:
    pieces = ((Given(np.ascontiguousarray(cells), True), 0, len(cells)),)
    recipe = Pieces(backend.cluster.fresh(), Cut(len(cells), step), cells.shape[1], str(cells.dtype), pieces)
    return SparkMatrix(recipe, backend.cluster, backend.budget.scratch)


def loaded(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(loaded, value))
    return densify(value.load() if is_on_disk(value) else value)


def run(backend: Any, name: str, values: list[Any]) -> Any:
    with np.errstate(all="ignore"):
        return kernel_of(REGISTRY[name], backend)(*values)


def check(found: Any, expected: Any, what: str) -> None:
    found, expected = loaded(found), loaded(expected)
    if isinstance(expected, tuple):
        for one, other in zip(found, expected, strict=True):
            check(one, other, what)
        return
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11, err_msg=what)
    assert np.shape(found) == np.shape(expected), what


def spread(backend: SparkBackend, values: list[Any], which: Any) -> list[Any]:
    def form(value: Any) -> Any:
        if isinstance(value, ListValue) and any(isinstance(item, np.ndarray) for item in value.items):
            return ListValue([form(item) for item in value.items])
        return which(value) if isinstance(value, np.ndarray) else value

    return [form(value) for value in values]


@pytest.mark.parametrize("family", CASES)
def test_on_the_cluster(family: str, backend: SparkBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """All matrices with many rows are distributed, and none of their large results comes back."""
    cases = []
    for name, values in CASES[family]:
        made = spread(backend, values, lambda v: distributed(backend, v) if len(v) >= 20 else v)
        cases.append((name, made, run(MEMORY, name, values)))
    through = []
    monkeypatch.setattr(SparkMatrix, "panel", lambda self, first, last: through.append((first, last)))
    found = [run(backend, name, made) for name, made, _ in cases]
    monkeypatch.undo()
    assert not through
    for (name, _, expected), one in zip(cases, found, strict=True):
        check(one, expected, f"{name} of {family}")


BESIDE = [
    CASES["index"][4],
    CASES["index"][5],
    CASES["writing"][0],
    *CASES["products"][1:3],
    *CASES["products"][-2:],
    CASES["rows"][1],
    CASES["rows"][12],
    CASES["tables"][2],
    CASES["tables"][-2],
    CASES["images"][3],
    CASES["images"][7],
]


def test_beside_matrices_of_the_driver(backend: SparkBackend) -> None:
    """Only the first, or only the last matrix is distributed, in panels of another length."""
    for name, values in BESIDE:
        matrices = [at for at, v in enumerate(values) if isinstance(v, np.ndarray)]
        expected = run(MEMORY, name, values)
        for at in (matrices[0], matrices[-1]):
            made = [distributed(backend, v, 5) if i == at else v for i, v in enumerate(values)]
            check(run(backend, name, made), expected, f"{name} with argument {at}")


def test_every_way_has_a_case() -> None:
    """Those of frames are tested apart."""
    of_matrices = set(WAYS) - {*frames.OF_MATRICES, *transform.WAYS}
    assert of_matrices - {name for cases in CASES.values() for name, _ in cases} <= {
        "append",
        "rowCountDistinctApprox",
        "countDistinctApprox",
    }


def test_two_large_matrices(backend: SparkBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Products and transposes of matrices of which none may come to the driver."""
    monkeypatch.setattr("gramian.backends.spark.ways.products.LARGEST_GIVEN", 8)
    monkeypatch.setattr("gramian.backends.spark.ways.products.SMALL", 8)
    a, b, c = RNG.normal(size=(23, 17)), RNG.normal(size=(17, 14)), RNG.normal(size=(20, 17))
    A, B, C = (distributed(backend, m) for m in (a, b, c))
    check(run(backend, "%*%", [A, B]), a @ b, "A B")
    check(run(backend, "%*%", [A, C.T]), a @ c.T, "A C'")
    check(run(backend, "%*%", [A.T, A]), a.T @ a, "A' A")
    check(run(backend, "%*%", [B.T, A.T]), (a @ b).T, "B' A'")
    check(run(backend, "cumsum", [A.T]), np.cumsum(a.T, axis=0), "cumsum of a transpose")
    check(run(backend, "+", [A.T, distributed(backend, a.T)]), 2 * a.T, "a transpose and a matrix by rows")


def test_writing_again_and_again(backend: SparkBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gramian.backends.spark.ways.patches.MOST", 4)
    base = distributed(backend, X)
    made, expected = backend.writable(base), X.copy()
    column = V.copy()
    for at in range(6):
        for target in (made, expected):
            target[at * 3 : at * 3 + 4, 1:3] = float(at)
            target[at : at + 1, 0:1] = column[at : at + 1]
        if at % 2:
            check(made, expected, f"after {at}")
    made[0:23, 4:5] = distributed(backend, V)
    column[:] = 0
    expected[:, 4:5] = V
    check(made, expected, "in the end")
    check(base, X, "the base")


def test_operands_that_are_written_later(backend: SparkBackend) -> None:
    """A block that is lost is made again of what the operands were."""
    column = V.copy()
    for name in ("*", "cbind"):
        found = run(backend, name, [distributed(backend, X), column])
        expected = run(MEMORY, name, [X, V])
        column[:] = 7
        lost = distributed(backend, X)
        backend.cluster.forget(found.recipe.name)
        check(lost, X, "a job that removes the blocks")
        check(found, expected, name)
        column[:] = V


def test_what_an_operator_refuses(backend: SparkBackend) -> None:
    wrong = GROUPS.copy()
    wrong[16] = 0
    for name, values in (
        ("table", [wrong, KINDS, *NOTHING, None]),
        ("aggregate", [V, wrong, "sum", None, None, None]),
        ("cbind", [X, W]),
        ("rightIndex", [X, 24, None, None, None]),
        ("order", [X, 6, False, False]),
        ("conv2d", [IMAGES, FILTERS, sizes(22, 2, 4, 4), FILTER, ONE, ONE]),
        ("%*%", [X, Y]),
        ("cumsumprod", [X]),
    ):
        with pytest.raises(OperationError) as expected:
            run(MEMORY, name, values)
        with pytest.raises(OperationError) as found:
            run(backend, name, spread(backend, values, lambda v: distributed(backend, v)))
        assert str(found.value) == str(expected.value)


def test_what_needs_its_input_on_the_driver(backend: SparkBackend) -> None:
    small = SparkBackend(backend.start, budget=Budget(1 << 29), least=1)
    huge = distributed(small, np.zeros((1, 3)))
    huge.shape = (50_000_000, 3)
    with pytest.raises(OperationError, match=r"svd\(\) needs 2\.4 GB in memory, but of the budget") as error:
        run(small, "svd", [huge])
    assert "svd() needs its input on the driver" in str(error.value.hint)
