"""Conversions between scalars, matrices, frames and lists, and the sizes of these."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gramian.errors import OperationError, SizeError
from gramian.ir import frame as f, scalar as s
from gramian.ir.frame import Frame
from gramian.ir.op import Op, Trait, define
from gramian.ir.types import (
    BOOLEAN,
    DOUBLE,
    INT,
    LIST,
    NUMBER,
    UNKNOWN,
    Kind,
    ScalarValue,
    Type,
    ValueType,
    frame as frame_type,
    matrix,
    scalar,
    type_of,
)
from gramian.ir.values import ListValue
from gramian.ops.rules import Matrix

SINGLE = "take a cell with [i, j], or aggregate with sum(), mean(), ..."


def only_entry(name: str, target: ListValue) -> Any:
    if len(target) != 1:
        raise OperationError(f"{name}() needs a list of one entry, found {len(target)} entries", "index the list first")
    return target.items[0]


def as_scalar(x: Any) -> ScalarValue:
    if isinstance(x, ListValue):
        entry = only_entry("as.scalar", x)
        if isinstance(entry, ListValue):
            raise OperationError("as.scalar() of a list needs a scalar entry, found a list", "use as.list()")
        if isinstance(entry, np.ndarray) and entry.shape != (1, 1):
            found = f"a {entry.shape[0]}x{entry.shape[1]} matrix"
            raise OperationError(f"as.scalar() of a list needs a scalar entry, found {found}", "use as.matrix()")
        return as_scalar(entry) if isinstance(entry, np.ndarray | Frame) else entry
    if x.shape != (1, 1):
        kind = "frame" if isinstance(x, Frame) else "matrix"
        raise SizeError(f"as.scalar() needs one cell, found a {x.shape[0]}x{x.shape[1]} {kind}", SINGLE)
    return x.cell(0, 0) if isinstance(x, Frame) else float(x[0, 0])


def _entry(x: Type) -> Type | None:
    """The type of the one entry of a list, if it is known."""
    return x.items[0] if x.kind is Kind.LIST and len(x.items) == 1 else None


def _as_scalar_type(x: Type) -> Type:
    entry = _entry(x)
    if entry is not None and entry.is_scalar:
        return entry
    if any(size not in (1, None) for size in (x.rows, x.cols)):
        raise SizeError(f"as.scalar() needs one cell, found {x.describe()}", SINGLE)
    return scalar(DOUBLE if x.is_matrix else UNKNOWN)


def as_matrix(x: Any) -> Matrix:
    match x:
        case np.ndarray():
            return x
        case Frame():
            return x.to_matrix()
        case ListValue():
            return _list_as_matrix(x)
        case str():
            raise OperationError("as.matrix() needs a number, found a string", "convert it with as.double() first")
        case _:
            return np.array([[float(x)]])


def _list_as_matrix(target: ListValue) -> Matrix:
    """The one matrix of a list, or its scalars and rows below each other."""
    if any(isinstance(entry, ListValue) for entry in target):
        raise OperationError("as.matrix() of a list needs scalars or matrices, found a list in it")
    parts = [as_matrix(entry) for entry in target]
    if len(parts) == 1:
        return parts[0]
    for part in parts:
        if part.shape[0] != 1 or part.shape[1] != parts[0].shape[1]:
            raise SizeError(
                "as.matrix() of a list needs one matrix, scalars, or rows of equal length, "
                f"found a {part.shape[0]}x{part.shape[1]} matrix",
                "use rbind() or cbind() on the list",
            )
    return np.vstack(parts) if parts else np.empty((0, 1))


def _as_matrix_type(x: Type) -> Type:
    entry = _entry(x)
    if entry is not None and entry.kind is not Kind.LIST:
        return _as_matrix_type(entry)
    return matrix(1, 1) if x.is_scalar else matrix(x.rows, x.cols)


def _as_matrix_sparsity(x: Type) -> float | None:
    entry = _entry(x)
    if entry is not None:
        return _as_matrix_sparsity(entry)
    return x.sparsity if x.is_matrix else 1.0 if x.is_scalar else None


def as_frame(x: Any, names: ListValue | None = None) -> Frame:
    match x:
        case Frame():
            result = x
        case np.ndarray():
            result = Frame.from_matrix(x)
        case ListValue():
            entry = only_entry("as.frame", x)
            if isinstance(entry, ListValue):
                raise OperationError("as.frame() of a list needs a frame or matrix as entry, found a list")
            result = as_frame(entry)
        case _:
            result = Frame.of([[x]], [_COLUMN_TYPES[type(x)]])
    return result.with_names(_texts(names)) if names is not None else result


_COLUMN_TYPES = {bool: f.BOOLEAN, int: f.INT64, float: f.FP64, str: f.STRING}


def _texts(names: ListValue) -> list[str]:
    for name in names:
        if not isinstance(name, str):
            raise OperationError("the names of as.frame() must be a list of strings")
    return list(names)


def _as_frame_type(x: Type, names: Type) -> Type:
    return frame_type(1, 1) if x.is_scalar else frame_type(x.rows, x.cols)


def as_list(x: ListValue) -> ListValue:
    entry = only_entry("as.list", x)
    if not isinstance(entry, ListValue):
        raise OperationError("as.list() takes a list out of a list, but the entry is none", _hint(entry))
    return entry


def _hint(entry: Any) -> str:
    match entry:
        case Frame():
            return "use as.frame()"
        case np.ndarray():
            return "use as.matrix()"
        case _:
            return "use as.scalar()"


_MATRICES = ('matrix("1 -2.5 NaN 4", 2, 2)', "matrix(0, 0, 3)", "matrix(0, 3, 0)")

define(
    "as.scalar(x: matrix|frame|list)",
    _as_scalar_type,
    as_scalar,
    "the one cell of a matrix or frame, or the one entry of a list",
    aliases=("castAsScalar",),
    gradient={"x": lambda x: "as.matrix(dout)" if x.is_matrix else None},
    samples=("matrix(2.5, 1, 1)", "matrix(NaN, 1, 1)", 'list("a")', 'as.frame("a")'),
)
define(
    "as.matrix(x: matrix|frame|list|number|boolean)",
    _as_matrix_type,
    as_matrix,
    "matrix of a number, of a frame of numbers or of a list of scalars or rows",
    traits=(Trait.SHARES,),
    sparsity=_as_matrix_sparsity,
    gradient={"x": lambda x: "dout" if x.is_matrix else "as.scalar(dout)" if x.is_scalar else None},
    samples=(*_MATRICES, "2", "2.5", "TRUE", 'as.frame(matrix("1 2.5 NaN 4", 2, 2))', "list(1, 2.5, TRUE)"),
)
define(
    "as.frame(x: matrix|frame|list|scalar, names: list = missing)",
    _as_frame_type,
    as_frame,
    "frame of a matrix, with FP64 columns, or of a scalar",
    traits=(Trait.SHARES,),
    samples=(*_MATRICES, '"a"', "TRUE", 'matrix("1 2", 1, 2), list("a", "b")'),
)
define(
    "as.list(x: list)",
    lambda x: entry if (entry := _entry(x)) is not None and entry.kind is Kind.LIST else LIST,
    as_list,
    "the list that is the one entry of a list",
    traits=(Trait.SHARES,),
    samples=("list(list(1, 2))",),
)


def _cast(name: str, result: ValueType, convert: Callable[[Any], ScalarValue], doc: str, **rest: Any) -> Op:
    def infer(x: Type) -> Type:
        if x.value is None:
            return scalar(result)
        try:
            return type_of(convert(x.value))
        except OperationError:
            return scalar(result)  # text that does not convert is an error where it happens, in code that runs

    return define(
        f"{name}(x: scalar)",
        infer,
        convert,
        doc,
        family="cast",
        samples=("2", "-2.9", "TRUE", '"1e3"', "NaN", '"true"' if result is BOOLEAN else '" 3.5 "'),
        **rest,
    )


def _double_code(x: Type) -> str | None:
    if x.value_type is DOUBLE:
        return "{0}"
    return "float({0})" if x.value_type in (INT, NUMBER, BOOLEAN) else "as_double({0})"


def _int_code(x: Type) -> str | None:
    return "{0}" if x.value_type is INT else "as_int({0})"


def _logical_code(x: Type) -> str | None:
    if x.value_type is BOOLEAN:
        return "{0}"
    return "{0} != 0" if x.value_type in (INT, DOUBLE, NUMBER) else "as_logical({0})"


_cast("as.double", DOUBLE, s.as_double, "scalar as a double", scalar=_double_code, gradient={"x": "dout"})
_cast(
    "as.integer",
    INT,
    s.as_int,
    "scalar as an int, cut towards zero; NaN is 0",
    scalar=_int_code,
    traits=(Trait.STEPS,),
)
_cast(
    "as.logical",
    BOOLEAN,
    s.as_logical,
    "scalar as a boolean: FALSE for zero and for all text but true",
    scalar=_logical_code,
    aliases=("as.boolean",),
    traits=(Trait.STEPS,),
)


def sizes(x: Any) -> tuple[int, int]:
    return (len(x), 1) if isinstance(x, ListValue) else x.shape


def _size(name: str, of_type: Callable[[Type], int | None], of_sizes: Callable[[tuple[int, int]], int], doc: str) -> Op:
    def infer(x: Type) -> Type:
        size = of_type(x)
        return scalar(INT) if size is None else type_of(size)

    return define(
        f"{name}(x: matrix|frame|list)",
        infer,
        lambda x: int(of_sizes(sizes(x))),
        doc,
        traits=(Trait.STEPS,),
        samples=(*_MATRICES, 'as.frame("a")', "list(1, 2, 3)"),
    )


_size("nrow", lambda x: x.rows, lambda shape: shape[0], "number of rows, or of the entries of a list")
_size("ncol", lambda x: 1 if x.kind is Kind.LIST else x.cols, lambda shape: shape[1], "number of columns; 1 for a list")
_size("length", lambda x: x.cells, math.prod, "number of cells, or of the entries of a list")
