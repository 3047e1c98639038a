"""Estimates of sparsity: which share of a matrix's cells is not zero.

An estimate decides about costs, never about results. It assumes that zeros lie independently of one another, as is usual in
the field. `None` means that nothing is known; costs then count the matrix as dense.
"""

from __future__ import annotations

from gramian.ir.op import Op, Trait
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
    if op.has(Trait.SHARES) and len(matrices) == 1:
        return matrices[0]
    return None


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
    shares = [t.sparsity for t in (a, b) if t.is_matrix and t.sparsity is not None]
    product = 1.0
    for share in shares:
        product *= share
    return product if shares else None


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
