"""Scripts from Python: values in and out by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gramian import Session
from gramian.errors import ScriptError, UsageError
from gramian.settings import Settings


def test_matrices_and_numbers() -> None:
    x = np.arange(12).reshape(4, 3)
    with Session() as session:
        script = "Y = X %*% v + k; Y[1, 1] = $first; X[2, 2] = 0; done = k > 1; t = 'n' + nrow(X)"
        found = session.run(script, {"X": x, "v": np.array([1, 2, 3]), "k": 2}, ["Y", "done", "t", "X"], {"first": 9})
        wanted = x @ np.array([[1.0], [2], [3]]) + 2
        wanted[0] = 9
        np.testing.assert_array_equal(found["Y"], wanted)
        assert (found["done"], found["t"]) == (True, "n4")
        assert x[1, 1] == 4
        assert found["X"][1, 1] == 0
        assert list(found) == ["Y", "done", "t", "X"]


def test_a_float_array_is_not_written_into() -> None:
    x = np.ones((300, 300))
    with Session() as session:
        found = session.run("for (i in 1:3) X[i, i] = 7\nZ = X * 2 + X", {"X": x}, ["Z"])
    assert found["Z"].max() == 21
    assert (x == 1).all()


def test_sparse_frames_and_lists() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from scipy.sparse import random_array

    s = random_array((300, 200), density=0.01, rng=np.random.default_rng(1))
    f = pyarrow.table({"name": ["a", "b"], "size": [1, 2]})
    with Session() as session:
        found = session.run(
            "T = S * 2; G = F; L = list(a=sum(S), b=as.matrix(P[2]) + 1); n = nrow(F)",
            {"S": s, "F": f, "P": [1, np.ones((2, 2))]},
            ["T", "G", "L", "n"],
        )
        assert found["T"].nnz == s.nnz
        np.testing.assert_allclose(found["T"].toarray(), 2 * s.toarray())
        assert found["G"].column("name").to_pylist() == ["a", "b"]
        assert found["L"]["a"] == pytest.approx(s.sum())
        np.testing.assert_array_equal(found["L"]["b"], np.full((2, 2), 2.0))
        assert found["n"] == 2


def test_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    with Session() as session:
        found = session.run("M = as.matrix(F[, 2])", {"F": pandas.DataFrame({"a": ["x", "y"], "b": [1.5, 2.5]})}, ["M"])
        np.testing.assert_array_equal(found["M"], [[1.5], [2.5]])


def test_a_file_and_single_precision(tmp_path: Path) -> None:
    (tmp_path / "s.dml").write_text("s = colSums(X)")
    with Session(settings=Settings(precision="single")) as session:
        found = session.run(tmp_path / "s.dml", {"X": np.ones((5, 2))}, ["s"])
        assert found["s"].dtype == np.float32


def test_what_is_wrong() -> None:
    with Session() as session:
        with pytest.raises(UsageError, match="input 'X': a object is no value"):
            session.run("print(1)", {"X": object()})
        with pytest.raises(UsageError, match="input 'X': a 3-dimensional array"):
            session.run("print(1)", {"X": np.ones((2, 2, 2))})
        with pytest.raises(ScriptError, match="output 'b' is never assigned"):
            session.run("a = 1", {}, ["b"])
        with pytest.raises(ScriptError):
            session.run("Y = X %*% X", {"X": np.ones((2, 3))}, ["Y"])
        found = session.run("if (x > 5) y = 1", {"x": 7}, ["y"])
        assert found["y"] == 1
        with pytest.raises(ScriptError):
            session.run("if (x > 5) y = 1", {"x": 3}, ["y"])
        with pytest.raises(UsageError, match="needs Session"):
            session.run("X = matrix(1, 2, 2)", {}, ["X"]).table("X")
