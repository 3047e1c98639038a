"""Watching the variables of a running script."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any
from unittest.mock import patch

import numpy as np

from gramian.ir.sparse import is_sparse
from gramian.ir.values import ListValue
from gramian.runtime.release import Releases


def matrices(value: Any) -> list[Any]:
    """The matrices in a value, dense and sparse."""
    if isinstance(value, np.ndarray) or is_sparse(value):
        return [value]
    return [m for item in value for m in matrices(item)] if isinstance(value, ListValue | tuple) else []


@contextmanager
def precisions() -> Iterator[dict[str, set[np.dtype[Any]]]]:
    """The precisions of all matrices that variables hold when a function of a script ends, by variable."""
    found: dict[str, set[np.dtype[Any]]] = {}

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and frame.f_code.co_filename.startswith("<gramian"):
            for name, value in frame.f_locals.items():
                found.setdefault(name.removeprefix("v_"), set()).update(m.dtype for m in matrices(value))

    before = sys.getprofile()
    with patch.object(Releases, "may_release", lambda *_: False):  # variables keep their values to the end
        sys.setprofile(note)
        try:
            yield found
        finally:
            sys.setprofile(before)
