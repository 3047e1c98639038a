"""Format jsonl: a frame as JSON objects, one a line, with a key for each column. PyArrow reads the files."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from gramian.errors import OperationError
from gramian.io import numbers
from gramian.io.csv_frame import check_flat, texts, typed
from gramian.io.files import BOM, failing_as, part_files
from gramian.ir.frame import BOOLEAN, FP64, STRING, Frame

if TYPE_CHECKING:
    from gramian.io.plan import ReadPlan

_BATCH_ROWS = 1 << 16
_BLOCK_BYTES = 1 << 20
_FORM = 'each line is one JSON object, such as {"name": "ada", "age": 36}'


def read_frame(plan: ReadPlan) -> Frame:
    """A frame with the keys as columns, in the order in which they come first; keys that are not there are missing.

    Raises:
        OperationError: a line is not a JSON object, or a value is an object or a list.
    """
    import pyarrow as pa

    tables = []
    for part in part_files(plan.path):
        with failing_as("read", part), open(part, "rb") as file:
            data = file.read().removeprefix(BOM)
        if data.strip():
            tables.append(_table(data, part))
    if not tables:
        raise OperationError(f"'{plan.path}' is empty")
    try:
        table = pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    except pa.ArrowInvalid as problem:
        raise OperationError(f"the parts of '{plan.path}' do not fit together: {problem}") from None
    if not table.num_columns:
        raise OperationError(f"'{plan.path}' has no columns: its objects are empty")
    return typed(Frame(table), plan)


def write_frame(file: IO[bytes], frame: Frame) -> None:
    """The cells, missing ones and NaN as null.

    Raises:
        OperationError: two columns have the same name, or a cell is infinite.
    """
    import pyarrow.compute as pc

    names = frame.names
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise OperationError(
            f"the frame has several columns called '{twice}', which format jsonl cannot hold",
            'write it with format="csv" or rename the columns',
        )
    keys = [f"{', ' if j else '{'}{json.dumps(name, ensure_ascii=False)}: " for j, name in enumerate(names)]
    for start in range(0, frame.shape[0], _BATCH_ROWS):
        pieces: list[Any] = []
        for j, cells in enumerate(texts(frame, start, _BATCH_ROWS)):
            pieces += [keys[j], _values(cells, frame.types[j], names[j])]
        file.write(numbers.buffer_of(pc.binary_join_element_wise(*pieces, "}\n", "")))


def _values(cells: Any, kind: str, name: str) -> Any:
    """The texts of cells as JSON values."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if kind == STRING:
        return pa.array([json.dumps(text, ensure_ascii=False) for text in cells.to_pylist()], pa.string())
    if kind == BOOLEAN:
        cells = pc.utf8_lower(cells)
    if kind == FP64:
        if pc.any(pc.match_substring(cells, "Infinity")).as_py():
            raise OperationError(
                f"column '{name}' of the frame holds an infinite number, which format jsonl cannot hold",
                'write the frame with format="parquet" or format="csv"',
            )
        cells = pc.if_else(pc.equal(cells, "NaN"), None, cells)
    return pc.fill_null(cells, "null")


def _table(data: bytes, path: str) -> Any:
    """The objects as Arrow's table; texts that look like dates stay texts."""
    import pyarrow as pa

    try:
        table = _parse(data, {})
        dates = {field.name: pa.string() for field in table.schema if pa.types.is_temporal(field.type)}
        table = _parse(data, dates) if dates else table
        table.validate(full=True)  # texts must be UTF-8
    except pa.ArrowInvalid as problem:
        _find_mistake(data, path)
        raise OperationError(f"cannot read '{path}': {problem}") from None
    for field in table.schema:
        check_flat(field, path)
    return table


def _parse(data: bytes, types: dict[str, Any]) -> Any:
    import pyarrow as pa
    from pyarrow import json as arrow_json

    longest = int(np.diff(np.flatnonzero(np.frombuffer(data, np.uint8) == 10), prepend=-1, append=len(data)).max())
    return arrow_json.read_json(
        pa.py_buffer(data),
        read_options=arrow_json.ReadOptions(block_size=max(_BLOCK_BYTES, longest + 1)),
        parse_options=arrow_json.ParseOptions(explicit_schema=pa.schema(types) if types else None),
    )


def _find_mistake(data: bytes, path: str) -> None:
    """Say which line is wrong. Arrow counts rows within blocks."""
    kinds: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        where = f"'{path}' line {number}"
        try:
            found = json.loads(line)
        except UnicodeDecodeError:
            raise OperationError(f"{where}: not UTF-8 text") from None
        except ValueError as problem:
            column = f", column {problem.colno}" if isinstance(problem, json.JSONDecodeError) else ""
            text = problem.msg if isinstance(problem, json.JSONDecodeError) else str(problem)
            raise OperationError(f"{where}{column}: not valid JSON: {text}", _FORM) from None
        if not isinstance(found, dict):
            raise OperationError(f"{where}: expected a JSON object, found {_kind(found)}", _FORM)
        for key, value in found.items():
            kind = _kind(value)
            before, line_before = kinds.setdefault(key, (kind, number))
            if value is not None and before == "null":
                kinds[key] = (kind, number)
            elif value is not None and kind != before:
                raise OperationError(
                    f"{where}: '{key}' is {kind}, but line {line_before} has {before}",
                    "the values of a key must be of one kind",
                )


def _kind(value: Any) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a text", list: "a list", dict: "an object"}
    return names.get(type(value), "null")
