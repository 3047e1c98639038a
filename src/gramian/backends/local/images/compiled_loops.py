"""The loops of `loops.py` as compiled functions: one for each type of cells and, but for `fold`, for each size."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from gramian.backends.local.fused.compiled import array, function
from gramian.ops.windows import Windows

# The arrays of each loop: their dimensions, and whether they are written.
READ, WRITTEN = (4, False), (4, True)
ARRAYS = {
    "unfold": (READ, WRITTEN),
    "fold": (READ, WRITTEN),
    "to_points": (READ, (3, True), (2, False)),
    "from_points": ((3, False), WRITTEN, (1, True), (2, False)),
    "max_pool": (READ, WRITTEN),
    "max_pool_backward": (READ, READ, WRITTEN),
    "avg_pool": (READ, WRITTEN),
    "avg_pool_backward": (READ, WRITTEN),
}


_reading = Lock()  # Python 3.11 fails where two threads make syntax trees at the same time


def _texts() -> dict[str, tuple[str, list[str]]]:
    """The functions of `loops.py` as text, with the names of their parameters: nothing of them runs in Python."""
    with _reading:
        return _read()


@cache
def _read() -> dict[str, tuple[str, list[str]]]:
    module = Path(__file__).with_name("loops.py").read_text(encoding="utf-8")
    parts = (part for part in ast.parse(module).body if isinstance(part, ast.FunctionDef))
    return {p.name: (f"{ast.get_source_segment(module, p)}\n", [a.arg for a in p.args.args]) for p in parts}


def source_of(name: str, sizes: tuple[int, ...] = ()) -> str:
    """The text of a loop as Numba gets it; with `sizes` the first numbers are constants, so that short loops unroll."""
    text, parameters = _texts()[name]
    arrays = len(ARRAYS[name])
    _, doc, body = re.split(r'(    """.*?"""\n)', text, maxsplit=1, flags=re.DOTALL)
    constants = "".join(f"    {number} = {value}\n" for number, value in zip(parameters[arrays:], sizes, strict=False))
    left = parameters[:arrays] + parameters[arrays + len(sizes) :]
    return f"def kernel({', '.join(left)}):\n{doc}{constants}{body}"


def signature_of(name: str, dtype: np.dtype[Any], constants: int = 0) -> str:
    arrays = ", ".join(array(dtype, dimensions, written=written) for dimensions, written in ARRAYS[name])
    numbers = len(_texts()[name][1]) - len(ARRAYS[name]) - constants
    return f"void({arrays}{', int64' * numbers})"


@cache
def text_of(name: str, dtype: np.dtype[Any], sizes: tuple[int, ...] = ()) -> tuple[str, str]:
    """Source and signature."""
    return source_of(name, sizes), signature_of(name, dtype, len(sizes))


@cache
def loop(name: str, dtype: np.dtype[Any], sizes: tuple[int, ...] = ()) -> Callable[..., None]:
    return function(*text_of(name, dtype, sizes))


def unfold_sizes(windows: Windows) -> tuple[int, ...]:
    """The constants of `unfold`."""
    return (*windows.size, *windows.stride, *windows.padding, windows.channels, *windows.image, *windows.result)
