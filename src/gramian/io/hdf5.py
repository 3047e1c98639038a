"""Format hdf5: a matrix in a two-dimensional data set. h5py, an optional dependency, reads and writes the files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from gramian.errors import OperationError, did_you_mean
from gramian.io.files import failing_as, only_file
from gramian.io.rows import dense_blocks
from gramian.ir.disk import BATCH, Room, put

if TYPE_CHECKING:
    from gramian.io.plan import ReadPlan

MAGIC = b"\x89HDF\r\n\x1a\n"
DATASET = "X"  # the name of a data set that is written without one


def sizes(path: str, dataset: str | None) -> tuple[int, int]:
    """Rows and columns, without reading the data."""
    with _data_set(path, dataset) as data:
        return int(data.shape[0]), int(data.shape[1]) if data.ndim == 2 else 1


def read_matrix(plan: ReadPlan, room: Room) -> Any:
    """A matrix; a data set of one dimension is a column.

    Raises:
        OperationError: the data set is not there, or is not one of numbers.
    """
    with _data_set(plan.path, plan.dataset) as data:
        rows, cols = data.shape if data.ndim == 2 else (len(data), 1)
        matrix = room.place(rows, cols)
        step = max(1, BATCH // max(1, cols))
        for first in range(0, rows if cols else 0, step):
            block = np.empty((min(rows, first + step) - first, *data.shape[1:]))
            data.read_direct(block, np.s_[first : first + len(block)])
            put(matrix, first, block.reshape(-1, cols))
    return matrix


def write_matrix(path: str, matrix: Any, dataset: str | None) -> None:
    with _plain_errors(), _library().File(path, "x") as file:
        try:
            data = file.create_dataset(dataset or DATASET, matrix.shape, matrix.dtype)
        except ValueError as problem:
            raise OperationError(f"'{dataset}' cannot be the name of a data set: {problem}") from None
        start = 0
        for block in dense_blocks(matrix):
            data[start : start + len(block)] = block
            start += len(block)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """The system's own errors, which h5py wraps in many words, and hides behind others when it closes the file."""
    try:
        yield
    except (OSError, RuntimeError) as problem:
        number = getattr(problem, "errno", None) or getattr(problem.__context__, "errno", None)
        if number is None:
            raise
        raise OSError(number, os.strerror(number)) from problem


def _library() -> Any:
    try:
        import h5py
    except ImportError:
        raise OperationError(
            "format hdf5 needs the package h5py, which is not installed", "install it: pip install 'gramian[hdf5]'"
        ) from None
    return h5py


@contextmanager
def _data_set(path: str, name: str | None) -> Iterator[Any]:
    h5py = _library()
    with failing_as("read", path):
        file_name = only_file(path, "hdf5")
        with open(file_name, "rb"):  # for the reason if it cannot be read, which h5py wraps in many words
            pass
        if not h5py.is_hdf5(file_name):
            raise OperationError(f"'{path}' is not an HDF5 file")
        with h5py.File(file_name, "r") as file:
            data = _chosen(file, path, name)
            if data.ndim not in (1, 2) or data.dtype.kind not in "biuf":
                kind = "text or objects" if data.dtype.kind in "OSU" else str(data.dtype)
                raise OperationError(
                    f"data set '{data.name}' of '{path}' is a {data.ndim}-dimensional one of {kind}, "
                    "not a matrix of numbers"
                )
            yield data


def _chosen(file: Any, path: str, name: str | None) -> Any:
    """The data set of this name, or the only one."""
    h5py = _library()
    found: dict[str, Any] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item

    file.visititems(note)
    names = ", ".join(found)
    if name is not None:
        if name.strip("/") not in found:
            hint = did_you_mean(name, found) or (f"it holds {names}" if found else None)
            raise OperationError(f"'{path}' has no data set '{name}'", hint)
        return found[name.strip("/")]
    if len(found) != 1:
        what = f"{len(found)} data sets: {names}" if found else "no data set"
        raise OperationError(f"'{path}' holds {what}", 'name one, as in dataset="X"' if found else None)
    return next(iter(found.values()))
