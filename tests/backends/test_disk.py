"""Matrices on disk give what matrices in memory give, operator by operator, on the samples of all records."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import placements
import pytest
from placements import SAMPLES, check, loaded
from samples import Sample, all_samples, convert
from scipy.sparse import csr_array

from gramian.backends.local import LocalBackend
from gramian.backends.local.disk import home, products
from gramian.backends.local.fused import panels
from gramian.budget import Budget
from gramian.errors import OperationError
from gramian.ir import disk, sparse
from gramian.ir.disk import DiskMatrix, is_on_disk
from gramian.ir.op import REGISTRY, Effect, Op
from gramian.ir.values import ListValue


class Tiny(Budget):
    """Keeps next to nothing in memory, but lets operators load what they need."""

    def keeps(self, size: int) -> bool:
        return size <= 16

    def loads(self, size: int) -> bool:
        return True


BACKEND = LocalBackend(budget=Tiny(large=1))
MEMORY = LocalBackend()


@pytest.fixture
def small_panels(monkeypatch):
    monkeypatch.setattr(panels, "CHUNK", 4)
    monkeypatch.setattr(disk, "BATCH", 4)
    monkeypatch.setattr(home, "BATCH", 4)
    monkeypatch.setattr(products, "PANEL", 4)


def on_disk(matrix: Any) -> DiskMatrix:
    found = DiskMatrix.new(matrix.shape, BACKEND.budget.scratch, matrix.dtype)
    found.write(0, matrix)
    return found


def transposed(matrix: Any) -> Any:
    return on_disk(matrix.T).T


def run(op: Op, values: list[Any], backend: LocalBackend = BACKEND) -> Any:
    return placements.run(op, values, backend)


def variants(values: list[Any]) -> Iterator[list[Any]]:
    """Every choice of matrices to be on disk, as they are or as a transpose, or sparse beside one on disk."""
    matrices = [at for at, v in enumerate(values) if isinstance(v, np.ndarray)]
    for forms in itertools.product((None, on_disk, transposed, csr_array), repeat=len(matrices)):
        if any(form in (on_disk, transposed) for form in forms):
            made = list(values)
            for at, form in zip(matrices, forms, strict=True):
                made[at] = made[at] if form is None else form(made[at])
            yield made


@pytest.mark.usefixtures("small_panels")
@pytest.mark.filterwarnings("ignore:Changing the sparsity")
@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_samples(sample: Sample) -> None:
    values = convert(sample.op, sample.values())
    expected = run(sample.op, values, MEMORY)
    check(run(sample.op, values), expected)
    for made in itertools.islice(variants(values), 24):
        check(run(sample.op, made), expected)


@pytest.mark.usefixtures("small_panels")
@pytest.mark.parametrize("sample", [s for s in all_samples() if s.op.effect is Effect.FRESH], ids=str)
def test_random_numbers_are_the_same(sample: Sample) -> None:
    values = convert(sample.op, sample.values())
    if "seed" in sample.text or sample.op.name == "sample":
        check(run(sample.op, values), run(sample.op, values, MEMORY))


# ---- the same with several panels, and without a part that stays in memory ----

X = np.random.default_rng(1).normal(size=(23, 5))
Y = np.random.default_rng(2).normal(size=(23, 3))
W = np.random.default_rng(3).normal(size=(5, 40))

MANY: list[tuple[str, list[Any]]] = [
    *[(name, [X]) for name in ("sum", "mean", "var", "sd", "min", "max", "prod")],
    *[(f"{over}{name}", [X]) for over in ("row", "col") for name in ("Sums", "Means", "Vars", "Sds", "Maxs", "Prods")],
    *[(name, [X]) for name in ("cumsum", "cumprod", "cummin", "cummax", "rev", "t", "exp", "rowIndexMax", "rowcumsum")],
    ("roll", [X, 7]),
    ("%*%", [X, W]),
    ("%*%", [X.T, Y]),
    ("%*%", [X.T, X]),
    ("%*%", [W.T, X.T]),
    ("%*%", [X, X.T]),
    ("%*%", [X[:1], X.T]),
    ("%*%", [X.T, Y[:, :1]]),
    ("+", [X, X[:, :1]]),
    ("+", [X, X[:1]]),
    ("^", [X, 2]),
    ("cbind", [X, Y, X]),
    ("rbind", [X, W[:, :5]]),
    ("matrix", [X, 5, 23, True]),
    ("matrix", [X, 115, 1, False]),
    ("rightIndex", [X, 3, 17, 2, 4]),
    ("rightIndex", [X, 3, 17, None, None]),
    ("rightIndex", [X, None, None, 4, None]),
    ("leftIndex", [X, Y[:4], 9, 12, 2, 4]),
    ("leftIndex", [X, W[:, :5], 9, 13, None, None]),
    ("leftIndex", [X, 2.5, 3, None, 4, None]),
    ("removeEmpty", [X, "rows", np.arange(23.0)[:, None] % 3, True]),
    ("removeEmpty", [X * (X > 1), "rows", None, True]),
    ("order", [X, 2, True, False]),
    ("ifelse", [X, Y[:, :1], 3]),
    ("outer", [X[:, :1], W[:1], "<"]),
]


@pytest.mark.usefixtures("small_panels")
@pytest.mark.parametrize("name", ["memory", "disk", "transposed"])
@pytest.mark.parametrize(("op", "values"), MANY, ids=[f"{at} {op}" for at, (op, _) in enumerate(MANY)])
def test_many_panels(op: str, values: list[Any], name: str) -> None:
    form = {"memory": lambda m: m, "disk": on_disk, "transposed": transposed}[name]
    made = [form(v) if isinstance(v, np.ndarray) else v for v in values]
    check(run(REGISTRY[op], made), run(REGISTRY[op], values, MEMORY))


@pytest.mark.usefixtures("small_panels")
@pytest.mark.parametrize(("op", "values"), MANY, ids=[f"{at} {op}" for at, (op, _) in enumerate(MANY)])
def test_single_precision(op: str, values: list[Any]) -> None:
    backend, memory = LocalBackend("single", Tiny(large=1)), LocalBackend("single")
    values = [v.astype(np.float32) if isinstance(v, np.ndarray) else v for v in values]
    made = [on_disk(v) if isinstance(v, np.ndarray) else v for v in values]
    found, expected = loaded(run(REGISTRY[op], made, backend)), run(REGISTRY[op], values, memory)
    assert getattr(found, "dtype", None) == getattr(expected, "dtype", None)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-5)


def test_operators_without_a_way_say_what_they_need() -> None:
    budget = Budget(1 << 29, large=1)
    backend = LocalBackend(budget=budget)
    huge = DiskMatrix.new((20_000_000, 5), budget.scratch)
    with pytest.raises(OperationError, match=r"order\(\) needs 1\.6 GB in memory, but of the budget of 537 MB only"):
        run(REGISTRY["order"], [huge, 1, False, False], backend)


def test_large_results_go_to_disk() -> None:
    backend = LocalBackend(budget=Budget(1 << 28))
    made = run(REGISTRY["matrix"], [1.0, 10_000_000, 10, True], backend)
    assert is_on_disk(made)
    assert run(REGISTRY["sum"], [made], backend) == 1e8
    assert is_on_disk(run(REGISTRY["+"], [made, 1], backend))


def test_small_matrices_stay_in_memory() -> None:
    backend = LocalBackend(budget=Budget(1 << 28))
    assert isinstance(run(REGISTRY["matrix"], [1.0, 100, 10, True], backend), np.ndarray)


def test_sparse_matrices_stay_sparse() -> None:
    backend = LocalBackend(budget=Budget(1 << 28))
    stored = csr_array((np.ones(1000), (np.arange(1000) * 999, np.arange(1000) * 9)), shape=(1_000_000, 10_000))
    column = np.full((1_000_000, 1), 2.0)
    assert sparse.is_sparse(run(REGISTRY["*"], [stored, column], backend))
    assert run(REGISTRY["sum"], [stored], backend) == 1000.0
    assert sparse.is_sparse(run(REGISTRY["matrix"], [0, 1_000_000, 10_000, True], backend))


def test_sparse_matrices_become_dense_on_disk() -> None:
    backend = LocalBackend(budget=Budget(1 << 26))
    stored = csr_array((np.ones(1000), (np.arange(1000) * 99, np.arange(1000) % 100)), shape=(100_000, 100))
    made = run(REGISTRY["exp"], [stored], backend)
    assert is_on_disk(made)
    assert abs(run(REGISTRY["sum"], [made], backend) - (1e7 - 1000 + 1000 * np.e)) < 1e-3
    assert is_on_disk(backend.writable(stored))


def test_lists_keep_what_they_get() -> None:
    backend = LocalBackend(budget=Tiny(large=1))
    made = on_disk(X)
    grown = run(REGISTRY["append"], [ListValue([made]), X], backend)
    assert grown.items[0] is made
    assert grown.items[1] is X
    assert run(REGISTRY["as.matrix"], [ListValue([made])], backend) is made


# ---- files ----


def test_files_have_no_name_and_are_closed(tmp_path) -> None:
    made = DiskMatrix.new((10, 10), str(tmp_path))
    made.write(0, np.ones((10, 10)))
    assert list(tmp_path.iterdir()) == []
    raw = made.file.raw
    del made
    assert raw.closed


def test_a_folder_that_does_not_exist(tmp_path) -> None:
    with pytest.raises(OperationError, match=r"cannot be kept in the folder '.*none', 0.0 GB: No such file"):
        DiskMatrix.new((10, 10), str(tmp_path / "none"))


def test_more_than_the_disk_has(tmp_path) -> None:
    with pytest.raises(OperationError, match=r"needs? .*GB|GB left"):
        DiskMatrix.new((10**9, 10**6), str(tmp_path))


def test_writing_into_regions() -> None:
    expected, made = X.copy(), on_disk(X)
    rng = np.random.default_rng(5)
    for _ in range(50):
        a, b = sorted(rng.integers(0, 24, 2))
        c, d = sorted(rng.integers(0, 6, 2))
        cells = rng.normal(size=(b - a, d - c))
        made[a:b, c:d] = cells
        expected[a:b, c:d] = cells
    made[3, 4] = 7.0
    expected[3, 4] = 7.0
    np.testing.assert_array_equal(made.load(), expected)
    np.testing.assert_array_equal(made[2:9, 1:3], expected[2:9, 1:3])
    np.testing.assert_array_equal(made.rows(2, 9).load(), expected[2:9])
    assert made[3, 4] == 7.0
    copy = made.copy()
    copy[0:1, :] = 0.0
    np.testing.assert_array_equal(made.load(), expected)
