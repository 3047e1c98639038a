"""Distributed matrices whose blocks are sparse, or some of them, give what matrices in memory give.

As in test_distributed, the workers' part runs in this process.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from here import backend_here, check_family
from many_rows import CASES
from placements import SAMPLES, check, in_forms, loaded, run
from samples import Sample, convert
from scipy.sparse import csr_array, random_array

from gramian.api.script import Script
from gramian.backends.local import LocalBackend
from gramian.backends.spark import SparkBackend, cells as cells_of_panels, files, matrix, work
from gramian.backends.spark.blocks import Array, Cut, Recipe, Store
from gramian.backends.spark.cells import packed, unpacked
from gramian.backends.spark.matrix import SparkMatrix, dense_cut
from gramian.budget import Budget, resident
from gramian.ir import sparse
from gramian.ir.op import REGISTRY
from gramian.ir.sparse import is_sparse
from gramian.ops.text import out
from gramian.runtime.run import Execution
from gramian.settings import Settings
from gramian.source import Source


@dataclass(frozen=True)
class Sent(Recipe):
    """Cells from the driver in compressed rows, but for each panel whose number is a multiple of `dense`."""

    cells: Array
    dense: int | None

    def make(self, panel: int, store: Store) -> Array:
        rows = self.cells[slice(*self.cut.limits(panel))]
        return rows if self.dense and panel % self.dense == 0 else csr_array(rows)


@pytest.fixture(scope="module")
def backend() -> Iterator[SparkBackend]:
    with backend_here() as found:
        yield found


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sparse stays sparse, however small and dense it is."""
    monkeypatch.setattr(matrix, "PANEL_BYTES", 32)
    monkeypatch.setattr(sparse, "SMALLEST", 0)
    monkeypatch.setattr(sparse, "DENSEST", 2.0)


def distributed(backend: SparkBackend, cells: Any, step: int = 2, dense: int | None = None) -> SparkMatrix:
    kept = np.ascontiguousarray(cells)
    recipe = Sent(backend.cluster.fresh(), Cut(len(cells), step), kept.shape[1], str(kept.dtype), kept, dense)
    share = np.count_nonzero(kept) / max(1, kept.size)
    return SparkMatrix(recipe, backend.cluster, backend.budget.scratch, share)


def variants(backend: SparkBackend, values: list[Any]) -> Iterator[list[Any]]:
    """Every choice of matrices to be distributed with sparse blocks, with some dense ones, or as a transpose."""
    matrices = [at for at, v in enumerate(values) if isinstance(v, np.ndarray) and v.size]
    forms: dict[str, Callable[[Any, int], Any]] = {
        "sparse": lambda m, at: distributed(backend, m, 2 if at == matrices[0] else 3),
        "mixed": lambda m, _: distributed(backend, m, 1, 2),
        "turned": lambda m, _: distributed(backend, m.T, 1).T,
        "driver": lambda m, _: m,
        "stored": lambda m, _: csr_array(m),
    }
    return in_forms(values, matrices, forms, {"driver", "stored"})


@pytest.mark.usefixtures("always")
@pytest.mark.filterwarnings("ignore:Changing the sparsity", "ignore::RuntimeWarning")
@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_samples(sample: Sample, backend: SparkBackend) -> None:
    values = convert(sample.op, sample.values())
    expected = run(sample.op, values, LocalBackend())
    for made in itertools.islice(variants(backend, values), 10):
        check(run(sample.op, made, backend), expected)


@pytest.mark.usefixtures("always")
@pytest.mark.filterwarnings("ignore:Changing the sparsity", "ignore::RuntimeWarning")
@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("family", CASES)
def test_many_panels(family: str, precision: str, backend: SparkBackend) -> None:
    forms = [partial(distributed, step=7, dense=dense) for dense in (None, 2)]
    check_family(family, precision, backend.cluster, forms)


# -- blocks ------------------------------------------------------------------------------------------------------------


def random_cells(rows: int, cols: int, share: float) -> Any:
    return csr_array(random_array((rows, cols), density=share, rng=np.random.default_rng(5)))


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_packed(kind: Any, index: Any) -> None:
    given = random_cells(7, 11, 0.3).astype(kind)
    given.indices, given.indptr = given.indices.astype(index), given.indptr.astype(index)
    found = unpacked(packed(given), (7, 11), kind)
    assert found.has_canonical_format
    np.testing.assert_array_equal(found.toarray(), given.toarray())
    assert unpacked(packed(given), (7, 12), kind) is None
    assert unpacked(packed(csr_array((7, 11))), (7, 11), kind).nnz == 0


def damaged(place: Path, how: str) -> None:
    """Cut a block short, or change numbers in it on which SciPy's loops rely."""
    data = bytearray(place.read_bytes())
    if how == "cut":
        place.write_bytes(data[: len(data) // 2])
        return
    head = 128  # of NumPy's format; then come sizes, cells, where rows start, and columns
    rows, _, stored = np.frombuffer(bytes(data[head : head + 24]), np.int64).tolist()
    starts = head + 64 + stored * 8
    columns = starts + -(-(rows + 1) * 4 // 8) * 8
    at, value = {
        "count": (head + 16, stored + 1),
        "rows": (head, rows + 1),
        "start": (starts + 4, 1 << 30),
        "column": (columns, 1 << 30),
        "negative": (columns, -1),
    }[how]
    width = 8 if how in ("count", "rows") else 4
    data[at : at + width] = value.to_bytes(width, "little", signed=True)
    place.write_bytes(data)


@pytest.mark.parametrize("how", ["cut", "count", "rows", "start", "column", "negative"])
def test_damaged_block(how: str, backend: SparkBackend) -> None:
    cells = random_cells(2000, 50, 0.05)
    x = distributed(backend, cells.toarray(), 1000)
    assert is_sparse(x.fetched((0, 2000)))
    (place,) = (p for s in backend.cluster.stores if (p := s.place(x.recipe.name, 1)).exists())
    before = place.read_bytes()
    damaged(place, how)
    assert place.read_bytes() != before
    np.testing.assert_array_equal(x.fetched((0, 2000)).toarray(), cells.toarray())
    assert place.read_bytes() == before


# -- scripts -----------------------------------------------------------------------------------------------------------


def printed(script: str, backend: LocalBackend) -> list[str]:
    lines: list[str] = []
    program = Script.compile(Source("test.dml", script)).program
    with out.to(lines.append), np.errstate(all="ignore"):
        Execution(program, backend, Settings()).run()
    return "".join(lines).splitlines()


def near_texts(found: list[str], expected: list[str]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        (name, number), (same, right) = one.split("="), other.split("=")
        assert name == same
        np.testing.assert_allclose(float(number), float(right), rtol=1e-9, err_msg=name)


OPERATORS = """
  X = rand(rows=4000, cols=300, seed=3, sparsity=0.02, min=-1, max=1)
  Y = rand(rows=4000, cols=300, seed=4, sparsity=0.05)
  v = rand(rows=300, cols=1, seed=5)
  w = rand(rows=4000, cols=1, seed=6)
  B = rand(rows=300, cols=40, seed=7)
  print("sum=" + sum(X))
  print("squares=" + sum(X ^ 2))
  print("product=" + sum((X %*% v) ^ 2))
  print("wide=" + sum((X %*% B) ^ 2))
  print("crossed=" + sum(t(X) %*% (w * (X %*% v))))
  print("gram=" + sum((t(X) %*% X) ^ 2))
  print("sampled=" + sum(X * (w %*% t(v))))
  print("rows=" + sum(rowSums(X) ^ 2))
  print("columns=" + sum(colSums(X) ^ 2))
  print("largest=" + max(colMaxs(X)))
  print("variance=" + sum(colVars(X)))
  Z = abs(X) * Y + X * 2
  print("cells=" + sum(Z * Z))
  print("marks=" + sum(X != 0))
  D = exp(X + 1)
  print("dense=" + sum(D))
  print("both=" + sum(D * X))
  P = X[101:3500, 20:290]
  print("part=" + sum(P * P))
  C = cbind(X, Y, w)
  print("bound=" + sum(C * C))
  R = rbind(X, Y, D)
  print("stacked=" + sum(R[3999:8100, ]))
  E = removeEmpty(target=X * (w > 0.5), margin="rows")
  print("kept=" + sum(E))
  O = order(target=X, by=2)
  print("ordered=" + sum(O[1:5, ] * t(v)))
  T = t(X)
  print("turned=" + sum((T %*% Y)[1:7, ]))
  U = t(X) + 0
  print("by turned rows=" + sum(U[3:9, ] ^ 2))
  S = X
  S[10:20, 30:40] = matrix(1, 11, 11)
  print("written=" + sum(S))
  print("table=" + sum(table(round(w * 900) + 1, round(rowSums(Y)) + 1) ^ 2))
  print("running=" + sum(cumsum(X)[4000, ]))
  print("replaced=" + sum(replace(target=X, pattern=0, replacement=1)))
"""


def with_panels(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Panels of so many bytes, which may become dense if that is at most four times as much."""
    monkeypatch.setattr(matrix, "PANEL_BYTES", size)
    monkeypatch.setattr(work, "DENSE_ROOM", 4 * size)
    monkeypatch.setattr(cells_of_panels, "DENSE_ROOM", 4 * size)


def test_script(backend: SparkBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    with_panels(monkeypatch, 1 << 16)
    near_texts(printed(OPERATORS, backend), printed(OPERATORS, LocalBackend()))


@pytest.mark.parametrize("sparsity", [0.001, 0.02, 0.2, 0.5])
def test_random(sparsity: float, backend: SparkBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "PANEL_BYTES", 1 << 17)
    values = (3000, 200, -1.0, 2.0, sparsity, 9, "normal", 1.0)
    found, expected = run(REGISTRY["rand"], list(values), backend), REGISTRY["rand"].kernel(*values)
    assert isinstance(found, SparkMatrix)
    assert found.loads_sparse == is_sparse(found.load()) == is_sparse(expected) == (sparsity < 0.3)
    np.testing.assert_array_equal(loaded(found), loaded(expected))
    assert found.nbytes < found.size * 8 * (1.6 * sparsity + 0.1) or not is_sparse(expected)


def test_panels_of_stored_bytes(backend: SparkBackend) -> None:
    """A large sparse matrix has few panels, none of them made here; what has to be dense gets smaller ones."""
    values = [10_000_000, 10_000, 0.0, 1.0, 0.001, 9, "uniform", 1.0]
    found = run(REGISTRY["rand"], values, backend)
    assert 30 < found.recipe.cut.panels < 60
    assert 20_000 < dense_cut([found]).panels < 30_000
    assert 1.1e9 < found.nbytes < 1.4e9


def test_smaller_panels_where_cells_are_needed(backend: SparkBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    with_panels(monkeypatch, 1 << 19)
    x = run(REGISTRY["rand"], [60_000, 300, 0.0, 1.0, 0.002, 9, "uniform", 1.0], backend)
    dense = run(REGISTRY["+"], [x, 1.0], backend)
    assert dense.recipe.cut.step < x.recipe.cut.step / 10
    assert dense.sparsity == 1
    expected = x.load().toarray()
    np.testing.assert_array_equal(dense.load(), expected + 1)
    sparse_again = run(REGISTRY["*"], [dense, x], backend)
    assert is_sparse(sparse_again.load())
    np.testing.assert_array_equal(loaded(sparse_again), (expected + 1) * expected)


def test_load_needs_the_stored_bytes(backend: SparkBackend) -> None:
    """A solver gets what it needs on the driver as it is stored, not cell by cell."""
    x = run(REGISTRY["rand"], [200_000, 5_000, 0.0, 1.0, 0.0002, 9, "uniform", 1.0], backend)
    (found,) = SparkBackend(lambda: None, budget=Budget(resident() * 8 // 7 + (400 << 20))).home.loaded([x], "it")
    assert is_sparse(found)
    assert found.nnz == pytest.approx(200_000, rel=0.1)


# -- files -------------------------------------------------------------------------------------------------------------

FORMATS = ["text", "mm", "csv", "binary", "libsvm", "parquet"]


@pytest.mark.parametrize("format", FORMATS)
def test_files(format: str, backend: SparkBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written by the workers, read here and by the workers; what is read is sparse."""
    monkeypatch.setattr(matrix, "PANEL_BYTES", 1 << 15)
    monkeypatch.setattr(files, "LARGEST_ZERO", 1 << 10)
    cells = random_cells(3000, 60, 0.03).tolil()
    cells[1400:1600] = 1.5  # some blocks are dense
    if format == "libsvm":
        cells[:, 59] = np.ones((3000, 1))
    cells = csr_array(cells)
    more = {"sparse": True} if format == "csv" else {}
    target = tmp_path / "data"
    x = distributed(backend, cells.toarray(), 500)
    call(backend, "write", [x, str(target)], format=format, **more)
    size = {"text": {"rows": 3000, "cols": 60}, "libsvm": {"cols": 59}}.get(format, {})
    found = call(backend, "read", [str(target)], format=format, **size)
    assert isinstance(found, SparkMatrix)
    assert found.loads_sparse or format == "parquet"
    np.testing.assert_allclose(loaded(found), cells.toarray(), rtol=1e-12)
    expected = call(LocalBackend(), "read", [str(target)], format=format, **size)
    np.testing.assert_allclose(loaded(expected), cells.toarray(), rtol=1e-12)


def call(backend: LocalBackend, name: str, first: list[Any], **options: Any) -> Any:
    op = REGISTRY[name]
    return run(op, [*first, *(options.get(param.name) for param in op.params[len(first) :])], backend)
