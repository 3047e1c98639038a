"""Format mm: Matrix Market files, through SciPy."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gramian.errors import OperationError
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

    found = _from_file(plan.path, lambda file: scipy.io.mmread(file, spmatrix=False))
    with failing_as("read", plan.path):
        return np.ascontiguousarray(found if isinstance(found, np.ndarray) else found.toarray(), dtype=np.float64)


def write_matrix(file: IO[bytes], matrix: Matrix) -> None:
    import scipy.io
    from scipy.sparse import coo_array

    scipy.io.mmwrite(file, coo_array(matrix), field="real", symmetry="general")


def _from_file(path: str, function: Any) -> Any:
    name = only_file(path, "mm")
    try:
        with failing_as("read", path), open(name, "rb") as file:
            return function(file)
    except (ValueError, OverflowError) as problem:
        raise OperationError(f"cannot read '{path}' as a Matrix Market file: {problem}") from None
