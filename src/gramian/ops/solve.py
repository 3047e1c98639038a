"""Systems of equations: solve, inv, det.

LAPACK does the work. What this module adds is the judgement: a matrix that is singular to working precision is an error
that says so, never numbers of size 1e15. A NaN or infinite cell of the matrix makes all of the result NaN; LAPACK's own
pivoting may lose it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gramian.errors import OperationError, SizeError
from gramian.ir.op import define
from gramian.ir.types import DOUBLE, Type, matrix, scalar
from gramian.ops.rules import Matrix, Shape, shape, shape_text, square

# Below this reciprocal condition number no digit of a solution is right. A few units of rounding rather than one, since
# matrices with a duplicate column come out at up to three.
SINGULAR_BELOW = 4 * float(np.finfo(np.float64).eps)
SINGULAR_HINT = "look for duplicate or constant columns, or add a small multiple of the identity to the matrix"

Integers = npt.NDArray[np.int64]


def size_of(a: Matrix) -> Shape:
    return a.shape[0], a.shape[1]


def check_square(what: str, a: Matrix) -> None:
    square(what, matrix(*size_of(a)))


def side_of(what: str, a: Type) -> int | None:
    """The number of rows and columns of a matrix that must be square."""
    square(what, a)
    return a.cols if a.rows is None else a.rows


def square_type(name: str) -> Callable[[Type], Type]:
    def infer(a: Type) -> Type:
        side = side_of(f"{name}()", a)
        return matrix(side, side)

    return infer


@dataclass(frozen=True, slots=True)
class Factors:
    """The LU factors of a square matrix whose rows and columns were first scaled by powers of two.

    Scaling changes no digit, but without it a column in other units than the rest would make a matrix look singular.
    """

    lu: Matrix
    pivots: npt.NDArray[np.int32]
    row_exponents: Integers
    col_exponents: Integers
    condition: float  # reciprocal; 0 if a pivot is exactly zero

    @property
    def singular(self) -> bool:
        return self.condition < SINGULAR_BELOW

    def solve(self, b: Matrix) -> Matrix:
        from scipy.linalg import lapack

        scaled = b * _power(-self.row_exponents)[:, None]
        x, _ = lapack.dgetrs(self.lu, self.pivots, scaled)
        return np.asarray(x * _power(-self.col_exponents)[:, None])


def _power(exponents: Integers) -> npt.NDArray[np.float64]:
    return np.ldexp(1.0, exponents)


def _exponents(sizes: npt.NDArray[np.float64]) -> Integers:
    """The powers of two next above these magnitudes; the bounds keep the powers themselves in range."""
    return np.clip(np.frexp(sizes)[1], -1000, 1000).astype(np.int64)


def factorize(a: Matrix) -> Factors:
    """The factors of a matrix of finite numbers."""
    from scipy.linalg import lapack

    rows = _exponents(np.abs(a).max(axis=1))
    scaled = a * _power(-rows)[:, None]
    cols = _exponents(np.abs(scaled).max(axis=0))
    scaled = scaled * _power(-cols)
    lu, pivots, zero_pivot = lapack.dgetrf(scaled)
    condition = 0.0 if zero_pivot > 0 else float(lapack.dgecon(lu, np.abs(scaled).sum(axis=0).max())[0])
    return Factors(lu, pivots, rows, cols, condition)


def singular(what: str, condition: float) -> OperationError:
    known = "" if condition == 0 else " to working precision"
    return OperationError(f"{what}: the matrix is singular{known}", SINGULAR_HINT)


def solve(a: Matrix, b: Matrix) -> Matrix:
    _check_solve(size_of(a), size_of(b))
    if a.size == 0 or b.size == 0:
        return np.zeros((a.shape[1], b.shape[1]))
    if not np.isfinite(a).all():
        return np.full((a.shape[1], b.shape[1]), np.nan)
    if a.shape[0] > a.shape[1]:
        return least_squares(a, b)
    factors = factorize(a)
    if factors.singular:
        raise singular("solve()", factors.condition)
    return factors.solve(b)


def least_squares(a: Matrix, b: Matrix) -> Matrix:
    """The x that minimises the length of a x - b for every column of b, by QR."""
    from scipy.linalg import lapack

    exponents = _exponents(np.abs(a).max(axis=0))
    q, r = np.linalg.qr(a * _power(-exponents))
    condition = float(lapack.dtrcon(r)[0])
    if condition < SINGULAR_BELOW:
        raise OperationError(
            f"solve(): the columns of the {shape_text(size_of(a))} matrix are linearly dependent to working precision",
            "look for duplicate or constant columns, or add a ridge penalty to the normal equations",
        )
    x, _ = lapack.dtrtrs(r, q.T @ b)
    return np.asarray(x * _power(-exponents)[:, None])


def _check_solve(a: Shape, b: Shape) -> None:
    if a[0] is not None and b[0] is not None and a[0] != b[0]:
        raise SizeError(
            f"solve() needs arguments with equally many rows: 'a' is {shape_text(a)}, 'b' is {shape_text(b)}",
            "transpose 'b' with t()" if b[1] == a[0] else None,
        )
    if a[0] is not None and a[1] is not None and a[0] < a[1]:
        raise SizeError(
            f"solve() needs at least as many equations as unknowns, 'a' is {shape_text(a)}",
            "of the many solutions one is t(A) %*% solve(A %*% t(A), b)",
        )


def _solve_type(a: Type, b: Type) -> Type:
    _check_solve(shape(a), shape(b))
    return matrix(a.cols, b.cols)


REGULAR = ('matrix("4 1 0 1 3 1 0 1 2", 3, 3)', 'matrix("0 2 -3 1", 2, 2)', "matrix(4, 1, 1)")
define(
    "solve(a: matrix, b: matrix)",
    _solve_type,
    solve,
    "x with a x = b, for each column of b; least squares if a has more rows than columns",
    family="linalg",
    gradient={
        "a": "(b - a %*% out) %*% t(solve(a, leastNorm(t(a), dout))) - leastNorm(t(a), dout) %*% t(out)",
        "b": "leastNorm(t(a), dout)",
    },
    samples=(
        f'{REGULAR[0]}, matrix("1 2 3", 3, 1)',
        f'{REGULAR[1]}, matrix("1 2 3 4 5 NaN", 2, 3)',
        'matrix("1 1 1 2 1 3 1 5", 4, 2), matrix("2 1 4 3", 4, 1)',
        "matrix(4, 1, 1), matrix(2, 1, 1)",
        "matrix(0, 0, 0), matrix(0, 0, 2)",
    ),
)


def least_norm(a: Matrix, b: Matrix) -> Matrix:
    _check_least_norm(size_of(a), size_of(b))
    if a.shape[0] == a.shape[1] or a.size == 0 or b.size == 0 or not np.isfinite(a).all():
        return solve(a, b) if a.shape[0] == a.shape[1] else np.full((a.shape[1], b.shape[1]), np.nan if a.size else 0.0)
    from scipy.linalg import lapack

    exponents = _exponents(np.abs(a).max(axis=1))
    q, r = np.linalg.qr((a * _power(-exponents)[:, None]).T)
    condition = float(lapack.dtrcon(r)[0])
    if condition < SINGULAR_BELOW:
        raise OperationError(
            f"leastNorm(): the rows of the {shape_text(size_of(a))} matrix are linearly dependent to working precision",
            "look for duplicate equations",
        )
    x, _ = lapack.dtrtrs(r, b * _power(-exponents)[:, None], trans=1)
    return np.asarray(q @ x)


def _check_least_norm(a: Shape, b: Shape) -> None:
    if a[0] is not None and b[0] is not None and a[0] != b[0]:
        raise SizeError(
            f"leastNorm() needs arguments with equally many rows: 'a' is {shape_text(a)}, 'b' is {shape_text(b)}",
            "transpose 'b' with t()" if b[1] == a[0] else None,
        )
    if a[0] is not None and a[1] is not None and a[0] > a[1]:
        raise SizeError(
            f"leastNorm() needs at most as many equations as unknowns, 'a' is {shape_text(a)}",
            "solve() finds the least squares solution",
        )


def _least_norm_type(a: Type, b: Type) -> Type:
    _check_least_norm(shape(a), shape(b))
    return matrix(a.cols, b.cols)


define(
    "leastNorm(a: matrix, b: matrix)",
    _least_norm_type,
    least_norm,
    "the shortest x with a x = b, for each column of b, if a has fewer rows than columns; else that of solve()",
    family="linalg",
    samples=(
        f'{REGULAR[0]}, matrix("1 2 3", 3, 1)',
        'matrix("1 1 1 2 1 3 1 5", 2, 4), matrix("2 1 4 3", 2, 2)',
        'matrix("1 2 NaN 2", 1, 4), matrix("2 1", 1, 2)',
        "matrix(4, 1, 1), matrix(2, 1, 1)",
        "matrix(0, 0, 3), matrix(0, 0, 2)",
    ),
)


def inverse(a: Matrix) -> Matrix:
    check_square("inv()", a)
    if a.size == 0:
        return np.zeros(a.shape)
    if not np.isfinite(a).all():
        return np.full(a.shape, np.nan)
    factors = factorize(a)
    if factors.singular:
        raise singular("inv()", factors.condition)
    return factors.solve(np.eye(len(a)))


define(
    "inv(a: matrix)",
    square_type("inv"),
    inverse,
    "inverse of a square matrix",
    family="linalg",
    aliases=("inverse",),
    gradient={"a": "-t(out) %*% dout %*% t(out)"},
    samples=(*REGULAR, "matrix(0, 0, 0)"),
)


def determinant(a: Matrix) -> float:
    check_square("det()", a)
    if a.size == 0:
        return 1.0
    if not np.isfinite(a).all():
        return math.nan
    factors = factorize(a)
    if factors.singular:
        return 0.0
    exponent = int(factors.row_exponents.sum() + factors.col_exponents.sum())
    mantissa = -1.0 if np.count_nonzero(factors.pivots != np.arange(len(a))) % 2 else 1.0
    for pivot in np.diagonal(factors.lu).tolist():  # renormalised, so that only the result can overflow
        mantissa, shift = math.frexp(mantissa * pivot)
        exponent += shift
    return float(np.ldexp(mantissa, exponent))


def _determinant_type(a: Type) -> Type:
    square("det()", a)
    return scalar(DOUBLE)


define(
    "det(a: matrix)",
    _determinant_type,
    determinant,
    "determinant of a square matrix; 0 if it is singular to working precision",
    family="linalg",
    gradient={"a": "dout * out * t(inv(a))"},
    samples=(*REGULAR, 'matrix("1 2 2 4", 2, 2)', "matrix(0, 0, 0)"),
)
