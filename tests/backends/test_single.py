"""Precision single: every matrix is float32, and every operator gives what it gives in double, to some digits less."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import Sample, all_samples, apply, convert, is_plain, same
from scipy.sparse import csc_array, csr_array
from watched import matrices, precisions

from gramian.api.script import Script
from gramian.backends.local import LocalBackend
from gramian.backends.local.single import IN_DOUBLE, narrowed, widened
from gramian.errors import UsageError
from gramian.ir.op import REGISTRY, Op
from gramian.ir.sparse import densify, is_sparse
from gramian.ir.values import ListValue
from gramian.runtime.backend import kernel_of
from gramian.settings import Settings
from gramian.source import Source

SINGLE, DOUBLE = LocalBackend("single"), LocalBackend("double")
SAMPLES = all_samples()


def call(backend: LocalBackend, op: Op, values: list[Any]) -> Any:
    with np.errstate(all="ignore"):
        return kernel_of(op, backend)(*values)


def single(name: str, *values: Any) -> Any:
    return call(SINGLE, REGISTRY[name], [narrowed(value) for value in values])


def arguments(sample: Sample) -> list[Any]:
    with np.errstate(all="ignore"):
        return [narrowed(value) for value in convert(sample.op, sample.values())]


def variants(values: list[Any]) -> Iterator[list[Any]]:
    """The values, and with each matrix among them sparse by rows or by columns."""
    yield values
    for at, value in enumerate(values):
        if isinstance(value, np.ndarray):
            for form in (csr_array, csc_array):
                yield [*values[:at], form(value), *values[at + 1 :]]


def dense(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(dense, value))
    if isinstance(value, ListValue):
        return ListValue([dense(item) for item in value.items], value.names)
    return densify(value)


@pytest.mark.filterwarnings("ignore:Changing the sparsity")
@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_samples_agree_with_double(sample: Sample) -> None:
    """Without exception: what float32 cannot hold, as 1e200, is infinite on both sides."""
    values = arguments(sample)
    with np.errstate(all="ignore"):
        expected = narrowed(call(DOUBLE, sample.op, [widened(value) for value in values]))
    for made in variants(values):
        found = call(SINGLE, sample.op, made)
        assert {m.dtype for m in matrices(found)} <= {np.dtype(np.float32)}
        assert is_plain(widened(dense(found)))
        assert same(expected, dense(found), 2e-6)


# Operators whose own kernels may give a matrix in double, small beside what they read or rare.
GIVES_DOUBLE = {
    *("colMeans", "colProds", "colSds", "colVars", "rowIndexMax", "rowIndexMin"),
    *("rowMeans", "rowProds", "rowSds", "rowVars"),
    *("bitwAnd", "bitwOr", "bitwXor", "bitwShiftL", "bitwShiftR", "compress", "order"),
}


@pytest.mark.parametrize(
    "sample",
    [x for x in SAMPLES if not IN_DOUBLE & {x.op.family, x.op.name} and x.op.name not in GIVES_DOUBLE],
    ids=str,
)
def test_kernels_keep_the_precision_by_themselves(sample: Sample) -> None:
    """So that nothing is computed in double only to be rounded."""
    values = arguments(sample)
    if matrices(tuple(values)):
        assert {m.dtype for m in matrices(apply(sample.op, values))} <= {np.dtype(np.float32)}


def test_the_other_kernels_are_not_listed_in_vain() -> None:
    for name in GIVES_DOUBLE:
        results = [apply(x.op, arguments(x)) for x in SAMPLES if x.op.name == name]
        assert any(m.dtype == np.float64 for result in results for m in matrices(result)), name


def test_double_precision_has_no_part_in_it() -> None:
    for op in REGISTRY.records():
        kernel = DOUBLE.kernel(op)
        names = ("dispatching.", "LocalBackend._reader.")
        assert kernel is None or kernel is op.kernel or kernel.__qualname__.startswith(names)


# ---- sums and positions ----


def test_sums_are_as_good_as_in_double() -> None:
    x = np.random.default_rng(1).standard_normal((40_000, 7)).astype(np.float32)
    strided = np.repeat(x, 2, axis=0)[::2]
    for form in (x, np.asfortranarray(x), x.T, strided, csr_array(x), csc_array(x)):
        cells = np.asarray(densify(form), np.float64)
        scale = float(np.sum(np.abs(cells)))
        assert single("sum", form) == pytest.approx(float(np.sum(cells)), abs=1e-9 * scale)
        assert single("mean", form) == pytest.approx(float(np.mean(cells)), abs=1e-9 * scale / cells.size)
        assert single("var", form) == pytest.approx(float(np.var(cells, ddof=1)), rel=1e-7)
        for name, axis in (("colSums", 0), ("rowSums", 1), ("colMeans", 0), ("rowMeans", 1)):
            expected = (np.sum if "Sums" in name else np.mean)(cells, axis=axis, keepdims=True)
            size = np.max(np.abs(cells).sum(axis=axis)) / (1 if "Sums" in name else cells.shape[axis])
            np.testing.assert_allclose(single(name, form), expected, rtol=1e-7, atol=2e-7 * size)
        expected = np.var(cells, axis=0, ddof=1, keepdims=True)
        np.testing.assert_allclose(single("colVars", form), expected, rtol=1e-6)


def test_counts_beyond_the_digits_of_a_cell() -> None:
    count = 2**24 + 3
    ones = np.ones((count, 1), np.float32)
    assert single("sum", ones) == single("sum", ones.T) == count
    assert single("mean", ones) == 1.0
    assert single("nrow", ones) == count


def test_sums_that_only_double_can_hold() -> None:
    large = np.full((100_000, 1), 1e36, np.float32)
    assert single("sum", large) == pytest.approx(1e41)
    assert single("mean", large) == pytest.approx(1e36)
    np.testing.assert_allclose(single("colMeans", large), [[1e36]], rtol=1e-6)
    assert single("colSums", large)[0, 0] == np.inf
    large[7] = np.nan
    assert np.isnan(single("sum", large))
    large[7] = np.inf
    assert single("sum", large) == np.inf


def test_positions_are_not_rounded() -> None:
    last = 2**24
    place = np.array([[float(last)]])
    found = single("table", place, np.ones((1, 1)), None, last, 1, None)
    assert is_sparse(found)
    assert single("sum", found) == 1.0
    assert single("%%", place, 10)[0, 0] == last % 10
    ends = single("cumsum", np.ones((100_000, 1)))
    np.testing.assert_array_equal(ends[:, 0], np.arange(1, 100_001))


def test_order_and_seq_give_the_nearest_cells() -> None:
    """Above 2^24 not every whole number is a cell: what users of single precision must know."""
    numbers = single("seq", 2.0**24 + 1, 2.0**24 + 2, None)
    np.testing.assert_array_equal(numbers[:, 0], np.float32([2**24, 2**24 + 2]))


def test_random_numbers_are_those_of_double_rounded() -> None:
    for sparsity in (1.0, 0.5, 0.05):
        values = [300, 200, -1.0, 1.0, sparsity, 5, "uniform", 1.0]
        found, expected = (call(backend, REGISTRY["rand"], values) for backend in (SINGLE, DOUBLE))
        assert is_sparse(found) == is_sparse(expected)
        np.testing.assert_array_equal(densify(found), densify(expected).astype(np.float32))


# ---- whole scripts ----


def run(script: str, precision: str = "single") -> str:
    """What it prints; all matrices in its variables must have the precision."""
    wanted = np.dtype(np.float32 if precision == "single" else np.float64)
    printed = StringIO()
    compiled = Script.compile(Source("script", script), Settings(precision=precision, seed=1))
    with precisions() as found, redirect_stdout(printed):
        compiled.run()
    assert all(types <= {wanted} for types in found.values()), found
    assert any(found.values())
    return printed.getvalue()


REGRESSION = """
X = cbind(rand(rows=500, cols=4, seed=3, pdf="normal"), matrix(1, rows=500, cols=1))
truth = matrix("1 -2 0.5 3 0.25", rows=5, cols=1)
y = X %*% truth
w = matrix(0, rows=5, cols=1)
r = -t(X) %*% y
p = -r
rr = sum(r^2)
for (i in 1:10) {
  q = t(X) %*% (X %*% p)
  a = rr / sum(p * q)
  w += a * p
  r += a * q
  new = sum(r^2)
  p = -r + (new / rr) * p
  rr = new
}
direct = solve(t(X) %*% X, t(X) %*% y)
print(toString(round(cbind(w, direct) * 1000) / 1000))
"""
CLUSTERS = """
distances = function(matrix[double] X, matrix[double] C) return (matrix[double] D) {
  D = rowSums(X^2) - 2 * X %*% t(C) + t(rowSums(C^2))
}
X = rbind(rand(rows=60, cols=2, seed=1), rand(rows=40, cols=2, min=5, max=6, seed=2))
C = rbind(X[1, ], X[100, ])
for (i in 1:5) {
  nearest = rowIndexMin(distances(X, C))
  P = table(seq(1, nrow(X)), nearest, nrow(X), 2)
  C = (t(P) %*% X) / t(colSums(P))
}
print(toString(colSums(P)))
print(toString(round(C * 100) / 100))
"""
UPDATES = """
X = matrix(0, rows=3, cols=4)
for (i in 1:3) {
  X[i, i] = i / 3
  X[i, 4] = matrix(0.1, rows=1, cols=1)
}
Y = X
Y[1, ] = rev(t(X[, 4]))[1, 1:3] %*% matrix(1, rows=3, cols=4)
parfor (j in 1:4) { Y[3, j] = j / 10 }
L = list(a=X, b=list(Y, 1))
L["a"] = X + 0.1
Z = as.matrix(L["a"])
print(toString(X))
print(toString(Y, decimal=2))
print(toString(Z))
print(as.scalar(X[3, 3]) + as.scalar(Y[3, 4]) > 1)
"""
BY_NAME = """
scaled = function(matrix[double] X, matrix[double] W = matrix(0.1, rows=2, cols=2), double s = 0.1)
    return (matrix[double] Y, double total) { Y = X * W + s
  total = sum(Y) }
number = function(double x) return (double y) { y = x / 3 }
A = matrix("1 2 3 4", rows=2, cols=2)
B = eval("scaled", A)
C = eval("number", 1.0)
D = eval("exp", A)
E = evalList("scaled", list(A, s=0.5))
F = as.frame(A)
G = as.matrix(F) + A
print(toString(cbind(B, D, G)))
print(toString(C))
print(toString(as.matrix(E[1])))
"""
TRAINED = """
gradients = function(list[unknown] model, list[unknown] hyperparams, matrix[double] features, matrix[double] labels)
    return (list[unknown] gradients) {
  w = as.matrix(model["w"])
  gradients = list(w=t(features) %*% (features %*% w - labels) / nrow(features))
}
aggregation = function(list[unknown] model, list[unknown] hyperparams, list[unknown] gradients)
    return (list[unknown] new) {
  new = list(w=as.matrix(model["w"]) - as.scalar(hyperparams["step"]) * as.matrix(gradients["w"]))
}
X = rand(rows=60, cols=2, seed=1)
truth = matrix("1 2", rows=2, cols=1)
in_step = paramserv(model=list(w=0 * truth), features=X, labels=X %*% truth, utype="BSP",
  upd="gradients", agg="aggregation", epochs=20, batchsize=10, k=2, hyperparams=list(step=0.3))
print(toString(as.matrix(in_step["w"]), decimal=2))
# What workers find that do not wait for one another depends on their threads, but for where it ends.
at_once = paramserv(model=list(w=0 * truth), features=X, labels=X %*% truth, utype="ASP",
  upd="gradients", agg="aggregation", epochs=100, batchsize=10, k=2, hyperparams=list(step=0.3))
print(max(abs(as.matrix(at_once["w"]) - truth)) < 0.01)
"""
TRANSFORMED = """
halved = function(matrix[double] X) return (matrix[double] Y) { Y = X / 2 }
F = cbind(as.frame(matrix("0.1 0.2 0.3", rows=3, cols=1)), rbind(as.frame("a"), as.frame("b"), as.frame("a")))
[X, M] = transformencode(target=F, spec="{ids: true, recode: [2], dummycode: [2], udf: {name: halved, ids: [1]}}")
print(toString(X))
R = transformdecode(target=X, spec="{ids: true, recode: [2], dummycode: [2]}", meta=M)
print(toString(R))
"""
SPARSE = """
X = rand(rows=300, cols=200, sparsity=0.05, seed=1)
Y = (X * 2) %*% t(X)
D = diag(matrix(1, rows=300, cols=1))
Z = cbind(X, D)
X[1, 1] = 5
print(toString(round(rbind(rowSums(Y)[1, ], t(colSums(Z))[1, ], rowSums(X)[1, ]) * 100) / 100))
print(sum(X != 0) + " " + sum(Z != 0))
"""
SCRIPTS = {
    "regression": REGRESSION,
    "clusters": CLUSTERS,
    "updates": UPDATES,
    "functions by name": BY_NAME,
    "parameter server": TRAINED,
    "transformations": TRANSFORMED,
    "sparse": SPARSE,
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_print_the_same_in_both_precisions(name: str) -> None:
    assert run(SCRIPTS[name]) == run(SCRIPTS[name], "double") != ""


# ---- files ----

FORMATS = ("csv", "text", "mm", "binary", "libsvm", "parquet", "npy")


@pytest.mark.parametrize("format", FORMATS)
def test_files_keep_every_cell(format: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{format}"
    printed = run(
        f"""
        X = cbind(rand(rows=40, cols=6, min=-1, max=1, seed=3), seq(1, 40))
        X[1, 2] = 0.1
        write(X, "{path}", format="{format}")
        print(sum(X != 0))
        """
    )
    back = run(f'X = read("{path}", format="{format}")\nprint(sum(X != 0) + " " + (as.scalar(X[1, 2]) == 0.1))')
    assert back == f"{printed.strip()} FALSE\n"  # the cell nearest to 0.1, as a double
    again = run(f'X = read("{path}", format="{format}")\nwrite(X, "{path}2", format="{format}")\nprint(nrow(X))')
    assert again == "40\n"
    assert path.read_bytes() == Path(f"{path}2").read_bytes()


def test_hdf5_files_keep_every_cell(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "x.h5"
    run(f'X = matrix("0.1 1e-10 7 3", rows=2, cols=2)\nwrite(X, "{path}", format="hdf5")')
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["X"][:], np.float32([[0.1, 1e-10], [7, 3]]))
    assert run(f'X = read("{path}")\nprint(sum(X == 0.1))') == "1.0\n"


def test_text_has_as_few_digits_as_a_cell(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    run(f'X = matrix("0.1 1e-10 16777216 3", rows=2, cols=2)\nwrite(X, "{path}", format="csv")')
    assert path.read_text() == "0.1,1.0E-10\n1.6777216E7,3.0\n"


def test_either_precision_reads_the_binary_files_of_the_other(tmp_path: Path) -> None:
    for sparsity in (1.0, 0.1):
        wide, narrow = tmp_path / f"wide{sparsity}", tmp_path / f"narrow{sparsity}"
        make = f"X = rand(rows=200, cols=100, seed=1, sparsity={sparsity})\n"
        run(make + f'write(X, "{wide}", format="binary")', "double")
        run(make + f'write(X, "{narrow}", format="binary")')
        assert narrow.stat().st_size < 0.7 * wide.stat().st_size
        compare = f'X = read("{wide}")\nY = read("{narrow}")\nprint(max(abs(X - Y)) < 1e-7)\nprint(sum(X != Y) == 0)'
        assert run(compare) == "TRUE\nTRUE\n"
        assert run(compare, "double") == "TRUE\nFALSE\n"


# ---- settings ----


def test_other_precisions_are_refused() -> None:
    message = r"precision is double, single or bfloat16, found 'singel'; did you mean 'single'\?"
    with pytest.raises(UsageError, match=message):
        Settings(precision="singel")
    assert (Settings().cell_bytes, Settings(precision="single").cell_bytes) == (8, 4)
