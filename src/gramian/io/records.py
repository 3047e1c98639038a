"""Where records of csv text end: at line feeds that are not within quotes.

Text is looked at in chunks of whole lines, some of which may begin within quotes: a chunk tells what holds in either case,
and who knows all chunks knows which case it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]
FEED, QUOTE = 10, 34


@dataclass(frozen=True, slots=True)
class Ends:
    """How many records end in a chunk, where the first of them does (-1: none), and is its end within quotes?"""

    count: int
    first: int
    open: bool


def ends_in(text: bytes, sep: str, within: bool) -> Ends:
    """The records that end in a chunk, which begins within quotes or not."""
    places, still_open = record_ends(text, sep, within)
    return Ends(len(places), int(places[0]) if len(places) else -1, still_open)


def record_ends(text: bytes, sep: str, within: bool = False) -> tuple[Places, bool]:
    """The places behind the records that end in a text of whole lines, and whether it ends within quotes."""
    cells = np.frombuffer(text, np.uint8)
    feeds = np.flatnonzero(cells == FEED)
    if b'"' not in text:
        return (feeds[:0], True) if within else (feeds + 1, False)
    quotes = np.flatnonzero(cells == QUOTE)
    opening = quotes[int(within) :: 2]
    if not _all_open(cells, opening, ord(sep)):
        return _one_by_one(text, feeds, sep, within)
    inside = (np.searchsorted(quotes, feeds) + within) % 2 == 1
    return feeds[~inside] + 1, bool((len(quotes) + within) % 2)


def _all_open(cells: Any, opening: Places, sep: int) -> bool:
    """Are quotes only where a text begins, ends, or has a doubled one? Then every other of them begins a text."""
    before = cells[opening[opening > 0] - 1]
    return bool(((before == sep) | (before == FEED) | (before == QUOTE)).all())


@lru_cache(maxsize=8)
def _quoted(sep: str) -> re.Pattern[bytes]:
    """A text in quotes, from its first one on; it may not end."""
    return re.compile(rb"(?:(?<=[\n" + re.escape(sep.encode()) + rb'])|\A)"(?:[^"]+|"")*("|\Z)')


_REST = re.compile(rb'(?:[^"]+|"")*("|\Z)')  # of a text that began before


def _one_by_one(text: bytes, feeds: Places, sep: str, within: bool) -> tuple[Places, bool]:
    """Also where quotes stand within texts that do not begin with one, where they mean nothing."""
    spans = []
    at, still_open = 0, False
    if within:
        rest = _REST.match(text)
        assert rest is not None
        at, still_open = rest.end(), not rest[1]
        spans.append((0, at))
    for found in _quoted(sep).finditer(text, at):
        spans.append(found.span())
        still_open = not found[1]
    limits = np.array(spans, np.int64).reshape(-1)
    inside = np.searchsorted(limits, feeds, "right") % 2 == 1
    return feeds[~inside] + 1, still_open
