"""What to read and how: the options of a read statement, joined with the metadata and with what the file looks like."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gramian.errors import OperationError
from gramian.io import binary, mm
from gramian.io.files import first_bytes, missing_file
from gramian.io.metadata import read_metadata
from gramian.io.options import FORMATS, READ_OPTIONS, check_applicable, convert, shown

_CELL = re.compile(rb"\s*\d+\s+\d+\s+\S+\s*")
_ONE_FIELD = re.compile(rb"\s*[^\s]+\s*")
_SEPARATORS = (",", ";", "\t", "|")
_SUFFIXES = {".csv": "csv", ".tsv": "csv", ".mtx": "mm", ".npy": "binary", ".ijv": "text"}
_CSV_ONLY = ("header", "sep", "fill", "default", "naStrings")


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """Everything that reading needs to know. Sizes are None, and the schema is empty, where only the file says."""

    path: str
    data_type: str = "matrix"
    value_type: str = "double"
    format: str = "text"
    rows: int | None = None
    cols: int | None = None
    nnz: int | None = None
    header: bool = False
    sep: str = ","
    fill: bool = True
    default: float = 0.0
    na_strings: tuple[str, ...] = ()
    schema: tuple[str, ...] = ()


def resolve(path: str, options: Mapping[str, Any]) -> ReadPlan:
    """The plan for a read statement with these options.

    Raises:
        OperationError: the file is missing, an option is unknown or unsuitable, the metadata file is wrong or says
            something else than the statement, or the format cannot be told.
    """
    given = convert(options.items(), READ_OPTIONS, lambda name: f"argument '{name}' of read()")
    if problem := missing_file(path):
        raise problem
    known = _with_metadata(path, given)
    data_type = known.setdefault("data_type", "matrix")
    if data_type in ("scalar", "list"):
        known.setdefault("format", "text")
        _check_scalar_or_list(given, data_type)
        return _plan(path, known)
    if "format" not in known:
        known |= _recognise(path, known)
    check_applicable("read", given, READ_OPTIONS, known["data_type"], known["format"])
    plan = _plan(path, known)
    if plan.data_type == "matrix" and plan.value_type != "double":
        raise OperationError(
            f"a matrix has value type double, but '{path}' is said to hold value type {plan.value_type}",
            'give data_type="scalar" to read a single value, or data_type="frame" for columns of other types',
        )
    return _with_sizes_of_file(plan)


def _with_metadata(path: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the statement and of the metadata file, which must not contradict each other.

    A count of non-zeros in the metadata helps planners elsewhere and is often out of date; here it counts for nothing.
    """
    metadata = read_metadata(path)
    if metadata is None:
        return dict(given)
    for name, value in given.items():
        said = metadata.options.get(name)
        if said not in (None, ()) and value not in (said, ()):
            raise OperationError(
                f"argument '{name}' of read() is {shown(value)}, but '{metadata.path}' says {shown(said)}",
                f"leave out '{name}', or correct the metadata file",
            )
    return {**{name: value for name, value in metadata.options.items() if name != "nnz"}, **given}


def _check_scalar_or_list(given: Mapping[str, Any], data_type: str) -> None:
    for name, value in given.items():
        if name not in ("data_type", "value_type", "format") or (name, data_type) == ("value_type", "list"):
            raise OperationError(f"argument '{name}' of read() does not apply to a {data_type}")
        if name == "format" and data_type == "scalar" and value != "text":
            raise OperationError(f"argument 'format' of read() must be text for a scalar, found {value}")


def _plan(path: str, known: Mapping[str, Any]) -> ReadPlan:
    names = {"naStrings": "na_strings"}
    fields = set(ReadPlan.__dataclass_fields__)
    renamed = {names.get(name, name): value for name, value in known.items()}
    return ReadPlan(path, **{name: value for name, value in renamed.items() if name in fields})


def _recognise(path: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """The format, and what else the beginning and the name of a file tell about it."""
    start = first_bytes(path)
    if start.startswith(b"%%"):
        return {"format": "mm"}
    if start.startswith(binary.ARROW):
        return {"format": "binary"} if known["data_type"] == "frame" else {"format": "binary", "data_type": "frame"}
    if start.startswith(binary.NUMPY):
        return {"format": "binary"}
    line = start.partition(b"\n")[0]
    suffix = os.path.splitext(path.rstrip("/"))[1].lower()
    format = "csv" if any(name in known for name in _CSV_ONLY) else _SUFFIXES.get(suffix) or _format_of(line)
    if format is None:
        raise OperationError(
            f"cannot tell the format of '{path}' from its name or its first line",
            f'give it, as in read("{path}", format="csv"); the formats are {", ".join(FORMATS)}',
        )
    if format == "csv" and "sep" not in known:
        return {"format": "csv", "sep": "\t" if suffix == ".tsv" else _separator_of(line)}
    return {"format": format}


def _format_of(line: bytes) -> str | None:
    if any(sep.encode() in line for sep in _SEPARATORS):
        return "csv"
    if _CELL.fullmatch(line):
        return "text"
    return "csv" if _ONE_FIELD.fullmatch(line) else None


def _separator_of(line: bytes) -> str:
    return next((sep for sep in _SEPARATORS if sep.encode() in line), ",")


def _with_sizes_of_file(plan: ReadPlan) -> ReadPlan:
    """Check, or fill in, the sizes that the header of the file has; text needs them from elsewhere."""
    found: tuple[int, int, int | None] | None = None
    if plan.format == "mm":
        if plan.data_type == "frame":
            raise OperationError(f"'{plan.path}' is a Matrix Market file, which holds a matrix, not a frame")
        found = mm.sizes(plan.path)
    elif plan.format == "binary":
        found = (*binary.sizes(plan.path, plan.data_type), None)
    elif plan.format == "text" and (plan.rows is None or plan.cols is None):
        raise OperationError(
            f"read() needs rows and cols for '{plan.path}', since files in format text do not say how large they are",
            f'give them, as in read("{plan.path}", format="text", rows=100, cols=10)',
        )
    if found is None:
        return plan
    for name, size in zip(("rows", "cols", "nnz"), found, strict=True):
        if size is not None and getattr(plan, name) not in (None, size):
            raise OperationError(f"'{plan.path}' has {name}={size}, but {name}={getattr(plan, name)} is given")
    return replace(plan, rows=found[0], cols=found[1], nnz=None if plan.format == "mm" else plan.nnz)
