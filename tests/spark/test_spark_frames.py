"""DataFrames of Spark as inputs and outputs of scripts, through the Python interface."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gramian
from gramian.backends.spark import SparkBackend
from gramian.backends.spark.matrix import SparkMatrix
from gramian.cost.placement import Placement
from gramian.errors import UsageError


@pytest.fixture
def session(spark: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[gramian.Session]:
    monkeypatch.setattr("gramian.backends.spark.matrix.PANEL_BYTES", 1 << 14)
    tmp_path.chmod(0o755)
    with gramian.Session(spark=spark, shared=str(tmp_path)) as found:
        assert isinstance(found.backend, SparkBackend)
        found.backend.placement = Placement(1 << 30, least=1 << 12)
        yield found


def numbered(spark: Any, rows: int = 3000) -> Any:
    return spark.range(0, rows, 1, 3).selectExpr(
        "id", "id % 7 / 2.0d as b", "cast(id as float) - 5 as c", "id % 2 = 0 as d"
    )


def expected(rows: int = 3000) -> Any:
    i = np.arange(rows)
    return np.column_stack([i, i % 7 / 2, i - 5.0, i % 2 == 0]).astype(float)


def test_columns_are_a_matrix_and_come_back(session: gramian.Session, spark: Any) -> None:
    script = "Y = X * 2 + 1; s = sum(X); n = nrow(X)"
    found = session.run(script, {"X": numbered(spark)}, ["Y", "s", "n", "X"])
    assert type(found._values["X"]) is SparkMatrix
    assert type(found._values["Y"]) is SparkMatrix
    assert found["n"] == 3000
    assert found["s"] == pytest.approx(expected().sum())
    np.testing.assert_array_equal(found["X"], expected())
    table = found.table("Y")
    assert table.columns == ["C1", "C2", "C3", "C4"]
    np.testing.assert_array_equal(np.array(table.collect()), expected() * 2 + 1)
    table = found.table("Y", array="v", row="i")
    rows = table.where("i = 7 or i = 2999").collect()
    assert [(row["i"], row["v"]) for row in rows] == [(i, list(expected()[i - 1] * 2 + 1)) for i in (7, 2999)]
    assert table.selectExpr("sum(v[0])").first()[0] == (expected()[:, 0] * 2 + 1).sum()


def test_vectors_and_arrays(session: gramian.Session, spark: Any) -> None:
    from pyspark.ml.linalg import Vectors

    rows = [(float(i), Vectors.dense(i, 2 * i), Vectors.sparse(3, {1: float(i)}), [1.5, None]) for i in range(40)]
    table = spark.createDataFrame(rows, ["y", "dense", "sparse", "array"]).repartition(3, "y")
    found = session.run("S = X", {"X": table}, ["S"])["S"]
    i = found[:, 0]
    assert sorted(i) == list(range(40))
    nothing = np.zeros_like(i)
    wanted = np.column_stack([i, i, 2 * i, nothing, i, nothing, nothing + 1.5, nothing + np.nan])
    np.testing.assert_array_equal(found, wanted)


def test_regression_on_a_dataframe(session: gramian.Session, spark: Any) -> None:
    table = spark.range(0, 4000, 1, 4).selectExpr("rand(1) as a", "rand(2) as b", "rand(3) as c")
    model = session.run("y = X %*% matrix('1 2 3', 3, 1); w = solve(t(X) %*% X, t(X) %*% y)", {"X": table}, ["w"])
    np.testing.assert_allclose(model["w"].ravel(), [1, 2, 3], rtol=1e-9)
    assert [row[0] for row in model.table("w").collect()] == pytest.approx([1, 2, 3])


def test_what_does_not_fit(session: gramian.Session, spark: Any) -> None:
    table = numbered(spark)
    with pytest.raises(UsageError, match="input 'X': column 'm' of the DataFrame holds map<string,int>, not numbers"):
        session.run("print(sum(X))", {"X": table.selectExpr("map('a', 1) as m")})
    with pytest.raises(UsageError, match="input 'X': column 'v' of the DataFrame holds array<int>; beside columns of"):
        session.run("print(nrow(X))", {"X": table.selectExpr("'a' as t", "array(1) as v")})
    with pytest.raises(UsageError, match="input 'X': the rows of the DataFrame have different lengths"):
        session.run("print(sum(X))", {"X": table.selectExpr("sequence(0, id % 3) as v")})
    with pytest.raises(UsageError, match="input 'X': the DataFrame has no rows"):
        session.run("print(sum(X))", {"X": table.where("id < 0")})


def test_columns_of_texts_are_a_frame_and_come_back(session: gramian.Session, spark: Any) -> None:
    table = spark.range(0, 3000, 1, 3).selectExpr(
        "concat('k', id % 5) as kind", "id", "if(id % 10 = 0, null, id / 4) as x", "id % 2 = 0 as even",
        "date_add(date'2020-01-01', cast(id as int)) as day"
    )  # fmt: skip
    script = """
        [X, M] = transformencode(target=F[, 1:4], spec="{recode: [kind], dummycode: [kind]}")
        n = nrow(F); types = typeof(F); s = colSums(X[, 1:5]); G = F[, 1:3]; d = as.scalar(F[366, 5])
    """
    found = session.run(script, {"F": table}, ["X", "M", "n", "types", "s", "G", "d"])
    assert type(found._values["X"]) is SparkMatrix
    assert found["n"] == 3000
    assert found["d"] == "2020-12-31"
    assert found["types"].to_pylist() == [
        {"C1": "STRING", "C2": "INT64", "C3": "FP64", "C4": "BOOLEAN", "C5": "STRING"}
    ]
    np.testing.assert_array_equal(found["s"], [[600.0] * 5])
    assert found["M"]["kind"].to_pylist()[:3] == ["k0·1", "k1·2", "k2·3"]
    i = np.arange(3000.0)
    np.testing.assert_array_equal(
        found["X"][:, 5:], np.column_stack([i, np.where(i % 10 == 0, np.nan, i / 4), i % 2 == 0])
    )
    back = found.table("G", row="number")
    assert back.dtypes == [("number", "bigint"), ("kind", "string"), ("id", "bigint"), ("x", "double")]
    rows = back.where("number in (1, 2999)").orderBy("number").collect()
    assert [tuple(row) for row in rows] == [(1, "k0", 0, None), (2999, "k3", 2998, 749.5)]
    with pytest.raises(UsageError, match="output 'G' is a frame"):
        found.table("G", array="v")
    small = session.run("F = as.frame(matrix('1 2', 2, 1))", {}, ["F"]).table("F", row="i")
    assert [tuple(row) for row in small.orderBy("i").collect()] == [(1, 1.0), (2, 2.0)]


def test_nothing_is_left(spark: Any, tmp_path: Path) -> None:
    with gramian.Session(spark=spark, shared=str(tmp_path)) as session:
        assert session.run("s = sum(X)", {"X": numbered(spark)}, ["s"])["s"] == pytest.approx(expected().sum())
        assert os.listdir(tmp_path)
    assert not os.listdir(tmp_path)
