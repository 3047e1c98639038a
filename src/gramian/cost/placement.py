"""Where values live and operators run: on the driver, which is this machine, or on the cluster, and why.

The same rule decides while a script runs and tells `explain` beforehand; then sizes may be unknown, and what else will be in
memory is. Costs are seconds of one pass over a matrix: what a matrix is worth keeping somewhere for is read again and again.

    a new matrix    begins on the driver, unless it does not fit there together with a result of its size and a pass over
                    the driver's disk takes longer than a job, or unless a job is clearly faster than the driver's memory
    an operator     runs where its operands are; with operands in both places, on the cluster, if it has a way there
    its result      comes back if that takes no longer than a job, which each later use on the cluster would cost; one with a
                    row for each row of an operand, which is likely to be used beside it, only if it is really small

With `-exec spark` a number of bytes decides instead of costs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from gramian.budget import default_size, room_in
from gramian.cost.memory import bytes_text
from gramian.ir.cores import cores
from gramian.settings import Settings

DRIVER, CLUSTER, LATER = "driver", "cluster", "?"
UNKNOWN_SIZE = "decided when the size is known"

# Rounded measurements of ordinary machines: only their magnitudes count.
JOB = 0.1  # seconds that a job takes beside its work: plans, tasks and answers
MEMORY_RATE = 10e9  # bytes of the driver's memory that a pass reads in a second, on all cores,
DISK_RATE = 1e9  # of its disk,
TASK_RATE = 1e9  # and of blocks, for each task of a job
BACK_RATE = 200e6  # bytes of results that come to the driver in a second, and go out again with a later job
CLEARLY = 2  # times as fast

FORCED = 1 << 20  # bytes of a matrix that goes to the cluster with `-exec spark`: for less, a job is never worth while
MOST_BACK = 1 << 25  # bytes of a result that comes back, whatever it costs
BACK_SHARE = 8  # a result takes at most this part of the driver's room
USUAL_TASKS = 16  # at a time, of a cluster of which nothing is known before it is asked

_LOCAL = re.compile(r"local\[ *(\d+)")
_LOCAL_CLUSTER = re.compile(r"local-cluster\[ *(\d+) *, *(\d+)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is, or runs: DRIVER, CLUSTER, or LATER if only the run will tell. `reason` is for people."""

    where: str
    reason: str

    @property
    def on_cluster(self) -> bool:
        return self.where == CLUSTER


@dataclass(frozen=True)
class Placement:
    """What decides. `room` are the bytes for values on the driver, `tasks` those that the cluster runs at a time.

    `least` is the size from which on matrices go to the cluster, whatever they cost; None: costs decide. `keeps` asks
    whether there is room for so many bytes now; without it all of the room counts.
    """

    room: int
    tasks: int = USUAL_TASKS
    least: int | None = None
    keeps: Callable[[int], bool] | None = field(default=None, compare=False)

    def back(self, beside: bool = False) -> int:
        """The bytes from which on results stay on the cluster; those `beside` an operand have its rows."""
        if self.least is not None:
            return min(MOST_BACK, self.least)
        return int(min(FORCED if beside else MOST_BACK, JOB * BACK_RATE, self.room / BACK_SHARE))

    def new(self, size: int | None) -> Place:
        """The place of a matrix that begins: one that is read, or made of numbers."""
        if size is None:
            return Place(LATER, UNKNOWN_SIZE)
        if self.least is not None:
            many = size >= self.least
            rule = f"{bytes_text(size)}: {'at least' if many else 'less than'} {bytes_text(self.least)}"
            return Place(CLUSTER if many else DRIVER, f"{rule}, with -exec spark")
        return self._cheapest(size)

    def _cheapest(self, size: int) -> Place:
        job = self.job_seconds(size)
        if self.fits(size):
            pass_ = size / MEMORY_RATE
            if CLEARLY * job <= pass_:
                return Place(CLUSTER, f"{bytes_text(size)}: a pass takes {_s(job)} there, {_s(pass_)} on the driver")
            return Place(DRIVER, f"{bytes_text(size)} fit into the driver's {bytes_text(self.room)}")
        pass_ = size / DISK_RATE
        if job < pass_:
            return Place(
                CLUSTER, f"{bytes_text(size)} and a result like it do not fit into the driver's {bytes_text(self.room)}"
            )
        return Place(DRIVER, f"{bytes_text(size)}, perhaps on disk: a pass takes {_s(pass_)}, a job {_s(job)}")

    def fits(self, size: int) -> bool:
        """Is there room on the driver for a matrix and a result of its size?"""
        need = 2 * size
        return need <= self.room and (self.keeps is None or self.keeps(need))

    def job_seconds(self, size: int) -> float:
        """What a pass over so many bytes takes on the cluster."""
        return JOB + size / (self.tasks * TASK_RATE)

    def result(self, size: int | None, *, beside: bool = False, added_up: bool = False) -> str:
        """Where the result of an operator that runs on the cluster is then; one that is `added_up` is a sum over panels."""
        if size is None:
            return LATER
        return DRIVER if self.comes_back(size, beside) or (added_up and size <= MOST_BACK) else CLUSTER

    def comes_back(self, size: int, beside: bool = False) -> bool:
        """Is a result of so many bytes small enough for the driver? One `beside` an operand has its rows."""
        return size < self.back(beside)


def beside(operand: str, results: Iterable[tuple[int | None, str]]) -> Place:
    """The place of an operator of which an operand is on the cluster; `results` are their sizes, and where they are then."""
    sizes: dict[str, int] = {}
    for size, where in results:
        sizes[where] = sizes.get(where, 0) + (size or 0)
    said = [f"{operand} is on the cluster"]
    said += [f"{bytes_text(sizes[DRIVER])} come back"] if DRIVER in sizes else []
    said += [f"{bytes_text(sizes[CLUSTER])} stay there"] if CLUSTER in sizes else []
    said += [f"whether the result comes back is {UNKNOWN_SIZE}"] if LATER in sizes else []
    return Place(CLUSTER, "; ".join(said))


def placement_for(settings: Settings) -> Placement:
    """The rule of a run with a cluster."""
    least = FORCED if settings.mode == "spark" else None
    return Placement(room_in(settings.memory or default_size()), tasks_of(settings.master), least)


def tasks_of(master: str | None) -> int:
    """The tasks that a cluster runs at a time, as far as the URL of its master tells."""
    text = master or "local[*]"  # as `-exec spark` has it
    if found := _LOCAL_CLUSTER.match(text):
        return int(found[1]) * int(found[2])
    if found := _LOCAL.match(text):
        return int(found[1])
    return 1 if text == "local" else cores() if text.startswith("local[") else USUAL_TASKS


def _s(seconds: float) -> str:
    return f"{seconds:.2g} s"
