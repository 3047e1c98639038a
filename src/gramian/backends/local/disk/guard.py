"""The question before a kernel runs on large matrices: is there room for what it makes?

Small operands are not asked about; the check for them is part of choosing between dense and sparse kernels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gramian.backends.local.disk.home import Home
from gramian.backends.local.disk.ways import NO, way_of
from gramian.backends.local.dispatch import has_disk, has_sparse
from gramian.cost.memory import value_bytes
from gramian.ir.frame import Frame
from gramian.ir.node import describe_op
from gramian.ir.op import Op, Trait
from gramian.ir.types import LIST, MISSING, Type, frame, matrix, type_of
from gramian.ir.values import ListValue
from gramian.runtime.backend import Kernel


def with_room(home: Home, op: Op, kernel: Kernel, values: tuple[Any, ...]) -> Any:
    """The result of an operator on large operands, or on some that are on disk."""
    on_disk = any(map(has_disk, values))
    if passes_on(op, values) or (not on_disk and stays_sparse(op, values)):
        return kernel(*values)
    result, work = needs(op, values, home)
    if not on_disk and home.budget.keeps(result + work):
        with home.budget.reserved(result):
            return kernel(*values)
    found = way_of(op)(home, op, values)
    if found is not NO:
        return found
    what = describe_op(op)
    if on_disk:
        # Kernels for sparse operands ask for room themselves.
        more = 0 if any(getattr(value, "loads_sparse", False) for value in values) else result
        return kernel(*home.loaded(values, what, more))
    if not home.budget.loads(result):
        raise home.too_little(f"the result of {what}", result)
    return kernel(*values)


def passes_on(op: Op, values: tuple[Any, ...]) -> bool:
    """Does the operator only give on what it gets?"""
    return op.name == "append" and isinstance(values[0], ListValue)


def stays_sparse(op: Op, values: tuple[Any, ...]) -> bool:
    """Is the result perhaps sparse, since operands are? Kernels for sparse operands ask for room if it is not."""
    if op.name == "%*%":
        return all(map(has_sparse, values))
    return any(map(has_sparse, values))


def needs(op: Op, values: tuple[Any, ...], home: Home) -> tuple[int, int]:
    """The bytes that the result takes, and those that a kernel may need to work."""
    if op.has(Trait.SHARES) and isinstance(values[0], np.ndarray):
        return 0, 0
    largest = max((v.nbytes for v in values if isinstance(v, np.ndarray)), default=0)
    missing = [None] * (0 if op.variadic else len(op.params) - len(values))
    type = op.infer(*map(type_of_value, [*values, *missing]))
    # What is mostly zero, and yet dense, may get other cells later.
    type = type if op.name == "rand" else replace(type, sparsity=None)
    size = value_bytes(type, home.dtype.itemsize)
    return largest if size is None else size, largest


def type_of_value(value: Any) -> Type:
    """The type of a value, with all that there is to know."""
    match value:
        case None:
            return MISSING
        case bool() | int() | float() | str():
            return type_of(value)
        case ListValue():
            return LIST
        case Frame():
            return frame(*value.shape)
    return matrix(int(value.shape[0]), int(value.shape[1]))
