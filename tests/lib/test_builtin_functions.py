"""The functions of the library that are written in DML, against scikit-learn and SciPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.special
from sklearn.preprocessing import MinMaxScaler

import gramian
from gramian.api.script import Script
from gramian.errors import ScriptError
from gramian.ops.text import out
from gramian.settings import Settings
from gramian.source import Source

LIBRARY = Path(gramian.__file__).parent / "lib" / "builtin"
X = np.array([[1.0, 4.0, 7.0], [2.0, 5.0, 7.0], [3.0, 9.0, 7.0], [-1.0, 0.5, 7.0]])
MADE = 'X = matrix("1 4 7 2 5 7 3 9 7 -1 0.5 7", rows=4, cols=3)\n'


def run(text: str) -> np.ndarray:
    """The matrix that a script prints last."""
    printed: list[str] = []
    with out.to(printed.append):
        Script.compile(Source("test.dml", MADE + text), Settings()).run()
    return np.array([[float(word) for word in line.split()] for line in "".join(printed).strip().split("\n")])


def show(name: str) -> str:
    return f"print(toString({name}, decimal=15))"


def test_every_file_holds_the_function_of_its_name() -> None:
    for path in LIBRARY.glob("*.dml"):
        script = Script.compile(Source("test.dml", f'x = eval("{path.stem}")'))
        assert path.stem in script.program.callable


def test_scale() -> None:
    centred = X - X.mean(axis=0)
    factors = np.sqrt((centred**2).sum(axis=0) / 3)
    factors[2] = 1.0  # a constant column
    np.testing.assert_allclose(run(show("scale(X)")), centred / factors)
    np.testing.assert_allclose(run("[Y, c, s] = scale(X, TRUE, FALSE)\n" + show("Y")), centred)
    np.testing.assert_allclose(run("[Y, c, s] = scale(X)\n" + show("scaleApply(X, c, s)")), centred / factors)
    assert run("[Y, c, s] = scale(X, FALSE, FALSE)\nprint(ncol(c) + ncol(s) + sum(abs(Y - X)))") == 0


def test_normalize() -> None:
    expected = MinMaxScaler().fit_transform(X)
    np.testing.assert_allclose(run(show("normalize(X)")), expected)
    np.testing.assert_allclose(run("[Y, a, b] = normalize(X)\n" + show("normalizeApply(X, a, b)")), expected)


def test_softmax() -> None:
    np.testing.assert_allclose(run(show("softmax(X)")), scipy.special.softmax(X, axis=1))
    np.testing.assert_allclose(run(show("softmax(X * 1000)")).sum(axis=1), 1.0)


def test_to_one_hot() -> None:
    np.testing.assert_array_equal(run(show('toOneHot(matrix("1 3 2", 3, 1), 3)')), np.eye(3)[[0, 2, 1]])
    with pytest.raises(ScriptError, match="largest code is 4"):
        run('print(toOneHot(matrix("1 4", 2, 1), 3))')


def test_a_function_of_the_script_goes_first() -> None:
    text = "softmax = function(matrix[double] S) return (matrix[double] P) { P = S * 0 }\n"
    assert not run(text + show("softmax(X)")).any()
