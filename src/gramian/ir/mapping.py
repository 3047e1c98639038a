"""Changing the nodes of a program, item by item, with the places of nodes kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    While,
    item_roots,
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
    roots = [transform(root, change, memo) for root in item_roots(item)]
    return item if same(roots, item_roots(item)) else with_roots(item, roots, carry(item.spans, memo))


def same(new: Sequence[Node], old: Sequence[Node]) -> bool:
    return all(a is b for a, b in zip(new, old, strict=True))


def with_roots(item: Item, roots: Sequence[Node], spans: Spans) -> Item:
    """The item with other nodes in place of those that it itself evaluates, in the order of `item_roots`."""
    match item:
        case Block():
            statements = (replace(s, value=root) for s, root in zip(item.statements, roots, strict=True))
            return Block(tuple(statements), spans)
        case If() | While():
            return replace(item, test=roots[0], spans=spans)
        case For():
            step = roots[2] if item.step is not None else None
            return replace(item, start=roots[0], stop=roots[1], step=step, spans=spans)


def carry(spans: Spans, memo: dict[Node, Node]) -> dict[Node, Span]:
    """The places of the new nodes: those of the nodes that they replace."""
    places = dict(spans)
    for old, new in memo.items():
        if new is not old and old in spans:
            places.setdefault(new, spans[old])
    return places
