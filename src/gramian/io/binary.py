"""Formats binary and npy: NumPy's .npy for a matrix, SciPy's .npz for a sparse one, an Arrow IPC file for a frame.

All keep every bit and read quickly.
"""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gramian.errors import OperationError
from gramian.io.csv_frame import check_flat, typed
from gramian.io.files import failing_as, first_bytes, only_file, part_files
from gramian.ir.disk import BATCH, DiskMatrix, DiskTranspose, File, Room, is_on_disk, put
from gramian.ir.frame import Frame
from gramian.ir.sparse import by_rows, is_sparse, settle

if TYPE_CHECKING:
    from gramian.io.plan import ReadPlan

Matrix = npt.NDArray[np.float64]

NUMPY, ARROW, ZIP = b"\x93NUMPY", b"ARROW1", b"PK\x03\x04"


def sizes(path: str, data_type: str) -> tuple[int, int]:
    """Rows and columns, without reading the data."""
    if data_type == "frame":
        with _arrow_file(path, mapped=True) as file:
            return sum(file.get_batch(i).num_rows for i in range(file.num_record_batches)), len(file.schema)
    shape = _shape(path)
    return int(shape[0]), int(shape[1])


def is_sparse_file(path: str) -> bool:
    """Is it one of SciPy's, or the first of a folder of parts?"""
    return first_bytes(path, 16).startswith(ZIP)


def parts(path: str) -> list[tuple[str, int]]:
    """The files of a matrix, one or a folder of them, each with its number of rows; they have the same columns."""
    with failing_as("read", path):
        files = part_files(path)
    shapes = [_part_shape(file) for file in files]
    for file, shape in zip(files, shapes, strict=True):
        if shape[1] != shapes[0][1]:
            raise OperationError(
                f"the parts of '{path}' have different columns: '{file}' has {shape[1]}, '{files[0]}' has {shapes[0][1]}"
            )
    return [(file, int(shape[0])) for file, shape in zip(files, shapes, strict=True)]


def rows_of(path: str, first: int, last: int) -> Any:
    """Some rows of one file: of a .npy file mapped into memory, of a sparse matrix in compressed rows."""
    found = _load_sparse(path) if is_sparse_file(path) else _load(path, mapped=True)
    return (by_rows(found) if is_sparse(found) else found)[first:last]


def _part_shape(path: str) -> Any:
    return _sparse_shape(path) if is_sparse_file(path) else _load(path, mapped=True).shape


def _shape(path: str) -> tuple[int, int]:
    found = parts(path)
    return sum(rows for _, rows in found), _part_shape(found[0][0])[1]


def read_matrix(plan: ReadPlan, room: Room) -> Any:
    """A matrix; where memory has no room for it, it stays in its file."""
    files = parts(plan.path)
    sparse = [path for path, _ in files if is_sparse_file(path)]
    if sparse:
        room.require(sum(map(_unpacked, sparse)), f"reading '{plan.path}'")
        return _load_sparse(sparse[0]) if len(files) == 1 else _from_sparse_parts(files)
    if len(files) > 1:
        return _from_parts(plan.path, files, room)
    there = _load(plan.path, mapped=True)
    found = room.place(*there.shape)
    if not isinstance(found, np.ndarray):
        return _in_place(plan.path, there).as_type(found.dtype)
    return np.ascontiguousarray(_load(plan.path, mapped=False), dtype=found.dtype)


def _from_parts(path: str, files: list[tuple[str, int]], room: Room) -> Any:
    found = room.place(*_shape(path))
    at = 0
    for file, rows in files:
        there = _load(file, mapped=True)
        for first in range(0, rows, step := max(1, BATCH // max(1, there.shape[1]))):
            put(found, at + first, np.ascontiguousarray(there[first : first + step], dtype=found.dtype))
        at += rows
    return found


def _from_sparse_parts(files: list[tuple[str, int]]) -> Any:
    """Parts some of which are sparse."""
    from scipy.sparse import csr_array, vstack

    found = vstack([csr_array(rows_of(file, 0, rows), dtype=np.float64) for file, rows in files], format="csr")
    found.eliminate_zeros()
    return settle(found)


def _in_place(path: str, there: Any) -> Any:
    """The cells of a .npy file, which has them by rows or by columns."""
    with failing_as("read", path):
        name = only_file(path, "binary")
        file = File(open(name, "rb", buffering=0), os.path.dirname(name) or ".")  # noqa: SIM115
    rows, cols = there.shape
    if there.flags.c_contiguous:
        return DiskMatrix(file, (rows, cols), np.float64, there.dtype, there.offset)
    return DiskMatrix(file, (cols, rows), np.float64, there.dtype, there.offset).T


def _unpacked(path: str) -> int:
    """The bytes of the arrays in a .npz file."""
    import zipfile

    try:
        with failing_as("read", path), zipfile.ZipFile(only_file(path, "binary")) as file:
            return sum(entry.file_size for entry in file.infolist())
    except zipfile.BadZipFile as problem:
        raise _no_sparse_matrix(path, problem) from None


def read_frame(plan: ReadPlan) -> Frame:
    import pyarrow as pa

    try:
        with _arrow_file(plan.path, mapped=False) as file:
            table = file.read_all()
            table.validate(full=True)
            for field in table.schema:
                check_flat(field, plan.path)
            return typed(Frame(table), plan)
    except pa.ArrowInvalid as problem:
        raise OperationError(f"cannot read '{plan.path}': {problem}") from None


def write_matrix(file: IO[bytes], matrix: Any) -> None:
    """What `np.save` writes. That would hand a file over to C, which does not say why it failed."""
    if is_sparse(matrix):
        from scipy.sparse import save_npz

        save_npz(file, matrix, compressed=False)
        return
    if is_on_disk(matrix):
        _write_from_disk(file, matrix)
        return
    ordered = matrix if matrix.flags.f_contiguous else np.ascontiguousarray(matrix)
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(ordered))
    file.write((ordered.T if ordered.flags.f_contiguous else ordered).data.cast("B"))


def _write_from_disk(file: IO[bytes], matrix: DiskMatrix | DiskTranspose) -> None:
    by_columns = isinstance(matrix, DiskTranspose)
    header = {
        "descr": np.lib.format.dtype_to_descr(matrix.dtype),
        "fortran_order": by_columns,
        "shape": tuple(map(int, matrix.shape)),
    }
    np.lib.format.write_array_header_1_0(file, header)
    for _, panel in (matrix.T if isinstance(matrix, DiskTranspose) else matrix).panels():
        file.write(panel.data.cast("B"))


def write_frame(file: IO[bytes], frame: Frame) -> None:
    import pyarrow as pa

    with pa.ipc.new_file(file, frame.table.schema) as writer:
        writer.write_table(frame.table)


def _load(path: str, *, mapped: bool) -> npt.NDArray[Any]:
    """The array of a .npy file; one dimension counts as a column."""
    name = only_file(path, "binary")
    _check_magic(path, NUMPY, "matrix")
    try:
        with failing_as("read", path):
            array: npt.NDArray[Any] = np.load(name, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (ValueError, EOFError) as problem:
        if "object" in str(problem):
            raise OperationError(f"'{path}' holds an array of objects, not a matrix of numbers") from None
        raise OperationError(f"cannot read '{path}': {problem}") from None
    if array.ndim not in (1, 2) or array.dtype.kind not in "biuf":
        raise OperationError(
            f"'{path}' holds a {array.ndim}-dimensional array of {array.dtype}, not a matrix of numbers"
        )
    return array.reshape(-1, 1) if array.ndim == 1 else array


def _sparse_shape(path: str) -> Any:
    import zipfile

    try:
        with failing_as("read", path), open(only_file(path, "binary"), "rb") as file:
            return np.load(file, allow_pickle=False)["shape"]
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as problem:
        raise _no_sparse_matrix(path, problem) from None


def _load_sparse(path: str) -> Any:
    import zipfile

    from scipy.sparse import csc_array, csr_array, load_npz

    try:
        with failing_as("read", path), open(only_file(path, "binary"), "rb") as file:
            matrix = load_npz(file)
            if matrix.ndim != 2 or matrix.dtype.kind not in "biuf":
                raise OperationError(f"'{path}' holds a {matrix.ndim}-dimensional array of {matrix.dtype}")
            matrix = (csc_array if matrix.format == "csc" else csr_array)(matrix, dtype=np.float64)
            matrix.check_format(full_check=True)
            return settle(matrix)
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError) as problem:
        raise _no_sparse_matrix(path, problem) from None


def _no_sparse_matrix(path: str, problem: Exception) -> OperationError:
    return OperationError(
        f"cannot read '{path}' as a sparse matrix: {problem}", "write such files with scipy.sparse.save_npz"
    )


def _arrow_file(path: str, *, mapped: bool) -> Any:
    import pyarrow as pa

    name = only_file(path, "binary")
    _check_magic(path, ARROW, "frame")
    try:
        with failing_as("read", path):
            return pa.ipc.open_file(pa.memory_map(name) if mapped else pa.OSFile(name))
    except pa.ArrowInvalid as problem:
        raise OperationError(f"cannot read '{path}': {problem}") from None


def _check_magic(path: str, magic: bytes, data_type: str) -> None:
    start = first_bytes(path, 16)
    if start.startswith(magic):
        return
    hint = {NUMPY: 'it holds a matrix: leave out data_type="frame"', ARROW: 'it holds a frame: give data_type="frame"'}
    other = next((text for key, text in hint.items() if start.startswith(key)), None)
    kind = "NumPy" if magic == NUMPY else "Arrow"
    raise OperationError(f"'{path}' is not a {kind} file, the binary format of a {data_type}", other)
