"""What to read and how: the options of a read statement, joined with the metadata and with what the file looks like."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gramian.errors import OperationError
from gramian.io import binary, hdf5, libsvm, mm, parquet
from gramian.io.files import first_bytes, missing_file
from gramian.io.metadata import Metadata, read_metadata
from gramian.io.options import FORMATS, READ_OPTIONS, check_applicable, convert, shown

_CELL = re.compile(rb"\s*\d+\s+\d+\s+\S+\s*")
_ONE_FIELD = re.compile(rb"\s*[^\s]+\s*")
_SEPARATORS = (",", ";", "\t", "|")
_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".mtx": "mm",
    ".ijv": "text",
    ".libsvm": "libsvm",
    ".svmlight": "libsvm",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    # The first bytes tell these formats as well, unless the file is something else.
    ".npy": "npy",
    ".npz": "npy",
    ".parquet": "parquet",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
}
_MAGIC = {
    b"%%": "mm",
    binary.ARROW: "binary",
    binary.NUMPY: "binary",
    binary.ZIP: "npy",
    parquet.MAGIC: "parquet",
    hdf5.MAGIC: "hdf5",
}
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
    ind_sep: str = ":"
    dataset: str | None = None


def resolve(path: str, options: Mapping[str, Any]) -> ReadPlan:
    """The plan for a read statement with these options.

    Raises:
        OperationError: the file is missing, an option is unknown or unsuitable, the metadata file is wrong or says
            something else than the statement, or the format cannot be told.
    """
    given = convert(options.items(), READ_OPTIONS, lambda name: f"argument '{name}' of read()")
    if problem := missing_file(path):
        raise problem
    metadata = read_metadata(path)
    known = joined(given, metadata)
    fixed = "data_type" in known
    data_type = known.setdefault("data_type", "matrix")
    if data_type in ("scalar", "list"):
        known.setdefault("format", "text")
        _check_scalar_or_list(given, data_type)
        return _plan(path, known)
    known |= _recognise(path, known, fixed=fixed)
    if known["format"] == "libsvm" and known.get("cols") == given.get("cols", -1):  # only now recognised
        known["cols"] = given["cols"] + 1
    check_applicable("read", given, READ_OPTIONS, known["data_type"], known["format"])
    plan = _plan(path, known)
    if plan.data_type == "matrix" and plan.value_type != "double":
        raise OperationError(
            f"a matrix has value type double, but '{path}' is said to hold value type {plan.value_type}",
            'give data_type="scalar" to read a single value, or data_type="frame" for columns of other types',
        )
    return _with_sizes_of_file(plan)


def joined(given: Mapping[str, Any], metadata: Metadata | None) -> dict[str, Any]:
    """The options of the statement and of the metadata file, which must not contradict each other.

    A count of non-zeros in the metadata helps planners elsewhere and is often out of date; here it counts for nothing.
    For libsvm, `cols` of the statement is the number of features, but that of the metadata counts the label too, as
    SystemDS writes it. The result has the columns of the matrix in all cases.
    """
    said = dict(metadata.options) if metadata else {}
    said.pop("nnz", None)
    known = dict(given)
    if given.get("format", said.get("format")) == "libsvm" and "cols" in given:
        known["cols"] += 1
        if said.get("cols") == given["cols"]:  # written by hand, for SystemDS to read
            del said["cols"]
    for name, value in known.items():
        other = said.get(name)
        if metadata and other not in (None, ()) and value not in (other, ()):
            raise OperationError(
                f"argument '{name}' of read() is {shown(given[name])}, but '{metadata.path}' says {shown(other)}",
                f"leave out '{name}', or correct the metadata file",
            )
    return {**said, **known}


def _check_scalar_or_list(given: Mapping[str, Any], data_type: str) -> None:
    for name, value in given.items():
        if name not in ("data_type", "value_type", "format") or (name, data_type) == ("value_type", "list"):
            raise OperationError(f"argument '{name}' of read() does not apply to a {data_type}")
        if name == "format" and data_type == "scalar" and value != "text":
            raise OperationError(f"argument 'format' of read() must be text for a scalar, found {value}")


def _plan(path: str, known: Mapping[str, Any]) -> ReadPlan:
    names = {"naStrings": "na_strings", "indSep": "ind_sep"}
    fields = set(ReadPlan.__dataclass_fields__)
    renamed = {names.get(name, name): value for name, value in known.items()}
    return ReadPlan(path, **{name: value for name, value in renamed.items() if name in fields})


def _recognise(path: str, known: Mapping[str, Any], *, fixed: bool) -> dict[str, Any]:
    """The format, and what else the beginning and the name of a file tell about it; `fixed` if its data type is."""
    if "format" in known:
        if known["format"] == "libsvm" and "sep" not in known:
            return {"sep": libsvm.separator_of(_first_line(path))}
        return {}
    suffix = os.path.splitext(path.rstrip("/"))[1].lower()
    start = first_bytes(path)
    format = next((format for magic, format in _MAGIC.items() if start.startswith(magic)), None)
    line = start.partition(b"\n")[0]
    by_name, by_line = _SUFFIXES.get(suffix), _format_of(line, known)
    if format is None and any(name in known for name in _CSV_ONLY):
        format = "libsvm" if "sep" in known and "libsvm" in (by_name, by_line) else "csv"
    format = format or by_name or by_line
    if format is None:
        raise OperationError(
            f"cannot tell the format of '{path}' from its name or its first line",
            f'give it, as in read("{path}", format="csv"); the formats are {", ".join(FORMATS)}',
        )
    found = {"format": format}
    if not fixed and (format == "jsonl" or start.startswith(binary.ARROW)):
        found["data_type"] = "frame"
    if format == "csv" and "sep" not in known:
        found["sep"] = "\t" if suffix == ".tsv" else _separator_of(line)
    if format == "libsvm" and "sep" not in known:
        found["sep"] = libsvm.separator_of(line)
    return found


def width(plan: ReadPlan) -> int | None:
    """The columns of what is read, as far as the beginning of the file tells: a csv matrix has those of its first line."""
    if plan.cols is not None or plan.format != "csv" or plan.data_type != "matrix":
        return plan.cols
    lines = first_bytes(plan.path).split(b"\n")
    at = 1 if plan.header else 0
    # Without a line break behind it, the line may go on.
    return lines[at].count(plan.sep.encode()) + 1 if len(lines) > at + 1 else None


def _first_line(path: str) -> bytes:
    return first_bytes(path).partition(b"\n")[0]


def _format_of(line: bytes, known: Mapping[str, Any]) -> str | None:
    if known["data_type"] == "matrix" and libsvm.looks_like(line):
        return "libsvm"
    if any(sep.encode() in line for sep in _SEPARATORS):
        return "csv"
    if _CELL.fullmatch(line):
        return "text"
    return "csv" if _ONE_FIELD.fullmatch(line) else None


def _separator_of(line: bytes) -> str:
    return next((sep for sep in _SEPARATORS if sep.encode() in line), ",")


def _with_sizes_of_file(plan: ReadPlan) -> ReadPlan:
    """Check, or fill in, the sizes that the header of the file has; some formats need them from elsewhere."""
    found = _sizes_of_file(plan)
    for name, size in zip(("rows", "cols", "nnz"), found, strict=False):
        if getattr(plan, name) not in (None, size):
            raise OperationError(f"'{plan.path}' has {name}={size}, but {name}={getattr(plan, name)} is given")
    if not found:
        return plan
    return replace(plan, rows=found[0], cols=found[1], nnz=None if plan.format == "mm" else plan.nnz)


def _sizes_of_file(plan: ReadPlan) -> tuple[int, ...]:
    """Rows, columns and perhaps the stored cells, for formats whose files begin with them; else nothing."""
    match plan.format:
        case "mm":
            return mm.sizes(plan.path)
        case "binary" | "npy":
            return binary.sizes(plan.path, plan.data_type)
        case "parquet":
            return parquet.sizes(plan.path)
        case "hdf5":
            return hdf5.sizes(plan.path, plan.dataset)
        case "text" if plan.rows is None or plan.cols is None:
            raise OperationError(
                f"read() needs rows and cols for '{plan.path}', since files in format text do not say how large they "
                "are",
                f'give them, as in read("{plan.path}", format="text", rows=100, cols=10)',
            )
        case "libsvm" if plan.cols is None:
            raise OperationError(
                f"read() needs cols, the number of features, for '{plan.path}', since files in format libsvm do not "
                "say how many there are",
                f'give it, as in read("{plan.path}", format="libsvm", cols=100)',
            )
        case _:
            return ()
