"""Where values live: in memory as long as the budget has room for them, else on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gramian.backends.local.dispatch import has_disk
from gramian.backends.local.threads import in_parallel
from gramian.budget import Budget
from gramian.cost.memory import bytes_text
from gramian.errors import OperationError
from gramian.ir.disk import BATCH, DiskMatrix, Room, SparsePanels, is_on_disk, put
from gramian.ir.fused import Pipeline
from gramian.ir.op import REGISTRY
from gramian.ir.sparse import by_rows, is_sparse
from gramian.ir.values import ListValue
from gramian.runtime.backend import Kernel, kernel_of

if TYPE_CHECKING:
    from gramian.backends.local import LocalBackend

Array = Any


class NotEnoughMemoryError(OperationError):
    """Something has to be in memory, but there is no room for it."""


class Home(Room):
    """The values of a run of a backend. Matrices are of one type of cells."""

    def __init__(self, budget: Budget, dtype: npt.DTypeLike, backend: LocalBackend) -> None:
        self.budget = budget
        self.dtype = np.dtype(dtype)
        self.backend = backend
        self.pipeline: Callable[[Pipeline], Kernel] = lru_cache(maxsize=256)(self._pipeline)

    def _pipeline(self, pipeline: Pipeline) -> Kernel:
        kernel = self.backend.pipeline(pipeline)
        assert kernel is not None
        return kernel

    def run(self, name: str, *values: Any) -> Any:
        """The result of an operator, wherever its operands are."""
        return kernel_of(REGISTRY[name], self.backend)(*values)

    # -- places for results -----------------------------------------------------------------------------------------

    def place(self, rows: int, cols: int, dtype: npt.DTypeLike | None = None) -> Array:
        """A matrix to be written: in memory if there is room, else on disk."""
        return self.places([(rows, cols)], dtype)[0]

    def places(self, shapes: Sequence[tuple[int, int]], dtype: npt.DTypeLike | None = None) -> list[Array]:
        kind = np.dtype(dtype or self.dtype)
        found: list[Array] = []
        taken = 0
        for shape in shapes:
            size = shape[0] * shape[1] * kind.itemsize
            if self.budget.keeps(size) and (taken == 0 or self.budget.keeps(size + taken)):
                found.append(self.budget.spare.empty(shape, kind))
                taken += size
            else:
                found.append(DiskMatrix.new(shape, self.budget.scratch, kind))
        return found

    def keeps(self, *shapes: tuple[int, int]) -> bool:
        """Is there room in memory for matrices of these shapes together?"""
        return self.budget.keeps(sum(rows * cols for rows, cols in shapes) * self.dtype.itemsize)

    # -- operands ---------------------------------------------------------------------------------------------------

    def loaded(self, values: Sequence[Any], what: str, more: int = 0) -> list[Any]:
        """Values with those on disk in memory.

        Raises:
            NotEnoughMemoryError: there is no room for them, and for `more` bytes besides.
        """
        needed = sum(map(bytes_on_disk, values)) + more
        if any(map(has_disk, values)) and not self.budget.loads(needed):
            raise self.too_little(what, needed)
        return [in_memory(value) for value in values]

    def require(self, size: int, what: str) -> None:
        if not self.budget.loads(size):
            raise self.too_little(what, size)

    def too_little(self, what: str, needed: int) -> NotEnoughMemoryError:
        left = bytes_text(max(0, self.budget.free()))
        return NotEnoughMemoryError(
            f"{what} needs {bytes_text(needed)} in memory, but of the budget of {bytes_text(self.budget.limit)} only "
            f"{left} are left",
            "allow more with --memory, or take fewer rows or columns at a time",
        )

    def dense(self, value: Any) -> Any:
        """The matrix, a sparse one as panels of dense rows."""
        return SparsePanels(by_rows(value)) if is_sparse(value) else value

    # -- making matrices --------------------------------------------------------------------------------------------

    def by_panels(self, rows: int, cols: int, make: Callable[[int, int], Array], *, widest: int = 0) -> Array:
        """A matrix from its rows, some at a time, on all cores; `widest` is the most columns that `make` works on."""
        found = self.place(rows, cols)

        def work(part: tuple[int, int]) -> None:
            put(found, part[0], make(*part))

        in_parallel(work, list(parts_of(rows, max(cols, widest))))
        return found


def parts_of(rows: int, cols: int, cells: int = BATCH) -> Iterator[tuple[int, int]]:
    """The limits of panels of about so many cells."""
    step = max(1, cells // max(1, cols))
    for first in range(0, rows, step):
        yield first, min(rows, first + step)


def bytes_on_disk(value: Any) -> int:
    if isinstance(value, ListValue):
        return sum(map(bytes_on_disk, value.items))
    return int(value.nbytes) if is_on_disk(value) else 0


def in_memory(value: Any) -> Any:
    if isinstance(value, ListValue):
        return ListValue([in_memory(item) for item in value.items], value.names) if has_disk(value) else value
    return value.load() if is_on_disk(value) else value
