"""Regular expressions of Java in the expressions of map(), by means of Python's."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

_CLASSES = {
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Upper": "A-Z",
    "Lower": "a-z",
    "Punct": r"!-/:-@\[-`{-~",
    "Space": r"\s",
    "XDigit": "0-9a-fA-F",
    "ASCII": r"\x00-\x7f",
}


@lru_cache(maxsize=256)
def pattern(regex: str) -> re.Pattern[str]:
    """A regular expression of Java's; Python reads them alike but for classes such as `\\p{Alpha}`."""
    pieces = []
    inside = False
    for piece in re.findall(r"\\[pP]\{\w+\}|\\.|&&|.", regex, re.DOTALL):
        if inside and piece in ("[", "&&"):
            raise ValueError(f"'{regex}' is not supported: a class of characters inside another one")
        inside = piece == "[" or (inside and piece != "]")
        pieces.append(_class(piece, inside) if len(piece) > len(r"\p{}") else piece)
    try:
        return re.compile("".join(pieces), re.ASCII)
    except re.error as error:
        raise ValueError(f"'{regex}' is not a regular expression: {error}") from None


def _class(piece: str, inside: bool) -> str:
    """A class such as `\\p{Alpha}`, alone or inside of brackets."""
    name = piece[3:-1]
    if name not in _CLASSES or (inside and piece[1] == "P"):
        raise ValueError(f"the class {piece} is not supported in a regular expression")
    return _CLASSES[name] if inside else f"[{'^' if piece[1] == 'P' else ''}{_CLASSES[name]}]"


@lru_cache(maxsize=256)
def replacement(template: str) -> str | Callable[[re.Match[str]], str]:
    """What replaces a match: text with groups as `$1` or `${name}`; a backslash takes the next character as it is."""
    if "\\" not in template and "$" not in template:
        return template
    parts = re.findall(r"\\(.)|\$(\d)|\$\{(\w+)\}|([^\\$]+|[\\$])", template, re.DOTALL)

    def filled(match: re.Match[str]) -> str:
        texts = [
            (match[int(group)] if group else match[name]) or "" if group or name else escaped or plain
            for escaped, group, name, plain in parts
        ]
        return "".join(texts)

    return filled


def split(target: str, regex: str, limit: int = 0) -> list[str]:
    """The pieces between matches; without a limit, empty ones at the end are left out."""
    pieces: list[str] = []
    start = 0
    for found in pattern(regex).finditer(target):
        if limit > 0 and len(pieces) == limit - 1:
            break
        if found.end() == 0 or (found.start() == found.end() == len(target)):
            continue  # an empty match at either end splits nothing off
        pieces.append(target[start : found.start()])
        start = found.end()
    pieces.append(target[start:])
    while limit == 0 and len(pieces) > 1 and not pieces[-1]:
        pieces.pop()
    return pieces
