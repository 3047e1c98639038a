"""Whether a value is better kept for its next use, or computed again there.

Cellwise operators run together in one pass over their operands, so that to compute them again means to read these once
more, and to keep them means to read the value instead. Every other operator also writes its value when it is computed
again. What is kept takes memory meanwhile: a large value is kept only if that saves much.
"""

from __future__ import annotations

from gramian.cost.flops import is_free, traffic, work
from gramian.ir.node import CALL, OUTPUT, Node
from gramian.ir.op import Effect, Trait
from gramian.ir.types import Kind

SMALL = 1 << 18  # bytes: stays in a cache, so that what counts is the call of the operator
LARGE = 1 << 28
SAVES = 2  # so many times the work to read a value that is kept
SAVES_MUCH = 8  # the same for a large one
GROWS = 4  # so many times the size of the factors

# What depends on more than its arguments, or only names them.
NEVER = frozenset({"lineage"})


def pays_to_keep(node: Node) -> bool:
    """Is the value of a pure node, other than a variable's, worth a variable that keeps it?"""
    if node.op is OUTPUT:
        return node.type.kind is not Kind.LIST and pays_to_keep_results(node.args[0])
    if node.type.kind not in (Kind.MATRIX, Kind.SCALAR, Kind.FRAME) or not is_pure(node) or is_free(node):
        return False
    if not any(a.type.kind in (Kind.MATRIX, Kind.FRAME) for a in node.args):
        return False  # scalars, and matrices made of them
    if node.type.is_scalar:
        return True
    kept = traffic(node.type)
    if kept is None:
        return not node.op.has(Trait.CELLWISE)
    if kept <= SMALL:
        return True
    if node.op.name == "%*%" and _grows(node, kept):
        return False
    again = _work_again(node)
    return again is None or again >= kept * (SAVES if kept <= LARGE else SAVES_MUCH)


def pays_to_keep_results(node: Node) -> bool:
    """The same for an operator with several results: all of those are laborious."""
    return node.op is not CALL and is_pure(node) and node.op.name != "remove"


def is_pure(node: Node) -> bool:
    return node.op.effect is Effect.PURE and not node.op.calls_by_name and node.op.name not in NEVER


def _grows(node: Node, kept: float) -> bool:
    """Is a product much larger than its factors? Pipelines need only some of its cells, as in `W * (U %*% t(V))`."""
    factors = [traffic(arg.type) for arg in node.args]
    return None not in factors and kept > GROWS * sum(f for f in factors if f is not None)


def _work_again(node: Node) -> float | None:
    """The work of computing a node again where it is used, if what is not cellwise in it is kept for itself."""
    if not node.op.has(Trait.CELLWISE):
        own = work(node)
        written = traffic(node.type)
        return None if own is None or written is None else own.total + written
    total = 0.0
    leaves: set[Node] = set()
    todo, done = [node], {node}
    while todo:
        part = todo.pop()
        own = work(part)
        if own is None:
            return None
        total += own.flops
        for arg in part.args:
            if arg.op.has(Trait.CELLWISE) and arg.type.is_matrix:
                if arg not in done:
                    done.add(arg)
                    todo.append(arg)
            else:
                leaves.add(arg)
    read = [traffic(leaf.type) for leaf in leaves]
    return None if None in read else total + sum(r for r in read if r is not None)
