"""The metadata frame: what an encoding learned, as texts in the columns of a frame.

A recoded column holds cells `token·code`, a binned one `lower·upper`, a hashed one the number of codes, a bag of words
`token·number`. What fills missing cells is not in the cells but beside the column: see `gramian.ir.imputed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gramian.errors import OperationError
from gramian.ir.frame import STRING, Frame
from gramian.ir.imputed import entries, with_imputed
from gramian.ir.scalar import double_text

DOT = "·"


def build(names: Sequence[str], columns: Sequence[Any], imputed: Sequence[str | None]) -> Frame:
    """The metadata frame of columns with these entries (Arrow arrays of texts) and these values for missing cells."""
    import pyarrow as pa

    rows = max((len(column) for column in columns), default=0)
    padded = [pa.concat_arrays([c, pa.nulls(rows - len(c), pa.string())]) for c in columns]
    if not padded:
        return Frame.from_matrix(np.empty((0, 0)))
    return with_imputed(Frame.of(padded, [STRING] * len(padded), names), imputed)


def joined(texts: Any, numbers: Any) -> Any:
    """Entries `text·number`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(texts, pa.array(numbers).cast(pa.string()), DOT)


def interval_entries(edges: npt.NDArray[np.float64]) -> Any:
    """Entries `lower·upper` from a row of bounds for each bin."""
    import pyarrow as pa

    return pa.array([f"{double_text(float(a))}{DOT}{double_text(float(b))}" for a, b in edges], pa.string())


def tokens(meta: Frame, position: int) -> tuple[Any, npt.NDArray[np.int64]]:
    """The texts and numbers of entries `text·number`; the text may hold dots itself.

    Raises:
        OperationError: an entry has another form.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    found = entries(meta, position)
    parts = pc.split_pattern(found, DOT, max_splits=1, reverse=True)
    good = pc.and_(pc.equal(pc.list_value_length(parts), 2), pc.match_substring_regex(found, DOT + "[1-9][0-9]{0,8}$"))
    _check(meta, position, found, good, f"token{DOT}code")
    codes = pc.list_element(parts, 1).cast(pa.int64()).to_numpy(zero_copy_only=False)
    return pc.list_element(parts, 0), codes


def intervals(meta: Frame, position: int) -> npt.NDArray[np.float64]:
    """The bounds of bins, one row each.

    Raises:
        OperationError: an entry has another form.
    """
    from gramian.io import numbers

    found = entries(meta, position)
    import pyarrow.compute as pc

    parts = pc.split_pattern(found, DOT)
    good = pc.equal(pc.list_value_length(parts), 2)
    _check(meta, position, found, good, f"lower{DOT}upper")
    bounds = [numbers.parse(pc.list_element(parts, i)) for i in (0, 1)]
    good = good if not any(bad.any() for _, bad in bounds) else _arrow_not(bounds[0][1] | bounds[1][1])
    _check(meta, position, found, good, f"lower{DOT}upper")
    return np.column_stack([values for values, _ in bounds])


def whole(meta: Frame, position: int) -> int | None:
    """The number in the first cell of a column, if it has one."""
    found = entries(meta, position)
    text = found[0].as_py() if len(found) else ""
    return int(text) if text.isdecimal() else None


def _arrow_not(bad: npt.NDArray[np.bool_]) -> Any:
    import pyarrow as pa

    return pa.array(~bad)


def _check(meta: Frame, position: int, found: Any, good: Any, form: str) -> None:
    import pyarrow.compute as pc

    at = pc.index(good, False).as_py()
    if at >= 0:
        raise OperationError(
            f"column {position + 1} ({meta.names[position]}) of the metadata frame holds '{found[at].as_py()}', "
            f"expected {form}",
            "metadata frames come from transformencode() with the same specification",
        )
