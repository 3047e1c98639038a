"""Format mm: Matrix Market files.

SciPy reads them, from paths: of open files that it does not read to the end, SciPy 1.17 may abort the whole process. So
it does not write them, since there it insists on the suffix .mtx for paths.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from gramian.errors import OperationError
from gramian.io import text
from gramian.io.files import failing_as, only_file, total_bytes
from gramian.io.rows import nonzeros
from gramian.ir.disk import Room
from gramian.ir.sparse import settle

if TYPE_CHECKING:
    from gramian.io.plan import ReadPlan


def sizes(path: str) -> tuple[int, int, int]:
    """Rows, columns and number of stored entries, from the header."""
    import scipy.io

    rows, cols, entries, _form, field, symmetry = _from_file(path, scipy.io.mminfo)
    if field == "complex" or symmetry in ("hermitian", "skew-symmetric"):
        kind = "complex numbers" if field == "complex" else f"a {symmetry} matrix"
        raise OperationError(
            f"'{path}' holds {kind}, which gramian does not read",
            "fields real, integer and pattern, and symmetries general and symmetric, can be read",
        )
    return int(rows), int(cols), int(entries)


def first_cell(path: str) -> int | None:
    """The byte at which the cells begin, if they are lines of row, column and value: those of format text."""
    with failing_as("read", path), open(only_file(path, "mm"), "rb") as file:
        words = file.readline().lower().split()
        if words[2:] not in ([b"coordinate", kind, b"general"] for kind in (b"real", b"integer", b"double")):
            return None
        while (line := file.readline()).startswith(b"%") or (line and not line.strip()):
            pass
        return file.tell()


def read_matrix(plan: ReadPlan, room: Room) -> Any:
    import scipy.io

    room.require(total_bytes(plan.path), f"reading '{plan.path}'")
    found = _from_file(plan.path, lambda name: scipy.io.mmread(name, spmatrix=False))
    with failing_as("read", plan.path):
        if isinstance(found, np.ndarray):
            return np.ascontiguousarray(found, dtype=np.float64)
        matrix = found.tocsr().astype(np.float64, copy=False)
        matrix.eliminate_zeros()
        return settle(matrix)


def write_matrix(file: IO[bytes], matrix: Any) -> None:
    file.write(header(matrix.shape, nonzeros(matrix)))
    text.write_matrix(file, matrix)


def header(shape: tuple[int, int], nnz: int) -> bytes:
    """What stands before the cells."""
    return f"%%MatrixMarket matrix coordinate real general\n{shape[0]} {shape[1]} {nnz}\n".encode()


def _from_file(path: str, function: Callable[[str], Any]) -> Any:
    try:
        with failing_as("read", path):
            name = only_file(path, "mm")
            with open(name, "rb"):  # for the reason if it cannot be read, which SciPy does not give
                return function(name)
    except (ValueError, OverflowError) as problem:
        raise OperationError(f"cannot read '{path}' as a Matrix Market file: {problem}") from None
