"""What was computed before on every path, from variables that have not changed since, is read instead of computed again.

>>> a = sum(X %*% Y); if (a > 0) print(a); b = max(X %*% Y)      # t1 = X %*% Y; ... b = max(t1)

Within a block equal nodes are one anyway; this pass goes from block to block, into branches and loops, and out of
branches that all compute a value. Every value gets a number, and equal numbers are equal values, whatever variables they
stand in: numbers follow assignments, and where paths meet, variables that differ get new ones. A value that is needed
again is read from the variable that holds it or, if to compute it takes clearly more than to keep it
(`cost/keep.py`), from a new one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import count
from typing import Any

from gramian.cost.flops import is_free
from gramian.cost.keep import is_pure, pays_to_keep
from gramian.ir.join import is_barrier
from gramian.ir.mapping import carry, with_roots
from gramian.ir.node import OUTPUT, Node, transform, var, walk
from gramian.ir.program import (
    Assign,
    Block,
    For,
    Function,
    If,
    Item,
    Program,
    Region,
    Statement,
    While,
    assigned,
    item_roots,
    map_functions,
    map_regions,
)
from gramian.ir.types import Kind
from gramian.passes.facts import Facts
from gramian.passes.join_blocks import joined
from gramian.passes.temporaries import Temporaries, keep, read_instead

Number = int
Site = tuple[Item, Node]  # where a value is computed


def share_subexpressions(program: Program, facts: Facts) -> Program:
    return map_functions(program, lambda function: Share(function).run())


ABSENT = object()
Table = dict[Any, Any]
Changes = list[tuple[Table, Any, Any]]  # tables, keys, and the values before


class State:
    """What holds at one place: the numbers of the variables' values, and where values were computed on every path.

    Every change is noted, so that a path can be taken back.
    """

    def __init__(self) -> None:
        self.variables: dict[str, Number] = {}
        self.computed: dict[Number, tuple[Site, ...]] = {}
        self.changes: Changes = []

    def assign(self, name: str, number: Number) -> None:
        self._set(self.variables, name, number)

    def compute(self, number: Number, sites: tuple[Site, ...]) -> None:
        self._set(self.computed, number, sites)

    def forget_computed(self) -> None:
        for number in list(self.computed):
            self._set(self.computed, number, ABSENT)

    def _set(self, table: Table, key: Any, value: Any) -> None:
        self.changes.append((table, key, table.get(key, ABSENT)))
        if value is ABSENT:
            table.pop(key, None)
        else:
            table[key] = value

    def take_back(self, since: int) -> tuple[Table, Table]:
        """Undo the changes since there were so many; returns what they had made of the variables and values."""
        new: tuple[Table, Table] = ({}, {})
        for table, key, before in reversed(self.changes[since:]):
            new[table is self.computed].setdefault(key, table.get(key, ABSENT))
            if before is ABSENT:
                table.pop(key, None)
            else:
                table[key] = before
        del self.changes[since:]
        return new


class Share:
    """Finds and shares values within one function."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.count = count()
        self.numbers: dict[object, Number] = {}
        self.holders: dict[Number, str] = {}  # the variables that got values last
        self.kept: dict[Number, str] = {}  # new variables
        self.reads: dict[Item, dict[Node, str]] = {}  # what an item reads from variables instead of computing it
        self.keeps: dict[Item, dict[Node, str]] = {}  # what an item puts into new variables
        self.names: Temporaries | None = None

    def run(self) -> Function:
        self.region(self.function.body, State())
        if not self.reads:
            return self.function
        return replace(self.function, body=joined(self.changed(self.function.body)))

    # -- what is computed where -------------------------------------------------------------------------------------

    def region(self, region: Region, state: State) -> None:
        for item in region:
            self.item(item, state)

    def item(self, item: Item, state: State) -> None:
        match item:
            case Block():
                self.block(item, state)
            case If():
                self.expressions(item, state)
                self.meet(state, self.path(item.then, state), self.path(item.orelse, state))
            case While():
                self.forget(state, assigned((item,)))
                self.region(item.head, state)
                self.expressions(item, state)
                self.path(item.body, state)
            case For():
                self.expressions(item, state)
                self.loop(item, state)

    def loop(self, loop: For, state: State) -> None:
        start = len(state.changes)
        self.forget(state, assigned((loop,)))
        self.region(loop.body, state)
        if loop.parallel is not None:
            state.take_back(start)
            self.forget(state, loop.parallel.results)
        elif not loop.surely_runs:
            state.take_back(start)
            self.forget(state, assigned((loop,)))

    def path(self, region: Region, state: State) -> tuple[Table, Table]:
        """Go through a region that is perhaps not run; returns what it makes of variables and values."""
        start = len(state.changes)
        self.region(region, state)
        return state.take_back(start)

    def forget(self, state: State, names: Iterable[str]) -> None:
        """The variables have values that nothing is known of."""
        for name in names:
            state.assign(name, next(self.count))

    def meet(self, state: State, one: tuple[Table, Table], other: tuple[Table, Table]) -> None:
        """What holds after one of two paths."""
        both: dict[tuple[Any, Any], Number] = {}
        for name in {**one[0], **other[0]}:
            mine, theirs = (path[0].get(name, state.variables.get(name, ABSENT)) for path in (one, other))
            new = mine if mine == theirs else both.setdefault((mine, theirs), next(self.count))
            state.assign(name, new if ABSENT not in (mine, theirs) else next(self.count))
        for number in {**one[1], **other[1]}:
            mine, theirs = (path[1].get(number, state.computed.get(number, ABSENT)) for path in (one, other))
            if mine is ABSENT or theirs is ABSENT:
                if number in state.computed:
                    state.compute(number, ABSENT)
            else:
                state.compute(number, tuple(dict.fromkeys((*mine, *theirs))))

    def block(self, block: Block, state: State) -> None:
        if is_barrier(block):
            state.forget_computed()
        numbers = self.expressions(block, state)
        if is_barrier(block):
            state.forget_computed()
        for statement in block.statements:
            if isinstance(statement, Assign):
                state.assign(statement.target, numbers[statement.value])
                self.holders[numbers[statement.value]] = statement.target

    def expressions(self, item: Item, state: State) -> dict[Node, Number]:
        """Number the nodes of an item; what was computed before is read, and the rest is computed now."""
        numbers: dict[Node, Number] = {}
        again = False
        for node in walk(item_roots(item)):
            number = numbers[node] = self.number(node, numbers, state)
            again = again or number in state.computed
        seen: set[Node] = set()
        todo = list(item_roots(item)) if again else []
        while todo:
            node = todo.pop()
            if node not in seen:
                seen.add(node)
                if not self.read(item, node, numbers[node], state):
                    todo += node.args
        for node in seen if again else numbers:
            if numbers[node] not in state.computed and can_be_kept(node) and node not in self.reads.get(item, ()):
                state.compute(numbers[node], ((item, node),))
        return numbers

    def number(self, node: Node, numbers: dict[Node, Number], state: State) -> Number:
        if node.is_var:
            known = state.variables.get(node.name)
            if known is None:
                known = next(self.count)
                state.assign(node.name, known)
            return known
        key = (node.op.name, node.attrs, tuple(numbers[arg] for arg in node.args))
        number = self.numbers.get(key)
        if number is None:
            number = self.numbers[key] = next(self.count)
        return number

    # -- what is shared ---------------------------------------------------------------------------------------------

    def read(self, item: Item, node: Node, number: Number, state: State) -> bool:
        """Read the node's value from a variable, if it was computed before and that pays."""
        sites = state.computed.get(number)
        if sites is None or not can_be_kept(node) or not pays_to_keep(node):
            return False
        name = self.holders.get(number)
        if name is None or state.variables.get(name) != number:
            name = self.kept.get(number)
            if name is None:
                name = self.kept[number] = self.fresh()
            for place, computed in sites:
                self.keeps.setdefault(place, {})[computed] = name
        self.reads.setdefault(item, {})[node] = name
        return True

    def fresh(self) -> str:
        if self.names is None:
            self.names = Temporaries(self.function)
        return self.names.fresh()

    def changed(self, region: Region) -> Region:
        return tuple(part for item in region for part in self.changed_item(item))

    def changed_item(self, item: Item) -> Region:
        """The item as it reads and keeps values, behind what must stand before it for that."""
        inner = map_regions(item, self.changed)
        reads, keeps = self.reads.get(item, {}), self.keeps.get(item, {})
        if not reads and not keeps:
            return (inner,)
        memo = {node: var(name, node.type) for node, name in reads.items()}
        roots = [transform(root, lambda node: node, memo) for root in item_roots(inner)]
        inner = with_roots(inner, roots, carry(inner.spans, memo))
        kept = {memo[node]: name for node, name in keeps.items()}
        if not kept:
            return (inner,)
        if isinstance(inner, Block):
            return (_keeping(inner, kept),)
        before = keep(kept.items(), inner.spans, inner.span)
        rest = read_instead(inner, kept)
        return (replace(rest, head=(*rest.head, before)),) if isinstance(rest, While) else (before, rest)


def can_be_kept(node: Node) -> bool:
    """Is the node a pure one with a single value that is computed from something large?"""
    if node.op is OUTPUT:
        return True
    if not any(a.type.kind in (Kind.MATRIX, Kind.FRAME) for a in node.args):
        return False
    return node.type.kind is not Kind.TUPLE and not is_free(node) and is_pure(node)


def _keeping(block: Block, kept: dict[Node, str]) -> Block:
    """The block with statements that keep values, each right behind the first statement that computes it."""
    statements: list[Statement] = []
    seen: set[Node] = set()
    for statement in block.statements:
        statements.append(statement)
        for node in walk([statement.value]):
            if node not in seen:
                seen.add(node)
                if node in kept:
                    statements.append(Assign(kept[node], node, block.spans.get(node, statement.span)))
    return replace(block, statements=tuple(statements))
