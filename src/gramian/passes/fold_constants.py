"""Expressions whose value is known become that value.

>>> x = 2 * 3            # x = 6
>>> n = nrow(X)          # n = 100, if X is known to have 100 rows
"""

from __future__ import annotations

from gramian.ir.mapping import map_nodes
from gramian.ir.node import CALL, OUTPUT, Node, literal
from gramian.ir.op import Effect
from gramian.ir.program import Program
from gramian.passes.facts import Facts

LONGEST = 1_000  # characters; longer text stays an expression


def fold_constants(program: Program, facts: Facts) -> Program:
    return map_nodes(program, fold)


def fold(node: Node) -> Node:
    """The node, or the literal that it is worth."""
    if node.type.known is None or node.is_literal or node.op.effect is not Effect.PURE or node.op in (CALL, OUTPUT):
        return node
    value = node.type.value
    if value is None or (isinstance(value, str) and len(value) > LONGEST):
        return node
    return literal(value)
