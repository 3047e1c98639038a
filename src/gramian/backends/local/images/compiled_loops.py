"""The loops of `loops.py` as compiled functions: one for each type of cells, and for pools also for each size."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gramian.backends.local.fused.compiled import array, function

# The arrays of each loop, which have four dimensions, and whether they are written.
ARRAYS = {
    "unfold": (False, True),
    "fold": (False, True),
    "max_pool": (False, True),
    "max_pool_backward": (False, False, True),
    "avg_pool": (False, True),
    "avg_pool_backward": (False, True),
}
SIZES = ("size_h", "size_w", "stride_h", "stride_w", "pad_h", "pad_w")


@cache
def _texts() -> dict[str, str]:
    """The functions of `loops.py` as text: nothing of them runs in Python."""
    module = Path(__file__).with_name("loops.py").read_text(encoding="utf-8")
    parts = (part for part in ast.parse(module).body if isinstance(part, ast.FunctionDef))
    return {part.name: f"{ast.get_source_segment(module, part)}\n" for part in parts}


def source_of(name: str, sizes: tuple[int, ...] = ()) -> str:
    """The text of a loop as Numba gets it; with `sizes` they are constants in it, so that short inner loops unroll."""
    text = _texts()[name].replace(f"def {name}(", "def kernel(", 1)
    if not sizes:
        return text
    constants = "".join(f"    {size} = {value}\n" for size, value in zip(SIZES, sizes, strict=True))
    head, doc, body = re.split(r'(    """.*?"""\n)', text, maxsplit=1, flags=re.DOTALL)
    return head.replace(", " + ", ".join(SIZES), "") + doc + constants + body


def signature_of(name: str, dtype: np.dtype[Any], *, constant: bool = False) -> str:
    arrays = ", ".join(array(dtype, 4, written=written) for written in ARRAYS[name])
    return f"void({arrays})" if constant else f"void({arrays}{', int64' * len(SIZES)})"


@cache
def text_of(name: str, dtype: np.dtype[Any], sizes: tuple[int, ...] = ()) -> tuple[str, str]:
    """Source and signature."""
    return source_of(name, sizes), signature_of(name, dtype, constant=bool(sizes))


@cache
def loop(name: str, dtype: np.dtype[Any], sizes: tuple[int, ...] = ()) -> Callable[..., None]:
    return function(*text_of(name, dtype, sizes))
