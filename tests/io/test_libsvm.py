"""Format libsvm: labels and features."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.sparse import random_array
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

from gramian.errors import OperationError
from gramian.io import chunks, read_value, resolve, write_value
from gramian.ir.sparse import densify, is_sparse


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str, **options: Any) -> Any:
    Path("x").write_text(text)
    return read_value("x", {"format": "libsvm", **options})


def refused(text: str, **options: Any) -> OperationError:
    with pytest.raises(OperationError) as caught:
        read(text, **options)
    return caught.value


ROWS = [[0.5, 0, 2, 1], [0, 0, 0, -1], [0, np.nan, -3, 0]]


@pytest.mark.parametrize(
    "text",
    [
        "1,1:0.5,3:2\n-1\n0,2:NaN,3:-3\n",
        "1 1:0.5 3:2\n-1\n0 2:NaN 3:-3",
        "+1  3:2e0\t1:.5 \r\n-1.\r\n\r\n# note\n0 2:NaN 3:-3 # end: 1:2\n",
        " 1 1:+0.5 3:+2\n-1 2:0\n0 2:NaN 3:-3\n",
    ],
)
@pytest.mark.parametrize("chunk", [1, 10, 1000])
def test_the_label_is_the_last_column(text: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", chunk)
    np.testing.assert_array_equal(read(text, cols=3), ROWS)
    np.testing.assert_array_equal(read(text, cols=3, rows=3), ROWS)
    assert read(text, cols=5).shape == (3, 6)


def test_separators() -> None:
    np.testing.assert_array_equal(read("1;1=5;2=Infinity\n", cols=2, sep=";", indSep="="), [[5, np.inf, 1]])
    np.testing.assert_array_equal(read("1\t1:5\t2:6\n", cols=2, sep="\t"), [[5, 6, 1]])
    np.testing.assert_array_equal(read("1|1:5|2:6\n", cols=2, sep="|"), [[5, 6, 1]])
    np.testing.assert_array_equal(read("7\n8\n", cols=0), [[7], [8]])
    assert "must differ" in refused("1:1:5\n", cols=2, sep=":").message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 1:2\nx 1:2\n", "line 2: expected 'label feature:value ...', found 'x 1:2'"),
        ("1 1:2 2\n", "line 1: expected 'label feature:value ...'"),
        ("1 1:2\n\n2 1:2:3\n", "line 3: expected"),
        ("1 1:2 2: 3\n", "line 1: expected"),
        ("1 1.5:2\n", "line 1: expected"),
        ("1 1:nan\n", "line 1: expected"),
        ("1 1:\n", "line 1: expected"),
        ("1:2 2:3\n", "line 1: expected"),
        ("1 0:2\n", "line 1: feature 0 lies outside of 1 to 3"),
        ("1 1:2\n1 1:1 4:2\n", "line 2: feature 4 lies outside of 1 to 3"),
        ("1\n1 99999999999999999999:2\n", "line 2: feature 100000000000000000000 lies outside of 1 to 3"),
        ("1\n1 2:2\n1 1:1 3:1 1:1\n", "line 3: feature 1 occurs twice"),
        ("", "is empty"),
        ("# nothing\n", "has no rows"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 1000])
def test_malformed_lines(text: str, message: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", chunk)
    error = refused(text, cols=3)
    assert message in error.message
    assert "'x'" in error.message


def test_hints() -> None:
    assert 'sep=" "' in (refused("1 1:2 2:3\n", cols=3, sep=",").hint or "")
    assert 'sep=","' in (refused("1,1:2,2:3\n", cols=3, sep=" ").hint or "")
    assert "qid" in (refused("1 qid:3 2:3\n", cols=3).hint or "")
    assert "number of features" in refused("1 1:2\n").message


def test_columns_are_features_in_the_statement_and_all_in_the_metadata() -> None:
    assert resolve("x", {"format": "libsvm", "cols": 3}).cols == 4 if read("1 1:2\n", cols=3).size else None
    Path("x.mtd").write_text('{"format": "libsvm", "rows": 1, "cols": 4}')
    assert read_value("x", {}).shape == (1, 4)
    assert read_value("x", {"format": "libsvm", "cols": 3}).shape == (1, 4)
    with pytest.raises(OperationError, match=r"argument 'cols' of read\(\) is 5, but 'x.mtd' says 4"):
        read_value("x", {"cols": 5})
    Path("x.mtd").write_text('{"format": "libsvm", "rows": 1, "cols": 3}')  # for SystemDS to read
    assert read_value("x", {"cols": 3}).shape == (1, 4)


def test_recognised() -> None:
    Path("x").write_text("1 1:2 2:3\n")
    assert read_value("x", {"cols": 2}).shape == (1, 3)
    Path("y.libsvm").write_text("1\n0,1:4\n")
    np.testing.assert_array_equal(read_value("y.libsvm", {"cols": 1, "rows": 2, "sep": ","}), [[0, 1], [4, 0]])


def test_written_form() -> None:
    matrix = np.array(ROWS)
    write_value(matrix, "y", {"format": "libsvm"})
    assert Path("y").read_text() == "1.0,1:0.5,3:2.0\n-1.0\n0.0,2:NaN,3:-3.0\n"
    about = json.loads(Path("y.mtd").read_text())
    assert (about["rows"], about["cols"], about["sep"], about["indSep"]) == (3, 4, ",", ":")
    np.testing.assert_array_equal(read_value("y", {}), matrix)
    write_value(matrix, "y", {"format": "libsvm", "sep": " ", "indSep": "="})
    assert Path("y").read_text() == "1.0 1=0.5 3=2.0\n-1.0\n0.0 2=NaN 3=-3.0\n"
    np.testing.assert_array_equal(read_value("y", {}), matrix)


@given(arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=5)))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_numbers_come_back(matrix: Any) -> None:
    write_value(matrix, "y", {"format": "libsvm"})
    np.testing.assert_array_equal(read_value("y", {}), matrix)


def test_as_scikit_learn_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 10_000)
    features = random_array((500, 300), density=0.05, rng=np.random.default_rng(1), format="csr")
    labels = np.arange(500) % 3
    dump_svmlight_file(features, labels, "x", zero_based=False)
    found = read_value("x", {"format": "libsvm", "cols": 300})
    assert is_sparse(found)
    expected, _ = load_svmlight_file("x", n_features=300)  # scikit-learn rounds when it writes
    np.testing.assert_array_equal(densify(found)[:, :300], expected.toarray())
    np.testing.assert_array_equal(densify(found)[:, 300], labels)
    write_value(found, "y", {"format": "libsvm", "sep": " "})
    again, targets = load_svmlight_file("y", n_features=300)
    np.testing.assert_allclose(again.toarray(), expected.toarray(), rtol=1e-15)
    np.testing.assert_array_equal(targets, labels)


def test_part_files() -> None:
    Path("x").mkdir()
    Path("x", "part-00001").write_text("2,2:6\n")
    Path("x", "part-00000").write_text("1,1:5")
    np.testing.assert_array_equal(read_value("x", {"format": "libsvm", "cols": 2}), [[5, 0, 1], [0, 6, 2]])


def test_other_kinds_of_data() -> None:
    with pytest.raises(OperationError, match="format libsvm holds matrices, not frames"):
        read("1 1:2\n", data_type="frame", cols=3)
    with pytest.raises(OperationError, match="'indSep' of read"):
        read_value("x", {"format": "csv", "indSep": "="})
