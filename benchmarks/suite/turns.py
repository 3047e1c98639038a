"""A workload measured: all sides take turns, and nothing is reported before their results agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from suite.sides import GRAMIAN, Side, SideError, side
from suite.workload import Workload

# Slow workloads end early: after three turns, none begins once this many seconds have passed.
PATIENCE = 120.0
FEWEST = 3
# Each side warms up for so many seconds of its own measure: compilers that compile what has run for long get their chance.
WARM_UP = 2.0
MOST_WARM_UPS = 50


class DisagreementError(Exception):
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
        DisagreementError: the results of two sides differ by more than the workload's tolerance.
        SideError: a side failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sides: dict[str, Side] = {}
    try:
        for name in (GRAMIAN, *peers):
            sides[name] = side(name, workload, quick, folder)
        first = {name: _warm_up(name, each, 0.0 if quick else WARM_UP) for name, each in sides.items()}
        ours = sides[GRAMIAN].out
        differences = {
            peer: difference(workload, peer, ours, sides[peer].out) for peer in peers if peer not in workload.limits
        }
        return Measured(workload, first[GRAMIAN], _take_turns(sides, repeat), differences)
    finally:
        for each in sides.values():
            each.close()


def _warm_up(name: str, each: Side, least: float) -> float:
    """The seconds of the first turn; turns in which a side still warms up do not count."""
    each.out.unlink(missing_ok=True)
    seconds = [_turn(name, each)]
    while len(seconds) < each.warm_up or (sum(seconds) < least and len(seconds) < MOST_WARM_UPS):
        seconds.append(_turn(name, each))
    return seconds[0]


def _turn(name: str, each: Side) -> float:
    try:
        return each.turn()
    except SideError as problem:
        raise SideError(f"{name}: {problem}") from None


def _take_turns(sides: dict[str, Side], repeat: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    start = perf_counter()
    for turn in range(repeat):
        if turn >= FEWEST and perf_counter() - start > PATIENCE:
            break
        for name, each in sides.items():
            seconds[name].append(_turn(name, each))
    return seconds


def difference(workload: Workload, peer: str, ours: Path, theirs: Path) -> float:
    """The largest difference between two results, relative to the largest cell of ours.

    Raises:
        DisagreementError: it is more than the workload's tolerance.
    """
    a, b = (np.loadtxt(path, delimiter=",").ravel() for path in (ours, theirs))
    if a.shape != b.shape:
        raise DisagreementError(f"{workload.name}: gramian's result has {a.size} cells, that of {peer} {b.size}")
    found = float(np.abs(a - b).max() / np.abs(a).max())
    if not found <= workload.tolerance:
        raise DisagreementError(
            f"{workload.name}: the results of gramian and {peer} differ by {found:.1e} of the largest cell, "
            f"which is more than {workload.tolerance:.0e}"
        )
    return found
