"""The local backend: NumPy arrays and SciPy's sparse matrices in memory."""

from __future__ import annotations

from typing import Any

from gramian.backends.local.dispatch import dispatching, made_dense
from gramian.ir.fused import Pipeline
from gramian.ir.op import Op
from gramian.ir.sparse import is_sparse
from gramian.runtime.backend import Kernel

# These look at nothing but shapes, or take sparse matrices as they are.
INDIFFERENT = frozenset(
    {
        *("nrow", "ncol", "length", "list", "listIndex", "listAssign", "remove", "as.list"),
        *("cell", "print", "stop", "assert", "write", "eval", "evalList"),
    }
)


class LocalBackend:
    """Runs operators on this machine.

    An operator's own NumPy kernel serves dense matrices; for sparse ones there are kernels in `sparse`, which are
    imported when the first sparse matrix comes along. The precision is a matter of which kernels are bound.
    """

    name = "local"

    def __init__(self, precision: str = "double") -> None:
        self.precision = precision

    def kernel(self, op: Op) -> Kernel | None:
        if op.name in INDIFFERENT:
            return None

        def sparse(*values: Any) -> Any:
            return sparse_kernel(op)(*values)

        if self.precision == "double":
            return dispatching(op, op.kernel, sparse)
        from gramian.backends.local import single

        return single.narrowing(
            dispatching(op, single.kernel_in_single(op), single.sparse_kernel_in_single(op, sparse))
        )

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
