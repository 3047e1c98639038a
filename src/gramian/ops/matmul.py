"""The matrix product."""

from __future__ import annotations

from gramian.errors import OperationError, SizeError
from gramian.ir.estimate import of_product
from gramian.ir.op import Trait, define
from gramian.ir.types import Type, matrix
from gramian.ops.rules import Matrix, Shape, shape, shape_text


def product_type(a: Type, b: Type) -> Type:
    for side in (a, b):
        if side.is_scalar:
            hint = "use * to multiply by a number" if side.is_numeric else None
            raise OperationError(f"operator %*% needs two matrices, found {a.describe()} and {b.describe()}", hint)
    if a.cols is not None and b.rows is not None and a.cols != b.rows:
        raise _conflict(shape(a), shape(b))
    return matrix(a.rows, b.cols)


def product(a: Matrix, b: Matrix) -> Matrix:
    if a.shape[1] != b.shape[0]:
        raise _conflict((a.shape[0], a.shape[1]), (b.shape[0], b.shape[1]))
    result: Matrix = a @ b
    return result


def _conflict(a: Shape, b: Shape) -> SizeError:
    return SizeError(
        f"operator %*% cannot multiply a {shape_text(a)} by a {shape_text(b)} matrix: "
        f"the left one has {_count(a[1], 'column')}, the right one {_count(b[0], 'row')}",
        _remedy(a, b),
    )


def _count(size: int | None, what: str) -> str:
    return f"{size} {what}{'s' * (size != 1)}"


def _remedy(a: Shape, b: Shape) -> str | None:
    if (1, 1) in (a, b):
        return "turn the 1x1 matrix into a number with as.scalar() and use *"
    if a[1] == b[1] is not None:
        return "transpose the right one with t()"
    if a[0] == b[0] is not None:
        return "transpose the left one with t()"
    return None


# Scalars are in the signature only so that `product_type` can say what to use for them.
define(
    "%*%(a: matrix|scalar, b: matrix|scalar)",
    product_type,
    product,
    "matrix product of two matrices",
    family="matmul",
    sparsity=of_product,
    traits=(Trait.ASSOCIATIVE, Trait.ZERO_PRESERVING),
    gradient={"a": "dout %*% t(b)", "b": "t(a) %*% dout"},
    samples=(
        'matrix("1 2 3 4 5 6", 2, 3), matrix("1 0 2 -1 3 1", 3, 2)',
        'matrix("1 2 3", 3, 1), matrix("4 5", 1, 2)',
        'matrix("1 2 3", 1, 3), matrix("4 5 -6", 3, 1)',
        'matrix("2 -1 0.5", 3, 1), matrix(4, 1, 1)',
        't(matrix("1 2 3 4 5 6", 2, 3)), matrix("1 0 2 -1", 2, 2)',
        'matrix("0 NaN 1 Infinity", 2, 2), matrix("0 1 2 0", 2, 2)',
        "matrix(1, 2, 0), matrix(1, 0, 3)",
        "matrix(1, 0, 2), matrix(1, 2, 3)",
    ),
)
