"""Precision single: every matrix that a kernel gives is float32, dense or sparse; scalars stay Python's doubles.

Most kernels keep the type of their matrices by themselves, because NumPy does. What they make anew may be float64, and
becomes float32 at the one boundary between kernels and scripts, here. In double precision none of this is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from gramian.backends.local.dispatch import PLAIN
from gramian.ir.op import Op
from gramian.ir.sparse import is_sparse
from gramian.ir.values import ListValue
from gramian.ops.generate import construct, rand
from gramian.runtime.backend import Kernel

CELLS = np.dtype(np.float32)

# Families and operators that see their matrices as float64: their errors would grow with the number of steps, or they
# compute whole numbers, which float32 holds only up to 2^24. All others keep the type of what they get.
IN_DOUBLE = frozenset({"cumulative", "distribution", "fourier", "linalg", "table", "transform", "%%", "%/%"})

# Aggregates of sparse matrices add up cell after cell; those of dense ones know how to keep the error small.
IN_DOUBLE_IF_SPARSE = IN_DOUBLE | {"aggregate"}

# Operators that make large matrices out of numbers, without a copy in float64 on the way.
MAKERS: Mapping[str, Kernel] = {"matrix": partial(construct, dtype=CELLS), "rand": partial(rand, dtype=CELLS)}


def kernel_in_single(op: Op) -> Kernel:
    """The operator's own kernel, for dense matrices."""
    kernel = MAKERS.get(op.name, op.kernel)
    return widening(kernel) if IN_DOUBLE & {op.family, op.name} else kernel


def sparse_kernel_in_single(op: Op, kernel: Kernel) -> Kernel:
    return widening(kernel) if IN_DOUBLE_IF_SPARSE & {op.family, op.name} else kernel


def widening(kernel: Kernel) -> Kernel:
    """The kernel with its matrices as float64."""
    return lambda *values: kernel(*map(widened, values))


def narrowing(kernel: Kernel) -> Kernel:
    """The kernel with the matrices of its result as float32."""

    def run(*values: Any) -> Any:
        result = kernel(*values)
        if result.__class__ is np.ndarray:
            return result if result.dtype == CELLS else result.astype(CELLS)
        return result if result.__class__ in PLAIN else narrowed(result)

    return run


def narrowed(value: Any) -> Any:
    """Any value with its matrices as float32."""
    return _with_matrices(value, lambda matrix: matrix if matrix.dtype == CELLS else matrix.astype(CELLS))


def widened(value: Any) -> Any:
    """Any value with its matrices as float64."""
    return _with_matrices(value, lambda matrix: matrix.astype(np.float64, copy=False))


def _with_matrices(value: Any, convert: Callable[[Any], Any]) -> Any:
    if isinstance(value, np.ndarray) or is_sparse(value):
        return convert(value)
    if isinstance(value, tuple):
        return tuple(_with_matrices(item, convert) for item in value)
    if isinstance(value, ListValue):
        items = [_with_matrices(item, convert) for item in value.items]
        same = all(new is old for new, old in zip(items, value.items, strict=True))
        return value if same else ListValue(items, value.names)
    return value
