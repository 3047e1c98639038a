"""Choosing how a pipeline runs: compiled loops repay their compiler only if the pipeline runs long enough.

The rule is that of renting or buying: operators run panel by panel with NumPy until they have taken as long as compiling
would, in this process and in earlier ones, so that nobody waits more than twice as long as with the best choice. What is
compiled already is used at once, and so is the compiler if the first run alone is expected to take longer than it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from gramian.backends.local.fused.compiled import LOAD, price
from gramian.backends.local.fused.ledger import Ledger
from gramian.backends.local.fused.panels import Pass
from gramian.backends.local.fused.stored import StoredPass
from gramian.ir.disk import is_on_disk
from gramian.ir.fused import Pipeline
from gramian.runtime.backend import one_by_one

if TYPE_CHECKING:
    from gramian.backends.local import LocalBackend

LOAD_COMPILER = 0.5  # seconds: importing Numba, and its first function
CELL = 4e-10  # seconds for an operator on one cell, with NumPy on two cores


class PipelineKernel:
    """A pipeline as a function of its operands, by the kernels of a backend or by compiled loops."""

    def __init__(self, pipeline: Pipeline, backend: LocalBackend) -> None:
        self.pipeline = pipeline
        self.kernels = backend.kernel_in_memory
        self.alone = one_by_one(pipeline, backend)
        self.place = backend.home.places
        self.ledger = Ledger()

    @cached_property
    def by_numpy(self) -> Pass:
        return Pass(self.pipeline, self.kernels, self.place, compiled=False)

    @cached_property
    def by_loops(self) -> Pass:
        return Pass(self.pipeline, self.kernels, self.place, compiled=True)

    def __call__(self, *operands: Any) -> Any:
        if not all(is_dense(operand) or is_on_disk(operand) for operand in operands):
            return self.alone(*operands)
        if self.repays_compiling(operands):
            return self.by_loops.run(operands)
        start = perf_counter()
        try:
            return self.by_numpy.run(operands)
        finally:
            self._count(perf_counter() - start, operands)

    def _count(self, seconds: float, operands: Sequence[Any]) -> None:
        worth_it = self.ledger.here + seconds >= LOAD
        self.ledger.add(seconds, self.by_loops.functions(operands) if worth_it else None)

    def repays_compiling(self, operands: Sequence[Any]) -> bool:
        if self.by_loops.is_ready(operands):
            return True
        expected = self.expected(operands)
        if expected + self.ledger.here < LOAD:
            return False
        return expected + self.ledger.total(self.by_loops.functions(operands)) >= self.price(operands)

    def expected(self, operands: Sequence[Any]) -> float:
        """Seconds that NumPy would probably take for these operands."""
        cells = max((o.size for o in operands if not isinstance(o, int | float)), default=0)
        return CELL * cells * len(self.pipeline.nodes)

    def price(self, operands: Sequence[Any]) -> float:
        """Seconds until the compiled loops are there."""
        prices = (price(*function) for function in self.by_loops.functions(operands))
        return sum(prices) + ("numba" not in sys.modules) * LOAD_COMPILER


class StoredKernel:
    """A pipeline over the stored cells of a sparse matrix, as a function of its operands.

    Operands that are not stored as they were expected to be, or not finite, go through the operators one by one.
    """

    def __init__(self, pipeline: Pipeline, backend: LocalBackend) -> None:
        self.by_loops = StoredPass(pipeline)
        self.alone = one_by_one(pipeline, backend)
        self.ledger = Ledger()

    def __call__(self, *operands: Any) -> Any:
        suits = not any(map(is_on_disk, operands)) and self.by_loops.suits(operands)
        if suits and self.repays_compiling(operands):
            found = self.by_loops.run(operands)
            if found is not None:
                return found
        start = perf_counter()
        try:
            return self.alone(*operands)
        finally:
            self.ledger.add(perf_counter() - start, self.by_loops.functions(operands) if suits else None)

    def repays_compiling(self, operands: Sequence[Any]) -> bool:
        expected = self.by_loops.expected(operands)
        if expected + self.ledger.here < LOAD:
            return False
        price = self.by_loops.price(operands) + ("numba" not in sys.modules) * LOAD_COMPILER
        return expected + self.ledger.total(self.by_loops.functions(operands)) >= price


def is_dense(value: Any) -> bool:
    return isinstance(value, np.ndarray | int | float)
