"""The operators of an expression, found without parsing it: a program needs few of the many rules."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gramian.ir.op import REGISTRY

_TOKEN = re.compile(r"%\*%|%/%|%%|[<>=!]=|[-+*/^<>&|!,:()\[\]]|\"[^\"]*\"|[\w.]+")
_LEVELS = (("|",), ("&",), ("!",), ("==", "!=", "<", "<=", ">", ">="), ("+", "-"), ("*", "/"), ("%%", "%/%"), ("%*%",))
_SIGN, _POWER, _CALL = len(_LEVELS), len(_LEVELS) + 1, len(_LEVELS) + 2
_LEVEL = {symbol: level for level, symbols in enumerate(_LEVELS) for symbol in symbols} | {"negate": _SIGN, "^": _POWER}


def outline(text: str) -> tuple[str, frozenset[str]]:
    """The name of the operator that an expression in DML applies last, and the names of the others in it."""
    found = list(_operators(text))
    at, loosest = -1, _CALL + 1
    for index, (name, depth) in enumerate(found):
        level = _LEVEL.get(name, _CALL)
        # Operators of one level group from the left; a call or index that comes first in the text is applied first.
        if depth == 0 and (level < loosest or (level == loosest and level not in (_SIGN, _POWER))):
            at, loosest = index, level
    top = found[at][0] if found else ""
    return top, frozenset(name for index, (name, _) in enumerate(found) if index != at)


def _operators(text: str) -> Iterator[tuple[str, int]]:
    """The operators in the order of the text, and in how many brackets they stand."""
    tokens = _TOKEN.findall(text)
    depth = 0
    before = ""
    for token, after in zip(tokens, [*tokens[1:], ""], strict=True):
        operand = before != "" and (before in ")]" or _is_word(before))
        if token in "([":
            if token == "[":
                yield "rightIndex", depth
            depth += 1
        elif token in ")]":
            depth -= 1
        elif _is_word(token):
            if after == "(":
                yield (REGISTRY[token].name if token in REGISTRY else token), depth
        elif token == "-" and not operand:
            if not after[:1].isdigit() and before != "^":
                yield "negate", depth
        elif token not in ",:":
            yield token, depth
        before = token


def _is_word(token: str) -> bool:
    return token[0].isalnum() or token[0] in '."'
