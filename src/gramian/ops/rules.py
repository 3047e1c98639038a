"""How types and sizes follow from arguments: the rules that operator families share."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import numpy as np
import numpy.typing as npt

from gramian.errors import OperationError, SizeError
from gramian.ir.op import missing
from gramian.ir.types import (
    BOOLEAN,
    DOUBLE,
    INT,
    STRING,
    UNKNOWN,
    Type,
    ValueType,
    join_value_types,
    matrix,
    scalar,
    size_text,
)

Matrix = npt.NDArray[np.float64]  # float32 in single precision
Shape = tuple[int | None, int | None]


def shape(type: Type) -> Shape:
    return type.rows, type.cols


def shape_text(shape: Shape) -> str:
    return f"{size_text(shape[0])}x{size_text(shape[1])}"


def broadcast(what: str, a: Shape, b: Shape) -> Shape:
    """The shape of a cell-by-cell combination: equal shapes, a row or column vector with a matrix, 1x1 on the right.

    Raises:
        SizeError: the shapes certainly do not fit.
    """
    if a == b or b == (1, 1):
        return a
    if (_fits(a, b) and not _row_with_column(a, b)) or None in a + b:
        if not _may_fit(a, b):
            raise SizeError(*_conflict(what, a, b))
        return _merge(a[0], b[0], a, b), _merge(a[1], b[1], a, b)
    raise SizeError(*_conflict(what, a, b))


def _fits(a: Shape, b: Shape) -> bool:
    return all(x == y or x == 1 or y == 1 for x, y in zip(a, b, strict=True)) and a != (1, 1)


def _row_with_column(a: Shape, b: Shape) -> bool:
    """A column with a row would have to grow in both directions."""
    return (a[0] == 1 and b[1] == 1 and a[1] != 1 and b[0] != 1) or (
        b[0] == 1 and a[1] == 1 and b[1] != 1 and a[0] != 1
    )


def _may_fit(a: Shape, b: Shape) -> bool:
    return all(x is None or y is None or x == y or x == 1 or y == 1 for x, y in zip(a, b, strict=True))


def _merge(x: int | None, y: int | None, a: Shape, b: Shape) -> int | None:
    """One dimension of the result: a known size other than 1 wins, an unknown one may still be stretched."""
    if x == y:
        return x
    if x is None:
        return y if y != 1 else None
    if y is None:
        return x if x != 1 else None
    return y if x == 1 else x


def _conflict(what: str, a: Shape, b: Shape) -> tuple[str, str | None]:
    message = f"{what} cannot combine a {shape_text(a)} and a {shape_text(b)} matrix"
    if None not in a + b and _row_with_column(a, b):
        symbol = what.rpartition(" ")[2] if what.startswith("operator") else "+"
        outer = f'outer(column, row, "{symbol}") for all combinations of a column with a row'
        return message, f"transpose one of them with t(), or use {outer}" if a == (b[1], b[0]) else f"use {outer}"
    if a == (1, 1):
        return message, "turn the 1x1 matrix into a number with as.scalar()"
    if a == (b[1], b[0]):
        return message, "transpose one of them with t()"
    return message, None


def check_broadcast(what: str, a: Matrix, b: Matrix) -> None:
    """The same rule for actual matrices of different shapes."""
    broadcast(what, (a.shape[0], a.shape[1]), (b.shape[0], b.shape[1]))


def cellwise_result(what: str, types: tuple[Type, ...], value_type: ValueType) -> Type:
    """The type of a cell-by-cell combination of scalars and matrices."""
    matrices = [t for t in types if t.is_matrix]
    if not matrices:
        return scalar(value_type)
    rows, cols = reduce(lambda a, b: broadcast(what, a, b), [shape(t) for t in matrices])
    return matrix(rows, cols)


def arithmetic(name: str, of_ints: ValueType = INT) -> Callable[[Type, Type], Type]:
    """The rule of a binary arithmetic operator; `of_ints` is the value type of two ints combined."""

    def infer(a: Type, b: Type) -> Type:
        value_types = (a.value_type, b.value_type)
        if a.is_matrix or b.is_matrix:
            for type in (a, b):
                if type.is_scalar and type.value_type in (BOOLEAN, STRING):
                    raise _cannot_combine(name, a, b, _remedy(name, type))
            return cellwise_result(f"operator {name}", (a, b), DOUBLE)
        if STRING in value_types:
            raise _cannot_combine(name, a, b, "use as.double() to read a number from text")
        if UNKNOWN in value_types:
            return scalar(UNKNOWN if of_ints is INT else DOUBLE)
        if value_types == (BOOLEAN, BOOLEAN):
            return scalar(DOUBLE)
        if BOOLEAN in value_types:
            raise _cannot_combine(name, a, b, "convert the boolean with as.integer() first")
        return scalar(arithmetic_value_type(value_types, of_ints))

    return infer


def arithmetic_value_type(value_types: tuple[ValueType, ...], of_ints: ValueType = INT) -> ValueType:
    """Ints give `of_ints`; any double gives a double; if it depends on the run time, NUMBER."""
    if of_ints is DOUBLE or DOUBLE in value_types:
        return DOUBLE
    return reduce(join_value_types, value_types)


def _cannot_combine(name: str, a: Type, b: Type, hint: str | None = None) -> OperationError:
    return OperationError(f"operator {name} cannot combine {a.describe()} and {b.describe()}", hint)


def _remedy(name: str, odd: Type) -> str | None:
    if odd.value_type is BOOLEAN:
        return "convert the boolean with as.integer() first"
    return "use toString() for the text of a matrix" if name == "+" else None


def plus(a: Type, b: Type) -> Type:
    """`+` adds, and joins text if one side is text."""
    if a.is_scalar and b.is_scalar and STRING in (a.value_type, b.value_type):
        return scalar(STRING)
    return arithmetic("+")(a, b)


def comparison(name: str) -> Callable[[Type, Type], Type]:
    def infer(a: Type, b: Type) -> Type:
        if (a.is_matrix or b.is_matrix) and STRING in (a.value_type, b.value_type):
            raise _cannot_combine(name, a, b)
        return cellwise_result(f"operator {name}", (a, b), BOOLEAN)

    return infer


def logical(name: str) -> Callable[..., Type]:
    def infer(*types: Type) -> Type:
        for type in types:
            if type.value_type is STRING:
                raise OperationError(f"operator {name} needs booleans or numbers, found {type.describe()}")
        return cellwise_result(f"operator {name}", types, BOOLEAN)

    return infer


def cellwise(name: str, *, keeps_int: bool = False) -> Callable[..., Type]:
    """The rule of a mathematical function of numbers and matrices."""

    def infer(*types: Type) -> Type:
        types = tuple(t for t in types if not missing(t))
        value_types = tuple(t.value_type for t in types)
        value_type = DOUBLE
        if keeps_int:
            value_type = UNKNOWN if UNKNOWN in value_types else arithmetic_value_type(value_types)
        return cellwise_result(f"{name}()", types, value_type)

    return infer


def full_aggregate(target: Type, *_: Type) -> Type:
    return scalar(DOUBLE)


def row_aggregate(target: Type, *_: Type) -> Type:
    return matrix(target.rows, 1)


def column_aggregate(target: Type, *_: Type) -> Type:
    return matrix(1, target.cols)


def same_size(target: Type, *_: Type) -> Type:
    return matrix(target.rows, target.cols)


def square(what: str, type: Type) -> None:
    """Refuse a matrix that is certainly not square."""
    if type.rows is not None and type.cols is not None and type.rows != type.cols:
        raise SizeError(f"{what} needs a square matrix, found {type.describe()}")
