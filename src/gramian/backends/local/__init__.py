"""The local backend: NumPy arrays and SciPy's sparse matrices in memory."""

from __future__ import annotations

from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from gramian.backends.local.allocation import keep_freed_memory
from gramian.backends.local.dispatch import TooDenseError, dispatching, made_dense, making_dense_if
from gramian.budget import Budget, machine_memory
from gramian.ir.disk import room_in
from gramian.ir.fused import Pipeline
from gramian.ir.op import Op
from gramian.ir.sparse import is_sparse
from gramian.ops.index import DENSE_UP_TO, writable
from gramian.runtime.backend import Kernel
from gramian.runtime.remote import Remote
from gramian.settings import PRECISIONS

if TYPE_CHECKING:
    from gramian.backends.local.disk.home import Home

# These look at nothing but shapes, or take sparse matrices as they are.
INDIFFERENT = frozenset(
    {
        *("nrow", "ncol", "length", "list", "listIndex", "listAssign", "remove", "as.list"),
        *("cell", "print", "stop", "assert", "write", "eval", "evalList"),
    }
)


READERS = ("read", "readMM")
IMAGES = frozenset(
    {
        *("conv2d", "conv2d_backward_filter", "conv2d_backward_data"),
        *("max_pool", "avg_pool", "max_pool_backward", "avg_pool_backward"),
    }
)


class LocalBackend:
    """Runs operators on this machine.

    An operator's own NumPy kernel serves dense matrices; for sparse ones there are kernels in `sparse`, which are
    imported when the first sparse matrix comes along. The precision is a matter of which kernels are bound.
    """

    name = "local"
    goes_through_panels = True  # does it take sparse matrices that cannot be dense some rows at a time?

    def __init__(self, precision: str = "double", budget: Budget | None = None) -> None:
        self.precision = precision
        self.budget = budget or Budget()
        self.cell_bytes = PRECISIONS[precision]
        keep_freed_memory()

    @cached_property
    def home(self) -> Home:
        from gramian.backends.local.disk.home import Home

        return Home(self.budget, f"f{self.cell_bytes}", self)

    @property
    def remote(self) -> Remote | None:
        return None

    def end(self) -> None:
        """A run is over. Memory and files go with the values that are in them."""

    def kernel(self, op: Op) -> Kernel | None:
        if op.name in INDIFFERENT:
            return None
        if op.name in READERS:
            return self._reader(op)
        in_memory = self.kernel_in_memory(op)

        def large(*values: Any) -> Any:
            from gramian.backends.local.disk.guard import with_room

            return with_room(self.home, op, in_memory, values)

        return self._kernel(op, large, max(1, self.budget.large // self.cell_bytes))

    def _reader(self, op: Op) -> Kernel:
        def read(*values: Any) -> Any:
            return op.kernel(*values, room=self.home)

        if self.precision == "double":
            return read
        from gramian.backends.local import single

        return single.narrowing(read)

    def kernel_in_memory(self, op: Op) -> Kernel:
        """The kernel for matrices in memory that asks for no room, for parts of a larger whole."""
        return op.kernel if op.name in INDIFFERENT else self._kernel(op)

    def _kernel(self, op: Op, large: Kernel | None = None, cells: float = inf) -> Kernel:
        """The kernel for matrices in memory; `large` is for those of at least so many cells, and those on disk."""

        def sparse(*values: Any) -> Any:
            with making_dense_if(self.has_room_for):
                try:
                    return sparse_kernel(op)(*values)
                except TooDenseError:
                    if not self.goes_through_panels:
                        raise
                    dense = [self.home.dense(value) for value in values]
            return (self.kernel(op) or op.kernel)(*dense)

        if self.precision == "double":
            return dispatching(op, self.dense_kernel(op), sparse, large, cells)
        from gramian.backends.local import single

        dense = self.dense_kernel(op)
        sparse = single.sparse_kernel_in_single(op, sparse)
        return single.narrowing(dispatching(op, dense, sparse, large, cells))

    def dense_kernel(self, op: Op) -> Kernel:
        """The kernel for dense matrices in memory, of the backend's precision."""
        if op.name in IMAGES:
            from gramian.backends.local.images.choice import ImagesKernel

            return ImagesKernel(op)
        if self.precision == "double":
            return op.kernel
        from gramian.backends.local.single import kernel_in_single

        return kernel_in_single(op)

    def has_room_for(self, size: int) -> bool:
        """May a sparse matrix become a dense one of so many bytes? What disk has no room for either has its own error."""
        return self.budget.keeps(size) or size > min(room_in(self.budget.scratch), machine_memory())

    def writable(self, target: Any) -> Any:
        """A copy of a matrix to write into by index."""
        cells = target.shape[0] * target.shape[1] if is_sparse(target) else 0
        dense = target.nbytes if isinstance(target, np.ndarray) else cells * self.cell_bytes
        if dense >= self.budget.large and cells <= DENSE_UP_TO:
            from gramian.backends.local.disk.index import copied

            return copied(self.home, target)
        return writable(target)

    def pipeline(self, pipeline: Pipeline) -> Kernel | None:
        from gramian.backends.local.fused.kernel import PipelineKernel, StoredKernel
        from gramian.backends.local.fused.stored import is_over_stored

        return StoredKernel(pipeline, self) if is_over_stored(pipeline) else PipelineKernel(pipeline, self)


def sparse_kernel(op: Op) -> Kernel:
    """The kernel of an operator for arguments some of which are sparse."""
    from gramian.backends.local.sparse import ANY, FIRST

    def dense(*values: Any) -> Any:
        return op.kernel(*(made_dense(op, value) for value in values))

    if op.name in FIRST:
        return lambda *values: (FIRST[op.name] if is_sparse(values[0]) else dense)(*values)
    return ANY.get(op.name, dense)
