"""Changing the nodes of a program, item by item, with the places of nodes kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gramian.ir.node import Node, transform
from gramian.ir.program import (
    Block,
    For,
    If,
    Item,
    Program,
    Region,
    Spans,
    Statement,
    While,
    map_functions,
    map_regions,
)
from gramian.source import Span

Change = Callable[[Node], Node]


def map_nodes(program: Program, change: Change) -> Program:
    """Every node changed, from the leaves up, in all functions. `change` sees nodes whose arguments are changed already."""
    return map_functions(program, lambda f: replace(f, body=map_region_nodes(f.body, change)))


def map_region_nodes(region: Region, change: Change) -> Region:
    return tuple(map_regions(map_item_nodes(item, change), lambda r: map_region_nodes(r, change)) for item in region)


def map_item_nodes(item: Item, change: Change) -> Item:
    """The nodes that the item itself evaluates, changed; a node that comes up twice is changed once."""
    memo: dict[Node, Node] = {}

    def changed(node: Node) -> Node:
        return transform(node, change, memo)

    match item:
        case Block():
            statements: list[Statement] = [replace(s, value=changed(s.value)) for s in item.statements]
            if all(new.value is old.value for new, old in zip(statements, item.statements, strict=True)):
                return item
            return Block(tuple(statements), carry(item.spans, memo))
        case If() | While():
            return replace(item, test=changed(item.test), spans=carry(item.spans, memo))
        case For():
            step = None if item.step is None else changed(item.step)
            start, stop = changed(item.start), changed(item.stop)
            return replace(item, start=start, stop=stop, step=step, spans=carry(item.spans, memo))


def carry(spans: Spans, memo: dict[Node, Node]) -> dict[Node, Span]:
    """The places of the new nodes: those of the nodes that they replace."""
    places = dict(spans)
    for old, new in memo.items():
        if new is not old and old in spans:
            places.setdefault(new, spans[old])
    return places
