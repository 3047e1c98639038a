"""Writing all or nothing: files and folders take the place of the old ones only when they are complete."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Callable
from functools import partial

from gramian.errors import OperationError
from gramian.io.files import HINTS, failing_as


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
        aside: list[str] = []  # what was there before, under another name
        undo: list[Callable[[], None]] = []
        try:
            for path in self._obsolete:
                _set_aside(path, aside, undo)
            for temporary, target in self._pairs:
                if not os.path.lexists(target):
                    undo.append(partial(delete, target))
                _set_aside(target, aside, undo, keep=not os.path.isdir(temporary))
                os.replace(temporary, target)
        except BaseException:
            for step in reversed(undo):
                step()
            raise
        for old in aside:
            delete(old)


def _set_aside(path: str, aside: list[str], undo: list[Callable[[], None]], *, keep: bool = False) -> None:
    """Give what has this name another one, to come back by if something fails.

    With `keep`, a file also keeps its name, so that there is no moment without one. Folders cannot be replaced in one
    step and always make room.
    """
    if not os.path.lexists(path):
        return
    name = temporary_name(os.path.dirname(os.path.abspath(path)))
    undo.append(partial(_put_back, name, path))
    if not (keep and os.path.isfile(path) and _linked(path, name)):
        os.rename(path, name)
    aside.append(name)


def _put_back(name: str, path: str) -> None:
    if os.path.lexists(name):
        if os.path.isdir(path) or os.path.isdir(name):
            delete(path)
        os.rename(name, path)
        delete(name)  # renaming leaves two names of one file as they are


def _linked(path: str, name: str) -> bool:
    """Has the file got a second name? Some file systems know none."""
    try:
        os.link(path, name)
    except OSError:
        return False
    return True


def temporary_name(folder: str) -> str:
    return os.path.join(folder, f".gramian-{secrets.token_hex(8)}.tmp")


def delete(path: str) -> None:
    """Remove a file or a whole folder, if it is there."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


# What Hadoop, Spark and SystemDS call the files of a folder of data, and what they put beside them.
_PARTS = re.compile(r"(part-|\d+-[mr]-)?\d+[^/]*|[._].*|part-.*|.*\.crc")


def _is_data(folder: str) -> bool:
    """Was the folder written as one value? Its metadata stand beside it, or it holds nothing but parts."""
    return os.path.exists(f"{folder}.mtd") or all(map(_PARTS.fullmatch, os.listdir(folder)))


def _check_target(path: str, target: str) -> None:
    """Refuse to replace what is no data: devices, protected files, and folders that the user lives in."""
    if os.path.isdir(target):
        kept = [os.path.realpath(folder) for folder in (os.getcwd(), os.path.expanduser("~"))]
        in_use = os.path.ismount(target) or any(os.path.commonpath([folder, target]) == target for folder in kept)
        if in_use or not _is_data(target):
            raise OperationError(
                f"cannot write '{path}': this would replace the folder '{target}' and everything in it",
                "name a file or a new folder",
            )
    elif os.path.exists(target) and not os.path.isfile(target):
        raise OperationError(f"cannot write '{path}': it is neither a file nor a folder")
    if os.path.exists(target) and not os.access(target, os.W_OK):
        raise OperationError(f"cannot write '{path}': it is write-protected", HINTS[errno.EACCES])
