"""The threads of numerical libraries, which must not come on top of the workers of a loop."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from gramian.ir.op import Op

# Libraries of their own, with their own threads, which are loaded when the first operator needs them.
_LOADED_LATE = {"linalg": "scipy.linalg"}

_known: tuple[int, Any] | None = None


@contextmanager
def one_thread_each(operators: Iterable[Op]) -> Iterator[None]:
    """Meanwhile each call of a library computes in its own thread only; `operators` are those that may be called."""
    for family in {op.family for op in operators} & _LOADED_LATE.keys():
        import_module(_LOADED_LATE[family])  # here, since what is loaded later has threads again
    with _controller().limit(limits=1):
        yield


def _controller() -> Any:
    """Finds the libraries again only if more may have been loaded, since that takes milliseconds."""
    global _known
    if _known is None or _known[0] != len(sys.modules):
        from threadpoolctl import ThreadpoolController

        controller = ThreadpoolController()
        _known = (len(sys.modules), controller)
    return _known[1]
