"""Variables that passes add to a function, to keep the value of an expression for a later place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gramian.ir.mapping import carry, with_roots
from gramian.ir.node import Node, transform, var, walk
from gramian.ir.origins import OWN
from gramian.ir.program import Assign, Block, Function, Item, Spans, assigned, item_roots
from gramian.source import Span


class Temporaries:
    """Names for new variables of a function."""

    def __init__(self, function: Function) -> None:
        named = {v.name for v in (*function.params, *function.outputs)}
        self._taken = assigned(function.body) | named | set(function.assigned)
        self._count = 0

    def fresh(self) -> str:
        while True:
            self._count += 1
            name = f"{OWN}{self._count}"
            if name not in self._taken:
                return name


def read_instead(item: Item, kept: Mapping[Node, str]) -> Item:
    """The item with variables in place of the nodes whose values they keep."""
    memo = {node: var(name, node.type) for node, name in kept.items()}
    roots = [transform(root, lambda node: node, memo) for root in item_roots(item)]
    return with_roots(item, roots, carry(item.spans, memo))


def keep(nodes: Iterable[tuple[Node, str]], spans: Spans, place: Span) -> Block:
    """A block that puts the values of nodes into variables."""
    kept = list(nodes)
    statements = tuple(Assign(name, node, spans.get(node, place)) for node, name in kept)
    return Block(statements, {n: spans[n] for n in walk(node for node, _ in kept) if n in spans})
