"""Running sums, products and extremes down the columns of a matrix."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any

import numpy as np

from gramian.errors import SizeError
from gramian.ir.op import Trait, define
from gramian.ir.types import Type, matrix
from gramian.ops.rules import Matrix, same_size, shape, shape_text

SAMPLES = (
    'matrix("1 2 -3 4 0 6 7 -8 9", 3, 3)',
    'matrix("1 2 NaN 4 5 6", 3, 2)',
    'matrix("1e200 1e200 0", 3, 1)',
    'matrix("3 1 2", 1, 3)',
    "matrix(0, 0, 3)",
    "matrix(0, 3, 0)",
)


def down_columns(running: np.ufunc) -> Callable[[Matrix], Matrix]:
    def kernel(x: Matrix) -> Matrix:
        return np.asarray(running.accumulate(x, axis=0))

    return kernel


def row_sums(x: Matrix) -> Matrix:
    return np.asarray(np.add.accumulate(x, axis=1))


def sum_product(x: Matrix) -> Matrix:
    """y[i] = x[i, 1] + x[i, 2] * y[i - 1]."""
    _check_two_columns(x.shape[0], x.shape[1])
    if not x.shape[0]:
        return np.empty((0, 1))
    # The BLAS solver leaves out products with a zero, which is right only if the other factors are finite.
    return _by_substitution(x) if np.isfinite(x).all() else _step_by_step(x)


def _by_substitution(x: Matrix) -> Matrix:
    """The recurrence is forward substitution in a matrix with ones on the diagonal and -x[i, 2] below it."""
    from scipy.linalg.blas import dtbsv

    band = np.ones((2, x.shape[0]), order="F")
    band[1, :-1] = -x[1:, 1]
    return np.asarray(dtbsv(1, band, x[:, 0], lower=1, diag=1), dtype=np.float64).reshape(-1, 1)


def _step_by_step(x: Matrix) -> Matrix:
    """The same with NaN and infinities where IEEE 754 has them. Every step needs the one before: a loop it must be."""
    rest = zip(x[1:, 0].tolist(), x[1:, 1].tolist(), strict=True)
    steps: Any = accumulate(rest, lambda y, step: step[0] + step[1] * y, initial=float(x[0, 0]))
    return np.fromiter(steps, dtype=np.float64, count=x.shape[0]).reshape(-1, 1)


def _check_two_columns(rows: int | None, cols: int | None) -> None:
    if cols is not None and cols != 2:
        raise SizeError(
            f"cumsumprod() needs a matrix of two columns, found a {shape_text((rows, cols))} matrix",
            "put summands and factors side by side with cbind()",
        )


def _sum_product_type(X: Type) -> Type:
    _check_two_columns(*shape(X))
    return matrix(X.rows, 1)


for _name, _running, _doc, _gradient in (
    ("cumsum", np.add, "sum", {"X": "rev(cumsum(rev(dout)))"}),
    ("cumprod", np.multiply, "product", {}),
    ("cummin", np.minimum, "minimum", {}),
    ("cummax", np.maximum, "maximum", {}),
):
    define(
        f"{_name}(X: matrix)",
        same_size,
        down_columns(_running),
        f"running {_doc} down each column; NaN from a NaN on",
        family="cumulative",
        traits=(Trait.ZERO_PRESERVING,),
        gradient=_gradient,
        samples=SAMPLES,
    )
define(
    "rowcumsum(X: matrix)",
    same_size,
    row_sums,
    "running sum along each row",
    family="cumulative",
    traits=(Trait.ZERO_PRESERVING,),
    gradient={"X": "t(rev(cumsum(rev(t(dout)))))"},
    samples=SAMPLES,
)
define(
    "cumsumprod(X: matrix)",
    _sum_product_type,
    sum_product,
    "y[i] = X[i, 1] + X[i, 2] * y[i - 1], a column, of a matrix of two columns",
    family="cumulative",
    traits=(Trait.ZERO_PRESERVING,),
    samples=(
        'matrix("1 .5 2 .5 3 .5", 3, 2)',
        'matrix("0 NaN 1 Infinity 2 0", 3, 2)',
        "matrix(3, 1, 2)",
        "matrix(0, 0, 2)",
    ),
)
