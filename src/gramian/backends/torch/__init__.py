"""The torch backend: PyTorch's kernels for products and convolutions, all else as on the local backend.

It comes with the extra `gramian[torch]`. Matrices stay NumPy arrays, whose memory PyTorch's CPU kernels share; where there
is a GPU, the operands of heavy operators are copied to it and their result back.
"""

from __future__ import annotations

from importlib.util import find_spec

from gramian.backends.local import LocalBackend
from gramian.budget import Budget
from gramian.errors import UsageError
from gramian.ir.op import Op
from gramian.runtime.backend import Kernel


class TorchBackend(LocalBackend):
    """Runs what PyTorch has kernels for by them.

    Raises:
        UsageError: PyTorch is not installed.
    """

    name = "torch"

    def __init__(self, precision: str = "double", budget: Budget | None = None) -> None:
        if find_spec("torch") is None:
            raise UsageError("`-exec torch` and precision bfloat16 need PyTorch: pip install 'gramian[torch]'")
        super().__init__(precision, budget)

    def dense_kernel(self, op: Op) -> Kernel:
        from gramian.backends.torch.kernels import kernel_of

        return kernel_of(op, self.precision == "bfloat16") or super().dense_kernel(op)
