"""Kernels for sparse matrices. `KERNELS` has them by operator; what is not there gets its sparse arguments dense."""

from __future__ import annotations

from collections.abc import Mapping

from gramian.backends.local.sparse import aggregate, elementwise, index, matmul, reorg, select
from gramian.runtime.backend import Kernel

KERNELS: Mapping[str, Kernel] = {
    **elementwise.KERNELS,
    **aggregate.KERNELS,
    **matmul.KERNELS,
    **reorg.KERNELS,
    **select.KERNELS,
    **index.KERNELS,
}
