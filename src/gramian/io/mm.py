"""Format mm: Matrix Market files.

SciPy reads them, from paths: of open files that it does not read to the end, SciPy 1.17 may abort the whole process. So
it does not write them, since there it insists on the suffix .mtx for paths.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gramian.errors import OperationError
from gramian.io import text
from gramian.io.files import failing_as, only_file

if TYPE_CHECKING:
    from gramian.io.plan import ReadPlan

Matrix = npt.NDArray[np.float64]


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


def read_matrix(plan: ReadPlan) -> Matrix:
    import scipy.io

    found = _from_file(plan.path, lambda name: scipy.io.mmread(name, spmatrix=False))
    with failing_as("read", plan.path):
        return np.ascontiguousarray(found if isinstance(found, np.ndarray) else found.toarray(), dtype=np.float64)


def write_matrix(file: IO[bytes], matrix: Matrix) -> None:
    rows, cols = matrix.shape
    file.write(f"%%MatrixMarket matrix coordinate real general\n{rows} {cols} {np.count_nonzero(matrix)}\n".encode())
    for lines in text.matrix_lines(matrix):
        file.write(lines)


def _from_file(path: str, function: Callable[[str], Any]) -> Any:
    try:
        with failing_as("read", path):
            name = only_file(path, "mm")
            with open(name, "rb"):  # for the reason if it cannot be read, which SciPy does not give
                return function(name)
    except (ValueError, OverflowError) as problem:
        raise OperationError(f"cannot read '{path}' as a Matrix Market file: {problem}") from None
