"""How much memory a run may take, and how much it takes: what decides between memory and disk for a large matrix."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

from gramian.errors import UsageError
from gramian.spare import Spare

SHARE = 0.7  # of the machine's memory, where no budget is given
LEAST = 256_000_000  # bytes: Python with all libraries that a script may load takes almost as much
LARGE = 1 << 22  # bytes of a value from which on it is asked whether there is room for it
# What libraries will take that are loaded only when they are needed.
LIBRARIES: Mapping[str, int] = {"numba": 120_000_000, "pyarrow": 40_000_000}
UNITS: Mapping[str, int] = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4}

_SIZE = re.compile(r"(\d+\.?\d*|\.\d+) ?([KMGT]?)B?", re.IGNORECASE)
_PERCENT = re.compile(r"(\d+\.?\d*|\.\d+) ?%")


# -- the machine -------------------------------------------------------------------------------------------------------


@cache
def machine_memory() -> int:
    """The bytes of memory that this process may use: those of the machine, or of the container that it runs in."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([there, *_container_limits("/proc/self/cgroup", "/sys/fs/cgroup")])


def _container_limits(groups: str, root: str) -> Iterator[int]:
    """The limits of the control groups that a process belongs to, and of those around them."""
    try:
        with open(groups, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            folder, name = root, "memory.max"
        elif "memory" in controllers.split(","):
            folder, name = os.path.join(root, "memory"), "memory.limit_in_bytes"
        else:
            continue
        while True:
            limit = _number_in(os.path.join(folder, path.strip("/"), name))
            if limit is not None:
                yield limit
            if path in ("/", ""):
                break
            path = os.path.dirname(path)


def _number_in(path: str) -> int | None:
    try:
        with open(path, encoding="ascii") as file:
            text = file.read().strip()
    except OSError:  # a container may not see the files of its own group
        return None
    return int(text) if text.isdecimal() and int(text) > 0 else None


def memory_size(text: str) -> int:
    """The bytes of a size such as `4G`, `500M`, or `70%` of the machine's memory.

    Raises:
        UsageError: it is none, or too small to run anything.
    """
    text = text.strip()
    if found := _PERCENT.fullmatch(text):
        share = float(found[1]) / 100
        if not 0 < share <= 1:
            raise UsageError(f"a memory budget in percent lies between 0 and 100, found '{text}'")
        size = int(share * machine_memory())
    elif found := _SIZE.fullmatch(text):
        size = int(float(found[1]) * UNITS[found[2].upper()])
    else:
        raise UsageError(f"a memory budget is a size such as 4G, 500M or 70%, found '{text}'")
    return checked_size(size)


def checked_size(size: int) -> int:
    if size < LEAST:
        raise UsageError(
            f"a memory budget of {size / 1e6:.0f} MB is too small: "
            f"the program and its libraries alone need {LEAST / 1e6:.0f} MB"
        )
    return size


def default_size() -> int:
    return int(SHARE * machine_memory())


def room_in(limit: int) -> int:
    """What a budget of so many bytes has for values, beside Python, its libraries and what kernels take on the way."""
    return max(0, limit - limit // 8 - LEAST)


# -- the process -------------------------------------------------------------------------------------------------------


def resident() -> int:
    """The bytes of memory that the process has now; where the system does not tell, the most that it has had."""
    try:
        with open("/proc/self/statm", "rb", buffering=0) as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


# A process made by fork for some work shares the budget with others like it: what it had at first, and how many it takes
# to use all cores.
_shared: tuple[int, int] | None = None


def _divide() -> None:
    global _shared
    _shared = (resident(), os.cpu_count() or 1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_divide)


class Budget:
    """The memory of a run: `limit` bytes for the whole process, and a folder for what does not fit.

    `large` is the size from which on values are worth the question. Some of the limit is kept free for what kernels and
    libraries take on the way.
    """

    def __init__(self, limit: int | None = None, scratch: str | None = None, large: int = LARGE) -> None:
        self.limit = default_size() if limit is None else limit
        self.large = large
        self.scratch = scratch or scratch_folder()
        self.spare = Spare(self.limit // 8)
        self._reserved = 0
        self._lock = threading.Lock()

    def free(self) -> int:
        """The bytes that are left for values; less than zero if there are none."""
        limit = self.limit
        if _shared is not None:
            start, processes = _shared
            limit = start + max(0, limit - start) // processes
        coming = sum(size for name, size in LIBRARIES.items() if name not in sys.modules)
        return limit - limit // 8 - coming - resident() - self._reserved

    def keeps(self, size: int) -> bool:
        """Is there room for a value of so many bytes that is to be made?"""
        if size < self.large or size <= self.free():
            return True
        self.spare.clear()
        return size <= self.free()

    def loads(self, size: int) -> bool:
        """Is there room for so many bytes that cannot be anywhere but in memory?"""
        return self.keeps(size)

    @contextmanager
    def reserved(self, size: int) -> Iterator[None]:
        """Meanwhile others do not get the room of a value that is being made."""
        with self._lock:
            self._reserved += size
        try:
            yield
        finally:
            with self._lock:
                self._reserved -= size


def scratch_folder() -> str:
    """Where matrices go that memory has no room for: $TMPDIR, or else a folder that lies on a disk rather than in memory."""
    given = os.environ.get("TMPDIR")
    if given:
        return given
    return "/var/tmp" if os.access("/var/tmp", os.W_OK) else tempfile.gettempdir()
