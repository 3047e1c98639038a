"""The protocol of a backend, and how an operator finds its kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from gramian.ir.op import Op

Kernel = Callable[..., Any]


class Backend(Protocol):
    """Where operators run. A backend without a kernel for an operator leaves it to the operator's own meaning."""

    name: str

    def kernel(self, op: Op) -> Kernel | None:
        """The backend's kernel of an operator, or None."""


def kernel_of(op: Op, backend: Backend) -> Kernel:
    return backend.kernel(op) or op.kernel
