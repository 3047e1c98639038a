"""Workers as processes made by fork: they find everything as it was, and share the matrices that they write in place."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from mmap import mmap
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any, NoReturn

import numpy as np

from gramian.errors import GramianError, OperationError
from gramian.ir.cores import one_core
from gramian.runtime.failure import stack_above
from gramian.runtime.parfor.body import Done, Task, Worker
from gramian.runtime.parfor.cost import no_fork
from gramian.runtime.parfor.reports import Report
from gramian.runtime.parfor.schedule import Chunks, NoRoomError
from gramian.runtime.parfor.threads import run_all
from gramian.runtime.statistics import Counts, Statistics

PATIENCE = 2.0  # seconds that a process has to end when it is told to
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")  # of libraries that are still to be loaded

Explain = Callable[[Exception], GramianError]
End = Connection  # of a pipe


def shared_copy(value: Any) -> Any:
    """The same matrix in memory that copies of this process share."""
    if value.nbytes == 0:
        return value
    order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    try:
        memory = mmap(-1, value.nbytes)
    except OSError as error:
        raise MemoryError(f"{value.nbytes / 1e9:.1f} GB for a result of parfor that processes share") from error
    cells: Any = np.frombuffer(memory, value.dtype)
    shared = cells.reshape(value.shape, order=order)
    shared[:] = value
    return shared


def is_shared(value: Any) -> bool:
    while isinstance(value, np.ndarray):
        value = value.base
    return (
        type(value.obj if isinstance(value, memoryview) else value) is mmap
    )  # spare blocks are subclasses, and private


# -- in the script's process ------------------------------------------------------------------------------------------


class Processes:
    """A crew of processes."""

    def __init__(self, task: Task, size: int, statistics: Statistics | None, explain: Explain) -> None:
        self.size = size
        self._statistics = statistics
        self._processes: list[ForkProcess] = []
        self._ends: list[End[Any, Any]] = []
        self._busy: set[int] = set()
        child = Child(Worker(task), statistics, explain)
        try:
            for _ in range(size):
                self._start(child)
        except OSError as error:
            self.stop()
            raise NoRoomError from error
        except BaseException:
            self.stop()
            raise

    def _start(self, child: Child) -> None:
        ours, theirs = Pipe()
        self._ends.append(ours)
        process = ForkProcess(target=child.work, args=(theirs, tuple(self._ends)), daemon=True)
        with _interrupted_later(), no_fork, warnings.catch_warnings():
            # Newer Pythons warn of forks beside any other threads, those of libraries included.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
            self._processes.append(process)
            theirs.close()

    def give(self, worker: int, chunks: Chunks) -> None:
        self._busy.add(worker)
        try:
            self._ends[worker].send(chunks)
        except OSError:
            raise self._lost(worker) from None

    def receive(self, timeout: float) -> tuple[int, Sequence[Done]] | None:
        ready = wait([self._ends[worker] for worker in self._busy], timeout)
        if not ready:
            return None
        worker = next(number for number, end in enumerate(self._ends) if end is ready[0])
        try:
            found, report, counted = pickle.loads(self._ends[worker].recv_bytes())
        except (EOFError, OSError):
            raise self._lost(worker) from None
        self._busy.discard(worker)
        if report is not None:
            found[-1].error = report.error()
        if self._statistics is not None:
            self._statistics.add(counted)
        return worker, found

    def _lost(self, worker: int) -> OperationError:
        """The error of a process that ended by itself."""
        process = self._processes[worker]
        process.join(PATIENCE)
        status = process.exitcode
        how = f"by signal {-status}" if status is not None and status < 0 else f"with status {status}"
        hint = "if the machine ran out of memory, say par=1, or let the iterations need less of it"
        return OperationError(f"a worker process of parfor ended {how} in the midst of its work", hint)

    def stop(self) -> None:
        for worker, process in enumerate(self._processes):
            if worker in self._busy:
                process.terminate()
        for end in self._ends:
            end.close()  # which ends those that wait
        for process in self._processes:
            process.join(PATIENCE)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()


@contextmanager
def _interrupted_later() -> Iterator[None]:
    """Ctrl-C takes effect afterwards, so that it leaves no process that nobody knows."""
    if threading.current_thread() is not threading.main_thread():
        yield  # which gets no signals
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


# -- in one of the processes ------------------------------------------------------------------------------------------


class Child:
    """What one of the processes does."""

    def __init__(self, worker: Worker, statistics: Statistics | None, explain: Explain) -> None:
        self.worker = worker
        self.statistics = statistics
        self.explain = explain

    def work(self, end: End[Any, Any], others: Sequence[End[Any, Any]]) -> NoReturn:
        """Run what comes until the other end is closed, and end without a trace of the script's process."""
        status = 1
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the script's process gets it as well, and ends this one
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
            for other in others:
                other.close()
            self._counted()
            with one_core():
                while True:
                    end.send_bytes(self._answer(end.recv()))
        except (EOFError, ConnectionError):
            status = 0  # the loop is over, or the script's process is gone
        finally:
            os._exit(status)

    def _counted(self) -> Counts:
        return self.statistics.take() if self.statistics is not None else ({}, {})

    def _answer(self, chunks: Chunks) -> bytes:
        found = run_all(self.worker, chunks)
        error, found[-1].error = found[-1].error, None
        return pickle.dumps((found, self._report(error) if error else None, self._counted()), protocol=5)

    def _report(self, error: Exception) -> Report:
        whole = stack_above(error.__traceback__, sys._getframe(1))
        return Report.of(self.explain(error.with_traceback(whole)), error)
