"""Progress of a running script on a terminal.

A thread looks from time to time which line the script has reached, and what the loops around it are at. The script itself
does nothing for it, so that progress costs no time in its loops.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from gramian.ops.text import out
from gramian.runtime.codegen import Generated
from gramian.runtime.parfor.cost import no_fork
from gramian.runtime.parfor.loops import under_way

if TYPE_CHECKING:
    from rich.live import Live

QUIET = 1.5  # seconds; shorter scripts show nothing
EVERY = 0.25


class Progress:
    """Shows where the script is while the context is open."""

    def __init__(self, units: Mapping[str, Generated]) -> None:
        self.units = units
        self.script = threading.get_ident()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch, name="gramian progress", daemon=True)
        self.live: Live | None = None
        self.stack = ExitStack()

    def __enter__(self) -> Progress:
        if sys.stdout.isatty():
            self.stack.enter_context(out.to(self._write))
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, traceback: TracebackType | None) -> None:
        self.done.set()
        self.thread.join()
        self.stack.close()

    def _write(self, text: str) -> None:
        """What the script prints stays above the line that shows its progress."""
        if self.live is None:
            sys.stdout.write(text)
        else:
            self.live.console.out(text, end="", highlight=False)

    def _watch(self) -> None:
        if self.done.wait(QUIET):
            return
        with no_fork:
            from rich.console import Console
            from rich.live import Live
            from rich.spinner import Spinner

        spinner = Spinner("dots", self.describe() or "running")
        console = Console(stderr=True)
        # It gets no thread of its own: where there are threads that nobody knows, no loop has processes.
        self.live = Live(
            spinner,
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with self.live:
            while not self.done.wait(EVERY):
                spinner.update(text=self.describe() or "running")
                self.live.refresh()
        self.live = None

    def describe(self) -> str | None:
        """Where the script is: the loops that are running, outermost first, and the line."""
        frames = self._frames()
        if not frames:
            return None
        # The function that is the body of a parfor stands in the loops around it, and so does the function around it.
        parts = list(dict.fromkeys(part for frame in reversed(frames) for part in self._loops(frame)))
        parts += [
            f"{variable}: {tally.done} of {tally.total} done by {workers}" for variable, tally, workers in under_way
        ]
        span = self._unit(frames[0]).spans[frames[0].f_lineno - 1]
        if span is not None:
            text = span.source.line(span.line).strip()
            parts.append(f"line {span.line}: {text[:60]}")
        return ", ".join(parts).replace("[", r"\[")

    def _frames(self) -> list[FrameType]:
        """The script's own frames, innermost first."""
        frame = sys._current_frames().get(self.script)
        found = []
        while frame is not None:
            if frame.f_code.co_filename in self.units:
                found.append(frame)
            frame = frame.f_back
        return found

    def _unit(self, frame: FrameType) -> Generated:
        return self.units[frame.f_code.co_filename]

    def _loops(self, frame: FrameType) -> list[str]:
        values: dict[str, Any] = dict(frame.f_locals)
        found = []
        for first, last, variable, bound in self._unit(frame).loops:
            if first <= frame.f_lineno <= last and f"v_{variable}" in values:
                found.append(f"{variable} = {values[f'v_{variable}']}" + (f" of {bound}" if bound is not None else ""))
        return found
