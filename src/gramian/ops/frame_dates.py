"""Dates in text, for the expressions of map(): which format they have, their time stamps, and later dates.

Functions take one text or an array of texts. In an array all dates are read in the format that fits most of them, as
far as it fits, since a single 03/04/2021 can be read in two ways.
"""

from __future__ import annotations

import calendar
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from typing import Any

_DAYS = (
    ("yyyy-MM-dd", "%Y-%m-%d"),
    ("dd/MM/yyyy", "%d/%m/%Y"),
    ("MM/dd/yyyy", "%m/%d/%Y"),
    ("yyyy/MM/dd", "%Y/%m/%d"),
    ("dd-MM-yyyy", "%d-%m-%Y"),
    ("MM-dd-yyyy", "%m-%d-%Y"),
    ("dd.MM.yyyy", "%d.%m.%Y"),
    ("dd MMM yyyy", "%d %b %Y"),
    ("dd MMMM yyyy", "%d %B %Y"),
    ("MMM dd, yyyy", "%b %d, %Y"),
    ("MMMM dd, yyyy", "%B %d, %Y"),
    ("yyyyMMdd", "%Y%m%d"),
)
_TIMES = (
    ("", ""),
    (" HH:mm", " %H:%M"),
    (" HH:mm:ss", " %H:%M:%S"),
    ("'T'HH:mm:ss", "T%H:%M:%S"),
    ("'T'HH:mm:ss'Z'", "T%H:%M:%SZ"),
)
FORMATS = {day + time: d + t for day, d in _DAYS for time, t in _TIMES}  # Java's name of a format and Python's
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_EPOCH = datetime(1970, 1, 1)


@cache
def _fitting(text: str) -> tuple[str, ...]:
    """The names of the formats that a text can be read in."""
    return tuple(_matches(text.strip()))


def _matches(text: str) -> Iterator[str]:
    for name, form in FORMATS.items():
        try:
            datetime.strptime(text, form)
        except ValueError:
            continue
        if name.startswith("yyyyMMdd") and not text[:8].isdecimal():
            continue  # Python reads 2021-1-5 and the like so, too
        yield name


def _best(texts: list[str | None]) -> str:
    """The format that fits most of the texts; of equally many, the first in the table."""
    counts = Counter(name for text in texts if text is not None for name in _fitting(text))
    if not counts:
        shown = next((text for text in texts if text is not None), None)
        raise ValueError(f"'{shown}' is no date of a known format, such as {', '.join(list(FORMATS)[:2])}")
    return max(FORMATS, key=lambda name: counts[name])


def _read(text: str, best: str) -> tuple[datetime, str]:
    """A date and the name of its format."""
    names = _fitting(text)
    if not names:
        raise ValueError(f"'{text}' is no date of a known format, such as {', '.join(list(FORMATS)[:2])}")
    name = best if best in names else names[0]
    return datetime.strptime(text.strip(), FORMATS[name]), name


def _each(values: Any, change: Any) -> Any:
    """A text, or the texts of an array without its missing ones, changed knowing the best format."""
    if isinstance(values, list):
        best = _best(values) if any(v is not None for v in values) else ""
        return [None if v is None else change(v, best) for v in values]
    return change(values, _best([values]))


def are_dates(values: Any) -> bool:
    """Is the text a date, or every text of the array that is not missing?"""
    texts = [v for v in values if v is not None] if isinstance(values, list) else [values]
    return bool(texts) and all(map(_fitting, texts))


def timestamp(values: Any) -> Any:
    """Milliseconds since 1970, in universal time."""
    return _each(values, lambda v, best: (_read(v, best)[0] - _EPOCH) // timedelta(milliseconds=1))


def dominant_format(values: Any) -> Any:
    """The name of a date's format; of an array, all its dates in the format that most of them have."""
    if not isinstance(values, list):
        return _best([values])
    return _each(values, lambda v, best: _read(v, best)[0].strftime(FORMATS[best]))


def add_time(values: Any, amount: int | str, unit: str) -> Any:
    """Dates some time later or, with a negative amount, earlier: in ms, s, m, h, d, w, M (months) or y."""
    count = int(amount)

    def later(value: str, best: str) -> str:
        date, name = _read(value, best)
        return _later(date, count, unit).strftime(FORMATS[name])

    return _each(values, later)


def _later(date: datetime, count: int, unit: str) -> datetime:
    if unit in _UNITS:
        return date + timedelta(**{_UNITS[unit]: count})
    if unit not in ("M", "y"):
        raise ValueError(f"'{unit}' is no unit of time; the units are {', '.join(_UNITS)}, M and y")
    year, month = divmod(date.year * 12 + date.month - 1 + count * (12 if unit == "y" else 1), 12)
    return date.replace(year=year, month=month + 1, day=min(date.day, calendar.monthrange(year, month + 1)[1]))
