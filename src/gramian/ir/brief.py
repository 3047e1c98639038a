"""Expressions in a few words, for tables: `t(X) %*% (w * (X %*% v))`."""

from __future__ import annotations

from collections.abc import Callable

from gramian.ir.fused import pipeline_of
from gramian.ir.node import Node
from gramian.ir.origins import held_name
from gramian.ir.program import Item
from gramian.ir.syntax import Piece, Syntax

ELLIPSIS = "…"
LONGEST = 60  # characters
DEEPEST = 5  # operators inside of one another


def pipeline_text(node: Node, item: Item | None) -> str:
    """What a fused node computes, with the names that its operands have in an item of the program."""
    names = [held_name(arg, item) if item is not None else "" for arg in node.args]

    def name(parameter: Node) -> str:
        return names[int(parameter.name[1:])] or ELLIPSIS

    return shortened(", ".join(brief(root, name) for root in pipeline_of(node).roots))


def brief(node: Node, name: Callable[[Node], str]) -> str:
    """The expression with what is deep inside of it left out; `name` gives the names of variables."""
    return _piece(node, name, DEEPEST).text


def _piece(node: Node, name: Callable[[Node], str], depth: int) -> Piece:
    if node.is_var:
        return Piece(name(node))
    if depth == 0 and node.args:
        return Piece(ELLIPSIS)
    return Syntax({}, {}).render(node, lambda arg: _piece(arg, name, depth - 1))


def shortened(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + ELLIPSIS
