"""Memory that matrices have left, for the next ones of the same size.

A large matrix that is made anew gets its memory from the system page by page, each of which is filled with zeros first; for
elementwise programs that takes longer than the computation. What a loop makes in each iteration is of the same size, so the
memory of the last iteration's serves.
"""

from __future__ import annotations

import mmap
import weakref
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

SMALLEST = 1 << 24  # bytes of a matrix; the C library keeps smaller blocks itself


class Block(mmap.mmap):
    """Memory of this process alone: one made by fork writes to a copy of its own."""


class Spare:
    """Blocks of memory without a matrix, at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        # What is appended while a matrix is being collected must not wait for a lock, and a deque needs none.
        self._blocks: deque[Block] = deque()

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Any:
        """An array to be written into; what it holds is by chance."""
        kind = np.dtype(dtype)
        size = kind.itemsize * int(np.prod(shape))
        if not SMALLEST <= size <= self.limit or not hasattr(mmap, "MAP_PRIVATE"):
            return np.empty(shape, kind)
        block = self._take(size) or _block(size)
        cells = np.frombuffer(block, kind)
        # All views of the array keep `cells` alive, since NumPy does not look behind what is not an array.
        weakref.finalize(cells, self._keep, block).atexit = False
        return cells.reshape(shape)

    def clear(self) -> None:
        self._blocks.clear()

    def _take(self, size: int) -> Block | None:
        for _ in range(len(self._blocks)):
            try:
                block = self._blocks.popleft()
            except IndexError:
                return None
            if len(block) == size:
                return block
            self._blocks.append(block)
        return None

    def _keep(self, block: Block) -> None:
        self._blocks.append(block)
        while sum(map(len, tuple(self._blocks))) > self.limit:
            self._blocks.popleft()


def _block(size: int) -> Block:
    block = Block(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        block.madvise(mmap.MADV_HUGEPAGE)
    return block
