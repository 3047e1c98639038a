"""How many cores a piece of work may use: all that the process has, but one inside a worker of a parallel loop."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

_limit: ContextVar[int | None] = ContextVar("cores", default=None)


def cores() -> int:
    """The cores that work in this context may use. Whoever starts threads asks here, so that loops and kernels
    together do not start more than there are cores."""
    limit = _limit.get()
    if limit is not None:
        return limit
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def limited(cores: int) -> Iterator[None]:
    """Meanwhile work in this context uses so many cores."""
    before = _limit.set(cores)
    try:
        yield
    finally:
        _limit.reset(before)


def one_core() -> AbstractContextManager[None]:
    """Meanwhile work in this context uses one core."""
    return limited(1)
