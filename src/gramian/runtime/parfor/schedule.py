"""Giving chunks of iterations to workers, and merging what comes back in the order of the iterations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Protocol

from gramian.ops.text import out
from gramian.runtime.parfor.body import Done, Task, Variables

Chunks = Sequence[range]

LONG_ENOUGH = 0.01  # seconds; shorter chunks are given to a worker together, since each message costs something
AHEAD = 16  # tasks for each worker that may be done before the first one is, which keeps what waits for it small
LOOK = 0.02  # seconds between two looks at how the loop goes


class NoRoomError(Exception):
    """The system allows no more threads or processes."""


class Crew(Protocol):
    """Workers that run chunks."""

    size: int

    def give(self, worker: int, chunks: Chunks) -> None:
        """Have an idle worker run chunks, one after the other, until one fails."""

    def receive(self, timeout: float) -> tuple[int, Sequence[Done]] | None:
        """The number of a worker that is idle again, and what it found; None if there is none in that time."""

    def stop(self) -> None:
        """End all workers, also in the midst of their work."""


class Merge:
    """Puts what workers found into the variables of the script. To be called in the order of the iterations."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.variables = Variables(task.body)
        self._mine = set(task.shared)  # variables whose matrix nobody else holds

    def __call__(self, done: Done) -> None:
        for text in done.printed:
            out.write(text)
        if done.error is not None:
            raise done.error
        for name, found in done.sums.items():
            self.variables.set(name, self.task.plus(self.variables[name], found))
        for name, change in done.changes.items():
            self.variables.set(name, change(self.variables[name], name in self._mine))
            self._mine.add(name)


@dataclass
class Tally:
    """How a run of a loop goes. Seconds are of work; `started` and the rest of them of a clock."""

    total: int  # iterations
    done: int = 0
    seconds: float = 0.0
    measured: int = 0  # iterations whose seconds are known

    def add(self, iterations: int, seconds: float) -> None:
        self.done += iterations
        self.measured += iterations
        self.seconds += seconds

    @property
    def pace(self) -> float | None:
        """Seconds of work for an iteration."""
        return self.seconds / self.measured if self.measured else None


@dataclass
class Schedule:
    """Has a crew run chunks. `enough` is asked now and then whether to give out no more of them."""

    crew: Crew
    chunks: Chunks
    merge: Callable[[Done], Any]
    tally: Tally
    enough: Callable[[bool], bool]
    given: int = 0
    front: int = 0  # of the chunks, what is merged
    found: dict[int, Done] = field(default_factory=dict)
    busy: set[int] = field(default_factory=set)
    open: bool = True

    def run(self) -> Chunks:
        """Returns the chunks that were not given out.

        Raises:
            Exception: that of the first iteration that fails.
        """
        try:
            self._feed()
            looked = perf_counter()
            while self.busy:
                self._receive(self.crew.receive(LOOK))
                if self.open and perf_counter() - looked > LOOK:
                    looked = perf_counter()
                    self.open = not self.enough(self.given < len(self.chunks))
                self._feed()
        finally:
            self.crew.stop()
        return self.chunks[self.given :]

    def _feed(self) -> None:
        """Give idle workers something to do."""
        for worker in range(self.crew.size):
            left = len(self.chunks) - self.given
            if worker in self.busy or not self.open or not left:
                continue
            count = self._together(left)
            if self.given - self.front >= AHEAD * self.crew.size * count:
                continue
            self.crew.give(worker, self.chunks[self.given : self.given + count])
            self.given += count
            self.busy.add(worker)

    def _together(self, left: int) -> int:
        """How many chunks are worth a message, as long as that leaves enough to spread."""
        pace = self.tally.pace
        if not pace:
            return 1
        seconds = pace * len(self.chunks[self.given])
        return max(1, min(int(LONG_ENOUGH / seconds), left // (2 * self.crew.size)))

    def _receive(self, message: tuple[int, Sequence[Done]] | None) -> None:
        if message is None:
            return
        worker, found = message
        self.busy.discard(worker)
        for done in found:
            self.found[done.chunk.start] = done
            self.tally.add(len(done.chunk), done.seconds)
            if done.error is not None:
                self.open = False
        while self.front < self.given and self.chunks[self.front].start in self.found:
            self.merge(self.found.pop(self.chunks[self.front].start))
            self.front += 1
