"""Files of large matrices: read and written by the workers, and the same as on one machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import gramian
from gramian.api.script import Script
from gramian.backends.spark import SparkBackend
from gramian.backends.spark.blocks import Store
from gramian.backends.spark.files import reader
from gramian.backends.spark.matrix import SparkMatrix
from gramian.backends.spark.work import Step
from gramian.budget import Budget
from gramian.errors import OperationError, ScriptError
from gramian.io import read_value, write_value
from gramian.ir.op import REGISTRY
from gramian.ops.io import _READ
from gramian.runtime.run import Execution
from gramian.settings import Settings
from gramian.source import Source

FORMATS = ("csv", "text", "mm", "binary", "npy", "libsvm", "parquet")


@pytest.fixture
def small_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gramian.backends.spark.matrix.PANEL_BYTES", 1 << 15)
    monkeypatch.setattr("gramian.io.chunks.CHUNK_BYTES", 1 << 15)


@pytest.fixture
def backend(spark: Any, small_panels: None) -> Iterator[SparkBackend]:
    from pyspark import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers do not know the steps of this file
    found = SparkBackend(lambda: spark, budget=Budget(), least=1 << 12)
    yield found
    found.cluster.close()


def cells(rows: int = 2100, cols: int = 7) -> npt.NDArray[np.float64]:
    found = np.random.default_rng(3).standard_normal((rows, cols)).round(4)
    found[:, 2] *= np.arange(rows) % 3 > 0
    return found


def read(backend: SparkBackend, path: Path | str, **options: Any) -> Any:
    op = REGISTRY["read"]
    return reader(backend, op, lambda *values: op.kernel(*values, room=backend.home))(
        str(path), *(options.get(name) for name, _ in _READ)
    )


def run(backend: SparkBackend, text: str) -> None:
    Execution(Script.compile(Source("test.dml", text)).program, backend, Settings(), None).run()


class WhereFrom(Step):
    def answer(self, panel: int, store: Store) -> str:
        return gramian.__file__


def test_workers_run_this_copy_of_gramian(backend: SparkBackend, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", cells())
    found = read(backend, tmp_path / "x.npy")
    assert set(backend.cluster.run(WhereFrom(), found.recipe.cut)) == {gramian.__file__}


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_comes_in_panels(format: str, backend: SparkBackend, tmp_path: Path) -> None:
    write_value(cells(), str(tmp_path / "x"), {"format": format})
    found = read(backend, tmp_path / "x")
    assert type(found) is SparkMatrix
    assert found.recipe.cut.panels > 2
    np.testing.assert_array_equal(found.load(), cells())
    np.testing.assert_array_equal(found.panel(500, 1700), cells()[500:1700])


@pytest.mark.parametrize("format", FORMATS)
def test_what_the_workers_write_is_read_here_and_there(format: str, backend: SparkBackend, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", cells())
    write_value(np.ones((3, 3)), str(tmp_path / "y"), {"format": "csv"})  # to be replaced
    options = ', header=TRUE, sep=";"' if format == "csv" else ""
    run(backend, f'X = read("{tmp_path}/x.npy"); write(X * 2, "{tmp_path}/y", format="{format}"{options})')
    assert (tmp_path / "y").is_dir() == (format != "mm")
    assert (tmp_path / "y.mtd").exists() == (format != "mm")
    np.testing.assert_array_equal(np.asarray(dense(read_value(str(tmp_path / "y"), {}))), cells() * 2)
    again = read(backend, tmp_path / "y")
    assert type(again) is SparkMatrix
    np.testing.assert_array_equal(again.load(), cells() * 2)
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def dense(value: Any) -> Any:
    return value.toarray() if hasattr(value, "toarray") else value


def test_metadata_of_parts_are_those_of_a_file(backend: SparkBackend, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", cells())
    run(backend, f'X = read("{tmp_path}/x.npy"); write(X, "{tmp_path}/y", format="csv")')
    write_value(cells(), str(tmp_path / "z"), {"format": "csv"})

    def lines(name: str) -> list[str]:
        return [line for line in (tmp_path / name).read_text().splitlines() if '"created"' not in line]

    assert lines("y.mtd") == lines("z.mtd")


def test_csv_of_parts_with_headers_odd_numbers_and_line_ends(backend: SparkBackend, tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    lines = [f"{i},{'NaN' if i % 7 == 0 else i / 2},,1e{i % 5}" for i in range(4000)]
    (folder / "part-0").write_bytes(("a,b,c,d\r\n" + "\r\n".join(lines[:1500])).encode())
    (folder / "part-1").write_bytes(("a,b,c,d\n" + "\n".join(lines[1500:1600]) + "\n").encode())
    (folder / "part-2").write_bytes("\n".join(["a,b,c,d", *lines[1600:]]).encode())
    options = {"format": "csv", "header": True, "default": 8.0}
    found = read(backend, folder, **options)
    assert type(found) is SparkMatrix
    np.testing.assert_array_equal(found.load(), read_value(str(folder), options))


def test_text_cells_in_any_order_and_twice(backend: SparkBackend, tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(2100 * 7)
    lines = [f"{k // 7 + 1} {k % 7 + 1} {k + 0.5}" for k in order]
    (tmp_path / "x.ijv").write_text("\n".join([*lines, "3 3 -1", "3 3 -2"]))
    options = {"format": "text", "rows": 2100, "cols": 7}
    expected = read_value(str(tmp_path / "x.ijv"), options)
    assert expected[2, 2] == -2
    np.testing.assert_array_equal(dense(read(backend, tmp_path / "x.ijv", **options)[:, :]), expected)
    (tmp_path / "y.ijv").write_text(
        "\n".join([*(f"{k // 7 + 1} {k % 7 + 1} {k}" for k in range(2100 * 7)), "2100 1 -1"])
    )
    found = read(backend, tmp_path / "y.ijv", **options)
    assert type(found) is SparkMatrix
    assert found[2099, 0] == -1


@pytest.mark.parametrize("format", ["libsvm", "text", "mm"])
def test_sparse_files_become_sparse_blocks(format: str, backend: SparkBackend, tmp_path: Path) -> None:
    few = cells(4000, 20) * (np.random.default_rng(2).random((4000, 20)) < 0.05)
    write_value(few, str(tmp_path / "x"), {"format": format})
    found = read(backend, tmp_path / "x")
    assert type(found) is SparkMatrix
    assert found.sparsity < 0.3
    np.testing.assert_array_equal(found.load().toarray(), few)


def test_other_arrays(backend: SparkBackend, tmp_path: Path) -> None:
    for name, array in {
        "f": np.asfortranarray(cells()),
        "i": np.arange(9000, dtype=np.int32).reshape(-1, 3),
        "v": np.arange(9000.0),
    }.items():
        np.save(tmp_path / f"{name}.npy", array)
        found = read(backend, tmp_path / f"{name}.npy")
        assert type(found) is SparkMatrix
        np.testing.assert_array_equal(found.load(), array if array.ndim == 2 else array.reshape(-1, 1))


def test_a_bad_field_is_an_error_of_the_read_statement(backend: SparkBackend, tmp_path: Path) -> None:
    lines = [f"{i},{i}" for i in range(4000)]
    lines[3210] = "7,seven"
    (tmp_path / "x.csv").write_text("\n".join(lines))
    with pytest.raises(ScriptError, match=r"line 3211, column 2: 'seven' is not a number") as error:
        run(backend, f'print("begin")\nX = read("{tmp_path}/x.csv", format="csv")\nprint(sum(X))')
    assert str(error.value.diagnostics[0].span).startswith("test.dml:2:")


def test_a_file_that_changed_is_no_source_of_blocks(backend: SparkBackend, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", cells())
    found = read(backend, tmp_path / "x.npy")
    np.save(tmp_path / "x.npy", cells() + 1)
    os.utime(tmp_path / "x.npy", (1, 1))
    with pytest.raises(OperationError, match="is not the file any more"):
        found.load()
    os.unlink(tmp_path / "x.npy")
    with pytest.raises(OperationError, match=r"the worker on .* cannot read .*x\.npy'") as error:
        found.load()
    assert "share" in (error.value.hint or "")


def test_a_folder_that_is_not_there_for_the_workers(backend: SparkBackend, tmp_path: Path) -> None:
    from gramian.backends.spark.parts import WritePart

    np.save(tmp_path / "x.npy", cells())
    found = read(backend, tmp_path / "x.npy")
    names = [str(panel) for panel in range(found.recipe.cut.panels)]
    with pytest.raises(OperationError, match=r"the worker on .* cannot write into '.*nowhere'"):
        backend.cluster.run(WritePart(found.recipe, str(tmp_path / "nowhere"), names, {}), found.recipe.cut)


def test_a_failed_write_leaves_what_was_there(backend: SparkBackend, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", cells())
    (tmp_path / "y").write_text("old")
    found = read(backend, tmp_path / "x.npy")
    os.unlink(tmp_path / "x.npy")
    from gramian.backends.spark.files import writer

    with pytest.raises(OperationError):
        writer(backend, REGISTRY["write"].kernel)(found, str(tmp_path / "y"), "csv", *[None] * 8)
    assert (tmp_path / "y").read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["y"]
