"""Nodes in the surface syntax of DML: literals, operators with the parentheses that they need, calls, indices.

The levels of the operators are those of the parser; a test compares them. What an operator needs of its operands comes
in as a function, so that the caller decides what is written in place and what stands in a variable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gramian.ir.node import ABSENT, CALL, OUTPUT, Node, literal_value
from gramian.ir.op import Op, Param
from gramian.ir.types import Known, ScalarValue

LEVELS: Mapping[str, int] = {
    operator: level
    for level, operators in (
        (1, "|"),
        (2, "&"),
        (4, "> >= < <= == !="),
        (5, "+ -"),
        (6, "* /"),
        (7, "%/% %%"),
        (8, "%*%"),
        (10, "^"),
    )
    for operator in operators.split()
}
NOT, MINUS, ATOM = 3, 9, 11

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"})
_MOST_NEGATIVE = -(2**63)  # has no literal


@dataclass(frozen=True, slots=True)
class Piece:
    """An expression as text; `level` tells how tightly its outermost operator binds."""

    text: str
    level: int = ATOM

    def at(self, level: int) -> str:
        """The text for a place that takes operators of `level` or tighter ones."""
        return self.text if self.level >= level else f"({self.text})"


Operand = Callable[[Node], Piece]


def literal_piece(value: ScalarValue) -> Piece:
    match value:
        case bool():
            return Piece("TRUE" if value else "FALSE")
        case str():
            return Piece(f'"{value.translate(_ESCAPES)}"')
        case int() if value == _MOST_NEGATIVE:
            return Piece(f"{value + 1} - 1", LEVELS["-"])
        case float() if math.isnan(value):
            return Piece("NaN")
        case float() if math.isinf(value):
            return Piece("Inf") if value > 0 else Piece("-Inf", MINUS)
    text = repr(value).replace("e-0", "e-").replace("e+", "e")
    return Piece(text, MINUS if text.startswith("-") else ATOM)


class Syntax:
    """Writes nodes.

    `functions` are the printed names of the program's functions; `callable` has the names that eval() accepts.
    """

    def __init__(self, functions: Mapping[str, str], callable: Mapping[str, str]) -> None:
        self.functions = functions
        self.callable = callable

    def inline(self, node: Node) -> Piece:
        """The whole expression, with what is shared in it written each time."""
        return Piece(node.name) if node.is_var else self.render(node, self.inline)

    def render(self, node: Node, operand: Operand) -> Piece:
        """The node's own operator applied to its operands, which are asked for in the order of their evaluation."""
        if node.is_literal:
            return literal_piece(literal_value(node))
        if node.op is OUTPUT:
            return operand(node.args[0])
        if node.op is CALL:
            args = ", ".join([operand(arg).text for arg in node.args])
            return Piece(f"{self.functions[node.attrs[0]]}({args})")
        if node.op.name == "grad":
            return self._grad(node, operand)
        if node.op.name in LEVELS and len(node.args) == 2:
            return _infix(node.op.name, *map(operand, node.args))
        special = _SPECIAL.get(node.op.name)
        if special is not None:
            return special(node, operand)
        texts = _arguments(node.op, node.args, operand, self._functions_named(node))
        return Piece(f"{node.op.name}({', '.join(texts)})")

    def _grad(self, node: Node, operand: Operand) -> Piece:
        function, wrt, _ = node.attrs
        *args, dout = node.args
        texts = [self.functions[function], *(operand(arg).text for arg in args)]
        texts.append(f"wrt=list({', '.join(literal_piece(name).text for name in wrt)})")
        if dout.op is not ABSENT:
            texts.append(f"dout={operand(dout).text}")
        return Piece(f"grad({', '.join(texts)})")

    def _functions_named(self, node: Node) -> dict[int, Piece]:
        """The arguments that name functions, by position: they go by the names under which these are printed."""
        names = {}
        for at, arg in enumerate(node.args):
            if arg.is_literal and node.op.functions and node.op.param(at).name in node.op.functions:
                unique = self.callable.get(str(literal_value(arg)))
                if unique is not None and unique in self.functions:
                    names[at] = literal_piece(self.functions[unique])
        return names


def _infix(symbol: str, left: Piece, right: Piece) -> Piece:
    level = LEVELS[symbol]
    to_the_right = symbol == "^"
    return Piece(f"{left.at(level + to_the_right)} {symbol} {right.at(level + (not to_the_right))}", level)


def _minus(node: Node, operand: Operand) -> Piece:
    piece = operand(node.args[0])
    text = piece.at(MINUS)
    return Piece(f"-({text})" if text.startswith("-") else f"-{text}", MINUS)


def _not(node: Node, operand: Operand) -> Piece:
    # `!a == b` means `!(a == b)`, which few readers expect.
    return Piece(f"!{operand(node.args[0]).at(MINUS)}", NOT)


def _frame_compare(node: Node, operand: Operand) -> Piece:
    left, right, symbol = node.args
    return _infix(str(literal_value(symbol)), operand(left), operand(right))


# -- indices -----------------------------------------------------------------------------------------------------------


def _right_index(node: Node, operand: Operand) -> Piece:
    target = operand(node.args[0]).at(ATOM)
    return Piece(f"{target}[{subscripts(node.args[1:], operand)}]")


def _cell(node: Node, operand: Operand) -> Piece:
    target, row, column = [operand(arg) for arg in node.args]
    return Piece(f"as.scalar({target.at(ATOM)}[{row.text}, {column.text}])")


def subscripts(bounds: tuple[Node, ...], operand: Operand) -> str:
    """What stands in the brackets: lower and upper bounds in pairs, for rows and columns or for entries of a list."""
    return ", ".join(_range(lower, upper, operand) for lower, upper in zip(bounds[::2], bounds[1::2], strict=True))


def _range(lower: Node, upper: Node, operand: Operand) -> str:
    if lower.op is ABSENT:
        return ""
    first = operand(lower)
    return first.text if upper.op is ABSENT else range_text(first, operand(upper))


def range_text(first: Piece, last: Piece) -> str:
    """`1:(n - 1)`: the parentheses are for the reader, since in R the colon binds tighter than in DML."""
    return f"{first.at(MINUS)}:{last.at(MINUS)}"


# -- calls -------------------------------------------------------------------------------------------------------------


def _list(node: Node, operand: Operand) -> Piece:
    entries = [_named(name, operand(arg)) for name, arg in zip(node.attrs[0], node.args, strict=True)]
    return Piece(f"list({', '.join(entries)})")


def _exists(node: Node, operand: Operand) -> Piece:
    return Piece(f"exists({node.name})")


def _named(name: str | None, piece: Piece) -> str:
    return piece.text if name is None else f"{name}={piece.text}"


SIZES = ("rows", "cols")
MOST_BY_POSITION = 6  # nobody remembers the order of more


def _arguments(op: Op, args: tuple[Node, ...], operand: Operand, names: Mapping[int, Piece]) -> list[str]:
    """The arguments without those that equal their defaults. `names` stand in place of some.

    Sizes and options with defaults go by name, and so do all arguments of functions of a `target`, as is usual in DML.
    """
    given = [(at, arg) for at, arg in enumerate(args) if not _is_default(op.param(at), arg)]
    in_place = len(given) < 2 or op.params[0].name != "target"
    texts = []
    for count, (at, arg) in enumerate(given):
        param = op.param(at)
        # Once an argument is left out, positions no longer tell which one is meant.
        in_place = in_place and at == count and (param.variadic or _goes_by_position(op, param))
        piece = operand(arg)
        texts.append(_named(None if in_place else param.name, names.get(at, piece)))
    return texts


def _goes_by_position(op: Op, param: Param) -> bool:
    if param.required:
        return param.name not in SIZES
    return param.default is None and len(op.params) <= MOST_BY_POSITION


def _is_default(param: Param, arg: Node) -> bool:
    if arg.op is ABSENT:
        return True
    if param.required or param.default is None or not arg.is_literal:
        return False
    return Known(literal_value(arg)) == Known(param.default)


_SPECIAL: Mapping[str, Callable[[Node, Operand], Piece]] = {
    "negate": _minus,
    "!": _not,
    "frameCompare": _frame_compare,
    "rightIndex": _right_index,
    "listIndex": _right_index,
    "cell": _cell,
    "list": _list,
    "exists": _exists,
}
