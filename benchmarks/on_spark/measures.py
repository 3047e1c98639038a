"""What is measured on Spark: sides one after the other, each a process of its own, and what came out as lines of text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from subprocess import CalledProcessError

import numpy as np
from suite import systemds
from suite.protocol import seconds_printed

from on_spark.data import CLASSIFIED, CLUSTERED, CLUSTERS, REGRESSION, first_rows
from on_spark.process import Done, FailedError, run
from on_spark.sides import LOCAL, gramian, peer, spark, systemds_spark

COLUMNS = 100
CELL = 8  # bytes
TOLERANCE = 1e-6  # of the largest coefficient
MOST_ABOVE = 0.5  # seconds that an iteration on Spark may take more than one on this machine alone


@dataclass(frozen=True)
class Plan:
    """What all measures share. `rows` are those of the main measure, `memory` the driver's budget in bytes."""

    master: str
    rows: int
    memory: int
    iterations: int
    repeat: int
    folder: Path  # for results

    @property
    def threads(self) -> int:
        """Cores of `local[N]`."""
        digits = "".join(filter(str.isdigit, self.master))
        return int(digits or 2)


class DisagreementError(Exception):
    """Sides that run the same algorithm came to different results."""


def conjugate_gradient(plan: Plan) -> Iterator[str]:
    """An iteration of conjugate gradient: this machine alone, gramian on Spark, and others on Spark."""
    files = REGRESSION.files(plan.rows, COLUMNS)
    yield f"conjugate gradient, {plan.rows:,} x {COLUMNS}, {plan.iterations} iterations, {plan.master}"

    def told(name: str) -> dict[str, object]:
        return {**files, "iterations": plan.iterations, "out": plan.folder / f"{name}.csv"}

    sides: dict[str, list[str]] = {
        "gramian, local": gramian("linreg_cg", told("gramian, local"), LOCAL),
        "gramian on Spark": gramian("linreg_cg", told("gramian on Spark"), spark(plan.master)),
        "pyspark, RDD of NumPy blocks": peer("peer_rdd", plan.master, told("pyspark, RDD of NumPy blocks")),
        "Spark MLlib, L-BFGS": peer("peer_mllib", plan.master, told("Spark MLlib, L-BFGS")),
    }
    seconds = {name: [each / plan.iterations for each in times] for name, times in turns(sides, plan.repeat).items()}
    ours, here = median(seconds["gramian on Spark"]), median(seconds["gramian, local"])
    for name, times in seconds.items():
        each = median(times)
        yield f"  {name:<30} {each * 1e3:>9.1f} ms per iteration, {each / ours:>6.2f} times gramian on Spark"
    verdict = _verdict(ours - here <= MOST_ABOVE)
    yield f"  gramian on Spark: {ours - here:+.3f} s per iteration beside local ({verdict}: at most {MOST_ABOVE} s more)"
    for name in ("gramian on Spark", "pyspark, RDD of NumPy blocks"):
        found = difference(plan.folder / "gramian, local.csv", plan.folder / f"{name}.csv")
        yield f"  {name}: coefficients differ by {found:.0e} from those of gramian, local"


def beside_systemds(plan: Plan) -> Iterator[str]:
    """The same script by SystemDS, with all of its operators on its Spark."""
    absent = systemds.missing()
    if absent is not None:
        yield absent
        return
    files = {name: systemds.converted(file) for name, file in REGRESSION.files(plan.rows, COLUMNS).items()}
    told = {**files, "iterations": plan.iterations, "out": plan.folder / "systemds.csv"}
    command = systemds_spark("linreg_cg", told, plan.threads, plan.folder)
    each = seconds_printed(run(command, cwd=plan.folder).printed) / plan.iterations
    yield f"SystemDS {systemds.VERSION} on its Spark, {plan.rows:,} x {COLUMNS}: {each * 1e3:.1f} ms per iteration"


def growing(plan: Plan) -> Iterator[str]:
    """The time of an iteration as data grow."""
    yield f"cost of an iteration as data grow, {COLUMNS} columns, {plan.master}"
    for rows in (plan.rows // 4, plan.rows // 2, plan.rows, 2 * plan.rows):
        told = {**REGRESSION.files(rows, COLUMNS), "iterations": plan.iterations, "out": plan.folder / "growing.csv"}
        times = turns({"": gramian("linreg_cg", told, spark(plan.master))}, plan.repeat)[""]
        each = median(times) / plan.iterations
        yield f"  {rows:>10,} rows {each * 1e3:>9.1f} ms per iteration {each / rows * 1e9:>8.1f} ns per row"


def small_driver(plan: Plan) -> Iterator[str]:
    """Data of twice the driver's memory budget: does its process stay within?"""
    rows = 2 * plan.memory // (COLUMNS * CELL)
    size = rows * COLUMNS * CELL >> 20
    yield f"driver with {plan.memory >> 20} MiB, data of {rows:,} x {COLUMNS} ({size} MiB), {plan.master}"
    options = (*spark(plan.master), "-memory", str(plan.memory))
    clustered, classified = CLUSTERED.files(rows, COLUMNS), CLASSIFIED.files(rows, COLUMNS)
    centroids = {"X": clustered["X"], "C": first_rows(clustered["X"], CLUSTERS), "iterations": plan.iterations}
    for name, told in (("kmeans", centroids), ("softmax_regression", classified)):
        out = plan.folder / f"{name}.csv"
        done = run(gramian(name, {**told, "out": out}, options))
        yield f"  {name:<20} {seconds_printed(done.printed):>7.1f} s; {memory(done, plan.memory)}"


def memory(done: Done, budget: int) -> str:
    peaks = done.peaks
    within = _verdict(0 < peaks.driver <= budget)
    others = f"Java {peaks.java >> 20} MiB, a worker at most {peaks.worker >> 20} MiB"
    return f"the driver had at most {peaks.driver >> 20} MiB ({within}); {others}"


def turns(sides: Mapping[str, Sequence[str]], repeat: int) -> dict[str, list[float]]:
    """The seconds that each side says its computation took, in each turn."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeat):
        for name, command in sides.items():
            found[name].append(seconds_printed(run(command).printed))
    return found


def difference(ours: Path, theirs: Path) -> float:
    """The largest difference of two results, relative to the largest number of ours.

    Raises:
        DisagreementError: it is more than rounding explains.
    """
    a, b = (np.loadtxt(path, delimiter=",").ravel() for path in (ours, theirs))
    found = float(np.abs(a - b).max() / np.abs(a).max()) if a.shape == b.shape else np.inf
    if not found <= TOLERANCE:
        raise DisagreementError(f"{ours.stem} and {theirs.stem} differ by {found:.1e} of the largest number")
    return found


def _verdict(good: bool) -> str:
    return "met" if good else "missed"


Measure = Callable[[Plan], Iterator[str]]
MEASURES: Mapping[str, Measure] = {
    "conjugate_gradient": conjugate_gradient,
    "systemds": beside_systemds,
    "small_driver": small_driver,
    "growing": growing,
}


def report(plan: Plan, only: str) -> bool:
    """Print what was found, as soon as it is; says whether all measures could be taken."""
    good = True
    for name, measure in MEASURES.items():
        if only not in name:
            continue
        try:
            for line in measure(plan):
                print(line, flush=True)
        except (FailedError, DisagreementError, RuntimeError, ValueError, CalledProcessError) as problem:
            print(f"  {name}: {problem}", flush=True)
            good = False
    return good
