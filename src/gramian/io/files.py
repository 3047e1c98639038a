"""Files and folders: finding them, and what the author of a script reads when that fails.

Whoever reads or writes data goes through this module, so that every failure of the file system reaches the author of
the script as one `OperationError` that names the path.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches

from gramian.errors import OperationError

BOM = b"\xef\xbb\xbf"
HINTS = {
    errno.ENOSPC: "the disk is full; free some space or write elsewhere",
    errno.EDQUOT: "your disk quota is used up",
    errno.EACCES: "check the permissions of the file and of its folder",
    errno.EPERM: "check the permissions of the file and of its folder",
    errno.EROFS: "the file system is read-only; write elsewhere",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EEXIST: "a part of the path is a file, not a folder",
}


@contextmanager
def failing_as(action: str, path: str) -> Iterator[None]:
    """Turn failures of the file system, and a lack of memory, into an `OperationError` about `path`."""
    try:
        yield
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise OperationError(f"cannot {action} '{path}': {reason}", HINTS.get(problem.errno or 0)) from problem
    except MemoryError as problem:
        raise OperationError(f"cannot {action} '{path}': not enough memory") from problem


def check_path(path: str) -> None:
    """Refuse what is not the name of a local file."""
    if not path.strip() or "\0" in path:
        raise OperationError(f"'{path}' is not the name of a file")
    scheme, found, _ = path.partition("://")
    if found and scheme.isalnum():
        raise OperationError(f"'{path}' is not a local file", "copy it here first; only read() and write() take URLs")


def missing_file(path: str) -> OperationError | None:
    """The error for a file that is not there, or None if it is."""
    check_path(path)
    if os.path.exists(path):
        return None
    where = "" if os.path.isabs(path) else f" in the working directory '{os.getcwd()}'"
    return OperationError(f"cannot find the file '{path}'{where}", _missing_hint(path.rstrip("/")))


def _missing_hint(path: str) -> str | None:
    if os.path.islink(path):
        return f"it is a symbolic link to '{os.readlink(path)}', which does not exist"
    folder, name = os.path.split(path)
    if folder and not os.path.isdir(folder):
        return f"the folder '{folder}' does not exist"
    try:
        names = os.listdir(folder or ".")
    except OSError:  # a folder that cannot be listed only costs the hint
        return None
    close = get_close_matches(name, [n for n in names if not n.endswith(".mtd")], n=1, cutoff=0.6)
    return f"did you mean '{os.path.join(folder, close[0])}'?" if close else None


def part_files(path: str) -> list[str]:
    """The file itself, or the files of a folder of parts in the order of their names."""
    if not os.path.isdir(path):
        return [path]
    names = sorted(name for name in os.listdir(path) if not name.startswith(("_", ".")) and not name.endswith(".crc"))
    parts = [os.path.join(path, name) for name in names]
    folders = [part for part in parts if os.path.isdir(part)]
    if not parts or folders:
        raise OperationError(
            f"'{path}' is a folder without part files" if not parts else f"'{path}' holds folders, not part files",
            "name a file, or a folder that holds the parts of one data set",
        )
    return parts


def only_file(path: str, format: str) -> str:
    """The one file of a format that does not come in parts."""
    parts = part_files(path)
    if len(parts) > 1:
        raise OperationError(f"'{path}' is a folder of {len(parts)} files, but format {format} is always one file")
    return parts[0]


def first_bytes(path: str, size: int = 1 << 16) -> bytes:
    """The beginning of a file, or of the first part file that is not empty."""
    with failing_as("read", path):
        for part in part_files(path):
            with open(part, "rb") as file:
                if start := file.read(size).removeprefix(BOM):
                    return start
    return b""


def total_bytes(path: str) -> int:
    return sum(os.path.getsize(part) for part in part_files(path))
