"""URLs: files elsewhere come into a temporary folder for reading, and go out from one after writing.

fsspec, an optional dependency, knows the protocols (https, s3, gs, hdfs, sftp, ...), with further packages for some.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from gramian.errors import OperationError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_FILE = re.compile(r"file:(//(localhost)?)?(?=/)", re.IGNORECASE)

_PACKAGES = "fsspec needs a further package for this protocol"

R = TypeVar("R")


def is_url(path: str) -> bool:
    """Is this a URL of something elsewhere? What is left of a `file:` URL is a path: see `local`."""
    return _URL.match(path) is not None and _FILE.match(path) is None


def local(path: str) -> str:
    """The path in a `file:` URL; a path as it is."""
    found = _FILE.match(path)
    if found is None:
        return path
    from urllib.parse import unquote

    return unquote(path[found.end() :])


@contextmanager
def fetched(url: str, *, only_metadata: bool = False) -> Iterator[str]:
    """The path of a copy on this machine, with its metadata file beside it, as long as the context lasts.

    Errors speak of the URL.

    Raises:
        OperationError: there is nothing under this URL, or fsspec cannot reach it.
    """
    with _about(url) as copy:
        files, name = _file_system(url)
        _reach("read", url, lambda: _fetch(files, name.rstrip("/") + ".mtd", copy + ".mtd"))
        if not only_metadata and not _reach("read", url, lambda: _fetch(files, name, copy)):
            raise OperationError(f"cannot find '{url}'")
        yield copy


@contextmanager
def uploaded(url: str) -> Iterator[str]:
    """A path on this machine; what is there at the end of the context takes the place of what the URL named.

    It travels under a temporary name first, so that a broken connection leaves the old data as they were.

    Raises:
        OperationError: fsspec cannot write there.
    """
    with _about(url) as copy:
        files, name = _file_system(url)
        yield copy
        _reach("write", url, lambda: _install(files, copy, name.rstrip("/")))


def _file_system(url: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError:
        raise OperationError(
            f"'{url}' is not a local file, and the package fsspec, which opens URLs, is not installed",
            "install it: pip install 'gramian[remote]'",
        ) from None
    found: tuple[Any, str] = _reach("open", url, lambda: fsspec.core.url_to_fs(url))
    return found


def _reach(action: str, url: str, work: Callable[[], R]) -> R:
    """Whatever a protocol's package raises, its message is for the author of the script."""
    try:
        return work()
    except Exception as problem:
        lines = str(getattr(problem, "strerror", None) or problem).splitlines()  # some go on for pages
        reason = lines[0] if lines else type(problem).__name__
        hint = _PACKAGES if isinstance(problem, ImportError) else None
        raise OperationError(f"cannot {action} '{url}': {reason}", hint) from problem


def _fetch(files: Any, name: str, copy: str) -> bool:
    """Copy a file or folder here, if it is there."""
    try:
        kind = files.info(name)["type"]
    except FileNotFoundError:
        return False
    if kind == "directory":
        files.get(name.rstrip("/") + "/", copy, recursive=True)
    else:
        files.get_file(name, copy)
    return True


def _install(files: Any, copy: str, name: str) -> None:
    """Everything under temporary names first; then the old data make room, and come back if something fails."""
    folder, _, _ = name.rpartition("/")
    if folder:
        files.makedirs(folder, exist_ok=True)
    token = secrets.token_hex(8)
    moved: list[str] = []
    placed: list[str] = []
    try:
        for end in _ends(copy):
            _move(files.put, copy + end, f"{name}.{token}.tmp{end}", os.path.isdir(copy + end))
        for end in ("", ".mtd"):
            if files.exists(name + end):
                _move(files.mv, name + end, f"{name}.{token}.old{end}", files.isdir(name + end))
                moved.append(end)
        for end in _ends(copy):
            placed.append(end)
            _move(files.mv, f"{name}.{token}.tmp{end}", name + end, os.path.isdir(copy + end))
    except BaseException:
        for end in placed:
            _remove(files, name + end)
        for end in moved:
            _move(files.mv, f"{name}.{token}.old{end}", name + end, files.isdir(f"{name}.{token}.old{end}"))
        raise
    finally:
        for end in ("", ".mtd"):
            _remove(files, f"{name}.{token}.tmp{end}")
            _remove(files, f"{name}.{token}.old{end}")


def _ends(copy: str) -> tuple[str, ...]:
    return ("", ".mtd") if os.path.exists(copy + ".mtd") else ("",)


def _move(function: Callable[..., None], source: str, target: str, folder: bool) -> None:
    function(source + "/" if folder else source, target, recursive=folder)


def _remove(files: Any, name: str) -> None:
    if files.exists(name):
        files.rm(name, recursive=True)


@contextmanager
def _about(url: str) -> Iterator[str]:
    """A path in a temporary folder, with the URL's last part as name; errors about it become errors about the URL."""
    from tempfile import TemporaryDirectory

    name = re.split(r"[?#]", url.rstrip("/"))[0].rpartition("/")[2]
    with TemporaryDirectory(prefix="gramian-") as folder:
        copy = os.path.join(folder, name or "data")
        try:
            yield copy
        except OperationError as problem:
            hint = problem.hint and problem.hint.replace(copy, url)
            raise OperationError(problem.message.replace(copy, url), hint) from problem
