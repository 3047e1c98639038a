"""URLs: files elsewhere come into a temporary folder for reading, and go out from one after writing.

fsspec, an optional dependency, knows the protocols (https, s3, gs, hdfs, sftp, ...), with further packages for some.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from gramian.errors import OperationError
from gramian.io.files import failing_as

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

    It travels under a temporary name first, so that a broken connection leaves the old data as they are.

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
        with failing_as(action, url):
            return work()
    except (OperationError, KeyboardInterrupt):
        raise
    except ImportError as problem:
        raise OperationError(f"cannot {action} '{url}': {_first_line(problem)}", _PACKAGES) from None
    except Exception as problem:
        raise OperationError(f"cannot {action} '{url}': {_first_line(problem)}") from problem


def _first_line(problem: Exception) -> str:
    """Some messages go on for pages."""
    return next(iter(str(problem).splitlines()), type(problem).__name__)


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
    """Data first; the metadata, which make them known, last."""
    folder, _, _ = name.rpartition("/")
    if folder:
        files.makedirs(folder, exist_ok=True)
    temporary = f"{name}.{secrets.token_hex(8)}.tmp"
    pairs = [(copy, temporary, name)]
    if os.path.exists(copy + ".mtd"):
        pairs.append((copy + ".mtd", temporary + ".mtd", name + ".mtd"))
    try:
        for source, between, _target in pairs:
            files.put(source + "/" if os.path.isdir(source) else source, between, recursive=os.path.isdir(source))
        for old in (name + ".mtd", name):
            if files.exists(old):
                files.rm(old, recursive=True)
        for source, between, target in pairs:
            files.mv(between, target, recursive=os.path.isdir(source))
    finally:
        for _source, between, _target in pairs:
            if files.exists(between):
                files.rm(between, recursive=True)


@contextmanager
def _about(url: str) -> Iterator[str]:
    """A path in a temporary folder, with the URL's last part as name; errors about it become errors about the URL."""
    name = re.split(r"[?#]", url.rstrip("/"))[0].rpartition("/")[2]
    with TemporaryDirectory(prefix="gramian-") as folder:
        copy = os.path.join(folder, name or "data")
        try:
            yield copy
        except OperationError as problem:
            hint = problem.hint and problem.hint.replace(copy, url)
            raise OperationError(problem.message.replace(copy, url), hint) from problem
