"""The local backend: NumPy arrays in memory."""

from __future__ import annotations

from gramian.backends.local.kernels import KERNELS
from gramian.ir.op import Op
from gramian.runtime.backend import Kernel


class LocalBackend:
    """Runs operators on this machine. Most have one NumPy kernel, their meaning; `KERNELS` holds those that have a faster one."""

    name = "local"

    def kernel(self, op: Op) -> Kernel | None:
        return KERNELS.get(op.name)
