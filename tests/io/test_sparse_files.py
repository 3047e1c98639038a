"""Sparse matrices in files: built and written without ever being dense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import mmwrite
from scipy.sparse import coo_array, csc_array, csr_array, csr_matrix, load_npz, random_array, save_npz

from gramian.errors import OperationError
from gramian.io import chunks, csv, read_value, resolve, rows, write_value
from gramian.ir.sparse import densify, is_sparse
from gramian.ir.values import ListValue


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


FORMATS = ("text", "mm", "binary", "npy", "libsvm", "csv", "parquet", "hdf5")


def sample(shape: tuple[int, int] = (300, 200), density: float = 0.05) -> Any:
    matrix = random_array(shape, density=density, rng=np.random.default_rng(5), format="csr")
    matrix.data[:3] = np.nan, np.inf, -1e-300
    return matrix


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", [csr_array, csc_array])
def test_sparse_is_written_like_dense(format: str, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "BATCH_CELLS", 1000)  # several blocks
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 5000)
    matrix = kind(sample())
    before = matrix.copy()
    write_value(matrix, "x", {"format": format})
    assert (matrix != before).nnz == 1  # the NaN: nothing changed
    found = read_value("x", {})
    np.testing.assert_array_equal(densify(found), matrix.toarray())
    assert is_sparse(found) == (format not in ("csv", "parquet", "hdf5"))
    if format not in ("binary", "npy", "hdf5"):
        write_value(matrix.toarray(), "y", {"format": format})
        assert Path("x").read_bytes() == Path("y").read_bytes()


@pytest.mark.parametrize("format", ["text", "mm", "binary", "libsvm"])
def test_what_has_no_room_when_dense(format: str) -> None:
    """8 TB, if it were."""
    size = 1_000_000
    rng = np.random.default_rng(3)
    i, j = rng.integers(0, size, (2, 2000))
    matrix = csr_array(coo_array((np.arange(1.0, 2001), (i, j)), shape=(size, size)))
    write_value(matrix, "x", {"format": format})
    found = read_value("x", {})
    assert found.shape == matrix.shape
    assert (found != matrix).nnz == 0
    assert (resolve("x", {}).rows, resolve("x", {}).cols) == (size, size)


def test_stored_zeros_are_not_written() -> None:
    matrix = sample()
    expected = matrix.copy()
    matrix.data[10:20] = 0
    expected.data[10:20] = 0
    expected.eliminate_zeros()
    for format in ("text", "mm", "libsvm"):
        write_value(matrix, "x", {"format": format})
        write_value(expected, "y", {"format": format})
        assert Path("x").read_bytes() == Path("y").read_bytes()
    assert matrix.nnz == expected.nnz + 10
    assert f'"nnz": {expected.nnz}' in Path("x.mtd").read_text()


@pytest.mark.parametrize("last", ["5", "0", "NaN"])
def test_the_later_value_of_a_cell_counts(last: str) -> None:
    text = f"7 7 1\n100 300 4\n7 7 2\n1 1 1\n7 7 {last}\n"
    Path("x").write_text(text)
    for size in (300, 30_000):  # dense and sparse
        found = read_value("x", {"format": "text", "rows": size, "cols": size})
        assert is_sparse(found)
        assert found.nnz == (2 if last == "0" else 3)
        np.testing.assert_array_equal(found[[6, 99, 0], [6, 299, 0]], [float(last), 4, 1])


def test_representation_depends_on_sparsity() -> None:
    for density, sparse in ((0.05, True), (0.6, False)):
        matrix = random_array((300, 200), density=density, rng=np.random.default_rng(5), format="csr")
        for format in ("text", "mm", "libsvm", "binary"):
            write_value(matrix, "x", {"format": format})
            assert is_sparse(read_value("x", {})) == sparse
    write_value(csr_array(np.eye(3)), "x", {"format": "binary"})
    np.testing.assert_array_equal(read_value("x", {}), np.eye(3))


def test_files_of_scipy() -> None:
    matrix = sample()
    for kind in (csr_array, csc_array, coo_array, csr_matrix):
        save_npz("a.npz", kind(matrix))
        np.testing.assert_array_equal(densify(read_value("a.npz", {})), matrix.toarray())
    assert resolve("a.npz", {}).cols == 200
    with pytest.raises(OperationError, match="has cols=200, but cols=3 is given"):
        read_value("a.npz", {"cols": 3})
    write_value(matrix, "b", {"format": "binary"})
    np.testing.assert_array_equal(load_npz("b").toarray(), matrix.toarray())
    mmwrite("c.mtx", matrix.astype(np.float32), precision=3)
    assert is_sparse(read_value("c.mtx", {}))


def test_damaged_files_of_scipy() -> None:
    matrix = sample()
    np.savez("a.npz", x=np.eye(3))
    Path("b.npz").write_bytes(b"PK\x03\x04 nonsense")
    save_npz("c.npz", csr_array(matrix.astype(complex)))
    parts = {"format": "csr", "shape": [300, 200], "data": matrix.data, "indptr": matrix.indptr}
    np.savez("d.npz", **parts, indices=matrix.indices + 190)
    for name in ("a.npz", "b.npz", "c.npz", "d.npz"):
        with pytest.raises(OperationError, match=f"'{name}'"):
            read_value(name, {})


def test_large_csv_files_of_zeros_become_sparse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 60_000)
    matrix = sample()
    write_value(matrix, "x", {"format": "csv"})
    assert not is_sparse(read_value("x", {}))
    monkeypatch.setattr(csv, "LARGEST_ZERO", 10_000)
    found = read_value("x", {})
    assert is_sparse(found)
    np.testing.assert_array_equal(densify(found), matrix.toarray())
    dense = np.random.default_rng(1).standard_normal((300, 200))
    write_value(dense, "x", {"format": "csv"})
    np.testing.assert_array_equal(read_value("x", {}), dense)


def test_lists_of_sparse_matrices() -> None:
    matrix = sample()
    for format in ("text", "binary", "csv"):
        write_value(ListValue([matrix, 1], ["m", None]), "x", {"format": format})
        found = read_value("x", {})
        np.testing.assert_array_equal(densify(found.items[0]), matrix.toarray())


def test_the_number_of_nonzeros_is_checked() -> None:
    matrix = sample()
    write_value(matrix, "x", {})
    assert read_value("x", {"nnz": matrix.nnz}).shape == matrix.shape
    with pytest.raises(OperationError, match=f"holds {matrix.nnz} values other than zero"):
        read_value("x", {"nnz": 3})
