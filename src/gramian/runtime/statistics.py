"""What a run spent its time on, operator by operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from time import perf_counter
from typing import Any

Counts = dict[str, tuple[float, int]]  # seconds and calls, by operator


@dataclass
class Statistics:
    """Time and number of calls by operator; scalar operators that run as plain Python are not counted."""

    seconds: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    total: float = 0.0  # seconds of the whole run
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    def timed(self, name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def run(*values: Any) -> Any:
            start = perf_counter()
            try:
                return kernel(*values)
            finally:
                self.add({name: (perf_counter() - start, 1)})

        return run

    def add(self, found: Counts) -> None:
        """Count seconds and calls, by operator."""
        with self._lock:
            for name, (seconds, calls) in found.items():
                self.seconds[name] = self.seconds.get(name, 0.0) + seconds
                self.counts[name] = self.counts.get(name, 0) + calls

    def take(self) -> Counts:
        """What was counted so far, for another process to add; counting starts again."""
        with self._lock:
            found = {name: (self.seconds[name], self.counts[name]) for name in self.seconds}
            self.seconds.clear()
            self.counts.clear()
        return found

    def heaviest(self, number: int) -> list[tuple[str, float, int]]:
        """The operators that took most time: name, seconds, calls."""
        ranked = sorted(self.seconds, key=lambda name: -self.seconds[name])
        return [(name, self.seconds[name], self.counts[name]) for name in ranked[:number]]
