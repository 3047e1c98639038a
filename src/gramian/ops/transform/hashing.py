"""Java's hash codes of texts and whole numbers, for many at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gramian.ir.frame import BOOLEAN, INT64, STRING

Hashes = npt.NDArray[np.int64]
_LARGEST_INT = 2.0**63
_BMP = 0xFFFF  # characters above take two units in UTF-16


def text_hashes(texts: Any) -> Hashes:
    """s[0] * 31^(n-1) + ... + s[n-1] over the UTF-16 units of each text of an Arrow array, in 32 bits."""
    import pyarrow.compute as pc

    lengths = pc.utf8_length(texts).to_numpy(zero_copy_only=False).astype(np.int64)
    points = np.frombuffer("".join(texts.to_pylist()).encode("utf-32-le", "surrogatepass"), np.uint32)
    ends = np.cumsum(lengths)
    wide = points > _BMP
    units = np.cumsum(1 + wide)  # up to and with each character
    unit_ends = np.concatenate(([0], units))[ends]
    powers = np.full(int(np.max(np.diff(unit_ends, prepend=0), initial=1)), 31, np.uint32)
    powers[0] = 1
    powers = np.multiply.accumulate(powers, dtype=np.uint32)
    above = points - np.uint32(0x10000)
    pairs = (np.uint32(0xD800) + (above >> 10)) * np.uint32(31) + np.uint32(0xDC00) + (above & np.uint32(0x3FF))
    terms = np.where(wide, pairs, points) * powers[np.repeat(unit_ends, lengths) - units]
    sums = np.concatenate((np.zeros(1, np.uint32), np.cumsum(terms, dtype=np.uint32)))
    hashes: Hashes = (sums[ends] - sums[ends - lengths]).view(np.int32).astype(np.int64)
    return hashes


def buckets(texts: Any, kind: str, count: int) -> npt.NDArray[np.int32]:
    """|hash| mod count + 1 of each text. In a column of numbers, whole ones are their own hash codes."""
    return bucket_numbers(_hashes(texts, kind), count)


def bucket_numbers(hashes: Hashes, count: int) -> npt.NDArray[np.int32]:
    return (np.abs(hashes) % count + 1).astype(np.int32)


def _hashes(texts: Any, kind: str) -> Hashes:
    hashes = text_hashes(texts)
    if kind in (STRING, BOOLEAN):
        return hashes
    from gramian.io import numbers

    values, other = numbers.parse(texts)
    with np.errstate(invalid="ignore"):
        whole = ~other & (values == np.floor(values)) & (np.abs(values) < _LARGEST_INT)
    hashes[whole] = values[whole].astype(np.int64)
    if kind == INT64:
        _set_exact(hashes, texts)
    return hashes


def _set_exact(hashes: Hashes, texts: Any) -> None:
    """Whole numbers that doubles may not hold."""
    import pyarrow as pa
    import pyarrow.compute as pc

    digits = pc.match_substring_regex(texts, r"^-?[0-9]{1,18}$")
    exact = digits.to_numpy(zero_copy_only=False)
    hashes[exact] = texts.filter(digits).cast(pa.int64()).to_numpy()
