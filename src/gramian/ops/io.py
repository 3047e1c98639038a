"""Reading and writing files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gramian.errors import OperationError, SizeError
from gramian.io import missing_file, read_metadata, read_value, remote, resolve, write_value
from gramian.io.options import READ_OPTIONS, WRITE_OPTIONS, convert
from gramian.io.plan import joined, width
from gramian.io.reading import ANYWHERE
from gramian.io.writing import check_options
from gramian.ir.disk import Room
from gramian.ir.op import Effect, Trait, define, missing
from gramian.ir.types import (
    BOOLEAN,
    DOUBLE,
    INT,
    LIST,
    MISSING,
    NOTHING,
    STRING,
    UNKNOWN,
    Kind,
    Type,
    ValueType,
    frame,
    matrix,
    scalar,
    type_of,
)

_READ = (
    ("data_type", "string"),
    ("value_type", "string"),
    ("format", "string"),
    ("rows", "int"),
    ("cols", "int"),
    ("nnz", "int"),
    ("rows_in_block", "int"),
    ("cols_in_block", "int"),
    ("schema", "string|list"),
    ("header", "boolean"),
    ("sep", "string"),
    ("fill", "boolean"),
    ("default", "double"),
    ("naStrings", "string|list"),
    ("na.strings", "string|list"),
    ("indSep", "string"),
    ("dataset", "string"),
)
_WRITE = (
    ("format", "string"),
    ("sep", "string"),
    ("header", "boolean"),
    ("sparse", "boolean"),
    ("description", "string"),
    ("rows_in_block", "int"),
    ("cols_in_block", "int"),
    ("indSep", "string"),
    ("dataset", "string"),
)
_MM_TYPES = tuple(type_of("mm") if name == "format" else MISSING for name, _ in _READ)
_VALUE_TYPES: Mapping[str, ValueType] = {"double": DOUBLE, "int": INT, "boolean": BOOLEAN, "string": STRING}


def _signature(name: str, first: str, options: tuple[tuple[str, str], ...]) -> str:
    return f"{name}({first}, {', '.join(f'{option}: {accepts} = missing' for option, accepts in options)})"


def _given(options: tuple[tuple[str, str], ...], values: tuple[Any, ...]) -> dict[str, Any]:
    return {name: value for (name, _), value in zip(options, values, strict=True) if value is not None}


def _known(options: tuple[tuple[str, str], ...], types: tuple[Type, ...]) -> tuple[dict[str, Any], bool]:
    """The options whose values are known, and whether these are all that matter for the type of the result."""
    given = {name: type for (name, _), type in zip(options, types, strict=True) if not missing(type)}
    known = {name: type.value for name, type in given.items() if type.value is not None}
    return known, all(name in known or type.kind is Kind.LIST for name, type in given.items())


def read_options(values: tuple[Any, ...]) -> dict[str, Any]:
    """The options that a call of read() gives, from its arguments behind the path."""
    return _given(_READ, values)


def write_options(values: tuple[Any, ...]) -> dict[str, Any]:
    """The options that a call of write() gives, from its arguments behind the path."""
    return _given(_WRITE, values)


def read_kernel(path: str, *values: Any, room: Room = ANYWHERE) -> Any:
    return read_value(path, read_options(values), room)


def read_mm_kernel(path: str, *, room: Room = ANYWHERE) -> Any:
    return read_value(path, {"format": "mm"}, room)


def write_kernel(x: Any, path: str, *values: Any) -> tuple[()]:
    write_value(x, path, write_options(values))
    return ()


def infer_read(path: Type, *types: Type) -> Type:
    """What the options say of the result; the file may say more, see `type_from_file`."""
    known, _ = _known(_READ, types)
    given = convert(known.items(), READ_OPTIONS, lambda name: f"argument '{name}' of read()")
    if not missing(types[0]) and "data_type" not in given:
        raise OperationError("argument 'data_type' of read() must be a constant", 'write it out, as in "frame"')
    # Metadata that is read when the script runs may still name another value type than double.
    data_type, value_type = given.get("data_type", "matrix"), given.get("value_type", "unknown")
    return _type_of(data_type, value_type, given.get("rows"), _columns(given))


def type_from_file(path: str, types: tuple[Type, ...]) -> Type:
    """The type of what is in a file, by its metadata and by what it looks like; `types` are those of the options.

    Only for files that the script itself does not write before: that is for the compiler to know. Of a URL, only the
    metadata file is looked at.

    Raises:
        OperationError: there is no such file, or its metadata do not agree with the options.
    """
    types = types or _MM_TYPES  # readMM
    known, complete = _known(_READ, types)
    if remote.is_url(path):
        with remote.fetched(path, only_metadata=True) as copy:
            return _type_by_metadata(copy, known)
    path = remote.local(path)
    if problem := missing_file(path):
        raise problem
    if complete:
        plan = resolve(path, known)
        return with_sparsity(_type_of(plan.data_type, plan.value_type, plan.rows, width(plan)), plan.nnz)
    return _type_by_metadata(path, known)


def _type_by_metadata(path: str, known: Mapping[str, Any]) -> Type:
    given = convert(known.items(), READ_OPTIONS, lambda name: f"argument '{name}' of read()")
    metadata = read_metadata(path)
    found = joined(given, metadata)
    cols = found.get("cols") if metadata and "cols" in metadata.options else _columns(given)
    type = _type_of(found.get("data_type", "matrix"), found.get("value_type", "unknown"), found.get("rows"), cols)
    return with_sparsity(type, metadata.options.get("nnz") if metadata else None)


def with_sparsity(type: Type, nonzeros: int | None) -> Type:
    """The type with what a count of cells says about it. Such counts may be out of date, and only serve as estimates."""
    if not type.is_matrix or not type.cells or nonzeros is None or nonzeros < 0:
        return type
    return replace(type, sparsity=min(1.0, nonzeros / type.cells))


def _columns(given: Mapping[str, Any]) -> int | None:
    """The columns of what a read statement gives. In format libsvm the label adds one to those that it names."""
    cols: int | None = given.get("cols")
    if cols is None or given.get("data_type") == "frame":
        return cols
    if "format" not in given:
        return None
    return cols + 1 if given["format"] == "libsvm" else cols


def _type_of(data_type: str, value_type: str, rows: int | None, cols: int | None) -> Type:
    match data_type:
        case "frame":
            return frame(rows, cols)
        case "scalar":
            return scalar(_VALUE_TYPES.get(value_type, UNKNOWN))
        case "list":
            return LIST
        case _:
            return matrix(rows, cols)


def infer_write(x: Type, path: Type, *types: Type) -> Type:
    known, complete = _known(_WRITE, types)
    given = convert(known.items(), WRITE_OPTIONS, lambda name: f"argument '{name}' of write()")
    if complete:
        check_options(x.kind.value, given.get("format", "text"), given)
    if x.kind in (Kind.MATRIX, Kind.FRAME) and 0 in (x.rows, x.cols):
        raise SizeError(f"write() cannot write {x.describe()}, which has no cells")
    return NOTHING


define(
    _signature("read", "path: string", _READ),
    infer_read,
    read_kernel,
    "the matrix, frame, scalar or list in a file",
    family="io",
    effect=Effect.ORDERED,
    traits=(Trait.EXTERNAL,),
)
define(
    "readMM(path: string)",
    lambda path: infer_read(path, *_MM_TYPES),
    read_mm_kernel,
    "the matrix in a Matrix Market file",
    family="io",
    effect=Effect.ORDERED,
    traits=(Trait.EXTERNAL,),
)
define(
    _signature("write", "x: any, path: string", _WRITE),
    infer_write,
    write_kernel,
    "write a matrix, frame, scalar or list to a file, with its metadata beside it",
    family="io",
    effect=Effect.ORDERED,
)
