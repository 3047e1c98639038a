"""From nothing to the output of a one-line script, as whole processes."""

from __future__ import annotations

import compileall
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import gramian as package

# As after `pip install`, which compiles what it installs.
compileall.compile_dir(str(Path(package.__file__).parent), quiet=2)


def gramian() -> float:
    return _process("-m", "gramian", "run", "-s", "print(1 + 1)")


def numpy() -> float:
    return _process("-c", "import numpy")


def _process(*arguments: str) -> float:
    start = perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - start
