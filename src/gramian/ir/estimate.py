"""Estimates of sparsity: which share of a matrix's cells is not zero.

An estimate decides about costs, never about results. It assumes that zeros lie independently of one another, as is usual in
the field. What is not known to be sparse counts as dense (1.0). `None` is for what only the run time can tell, such as the
contents of a file, and what is made of that.
"""

from __future__ import annotations

from gramian.ir.op import Effect, Op, Trait
from gramian.ir.types import Kind, Type

EPSILON = 1e-12


def estimated_sparsity(op: Op, types: list[Type], result: Type) -> float | None:
    """The estimated sparsity of a matrix that an operator makes of arguments of those types.

    Operators whose result cannot have more zeros than the rule of their traits says need no rule of their own.
    """
    if op.sparsity is not None:
        found = op.sparsity(*types)
        return None if found is None else clipped(found)
    given = [t for t in types if t.kind is not Kind.MISSING]
    matrices = [t.sparsity for t in given if t.is_matrix]
    if op.has(Trait.CELLWISE) and op.has(Trait.ZERO_PRESERVING) and len(matrices) == len(given):
        return union(matrices)
    if (op.has(Trait.SHARES) or op.has(Trait.REORDERS)) and len(matrices) == 1:
        return matrices[0]
    is_computed = op.effect is not Effect.ORDERED and all(map(_is_computed_with, given))
    return 1.0 if is_computed else None


def _is_computed_with(type: Type) -> bool:
    """Not something that a matrix may have been taken out of: lists are, unless they hold numbers only, such as sizes."""
    return type.is_matrix or type.is_scalar or (type.items != () and all(t.is_scalar for t in type.items))


def union(shares: list[float | None]) -> float | None:
    """Cells where one of several matrices is not zero."""
    zero = 1.0
    for share in shares:
        if share is None:
            return None
        zero *= 1 - share
    return clipped(1 - zero)


def both(a: Type, b: Type) -> float | None:
    """Cells where neither of two operands is zero; scalars count as not zero."""
    shares = [t.sparsity for t in (a, b) if t.is_matrix]
    product = 1.0
    for share in shares:
        if share is None:
            return None
        product *= share
    return product


def of_all(*types: Type) -> float | None:
    """Cells that come from several matrices, which are about equally large."""
    shares = [t.sparsity for t in types if t.is_matrix]
    known = [share for share in shares if share is not None]
    return sum(known) / len(known) if len(known) == len(types) else None


def of_first(a: Type, *_: Type) -> float | None:
    return a.sparsity


def of_product(a: Type, b: Type) -> float | None:
    """Sums of `ncol(a)` products, each of which is zero or not."""
    if a.sparsity is None or b.sparsity is None or a.cols is None:
        return None
    return clipped(1 - (1 - a.sparsity * b.sparsity) ** a.cols)


def clipped(share: float) -> float:
    """Between 0 and 1, and exactly 1 if it is nearly that, so that dense matrices stay equal types."""
    return 1.0 if share > 1 - EPSILON else max(share, 0.0)
