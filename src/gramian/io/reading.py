"""Reading: from a plan to a value."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from gramian.errors import OperationError
from gramian.io import binary, csv, csv_frame, hdf5, jsonl, libsvm, mm, parquet, remote, text
from gramian.io.files import failing_as, part_files
from gramian.io.plan import ReadPlan, resolve
from gramian.io.rows import nonzeros
from gramian.ir.disk import Room
from gramian.ir.scalar import INT_MAX, INT_MIN, as_double
from gramian.ir.types import ScalarValue
from gramian.ir.values import ListValue

_ENTRY = re.compile(r"(\d+)_(.+)", re.DOTALL)
_MATRICES: Mapping[str, Callable[[ReadPlan, Room], Any]] = {
    "csv": csv.read_matrix,
    "text": text.read_matrix,
    "mm": mm.read_matrix,
    "binary": binary.read_matrix,
    "npy": binary.read_matrix,
    "libsvm": libsvm.read_matrix,
    "parquet": parquet.read_matrix,
    "hdf5": hdf5.read_matrix,
}
_FRAMES: Mapping[str, Callable[[ReadPlan], Any]] = {
    "csv": csv_frame.read_frame,
    "text": text.read_frame,
    "binary": binary.read_frame,
    "parquet": parquet.read_frame,
    "jsonl": jsonl.read_frame,
}
ANYWHERE = Room()


def read_value(path: str, options: Mapping[str, Any], room: Room = ANYWHERE) -> Any:
    """The value of a file or URL, by the options of a read statement. Matrices go where there is room for them.

    Raises:
        OperationError: the file is missing, or is not what the options and its metadata say.
    """
    if remote.is_url(path):
        with remote.fetched(path) as copy:
            return read_value(copy, options, room)
    return read(resolve(remote.local(path), options), room)


def read(plan: ReadPlan, room: Room = ANYWHERE) -> Any:
    """A matrix, frame, scalar or list.

    Raises:
        OperationError: the file is not what the plan says.
    """
    with failing_as("read", plan.path):
        if plan.data_type == "scalar":
            return _read_scalar(plan)
        if plan.data_type == "list":
            return _read_list(plan, room)
        if plan.data_type == "matrix":
            value = _MATRICES[plan.format](plan, room)
        else:
            value = _FRAMES[plan.format](plan)
        check_size(plan, value)
        return value


def check_size(plan: ReadPlan, value: Any) -> None:
    """Refuse a value that is not what the plan says."""
    rows, cols = value.shape
    for name, found, expected in (("rows", rows, plan.rows), ("cols", cols, plan.cols)):
        if expected not in (None, found):
            raise OperationError(
                f"'{plan.path}' holds a {rows}x{cols} {plan.data_type}, but {name}={expected} is given",
                "correct the sizes in the read statement or in the metadata file",
            )
    if plan.nnz is not None and plan.nnz != nonzeros(value):
        raise OperationError(
            f"'{plan.path}' holds {nonzeros(value)} values other than zero, but nnz={plan.nnz} is given"
        )


def _read_scalar(plan: ReadPlan) -> ScalarValue:
    data = b""
    for part in part_files(plan.path):
        with open(part, "rb") as file:
            data += file.read()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise OperationError(f"'{plan.path}' is not UTF-8 text: {problem.reason}") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if plan.value_type in ("string", "unknown"):
        return text
    value = _scalar_of(text.strip(), plan.value_type)
    if value is None:
        shown = text if len(text) <= 40 else text[:37] + "..."
        hint = None if plan.value_type == "double" and not text else 'give the value_type, for example "string"'
        raise OperationError(f"'{plan.path}' does not hold a scalar of type {plan.value_type}: '{shown}'", hint)
    return value


def _scalar_of(text: str, value_type: str) -> ScalarValue | None:
    if value_type == "boolean":
        return {"true": True, "false": False}.get(text.lower())
    if value_type == "int":
        whole = re.fullmatch(r"[+-]?[0-9]{1,19}", text)
        return int(text) if whole and INT_MIN <= int(text) <= INT_MAX else None
    try:
        return as_double(text)
    except OperationError:
        return None


def _read_list(plan: ReadPlan, room: Room) -> ListValue:
    """A list from its folder: entries are called by position and name, such as `0_weights` or `1_null`."""
    if not os.path.isdir(plan.path):
        raise OperationError(f"'{plan.path}' is not a folder, as a list is written")
    entries: dict[int, str] = {}
    for name in os.listdir(plan.path):
        if name.endswith(".mtd") or name.startswith("."):
            continue
        match = _ENTRY.fullmatch(name)
        if not match or int(match[1]) in entries:
            raise OperationError(
                f"'{os.path.join(plan.path, name)}' is not an entry of a list",
                "the folder of a list holds one file for each entry, called <position from 0>_<name or null>",
            )
        entries[int(match[1])] = name
    count = len(entries) if plan.rows is None else plan.rows
    for position in range(count):
        if position not in entries:
            raise OperationError(f"the list '{plan.path}' lacks its entry {position}")
    if len(entries) > count:
        raise OperationError(f"the list '{plan.path}' has {len(entries)} entries, but {count} are expected")
    files = [entries[position] for position in range(count)]
    names = [file.partition("_")[2] for file in files]
    items = [read_value(os.path.join(plan.path, file), {}, room) for file in files]
    return ListValue(items, [None if name == "null" else name for name in names])
