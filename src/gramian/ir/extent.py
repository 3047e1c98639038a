"""How many rows or columns an index selects whose bounds are not known, but the distance between them is.

>>> X[, ((t - 1) * m + 1):(t * m)]      # m columns, if m is known
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from gramian.ir.types import INT, Kind, Type

if TYPE_CHECKING:
    from gramian.ir.node import Node

INDEX = "rightIndex"  # its arguments are a matrix, the bounds of rows, and those of columns
DEEPEST = 12  # levels of an expression that are looked at; what is below counts as unknown

Terms = Counter["Node | None"]  # how often each unknown takes part in a sum; None stands for 1


def with_extent(args: tuple[Node, ...], selected: Type) -> Type:
    """The type of what an index selects, with the sizes that follow from the distance of its bounds."""
    rows = selected.rows if selected.rows is not None else extent(args[1], args[2])
    cols = selected.cols if selected.cols is not None else extent(args[3], args[4])
    return selected if (rows, cols) == (selected.rows, selected.cols) else replace(selected, rows=rows, cols=cols)


def extent(lower: Node, upper: Node) -> int | None:
    """How many positions there are from one to the other; None if it is not known, or if they are in the wrong order."""
    if Kind.MISSING in (lower.type.kind, upper.type.kind):
        return None
    terms = _terms(upper, DEEPEST)
    terms.subtract(_terms(lower, DEEPEST))
    distance = terms.pop(None, 0)
    return distance + 1 if distance >= 0 and not any(terms.values()) else None


def _terms(node: Node, depth: int) -> Terms:
    """An int as a sum of multiples of unknowns. Only ints, since doubles are rounded twice."""
    type = node.type
    if type.value_type is INT and isinstance(type.value, int):
        return Counter({None: type.value})
    if type.value_type is INT and len(node.args) == 2 and depth:
        left, right = (_terms(a, depth - 1) for a in node.args)
        match node.op.name:
            case "+":
                left.update(right)
                return left
            case "-":
                left.subtract(right)
                return left
            case "*" if set(left) == {None}:
                return _times(right, left[None])
            case "*" if set(right) == {None}:
                return _times(left, right[None])
    return Counter({node: 1})


def _times(terms: Terms, factor: int) -> Terms:
    return Counter({unknown: factor * count for unknown, count in terms.items()})
