"""grad(), and what derivatives need beyond other operators: sums over what was stretched, and parts of what was bound."""

from __future__ import annotations

from typing import Any

import numpy as np

from gramian.errors import SizeError
from gramian.ir.op import Effect, Trait, define
from gramian.ir.types import NOTHING, Type, matrix
from gramian.ops.rules import Matrix, shape, shape_text


def by_the_compiler(*_: Any) -> Any:
    """Derivatives are functions of their own, which the compiler writes."""
    raise AssertionError("handled by the compiler")


define(
    "grad(function: string, args: any... = missing)",
    lambda *_: NOTHING,
    by_the_compiler,
    "the derivatives of a function's first result by its parameters, or those in wrt=; dout= is the gradient of the result",
    family="derivative",
    effect=Effect.ORDERED,
    traits=(Trait.EXTERNAL,),
)


def sum_to(x: Matrix, like: Matrix) -> Matrix:
    _check_sum(x.shape, like.shape)
    for axis in (0, 1):
        if like.shape[axis] == 1 != x.shape[axis]:
            x = np.sum(x, axis=axis, keepdims=True)
    return x


def _check_sum(x: tuple[int | None, int | None], like: tuple[int | None, int | None]) -> None:
    for mine, wanted in zip(x, like, strict=True):
        if mine is not None and wanted is not None and wanted not in (1, mine):
            raise SizeError(f"sumTo() cannot sum a {shape_text(x)} matrix up to the size {shape_text(like)}")


def _sum_type(x: Type, like: Type) -> Type:
    _check_sum(shape(x), shape(like))
    sizes = [1 if mine == 1 else wanted for mine, wanted in zip(shape(x), shape(like), strict=True)]
    return matrix(*sizes)


define(
    "sumTo(X: matrix, like: matrix)",
    _sum_type,
    sum_to,
    "sums of the rows of X, of its columns or of all its cells, so that the result has the size of like",
    traits=(Trait.SHARES,),
    gradient={"X": "matrix(0, nrow(X), ncol(X)) + dout", "like": "0"},
    samples=(
        'matrix("1 2 3 4 5 6", 2, 3), matrix(0, 1, 3)',
        'matrix("1 2 3 4 5 6", 2, 3), matrix(0, 2, 1)',
        'matrix("1 2 3 4 5 6", 2, 3), matrix(0, 1, 1)',
        'matrix("1 2 3 4 5 6", 2, 3), matrix(7, 2, 3)',
        "matrix(0, 0, 3), matrix(0, 1, 3)",
    ),
)


def part(x: Matrix, like: Matrix, row: int, column: int) -> Matrix:
    ends = row - 1 + like.shape[0], column - 1 + like.shape[1]
    if row < 1 or column < 1 or ends[0] > x.shape[0] or ends[1] > x.shape[1]:
        size = f"a {shape_text(x.shape)} matrix"
        raise SizeError(f"part() finds no {shape_text(like.shape)} cells from ({row}, {column}) on in {size}")
    found: Matrix = x[row - 1 : ends[0], column - 1 : ends[1]]
    return found


define(
    "part(X: matrix, like: matrix, row: int, column: int)",
    lambda x, like, row, column: matrix(*shape(like)),
    part,
    "the cells of X from (row, column) on, as many as like has",
    traits=(Trait.SHARES,),
    gradient={
        "X": "leftIndex(matrix(0, nrow(X), ncol(X)), dout, row, row + nrow(like) - 1, column, column + ncol(like) - 1)",
        "like": "0",
    },
    samples=(
        'matrix("1 2 3 4 5 6", 2, 3), matrix(0, 1, 2), 2, 2',
        'matrix("1 2 3 4 5 6", 2, 3), matrix(0, 2, 1), 1, 3',
        'matrix("1 2 3 4 5 6", 2, 3), matrix(0, 2, 0), 1, 4',
    ),
)
