"""Compiled functions: from the source of loops to machine code, kept on disk for later processes.

The source goes into a file of its own in the user's cache folder, named by its hash, where Numba finds it and puts the
machine code beside it. A folder that cannot be written only means that each process compiles for itself.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from gramian.settings import cache_folder

LOAD = 0.01  # seconds for a compiled function from disk
COMPILE, COMPILE_LINE = 0.2, 0.01  # seconds for one that is compiled, and more for each line
HEAD = """\
import math
import numpy as np
from numba import njit
from gramian.backends.local.fused.cells import *


@njit({signature!r}, nogil=True, error_model="numpy", cache={cached})
"""
_lock = threading.Lock()  # Numba's compiler is not made for several threads


@cache
def folder() -> Path | None:
    """Where compiled functions are kept: $GRAMIAN_CACHE, or the user's cache folder; None if it cannot be written."""
    # Code that was compiled with other functions of cells must not be found again.
    version = hashlib.sha256(Path(__file__).with_name("cells.py").read_bytes()).hexdigest()[:8]
    path = Path(cache_folder()) / f"loops-{version}-py{sys.version_info[0]}{sys.version_info[1]}"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return path if os.access(path, os.W_OK) else None


def array(dtype: Any, dimensions: int, *, written: bool = False) -> str:
    """The Numba type of a C-contiguous array. What is only read may also be an array that cannot be written."""
    return f"Array({dtype}, {dimensions}, 'C', readonly={not written})"


def name_of(source: str, signature: str) -> str:
    return "k" + hashlib.sha256(f"{signature}\n{source}".encode()).hexdigest()[:24]


def price(source: str, signature: str) -> float:
    """Seconds until the compiled function is there."""
    name, place = name_of(source, signature), folder()
    if name in _functions:
        return 0.0
    on_disk = place is not None and any((place / "__pycache__").glob(f"{name}.*.nbc"))
    return LOAD if on_disk else compiling(source)


def compiling(source: str) -> float:
    """Seconds that the compiler probably takes."""
    return COMPILE + COMPILE_LINE * source.count("\n")


_functions: dict[str, Callable[..., Any]] = {}


def function(source: str, signature: str) -> Callable[..., Any]:
    """The compiled function `kernel` of a source, for arguments of the types in a Numba signature."""
    name = name_of(source, signature)
    with _lock:
        if name not in _functions:
            _functions[name] = _compile(name, source, signature)
        return _functions[name]


def _compile(name: str, source: str, signature: str) -> Callable[..., Any]:
    place = folder()
    if place is not None:
        text = HEAD.format(signature=signature, cached=True) + source
        for _ in range(2):
            try:
                return _from_disk(place / f"{name}.py", text)
            except Exception:
                # A damaged file may raise anything. Without it, or without any file, the compiler has the last word.
                _remove(place, name)
    namespace: dict[str, Any] = {}
    text = HEAD.format(signature=signature, cached=False) + source
    exec(compile(text, f"<{name}>", "exec"), namespace)
    return namespace["kernel"]  # type: ignore[no-any-return]


def _from_disk(file: Path, text: str) -> Callable[..., Any]:
    if not file.exists() or file.read_bytes() != text.encode():
        write(file, text)
    module = ModuleType(file.stem)
    module.__file__ = str(file)
    sys.modules[file.stem] = module  # Numba looks the module up by its name, and the file beside it
    exec(compile(text, str(file), "exec"), module.__dict__)
    return module.__dict__["kernel"]  # type: ignore[no-any-return]


def _remove(place: Path, name: str) -> None:
    with suppress(OSError):
        for file in (*place.glob(f"{name}.*"), *(place / "__pycache__").glob(f"{name}.*")):
            file.unlink(missing_ok=True)


def write(file: Path, text: str) -> None:
    """Whole or not at all, also if several processes write it at once."""
    with tempfile.NamedTemporaryFile("w", dir=file.parent, suffix=".tmp", delete=False, encoding="utf-8") as out:
        out.write(text)
    os.replace(out.name, file)
