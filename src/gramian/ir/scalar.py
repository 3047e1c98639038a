"""The meaning of operators on scalars, which are Python's int, float, bool and str.

Compiled scripts call these functions where the types of the operands are not known, or where Python's own operator means
something else; elsewhere they use Python's operators directly (`Op.scalar`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from gramian.errors import OperationError
from gramian.ir.types import ScalarValue, scalar, truncated, value_type_of

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
_WHOLE = re.compile(r"\s*[+-]?\d+\s*")


def text(value: ScalarValue) -> str:
    """The printed form of a scalar: doubles as Java writes them, with the shortest digits that read back."""
    if value is True:
        return "TRUE"
    if value is False:
        return "FALSE"
    if isinstance(value, float):
        return double_text(value)
    return str(value)


def double_text(value: float) -> str:
    size = abs(value)
    if 1e-3 <= size < 1e7 or size == 0:
        return repr(float(value))
    if value != value:
        return "NaN"
    if math.isinf(size):
        return "Infinity" if value > 0 else "-Infinity"
    mantissa, _, exponent = repr(size).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    leading = len(whole + fraction) - len(digits)
    power = len(whole) - 1 - leading + int(exponent or 0)
    digits = digits.rstrip("0") or "0"
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{power}"


def describe(value: Any) -> str:
    if isinstance(value, bool | int | float | str):
        return scalar(value_type_of(value)).describe()
    shape = getattr(value, "shape", None)
    if shape is None:
        return "a list"
    return f"a {shape[0]}x{shape[1]} {'frame' if hasattr(value, 'names') else 'matrix'}"


def check_int(value: int) -> int:
    """The value itself, if it fits into 64 bits."""
    if INT_MIN <= value <= INT_MAX:
        return value
    raise OperationError(
        f"the integer result {value} does not fit into 64 bits", "use doubles, for example 1.0 * x, for large numbers"
    )


def check_number(value: float) -> float:
    return check_int(value) if isinstance(value, int) else value


def _numbers(name: str, a: ScalarValue, b: ScalarValue) -> tuple[Any, Any]:
    """The operands of arithmetic: numbers as they are, two booleans as doubles."""
    if isinstance(a, str) or isinstance(b, str):
        raise OperationError(
            f"operator {name} cannot combine {describe(a)} and {describe(b)}",
            "use as.double() to read a number from text",
        )
    if isinstance(a, bool) and isinstance(b, bool):
        return float(a), float(b)
    if isinstance(a, bool) or isinstance(b, bool):
        raise OperationError(
            f"operator {name} cannot combine {describe(a)} and {describe(b)}", "convert it with as.integer() first"
        )
    return a, b


def add(a: ScalarValue, b: ScalarValue) -> ScalarValue:
    if isinstance(a, str) or isinstance(b, str):
        return text(a) + text(b)
    x, y = _numbers("+", a, b)
    return check_number(x + y)


def subtract(a: ScalarValue, b: ScalarValue) -> ScalarValue:
    x, y = _numbers("-", a, b)
    return check_number(x - y)


def multiply(a: ScalarValue, b: ScalarValue) -> ScalarValue:
    x, y = _numbers("*", a, b)
    return check_number(x * y)


def divide(a: ScalarValue, b: ScalarValue) -> float:
    """Division as IEEE 754 has it; always a double."""
    x, y = _numbers("/", a, b)
    if y:
        return float(x / y)
    if x == 0 or x != x:
        return math.nan
    return math.copysign(math.inf, x) * math.copysign(1.0, y)


def power(a: ScalarValue, b: ScalarValue) -> float:
    """a ^ b, always a double; a negative base with a fraction gives NaN."""
    x, y = (float(v) for v in _numbers("^", a, b))
    try:
        return math.pow(x, y)
    except OverflowError:
        return -math.inf if x < 0 and y % 2 == 1 else math.inf
    except ValueError:
        if x == 0:
            return math.copysign(math.inf, x) if y % 2 == 1 else math.inf
        return math.nan


def integer_divide(a: ScalarValue, b: ScalarValue) -> float:
    """a %/% b, rounded down; two ints give an int."""
    x, y = _numbers("%/%", a, b)
    if isinstance(x, int) and isinstance(y, int):
        if y == 0:
            raise OperationError("integer division by zero", "divide doubles, as in 1.0 * a %/% b, to get Infinity")
        return check_int(x // y)
    if math.isinf(y) and math.isfinite(x):
        return -1.0 if x * y < 0 else 0.0
    quotient = divide(x, y)
    return math.copysign(math.floor(quotient), quotient) if math.isfinite(quotient) else quotient


def modulus(a: ScalarValue, b: ScalarValue) -> float:
    """a %% b = a - (a %/% b) * b, with the sign of b; two ints give an int."""
    x, y = _numbers("%%", a, b)
    if isinstance(x, int) and isinstance(y, int):
        if y == 0:
            raise OperationError("integer remainder of a division by zero", "use doubles to get NaN")
        return x % y
    if y == 0 or math.isinf(x):
        return math.nan
    if math.isinf(y):
        return float(y) if x * y < 0 else float(x)
    return float(x - integer_divide(x, y) * y)


def negate(a: ScalarValue) -> ScalarValue:
    if isinstance(a, str | bool):
        raise OperationError(f"unary minus cannot be applied to {describe(a)}")
    return check_number(-a)


def _comparison(name: str, compare: Callable[[Any, Any], bool]) -> Callable[[ScalarValue, ScalarValue], bool]:
    def comparison(a: ScalarValue, b: ScalarValue) -> bool:
        if isinstance(a, str) or isinstance(b, str):
            return bool(compare(text(a), text(b)))
        return bool(compare(a, b))

    comparison.__name__ = name
    return comparison


equal = _comparison("equal", lambda a, b: a == b)
not_equal = _comparison("not_equal", lambda a, b: a != b)
less = _comparison("less", lambda a, b: a < b)
less_equal = _comparison("less_equal", lambda a, b: a <= b)
greater = _comparison("greater", lambda a, b: a > b)
greater_equal = _comparison("greater_equal", lambda a, b: a >= b)


def truth(value: Any) -> bool:
    """The truth of a scalar: any number but zero, NaN included, is true."""
    if isinstance(value, str):
        raise OperationError("a string cannot serve as a condition", "compare it, or use as.logical()")
    return bool(value)


def logical_and(a: ScalarValue, b: ScalarValue) -> bool:
    return truth(a) & truth(b)


def logical_or(a: ScalarValue, b: ScalarValue) -> bool:
    return truth(a) | truth(b)


def logical_not(a: ScalarValue) -> bool:
    return not truth(a)


def logical_xor(a: ScalarValue, b: ScalarValue) -> bool:
    return truth(a) != truth(b)


def as_int(value: Any) -> int:
    """A number as an int: towards zero; NaN is 0, what is too large saturates. Text may have a fraction."""
    if isinstance(value, str):
        return as_int(int(value) if _WHOLE.fullmatch(value) else as_double(value))
    if isinstance(value, int):
        return min(max(int(value), INT_MIN), INT_MAX)
    value = float(value)
    if value != value:
        return 0
    if abs(value) >= 2.0**63:
        return INT_MAX if value > 0 else INT_MIN
    return truncated(value)


def as_double(value: Any) -> float:
    """A scalar as a double; text must be a number as DML writes it."""
    if not isinstance(value, str):
        return float(value)
    stripped = value.strip()
    named = {"NaN": math.nan, "Infinity": math.inf, "+Infinity": math.inf, "-Infinity": -math.inf}
    if stripped in named:
        return named[stripped]
    try:
        if stripped[-1:].isalpha() or "_" in stripped:  # Python also reads "inf" and "1_000"
            raise ValueError(stripped)
        return float(stripped)
    except ValueError:
        raise OperationError(f"the text '{value}' is not a number", _number_hint(stripped)) from None


def _number_hint(written: str) -> str | None:
    if re.fullmatch(r"[+-]?\d+,\d+", written):
        return "the decimal mark is a point"
    return None


def as_logical(value: Any) -> bool:
    """Numbers other than zero, and the text "true" in any case, are TRUE."""
    if isinstance(value, str):
        return value.strip().lower() == "true"
    return bool(value)


def as_int_argument(value: Any) -> int:
    """A number given where a whole one is due; text and truth values are refused."""
    if isinstance(value, bool | str):
        raise OperationError(f"expected a number, found {describe(value)}")
    return as_int(value)


def as_double_argument(value: Any) -> float:
    if isinstance(value, bool | str):
        raise OperationError(f"expected a number, found {describe(value)}")
    return float(value)


def absolute(a: ScalarValue) -> ScalarValue:
    return check_number(abs(_number("abs", a)))


def _number(name: str, value: ScalarValue) -> Any:
    if isinstance(value, str | bool):
        raise OperationError(f"{name}() needs a number, found {describe(value)}")
    return value


def smallest(*values: ScalarValue) -> ScalarValue:
    return _extreme("min", min, values)


def largest(*values: ScalarValue) -> ScalarValue:
    return _extreme("max", max, values)


def _extreme(name: str, choose: Callable[..., Any], values: tuple[ScalarValue, ...]) -> ScalarValue:
    if any(isinstance(v, str) for v in values):
        raise OperationError(f"{name}() needs numbers, found a string")
    if all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        return int(choose(values))
    doubles = [float(v) for v in values]
    return math.nan if any(v != v for v in doubles) else float(choose(doubles))


def rounded(a: float) -> float:
    """To the nearest whole number, halves upwards; 0.49999999999999994 rounds to 0."""
    value = float(_number("round", a))
    if not math.isfinite(value) or abs(value) >= 2.0**52:
        return value
    down = float(math.floor(value))
    return down + 1.0 if value - down >= 0.5 else down


def natural_log(a: float) -> float:
    value = float(_number("log", a))
    if value > 0:
        return math.log(value)
    return -math.inf if value == 0 else math.nan


def logarithm(a: float, base: float) -> float:
    return divide(natural_log(a), natural_log(base))


def choose(test: ScalarValue, yes: ScalarValue, no: ScalarValue) -> ScalarValue:
    """ifelse on scalars; an int and a double give a double."""
    chosen = yes if truth(test) else no
    if isinstance(yes, float) or isinstance(no, float):
        return float(chosen) if isinstance(chosen, int) and not isinstance(chosen, bool) else chosen
    return chosen


def unary(name: str, function: Callable[[float], float]) -> Callable[[float], float]:
    """A function of one double with NaN outside its domain and infinity where it overflows."""

    def apply(a: float) -> float:
        value = float(_number(name, a))
        try:
            return float(function(value))
        except ValueError:
            return math.nan
        except OverflowError:
            return math.inf

    apply.__name__ = name
    return apply


square_root = unary("sqrt", math.sqrt)
exponential = unary("exp", math.exp)
