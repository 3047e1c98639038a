"""Metadata in the folders of old: a folder of small text files for each kind of coding."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from gramian.errors import OperationError
from gramian.io.files import failing_as, missing_file, part_files
from gramian.ir.frame import Frame
from gramian.ops.transform import metadata
from gramian.ops.transform.specification import Coding, Plan, parse


def read_stored(spec: str, path: str) -> Frame:
    """The metadata frame of an encoding that was stored in a folder.

    Raises:
        OperationError: a file is missing, or has another form.
    """
    names = _records(os.path.join(path, "column.names"))
    if not names:
        raise OperationError(f"'{os.path.join(path, 'column.names')}' is empty")
    columns = names[0]
    plan = parse(spec).resolve(columns)
    entries = [_entries(path, name, plan, j) for j, name in enumerate(columns)]
    imputed = [
        _field(os.path.join(path, "Impute", f"{name}.impute"), 1) if plan.columns[j].imputation else None
        for j, name in enumerate(columns)
    ]
    return metadata.build(columns, entries, imputed)


def _entries(path: str, name: str, plan: Plan, j: int) -> Any:
    import pyarrow as pa

    column = plan.columns[j]
    match column.coding:
        case Coding.RECODE | Coding.EMBEDDING:
            return _categories(os.path.join(path, "Recode", f"{name}.map"))
        case Coding.BIN:
            return _bins(os.path.join(path, "Bin", f"{name}.bin"))
        case Coding.HASH:
            return pa.array([str(plan.buckets)])
        case Coding.WORDS:
            raise OperationError(f"stored metadata has no bag_of_words, as the specification asks for column '{name}'")
        case Coding.PASS:
            return pa.array([], pa.string())


def _categories(path: str) -> Any:
    """Lines `token,code`; more fields may follow. Tokens that hold commas are quoted."""
    import pyarrow as pa

    pairs = []
    for record in _records(path):
        if len(record) < 2 or not record[1].strip().isdecimal():
            raise _malformed(path, record, "token,code")
        pairs.append((int(record[1]), record[0]))
    pairs.sort()
    return metadata.joined(pa.array([t for _, t in pairs], pa.string()), np.array([c for c, _ in pairs], np.int64))


def _bins(path: str) -> Any:
    """One line of column, lowest value, highest value, width of a bin, number of bins."""
    low, width = (float(_field(path, at, is_number=True)) for at in (1, 3))
    count = float(_field(path, 4, is_number=True))
    if not 1 <= count < 2**31 or not np.isfinite(low) or not np.isfinite(width):
        raise OperationError(f"'{path}' does not describe bins: found {count:g} bins of width {width:g} from {low:g}")
    edges = low + width * np.arange(int(count) + 1)
    return metadata.interval_entries(np.column_stack([edges[:-1], edges[1:]]))


def _field(path: str, at: int, *, is_number: bool = False) -> str:
    """One field of the only line of a file."""
    records = _records(path)
    record = records[0] if records else []
    if at >= len(record):
        raise _malformed(path, record, f"at least {at + 1} fields")
    if is_number:
        try:
            float(record[at])
        except ValueError:
            raise _malformed(path, record, f"a number in field {at + 1}") from None
    return record[at]


def _records(path: str) -> list[list[str]]:
    problem = missing_file(path)
    if problem is not None:
        raise problem
    records = []
    for part in part_files(path):
        with failing_as("read", part), open(part, encoding="utf-8", newline="") as file:
            try:
                records += [record for record in csv.reader(file) if record]
            except (csv.Error, UnicodeDecodeError) as error:
                raise OperationError(f"cannot read '{part}': {error}") from None
    return records


def _malformed(path: str, record: Sequence[str], expected: str) -> OperationError:
    return OperationError(f"'{path}': expected {expected}, found '{','.join(record)}'")
