"""Reading JSON as people write it into scripts: also with names and keys without quotes, or in single quotes."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from gramian.errors import OperationError

_TOKEN = re.compile(
    r"""\s*(?: (?P<mark>[{}\[\]:,])
             | (?P<quoted>"(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*')
             | (?P<bare>[^\s{}\[\]:,"']+) )""",
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_ESCAPED = re.compile(r"""\\.|\"""", re.DOTALL)
_CONSTANTS = {"true": True, "false": False, "TRUE": True, "FALSE": False, "null": None}
_DEEPEST = 50


def read_object(text: str, what: str) -> dict[str, Any]:
    """The one object that a text consists of. `what` names the text in messages.

    Raises:
        OperationError: the text is something else; the message says where.
    """
    try:
        value = json.loads(text, object_pairs_hook=lambda pairs: _object(pairs, what))
    except (json.JSONDecodeError, RecursionError):
        value = _Reader(text, what).document()
    if not isinstance(value, dict):
        raise OperationError(f"{what} must be a JSON object, found {shown(value)}", 'it begins with "{"')
    return value


def shown(value: Any) -> str:
    """A value of JSON in a message."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _object(pairs: list[tuple[str, Any]], what: str) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise OperationError(f"{what} has the key '{twice}' twice", "write everything about it under one key")
    return result


class _Reader:
    """A reader with one token of lookahead."""

    def __init__(self, text: str, what: str) -> None:
        self.text = text
        self.what = what
        self.at = 0
        self.kind: str | None = None
        self.token = ""
        self._next()

    def document(self) -> Any:
        value = self._value(0)
        if self.kind is not None:
            self._refuse("the end")
        return value

    def _next(self) -> None:
        found = _TOKEN.match(self.text, self.at)
        if found is not None:
            self.kind = found.lastgroup
            self.token = found[found.lastgroup or 0]
            self.at = found.end()
        elif self.text[self.at :].strip():
            self.token = self.text[self.at :].strip()[:20]
            self.at = len(self.text)
            raise OperationError(f"{self.what} is no JSON: the quotes of {self.token} never end", "close the quotes")
        else:
            self.kind, self.token, self.at = None, "", len(self.text) + 1

    def _refuse(self, expected: str) -> NoReturn:
        found = f"'{self.token}' at character {self.at - len(self.token) + 1}" if self.kind else "its end"
        raise OperationError(
            f"{self.what} is no JSON: expected {expected}, found {found}",
            "check its brackets, commas and quotes",
        )

    def _takes(self, mark: str) -> bool:
        """Go on if the token is that mark."""
        found = self.kind == "mark" and self.token == mark
        if found:
            self._next()
        return found

    def _value(self, depth: int) -> Any:
        if depth > _DEEPEST:
            raise OperationError(f"{self.what} is nested more than {_DEEPEST} levels deep")
        if self._takes("{"):
            return _object(self._items("}", lambda: self._pair(depth)), self.what)
        if self._takes("["):
            return self._items("]", lambda: self._value(depth + 1))
        if self.kind in (None, "mark"):
            self._refuse("a value")
        value = self._scalar()
        self._next()
        return value

    def _items(self, end: str, item: Any) -> list[Any]:
        if self._takes(end):
            return []
        items = [item()]
        while not self._takes(end):
            if not self._takes(","):
                self._refuse(f"',' or '{end}'")
            items.append(item())
        return items

    def _pair(self, depth: int) -> tuple[str, Any]:
        if self.kind in (None, "mark"):
            self._refuse("a key")
        key = self._unquoted() if self.kind == "quoted" else self.token
        self._next()
        if not self._takes(":"):
            self._refuse("':'")
        return key, self._value(depth + 1)

    def _scalar(self) -> Any:
        if self.kind == "quoted":
            return self._unquoted()
        if self.token in _CONSTANTS:
            return _CONSTANTS[self.token]
        return json.loads(self.token) if _NUMBER.fullmatch(self.token) else self.token

    def _unquoted(self) -> str:
        inside = self.token[1:-1]
        if self.token[0] == "'":
            inside = _ESCAPED.sub(lambda found: {"\\'": "'", '"': '\\"'}.get(found[0], found[0]), inside)
        try:
            return str(json.loads(f'"{inside}"', strict=False))
        except json.JSONDecodeError as problem:
            raise OperationError(f"{self.what} is no JSON: {problem.msg} in {self.token}") from None
