"""Which kernel serves: the compiled ones repay their compiler only if an operator runs often enough, as with pipelines."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from gramian.backends.local.fused.compiled import price
from gramian.backends.local.fused.kernel import LOAD_COMPILER
from gramian.backends.local.fused.ledger import Ledger
from gramian.backends.local.images.compiled_loops import text_of, unfold_sizes
from gramian.backends.local.images.kernels import DATA, FILTER, KERNELS, POOLS, turned
from gramian.backends.local.images.tiles import Function, functions, tiling
from gramian.ir.op import Op
from gramian.ops.windows import of_filters, of_pools


class ImagesKernel:
    """An operator on images: its own kernel until the compiled one pays."""

    def __init__(self, op: Op) -> None:
        self.name = op.name
        self.own = op.kernel
        self.compiled = KERNELS[op.name]
        self.ledger = Ledger()
        self._ready: set[tuple[Function, ...]] = set()

    def __call__(self, *values: Any) -> Any:
        needed = needed_functions(self.name, values)
        if needed in self._ready or self.ledger.total(needed) >= self.price(needed):
            self._ready.add(needed)
            return self.compiled(*values)
        start = perf_counter()
        try:
            return self.own(*values)
        finally:
            self.ledger.add(perf_counter() - start, needed)

    def price(self, needed: Sequence[Function]) -> float:
        """Seconds until the compiled functions are there."""
        return sum(price(*function) for function in needed) + ("numba" not in sys.modules) * LOAD_COMPILER


def needed_functions(name: str, values: Sequence[Any]) -> tuple[Function, ...]:
    """The compiled functions that an operator needs for its operands.

    Raises:
        OperationError: the arguments that tell sizes are not what they should be.
    """
    dtype = values[0].dtype
    if name in POOLS:
        windows = of_pools(f"{name}()", *values[-4:])
        return (text_of(name, dtype, (*windows.size, *windows.stride, *windows.padding)),)
    windows = of_filters(f"{name}()", *values[2:])
    if name == DATA:
        if windows.stride != (1, 1):
            return (text_of("fold", dtype),)
        windows = turned(windows)
    tiles = tiling(windows, dtype)
    if tiles is not None:
        return functions(tiles, dtype, gradient=name == FILTER)
    return (text_of("unfold", dtype, unfold_sizes(windows)),)
