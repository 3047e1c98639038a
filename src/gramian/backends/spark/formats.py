"""What blocks are made of, and how they are kept in files: cells of a matrix, or the columns of a frame.

The type of a matrix's cells says which, as the recipe has it; a frame's is FRAME.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np

from gramian.backends.spark import cells
from gramian.ir.frame import Frame, default_names
from gramian.ir.sparse import is_sparse

Block = Any
FRAME = "frame"
TEXT_BYTES = 16  # of a cell of a frame, where nothing else tells


class Cells:
    """Cells of one type, dense or in compressed rows, as .npy files."""

    def __init__(self, dtype: str) -> None:
        self.dtype = np.dtype(dtype)

    def row_bytes(self, cols: int) -> int:
        """About what a row of so many columns takes."""
        return cols * self.dtype.itemsize

    def stored(self, block: Block) -> int:
        """How many cells are kept."""
        return cells.stored_cells(block)

    def settled(self, made: Any) -> Block:
        """What a recipe made, as it is kept."""
        return cells.settled(made, self.dtype)

    def save(self, out: IO[bytes], block: Block) -> None:
        cells.save(out, block)

    def load(self, place: Path) -> Block | None:
        """The block, mapped into memory; None if it is not there, or not whole."""
        try:
            found = np.load(place, mmap_mode="r")
            if found.ndim == 1:  # SciPy may put a matrix into order in its own arrays: in memory, not in the file
                return cells.unpacked(np.asarray(np.load(place, mmap_mode="c")), None, self.dtype)
        except (OSError, ValueError, EOFError):
            return None
        return found if found.dtype == self.dtype else None

    def rows(self, block: Block, first: int, last: int) -> Block:
        """SciPy would copy them, even all of them."""
        return block if (first, last) == (0, block.shape[0]) else block[first:last]

    def columns(self, block: Block, first: int, last: int | None) -> Block:
        return block if (first, last) == (0, None) else block[:, first:last]

    def take(self, block: Block, numbers: Any) -> Block:
        """The rows with these numbers."""
        return block[numbers]

    def sent(self, block: Block) -> Block:
        """The same without the file that it is in, to be pickled."""
        return block if is_sparse(block) else np.ascontiguousarray(block)

    def joined(self, parts: Sequence[Block], cols: int) -> Block:
        """Rows one below the other."""
        return cells.stacked(parts) if parts else np.empty((0, cols), self.dtype)


class Columns:
    """Frames, as Arrow files."""

    def row_bytes(self, cols: int) -> int:
        return cols * TEXT_BYTES

    def stored(self, block: Block) -> int:
        return int(block.shape[0] * block.shape[1])

    def settled(self, made: Any) -> Block:
        return made

    def save(self, out: IO[bytes], block: Block) -> None:
        import pyarrow as pa

        table = block.table.combine_chunks()
        with pa.ipc.new_file(out, table.schema) as writer:
            writer.write_table(table)

    def load(self, place: Path) -> Block | None:
        import pyarrow as pa

        try:
            return Frame(pa.ipc.open_file(pa.memory_map(str(place))).read_all())
        except (OSError, pa.ArrowInvalid):
            return None

    def rows(self, block: Block, first: int, last: int) -> Block:
        return Frame(block.table.slice(first, max(0, last - first)))

    def columns(self, block: Block, first: int, last: int | None) -> Block:
        return block.select(slice(None), slice(first, last))

    def take(self, block: Block, numbers: Any) -> Block:
        return Frame(block.table.take(numbers))

    def sent(self, block: Block) -> Block:
        return block

    def joined(self, parts: Sequence[Block], cols: int) -> Block:
        import pyarrow as pa

        if not parts:
            return Frame.of([pa.array([], pa.string())] * cols, ["STRING"] * cols, default_names(cols))
        return parts[0] if len(parts) == 1 else Frame(pa.concat_tables([part.table for part in parts]))


Format = Cells | Columns


@lru_cache(maxsize=16)
def format_of(dtype: str) -> Format:
    return Columns() if dtype == FRAME else Cells(dtype)


def format_for(block: Block) -> Format:
    """The format of a block at hand, or of a value that a job brings."""
    return format_of(FRAME if isinstance(block, Frame) else str(block.dtype))
