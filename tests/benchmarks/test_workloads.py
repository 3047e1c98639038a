"""The workloads of the benchmarks, small: each script comes to the result of its peers. No time matters here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from suite import inputs
from suite.serve_gramian import runner as gramian_runner
from suite.serve_peer import runner as peer_runner
from suite.sides import GRAMIAN
from suite.turns import DisagreementError, difference, measure
from suite.workload import SYSTEMDS, WORKLOADS, Workload

NAMES = {workload.name: workload for workload in WORKLOADS}
PAIRS = [
    (workload, peer)
    for workload in WORKLOADS
    for peer in workload.targets
    if peer != SYSTEMDS and peer not in workload.limits
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "DATA", tmp_path_factory.getbasetemp() / "workloads")


def gramian(workload: Workload, out: Path) -> Path:
    gramian_runner({"script": str(workload.script), "arguments": values(workload) | {"out": str(out)}})()
    return out


def values(workload: Workload) -> dict[str, Any]:
    return {name: str(file) for name, file in workload.files(quick=True).items()} | workload.arguments(quick=True)


@pytest.mark.parametrize(("workload", "peer"), PAIRS, ids=[f"{workload.name}-{peer}" for workload, peer in PAIRS])
def test_gramian_and_peer_agree(workload: Workload, peer: str, tmp_path: Path) -> None:
    if peer == "numexpr":
        pytest.importorskip("numexpr")
    theirs = tmp_path / "theirs.csv"
    told = {"script": str(workload.peer_file(peer)), "values": values(workload), "out": str(theirs)}
    assert peer_runner(told)()["seconds"] > 0
    difference(workload, peer, gramian(workload, tmp_path / "ours.csv"), theirs)


def test_a_study_of_customers(tmp_path: Path) -> None:
    """Its only peer is SystemDS; the models at least beat guessing."""
    figures = np.loadtxt(gramian(NAMES["whole_process"], tmp_path / "ours.csv"), delimiter=",")
    assert (figures[:5, 4] > 0.7).all()
    assert (figures[5:7, 2] > 0.7).all()


def test_sides_take_turns_in_processes_of_their_own(tmp_path: Path) -> None:
    measured = measure(NAMES["trace"], ["numpy"], 2, True, tmp_path)
    assert {name: len(seconds) for name, seconds in measured.seconds.items()} == {GRAMIAN: 2, "numpy": 2}
    assert measured.differences["numpy"] < 1e-12


def test_results_that_differ_are_no_figures(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.csv", tmp_path / "theirs.csv"
    ours.write_text("1.0\n2.0\n")
    theirs.write_text("1.0,2.001\n")
    with pytest.raises(DisagreementError, match="differ by 5"):
        difference(NAMES["trace"], "numpy", ours, theirs)
    theirs.write_text("1.0\n")
    with pytest.raises(DisagreementError, match="has 2 cells, that of numpy 1"):
        difference(NAMES["trace"], "numpy", ours, theirs)
    theirs.write_text("1.0,nan\n")
    with pytest.raises(DisagreementError):
        difference(NAMES["trace"], "numpy", ours, theirs)
