"""Measure gramian beside its peers, in turn, in one run, and print the ratios.

    python benchmarks/run.py                    everything
    python benchmarks/run.py --only kmeans      measures and workloads whose names contain a word
    python benchmarks/run.py --repeat 11        more repetitions
    python benchmarks/run.py --peer systemds    workloads beside one peer; installs SystemDS if need be (Java must be there)
    python benchmarks/run.py --quick            small workloads, which show that all sides run and agree

Measures are operators and parts of gramian, with a limit to the ratio of the times; workloads are scripts, which have peers
and targets of their own. Machines are noisy, so what counts is the ratio of the medians of runs that took turns. No test
depends on a figure.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from measures import compile_time, files, loops, matrices, networks, parfor, sparse, startup, transforms
from suite import systemds
from suite.report import machine
from suite.run import PEERS, workloads


@dataclass(frozen=True)
class Measure:
    """A workload: `ours` and `peer` each do it once and return the seconds it took; `limit` is the ratio to keep below."""

    name: str
    peer_name: str
    ours: Callable[[], float]
    peer: Callable[[], float]
    limit: float
    missing: Callable[[], str | None] = lambda: None  # why the peer cannot be measured


MEASURES = (
    Measure("startup: a one-line script", "python -c 'import numpy'", startup.gramian, startup.numpy, 4.0),
    Measure("while loop, 1,000,000 iterations", "the same in Python", loops.gramian_while, loops.python_while, 2.0),
    Measure("100,000 cells read and written", "the same with NumPy", loops.gramian_cells, loops.numpy_cells, 4.0),
    Measure("sparse t(X) %*% (X %*% v)", "SciPy", sparse.gramian_product, sparse.scipy_product, 1.0),
    Measure("read csv, 1,000,000 x 100", "pyarrow into NumPy", files.gramian_csv, files.pyarrow_csv, 1.2),
    Measure("dummycode 1,000,000 x 10", "OneHotEncoder", transforms.gramian_encode, transforms.sklearn_encode, 1.0),
    Measure("table, 10,000,000 rows", "numpy.bincount", matrices.gramian_table, matrices.numpy_table, 1.2),
    Measure("order, 10,000,000 rows", "numpy.argsort", matrices.gramian_order, matrices.numpy_order, 1.2),
    Measure("removeEmpty, 10,000,000 rows", "NumPy", matrices.gramian_remove_empty, matrices.numpy_remove_empty, 1.2),
    Measure("aggregate, 10,000,000 rows", "numpy.bincount", matrices.gramian_aggregate, matrices.numpy_aggregate, 1.2),
    Measure("the same", "pandas groupby", matrices.gramian_aggregate, matrices.pandas_aggregate, 1.2),
    Measure("parfor of large operators", "with one worker", parfor.large_by_two, parfor.large_by_one, 0.59),
    Measure("parfor of scalar code", "with one worker", parfor.small_by_two, parfor.small_by_one, 0.59),
    Measure(
        "LeNet step, single", "PyTorch", networks.gramian("lenet", "single"), networks.torch("lenet", "single"), 1.0
    ),
    Measure(
        "LeNet step, double", "PyTorch", networks.gramian("lenet", "double"), networks.torch("lenet", "double"), 0.67
    ),
    Measure(
        "LeNet step, double, beside Java",
        "SystemDS",
        networks.gramian("lenet", "double"),
        networks.systemds("lenet"),
        0.33,
        systemds.missing,
    ),
    Measure(
        "LeNet step, single, -exec torch",
        "PyTorch, channels last",
        networks.gramian("lenet", "single", "torch"),
        networks.torch("lenet", "single", channels_last=True),
        1.0,
    ),
    Measure(
        "784-512-10 step, single",
        "PyTorch",
        networks.gramian("two_layers", "single"),
        networks.torch("two_layers", "single"),
        0.83,
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="measure only what has this word in its name")
    parser.add_argument("--repeat", type=int, default=7, help="how often each side runs (default 7)")
    parser.add_argument("--peer", choices=PEERS, help="workloads only, beside this peer only")
    parser.add_argument("--quick", action="store_true", help="workloads only, small ones")
    options = parser.parse_args()
    print(f"{machine()} {options.repeat} runs each in turn\n")
    if not options.quick and not options.peer:
        measures(options.only, options.repeat)
    if not workloads(options.only, options.repeat, options.peer, options.quick):
        sys.exit(1)


def measures(only: str, repeat: int) -> None:
    chosen = [measure for measure in MEASURES if only in measure.name]
    if chosen:
        print(f"{'measure':<34} {'gramian':>10} {'peer':>10} {'ratio':>7} {'limit':>6}   peer")
    for measure in chosen:
        why = measure.missing()
        if why is None:
            report(measure, repeat)
        else:
            print(why)
    if only in "compile":
        compile_time.report(repeat)


def report(measure: Measure, repeat: int) -> None:
    measure.ours()  # caches are warm in neither or in both
    measure.peer()
    ours, peers = [], []
    for _ in range(repeat):
        ours.append(measure.ours())
        peers.append(measure.peer())
    a, b = median(ours), median(peers)
    print(
        f"{measure.name:<34} {a * 1e3:>7.1f} ms {b * 1e3:>7.1f} ms {a / b:>7.2f} {measure.limit:>6.1f}   {measure.peer_name}"
    )


if __name__ == "__main__":
    main()
