"""Expressions in a few words, for tables: `t(X) %*% (w * (X %*% v))`."""

from __future__ import annotations

from collections.abc import Callable

from gramian.ir.fused import pipeline_of, unfused
from gramian.ir.node import CALL, Node, transform
from gramian.ir.origins import held_name
from gramian.ir.program import Item
from gramian.ir.syntax import Piece, Syntax

ELLIPSIS = "…"
LONGEST = 60  # characters
DEEPEST = 5  # operators inside of one another


def pipeline_text(node: Node, item: Item | None) -> str:
    """What a fused node computes, with the names that its operands have in an item of the program."""
    operands = [_operand(arg, item) for arg in node.args]
    roots = pipeline_of(node).roots
    return shortened(", ".join(_piece(root, lambda p: operands[int(p.name[1:])], DEEPEST).text for root in roots))


def _operand(node: Node, item: Item | None) -> Piece:
    """The variable that holds an operand, or else what it is."""
    name = held_name(node, item) if item is not None else ""
    return Piece(name) if name else _piece(transform(node, unfused, {}), lambda v: Piece(v.name), 2)


def _piece(node: Node, variable: Callable[[Node], Piece], depth: int) -> Piece:
    """The expression with what is deep inside of it left out."""
    if node.is_var:
        return variable(node)
    if node.op is CALL or (depth == 0 and node.args):
        return Piece(ELLIPSIS)
    return Syntax({}, {}).render(node, lambda arg: _piece(arg, variable, depth - 1))


def shortened(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + ELLIPSIS
