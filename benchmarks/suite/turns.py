"""A workload measured: all sides take turns, and nothing is reported before their results agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from suite.sides import GRAMIAN, Failed, Side, side
from suite.workload import Workload

# Slow workloads end early: after three turns, none begins once this many seconds have passed.
PATIENCE = 120.0
FEWEST = 3


class Disagreement(Exception):
    """Two sides came to different results."""


@dataclass(frozen=True)
class Measured:
    """The seconds of each side's turns, in order; `first` is gramian's first turn, which compiles."""

    workload: Workload
    first: float
    seconds: dict[str, list[float]]
    differences: dict[str, float]

    def median(self, name: str) -> float:
        return median(self.seconds[name])

    def times_faster(self, peer: str) -> float:
        return self.median(peer) / self.median(GRAMIAN)


def measure(workload: Workload, peers: Sequence[str], repeat: int, quick: bool, folder: Path) -> Measured:
    """Run a workload on all sides.

    Raises:
        Disagreement: the results of two sides differ by more than the workload's tolerance.
        Failed: a side failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sides: dict[str, Side] = {}
    try:
        for name in (GRAMIAN, *peers):
            sides[name] = side(name, workload, quick, folder)
        first = {name: _warm(name, each) for name, each in sides.items()}
        differences = {peer: _difference(workload, sides, peer) for peer in peers if peer not in workload.limits}
        return Measured(workload, first[GRAMIAN], _take_turns(sides, repeat), differences)
    finally:
        for each in sides.values():
            each.close()


def _warm(name: str, each: Side) -> float:
    """The seconds of the first turn; turns in which a side still warms up do not count."""
    each.out.unlink(missing_ok=True)
    try:
        return [each.turn() for _ in range(each.warm_up)][0]
    except Failed as problem:
        raise Failed(f"{name}: {problem}") from None


def _take_turns(sides: dict[str, Side], repeat: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    start = perf_counter()
    for turn in range(repeat):
        if turn >= FEWEST and perf_counter() - start > PATIENCE:
            break
        for name, each in sides.items():
            seconds[name].append(each.turn())
    return seconds


def _difference(workload: Workload, sides: dict[str, Side], peer: str) -> float:
    """The largest difference between two results, relative to the largest cell."""
    ours, theirs = (np.loadtxt(sides[name].out, delimiter=",").ravel() for name in (GRAMIAN, peer))
    if ours.shape != theirs.shape:
        raise Disagreement(f"{workload.name}: gramian's result has {ours.size} cells, that of {peer} {theirs.size}")
    difference = float(np.abs(ours - theirs).max() / np.abs(ours).max())
    if not difference <= workload.tolerance:
        raise Disagreement(
            f"{workload.name}: the results of gramian and {peer} differ by {difference:.1e}, "
            f"more than {workload.tolerance:.0e}, of the largest cell"
        )
    return difference
