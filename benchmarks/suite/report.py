"""Figures as lines of text while they are measured, and as a Markdown table of the latest of every workload and peer."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from suite.sides import GRAMIAN
from suite.turns import Measured
from suite.workload import WORKLOADS

RESULTS = Path(__file__).parents[1] / "results"
HEAD = f"{'workload':<20} {'first':>10} {'gramian':>10} {'peer':>10} {'faster':>7} {'target':>7}        peer"
COLUMNS = (
    "workload",
    "gramian, first",
    "gramian",
    "peer",
    "",
    "times faster",
    "target",
    "",
    "turns",
    "measured",
    "load",
)


@dataclass(frozen=True)
class Figure:
    """What one run found about a workload and a peer: medians in seconds, and how busy the machine was before it."""

    workload: str
    peer: str
    first: float
    ours: float
    theirs: float
    target: float | None
    turns: int
    measured: str
    load: float

    @property
    def faster(self) -> float:
        return self.theirs / self.ours

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        return "met" if self.faster >= self.target else "missed"

    def line(self) -> str:
        target = "" if self.target is None else f"{self.target:g}"
        return (
            f"{self.workload:<20} {_time(self.first):>10} {_time(self.ours):>10} {_time(self.theirs):>10} "
            f"{self.faster:>7.2f} {target:>7} {self.verdict:<6} {self.peer}"
        )

    def cells(self, title: str) -> tuple[str, ...]:
        faster = f"**{self.faster:.2f}**" if self.verdict == "missed" else f"{self.faster:.2f}"
        target = "" if self.target is None else f"{self.target:g}"
        times = (_time(self.first), _time(self.ours), self.peer, _time(self.theirs))
        return (title, *times, faster, target, self.verdict, str(self.turns), self.measured, f"{self.load:.1f}")


def agreement(measured: Measured) -> list[str]:
    """A line for each peer: how far the results are apart."""
    return [
        f"{measured.workload.name:<20} {peer:<12} agree to {difference:.0e}, tolerance {measured.workload.tolerance:.0e}"
        for peer, difference in measured.differences.items()
    ]


def figures(measured: Measured, load: float) -> list[Figure]:
    ours = measured.median(GRAMIAN)
    now = datetime.now().isoformat(" ", "minutes")
    return [
        Figure(
            measured.workload.name,
            peer,
            measured.first,
            ours,
            measured.median(peer),
            measured.workload.targets[peer],
            len(seconds),
            now,
            load,
        )
        for peer, seconds in measured.seconds.items()
        if peer != GRAMIAN
    ]


def keep(new: Sequence[Figure], notes: Sequence[str]) -> Path:
    """Add figures to those of earlier runs, in place of older ones of the same workload and peer, and write the table."""
    file = RESULTS / "workloads.json"
    known = [Figure(**each) for each in json.loads(file.read_text())] if file.exists() else []
    latest = {(figure.workload, figure.peer): figure for figure in (*known, *new)}
    RESULTS.mkdir(exist_ok=True)
    file.write_text(json.dumps([asdict(figure) for figure in latest.values()], indent=1))
    table = RESULTS / "workloads.md"
    table.write_text(markdown(latest, notes))
    return table


def markdown(latest: dict[tuple[str, str], Figure], notes: Sequence[str]) -> str:
    rows = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for workload in WORKLOADS:
        for peer in workload.targets:
            figure = latest.get((workload.name, peer))
            if figure is not None:
                rows.append("| " + " | ".join(figure.cells(workload.title)) + " |")
    return "\n".join([machine(), "", *rows, "", *notes, ""])


def load() -> float:
    """How many processes wanted to run in the last minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def machine() -> str:
    """The machine and the libraries, in words."""
    import numpy
    import scipy

    try:
        memory = f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB of memory"
    except (ValueError, OSError):
        memory = ""
    return (
        f"{_processor()}, {os.cpu_count()} cores{memory}, {platform.system()}, Python {platform.python_version()}, "
        f"NumPy {numpy.__version__}, SciPy {scipy.__version__}."
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.1f} ms"
