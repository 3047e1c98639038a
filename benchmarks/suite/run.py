"""The workloads, one after the other."""

from __future__ import annotations

import sys
from pathlib import Path

from suite import report, systemds
from suite.sides import SideError
from suite.turns import DisagreementError, Measured, measure
from suite.workload import SYSTEMDS, WORKLOADS, Workload

RESULTS = Path(__file__).parents[1] / "results"
PEERS = tuple(sorted({peer for workload in WORKLOADS for peer in workload.targets}))


def workloads(only: str, repeat: int, peer: str | None, quick: bool) -> bool:
    """Measure the workloads whose names contain a word, beside one peer or all, and say whether all could be measured."""
    if peer == SYSTEMDS:
        systemds.install()
    absent = systemds.missing()
    without = {SYSTEMDS} if absent else set()
    chosen = [(workload, _peers(workload, peer, without)) for workload in WORKLOADS if only in workload.name]
    chosen = [(workload, peers) for workload, peers in chosen if peers]
    measured, failed = [], False
    if chosen and not quick:
        print(f"\n{report.HEAD}", flush=True)
    for workload, peers in chosen:
        try:
            measured.append(_measure(workload, peers, repeat, quick))
        except (DisagreementError, SideError) as problem:
            failed = True
            print(f"{workload.name}: {problem}", file=sys.stderr, flush=True)
    notes = [absent] if absent else []
    if chosen and absent:
        print(f"\n{absent}")
    if measured and not quick:
        table = RESULTS / "workloads.md"
        report.write(table, measured, notes)
        print(f"\nThe table is also in {table}")
    return not failed


def _peers(workload: Workload, peer: str | None, without: set[str]) -> list[str]:
    return [name for name in workload.targets if peer in (None, name) and name not in without]


def _measure(workload: Workload, peers: list[str], repeat: int, quick: bool) -> Measured:
    measured = measure(workload, peers, repeat, quick, RESULTS / "outcomes")
    for line in report.agreement(measured) if quick else report.lines(measured):
        print(line, flush=True)
    return measured
