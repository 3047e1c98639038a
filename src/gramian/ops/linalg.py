"""Decompositions of matrices: eigen, svd, cholesky, qr, lu.

LAPACK does the work; matrices that it would silently misread (asymmetric, indefinite, not finite) are refused with the
place. The decompositions behind solve, inv and det are in `gramian.ops.solve`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gramian.errors import OperationError, SizeError
from gramian.ir.op import define
from gramian.ir.types import Type, matrix, results
from gramian.ops.rules import Matrix, Shape, same_size, shape, shape_text
from gramian.ops.solve import REGULAR, Integers, check_square, side_of, singular, size_of, square_type

SYMMETRY = 1e-10  # cells that should be equal may differ by this, relative to the largest cell


def _check_finite(what: str, a: Matrix) -> None:
    bad = ~np.isfinite(a)
    if bad.any():
        row, col = _place(bad)
        found = "NaN" if np.isnan(a[row, col]) else "infinite"
        raise OperationError(
            f"{what} needs finite numbers, cell [{row + 1},{col + 1}] is {found}",
            "replace it first, for example with replace()",
        )


def _place(cells: npt.NDArray[Any]) -> tuple[int, int]:
    """Row and column, from 0, of the largest cell."""
    row, col = divmod(int(np.argmax(cells)), cells.shape[1])
    return row, col


# ---- symmetric matrices ----


def symmetric(what: str, a: Matrix) -> Matrix:
    """The matrix with rounding differences between its two halves evened out.

    Raises:
        OperationError: the halves differ by more than that, or a cell is not finite.
    """
    check_square(what, a)
    _check_finite(what, a)
    if a.size == 0:
        return a
    gap = np.abs(a - a.T)
    if gap.max() > SYMMETRY * np.abs(a).max():
        i, j = _place(gap)
        raise OperationError(
            f"{what} needs a symmetric matrix: cell [{i + 1},{j + 1}] is {a[i, j]:g}, "
            f"cell [{j + 1},{i + 1}] is {a[j, i]:g}"
        )
    result: Matrix = a / 2 + a.T / 2
    return result


def cholesky(a: Matrix) -> Matrix:
    even = symmetric("cholesky()", a)
    try:
        lower: Matrix = np.linalg.cholesky(even).astype(np.float64, copy=False)
    except np.linalg.LinAlgError:
        raise OperationError(
            "cholesky(): the matrix is symmetric but not positive definite" + _indefinite(even),
            "add a small multiple of the identity if it should be",
        ) from None
    return lower


def _indefinite(a: Matrix) -> str:
    smallest = float(np.linalg.eigvalsh(a)[0])
    return f", its smallest eigenvalue is {smallest:.3g}"


define(
    "cholesky(a: matrix)",
    square_type("cholesky"),
    cholesky,
    "lower triangular L with L L' = a, for a symmetric positive definite",
    family="linalg",
    samples=('matrix("4 12 -16 12 37 -43 -16 -43 98", 3, 3)', "matrix(4, 1, 1)", "matrix(0, 0, 0)"),
)


def eigen(a: Matrix) -> tuple[Matrix, Matrix]:
    return _eigen("eigen()", a)


def _eigen(what: str, a: Matrix) -> tuple[Matrix, Matrix]:
    even = symmetric(what, a)
    try:
        values, vectors = np.linalg.eigh(even)
    except np.linalg.LinAlgError as error:
        raise OperationError(f"{what} does not converge") from error
    return values[:, None], vectors


def _eigen_type(a: Type) -> Type:
    side = side_of("eigen()", a)
    return results(matrix(side, 1), matrix(side, side))


define(
    "eigen(a: matrix)",
    _eigen_type,
    eigen,
    "eigenvalues in ascending order and orthonormal eigenvectors, as columns, of a symmetric matrix",
    family="linalg",
    outputs=("values", "vectors"),
    samples=('matrix("2 1 1 3", 2, 2)', REGULAR[0], "matrix(-4, 1, 1)", "matrix(0, 0, 0)"),
)


def square_root(a: Matrix) -> Matrix:
    values, vectors = _eigen("sqrtMatrixJava()", a)
    if values.size and values[0, 0] < -SYMMETRY * np.abs(values).max():
        raise OperationError(
            f"sqrtMatrixJava() needs a positive semi-definite matrix, one eigenvalue is {values[0, 0]:g}"
        )
    result: Matrix = (vectors * np.sqrt(np.maximum(values, 0)).T) @ vectors.T
    return result


define(
    "sqrtMatrixJava(a: matrix)",
    square_type("sqrtMatrixJava"),
    square_root,
    "symmetric S with S S = a, for a symmetric positive semi-definite",
    family="linalg",
    samples=('matrix("4 1 1 3", 2, 2)', 'matrix("1 1 1 1", 2, 2)', "matrix(0, 2, 2)", "matrix(0, 0, 0)"),
)


# ---- other decompositions ----


def singular_values(a: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    _check_finite("svd()", a)
    try:
        u, s, vt = np.linalg.svd(a, full_matrices=False)
    except np.linalg.LinAlgError as error:
        raise OperationError("svd() does not converge") from error
    return u, np.diag(s), vt.T


def _svd_type(a: Type) -> Type:
    rank = None if a.rows is None or a.cols is None else min(a.rows, a.cols)
    return results(matrix(a.rows, rank), matrix(rank, rank), matrix(a.cols, rank))


_TALL = 'matrix("1 2 3 4 5 6", 3, 2)'
define(
    "svd(a: matrix)",
    _svd_type,
    singular_values,
    "U, S, V with a = U S V': orthonormal columns and a diagonal matrix, descending",
    family="linalg",
    outputs=("U", "S", "V"),
    samples=(_TALL, f"t({_TALL})", "matrix(-4, 1, 1)", "matrix(0, 2, 3)", "matrix(0, 0, 3)"),
)


def householder(a: Matrix) -> tuple[Matrix, Matrix]:
    """The QR decomposition of LAPACK, whose reflections I - tau v v' with v[k] = 1 become I - h h' / h[k] by h = tau v.

    LAPACK skips a reflection (tau = 0) where the column already has its form. A skipped one has no such h; the
    reflection of axis k alone, h = 2 e, does as well and turns the sign of row k of R.
    """
    _check_finite("qr()", a)
    raw, tau = np.linalg.qr(a, mode="raw")
    packed, count = raw.T, len(tau)
    skipped = tau == 0
    signs = np.ones((len(a), 1))
    signs[:count][skipped] = -1.0
    reflections, upper = np.tril(packed, -1), np.triu(packed * signs)
    steps = np.arange(count)
    reflections[steps, steps] = 1.0
    reflections[:, :count] *= np.where(skipped, 2.0, tau)
    return reflections, upper


define(
    "qr(a: matrix)",
    lambda a: results(same_size(a), same_size(a)),
    householder,
    "H, R of a = Q R: R upper triangular, Q the product over the columns h of H, in order, of I - h h' / h[k]",
    family="linalg",
    outputs=("H", "R"),
    samples=(
        'matrix("4 3 6 3", 2, 2)',
        _TALL,
        f"t({_TALL})",
        'matrix("2 0 0 0 3 1", 3, 2)',
        "matrix(0, 3, 2)",
        "matrix(0, 0, 3)",
    ),
)


def lu(a: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    from scipy.linalg import lu as decompose

    check_square("lu()", a)
    _check_finite("lu()", a)
    if a.size == 0:
        return np.zeros(a.shape), np.zeros(a.shape), np.zeros(a.shape)
    inverse_order, lower, upper = decompose(a, p_indices=True, check_finite=False)
    if not np.diagonal(upper).all():
        raise singular("lu()", 0.0)
    permutation = np.zeros(a.shape)
    permutation[inverse_order, np.arange(len(a))] = 1.0
    return permutation, lower, upper


def _lu_type(a: Type) -> Type:
    side = side_of("lu()", a)
    return results(*[matrix(side, side)] * 3)


define(
    "lu(a: matrix)",
    _lu_type,
    lu,
    "P, L, U with P a = L U: a permutation, a unit lower and an upper triangular matrix; a square and not singular",
    family="linalg",
    outputs=("P", "L", "U"),
    samples=('matrix("4 3 6 3", 2, 2)', 'matrix("2 1 1 4 -6 0 -2 8 2", 3, 3)', *REGULAR, "matrix(0, 0, 0)"),
)


# ---- classes of cells ----


def row_class_meet(a: Matrix, b: Matrix) -> tuple[Matrix, Matrix]:
    _check_meet(size_of(a), size_of(b))
    b = np.broadcast_to(b, a.shape)
    classes, counts = np.zeros(a.shape), np.zeros(a.shape)
    rows, cols = np.nonzero((a != 0) & (b != 0))
    if len(rows) == 0:
        return classes, counts
    of_a, of_b = _codes(a[rows, cols]), _codes(b[rows, cols])
    pairs = _codes(of_a * (of_b.max() + 1) + of_b)
    groups, which, sizes = np.unique(rows * (pairs.max() + 1) + pairs, return_inverse=True, return_counts=True)
    group_rows = groups // (pairs.max() + 1)
    first_of_row = np.searchsorted(group_rows, group_rows)
    classes[rows, cols] = (np.arange(len(groups)) - first_of_row + 1)[which]
    counts[rows, cols] = sizes[which]
    return classes, counts


def _codes(values: npt.NDArray[Any]) -> Integers:
    """Values as small whole numbers, equal ones (and all NaN) alike."""
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _check_meet(a: Shape, b: Shape) -> None:
    if (b[1] is not None and a[1] is not None and a[1] != b[1]) or (
        b[0] not in (1, None) and a[0] is not None and a[0] != b[0]
    ):
        raise SizeError(
            f"argument 'b' of rowClassMeet() must have the size of 'a', {shape_text(a)}, or be one row as wide, "
            f"found a {shape_text(b)} matrix"
        )


def _meet_type(a: Type, b: Type) -> Type:
    _check_meet(shape(a), shape(b))
    return results(same_size(a), same_size(a))


define(
    "rowClassMeet(a: matrix, b: matrix)",
    _meet_type,
    row_class_meet,
    "per row, the cells where a and b are not zero grouped by their pair of values: the group's number and its size",
    family="linalg",
    aliases=("rcm",),
    outputs=("C", "N"),
    samples=(
        'matrix("1 2 1 0 3 3", 1, 6), matrix("1 1 2 5 3 3", 1, 6)',
        'matrix("1 2 1 0 3 3 3 3 0 1 1 1", 2, 6), matrix("1 1 2 5 3 3", 1, 6)',
        "matrix(0, 2, 2), matrix(1, 2, 2)",
        "matrix(0, 0, 3), matrix(1, 1, 3)",
    ),
)
