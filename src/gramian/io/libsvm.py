"""Format libsvm: one row a line, the label first, then `feature:value` of the features that are not zero.

The label is the last column of the matrix. A regular expression checks each line; then Arrow parses all numbers of a
chunk as one long column.
"""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gramian.errors import OperationError
from gramian.io import numbers
from gramian.io.chunks import Chunk, in_order, places
from gramian.io.files import total_bytes
from gramian.io.rows import stored_blocks
from gramian.ir.disk import Room
from gramian.ir.sparse import settle

if TYPE_CHECKING:
    from gramian.io.plan import ReadPlan

_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?|NaN|Infinity)"
_COMMENT = r"\s*#.*$"


def read_matrix(plan: ReadPlan, room: Room) -> Any:
    """A matrix with the features and, behind them, the label; sparse if that suits it.

    Raises:
        OperationError: a line is malformed, or has a feature twice or one beyond the columns of the plan.
    """
    from scipy.sparse import csr_array, vstack

    room.require(total_bytes(plan.path), f"reading '{plan.path}'")
    blocks = list(in_order(lambda place: parse_chunk(place.read(), plan), places(plan.path)))
    if not blocks:
        raise OperationError(f"'{plan.path}' is empty")
    matrix = vstack(blocks, format="csr") if len(blocks) > 1 else blocks[0]
    if not matrix.shape[0]:
        raise OperationError(f"'{plan.path}' has no rows")
    matrix.eliminate_zeros()
    return settle(csr_array(matrix))


def write_matrix(file: IO[bytes], matrix: Any, *, sep: str, ind_sep: str) -> None:
    def lines(part: tuple[int, Any]) -> memoryview:
        return _lines(part[1], sep, ind_sep)

    for text in in_order(lines, stored_blocks(matrix)):
        file.write(text)


def _lines(block: Any, sep: str, ind_sep: str) -> memoryview:
    import pyarrow as pa
    import pyarrow.compute as pc

    rows, features = block.shape[0], block.shape[1] - 1
    labels = numbers.texts(block[:, [features]].toarray().ravel())
    block = block[:, :features]
    columns = pc.cast(pa.array(block.indices.astype(np.int64) + 1), pa.string())
    cells = pc.binary_join_element_wise(columns, numbers.texts(block.data), ind_sep)
    # Each row's label stands before its cells, and a line break behind the last of them.
    counts = np.diff(block.indptr)
    first = block.indptr[:-1] + np.arange(rows)
    order = np.empty(rows + block.nnz, np.int64)
    order[first] = np.arange(rows)
    others = np.ones(len(order), bool)
    others[first] = False
    order[others] = np.arange(rows, len(order))
    ends = np.zeros(len(order), np.int8)
    ends[first + counts] = 1
    fields = pc.take(pa.chunked_array([labels, cells], pa.string()), pa.array(order)).combine_chunks()
    behind = pc.take(pa.array([sep, "\n"]), pa.array(ends))
    return numbers.buffer_of(pc.binary_join_element_wise(fields, behind, ""))


def looks_like(line: bytes) -> bool:
    """Is this a line of such a file, with at least one feature?"""
    pattern = rf"\s*{_NUMBER}([ \t,;]+[0-9]+:{_NUMBER})+\s*(#.*)?".encode()
    return re.fullmatch(pattern, line) is not None


def separator_of(line: bytes) -> str:
    """The separator of a file that begins with this line: a comma, as SystemDS writes it, or a blank as others do."""
    return next((sep for sep in (",", ";") if sep.encode() in line.partition(b"#")[0]), " ")


def parse_chunk(chunk: Chunk, plan: ReadPlan) -> Any:
    """The rows of a chunk. Lines without anything, and comments behind #, count for nothing."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from scipy.sparse import csr_array

    lines = pc.split_pattern(pa.array([chunk.text.decode("utf-8", "replace")]), "\n").flatten()
    if b"#" in chunk.text:
        lines = pc.replace_substring_regex(lines, _COMMENT, "")
    at = np.flatnonzero(numbers.to_numpy(pc.match_substring_regex(lines, r"\S")))
    lines = pc.take(lines, pa.array(at))
    _check_lines(lines, at, chunk, plan)
    counts = numbers.to_numpy(pc.count_substring(lines, plan.ind_sep)).astype(np.int64)
    ends = np.cumsum(counts)
    values = _numbers(lines, plan)
    is_label = np.zeros(len(values), bool)
    is_label[2 * (ends - counts) + np.arange(len(lines))] = True
    cells = values[~is_label]
    columns = cells[::2]
    features = (plan.cols or 1) - 1
    _check_columns(columns, counts, features, at, chunk, plan)
    order = _order(columns, counts, at, chunk)
    body = csr_array(
        (cells[1::2][order], columns[order].astype(np.int64) - 1, np.append(0, ends)), shape=(len(lines), features)
    )
    return _with_label(body, values[is_label])


def _order(columns: Any, counts: Any, at: Any, chunk: Chunk) -> Any:
    """How to take the cells so that the columns of each row ascend.

    Raises:
        OperationError: a row has a feature twice.
    """
    ends = np.cumsum(counts)
    first = np.zeros(len(columns), bool)
    first[(ends - counts)[counts > 0]] = True
    if ((np.diff(columns, prepend=0) > 0) | first).all():
        return slice(None)
    order = np.lexsort((columns, np.repeat(np.arange(len(counts)), counts)))
    twice = np.flatnonzero((np.diff(columns[order], prepend=0) == 0) & ~first)
    if len(twice):
        row = int(np.searchsorted(ends, twice[0], "right"))
        raise OperationError(f"{_where(chunk, at[row])}: feature {int(columns[order][twice[0]])} occurs twice")
    return order


def _with_label(features: Any, labels: npt.NDArray[np.float64]) -> Any:
    from scipy.sparse import csr_array, hstack

    return csr_array(hstack([features, csr_array(labels.reshape(-1, 1))], format="csr"))


def _check_lines(lines: Any, at: Any, chunk: Chunk, plan: ReadPlan) -> None:
    import pyarrow.compute as pc

    gap = r"[ \t]+" if plan.sep.isspace() else rf"\s*{_char(plan.sep)}\s*"
    cell = rf"[0-9]+{_char(plan.ind_sep)}{_NUMBER}"
    good = numbers.to_numpy(pc.match_substring_regex(lines, rf"^\s*{_NUMBER}(?:{gap}{cell})*\s*$"))
    if good.all():
        return
    first = int(np.flatnonzero(~good)[0])
    text = lines[first].as_py()
    shown = text if len(text) <= 40 else text[:37] + "..."
    raise OperationError(
        f"{_where(chunk, at[first])}: expected {_form(plan)}, found '{shown}'", _hint(text, plan, cell)
    )


def _form(plan: ReadPlan) -> str:
    sep = "\\t" if plan.sep == "\t" else plan.sep
    return f"'label{sep}feature{plan.ind_sep}value{sep}...'"


def _hint(text: str, plan: ReadPlan, cell: str) -> str | None:
    if "qid" in text:
        return "query identifiers (qid) are not supported: remove them"
    for sep in (" ", ",", ";", "\t"):
        if sep != plan.sep and re.fullmatch(rf"\s*{_NUMBER}(?:{re.escape(sep)}+{cell})+\s*", text):
            return f'the fields seem to be separated by "{sep}": give sep="{sep}"'.replace("\t", "\\t")
    if plan.sep != "," and "," in text:
        return "several labels for one row are not supported"
    return None


def _check_columns(columns: Any, counts: Any, features: int, at: Any, chunk: Chunk, plan: ReadPlan) -> None:
    outside = (columns < 1) | (columns > features)
    if outside.any():
        first = int(np.flatnonzero(outside)[0])
        row = int(np.searchsorted(np.cumsum(counts), first, "right"))
        raise OperationError(
            f"{_where(chunk, at[row])}: feature {int(columns[first])} lies outside of 1 to {features}",
            "cols of read() is the number of features; features count from 1"
            if columns[first] >= 1
            else "features count from 1",
        )


def _numbers(lines: Any, plan: ReadPlan) -> npt.NDArray[np.float64]:
    """All numbers of lines that are known to be right."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    text = pc.binary_join(pa.ListArray.from_arrays([0, len(lines)], lines), "\n")[0].as_buffer().to_pybytes()
    breaks = bytes(10 if chr(byte) in f"{plan.sep}{plan.ind_sep} \t\r\f" else byte for byte in range(256))
    text = text.translate(breaks, b"+")  # Arrow reads no plus signs, and nothing needs them
    table = csv.read_csv(
        pa.py_buffer(text or b"\n"),
        read_options=csv.ReadOptions(column_names=["v"], use_threads=False),
        parse_options=csv.ParseOptions(delimiter="\x01", quote_char=False, ignore_empty_lines=True),
        convert_options=csv.ConvertOptions(column_types={"v": pa.float64()}, null_values=[]),
    )
    values: npt.NDArray[np.float64] = numbers.to_numpy(table.column(0))
    return values


def _char(character: str) -> str:
    """A character in a regular expression."""
    return rf"\x{ord(character):02x}"


def _where(chunk: Chunk, line: Any) -> str:
    return f"'{chunk.path}' line {chunk.line + int(line)}"
