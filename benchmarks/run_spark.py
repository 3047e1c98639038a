"""Measure gramian on Spark beside itself on one machine and beside others on Spark, in one run.

    python benchmarks/run_spark.py                    everything, with 4,000,000 rows of 100 columns, on two cores
    python benchmarks/run_spark.py --only growing     one of: conjugate_gradient, systemds, small_driver, growing
    python benchmarks/run_spark.py --scale 0.01       a hundredth of the rows: do all sides run and agree?
    python benchmarks/run_spark.py --master local[8]  more cores

Inputs are made once, under benchmarks/data/spark: 16 GB of them at full size. Needs gramian[spark]; SystemDS is measured if
it is installed (see run.py).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from on_spark.measures import Plan, report
from suite.report import load, machine

ROWS = 4_000_000
MEMORY = 1 << 30
FEWEST = 1000  # rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="take only measures with this word in their names")
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of rows and of the driver's memory")
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=3, help="how often each side runs (default 3)")
    parser.add_argument("--master", default="local[2]")
    options = parser.parse_args()
    print(f"{machine()} load {load():.1f}\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        rows, memory = max(FEWEST, round(ROWS * options.scale)), round(MEMORY * options.scale)
        plan = Plan(options.master, rows, memory, options.iterations, options.repeat, Path(folder))
        if not report(plan, options.only):
            sys.exit(1)


if __name__ == "__main__":
    main()
