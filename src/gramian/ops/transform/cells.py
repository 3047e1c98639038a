"""The cells of a frame's columns, as the encoders need them: as categories or as numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gramian.errors import OperationError
from gramian.ir.frame import BOOLEAN, FP64, STRING, Frame, as_cell, missing_hint, row_number
from gramian.ir.scalar import text as scalar_text

Codes = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Categories:
    """The distinct texts of a column in order of first appearance, and the number of each row's from 1.

    `texts` is an Arrow array. Number 0 stands for a missing cell; empty texts are missing too. `kind` is the type of
    the column.
    """

    texts: Any
    codes: Codes
    kind: str

    def filled(self, value: str) -> Categories:
        """With a text in place of the missing cells."""
        import pyarrow as pa
        import pyarrow.compute as pc

        missing = self.codes == 0
        if not missing.any():
            return self
        at = pc.index(self.texts, value).as_py()
        texts = self.texts if at >= 0 else pa.concat_arrays([self.texts, pa.array([value])])
        code = np.int32(at + 1 if at >= 0 else len(texts))
        return replace(self, texts=texts, codes=np.where(missing, code, self.codes))

    def kept(self, keep: Mask | None) -> Categories:
        return self if keep is None else replace(self, codes=self.codes[keep])

    def translated(self, numbers: Codes) -> Codes:
        """Other codes for the rows, from one for each text; missing cells stay 0."""
        table = np.zeros(len(numbers) + 1, np.int32)
        table[1:] = numbers
        return table[self.codes]

    def counts(self, keep: Mask | None) -> npt.NDArray[np.int64]:
        """How many of the rows that are kept have each text."""
        return np.bincount(self.kept(keep).codes, minlength=len(self.texts) + 1)[1:]


def most_frequent(texts: Any, counts: npt.NDArray[np.int64]) -> str | None:
    """The text that most of the rows have, the smallest one of several, or None if all are missing."""
    if not counts.any():
        return None
    return str(min(texts.filter(_arrow_array(counts == counts.max())).to_pylist()))


def categories(frame: Frame, position: int) -> Categories:
    encoded = frame.table.column(position).dictionary_encode().unify_dictionaries().combine_chunks()
    codes = encoded.indices.fill_null(-1).to_numpy() + np.int32(1)
    kind = frame.types[position]
    texts = _texts(encoded.dictionary, kind)
    return _without_missing(Categories(texts, codes, kind))


def _texts(distinct: Any, kind: str) -> Any:
    """Values as text, in the form in which the language prints them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from gramian.io import numbers

    if kind == FP64:
        return numbers.texts(distinct.to_numpy())
    if kind == BOOLEAN:
        return pc.if_else(distinct, "TRUE", "FALSE")
    return distinct.cast(pa.string())


def _without_missing(found: Categories) -> Categories:
    """Let empty texts, and NaN in a column of numbers, be missing."""
    import pyarrow.compute as pc

    odd = {STRING: "", FP64: "NaN"}.get(found.kind)
    at = -1 if odd is None else pc.index(found.texts, odd).as_py()
    if at < 0:
        return found
    numbers = np.arange(1, len(found.texts) + 1, dtype=np.int32)
    numbers[at] = 0
    numbers[at + 1 :] -= 1
    texts = found.texts.filter(pc.not_equal(found.texts, odd))
    return Categories(texts, found.translated(numbers), found.kind)


def as_category(value: str, kind: str) -> str:
    """A value of a specification as cells of a column of that type read, such as `3.0` for `3`."""
    try:
        cell = as_cell(value, kind)
    except ValueError:
        return value
    return value if cell is None else scalar_text(cell)


def numbers(frame: Frame, position: int, keep: Mask | None) -> Vector:
    """A column as numbers, NaN where missing or blank. Text may only stand in rows that are not kept.

    Raises:
        OperationError: a cell that is kept holds text.
    """
    import pyarrow as pa

    column = frame.table.column(position)
    if frame.types[position] != STRING:
        return _doubles(column.cast(pa.float64(), safe=False))
    try:
        return _doubles(column.cast(pa.float64()))
    except pa.ArrowInvalid:
        return _numbers_of_text(frame, position, keep)


def _doubles(column: Any) -> Vector:
    values: Vector = column.fill_null(np.nan).to_numpy()
    return values


def _numbers_of_text(frame: Frame, position: int, keep: Mask | None) -> Vector:
    """Each distinct text once: also blanks, TRUE and other forms that Arrow does not know."""
    found = categories(frame, position)
    values = np.full(len(found.texts) + 1, np.nan)
    bad = np.zeros(len(values), np.bool_)
    for at, text in enumerate(found.texts.to_pylist(), 1):
        try:
            number = as_cell(text, FP64)
        except ValueError:
            bad[at] = True
            continue
        values[at] = np.nan if number is None else number
    rows = bad[found.codes]
    rows = rows if keep is None else rows & keep
    if rows.any():
        raise _no_number(frame, position, int(np.argmax(rows)))
    return values[found.codes]


def _no_number(frame: Frame, position: int, row: int) -> OperationError:
    text = frame.cell(row, position)
    return OperationError(
        f"'{text}' in row {row_number(row)}, column {position + 1} ({frame.names[position]}) of the frame is not a number",
        missing_hint(text) or 'columns of text need a coding in the specification, such as "recode" or "hash"',
    )


def missing(frame: Frame, position: int, *, is_categorical: bool) -> Mask:
    """Which cells of a column are missing or empty; blank text and NaN too where numbers are due."""
    import pyarrow.compute as pc

    column = frame.table.column(position)
    kind = frame.types[position]
    gone = pc.is_null(column)
    if kind == FP64:
        gone = pc.or_(gone, pc.fill_null(pc.is_nan(column), False))
    elif kind == STRING and is_categorical:
        gone = pc.or_(gone, pc.fill_null(pc.equal(column, ""), False))
    elif kind == STRING:
        gone = pc.or_(gone, pc.fill_null(pc.match_substring_regex(column, r"^\s*([nN][aA][nN])?\s*$"), False))
    result: Mask = gone.to_numpy()
    return result


def _arrow_array(values: npt.NDArray[Any]) -> Any:
    import pyarrow as pa

    return pa.array(values)
