"""Expressions become cheaper ones that mean the same, by the rules in `gramian/rewrite/rules`.

>>> Y = t(t(X))          # Y = X

Some rules gain only if they save an inner operator that nothing else uses, such as `X %*% Y` in `sum(X %*% Y)`. They come
second: when the other rules are done with a block, the uses in it are counted and these rules tried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from gramian.ir.mapping import map_item_nodes
from gramian.ir.node import Node, walk
from gramian.ir.program import (
    Assign,
    Block,
    For,
    Function,
    Item,
    Program,
    Region,
    item_roots,
    items,
    map_functions,
    map_regions,
    nodes,
)
from gramian.passes.facts import Facts
from gramian.passes.fold_constants import fold
from gramian.rewrite.driver import Driver
from gramian.rewrite.rules import rule_index

ROUNDS = 5  # of counting; each makes room for rules that the one before could not apply


def simplify(program: Program, facts: Facts) -> Program:
    return simplify_with(program, Driver(rule_index()))


def simplify_with(program: Program, driver: Driver) -> Program:
    """The program simplified by a driver, which knows afterwards which rules fired."""
    return map_functions(program, lambda f: replace(f, body=_region(f.body, driver, read_variables(f))))


def _region(region: Region, driver: Driver, read: set[str] | None) -> Region:
    return tuple(map_regions(_item(item, driver, read), lambda r: _region(r, driver, read)) for item in region)


def _item(item: Item, driver: Driver, read: set[str] | None) -> Item:
    waiting = False

    def change(node: Node) -> Node:
        nonlocal waiting
        node = fold(driver.simplify(node))
        waiting = waiting or node in driver.waiting
        return node

    item = map_item_nodes(item, change)
    rounds = ROUNDS if waiting else 0
    for _ in range(rounds):
        before = item_roots(item)
        item = map_item_nodes(item, driver.with_uses(use_counts(_live_roots(item, read)).get))
        if item_roots(item) == before:
            break
    return item


def use_counts(roots: Iterable[Node]) -> Counter[Node]:
    """How many nodes use each node below the roots, or the roots themselves; a root has one use more."""
    roots = tuple(roots)
    counts = Counter(roots)
    for node in walk(roots):
        counts.update(set(node.args))
    return counts


def read_variables(function: Function) -> set[str] | None:
    """The variables of a function that some block or its caller reads; None stands for all."""
    if any(node.op.name == "time" for node in nodes(function.body)):
        return None  # what is assigned before time() is complete then, and measured by it
    read = {o.name for o in function.outputs}
    for item in items(function.body):
        if isinstance(item, For) and item.parallel is not None:
            read.update(item.parallel.results, item.parallel.initial)
    for node in nodes(function.body):
        if node.is_var or node.op.name == "exists":
            read.add(node.name)
    return read


def _live_roots(item: Item, read: set[str] | None) -> Iterable[Node]:
    """What the item computes, without values of variables that are not read in other items."""
    if not isinstance(item, Block) or read is None:
        return item_roots(item)
    return (s.value for s in item.statements if not isinstance(s, Assign) or s.target in read)
