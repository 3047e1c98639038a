"""Sums of products over indices in Einstein's notation: `einsum("ij,jk->ik", A, B)` is A %*% B."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gramian.errors import OperationError, SizeError
from gramian.ir.op import define
from gramian.ir.types import DOUBLE, Type, matrix, scalar
from gramian.ops.rules import Matrix, Shape, shape, shape_text

EXAMPLE = 'as in "ij,jk->ik"'


@dataclass(frozen=True, slots=True)
class Spec:
    """The letters of each operand, and those of the result."""

    operands: tuple[str, ...]
    result: str

    @classmethod
    def of(cls, text: str, count: int) -> Spec:
        """A specification for so many operands.

        Raises:
            OperationError: it is malformed, or made for another number of operands.
        """
        left, arrow, result = "".join(text.split()).partition("->")
        operands = tuple(left.split(","))
        if not arrow:
            raise _wrong(text, "has no '->'")
        for letters in (*operands, result):
            for letter in letters:
                if not (letter.isascii() and letter.isalpha()):
                    raise _wrong(text, f"must consist of letters, commas and one '->', found '{letter}'")
        if len(operands) != count:
            raise OperationError(
                f'the specification "{text}" of einsum() is for {len(operands)} operand{"s" * (len(operands) != 1)}, '
                f"found {count}"
            )
        for at, letters in enumerate(operands):
            if len(letters) not in (1, 2):
                raise _wrong(text, f"must have one or two letters for operand {at + 1}, found {len(letters)}")
        _check_result(text, "".join(operands), result)
        return cls(operands, result)

    def sizes(self, shapes: Sequence[Shape]) -> dict[str, int]:
        """The size that each letter stands for, where it is known.

        Raises:
            SizeError: an operand does not fit its letters, or a letter stands for two sizes.
        """
        found: dict[str, tuple[int, int]] = {}  # letter: size, operand
        for at, (letters, size) in enumerate(zip(self.operands, shapes, strict=True)):
            for letter, length in zip(letters, _lengths(at, letters, size), strict=True):
                if length is None:
                    continue
                before, where = found.setdefault(letter, (length, at))
                if before != length:
                    there = f"in operand {where + 1}" if where != at else "and columns"
                    raise SizeError(f"einsum(): '{letter}' is {length} in operand {at + 1}, but {before} {there}")
        return {letter: length for letter, (length, _) in found.items()}

    def __str__(self) -> str:
        return f"{','.join(self.operands)}->{self.result}"


def _wrong(text: str, problem: str) -> OperationError:
    return OperationError(f'the specification "{text}" of einsum() {problem}', EXAMPLE)


def _check_result(text: str, known: str, result: str) -> None:
    if len(result) > 2:
        raise _wrong(text, f"must give a number, a vector or a matrix, found {len(result)} letters after '->'")
    if len(set(result)) != len(result):
        raise _wrong(text, f"has '{result[0]}' twice after '->'")
    for letter in result:
        if letter not in known:
            raise _wrong(text, f"has '{letter}' after '->' only")


def _lengths(at: int, letters: str, size: Shape) -> Shape | tuple[int | None]:
    """What the letters of an operand stand for; one letter stands for the cells of a row or column."""
    if len(letters) == 2:
        return size
    if None not in size and 1 not in size:
        raise SizeError(
            f"operand {at + 1} of einsum() must be a row or column for '{letters}', found a {shape_text(size)} matrix"
        )
    return (size[1] if size[0] == 1 else size[0] if size[1] == 1 else None,)


def einsum(spec: str, *operands: Matrix) -> Any:
    parsed = Spec.of(spec, len(operands))
    parsed.sizes([(a.shape[0], a.shape[1]) for a in operands])
    arrays = [a if len(letters) == 2 else a.ravel() for letters, a in zip(parsed.operands, operands, strict=True)]
    found = np.einsum(str(parsed), *arrays, optimize="greedy")
    if not parsed.result:
        return float(found)
    column = found if len(parsed.result) == 2 else found[:, np.newaxis]
    return column.copy() if any(np.may_share_memory(found, a) for a in operands) else column


def _einsum_type(spec: Type, *operands: Type) -> Type:
    if not isinstance(spec.value, str):
        raise OperationError(
            "argument 'spec' of einsum() must be a constant, since it decides the type of the result", EXAMPLE
        )
    parsed = Spec.of(spec.value, len(operands))
    sizes = parsed.sizes([shape(t) for t in operands])
    if not parsed.result:
        return scalar(DOUBLE)
    rows, cols = (*(sizes.get(letter) for letter in parsed.result), 1)[:2]
    return matrix(rows, cols)


_TWO, _OTHER = 'matrix("1 2 3 4 5 6", 2, 3)', 'matrix("1 -1 2 0 3 5", 3, 2)'
define(
    "einsum(spec: string, operands: matrix...)",
    _einsum_type,
    einsum,
    "sums of products over the letters that the result lacks: a number, a column or a matrix",
    family="einsum",
    samples=(
        f'"ij,jk->ik", {_TWO}, {_OTHER}',
        f'" i j -> j ", {_TWO}',
        f'"ij->ji", {_TWO}',
        '"ii->", matrix("1 2 3 4", 2, 2)',
        '"ii->i", matrix("1 2 3 4", 2, 2)',
        f'"ij,j,i->", {_TWO}, matrix("1 2 3", 1, 3), matrix("1 2", 2, 1)',
        f'"Ab,bA,A->A", {_TWO}, {_OTHER}, matrix("1 2", 1, 2)',
        '"i,j->ij", matrix("1 2", 2, 1), matrix("3 NaN 5", 1, 3)',
        '"i->i", matrix("1 2 3", 1, 3)',
        '"ij,jk->ik", matrix(0, 2, 0), matrix(0, 0, 3)',
        '"ij->", matrix(0, 0, 3)',
    ),
)
