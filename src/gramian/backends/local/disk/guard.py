"""The question before a kernel runs on large matrices: is there room for what it makes?

Small operands are not asked about; the check for them is part of choosing between dense and sparse kernels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gramian.backends.local.disk.home import Home
from gramian.backends.local.disk.ways import NO, way_of
from gramian.backends.local.dispatch import has_disk
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
    result, work = needs(op, values, home)
    if not on_disk and home.budget.keeps(result + work):
        with home.budget.reserved(result):
            return kernel(*values)
    found = way_of(op)(home, op, values)
    if found is not NO:
        return found
    what = describe_op(op)
    if on_disk:
        return kernel(*home.loaded(values, what, result))
    if not home.budget.loads(result):
        raise home.too_little(f"the result of {what}", result)
    return kernel(*values)


def needs(op: Op, values: tuple[Any, ...], home: Home) -> tuple[int, int]:
    """The bytes that the result takes, and those that a kernel may need to work."""
    if op.has(Trait.SHARES) and isinstance(values[0], np.ndarray):
        return 0, 0
    largest = max((v.nbytes for v in values if isinstance(v, np.ndarray)), default=0)
    missing = [None] * (0 if op.variadic else len(op.params) - len(values))
    size = value_bytes(op.infer(*map(type_of_value, [*values, *missing])), home.dtype.itemsize)
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
