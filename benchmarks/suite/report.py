"""Figures as lines of text while they are measured, and as a Markdown table at the end."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from suite.sides import GRAMIAN
from suite.turns import Measured

HEAD = f"{'workload':<20} {'first':>10} {'gramian':>10} {'peer':>10} {'faster':>7} {'target':>7}        peer"
COLUMNS = ("workload", "gramian, first run", "gramian", "peer", "", "times faster", "target", "met")


def agreement(measured: Measured) -> list[str]:
    """A line for each peer: how far the results are apart."""
    return [
        f"{measured.workload.name:<20} {peer:<10} agree to {difference:.0e}, tolerance {measured.workload.tolerance:.0e}"
        for peer, difference in measured.differences.items()
    ]


def lines(measured: Measured) -> list[str]:
    """A line for each peer: times, their ratio, and whether it is enough."""
    out = []
    for peer, target in _peers(measured):
        faster = measured.times_faster(peer)
        first = "" if measured.workload.process else _time(measured.first)
        out.append(
            f"{measured.workload.name:<20} {first:>10} {_time(measured.median(GRAMIAN)):>10} "
            f"{_time(measured.median(peer)):>10} {faster:>7.2f} {target:>7.1f} {_met(faster, target):<6} {peer}"
        )
    return out


def markdown(all_measured: Sequence[Measured], notes: Sequence[str]) -> str:
    rows = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for measured in all_measured:
        for peer, target in _peers(measured):
            faster = measured.times_faster(peer)
            cells = (
                measured.workload.title,
                "" if measured.workload.process else _time(measured.first),
                _time(measured.median(GRAMIAN)),
                peer,
                _time(measured.median(peer)),
                f"{faster:.2f}" if faster >= target else f"**{faster:.2f}**",
                f"{target:g}",
                "yes" if faster >= target else "no",
            )
            rows.append("| " + " | ".join(cells) + " |")
    turns = sorted({len(seconds) for measured in all_measured for seconds in measured.seconds.values()})
    counted = " to ".join(str(turn) for turn in dict.fromkeys((turns[0], turns[-1])))
    about = f"{date.today().isoformat()}. {machine()} Medians of {counted} turns."
    return "\n".join([about, "", *rows, "", *notes, ""])


def write(path: Path, all_measured: Sequence[Measured], notes: Sequence[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(markdown(all_measured, notes))


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


def _peers(measured: Measured) -> list[tuple[str, float]]:
    return [(peer, measured.workload.targets[peer]) for peer in measured.seconds if peer != GRAMIAN]


def _met(faster: float, target: float) -> str:
    return "met" if faster >= target else "missed"


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.1f} ms"
