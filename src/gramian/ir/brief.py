"""Expressions in a few words, for tables: `t(X) %*% (w * (X %*% v))`."""

from __future__ import annotations

from gramian.ir.fused import fused_node, pipeline_of
from gramian.ir.node import CALL, OUTPUT, Node
from gramian.ir.origins import held_name
from gramian.ir.program import Item
from gramian.ir.syntax import Operand, Piece, Syntax

ELLIPSIS = "…"
LONGEST = 60  # characters
DEEPEST, OUTSIDE = 5, 2  # operators inside of one another, in a pipeline and in its operands


def pipeline_text(node: Node, item: Item | None) -> str:
    """What a fused node computes, with the names that its operands have in an item of the program."""
    return shortened(", ".join(_inside(node, root, item, DEEPEST).text for root in pipeline_of(node).roots))


def _inside(fused: Node, node: Node, item: Item | None, depth: int) -> Piece:
    """An expression of a pipeline's parameters, with what is deep inside of it left out."""
    if node.is_var:
        return _operand(fused.args[int(node.name[1:])], item, min(depth, OUTSIDE))
    return _rendered(node, depth, lambda arg: _inside(fused, arg, item, depth - 1))


def _operand(node: Node, item: Item | None, depth: int) -> Piece:
    """The variable that holds an operand, or else what it is."""
    name = held_name(node, item) if item is not None else node.name if node.is_var else ""
    if name:
        return Piece(name)
    fused = fused_node(node)
    if fused is not None and node.op is OUTPUT:
        return _inside(fused, pipeline_of(fused).roots[node.attrs[0]], item, depth)
    return _rendered(node, depth, lambda arg: _operand(arg, item, depth - 1))


def _rendered(node: Node, depth: int, operand: Operand) -> Piece:
    if node.op is CALL or node.is_var or (depth <= 0 and node.args):
        return Piece(ELLIPSIS)
    return Syntax({}, {}).render(node, operand)


def shortened(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + ELLIPSIS
