"""Kernels for sparse matrices, by operator; what is not here gets its sparse arguments dense."""

from __future__ import annotations

from collections.abc import Mapping

from gramian.backends.local.sparse import aggregate, elementwise, index, matmul, reorg, select
from gramian.runtime.backend import Kernel

# With any of their arguments sparse.
ANY: Mapping[str, Kernel] = {**elementwise.KERNELS, **matmul.KERNELS, **reorg.BINDING}

# With their first argument sparse, and the others either way.
FIRST: Mapping[str, Kernel] = {**aggregate.KERNELS, **reorg.KERNELS, **select.KERNELS, **index.KERNELS}
