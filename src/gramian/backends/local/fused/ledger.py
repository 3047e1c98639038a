"""What pipelines have cost so far without compiled loops, kept beside the loops for later processes.

A script that is run again and again gets its loops compiled once they would have repaid the compiler, even if no single run
takes that long.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from gramian.backends.local.fused.compiled import LOAD, folder, name_of, write

Function = tuple[str, str]  # source and signature


class Ledger:
    """The seconds that one pipeline took without its compiled functions: in this process, and in earlier ones."""

    def __init__(self) -> None:
        self.here = 0.0
        self._unsaved = 0.0

    def add(self, seconds: float, functions: Sequence[Function] | None) -> None:
        """Count seconds; with the functions that would have saved them, they are kept for others."""
        self.here += seconds
        self._unsaved += seconds
        place = folder()
        if place is None or not functions or self._unsaved < LOAD:
            return
        total = self._unsaved + _saved(functions)
        with suppress(OSError):  # a full disk only means that later processes do not know
            write(place / _file(functions), f"{total:.3f}")
        self._unsaved = 0.0

    def total(self, functions: Sequence[Function]) -> float:
        return max(self.here, self._unsaved + _saved(functions))


def _file(functions: Sequence[Function]) -> str:
    sources, signatures = zip(*functions, strict=True)
    return f"{name_of(''.join(sources), ''.join(signatures))}.seconds"


def _saved(functions: Sequence[Function]) -> float:
    place = folder()
    if place is None or not functions:
        return 0.0
    with suppress(OSError, ValueError):
        return float((place / _file(functions)).read_text(encoding="utf-8"))
    return 0.0
