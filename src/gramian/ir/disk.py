"""Matrices on disk: cells row by row in a file, read and written some rows at a time.

Nothing is mapped into memory: mapped pages would count as memory of the process. A matrix that a script makes lies in a
file without a name, which the system removes when nobody holds the matrix any more, whatever ends the process. One that
was read may lie in the file of the user. Rows of a matrix, and another shape of the same cells, are views of one file.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gramian.errors import OperationError

Dense = npt.NDArray[Any]

BATCH = 1 << 19  # cells of a panel, where nothing else says how large one should be


class File:
    """An open file of cells, which is closed when nobody holds it."""

    def __init__(self, raw: Any, folder: str) -> None:
        self.raw = raw
        self.folder = folder

    def __del__(self) -> None:
        self.raw.close()

    @classmethod
    def new(cls, folder: str, size: int) -> File:
        """A file without a name, for so many bytes.

        Raises:
            OperationError: there is no such folder, or no room in it.
        """
        _allow_many_files()
        try:
            left = room_in(folder)
            if left < size:
                raise _no_room(folder, size, f"there are {left / 1e9:.1f} GB left")
            return cls(tempfile.TemporaryFile(dir=folder, buffering=0), folder)
        except OSError as problem:
            raise _no_room(folder, size, problem.strerror or str(problem)) from problem

    def read(self, offset: int, out: memoryview) -> None:
        descriptor = self.raw.fileno()
        while len(out):
            count = _read_into(descriptor, out, offset)
            if count == 0:
                raise OperationError(f"'{self.raw.name}' became shorter while it was read")
            out, offset = out[count:], offset + count

    def write(self, offset: int, data: memoryview) -> None:
        descriptor = self.raw.fileno()
        try:
            while len(data):
                count = os.pwrite(descriptor, data, offset)
                data, offset = data[count:], offset + count
        except OSError as problem:
            raise _no_room(self.folder, len(data), problem.strerror or str(problem)) from problem


def _read_into(descriptor: int, out: memoryview, offset: int) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [out], offset)
    data = os.pread(descriptor, len(out), offset)
    out[: len(data)] = data
    return len(data)


def room_in(folder: str) -> int:
    """The bytes that a folder has left."""
    there = os.statvfs(folder)
    return there.f_bavail * there.f_frsize


def _no_room(folder: str, size: int, reason: str) -> OperationError:
    return OperationError(
        f"a matrix for which memory has no room cannot be kept in the folder '{folder}', {size / 1e9:.1f} GB: {reason}",
        "name a folder with enough room with --scratch, or allow more memory with --memory",
    )


def _allow_many_files() -> None:
    """As many open files as the system lets this process have: each matrix on disk is one."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard and hard != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class InPanels:
    """A matrix that comes some rows at a time: `panel(first, last)` gives them as an array, `load()` all of them."""

    __slots__ = ("__weakref__",)
    ndim = 2
    shape: tuple[int, int]
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1]

    @property
    def nbytes(self) -> int:
        """What it takes in memory when it is loaded."""
        return self.size * self.dtype.itemsize

    @property
    def loads_sparse(self) -> bool:
        """Does `load` give a sparse matrix? Panels are dense all the same."""
        return False

    def __len__(self) -> int:
        return self.shape[0]

    def panel(self, first: int, last: int) -> Dense:
        """Rows from `first` up to, but without, `last`."""
        raise NotImplementedError

    def panels(self, cells: int = BATCH) -> Iterator[tuple[int, Dense]]:
        """All rows in panels of about so many cells, each with the number of its first row."""
        step = max(1, cells // max(1, self.shape[1]))
        for first in range(0, self.shape[0], step):
            yield first, self.panel(first, min(self.shape[0], first + step))

    def turned(self) -> Any:
        """The transpose as a matrix of rows, if there is a better way to make it than on disk; else None."""
        return None


class DiskMatrix(InPanels):
    """A matrix on disk. `stored` is the type of its cells in the file, `dtype` that of the panels that come out."""

    __slots__ = ("dtype", "file", "offset", "shape", "stored")

    def __init__(
        self,
        file: File,
        shape: tuple[int, int],
        dtype: npt.DTypeLike = np.float64,
        stored: npt.DTypeLike | None = None,
        offset: int = 0,
    ) -> None:
        self.file = file
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.stored = self.dtype if stored is None else np.dtype(stored)
        self.offset = offset

    @classmethod
    def new(cls, shape: tuple[int, int], folder: str, dtype: npt.DTypeLike = np.float64) -> DiskMatrix:
        """A matrix of zeros in a folder, to be written."""
        kind = np.dtype(dtype)
        size = shape[0] * shape[1] * kind.itemsize
        file = File.new(folder, size)
        os.ftruncate(file.raw.fileno(), size)
        return cls(file, shape, kind)

    def __repr__(self) -> str:
        return f"DiskMatrix({self.shape[0]}x{self.shape[1]})"

    def __reduce__(self) -> Any:
        return _on_disk_again, (self.load(), self.file.folder)

    @property
    def folder(self) -> str:
        """Where it is."""
        return self.file.folder

    def _place(self, row: int) -> int:
        return self.offset + row * self.shape[1] * self.stored.itemsize

    # -- reading ----------------------------------------------------------------------------------------------------

    def panel(self, first: int, last: int) -> Dense:
        """The rows from `first` up to, but without, `last`, as a new array."""
        cells = np.empty((last - first, self.shape[1]), self.stored)
        if cells.size:
            self.file.read(self._place(first), cells.reshape(-1).view(np.uint8).data)
        return cells if self.stored == self.dtype else cells.astype(self.dtype)

    def load(self) -> Dense:
        """The whole matrix in memory."""
        if self.stored == self.dtype:
            return self.panel(0, self.shape[0])
        found = np.empty(self.shape, self.dtype)
        for first, panel in self.panels():
            found[first : first + len(panel)] = panel
        return found

    def __getitem__(self, key: tuple[int | slice, int | slice]) -> Any:
        """A cell, or a region as an array in memory."""
        rows, cols = key
        if isinstance(rows, slice):
            first, last, _ = rows.indices(self.shape[0])
            if cols == slice(None):
                return self.panel(first, last)
            parts = [part[:, cols] for _, part in self.rows(first, last).panels()]
            return np.concatenate(parts) if parts else self.panel(0, 0)[:, cols]
        return self.panel(rows, rows + 1)[0, cols]

    # -- views ------------------------------------------------------------------------------------------------------

    def rows(self, first: int, last: int) -> DiskMatrix:
        """The rows from `first` up to, but without, `last`, without copying them."""
        return DiskMatrix(self.file, (last - first, self.shape[1]), self.dtype, self.stored, self._place(first))

    def reshaped(self, rows: int, cols: int) -> DiskMatrix:
        """The same cells, row by row, in another shape."""
        return DiskMatrix(self.file, (rows, cols), self.dtype, self.stored, self.offset)

    def as_type(self, dtype: npt.DTypeLike) -> DiskMatrix:
        """The same cells, of another type when they come out."""
        return DiskMatrix(self.file, self.shape, dtype, self.stored, self.offset)

    @property
    def T(self) -> DiskTranspose:
        return DiskTranspose(self)

    # -- writing ----------------------------------------------------------------------------------------------------

    def write(self, first: int, cells: Dense) -> None:
        """Rows from `first` on."""
        if cells.size:
            cells = np.ascontiguousarray(cells, self.stored)
            self.file.write(self._place(first), cells.reshape(-1).view(np.uint8).data)

    def __setitem__(self, key: tuple[int | slice, int | slice], value: Any) -> None:
        """Write a cell, or a region from a number or a matrix. Nobody else may hold the matrix."""
        rows, cols = (slice(k, k + 1) if isinstance(k, int) else k for k in key)
        first, last, _ = rows.indices(self.shape[0])
        left, right, _ = cols.indices(self.shape[1])
        step = max(1, BATCH // max(1, self.shape[1]))
        for start in range(first, last, step):
            stop = min(last, start + step)
            part = value if not hasattr(value, "shape") else panel_of(value, start - first, stop - first)
            if right - left == self.shape[1]:
                panel = np.empty((stop - start, self.shape[1]), self.dtype)
            else:
                panel = self.panel(start, stop)
            panel[:, left:right] = part
            self.write(start, panel)

    def scatter(self, rows: Dense, cols: Dense, values: Dense) -> None:
        """Write cells here and there, of which later ones count if some are the same."""
        step = max(1, 8 * BATCH // max(1, self.shape[1]))
        panels = rows // step
        for number in np.unique(panels):
            here = panels == number
            first = int(number) * step
            panel = self.panel(first, min(self.shape[0], first + step))
            panel[rows[here] - first, cols[here]] = values[here]
            self.write(first, panel)

    def zeros(self) -> DiskMatrix:
        """A matrix of zeros of the same size in the same folder."""
        return DiskMatrix.new(self.shape, self.file.folder, self.dtype)

    def copy(self) -> DiskMatrix:
        """A matrix of its own to write into."""
        found = self.zeros()
        for first, panel in self.panels():
            found.write(first, panel)
        return found


class DiskTranspose(InPanels):
    """The transpose of a matrix on disk, or of another one that comes in panels.

    Products take it as it is; who needs its rows has it written to disk once.
    """

    def __init__(self, base: Any) -> None:
        self.base = base
        self.shape = base.shape[1], base.shape[0]
        self.dtype = base.dtype
        self._lock = threading.Lock()

    def __reduce__(self) -> Any:
        return DiskTranspose, (self.base,)

    @property
    def nbytes(self) -> int:
        found: int = self.base.nbytes
        return found

    @property
    def loads_sparse(self) -> bool:
        found: bool = self.base.loads_sparse
        return found

    @property
    def T(self) -> Any:
        return self.base

    def as_type(self, dtype: npt.DTypeLike) -> DiskTranspose:
        return DiskTranspose(self.base.as_type(dtype))

    @cached_property
    def _written(self) -> Any:
        """By squares that fit into memory: each is read once and written once, both in long enough pieces."""
        turned = self.base.turned()
        if turned is not None:
            return turned
        rows, cols = self.base.shape
        found = DiskMatrix.new((cols, rows), self.base.folder, self.dtype)
        size = self.dtype.itemsize
        step = max(1, 8 * BATCH // max(1, cols))
        for first in range(0, rows, step):
            panel = np.ascontiguousarray(self.base.panel(first, min(rows, first + step)).T)
            for column, cells in enumerate(panel):
                found.file.write((column * rows + first) * size, cells.view(np.uint8).data)
        return found

    @property
    def written(self) -> Any:
        """The same as a matrix of rows."""
        with self._lock:
            return self._written

    def panel(self, first: int, last: int) -> Dense:
        found: Dense = self.written.panel(first, last)
        return found

    def load(self) -> Dense:
        found: Dense = self.base.load().T
        return found

    def __getitem__(self, key: tuple[int | slice, int | slice]) -> Any:
        rows, cols = key
        found = self.base[cols, rows]
        return found.T if isinstance(found, np.ndarray) else found

    def copy(self) -> Any:
        return self.written.copy()

    def zeros(self) -> Any:
        return self.written.zeros()


class SparsePanels(InPanels):
    """A sparse matrix by rows, which comes cell by cell some rows at a time, as one on disk does."""

    def __init__(self, stored: Any) -> None:
        self.stored = stored
        self.shape = int(stored.shape[0]), int(stored.shape[1])
        self.dtype = stored.dtype

    def panel(self, first: int, last: int) -> Dense:
        found: Dense = self.stored[first:last].toarray()
        return found

    def load(self) -> Dense:
        return self.panel(0, self.shape[0])


class Room:
    """Where readers put matrices: in memory, whatever it takes. Backends know better."""

    def place(self, rows: int, cols: int) -> Any:
        """A matrix to be written, by `put`; one on disk may still get more rows than that."""
        return np.empty((rows, cols))

    def require(self, size: int, what: str) -> None:
        """Refuse what needs so many bytes of memory, if there is no room for it."""


def is_on_disk(value: object) -> bool:
    """Does the matrix come in panels, from disk or from a sparse one?"""
    return isinstance(value, InPanels)


def _on_disk_again(cells: Dense, folder: str) -> DiskMatrix:
    found = DiskMatrix.new((cells.shape[0], cells.shape[1]), folder, cells.dtype)
    found.write(0, cells)
    return found


def put(matrix: Any, first: int, cells: Dense) -> None:
    """Write rows of a matrix in memory or on disk."""
    if isinstance(matrix, np.ndarray):
        matrix[first : first + len(cells)] = cells
    else:
        matrix.write(first, cells)


def panel_of(matrix: Any, first: int, last: int) -> Dense:
    """Some rows of a matrix as an array in memory: of one in memory, dense or sparse, or on disk."""
    if isinstance(matrix, np.ndarray):
        return matrix[first:last]
    if isinstance(matrix, InPanels):
        return matrix.panel(first, last)
    part = matrix[first:last]
    found: Dense = part.toarray()
    return found
