"""What the workers of a cluster are: a small job that asks each. It needs nothing on them but Python and pyarrow."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

PACKAGES = ("gramian", "numpy", "scipy", "numba", "pyarrow")
TASKS, SECONDS = 16, 0.2  # so many tasks that take so long come to all workers of a small cluster
SCHEMA = "host string, folder string, python string, platform string, versions string, memory long, cores int"


@dataclass(frozen=True)
class Machine:
    """A worker, or the driver. `folder` tells executors on one host apart; `versions`: of PACKAGES, None if missing."""

    host: str
    folder: str
    python: str
    platform: str
    versions: dict[str, str | None]
    memory: int
    cores: int


def workers(session: Any) -> list[Machine]:
    """The workers that a job of several tasks comes to."""
    from pyspark import cloudpickle

    here = sys.modules[__name__]
    # Workers may have no gramian, or another one: they get the function itself and not its name.
    cloudpickle.register_pickle_by_value(here)
    try:
        table = session.range(0, TASKS, 1, TASKS).mapInArrow(_ask, SCHEMA).toArrow()
    finally:
        cloudpickle.unregister_pickle_by_value(here)
    found = {(row["host"], row["folder"]): row for row in table.to_pylist()}
    return [_machine(found[key]) for key in sorted(found)]


def _machine(row: dict[str, Any]) -> Machine:
    pairs = (item.split("=") for item in row.pop("versions").split())
    return Machine(versions={name: version or None for name, version in pairs}, **row)


def _ask(batches: Iterable[Any]) -> Iterator[Any]:
    import time

    import pyarrow

    for _ in batches:
        time.sleep(SECONDS)
    row = describe()
    yield pyarrow.RecordBatch.from_arrays(
        [pyarrow.array([row[name]], pyarrow.int32() if name == "cores" else None) for name in row], names=list(row)
    )


def describe() -> dict[str, Any]:
    """The machine that this is called on, as a row of SCHEMA."""
    import os
    import platform
    import socket
    from importlib.metadata import PackageNotFoundError, version

    def version_of(name: str) -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            return ""

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "host": socket.gethostname(),
        "folder": os.environ.get("SPARK_EXECUTOR_DIRS", ""),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "versions": " ".join(f"{name}={version_of(name)}" for name in PACKAGES),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "cores": cores,
    }


def driver() -> Machine:
    return _machine(describe())
