"""Threads for kernels that release the interpreter: one pool for the process, and chunks of work on all cores."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

import numpy as np

from gramian.ir.cores import cores

Item = TypeVar("Item")
Result = TypeVar("Result")


@cache
def pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores(), thread_name_prefix="gramian kernel")


def in_parallel(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """`work` of each item, in the order of the items. The calling thread works as well.

    Of several errors that of the first item is raised, whatever the threads do.
    """
    workers = min(cores(), len(items))
    if workers < 2:
        return [work(item) for item in items]
    results: list[Any] = [None] * len(items)
    queue = iter(range(len(items)))
    lock = threading.Lock()
    failed: dict[int, BaseException] = {}

    def take() -> None:
        with np.errstate(all="ignore"):
            while not failed:
                with lock:
                    at = next(queue, None)
                if at is None:
                    return
                try:
                    results[at] = work(items[at])
                except BaseException as error:
                    failed[at] = error

    others = [pool().submit(take) for _ in range(workers - 1)]
    take()
    for other in others:
        if not other.cancel():  # it may wait for threads that are busy with work that waits for this one
            other.result()
    if failed:
        raise failed[min(failed)]
    return results
