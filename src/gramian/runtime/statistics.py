"""What a run spent its time on, operator by operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from time import perf_counter
from typing import Any

Counts = tuple[dict[str, tuple[float, int]], dict[str, int]]  # seconds and calls by operator, and what else happened


@dataclass
class Statistics:
    """Time and number of calls by operator; scalar operators that run as plain Python are not counted."""

    seconds: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)  # how often something else happened
    total: float = 0.0  # seconds of the whole run
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    def timed(self, name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def run(*values: Any) -> Any:
            start = perf_counter()
            try:
                return kernel(*values)
            finally:
                with self._lock:
                    self._add(name, perf_counter() - start, 1)

        return run

    def _add(self, name: str, seconds: float, calls: int) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        self.counts[name] = self.counts.get(name, 0) + calls

    def count(self, what: str, times: int = 1) -> None:
        """Something else happened."""
        with self._lock:
            self.counters[what] = self.counters.get(what, 0) + times

    def add(self, found: Counts) -> None:
        """Count what another process counted."""
        operators, others = found
        with self._lock:
            for name, (seconds, calls) in operators.items():
                self._add(name, seconds, calls)
        for what, times in others.items():
            self.count(what, times)

    def take(self) -> Counts:
        """What was counted so far, for another process to add; counting starts again."""
        with self._lock:
            found = {name: (self.seconds[name], self.counts[name]) for name in self.seconds}, dict(self.counters)
            for counts in (self.seconds, self.counts, self.counters):
                counts.clear()
        return found

    def heaviest(self, number: int) -> list[tuple[str, float, int]]:
        """The operators that took most time: name, seconds, calls."""
        ranked = sorted(self.seconds, key=lambda name: -self.seconds[name])
        return [(name, self.seconds[name], self.counts[name]) for name in ranked[:number]]
