"""What the ways of running a parfor take, from what the loop looks like and from what its runs have shown."""

from __future__ import annotations

import math
import os
import sys
import threading
from dataclasses import dataclass
from enum import Enum

from gramian.ir.node import CALL, Node, walk
from gramian.ir.program import For, If, Region, While, item_roots, items, nodes
from gramian.ir.types import Kind


class Way(Enum):
    SEQUENTIAL = "one after the other"
    THREADS = "by threads"
    PROCESSES = "by processes"
    CLUSTER = "on other machines"


# Seconds, as measured on a machine of 2023. They matter for loops of some milliseconds only.
START_THREADS = 0.002
START_PROCESSES = 0.010
START_PROCESS = 0.003  # for each of them
START_JOB = 0.25  # on a cluster
SECONDS_PER_BYTE_SHARED = 1 / 2e9  # copied into shared memory
SECONDS_PER_BYTE_SENT = 1 / 5e8  # through a pipe
SECONDS_PER_BYTE_CARRIED = 1 / 5e7  # to other machines
WORTH = 0.8  # another way must promise to take less than this part of the time


@dataclass
class Pace:
    """What the runs of a loop have shown: seconds of an iteration, and how many times faster threads made it."""

    seconds: float | None = None
    speedup: float | None = None


@dataclass(frozen=True)
class Outlook:
    """What is left of a loop: its seconds on one core, and the bytes that processes would share and send.

    `cores` are those of other machines that it may go to, which are 0 if there are none, and `carried` what it reads.
    """

    seconds: float
    workers: int
    speedup: float | None
    can_fork: bool
    shared: int = 0
    sent: int = 0
    cores: int = 0
    carried: int = 0

    def cost(self, way: Way) -> float:
        """The seconds that a way would take."""
        match way:
            case Way.SEQUENTIAL:
                return self.seconds
            case Way.THREADS:
                return START_THREADS + self.seconds / min(self.speedup or self.workers, self.workers)
            case Way.CLUSTER:
                carried = (self.carried + self.shared + self.sent) * SECONDS_PER_BYTE_CARRIED
                return START_JOB + self.seconds / self.cores + carried
        moved = self.shared * SECONDS_PER_BYTE_SHARED + self.sent * SECONDS_PER_BYTE_SENT
        return START_PROCESSES + START_PROCESS * self.workers + self.seconds / self.workers + moved

    def best(self, now: Way = Way.SEQUENTIAL) -> Way:
        """The way to go on, which is that of now unless another one pays."""
        ways = [Way.THREADS, *([Way.PROCESSES] if self.can_fork else []), *([Way.CLUSTER] if self.cores else [])]
        best = min(ways, key=self.cost)
        rest = self.cost(now) if now is Way.SEQUENTIAL else self.cost(now) - START_THREADS
        return best if self.cost(best) < WORTH * rest else now


no_fork = (
    threading.Lock()
)  # held by threads of gramian while they hold what a worker may need, such as Python's for imports


def can_fork() -> bool:
    """Is it safe to make copies of this process?

    In a copy there is only the thread that made it, so locks that another one holds are never released. The threads of
    gramian hold none that a worker needs; of others nothing is known. On macOS, system libraries do not work in copies.
    """
    if not hasattr(os, "fork") or sys.platform == "darwin":
        return False
    multiprocessing = sys.modules.get("multiprocessing.process")
    if multiprocessing is not None and multiprocessing.current_process().daemon:
        return False
    if "grpc" in sys.modules:  # its connections, which Spark Connect uses, and its threads, which Python does not know
        return False
    this = threading.current_thread()
    known = (thread is this or thread.name.startswith("gramian ") for thread in threading.enumerate())
    return this is threading.main_thread() and all(known)


# -- what can be seen before a loop runs ------------------------------------------------------------------------------

SHORT = 0.005  # seconds
_STEP = 3e-6  # seconds of an operator on small matrices
_CELL = 1e-9  # for each pair of cells in a row or column of its operands: no operator takes much more
_UNKNOWN = ("eval", "evalList", "paramserv", "read", "write")  # what these take cannot be seen


def loops_inside(item: For) -> bool:
    """Does an iteration run loops of its own, or functions? Otherwise only large operators can make it long."""
    inside = any(isinstance(inner, For | While) for inner in items(item.body))
    return inside or any(node.op is CALL or node.op.functions for node in nodes(item.body))


def surely_short(item: For, iterations: int) -> bool:
    """Is it certain, from sizes that are known, that a loop takes next to no time?"""
    return iterations * _seconds(item.body) < SHORT


def _seconds(region: Region) -> float:
    """A time that a region hardly exceeds; infinite if that is unknown."""
    total = 0.0
    for item in region:
        total += sum(map(_node_seconds, walk(item_roots(item))))
        match item:
            case While():
                return math.inf
            case If(then=then, orelse=orelse):
                total += _seconds(then) + _seconds(orelse)
            case For(body=body):
                total += _trips(item) * _seconds(body)
    return total


def _trips(item: For) -> float:
    """How often the body of a loop is run, at least 1; infinite if that is unknown."""
    start, stop = item.start.type.int_value(), item.stop.type.int_value()
    return math.inf if start is None or stop is None else abs(stop - start) + 1


def _node_seconds(node: Node) -> float:
    if node.op is CALL or node.op.name in _UNKNOWN:
        return math.inf
    types = [node.type, *node.type.items, *(arg.type for arg in node.args)]
    large = [type for type in types if type.kind in (Kind.MATRIX, Kind.FRAME)]
    if not node.args or not large:
        return _STEP / 10
    cells = [type.cells for type in large]
    known = [count for count in cells if count is not None]
    return math.inf if len(known) < len(cells) else _STEP + _CELL * float(sum(known)) ** 1.5
