"""From nothing to the output of a one-line script, as whole processes."""

from __future__ import annotations

import subprocess
import sys
from time import perf_counter


def gramian() -> float:
    return _process("-m", "gramian", "run", "-s", "print(1 + 1)")


def numpy() -> float:
    return _process("-c", "import numpy")


def _process(*arguments: str) -> float:
    start = perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - start
