"""The command `gramian plot`: the columns of a csv file as curves, such as the history of a training.

Losses share a panel, and so do accuracies: their names tell. Matplotlib, an optional dependency, draws.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from gramian.errors import OperationError, UsageError, did_you_mean
from gramian.io.files import failing_as, missing_file
from gramian.io.replacement import Replacement

FORMATS = ("png", "svg", "pdf")
TIMES = ("epoch", "step", "iteration", "batch")  # names of columns that curves run along
KINDS = {"loss": ("loss",), "accuracy": ("accuracy", "acc")}  # panels of several curves, and what their names contain
NUMBER_ROWS = "row"  # stands for the rows' numbers, where no column is to be the axis
MARKED = 40  # points; more of them run together

Columns = Mapping[str, Sequence[float]]

STYLE = {
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "svg.hashsalt": "gramian",  # equal data, equal files
}
COLOURS = ("#1f6fb4", "#d9661f", "#2f8f4e", "#8a4fb0", "#b03a48", "#6b6b6b")  # all dark enough on white


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves that share an axis."""

    title: str
    names: tuple[str, ...]


def plot(path: str, out: str | None, x: str | None, only: Sequence[str]) -> None:
    """Draw the columns of a csv file with a header into a png, svg or pdf file, by default beside it.

    Raises:
        UsageError: a file, a column or Matplotlib is missing, or nothing in the file is a number.
    """
    with _addressed_to_the_user():
        columns = read_columns(path)
        along = axis(columns, x)
        shown = panels(columns, along, only)
        target = out or os.path.splitext(path)[0] + ".png"
        draw(columns, along, shown, path, target)
    drawn = [name for panel in shown for name in panel.names]
    rest = [name for name in columns if name not in (*drawn, along)]
    hint = f"; not drawn: {', '.join(rest)} (name them with --columns)" if rest and not only else ""
    print(f"{target}: {', '.join(drawn)}{hint}")


def read_columns(path: str) -> dict[str, list[float]]:
    """The columns of numbers by their names. An empty field is NaN, a gap in the curve."""
    if error := missing_file(path):
        raise error
    with failing_as("read", path), open(path, newline="", encoding="utf-8-sig") as file:
        try:
            lines = [line for line in csv.reader(file) if line]
        except (csv.Error, UnicodeDecodeError) as problem:
            raise OperationError(f"'{path}' is not a csv file: {problem}") from None
    if not lines:
        raise OperationError(f"'{path}' is empty", "it should be a csv file with a header, as training scripts write")
    header, *rows = lines
    names = [name.strip() for name in header]
    if all(_number(name) is not None for name in names):
        raise OperationError(
            f"'{path}' has no header: its first line is '{','.join(header)}'", "name the columns there"
        )
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise OperationError(f"'{path}' has two columns with the name '{twice}'")
    for at, row in enumerate(rows, 2):
        if len(row) != len(names):
            raise OperationError(f"'{path}', line {at}: {len(row)} fields, but the header has {len(names)}")
    cells = {name: [_number(row[at]) for row in rows] for at, name in enumerate(names)}
    found = {name: [v for v in column if v is not None] for name, column in cells.items() if None not in column}
    numbers = {name: column for name, column in found.items() if any(map(math.isfinite, column))}
    if not numbers:
        raise OperationError(f"'{path}' has no column of numbers", "below its header there should be numbers")
    return numbers


def _number(text: str) -> float | None:
    try:
        return float(text) if text.strip() else math.nan
    except ValueError:
        return None


def axis(columns: Columns, wanted: str | None) -> str:
    """The column that curves run along."""
    if wanted is None:
        return next((name for name in columns if name.lower() in TIMES), NUMBER_ROWS)
    _check_names(columns, [wanted])
    return wanted


def panels(columns: Columns, along: str, only: Sequence[str]) -> list[Panel]:
    """What to draw where: losses, accuracies, and what was asked for besides, each by itself.

    Without a wish, other columns (times, learning rates) are drawn only where there is neither a loss nor an accuracy.
    """
    _check_names(columns, only)
    names = [name for name in only or columns if name != along]
    kinds = {name: _kind(name) for name in names}
    found = [Panel(kind, tuple(n for n in names if kinds[n] == kind)) for kind in KINDS if kind in kinds.values()]
    if only or not found:
        found += [Panel(_words(name), (name,)) for name in names if kinds[name] is None]
    if not found:
        raise OperationError(f"there is nothing to draw along '{along}': no other column has numbers")
    return found


def _kind(name: str) -> str | None:
    words = _words(name).lower().split()
    return next((kind for kind, marks in KINDS.items() if any(mark in words for mark in marks)), None)


def _words(name: str) -> str:
    return name.replace("_", " ").replace(".", " ").strip()


def _check_names(columns: Columns, names: Sequence[str]) -> None:
    for name in names:
        if name not in columns:
            hint = did_you_mean(name, columns) or f"columns of numbers are {', '.join(columns)}"
            raise OperationError(f"there is no column '{name}'", hint)


def draw(columns: Columns, along: str, shown: Sequence[Panel], path: str, target: str) -> None:
    """Draw the panels side by side; the file is there as a whole or not at all."""
    suffix = os.path.splitext(target)[1].lower().removeprefix(".")
    if suffix not in FORMATS:
        raise OperationError(f"cannot draw '{target}'", f"its name should end in {', '.join('.' + f for f in FORMATS)}")
    if os.path.isdir(target):
        raise OperationError(f"cannot write '{target}': it is a folder", "name a file in it")
    library = _library()
    with library.rc_context(STYLE):
        figure = _figure(columns, along, shown, path)
        with failing_as("write", target), Replacement() as replacement, open(replacement.add(target), "wb") as file:
            figure.savefig(
                file, format=suffix, metadata={"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(suffix)
            )


def _figure(columns: Columns, along: str, shown: Sequence[Panel], path: str) -> Any:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    across = min(len(shown), 3)
    down = -(-len(shown) // across)
    figure = Figure(figsize=(max(5.6, 4.8 * across), 3.8 * down), dpi=120, layout="constrained")
    xs = columns.get(along) or range(1, len(next(iter(columns.values()))) + 1)
    for place, panel in enumerate(shown, 1):
        axes = figure.add_subplot(down, across, place)
        for name, colour in zip(panel.names, _colours(panel.names), strict=False):
            marker = "o" if len(xs) <= MARKED else None
            axes.plot(
                xs,
                columns[name],
                marker=marker,
                markersize=3.5,
                lw=1.8,
                color=colour,
                label=_label(name, panel, columns),
            )
        axes.set(title=panel.title[:1].upper() + panel.title[1:], xlabel=_words(along), ylabel=panel.title)
        axes.xaxis.set_major_locator(MaxNLocator(integer=all(float(v).is_integer() for v in xs)))
        if panel.title in KINDS:
            axes.legend(loc="best")
    figure.suptitle(path, fontsize=9, color="#555555")
    return figure


def _colours(names: Sequence[str]) -> Iterator[str]:
    """A colour for each curve. The first one is for training: what is first but not of training leaves it out."""
    others = _words(names[0]).lower().startswith(("val", "test"))
    return islice(cycle(COLOURS), int(others), None)


def _label(name: str, panel: Panel, columns: Columns) -> str:
    """A curve's name, with the best value of a loss or accuracy."""
    finite = [v for v in columns[name] if math.isfinite(v)]
    best = f"lowest {min(finite):.4g}" if panel.title == "loss" else f"highest {max(finite):.4g}"
    return f"{_words(name)} ({best})"


def _library() -> Any:
    try:
        import matplotlib
    except ImportError:
        raise OperationError(
            "drawing needs the package matplotlib, which is not installed", "install it: pip install 'gramian[plot]'"
        ) from None
    return matplotlib


@contextmanager
def _addressed_to_the_user() -> Iterator[None]:
    """What is wrong with the files that the command line names is an error of the command line."""
    try:
        yield
    except OperationError as error:
        raise UsageError(error.message + (f"\n  hint: {error.hint}" if error.hint else "")) from None
