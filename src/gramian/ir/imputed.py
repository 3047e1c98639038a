"""What fills missing cells, beside the columns of a metadata frame.

`transformencode` learns it; it is kept in the metadata of the Arrow fields, and in csv files in two lines between header
and rows, `#Meta·MV` with the values and `#Meta·ND` with the numbers of distinct entries, as SystemDS writes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gramian.errors import OperationError
from gramian.ir.frame import Frame

VALUES_LINE, COUNTS_LINE = "#Meta·MV", "#Meta·ND"
_IMPUTE = b"gramian.impute"
_NULL = "null"


def with_imputed(frame: Frame, imputed: Sequence[str | None]) -> Frame:
    """The metadata frame with the values that fill missing cells, None for columns without."""
    import pyarrow as pa

    fields = [
        field if value is None else field.with_metadata({_IMPUTE: value.encode()})
        for field, value in zip(frame.table.schema, imputed, strict=True)
    ]
    return Frame(pa.Table.from_arrays(frame.table.columns, schema=pa.schema(fields)))


def imputed(meta: Frame, position: int) -> str | None:
    """The value that fills missing cells of a column, if the metadata has one."""
    found: bytes | None = (meta.table.schema.field(position).metadata or {}).get(_IMPUTE)
    return None if found is None else found.decode()


def entries(meta: Frame, position: int) -> Any:
    """The cells of a column that hold something, an Arrow array of texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = meta.table.column(position).cast(pa.string())
    return column.filter(pc.fill_null(pc.not_equal(column, ""), False)).combine_chunks()


def csv_lines(frame: Frame, sep: str) -> list[str]:
    """The lines that stand before the rows of a metadata frame in a csv file; none for other frames."""
    values = [imputed(frame, j) for j in range(frame.shape[1])]
    if all(value is None for value in values):
        return []
    counts = [str(len(entries(frame, j)) or -1) for j in range(frame.shape[1])]
    return [sep.join([VALUES_LINE, *(v or _NULL for v in values)]), sep.join([COUNTS_LINE, *counts])]


def with_csv_line(frame: Frame, fields: Sequence[str]) -> Frame:
    """The metadata frame with what the fields of a line say that begins with `VALUES_LINE`."""
    if len(fields) != frame.shape[1] + 1:
        raise OperationError(f"has {len(fields) - 1} values in its line '{VALUES_LINE}' for {frame.shape[1]} columns")
    return with_imputed(frame, [None if value in (_NULL, "") else value for value in fields[1:]])
