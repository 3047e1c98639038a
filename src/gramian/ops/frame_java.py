"""What the operators, methods and functions of the Java-like expressions of map() mean.

Strings are Python's, `Char` is a single character that counts as a number in arithmetic, arrays are lists, null is
None. Errors of Python's own are left to map(), which says for which cell an expression fails.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from gramian.ir import scalar as s
from gramian.ops import frame_dates as dates
from gramian.ops.frame_regex import pattern, replacement, split
from gramian.ops.frame_words import ascii_at, jaccard_similarity, split_recode_entry, word_error_rate
from gramian.ops.porter import stem


class Char(str):
    """A character, as `x.charAt(0)` or `'a'` gives it."""

    __slots__ = ()


def text(value: Any) -> str:
    """A value as Java writes it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(text, value))}]"
    return s.text(value)


def described(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, list):
        return "an array"
    return "a character" if isinstance(value, Char) else s.describe(value)


# -- operators --------------------------------------------------------------------------------------------------------


def number(value: Any) -> int | float:
    if isinstance(value, Char):
        return ord(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"expected a number, found {described(value)}")
    return value


def string(value: Any) -> str:
    if not isinstance(value, str) or isinstance(value, Char):
        raise TypeError(f"expected a string, found {described(value)}")
    return value


def test(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"expected a boolean, found {described(value)}")
    return value


def add(a: Any, b: Any) -> Any:
    if any(isinstance(v, str) and not isinstance(v, Char) for v in (a, b)):
        return text(a) + text(b)
    return number(a) + number(b)


def divide(a: Any, b: Any) -> Any:
    """Between integers, towards zero."""
    a, b = number(a), number(b)
    if isinstance(a, int) and isinstance(b, int):
        quotient = abs(a) // abs(b)
        return quotient if (a < 0) == (b < 0) else -quotient
    return s.divide(float(a), float(b))


def remainder(a: Any, b: Any) -> Any:
    """With the sign of the dividend."""
    a, b = number(a), number(b)
    if isinstance(a, int) and isinstance(b, int):
        return a - b * divide(a, b)
    return math.nan if b == 0 or math.isinf(a) else math.fmod(a, b)


def equal(a: Any, b: Any) -> bool:
    """By value, for strings too."""
    if isinstance(a, Char) != isinstance(b, Char) and not (isinstance(a, str) and isinstance(b, str)):
        return bool(number(a) == number(b))
    if isinstance(a, bool) != isinstance(b, bool):
        return False
    return bool(a == b)


def item(array: Any, index: Any) -> Any:
    if not isinstance(array, list):
        raise TypeError(f"only an array can be indexed, found {described(array)}")
    return array[_place(index, len(array))]


def array_length(array: Any) -> int:
    if not isinstance(array, list):
        hint = ", write length()" if isinstance(array, str) else ""
        raise TypeError(f"only an array has a .length, found {described(array)}{hint}")
    return len(array)


def _place(index: Any, count: int) -> int:
    at = number(index)
    if not isinstance(at, int) or not 0 <= at < count:
        raise IndexError(f"index {text(at)} is out of range for length {count}; positions count from 0")
    return at


OPERATORS: Mapping[str, Callable[..., Any]] = {
    "+": add,
    "-": lambda a, b: number(a) - number(b),
    "*": lambda a, b: number(a) * number(b),
    "/": divide,
    "%": remainder,
    "==": equal,
    "!=": lambda a, b: not equal(a, b),
    "<": lambda a, b: number(a) < number(b),
    "<=": lambda a, b: number(a) <= number(b),
    ">": lambda a, b: number(a) > number(b),
    ">=": lambda a, b: number(a) >= number(b),
}


# -- methods ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Function:
    """A method or static function and how many arguments it takes, the target of a method not counted."""

    call: Callable[..., Any]
    fewest: int
    most: int


def _part(target: str, start: int, stop: int | None = None) -> str:
    stop = len(target) if stop is None else stop
    if not 0 <= start <= stop <= len(target):
        raise IndexError(f"substring from {start} to {stop} is out of range for length {len(target)}")
    return target[start:stop]


def _index_of(target: str, what: str, start: int = 0) -> int:
    return target.find(what, max(start, 0))


def _hash_code(target: str) -> int:
    code = 0
    for character in target:
        code = (31 * code + ord(character)) & 0xFFFFFFFF
    return code - (1 << 32) if code >> 31 else code


def _compare(a: str, b: str) -> int:
    for x, y in zip(a, b, strict=False):
        if x != y:
            return ord(x) - ord(y)
    return len(a) - len(b)


def _trim(target: str) -> str:
    return target.strip("".join(map(chr, range(33))))


_STRING_METHODS: Mapping[str, tuple[Callable[..., Any], int, int]] = {
    "length": (len, 0, 0),
    "isEmpty": (lambda x: not x, 0, 0),
    "isBlank": (lambda x: not x.strip(), 0, 0),
    "charAt": (lambda x, i: Char(x[_place(i, len(x))]), 1, 1),
    "substring": (_part, 1, 2),
    "toUpperCase": (str.upper, 0, 0),
    "toLowerCase": (str.lower, 0, 0),
    "trim": (_trim, 0, 0),
    "strip": (str.strip, 0, 0),
    "concat": (lambda x, y: x + string(y), 1, 1),
    "repeat": (lambda x, n: x * n, 1, 1),
    "replace": (str.replace, 2, 2),
    "replaceAll": (lambda x, regex, by: pattern(regex).sub(replacement(by), x), 2, 2),
    "replaceFirst": (lambda x, regex, by: pattern(regex).sub(replacement(by), x, count=1), 2, 2),
    "matches": (lambda x, regex: pattern(regex).fullmatch(x) is not None, 1, 1),
    "split": (split, 1, 2),
    "contains": (lambda x, y: string(y) in x, 1, 1),
    "startsWith": (str.startswith, 1, 2),
    "endsWith": (str.endswith, 1, 1),
    "indexOf": (_index_of, 1, 2),
    "lastIndexOf": (str.rfind, 1, 1),
    "equalsIgnoreCase": (lambda x, y: x.lower() == string(y).lower(), 1, 1),
    "compareTo": (lambda x, y: _compare(x, string(y)), 1, 1),
    "hashCode": (_hash_code, 0, 0),
}


def _of_string(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def method(target: Any, *args: Any) -> Any:
        if not isinstance(target, str) or isinstance(target, Char):
            raise TypeError(f"{described(target)} has no method {name}()")
        return function(target, *args)

    return method


def _equals(target: Any, other: Any) -> bool:
    if target is None:
        raise TypeError("null has no method equals()")
    return type(target) is type(other) and bool(target == other)


METHODS: Mapping[str, Function] = {
    **{name: Function(_of_string(name, call), least, most) for name, (call, least, most) in _STRING_METHODS.items()},
    "equals": Function(_equals, 1, 1),
    "toString": Function(text, 0, 0),
    "intValue": Function(lambda x: s.as_int(number(x)), 0, 0),
    "longValue": Function(lambda x: s.as_int(number(x)), 0, 0),
    "doubleValue": Function(lambda x: float(number(x)), 0, 0),
    "clone": Function(lambda x: list(x), 0, 0),
}


# -- functions of classes ---------------------------------------------------------------------------------------------


def _parsed_int(value: Any) -> int:
    if not isinstance(value, str) or isinstance(value, Char):
        return s.as_int(number(value))
    if not re.fullmatch(r"[+-]?[0-9]+", value):
        raise ValueError(f"'{value}' is not an integer")
    return int(value)


def _parsed_double(value: Any) -> float:
    return s.as_double(value) if isinstance(value, str) and not isinstance(value, Char) else float(number(value))


def _parsed_boolean(value: Any) -> bool:
    return value if isinstance(value, bool) else string(value).lower() == "true"


def _rounded(value: Any) -> int:
    return math.floor(number(value) + 0.5)


def _copy(array: list[Any], start: int, stop: int) -> list[Any]:
    if not 0 <= start <= stop:
        raise IndexError(f"an array has no range from {start} to {stop}")
    return [*array[start:stop], *[None] * (stop - max(start, len(array)))]


def _letters(name: str, function: Callable[[str], Any]) -> Function:
    def apply(value: Any) -> Any:
        if not isinstance(value, Char):
            raise TypeError(f"{name}() needs a character, found {described(value)}")
        found = function(value)
        return Char(found) if isinstance(found, str) else found

    return Function(apply, 1, 1)


_UTILITIES: Mapping[str, Function] = {
    "jaccardSim": Function(jaccard_similarity, 2, 2),
    "getWordErrorRate": Function(word_error_rate, 2, 2),
    "getAsciiAtIdx": Function(ascii_at, 2, 2),
    "splitRecodeEntry": Function(split_recode_entry, 1, 1),
    "isDateColumn": Function(dates.are_dates, 1, 1),
    "getTimestamp": Function(dates.timestamp, 1, 1),
    "getDominantDateFormat": Function(dates.dominant_format, 1, 1),
    "addTimeToDate": Function(dates.add_time, 3, 3),
}

_LETTERS: Mapping[str, Callable[[str], Any]] = {
    "isDigit": str.isdecimal,
    "isLetter": str.isalpha,
    "isLetterOrDigit": lambda x: x.isalpha() or x.isdecimal(),
    "isUpperCase": str.isupper,
    "isLowerCase": str.islower,
    "isWhitespace": str.isspace,
    "toUpperCase": str.upper,
    "toLowerCase": str.lower,
}

_INTEGERS: Mapping[str, Function] = {
    "valueOf": Function(_parsed_int, 1, 1),
    "toString": Function(text, 1, 1),
}

FUNCTIONS: Mapping[str, Mapping[str, Function]] = {
    "": _UTILITIES,
    "UtilFunctions": _UTILITIES,
    "PorterStemmer": {"stem": Function(lambda x: stem(string(x)), 1, 1)},
    "String": {
        "valueOf": Function(text, 1, 1),
        "join": Function(lambda sep, *parts: sep.join(map(text, _spread(parts))), 2, 1000),
    },
    "Integer": {**_INTEGERS, "parseInt": Function(_parsed_int, 1, 1)},
    "Long": {**_INTEGERS, "parseLong": Function(_parsed_int, 1, 1)},
    "Double": {
        "valueOf": Function(_parsed_double, 1, 1),
        "parseDouble": Function(_parsed_double, 1, 1),
        "toString": Function(text, 1, 1),
        "isNaN": Function(lambda x: math.isnan(number(x)), 1, 1),
    },
    "Boolean": {
        "valueOf": Function(_parsed_boolean, 1, 1),
        "parseBoolean": Function(_parsed_boolean, 1, 1),
        "toString": Function(text, 1, 1),
    },
    "Character": {name: _letters(f"Character.{name}", function) for name, function in _LETTERS.items()},
    "Math": {
        "abs": Function(lambda x: abs(number(x)), 1, 1),
        "min": Function(lambda x, y: s.smallest(number(x), number(y)), 2, 2),
        "max": Function(lambda x, y: s.largest(number(x), number(y)), 2, 2),
        "floor": Function(lambda x: float(math.floor(number(x))), 1, 1),
        "ceil": Function(lambda x: float(math.ceil(number(x))), 1, 1),
        "round": Function(_rounded, 1, 1),
        "sqrt": Function(lambda x: s.square_root(number(x)), 1, 1),
        "exp": Function(lambda x: s.exponential(number(x)), 1, 1),
        "log": Function(lambda x: s.natural_log(number(x)), 1, 1),
        "pow": Function(lambda x, y: s.power(float(number(x)), float(number(y))), 2, 2),
    },
    "Arrays": {
        "toString": Function(text, 1, 1),
        "equals": Function(lambda a, b: a == b, 2, 2),
        "copyOf": Function(lambda a, n: _copy(a, 0, n), 2, 2),
        "copyOfRange": Function(_copy, 3, 3),
    },
}


def _spread(parts: tuple[Any, ...]) -> Any:
    return parts[0] if len(parts) == 1 and isinstance(parts[0], list) else parts


@cache
def namespace() -> dict[str, Any]:
    """The names that translated expressions use."""
    names: dict[str, Any] = {"__builtins__": {}, "Char": Char, "test": test, "item": item, "array_length": array_length}
    names |= {"number": number, "integer": lambda x: s.as_int(number(x)), "text": text, "char": lambda x: Char(chr(x))}
    names["double"] = lambda x: float(number(x))
    names |= {f"op_{at}": function for at, function in enumerate(OPERATORS.values())}
    names |= {f"m_{name}": method.call for name, method in METHODS.items()}
    for owner, functions in FUNCTIONS.items():
        names |= {f"f_{owner}_{name}": function.call for name, function in functions.items()}
    return names
