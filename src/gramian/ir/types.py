"""Types of values: kind, value type, size, and the value itself where the compiler knows it.

`None` stands for "not known" everywhere, and is never a yes: rules that depend on a size or value ask for it explicitly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum

ScalarValue = int | float | bool | str


class Kind(Enum):
    SCALAR = "scalar"
    MATRIX = "matrix"
    FRAME = "frame"
    LIST = "list"
    TUPLE = "tuple"  # the results of an operator or function with other than one result
    MISSING = "missing"  # an optional argument that was not given


class ValueType(Enum):
    INT = "int"
    DOUBLE = "double"
    NUMBER = "number"  # int or double, decided at run time
    BOOLEAN = "boolean"
    STRING = "string"
    UNKNOWN = "unknown"


INT, DOUBLE, NUMBER, BOOLEAN, STRING, UNKNOWN = ValueType


class Known:
    """A value that the compiler knows. Unlike bare numbers, NaN equals NaN, and 0.0 differs from -0.0, 0 and FALSE."""

    __slots__ = ("_key", "value")

    def __init__(self, value: ScalarValue) -> None:
        self.value = value
        self._key = (type(value).__name__, repr(value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Known) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"Known({self.value!r})"


@dataclass(frozen=True, slots=True)
class Type:
    """The type of a node or variable. `rows` and `cols` belong to matrices and frames (None: unknown).

    `items` are the types of several results, and of the entries of a list; a list without any is not known.

    `sparsity` is the estimated share of a matrix's cells that are not zero (None: only the run time can tell): see
    `ir/estimate.py`.
    """

    kind: Kind
    value_type: ValueType = UNKNOWN
    rows: int | None = None
    cols: int | None = None
    known: Known | None = None
    items: tuple[Type, ...] = ()
    sparsity: float | None = None

    @property
    def value(self) -> ScalarValue | None:
        """The value of a scalar if it is known."""
        return self.known.value if self.known else None

    @property
    def is_scalar(self) -> bool:
        return self.kind is Kind.SCALAR

    @property
    def is_matrix(self) -> bool:
        return self.kind is Kind.MATRIX

    @property
    def is_numeric(self) -> bool:
        """A number, or a scalar of unknown value type."""
        return self.is_scalar and self.value_type in (INT, DOUBLE, NUMBER, UNKNOWN)

    @property
    def cells(self) -> int | None:
        return None if self.rows is None or self.cols is None else self.rows * self.cols

    @property
    def shape(self) -> tuple[int | None, int | None]:
        return self.rows, self.cols

    def int_value(self) -> int | None:
        """The known value of a number, truncated as sizes and indices are; None if unknown or not finite."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            return None
        return truncated(self.value) if math.isfinite(self.value) else None

    def without_size(self) -> Type:
        """The same type with sizes and values forgotten."""
        if (self.rows, self.cols, self.known, self.sparsity, self.items) == (None, None, None, None, ()):
            return self
        if self.kind is Kind.LIST:
            return LIST
        items = tuple(t.without_size() for t in self.items)
        return replace(self, rows=None, cols=None, known=None, items=items, sparsity=None)

    def without_value(self) -> Type:
        return replace(self, known=None) if self.known else self

    def __str__(self) -> str:
        if self.kind is Kind.SCALAR:
            return f"{self.value_type.value}={self.value!r}" if self.known else f"{self.value_type.value}"
        if self.kind in (Kind.MATRIX, Kind.FRAME):
            return f"{self.kind.value} {size_text(self.rows)}x{size_text(self.cols)}"
        if self.kind is Kind.TUPLE:
            return "(" + ", ".join(map(str, self.items)) + ")"
        return str(self.kind.value)

    def describe(self) -> str:
        """The type in words for messages: `a 2x3 matrix`, `a string`."""
        match self.kind:
            case Kind.SCALAR if self.value_type is UNKNOWN:
                return "a scalar"
            case Kind.SCALAR:
                return ("an " if self.value_type is INT else "a ") + self.value_type.value
            case Kind.MATRIX | Kind.FRAME if self.rows is not None or self.cols is not None:
                return f"a {size_text(self.rows)}x{size_text(self.cols)} {self.kind.value}"
            case _:
                return f"a {self.kind.value}"


# Casts move doubles this far away from zero before they truncate; see language page 3.3.
NUDGE = 2.0**-53


def truncated(value: float) -> int:
    """A finite number without its fraction, where doubles just below a whole number count as that number."""
    if isinstance(value, int):
        return int(value)
    return int(value + NUDGE if value > 0 else value - NUDGE)


def size_text(size: int | None) -> str:
    return "?" if size is None else str(size)


def scalar(value_type: ValueType) -> Type:
    return _SCALARS[value_type]


_SCALARS = {v: Type(Kind.SCALAR, v) for v in ValueType}


def matrix(rows: int | None = None, cols: int | None = None, sparsity: float | None = None) -> Type:
    return Type(Kind.MATRIX, DOUBLE, rows, cols, sparsity=sparsity)


def frame(rows: int | None = None, cols: int | None = None) -> Type:
    return Type(Kind.FRAME, UNKNOWN, rows, cols)


def results(*items: Type) -> Type:
    return Type(Kind.TUPLE, items=items)


LIST = Type(Kind.LIST)
MISSING = Type(Kind.MISSING)
NOTHING = results()


def type_of(value: ScalarValue) -> Type:
    """The type of a scalar value, with the value."""
    return Type(Kind.SCALAR, value_type_of(value), known=Known(value))


def value_type_of(value: ScalarValue) -> ValueType:
    match value:
        case bool():
            return BOOLEAN
        case int():
            return INT
        case float():
            return DOUBLE
        case _:
            return STRING


def join(a: Type, b: Type) -> Type:
    """The most exact type that covers both; the kinds must be equal.

    An int and a double join to NUMBER, other value types that differ to UNKNOWN: what a value is then shows at run time.
    """
    if a == b:
        return a
    return Type(
        a.kind,
        join_value_types(a.value_type, b.value_type),
        a.rows if a.rows == b.rows else None,
        a.cols if a.cols == b.cols else None,
        a.known if a.known == b.known else None,
        _join_entries(a, b),
        _join_sparsity(a.sparsity, b.sparsity),
    )


def _join_entries(a: Type, b: Type) -> tuple[Type, ...]:
    """The entries of both lists, if they are of the same kinds."""
    if a.kind is not Kind.LIST or [t.kind for t in a.items] != [t.kind for t in b.items]:
        return ()
    return tuple(map(join, a.items, b.items))


def _join_sparsity(a: float | None, b: float | None) -> float | None:
    """Different estimates join to dense at once: sparsities that grow in a loop would go on for long."""
    if a is None or b is None:
        return None
    return a if a == b else 1.0


def join_value_types(a: ValueType, b: ValueType) -> ValueType:
    if a is b:
        return a
    return NUMBER if {a, b} <= {INT, DOUBLE, NUMBER} else UNKNOWN
