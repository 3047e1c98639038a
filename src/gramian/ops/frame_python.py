"""The expressions of map() that are written in Python: `py: x.strip().title()`.

They are Python's own, restricted to what works on text: operators, conditions, comprehensions, the methods of strings,
and the functions below. Nothing in them reaches files, modules or attributes of objects.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from gramian.errors import OperationError, did_you_mean
from gramian.ir import scalar as s
from gramian.ops import frame_dates as dates
from gramian.ops.frame_lambda import Lambda
from gramian.ops.frame_words import ascii_at, jaccard_similarity, split_recode_entry, word_error_rate
from gramian.ops.porter import stem

PREFIX = "py:"
PARAMS = ("x", "y")

_BUILTINS = (
    *(len, str, int, float, bool, round, abs, min, max, sum, any, all, ord, chr),
    *(list, set, sorted, reversed, zip, enumerate, range),
)
_MODULES: Mapping[str, tuple[str, ...]] = {"re": ("sub", "split", "findall")}
FUNCTIONS: Mapping[str, Any] = {
    **{f.__name__: f for f in _BUILTINS},
    "re": SimpleNamespace(**{name: getattr(re, name) for name in _MODULES["re"]}),
    "stem": stem,
    "jaccard": jaccard_similarity,
    "word_error_rate": word_error_rate,
    "ascii_at": ascii_at,
    "split_recode_entry": split_recode_entry,
    "are_dates": dates.are_dates,
    "timestamp": dates.timestamp,
    "dominant_format": dates.dominant_format,
    "add_time": dates.add_time,
}
_REFUSED = ("encode", "format", "format_map", "maketrans", "translate")  # format() reaches attributes
_METHODS = frozenset(name for name in dir(str) if not name.startswith("_") and name not in _REFUSED)
_ALLOWED = (
    *(ast.Expression, ast.Constant, ast.Name, ast.Load, ast.Store, ast.Call, ast.keyword, ast.Attribute),
    *(ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Subscript, ast.Slice, ast.Starred),
    *(ast.List, ast.Tuple, ast.Set, ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.comprehension),
    *(ast.JoinedStr, ast.FormattedValue),
    *(ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
)
_CALLED = {"Lambda": "a lambda", "NamedExpr": "an assignment", "Dict": "a dictionary", "Await": "await"}


@lru_cache(maxsize=64)
def translate(text: str) -> Lambda:
    """The function that a Python expression behind the prefix describes.

    Raises:
        OperationError: it is no Python expression, or goes beyond what is allowed.
    """
    body = text.removeprefix(PREFIX).strip()
    try:
        tree = ast.parse(body, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else "it cannot be read"
        raise OperationError(f"the expression '{text}' of map() is not a Python expression: {reason}") from None
    names = [n for n in ast.walk(tree) if isinstance(n, ast.Name)]
    known = {*PARAMS, *FUNCTIONS, *(n.id for n in names if isinstance(n.ctx, ast.Store))}
    for node in ast.walk(tree):
        _check(node, known, text)
    pair = any(n.id == "y" for n in names)
    params = PARAMS if pair else PARAMS[:1]
    code = compile(f"lambda {', '.join(params)}: (\n{body}\n)", "<map>", "eval")
    return Lambda(body, len(params), eval(code, {"__builtins__": {}, **FUNCTIONS}), _text)


def _text(value: Any) -> str:
    return s.text(value) if isinstance(value, bool | int | float | str) else str(value)


def _check(node: ast.AST, known: set[str], text: str) -> None:
    """Refuse what could reach outside of the expression."""
    where = f"in the expression '{text}' of map()"
    if not isinstance(node, _ALLOWED) or (isinstance(node, ast.Constant) and isinstance(node.value, bytes)):
        what = _CALLED.get(type(node).__name__, type(node).__name__)
        raise OperationError(f"{what} is not allowed {where}")
    if isinstance(node, ast.Name) and node.id not in known:
        hint = did_you_mean(node.id, known) or f"x is the text of a cell; known are {', '.join(sorted(FUNCTIONS))}"
        raise OperationError(f"unknown name '{node.id}' {where}", hint)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id.startswith("_"):
        raise OperationError(f"the name '{node.id}' is not allowed {where}")
    if isinstance(node, ast.Attribute) and node.attr not in _attributes(node.value):
        raise OperationError(f"unknown method '{node.attr}' {where}", did_you_mean(node.attr, _attributes(node.value)))


def _attributes(target: ast.expr) -> frozenset[str]:
    """What may stand behind the dot of a value or a module."""
    if isinstance(target, ast.Name) and target.id in _MODULES:
        return frozenset(_MODULES[target.id])
    return _METHODS
