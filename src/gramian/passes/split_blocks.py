"""Blocks end where sizes become known: what a file holds, how many rows are left, how many classes the labels have.

>>> X = removeEmpty(target=A, margin="rows")      # a block of its own: the size of X shows when it has run
>>> s = sum((X - colMeans(X)) ^ 2)                # compiled for that size

The run time compiles the rest for the sizes that it sees (`runtime/late.py`), which it can do only between blocks. A
matrix of unknown size or storage ends a block if those of its operands are known: what depends on it alone is known with it.
Numbers end a block if later sizes depend on them, outside of loops, where they would be others in each turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from gramian.ir.mapping import carry
from gramian.ir.node import OUTPUT, Node, transform, var, walk
from gramian.ir.op import Effect
from gramian.ir.program import (
    Assign,
    Block,
    For,
    Function,
    Item,
    Program,
    Region,
    Statement,
    While,
    map_functions,
    map_regions,
    nodes,
)
from gramian.ir.types import Kind
from gramian.passes.facts import Facts
from gramian.passes.temporaries import Temporaries


def split_blocks(program: Program, facts: Facts) -> Program:
    return map_functions(program, lambda f: Splitter(f).function())


def is_uncertain(node: Node) -> bool:
    """Is it a matrix of which only the run time knows the size, or how it is stored?"""
    return node.type.kind is Kind.MATRIX and (node.type.cells is None or node.type.sparsity is None)


def sizing_names(region: Region) -> set[str]:
    """The variables with numbers that sizes of matrices in a region depend on."""
    return {n.name for n in sizing_numbers(nodes(region)) if n.is_var}


def sizing_numbers(below: Iterable[Node]) -> set[Node]:
    """The scalars, not known yet, that unknown sizes of matrices depend on."""
    found: set[Node] = set()
    for node in below:
        if node.type.kind is Kind.MATRIX and node.type.cells is None and node.op.params:
            for arg in node.args:
                if arg.type.is_numeric and arg.type.known is None:
                    found.update(n for n in walk([arg]) if n.type.is_numeric and n.type.known is None)
    return found


class Splitter:
    """Splits the blocks of one function."""

    def __init__(self, function: Function) -> None:
        self.whole = function
        self.fresh = Temporaries(function).fresh

    def function(self) -> Function:
        if not any(is_uncertain(n) for n in nodes(self.whole.body)):
            return self.whole
        self.names = sizing_names(self.whole.body)
        return replace(self.whole, body=self.region(self.whole.body, in_loop=False))

    def region(self, region: Region, *, in_loop: bool) -> Region:
        return tuple(part for item in region for part in self.item(item, in_loop=in_loop))

    def item(self, item: Item, *, in_loop: bool) -> Iterator[Item]:
        if isinstance(item, Block):
            yield from self.block(item, in_loop=in_loop)
        elif isinstance(item, For) and item.parallel is not None:
            yield item
        else:
            inside = in_loop or isinstance(item, While | For)
            yield map_regions(item, lambda r: self.region(r, in_loop=inside))

    def block(self, block: Block, *, in_loop: bool) -> Iterator[Block]:
        numbers = set() if in_loop else sizing_numbers(walk(block.roots))
        at = self.first_pivot(block, numbers, in_loop=in_loop)
        if at is None:
            yield block
            return
        while at + 2 < len(block.statements) and _is_of_same_call_or_shows_too(*block.statements[at : at + 2]):
            at += 1
        first, second = self.cut(block, at)
        yield first
        yield from self.block(second, in_loop=in_loop)

    def first_pivot(self, block: Block, numbers: set[Node], *, in_loop: bool) -> int | None:
        """The first statement after which something is known that later ones of the block need."""
        for at, statement in enumerate(block.statements[:-1]):
            if not isinstance(statement, Assign):
                continue
            value = statement.value
            if not (value.args or value.op.effect is not Effect.PURE):
                continue
            decides = value in numbers or (not in_loop and statement.target in self.names and _is_number(value))
            if decides or is_pivot(value):
                later = block.statements[at + 1 :]
                if any(value in set(walk([s.value])) and s.value is not value for s in later) or decides:
                    return at
        return None

    def cut(self, block: Block, at: int) -> tuple[Block, Block]:
        """Two blocks; values of the first that the second needs cross in variables."""
        head, tail = block.statements[: at + 1], block.statements[at + 1 :]
        holders: dict[Node, str] = {}
        for statement in head:
            if isinstance(statement, Assign):
                holders = {n: name for n, name in holders.items() if name != statement.target}
                if not statement.value.is_literal:
                    holders[statement.value] = statement.target
        done = set(walk(s.value for s in head))
        crossing = self._crossing(done, tail, holders)
        extra = []
        for node in crossing:
            holders[node] = self.fresh()
            extra.append(Assign(holders[node], node, block.spans.get(node, head[-1].span)))
        memo: dict[Node, Node] = {n: var(name, n.type) for n, name in holders.items()}
        # Variables keep their value over the cut, unless the first block has assigned them.
        changed: tuple[Statement, ...] = tuple(replace(s, value=transform(s.value, lambda n: n, memo)) for s in tail)
        return Block((*head, *extra), block.spans), Block(changed, carry(block.spans, memo))

    def _crossing(self, done: set[Node], tail: tuple[Statement, ...], holders: dict[Node, str]) -> list[Node]:
        """The values computed in the first block that the second needs and no variable holds."""
        assigned = set(holders.values())
        found: dict[Node, None] = {}
        stack = [s.value for s in tail]
        seen: set[Node] = set()
        while stack:
            node = stack.pop()
            if node in seen or node in holders:
                continue
            seen.add(node)
            overwritten = node.is_var and node.name in assigned
            if overwritten or (node.type.kind is not Kind.TUPLE and self._is_made(node, done)):
                found[node] = None
                continue
            stack.extend(node.args)
        return list(found)

    def _is_made(self, node: Node, done: set[Node]) -> bool:
        if node.op is OUTPUT:
            return node.args[0] in done
        return node in done and bool(node.args or node.op.effect is not Effect.PURE)


def is_pivot(node: Node) -> bool:
    """Does the size of the matrix, or its storage, show only now, although those of its operands are known?"""
    if not is_uncertain(node):
        return False
    while node.op is OUTPUT:
        node = node.args[0]
    return not any(is_uncertain(arg) for arg in node.args)


def _is_of_same_call_or_shows_too(a: Statement, b: Statement) -> bool:
    """Do both assign results of one call, or does the size of the second show at once as well?

    Files that are read one after the other, or matrices that are taken out of a list, need only one cut.
    """
    if not (isinstance(a, Assign) and isinstance(b, Assign)):
        return False
    if a.value.op is OUTPUT and b.value.op is OUTPUT and a.value.args == b.value.args:
        return True
    return is_pivot(b.value)


def _is_number(node: Node) -> bool:
    return node.type.is_numeric and node.type.known is None
