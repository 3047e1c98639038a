"""What a run spent its time on, operator by operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any


@dataclass
class Statistics:
    """Time and number of calls by operator; scalar operators that run as plain Python are not counted."""

    seconds: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)  # how often something else happened
    total: float = 0.0  # seconds of the whole run

    def timed(self, name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def run(*values: Any) -> Any:
            start = perf_counter()
            try:
                return kernel(*values)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - start
                self.counts[name] = self.counts.get(name, 0) + 1

        return run

    def heaviest(self, number: int) -> list[tuple[str, float, int]]:
        """The operators that took most time: name, seconds, calls."""
        ranked = sorted(self.seconds, key=lambda name: -self.seconds[name])
        return [(name, self.seconds[name], self.counts[name]) for name in ranked[:number]]
