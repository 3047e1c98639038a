"""Workers as threads: they share the memory, and run at the same time while they are in kernels that let others run."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from queue import Empty, SimpleQueue
from time import monotonic

from gramian.ir.cores import one_core
from gramian.runtime.parfor.body import Done, Task, Worker
from gramian.runtime.parfor.schedule import Chunks, NoRoomError

NAME = "gramian parfor"
PATIENCE = 1.0  # seconds that a thread has to end; what computes in C does not notice before it is done


class _Cancelled(BaseException):
    """Ends the work of a thread."""


class Threads:
    """A crew of threads. Each has a context of its own: its output, its random numbers."""

    def __init__(self, task: Task, size: int) -> None:
        self.size = size
        self._found: SimpleQueue[tuple[int, Sequence[Done]]] = SimpleQueue()
        self._inboxes: list[SimpleQueue[Chunks | None]] = [SimpleQueue() for _ in range(size)]
        self._busy: set[int] = set()
        self._threads: list[threading.Thread] = []
        try:
            for number in range(size):
                self._threads.append(_started(self._work, number, Worker(task)))
        except RuntimeError as error:  # how Python says that the system has no more threads
            self.stop()
            raise NoRoomError from error

    def _work(self, number: int, worker: Worker) -> None:
        with one_core(), suppress(_Cancelled):
            while (chunks := self._inboxes[number].get()) is not None:
                self._found.put((number, run_all(worker, chunks)))

    def give(self, worker: int, chunks: Chunks) -> None:
        self._busy.add(worker)
        self._inboxes[worker].put(chunks)

    def receive(self, timeout: float) -> tuple[int, Sequence[Done]] | None:
        try:
            number, found = self._found.get(timeout=timeout)
        except Empty:
            return None
        self._busy.discard(number)
        return number, found

    def stop(self) -> None:
        for inbox in self._inboxes:
            inbox.put(None)
        for number in self._busy:
            _end(self._threads[number])
        for number, thread in enumerate(self._threads):
            if number not in self._busy:
                thread.join()


def run_all(worker: Worker, chunks: Chunks) -> Sequence[Done]:
    """What a worker finds for chunks, up to the first that fails."""
    found: list[Done] = []
    for chunk in chunks:
        found.append(worker.run(chunk))
        if found[-1].error is not None:
            break
    return found


def _started(work: Callable[[int, Worker], None], number: int, worker: Worker) -> threading.Thread:
    context = copy_context()
    thread = threading.Thread(target=context.run, args=(work, number, worker), name=f"{NAME} {number + 1}", daemon=True)
    thread.start()
    return thread


def _end(thread: threading.Thread) -> None:
    """Have a thread end at its next step, as often as it takes: Python drops exceptions in what cleans up behind objects."""
    assert thread.ident is not None
    until = monotonic() + PATIENCE
    while thread.is_alive() and monotonic() < until:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(_Cancelled))
        thread.join(PATIENCE / 10)
