"""Which operators certainly have a result.

An error must come where the script has its cause, and before the effects that come after it. What cannot fail may be
computed later or earlier, or together with something else.
"""

from __future__ import annotations

from gramian.ir.node import ABSENT, Node
from gramian.ir.op import Trait
from gramian.ir.types import DOUBLE, INT, NUMBER

NUMERIC = (INT, DOUBLE, NUMBER)
FALLIBLE = ("distribution",)  # families of cell-by-cell operators that refuse some cells
DIVISIONS = ("%%", "%/%")  # of ints by zero
CERTAIN = ("%*%", "t", "min", "max")  # others that cannot fail, beside cell-by-cell ones and aggregates


def cannot_fail(node: Node) -> bool:
    """Is it certain that the operator has a result, given its operands? Sizes that are known do fit."""
    if not node.args:
        return True
    if not all(_is_as_expected(arg) for arg in node.args) or node.op.family in FALLIBLE:
        return False
    if node.type.is_scalar and (node.op.name in DIVISIONS or _may_overflow(node)):
        return False
    return node.op.name in CERTAIN or node.op.has(Trait.CELLWISE) or node.op.has(Trait.AGGREGATE)


def _is_as_expected(arg: Node) -> bool:
    """A matrix of known size, or a number."""
    return arg.op is ABSENT or arg.is_literal or arg.type.cells is not None or arg.type.value_type in NUMERIC


def _may_overflow(node: Node) -> bool:
    return node.op.has(Trait.OVERFLOWS) and node.type.value_type is not DOUBLE
