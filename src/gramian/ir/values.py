"""Values at run time: a scalar is a Python scalar, a matrix a NumPy array of two dimensions, a list a `ListValue`.

Values are immutable to the script. Frames have a module of their own (`gramian.ir.frame`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gramian.errors import OperationError, did_you_mean


class ListValue:
    """An ordered list of values, each with an optional name. Operations return new lists."""

    __slots__ = ("items", "names")

    def __init__(self, items: Sequence[Any], names: Sequence[str | None] | None = None) -> None:
        self.items = tuple(items)
        self.names: tuple[str | None, ...] = tuple(names) if names is not None else (None,) * len(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)

    @property
    def is_named(self) -> bool:
        return any(name is not None for name in self.names)

    def position(self, key: int | str) -> int:
        """The position from 0 of an entry, by position from 1 or by name.

        Raises:
            OperationError: there is no such entry.
        """
        if isinstance(key, str):
            if key in self.names:
                return self.names.index(key)
            known = [name for name in self.names if name is not None]
            there = f"its names are {', '.join(known)}" if known else "it has no names"
            raise OperationError(f"the list has no entry named '{key}'", did_you_mean(key, known) or there)
        if 1 <= key <= len(self.items):
            return key - 1
        size = f"{len(self.items)} entr{'y' if len(self.items) == 1 else 'ies'}"
        hint = "positions count from 1" if key < 1 else None
        raise OperationError(f"index {key} is out of range for a list of {size}", hint)

    def select(self, lower: int | str, upper: int | str) -> ListValue:
        """The entries from `lower` to `upper`, both included."""
        start, stop = self.position(lower), self.position(upper) + 1
        if start >= stop:
            raise OperationError(f"the lower bound {lower} of a list index lies behind the upper bound {upper}")
        return ListValue(self.items[start:stop], self.names[start:stop])

    def replace(self, start: int, items: Sequence[Any]) -> ListValue:
        """The list with `items` in place of as many entries from position `start` (from 0) on."""
        return ListValue((*self.items[:start], *items, *self.items[start + len(items) :]), self.names)
