"""`gramian doctor`: looks at what a run needs on this machine and on a cluster, and says how to mend what is wrong.

A check is a function that gives its findings; CHECKS are those of this machine, in the order of the report.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Literal, TextIO

from gramian.errors import GramianError
from gramian.settings import Settings

if TYPE_CHECKING:
    from gramian.backends.spark.probe import Machine

# A failure hinders all runs on what was checked; a note is about something optional that is not there.
Status = Literal["good", "note", "warning", "failure"]
MARKS: dict[Status, tuple[str, str]] = {
    "good": ("✓", "green"),
    "note": ("·", "dim"),
    "warning": ("!", "yellow"),
    "failure": ("✗", "bold red"),
}
LEAST_PYTHON = (3, 11)
PACKAGES = ("numpy", "scipy", "numba", "pyarrow", "typer", "rich", "threadpoolctl")
LITTLE_MEMORY, LITTLE_DISK = 2_000_000_000, 5_000_000_000  # bytes below which a warning is due
WIDE = 120  # columns of a file or pipe


@dataclass(frozen=True)
class Finding:
    """What a check has found, and how to mend it where it is not good."""

    name: str
    status: Status
    found: str
    mend: str | None = None


Check = Callable[[Settings], Iterator[Finding]]


# -- this machine ------------------------------------------------------------------------------------------------------


def python(settings: Settings) -> Iterator[Finding]:
    import platform

    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {sys.executable}"
    if sys.version_info[:2] < LEAST_PYTHON:
        yield Finding("Python", "failure", found, "install Python 3.11 or newer")
    else:
        yield Finding("Python", "good", found)


def packages(settings: Settings) -> Iterator[Finding]:
    from importlib import import_module

    versions, broken = [], []
    for name in PACKAGES:
        try:
            import_module(name)
            versions.append(f"{name} {version(name)}")
        except (ImportError, PackageNotFoundError) as error:
            broken.append(f"{name}: {error}")
    if broken:
        yield Finding("packages", "failure", "; ".join(broken), "pip install --force-reinstall gramian")
    else:
        yield Finding("packages", "good", ", ".join(versions))


def blas(settings: Settings) -> Iterator[Finding]:
    import numpy
    from threadpoolctl import threadpool_info

    _ = numpy  # whose library for products is looked for
    found = [each for each in threadpool_info() if each["user_api"] == "blas"]
    if not found:
        mend = "install NumPy by `pip install numpy`, whose wheels bring OpenBLAS"
        yield Finding("BLAS", "warning", "none of the known ones: products may be slow", mend)
        return
    one = found[0]
    threads = one["num_threads"]
    text = f"{one['internal_api']} {one['version'] or ''} for {one.get('architecture', 'this processor')}, "
    yield Finding("BLAS", "good", text + f"{threads} thread{'s' if threads > 1 else ''}")


def memory(settings: Settings) -> Iterator[Finding]:
    from gramian.budget import default_size, machine_memory
    from gramian.ir.cores import cores

    budget = settings.memory or default_size()
    found = f"{_size(machine_memory())}, of which a run takes up to {_size(budget)}; {cores()} cores"
    if budget < LITTLE_MEMORY:
        yield Finding("memory", "warning", found, "what does not fit goes to disk, which is slower: see -memory")
    else:
        yield Finding("memory", "good", found)


def disk(settings: Settings) -> Iterator[Finding]:
    import shutil

    from gramian.budget import scratch_folder

    folder = settings.scratch or scratch_folder()
    mend = "name another folder by -scratch or $TMPDIR"
    try:
        free = shutil.disk_usage(folder).free
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        yield Finding("disk", "failure", f"{folder} cannot be written: {error.strerror}", mend)
        return
    found = f"{_size(free)} free in {folder}, for matrices that memory has no room for"
    little = free < LITTLE_DISK
    yield Finding("disk", "warning" if little else "good", found, mend if little else None)


def cache(settings: Settings) -> Iterator[Finding]:
    from gramian.settings import cache_folder

    folder = cache_folder()
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        found = f"{folder} cannot be written ({error.strerror}): each process compiles its loops again"
        yield Finding("cache", "warning", found, "set GRAMIAN_CACHE to a folder that can be written")
        return
    yield Finding("cache", "good", f"{folder}, for compiled loops")


def java(settings: Settings) -> Iterator[Finding]:
    from gramian.backends.spark.java import INSTALL, PROVEN, search

    found = search()
    for reason in found.refused:
        yield Finding("Java", "warning", reason, "set JAVA_HOME to a Java of version 17 or 21, or unset it")
    if found.java is None:
        yield Finding("Java", "note", "not installed; only Spark needs it", INSTALL)
        return
    text = f"{found.java.version} of {found.java.source}, {found.java.home}"
    if found.java.major in PROVEN:
        yield Finding("Java", "good", text)
    else:
        yield Finding("Java", "warning", f"{text}: newer than what all of Spark 4 runs on", INSTALL)


def extras(settings: Settings) -> Iterator[Finding]:
    uses = {
        "Spark": ("pyspark", "spark", "-exec spark"),
        "PyTorch": ("torch", "torch", "-exec torch"),
        "HDF5": ("h5py", "hdf5", "files in HDF5"),
        "URLs": ("fsspec", "remote", "files in object stores"),
        "plots": ("matplotlib", "plot", "gramian plot"),
    }
    for name, (package, extra, use) in uses.items():
        try:
            yield Finding(name, "good", f"{package} {version(package)}")
        except PackageNotFoundError:
            yield Finding(name, "note", f"not installed; for {use}", f"pip install 'gramian[{extra}]'")


CHECKS: tuple[Check, ...] = (python, packages, blas, memory, disk, cache, java, extras)


# -- a cluster ---------------------------------------------------------------------------------------------------------


def cluster(master: str, settings: Settings) -> Iterator[Finding]:
    """The cluster behind a URL: does it answer, and are its workers like the driver?"""
    from gramian.backends.spark import probe, session
    from gramian.backends.spark.master import parse

    try:
        spark = session.connect(master, settings)
    except GramianError as error:
        yield Finding("cluster", "failure", getattr(error, "message", str(error)), getattr(error, "hint", None))
        return
    yield Finding("cluster", "good", f"{master} answers, Spark {spark.version}")
    from pyspark.errors import PySparkException

    try:
        found = session.within(session.START, lambda: probe.workers(spark), parse(master))
    except (PySparkException, GramianError) as error:
        yield Finding(
            "workers", "failure", _reason(error), "workers need the Python version of the driver, and pyarrow"
        )
        return
    here = probe.driver()
    for number, worker in enumerate(found, 1):
        yield compared(f"worker {number}", worker, here)


def compared(name: str, worker: Machine, driver: Machine) -> Finding:
    """A worker beside the driver: Python's minor version and gramian's must be the same, others should be."""
    text = f"{worker.host}: Python {worker.python}, {worker.platform}, {_size(worker.memory)}, {worker.cores} cores"
    missing = [package for package, there in worker.versions.items() if there is None]
    if missing:
        mend = f"on the workers: pip install gramian=={driver.versions['gramian']}"
        return Finding(name, "failure", f"{text}; without {', '.join(missing)}", mend)
    serious = worker.python.split(".")[:2] != driver.python.split(".")[:2]
    others = [
        f"{package} {there} (driver: {driver.versions[package]})"
        for package, there in worker.versions.items()
        if there != driver.versions[package]
    ]
    if serious or worker.versions["gramian"] != driver.versions["gramian"]:
        found = "; ".join([text, *others])
        mend = f"install Python {driver.python} and gramian {driver.versions['gramian']} there, as on the driver"
        return Finding(name, "failure", found, mend)
    if others or worker.platform != driver.platform:
        differ = f"{text}; {', '.join(others) or 'driver: ' + driver.platform}"
        return Finding(name, "warning", differ, "the same versions everywhere give the same numbers")
    return Finding(name, "good", f"{text}; packages as on the driver")


def _reason(error: Exception) -> str:
    """The line of a long message that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "Error" in line or "MISMATCH" in line]
    return (telling or lines or [type(error).__name__])[-1 if telling else 0][:300]


# -- the report --------------------------------------------------------------------------------------------------------


def examine(master: str | None, settings: Settings, stream: TextIO | None = None) -> bool:
    """Make all checks and show what they find; is there no failure?"""
    findings = [finding for check in CHECKS for finding in check(settings)]
    if master is not None:
        findings += cluster(master, settings)
    show(findings, stream or sys.stdout)
    return not any(finding.status == "failure" for finding in findings)


def show(findings: Sequence[Finding], stream: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    console.width = console.width if console.is_terminal else WIDE
    table = Table.grid(padding=(0, 1))
    for finding in findings:
        mark, style = MARKS[finding.status]
        said = Text(finding.found, "dim" if finding.status == "note" else "")
        if finding.mend:
            said.append(f"\n→ {finding.mend}", "dim" if finding.status == "note" else "cyan")
        name = Text(finding.name, "dim" if finding.status == "note" else "bold", no_wrap=True)
        table.add_row(Text(mark, style), name, said)
    console.print(table)
    console.print()
    console.print(_summary(findings))


def _summary(findings: Sequence[Finding]) -> str:
    counts = {status: sum(finding.status == status for finding in findings) for status in MARKS}
    if counts["failure"]:
        one = counts["failure"] == 1
        return f"[bold red]{counts['failure']} {'thing has' if one else 'things have'} to be mended[/]"
    if counts["warning"]:
        return f"[yellow]ready, with {counts['warning']} warning{'s' if counts['warning'] > 1 else ''}[/]"
    return "[green]ready[/]"


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
