"""Metadata: the file `<path>.mtd` beside the data, one JSON object that says what the data is."""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gramian.errors import OperationError
from gramian.io.files import failing_as, part_files
from gramian.io.options import METADATA_KEYS, convert

_UNKNOWN_SIZES = ("rows", "cols", "nnz", "rows_in_block", "cols_in_block")
_NOTES = ("description", "author", "created", "privacy", "fine_grained_privacy")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a metadata file says. `options` has the keys that matter for reading, in the form of `READ_OPTIONS`."""

    path: str
    options: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


def metadata_path(path: str) -> str:
    return path.rstrip("/") + ".mtd"


def read_metadata(path: str) -> Metadata | None:
    """The metadata of the data called `path`; None if it has none.

    Raises:
        OperationError: the metadata file cannot be read, is no JSON object, or has unknown keys or unsuitable values.
    """
    name = metadata_path(path)
    with failing_as("read", name):
        try:
            parts = part_files(name)
            texts = {part: _read_text(part) for part in parts}
        except FileNotFoundError:
            return None
    pairs: dict[str, Any] = {}
    for part, text in texts.items():
        pairs.update(_parse(part, text))
    values = convert(pairs.items(), METADATA_KEYS, lambda key: f"the key '{key}' of '{name}'")
    notes = {key: values.pop(key) for key in _NOTES if key in values}
    options = {key: value for key, value in values.items() if not (key in _UNKNOWN_SIZES and value == -1)}
    return Metadata(name, options, notes)


def _read_text(path: str) -> str:
    with open(path, encoding="utf-8-sig") as file:
        try:
            return file.read()
        except UnicodeDecodeError as problem:
            raise OperationError(f"'{path}' is not a text file: {problem.reason}") from problem


def _parse(path: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text, object_pairs_hook=lambda pairs: _unique(path, pairs))
    except json.JSONDecodeError as problem:
        raise OperationError(
            f"{path}:{problem.lineno}:{problem.colno}: not valid JSON: {problem.msg}",
            'a metadata file is one JSON object, such as {"format": "csv", "rows": 2, "cols": 3}',
        ) from None
    if not isinstance(found, dict):
        raise OperationError(f"'{path}' must hold one JSON object")
    return found


def _unique(path: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise OperationError(f"the key '{name}' of '{path}' is given twice")
    return dict(pairs)


def metadata_text(entries: Mapping[str, Any], description: str | None) -> str:
    """The metadata file for data just written; `entries` say what it is, in order, None for what does not apply."""
    last = ("header", "sep", "indSep", "dataset")
    about: dict[str, Any] = {
        **{key: value for key, value in entries.items() if key not in last},
        "description": description,
        "author": _author(),
        **{key: entries.get(key) for key in last},
        "created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
    }
    kept = {key: value for key, value in about.items() if value is not None}
    return json.dumps(kept, indent=4, ensure_ascii=False) + "\n"


def _author() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such account, as in some containers
        return "unknown"
