"""Text of values, and what a script says: print, stop and assert."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from functools import lru_cache
from typing import Any

import numpy as np

from gramian.errors import OperationError
from gramian.ir import frame as f, scalar as s
from gramian.ir.disk import InPanels, is_on_disk
from gramian.ir.frame import Frame
from gramian.ir.op import Effect, define
from gramian.ir.types import NOTHING, STRING, UNKNOWN, ScalarValue, Type, scalar
from gramian.ir.values import ListValue


@dataclass(frozen=True, slots=True)
class Layout:
    """How matrices and frames are written. A negative number of rows or columns means all of them."""

    rows: int = 100
    cols: int = 100
    decimal: int = 3
    sparse: bool = False
    sep: str = " "
    linesep: str = "\n"

    def part(self, rows: int, cols: int) -> tuple[int, int]:
        """How much of a matrix of this size is shown."""
        return rows if self.rows < 0 else min(rows, self.rows), cols if self.cols < 0 else min(cols, self.cols)


DEFAULT = Layout()


def to_string(target: Any, *layout: Any) -> str:
    return value_text(target, Layout(*layout))


def value_text(value: Any, layout: Layout = DEFAULT) -> str:
    """The text of any value, as print shows it and toString returns it."""
    match value:
        case np.ndarray() | InPanels():
            return matrix_text(value, layout)
        case Frame():
            return frame_text(value, layout)
        case ListValue():
            return list_text(value, layout)
        case _:
            return s.text(value)


def matrix_text(matrix: Any, layout: Layout = DEFAULT) -> str:
    rows, cols = layout.part(*matrix.shape)
    part = matrix[:rows, :cols]
    if layout.sparse:
        at = np.nonzero(part)
        cells = cell_texts(part[at], layout.decimal)
        return _triples(zip(at[0], at[1], cells, strict=True), layout)
    cells = cell_texts(part, layout.decimal)
    sep, end = layout.sep, layout.linesep
    return "".join([sep.join(cells[i * cols : (i + 1) * cols]) + end for i in range(rows)])


def cell_texts(cells: Any, decimal: int) -> list[str]:
    """Numbers with exactly `decimal` digits after the point, or with up to three if that is negative.

    One format for all of them is several times faster than one for each. Adding zero turns -0 into 0, which prints
    without a sign, while a negative number that rounds to zero keeps it.
    """
    values = (np.ravel(cells) + 0.0).tolist()
    texts = (f"%.{3 if decimal < 0 else decimal}f " * len(values) % tuple(values)).split()
    if not np.isfinite(values).all():
        texts = [_SPECIAL.get(text, text) for text in texts]
    if decimal < 0:
        texts = [text.rstrip("0").rstrip(".") if "." in text else text for text in texts]
    return texts


_SPECIAL = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _triples(cells: Iterator[tuple[int, int, str]], layout: Layout) -> str:
    sep, end = layout.sep, layout.linesep
    return "".join([f"{i + 1}{sep}{j + 1}{sep}{text}{end}" for i, j, text in cells])


def frame_text(frame: Frame, layout: Layout = DEFAULT) -> str:
    """Size, names and types behind `#`, then the cells; with `sparse`, those that are not missing."""
    rows, cols = layout.part(*frame.shape)
    part = frame.select(slice(rows), slice(cols))
    head = (
        f"# FRAME: nrow = {frame.shape[0]}, ncol = {frame.shape[1]}",
        layout.sep.join(["#", *frame.names[:cols]]),
        layout.sep.join(["#", *frame.types[:cols]]),
    )
    columns = [column_texts(part, j, layout.decimal) for j in range(cols)]
    if layout.sparse:
        given = [[cell is not None for cell in part.column(j)] for j in range(cols)]
        cells = ((i, j, columns[j][i]) for i in range(rows) for j in range(cols) if given[j][i])
        body = _triples(cells, layout)
    else:
        lines = zip(*columns, strict=True) if columns else [()] * rows
        body = "".join([layout.sep.join(line) + layout.linesep for line in lines])
    return "".join(line + layout.linesep for line in head) + body


def column_texts(frame: Frame, position: int, decimal: int) -> list[str]:
    if frame.types[position] != f.FP64:
        return frame.texts(position)
    cells = frame.column(position)
    texts = cell_texts([0.0 if cell is None else cell for cell in cells], decimal)
    return [f.NULL if cell is None else text for cell, text in zip(cells, texts, strict=True)]


def list_text(target: ListValue, layout: Layout = DEFAULT) -> str:
    return f"List containing:\n[{', '.join(_entry_text(entry, layout) for entry in target)}]"


def _entry_text(entry: Any, layout: Layout) -> str:
    before = (
        "\nMatrix:\n"
        if isinstance(entry, np.ndarray) or is_on_disk(entry)
        else "\n"
        if isinstance(entry, Frame)
        else ""
    )
    return before + value_text(entry, layout)


@dataclass(frozen=True, slots=True)
class Code:
    """One format code of print, such as %-8.2f. The meaning is Java's."""

    text: str
    flags: str
    width: int
    precision: int | None
    letter: str

    def fill(self, value: Any) -> str:
        """The text of a value, as wide as the code says."""
        sign, text = self.parts(value)
        if self.letter.isupper():
            text = text.upper()
        if "0" in self.flags and not text[0].isupper():  # NaN and Infinity are never filled up with zeros
            text = text.rjust(self.width - len(sign), "0")
        text = sign + text
        return text.ljust(self.width) if "-" in self.flags else text.rjust(self.width)

    def parts(self, value: Any) -> tuple[str, str]:
        """The sign and the rest of the text."""
        match self.letter.lower():
            case "s":
                return "", printed(value)[: self.precision]
            case "b" if isinstance(value, bool):
                return "", printed(value)[: self.precision]
            case "b":
                raise self.mismatch("a boolean", value)
            case "d" | "x":
                return self.of_int(value)
            case _ if isinstance(value, float):
                return self.sign(math.copysign(1.0, value)), self.of_double(abs(value))
            case _:
                raise self.mismatch("a double", value, "use %s, or as.double()")

    def of_int(self, value: Any) -> tuple[str, str]:
        if self.letter == "d" and isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.mismatch("an int", value, "use %s, or as.integer()")
        if self.letter == "d":
            return self.sign(value), f"{abs(value):,}" if "," in self.flags else str(abs(value))
        return "", f"{value & 2**64 - 1:x}"  # the 64 bits, for negative numbers too

    def sign(self, value: float) -> str:
        return "-" if value < 0 else "+" if "+" in self.flags else " " if " " in self.flags else ""

    def of_double(self, value: float) -> str:
        """A number that is not negative, rounded half up from its shortest decimal form."""
        if not math.isfinite(value):
            return s.text(value)
        precision = 6 if self.precision is None else self.precision
        with localcontext() as context:
            context.rounding = ROUND_HALF_UP
            number, letter = Decimal(repr(value)), self.letter.lower()
            if letter == "g":
                letter, precision = _general(number, precision or 1)
            if letter == "f":
                return format(number, f"{',' * (',' in self.flags)}.{precision}f")
            digits, _, power = format(number, f".{precision}E").partition("E")
            return f"{digits}e{int(power) if number else 0:+03d}"

    def mismatch(self, wanted: str, value: Any, hint: str | None = None) -> OperationError:
        found = {Frame: "a frame", ListValue: "a list"}.get(type(value)) or s.describe(value)
        return OperationError(f"the format code {self.text} of print() needs {wanted}, found {found}", hint)


def _general(number: Decimal, digits: int) -> tuple[str, int]:
    """The code that %g stands for, with the precision that gives `digits` digits in all."""
    power = int(format(number, f".{digits - 1}E").partition("E")[2]) if number else 0
    return ("f", digits - 1 - power) if -4 <= power < digits else ("e", digits - 1)


def printed(value: Any) -> str:
    """The text of a value behind %s, where booleans are in lower case."""
    return str(value).lower() if isinstance(value, bool) else value_text(value)


_CODE = re.compile(r"%(?P<flags>[-+ 0,]*)(?P<width>\d*)(?:\.(?P<precision>\d+))?(?P<letter>.?)", re.DOTALL | re.ASCII)
_FLAGS = {"s": "-", "b": "-", "d": "-+ 0,", "x": "-0", "f": "-+ 0,", "e": "-+ 0", "g": "-+ 0,"}


@lru_cache(maxsize=256)
def parse_format(template: str) -> tuple[str | Code, ...]:
    """The plain pieces and the codes of a format."""
    pieces: list[str | Code] = []
    end = 0
    for found in _CODE.finditer(template):
        pieces += [template[end : found.start()], "%" if found[0] == "%%" else _code(found)]
        end = found.end()
    return (*pieces, template[end:])


def _code(found: re.Match[str]) -> Code:
    text, flags, letter, precision = found[0], found["flags"], found["letter"], found["precision"]
    if not letter or letter not in "sSbBdxXfeEgG":
        raise OperationError(f"'{text}' is no format code of print()", "write %% for a percent sign")
    for flag in flags:
        if flag not in _FLAGS[letter.lower()]:
            raise OperationError(f"the format code {text} of print() cannot have the flag '{flag}'")
    if {"-", "0"} <= set(flags) or {"+", " "} <= set(flags):
        raise OperationError(f"the flags of the format code {text} of print() exclude each other")
    if not found["width"] and ("-" in flags or "0" in flags):
        raise OperationError(f"the format code {text} of print() misses its width")
    if precision is not None and letter in "dxX":
        raise OperationError(f"the format code {text} of print() cannot have a precision")
    return Code(text, flags, int(found["width"] or 0), None if precision is None else int(precision), letter)


def format_printf(template: str, *values: Any) -> str:
    """The text of a format with values in the places of its codes; values beyond them are ignored.

    Raises:
        OperationError: a code is wrong, has no value, or one of another type.
    """
    pieces = []
    rest = iter(values)
    for piece in parse_format(template):
        if isinstance(piece, str):
            pieces.append(piece)
            continue
        value = next(rest, _NONE)
        if value is _NONE:
            raise OperationError(
                f"print() has no argument for the format code {piece.text}",
                f"the format is followed by {len(values)} argument{'s' * (len(values) != 1)}",
            )
        pieces.append(piece.fill(value))
    return "".join(pieces)


_NONE = object()


class Output:
    """Where print writes: standard output, as it is at that moment, unless redirected for all or for one context."""

    def __init__(self) -> None:
        self._write: Callable[[str], object] | None = None
        self._here: ContextVar[Callable[[str], object] | None] = ContextVar("output", default=None)

    def write(self, text: str) -> None:
        (self._here.get() or self._write or sys.stdout.write)(text)

    @contextmanager
    def here(self, write: Callable[[str], object]) -> Iterator[None]:
        """Give what is printed meanwhile in this context, that is by this thread, to another function."""
        before = self._here.set(write)
        try:
            yield
        finally:
            self._here.reset(before)

    @contextmanager
    def to(self, write: Callable[[str], object]) -> Iterator[None]:
        """Give what is printed meanwhile to another function."""
        before, self._write = self._write, write
        try:
            yield
        finally:
            self._write = before


out = Output()


def show(x: Any, *values: Any) -> None:
    """Print a value, or a format with values."""
    if not values:
        out.write((x if isinstance(x, str) else value_text(x)) + "\n")
    elif isinstance(x, str):
        out.write(format_printf(x, *values) + "\n")
    else:
        raise OperationError(*_NO_FORMAT)


_NO_FORMAT = "print() of several arguments needs a format string first", 'print("%s %s", a, b), or join text with +'


def _print_type(x: Type, *values: Type) -> Type:
    if values and not (x.is_scalar and x.value_type in (STRING, UNKNOWN)):
        raise OperationError(*_NO_FORMAT)
    return NOTHING


class ScriptStop(OperationError):  # noqa: N818 - it is the script's wish
    """The script ended itself with stop(). The message is the script's."""


def stop(message: ScalarValue) -> None:
    raise ScriptStop(s.text(message))


def check(condition: ScalarValue) -> None:
    if not s.truth(condition):
        raise OperationError("assertion failed")


def _assert_type(condition: Type) -> Type:
    if condition.value_type is STRING:
        raise OperationError("assert() needs a boolean or a number, found a string")
    return NOTHING


define(
    "toString(target: any, rows: int = 100, cols: int = 100, decimal: int = 3, sparse: boolean = FALSE, "
    'sep: string = " ", linesep: string = "\\n")',
    lambda *_: scalar(STRING),
    to_string,
    "text of a value; of matrices and frames, the first rows and columns",
    samples=(
        'matrix("1 -2.5 NaN 0.0004", 2, 2)',
        'matrix("1 0 -Infinity 4", 2, 2), 1, 2, 0, TRUE, ",", ";"',
        "matrix(0, 0, 3)",
        "2.0",
        "TRUE",
        'as.frame("a")',
    ),
)
define(
    "print(x: any, args: any... = missing)",
    _print_type,
    show,
    "write a value and a newline, or a format in the manner of printf with arguments",
    effect=Effect.ORDERED,
    samples=('"a"', "matrix(1, 2, 2)", '"%d of %5.2f, %s", 3, 2.5, TRUE'),
)
define(
    "stop(message: scalar)",
    lambda _: NOTHING,
    stop,
    "end the script with an error that has this message",
    effect=Effect.ORDERED,
)
define(
    "assert(condition: scalar)",
    _assert_type,
    check,
    "end the script with an error unless the condition is true",
    effect=Effect.ORDERED,
    samples=("TRUE", "2.5"),
)
