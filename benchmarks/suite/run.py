"""The workloads, one after the other."""

from __future__ import annotations

import os
import sys

from suite import report, systemds
from suite.sides import SideError
from suite.turns import DisagreementError, measure
from suite.workload import SYSTEMDS, WORKLOADS, Workload

PEERS = tuple(sorted({peer for workload in WORKLOADS for peer in workload.targets}))


def workloads(only: str, repeat: int, peer: str | None, quick: bool) -> bool:
    """Measure the workloads whose names contain a word, beside one peer or all, and say whether all could be measured."""
    if peer == SYSTEMDS:
        systemds.install()
    absent = systemds.missing()
    without = {SYSTEMDS} if absent else set()
    chosen = [(workload, _peers(workload, peer, without)) for workload in WORKLOADS if only in workload.name]
    chosen = [(workload, peers) for workload, peers in chosen if peers]
    if chosen and not quick:
        _warn_of_others()
        print(f"\n{report.HEAD}", flush=True)
    done = [_measured(workload, peers, repeat, quick) for workload, peers in chosen]
    if any(done) and not quick:
        print(f"\nThe table with all figures so far is in {report.keep((), [absent] if absent else [])}")
    if chosen and absent:
        print(f"\n{absent}")
    return all(done)


def _peers(workload: Workload, peer: str | None, without: set[str]) -> list[str]:
    return [name for name in workload.targets if peer in (None, name) and name not in without]


def _measured(workload: Workload, peers: list[str], repeat: int, quick: bool) -> bool:
    load = report.load()
    try:
        measured = measure(workload, peers, repeat, quick, report.RESULTS / "outcomes")
    except (DisagreementError, SideError) as problem:
        print(f"{workload.name}: {problem}", file=sys.stderr, flush=True)
        return False
    if quick:
        print("\n".join(report.agreement(measured)), flush=True)
        return True
    figures = report.figures(measured, load)
    report.keep(figures, [])
    print("\n".join(figure.line() for figure in figures), flush=True)
    return True


def _warn_of_others() -> None:
    if report.load() > 0.5 * (os.cpu_count() or 1):
        print(f"Other programs keep the machine busy (load {report.load():.1f}): the figures will say little.")
