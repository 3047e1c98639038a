"""How many cores a piece of work may use: all that the process has, but one inside a worker of a parallel loop."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_alone: ContextVar[bool] = ContextVar("one core only", default=False)


def cores() -> int:
    """The cores that work in this context may use. Whoever starts threads asks here, so that loops and kernels
    together do not start more than there are cores."""
    if _alone.get():
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def one_core() -> Iterator[None]:
    """Meanwhile work in this context uses one core."""
    before = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(before)
