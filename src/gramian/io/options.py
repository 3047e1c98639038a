"""The options of read and write, which are keys of `.mtd` files too: their names, values, and what they apply to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gramian.errors import OperationError, did_you_mean
from gramian.ir.frame import COLUMN_TYPES, column_type
from gramian.ir.values import ListValue

DATA_TYPES = ("matrix", "frame", "scalar", "list")
# The formats, and the types of data that each can hold besides scalars and lists, which have one form only.
FORMATS: Mapping[str, tuple[str, ...]] = {
    "text": ("matrix", "frame"),
    "csv": ("matrix", "frame"),
    "mm": ("matrix",),
    "binary": ("matrix", "frame"),
    "libsvm": ("matrix",),
    "parquet": ("matrix", "frame"),
    "hdf5": ("matrix",),
    "npy": ("matrix",),
    "jsonl": ("frame",),
}
UPSTREAM_FORMATS = ("compressed", "cog", "delta", "proto")
_VALUE_TYPES = {
    "double": "double",
    "fp64": "double",
    "int": "int",
    "integer": "int",
    "int64": "int",
    "boolean": "boolean",
    "string": "string",
    "unknown": "unknown",
}


class UnfitError(Exception):
    """A value does not suit its option; the text says what it must be."""


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise UnfitError("a string")


def _choice(known: Mapping[str, str] | tuple[str, ...], what: str) -> Callable[[Any], str]:
    table = known if isinstance(known, Mapping) else {name: name for name in known}

    def convert(value: Any) -> str:
        name = _text(value).strip().lower()
        if name not in table:
            raise UnfitError(f"{what} ({', '.join(dict.fromkeys(table.values()))})")
        return table[name]

    return convert


def _format(value: Any) -> str:
    name = _text(value).strip().lower()
    if name in UPSTREAM_FORMATS:
        raise OperationError(
            f"format '{name}' is not supported", f"the formats that gramian knows are {', '.join(FORMATS)}"
        )
    return _choice(tuple(FORMATS), "a format")(name)


def _whole(lowest: int, what: str) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"\s*-?\d+\s*", value):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
            raise UnfitError(what)
        return value

    return convert


def _boolean(value: Any) -> bool:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if isinstance(value, bool):
        return value
    raise UnfitError("a boolean")


def _number(value: Any) -> float:
    if isinstance(value, bool | ListValue):
        raise UnfitError("a number")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UnfitError("a number") from None


def _separator(value: Any) -> str:
    """One ASCII character that can neither be part of a number nor end a line."""
    sep = _text(value)
    if len(sep) != 1 or not sep.isascii() or sep.isalnum() or sep in '\0\r\n"+-.':
        raise UnfitError("one character such as ',', ';', '|', a blank or a tab")
    return sep


def _strings(value: Any) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple | ListValue) or not all(isinstance(item, str) for item in items):
        raise UnfitError("a string or a list of strings")
    return tuple(items)


def _schema(value: Any) -> tuple[str, ...]:
    names = [name for item in _strings(value) for name in item.strip().rstrip(",").split(",")]
    if names in ([], [""]):
        return ()
    try:
        return tuple(column_type(name) for name in names)
    except OperationError:
        raise UnfitError(f"column types ({', '.join(COLUMN_TYPES)}), one for each column or one for all") from None


@dataclass(frozen=True, slots=True)
class Option:
    """How to understand the value of an option, the formats and types of data it is for (empty: all), and the value
    that it has anyway if it is not given.
    """

    convert: Callable[[Any], Any]
    formats: tuple[str, ...] = ()
    data_types: tuple[str, ...] = ("matrix", "frame")
    default: Any = None


_SIZE = _whole(0, "a whole number of at least 0")
_BLOCK = Option(_whole(1, "a whole number of at least 1"), ("binary",), ("matrix",))
_IND_SEP = Option(_separator, ("libsvm",), ("matrix",), default=":")
_DATASET = Option(_text, ("hdf5",), ("matrix",))

READ_OPTIONS: Mapping[str, Option] = {
    "data_type": Option(_choice(DATA_TYPES, "a data type"), data_types=()),
    "value_type": Option(_choice(_VALUE_TYPES, "a value type"), data_types=()),
    "format": Option(_format, data_types=()),
    "rows": Option(_SIZE),
    "cols": Option(_SIZE),
    "nnz": Option(_SIZE, data_types=("matrix",)),
    "rows_in_block": _BLOCK,
    "cols_in_block": _BLOCK,
    "schema": Option(_schema, data_types=("frame",)),
    "header": Option(_boolean, ("csv",), default=False),
    "sep": Option(_separator, ("csv", "libsvm"), default=","),
    "fill": Option(_boolean, ("csv",), ("matrix",), default=True),
    "default": Option(_number, ("csv",), ("matrix",), default=0.0),
    "naStrings": Option(_strings, ("csv",)),
    "indSep": _IND_SEP,
    "dataset": _DATASET,
}
_KEPT = Option(lambda value: value, data_types=())
# In metadata files, -1 says that a size is not known, and some keys only document the data.
METADATA_KEYS: Mapping[str, Option] = {
    **READ_OPTIONS,
    **{name: Option(_whole(-1, "a whole number of at least 0, or -1")) for name in ("rows", "cols", "nnz")},
    **{name: Option(_whole(-1, "a whole number")) for name in ("rows_in_block", "cols_in_block")},
    **dict.fromkeys(("description", "author", "created", "privacy", "fine_grained_privacy"), _KEPT),
}
WRITE_OPTIONS: Mapping[str, Option] = {
    "format": Option(_format, data_types=()),
    "sep": Option(_separator, ("csv", "libsvm"), default=","),
    "header": Option(_boolean, ("csv",), default=False),
    "sparse": Option(_boolean, ("csv",), ("matrix",), default=False),
    "description": Option(_text, data_types=()),
    "rows_in_block": _BLOCK,
    "cols_in_block": _BLOCK,
    "indSep": _IND_SEP,
    "dataset": _DATASET,
}
_ALIASES = {"na.strings": "naStrings"}


def convert(
    given: Iterable[tuple[str, Any]], known: Mapping[str, Option], name_of: Callable[[str], str]
) -> dict[str, Any]:
    """The values of options or metadata keys in their one form. `name_of` gives the words for one in messages.

    Raises:
        OperationError: an unknown or repeated name, or a value that does not suit.
    """
    values: dict[str, Any] = {}
    for written, value in given:
        name = _ALIASES.get(written, written) if "naStrings" in known else written
        if name not in known:
            raise OperationError(f"{name_of(written)} is unknown", did_you_mean(written, known) or _list_of(known))
        if name in values:
            raise OperationError(f"{name_of(written)} is given twice")
        try:
            values[name] = known[name].convert(value)
        except UnfitError as unfit:
            raise OperationError(f"{name_of(written)} must be {unfit}, found {shown(value)}") from None
    return values


def _list_of(known: Mapping[str, Option]) -> str:
    return f"the known names are {', '.join(known)}"


def _plural(data_type: str) -> str:
    return {"matrix": "matrices", "frame": "frames"}[data_type]


def shown(value: Any) -> str:
    """A value in messages, as a script would write it."""
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case str():
            return f"'{value}'".replace("\t", "\\t")
        case ListValue() | list() | tuple():
            return "[" + ", ".join(map(shown, value)) + "]"
        case _:
            return str(value)


def check_applicable(
    function: str, given: Mapping[str, Any], known: Mapping[str, Option], data_type: str, format: str
) -> None:
    """Refuse options that mean nothing for this kind of data and format, unless they state what holds anyway, and
    formats that cannot hold this kind of data.
    """
    if data_type in ("matrix", "frame") and data_type not in FORMATS[format]:
        fit = " or ".join(name for name, types in FORMATS.items() if data_type in types)
        raise OperationError(
            f"format {format} holds {_plural(FORMATS[format][0])}, not {_plural(data_type)}",
            f"{_plural(data_type)} have format {fit}",
        )
    if format == "libsvm" and given.get("sep", ",") == given.get("indSep", ":"):
        raise OperationError(f"arguments 'sep' and 'indSep' of {function}() must differ")
    for name, value in given.items():
        option = known[name]
        if option.default is not None and value == option.default:
            continue
        if option.data_types and data_type not in option.data_types:
            raise OperationError(f"argument '{name}' of {function}() does not apply to a {data_type}")
        if option.formats and format not in option.formats:
            raise OperationError(
                f"argument '{name}' of {function}() is for format {' or '.join(option.formats)}, not for {format}"
            )
