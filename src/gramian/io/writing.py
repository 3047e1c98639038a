"""Writing: a value becomes a file and its metadata, or, for a list, a folder of them; all of it or nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import IO, Any

import numpy as np

from gramian.errors import OperationError
from gramian.io import binary, csv, csv_frame, hdf5, jsonl, libsvm, mm, parquet, remote, text
from gramian.io.files import check_path, failing_as
from gramian.io.metadata import metadata_path, metadata_text
from gramian.io.options import WRITE_OPTIONS, check_applicable, convert
from gramian.io.replacement import Replacement
from gramian.io.rows import nonzeros
from gramian.ir import scalar
from gramian.ir.disk import is_on_disk
from gramian.ir.frame import Frame
from gramian.ir.sparse import is_sparse
from gramian.ir.types import value_type_of
from gramian.ir.values import ListValue

_BLOCK = 1000

Write = Callable[[str, Mapping[str, Any]], int]  # of a temporary name and the options


def write_value(value: Any, path: str, options: Mapping[str, Any]) -> None:
    """Write a matrix, frame, scalar or list under a name or URL, in place of whatever has that name.

    Raises:
        OperationError: an option is unknown or does not apply, the value cannot be written in this format, or the file
            system refuses. What was there before is then still there.
    """
    if remote.is_url(path):
        with remote.uploaded(path) as copy:
            _replace(value, copy, options)
    else:
        _replace(value, remote.local(path), options)


def write_elsewhere(value: Any, path: str, options: Mapping[str, Any], write: Write) -> None:
    """Write a matrix or frame, as `write_value` does, whose cells others put into files: `write` does that and counts the
    nonzeros.

    Raises:
        OperationError: as `write_value`.
    """
    path = remote.local(path)
    check_path(path)
    given = convert(options.items(), WRITE_OPTIONS, lambda name: f"argument '{name}' of write()")
    _check(value, path, given)
    with failing_as("write", path), Replacement() as replacement:
        nnz = write(os.path.abspath(replacement.add(path)), given)
        about = _about_frame(value, given) if isinstance(value, Frame) else _about_matrix(value.shape, nnz, given)
        if about is None:
            replacement.remove(metadata_path(path))
        else:
            _write_text(replacement.add(metadata_path(path)), about)


def _replace(value: Any, path: str, options: Mapping[str, Any]) -> None:
    check_path(path)
    given = convert(options.items(), WRITE_OPTIONS, lambda name: f"argument '{name}' of write()")
    _check(value, path, given)
    with failing_as("write", path), Replacement() as replacement:
        about = _write(value, replacement.add(path), given)
        if about is None:
            replacement.remove(metadata_path(path))
        else:
            _write_text(replacement.add(metadata_path(path)), about)


def data_type_of(value: Any) -> str:
    match value:
        case np.ndarray():
            return "matrix"
        case Frame():
            return "frame"
        case ListValue():
            return "list"
        case _:
            return "matrix" if is_sparse(value) or is_on_disk(value) else "scalar"


def check_options(data_type: str, format: str, given: Mapping[str, Any]) -> None:
    """Refuse options that do not apply. A list passes them on to the matrices and frames in it."""
    if data_type == "list":
        return
    check_applicable("write", given, WRITE_OPTIONS, data_type, format)
    if format == "mm" and "description" in given:
        raise OperationError("argument 'description' of write() does not apply to format mm, which has no metadata")


def _check(value: Any, path: str, given: Mapping[str, Any]) -> None:
    data_type = data_type_of(value)
    check_options(data_type, given.get("format", "text"), given)
    if isinstance(value, ListValue):
        for item, name in zip(value.items, value.names, strict=True):
            _check_name(path, name)
            _check(item, path, _options_of_entry(item, given))
    elif data_type != "scalar" and 0 in value.shape:
        rows, cols = value.shape
        raise OperationError(f"cannot write '{path}': a {rows}x{cols} {data_type} has no cells")


def _check_name(path: str, name: str | None) -> None:
    if name is not None and ("/" in name or "\0" in name or name.endswith(".mtd") or name in ("", "null")):
        raise OperationError(
            f"cannot write '{path}': the name '{name}' of a list entry cannot be part of a file's name"
        )


def _options_of_entry(item: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a list that its entry can use; the description is that of the list."""
    data_type, format = data_type_of(item), given.get("format", "text")
    kept = {}
    for name, value in given.items():
        option = WRITE_OPTIONS[name]
        fits = data_type in option.data_types and (not option.formats or format in option.formats)
        if name == "format" or data_type == "list" or (fits and name != "description"):
            kept[name] = value
    kept.pop("description", None)
    return kept


def _write(value: Any, target: str, given: Mapping[str, Any]) -> str | None:
    """Write the data; the result is the text of its metadata, None for a format without."""
    match value:
        case ListValue():
            return _write_list(value, target, given)
        case np.ndarray():
            return _write_matrix(value, target, given)
        case Frame():
            return _write_frame(value, target, given)
        case _:
            return (_write_matrix if data_type_of(value) == "matrix" else _write_scalar)(value, target, given)


def _write_matrix(matrix: Any, target: str, given: Mapping[str, Any]) -> str | None:
    format = given.get("format", "text")
    if format == "hdf5":
        hdf5.write_matrix(target, matrix, given.get("dataset"))
    else:
        with open(target, "xb") as file:
            fill(file, matrix, given)
    return _about_matrix(matrix.shape, nonzeros(matrix), given)


def _about_matrix(shape: tuple[int, int], nnz: int, given: Mapping[str, Any]) -> str | None:
    """The metadata of a matrix."""
    format = given.get("format", "text")
    if format == "mm":
        return None
    entries = {
        "data_type": "matrix",
        "value_type": "double",
        **_sizes(shape),
        "rows_in_block": given.get("rows_in_block", _BLOCK) if format == "binary" else None,
        "cols_in_block": given.get("cols_in_block", _BLOCK) if format == "binary" else None,
        "nnz": nnz,
        **_form(format, given),
    }
    return metadata_text(entries, given.get("description"))


def fill(file: IO[bytes], matrix: Any, given: Mapping[str, Any], above: int = 0) -> None:
    """Write a matrix into a file; `above` are its rows that other files hold, if it is one of several parts."""
    sep = given.get("sep", ",")
    match given.get("format", "text"):
        case "csv":
            sparse = given.get("sparse", False)
            csv.write_matrix(file, matrix, header=given.get("header", False) and not above, sep=sep, sparse=sparse)
        case "libsvm":
            libsvm.write_matrix(file, matrix, sep=sep, ind_sep=given.get("indSep", ":"))
        case "binary" | "npy":
            binary.write_matrix(file, matrix)
        case "parquet":
            parquet.write_matrix(file, matrix)
        case "mm":
            mm.write_matrix(file, matrix)
        case _:
            text.write_matrix(file, matrix, above)


def _write_frame(frame: Frame, target: str, given: Mapping[str, Any]) -> str:
    with open(target, "xb") as file:
        fill_frame(file, frame, given)
    return _about_frame(frame, given)


def fill_frame(file: IO[bytes], frame: Frame, given: Mapping[str, Any], above: int = 0) -> None:
    """Write a frame into a file; `above` are its rows that other files hold, if it is one of several parts."""
    match given.get("format", "text"):
        case "csv":
            header, sep = given.get("header", False) and not above, given.get("sep", ",")
            csv_frame.write_frame(file, frame, header=header, sep=sep)
        case "binary":
            binary.write_frame(file, frame)
        case "parquet":
            parquet.write_frame(file, frame)
        case "jsonl":
            jsonl.write_frame(file, frame)
        case _:
            text.write_frame(file, frame)


def _about_frame(frame: Frame, given: Mapping[str, Any]) -> str:
    """The metadata of a frame."""
    format = given.get("format", "text")
    schema = "".join(f"{kind}," for kind in frame.types)
    entries = {"data_type": "frame", "schema": schema, **_sizes(frame.shape), **_form(format, given)}
    return metadata_text(entries, given.get("description"))


def _write_scalar(value: Any, target: str, given: Mapping[str, Any]) -> str:
    """A scalar has only one form: its text."""
    form = scalar.text(value)
    _write_text(target, form.lower() if isinstance(value, bool) else form)
    entries = {"data_type": "scalar", "value_type": value_type_of(value).value, "format": "text"}
    return metadata_text(entries, given.get("description"))


def _write_list(value: ListValue, target: str, given: Mapping[str, Any]) -> str:
    os.mkdir(target)
    for position, (item, name) in enumerate(zip(value.items, value.names, strict=True)):
        file = os.path.join(target, f"{position}_{'null' if name is None else name}")
        about = _write(item, file, _options_of_entry(item, given))
        if about is not None:
            _write_text(metadata_path(file), about)
    entries = {"data_type": "list", "value_type": "unknown", **_sizes((len(value), 1)), "format": "text"}
    return metadata_text(entries, given.get("description"))


def _sizes(shape: tuple[int, int]) -> dict[str, int]:
    return {"rows": shape[0], "cols": shape[1]}


def _form(format: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What one has to know to read the format."""
    defaults: Mapping[str, Mapping[str, Any]] = {
        "csv": {"header": False, "sep": ","},
        "libsvm": {"sep": ",", "indSep": ":"},
        "hdf5": {"dataset": hdf5.DATASET},
    }
    own = {name: given.get(name, default) for name, default in defaults.get(format, {}).items()}
    return {"format": format, **own}


def _write_text(path: str, text: str) -> None:
    with open(path, "x", encoding="utf-8", newline="") as file:
        file.write(text)
