"""Files and folders: finding them, reading them in chunks of whole lines, and replacing them atomically.

Whoever reads or writes data goes through this module, so that every failure of the file system reaches the author of
the script as one `OperationError` that names the path, and so that a failed write leaves what was there before.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches

from gramian.errors import OperationError

CHUNK_BYTES = 8 << 20
BOM = b"\xef\xbb\xbf"
_HINTS = {
    errno.ENOSPC: "the disk is full; free some space or write elsewhere",
    errno.EDQUOT: "your disk quota is used up",
    errno.EACCES: "check the permissions of the file and of its folder",
    errno.EPERM: "check the permissions of the file and of its folder",
    errno.EROFS: "the file system is read-only; write elsewhere",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EEXIST: "a part of the path is a file, not a folder",
}


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some whole lines of a file, each ended by a line feed. `line` is the number of the first one, from 1."""

    text: bytes
    line: int
    path: str


@contextmanager
def failing_as(action: str, path: str) -> Iterator[None]:
    """Turn failures of the file system, and a lack of memory, into an `OperationError` about `path`."""
    try:
        yield
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise OperationError(f"cannot {action} '{path}': {reason}", _HINTS.get(problem.errno or 0)) from problem
    except MemoryError as problem:
        raise OperationError(f"cannot {action} '{path}': not enough memory") from problem


def check_path(path: str) -> None:
    """Refuse what is not the name of a local file."""
    if not path.strip() or "\0" in path:
        raise OperationError(f"'{path}' is not the name of a file")
    scheme, found, _ = path.partition("://")
    if found and scheme.isalnum():
        raise OperationError(f"'{path}' is not a local file", "copy it here first; only local paths are supported")


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


def chunks(path: str, *, skip_header: bool = False) -> Iterator[Chunk]:
    """The lines of a file or of all parts in order.

    A header belongs to the first part. Later parts that repeat it, as some systems write them, lose it too.
    """
    header: bytes | None = None
    for part in part_files(path):
        for chunk in _file_chunks(part):
            if skip_header and chunk.line == 1:
                first, _, rest = chunk.text.partition(b"\n")
                if header is None or first == header:
                    header = first
                    chunk = Chunk(rest, 2, part)
            if chunk.text:
                yield chunk


def _file_chunks(path: str) -> Iterator[Chunk]:
    line = 1
    with failing_as("read", path), open(path, "rb") as file:
        left = b""
        while block := file.read(CHUNK_BYTES):
            end = block.rfind(b"\n") + 1
            if not end:
                left += block
                continue
            text = _plain_lines(left + block[:end], line)
            yield Chunk(text, line, path)
            line += text.count(b"\n")
            left = block[end:]
        if left:
            yield Chunk(_plain_lines(left + b"\n", line), line, path)


def _plain_lines(text: bytes, line: int) -> bytes:
    if line == 1:
        text = text.removeprefix(BOM)
    return text.replace(b"\r\n", b"\n") if b"\r" in text else text


class Replacement:
    """Files and folders written under temporary names, which take the place of the old ones all at the end.

    Use as a context manager. If the body fails, even by an interrupt, everything temporary disappears and what was
    there before stays.
    """

    def __init__(self) -> None:
        self._pairs: list[tuple[str, str]] = []
        self._obsolete: list[str] = []

    def add(self, path: str) -> str:
        """The temporary name under which to write what is to become `path`."""
        target = os.path.realpath(path)  # a symbolic link stays, the file it points to is replaced
        _check_target(path, target)
        folder = os.path.dirname(target)
        with failing_as("write", path):
            os.makedirs(folder, exist_ok=True)
        temporary = temporary_name(folder)
        self._pairs.append((temporary, target))
        return temporary

    def remove(self, path: str) -> None:
        """Have what is called `path` removed, if there is such a thing."""
        self._obsolete.append(path)

    def __enter__(self) -> Replacement:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._install()
        finally:
            for temporary, _target in self._pairs:
                delete(temporary)

    def _install(self) -> None:
        moved: list[tuple[str, str]] = []  # what was there before, and where it is meanwhile
        undo: list[Callable[[], None]] = []
        try:
            for temporary, target in self._pairs:
                if os.path.isdir(target) or os.path.isdir(temporary):
                    _move_aside(target, moved, undo)
            for path in self._obsolete:
                _move_aside(path, moved, undo)
            for temporary, target in self._pairs:
                os.replace(temporary, target)
        except BaseException:
            for step in reversed(undo):
                step()
            raise
        for aside, _original in moved:
            delete(aside)


def _move_aside(path: str, moved: list[tuple[str, str]], undo: list[Callable[[], None]]) -> None:
    """Folders cannot be replaced in one step: they make room, and come back if something fails."""
    if not os.path.lexists(path):
        return
    aside = temporary_name(os.path.dirname(os.path.abspath(path)))
    os.rename(path, aside)
    moved.append((aside, path))
    undo.append(lambda: _move_back(aside, path))


def _move_back(aside: str, path: str) -> None:
    if os.path.lexists(path):
        delete(path)
    os.rename(aside, path)


def temporary_name(folder: str) -> str:
    return os.path.join(folder, f".gramian-{secrets.token_hex(8)}.tmp")


def delete(path: str) -> None:
    """Remove a file or a whole folder, if it is there."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _check_target(path: str, target: str) -> None:
    """Refuse to replace what is no data: devices, protected files, and folders that the user lives in."""
    if os.path.isdir(target):
        kept = [os.path.realpath(folder) for folder in (os.getcwd(), os.path.expanduser("~"))]
        if os.path.ismount(target) or any(os.path.commonpath([folder, target]) == target for folder in kept):
            raise OperationError(
                f"cannot write '{path}': this would replace the folder '{target}' and everything in it",
                "name a file or a new folder",
            )
    elif os.path.exists(target) and not os.path.isfile(target):
        raise OperationError(f"cannot write '{path}': it is neither a file nor a folder")
    if os.path.exists(target) and not os.access(target, os.W_OK):
        raise OperationError(f"cannot write '{path}': it is write-protected", _HINTS[errno.EACCES])
