"""A side as a process: what it printed, how long it took, and how much memory it and the processes that it started had."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1]
OFTEN = 0.05  # seconds between looks at the processes
LAST = 3000  # characters of what a process that failed has said


class FailedError(Exception):
    """A process failed; the message is the end of what it said."""


@dataclass
class Peaks:
    """The most bytes that were resident in the first process, in Java, and in one of the other processes (workers)."""

    driver: int = 0
    java: int = 0
    worker: int = 0

    def look(self, pid: int) -> None:
        """Take note of what a process and those below it have had until now."""
        for found in family(pid):
            name, peak = _status(found)
            if found == pid:
                self.driver = max(self.driver, peak)
            elif name.startswith("java"):
                self.java = max(self.java, peak)
            else:
                self.worker = max(self.worker, peak)


@dataclass(frozen=True)
class Done:
    printed: str
    seconds: float
    peaks: Peaks = field(default_factory=Peaks)


def run(command: Sequence[str], environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> Done:
    """Run a process to its end. Peaks are zero where there is no /proc.

    Raises:
        FailedError: it failed.
    """
    peaks = Peaks()
    start = time.perf_counter()
    paths = [str(BENCHMARKS), *filter(None, [os.environ.get("PYTHONPATH")])]
    around = os.environ | {"PYTHONPATH": os.pathsep.join(paths)} | dict(environment or {})
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out, tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        process = subprocess.Popen(command, stdout=out, stderr=said, env=around, cwd=cwd)
        try:
            while process.poll() is None:
                peaks.look(process.pid)
                time.sleep(OFTEN)
        finally:
            process.kill()
            process.wait()
        seconds = time.perf_counter() - start
        printed, errors = (file.seek(0) or file.read() for file in (out, said))
    if process.returncode:
        raise FailedError(f"{' '.join(command[:4])} ... ended with {process.returncode}:\n{(printed + errors)[-LAST:]}")
    return Done(printed, seconds, peaks)


def family(pid: int) -> Iterator[int]:
    """A process and those that it, or one of them, has started."""
    yield pid
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = file.read_text().split()
        except OSError:  # it has just ended
            continue
        for child in children:
            yield from family(int(child))


def _status(pid: int) -> tuple[str, int]:
    """The name of a process, and the most that it had resident."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return "", 0
    found = dict(line.split(":", 1) for line in lines if ":" in line)
    peak = found.get("VmHWM", "0").split()[0]
    return found.get("Name", "").strip(), int(peak) * 1024
