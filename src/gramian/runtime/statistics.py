"""What a run spent its time on: operator by operator, and for each operator place by place.

A timed kernel looks at the generated code that called it: which instruction of which function that is. What this says
about the script is found out when somebody asks, so that a call costs two looks at the clock and little else, and a run
without statistics nothing at all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from time import perf_counter
from types import CodeType
from typing import Any, NamedTuple

from gramian.cost.memory import bytes_text
from gramian.ir.brief import pipeline_text
from gramian.ir.fused import FUSED
from gramian.ir.node import Node
from gramian.ir.program import Program
from gramian.runtime.codegen import Generated, Site, site_of
from gramian.source import Span

PIPELINE = "pipeline"

# What a cluster counts; what begins with these words has a unit in reports.
SPARK_JOBS = "Spark jobs"
JOB_TIME = "microseconds in Spark jobs"
SENT = "bytes sent to the cluster"
RECEIVED = "bytes from the cluster"
SHUFFLED = "bytes shuffled"
MADE_AGAIN = "blocks made again"


class Call(NamedTuple):
    """An operator called from one place in generated code, which is known by its file name."""

    name: str
    file: str
    site: Site | None


Kernel = Callable[..., Any]
Calls = dict[Call, tuple[float, int]]  # seconds and number of calls
Counts = tuple[Calls, dict[str, int]]  # and what else happened


@dataclass(frozen=True, slots=True)
class Timing:
    """The calls of an operator from one place. `node` is what was computed there, if known; `file` is the generated code."""

    name: str
    seconds: float
    calls: int
    span: Span | None
    node: Node | None
    file: str


@dataclass(frozen=True, slots=True)
class Total:
    """All calls of an operator; `span` is the place of those that took most time."""

    name: str
    seconds: float
    calls: int
    span: Span | None


Count = Callable[[str, int], None]


def uncounted(what: str, times: int = 1) -> None:
    """What takes the place of `Statistics.count` in a run without statistics."""


def counter_texts(what: str, times: int) -> tuple[str, str]:
    """What was counted, and how often, for people: `sent to the cluster` and `1.2 MB`."""
    unit, _, rest = what.partition(" ")
    match unit:
        case "bytes":
            return rest, bytes_text(times)
        case "microseconds":
            return f"time {rest}", f"{times / 1e6:.3f} s"
    return what, str(times)


def untimed(name: str, kernel: Kernel) -> Kernel:
    """What takes the place of `Statistics.timed` in a run without statistics."""
    return kernel


@dataclass
class Statistics:
    """Time and number of calls; scalar operators that run as plain Python are not counted.

    `counters` are other things that a run counts, by what they are called in the report. `units` is the generated code
    by file names; `parts` are those of them that were compiled while the script ran, as programs whose main function is the
    rest of a region.
    """

    total: float = 0.0  # seconds of the whole run
    counters: dict[str, int] = field(default_factory=dict)
    units: dict[str, Generated] = field(default_factory=dict, repr=False)
    parts: dict[str, Program] = field(default_factory=dict, repr=False)
    _calls: Calls = field(default_factory=dict, repr=False)
    _running: dict[tuple[str, CodeType, int], list[float]] = field(default_factory=dict, repr=False)
    _known: frozenset[str] | None = field(default=None, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    def timed(self, name: str, kernel: Kernel) -> Kernel:
        """The kernel of an operator, timed."""
        record = self.record

        def run(*values: Any) -> Any:
            frame = sys._getframe(1)
            code, instruction = frame.f_code, frame.f_lasti
            start = perf_counter()
            try:
                return kernel(*values)
            finally:
                record(name, code, instruction, perf_counter() - start)

        return run

    def record(self, name: str, code: CodeType, instruction: int, seconds: float) -> None:
        """Count a call from an instruction."""
        with self._lock:
            found = self._running.setdefault((name, code, instruction), [0.0, 0])
            found[0] += seconds
            found[1] += 1

    def count(self, what: str, times: int = 1) -> None:
        """Something else happened."""
        with self._lock:
            self.counters[what] = self.counters.get(what, 0) + times

    def calls(self) -> Calls:
        """Seconds and calls, by operator and place."""
        with self._lock:
            for (name, code, instruction), (seconds, calls) in self._running.items():
                self._add(Call(name, code.co_filename, site_of(code, instruction)), seconds, int(calls))
            self._running.clear()
            return dict(self._calls)

    def _add(self, call: Call, seconds: float, calls: int) -> None:
        before = self._calls.get(call, (0.0, 0))
        self._calls[call] = (before[0] + seconds, before[1] + calls)

    def add(self, found: Counts) -> None:
        """Count what another process counted."""
        calls, others = found
        with self._lock:
            for call, measured in calls.items():
                self._add(call, *measured)
        for what, times in others.items():
            self.count(what, times)

    def take(self) -> Counts:
        """What was counted so far, for another process to add; counting starts again.

        That process knows the code that there was when this one first did so.
        """
        if self._known is None:
            self._known = frozenset(self.units)
        found, told = self.calls(), Statistics()
        for call, measured in found.items():
            told.add(({call if call.file in self._known else Call(call.name, "", None): measured}, {}))
        others = dict(self.counters)
        with self._lock:
            self._calls.clear()
            self.counters.clear()
        return told.calls(), others

    def timings(self) -> list[Timing]:
        """Every operator at every place that called it, in the order of the first calls."""
        return [self._timing(call, *measured) for call, measured in self.calls().items()]

    def _timing(self, call: Call, seconds: float, calls: int) -> Timing:
        generated = self.units.get(call.file)
        if call.site is None or generated is None:  # another kernel, or in code that only another process had
            return Timing(call.name, seconds, calls, None, None, call.file)
        node, item, span = generated.meaning(call.site)
        name = call.name
        if name == PIPELINE and node is not None and node.op is FUSED:
            name = f"{PIPELINE}: {pipeline_text(node, item)}"
        return Timing(name, seconds, calls, span, node, call.file)

    def heaviest(self, number: int | None = None) -> list[Total]:
        """The operators that took most time, the heaviest first."""
        by_name: dict[str, list[Timing]] = {}
        for timing in self.timings():
            by_name.setdefault(timing.name, []).append(timing)
        totals = []
        for name, found in by_name.items():
            place = max(found, key=lambda timing: timing.seconds).span
            totals.append(Total(name, sum(t.seconds for t in found), sum(t.calls for t in found), place))
        return sorted(totals, key=lambda total: -total.seconds)[:number]
