"""Numbers as text, many at a time: Java's form of doubles, and the strict reading of it.

Both directions are exact: what is written reads back as the same double.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

Doubles = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

DECIMAL = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_SHORTEST = r"^(?P<sign>-?)(?P<whole>[0-9]+)\.?(?P<fraction>[0-9]*)(?:e(?P<power>[-+]?[0-9]+))?$"
NAMED = {"NaN": np.nan, "Infinity": np.inf, "+Infinity": np.inf, "-Infinity": -np.inf}


def texts(values: Doubles, zero: str = "0.0") -> Any:
    """The doubles of a vector as Java writes them, such as `1.0`, `1.0E-10`, `NaN`; `zero` stands for 0.0.

    Arrow writes the same shortest digits, but other forms: `1`, `0.00001`, `1e+20`, `nan`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.cast(pa.array(values), pa.string())
    with np.errstate(invalid="ignore"):
        size = np.abs(values)
        whole = (values == np.floor(values)) & (size < 1e7)
        scientific = ((size >= 1e7) | ((size < 1e-3) & (size > 0))) & np.isfinite(values)
    if whole.any():
        found = pc.if_else(pa.array(whole), pc.binary_join_element_wise(found, ".0", ""), found)
    if scientific.any():
        some = pc.filter(found, pa.array(scientific))
        found = pc.replace_with_mask(found, pa.array(scientific), _scientific(some))
    for mask, text in (
        (np.isnan(values), "NaN"),
        (values == np.inf, "Infinity"),
        (values == -np.inf, "-Infinity"),
        ((values == 0) & ~np.signbit(values), zero),
    ):
        if mask.any() and text != "0.0":
            found = pc.if_else(pa.array(mask), text, found)
    return found


def _scientific(plain: Any) -> Any:
    """`-123.5`, `0.00012` or `1.5e+20` in the form `d.dddEn`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = pc.extract_regex(plain, _SHORTEST)
    sign, whole, fraction, power = (parts.field(i) for i in range(4))
    whole = pc.utf8_ltrim(whole, "0")
    digits = pc.binary_join_element_wise(whole, fraction, "")
    leading = pc.utf8_ltrim(digits, "0")
    zeros = pc.subtract(pc.binary_length(digits), pc.binary_length(leading))
    shift = pc.subtract(pc.subtract(pc.binary_length(whole), zeros), 1)
    power = pc.cast(pc.if_else(pc.equal(power, ""), "0", pc.utf8_ltrim(power, "+")), pa.int32())
    significant = pc.utf8_rtrim(leading, "0")
    first, rest = pc.utf8_slice_codeunits(significant, 0, 1), pc.utf8_slice_codeunits(significant, 1)
    rest = pc.if_else(pc.equal(rest, ""), "0", rest)
    mantissa = pc.binary_join_element_wise(pc.binary_join_element_wise(sign, first, ""), rest, ".")
    return pc.binary_join_element_wise(mantissa, pc.cast(pc.add(power, shift), pa.string()), "E")


def parse(cells: Any) -> tuple[Doubles, Mask]:
    """The doubles of an array of texts, blanks around them allowed, and which texts are none (missing ones are not)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = pc.utf8_trim_whitespace(cells)
    decimal = pc.fill_null(pc.match_substring_regex(cells, DECIMAL), False)
    values = to_numpy(pc.cast(pc.if_else(decimal, pc.utf8_ltrim(cells, "+"), None), pa.float64())).copy()
    bad = ~to_numpy(decimal)
    if bad.any():
        which = to_numpy(pc.fill_null(pc.index_in(cells, pa.array(list(NAMED))), -1))
        values = np.where(which >= 0, np.array(list(NAMED.values()))[which], values)
        bad &= which < 0
    return values, bad


def to_numpy(array: pa.Array[Any] | pa.ChunkedArray[Any]) -> Any:
    """An Arrow array as NumPy's; missing doubles turn into NaN."""
    import pyarrow as pa

    return array.to_numpy() if isinstance(array, pa.ChunkedArray) else array.to_numpy(zero_copy_only=False)


def buffer_of(lines: Any) -> memoryview:
    """The texts of an Arrow array, one right after the other."""
    data = lines.buffers()[2]
    offsets = np.frombuffer(lines.buffers()[1], np.int32)
    start, stop = offsets[lines.offset], offsets[lines.offset + len(lines)]
    return memoryview(data)[start:stop]
