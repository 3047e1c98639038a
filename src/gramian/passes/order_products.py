"""Chains of matrix products are computed in the cheapest order, as far as their sizes are known.

>>> g = t(X) %*% X %*% v          # g = t(X) %*% (X %*% v)

The work of all orders is compared by dynamic programming, with estimates of sparsity. Transposes are free, so that
`t(A %*% B) %*% C` is the chain of t(B), t(A) and C. A product that somebody else needs as well stays one factor. If the
order that was written is as good as any, it stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

from gramian.cost.flops import product_flops, traffic
from gramian.ir.estimate import of_product
from gramian.ir.mapping import carry, with_roots
from gramian.ir.node import Node, build, rebuild, walk
from gramian.ir.program import Item, Program, Region, item_roots, map_functions, map_regions
from gramian.ir.types import Type, matrix
from gramian.passes.facts import Facts
from gramian.source import Span

PRODUCT, TRANSPOSE = "%*%", "t"
LONGEST = 60  # factors
CLEARLY = 0.99  # an order must be better by that factor: estimates are no more exact

Memo = dict[Node, Node]


def order_products(program: Program, facts: Facts) -> Program:
    return map_functions(program, lambda f: replace(f, body=_region(f.body)))


def _region(region: Region) -> Region:
    return tuple(map_regions(_item(item), _region) for item in region)


def _item(item: Item) -> Item:
    below = list(walk(item_roots(item)))
    if sum(node.op.name == PRODUCT for node in below) < 2:
        return item
    chains = {chain.top: chain for chain in _chains(below, item) if chain.improve()}
    if not chains:
        return item
    memo: Memo = {}
    spans: dict[Node, Span] = {}
    for node in below:
        if node in chains:
            memo[node] = chains[node].build(memo)
            if node in item.spans:
                spans.update(dict.fromkeys(chains[node].built, item.spans[node]))
        else:
            args = tuple(memo[arg] for arg in node.args)
            memo[node] = node if args == node.args else rebuild(node, args)
    return with_roots(item, [memo[root] for root in item_roots(item)], spans | carry(item.spans, memo))


def _chains(below: list[Node], item: Item) -> list[Chain]:
    """The chains of products of an item, each as long as possible."""
    uses = Counter(item_roots(item))
    user: Memo = {}
    for node in below:
        uses.update(node.args)
        user.update(dict.fromkeys(node.args, node))

    def continues(node: Node) -> bool:
        """Is the node, or its transpose, a factor of another product and nothing else?"""
        above = user.get(node)
        if above is None or uses[node] > 1:
            return False
        return above.op.name == PRODUCT or (above.op.name == TRANSPOSE and continues(above))

    return [Chain(node, continues) for node in below if node.op.name == PRODUCT and not continues(node)]


@dataclass(frozen=True, slots=True)
class Factor:
    node: Node
    transposed: bool

    @property
    def type(self) -> Type:
        type = self.node.type
        return replace(type, rows=type.cols, cols=type.rows) if self.transposed else type


class Chain:
    """The product of at least two factors, and the order to compute it in."""

    def __init__(self, top: Node, continues: Callable[[Node], bool]) -> None:
        self.top = top
        self.factors: list[Factor] = []
        self.order: dict[tuple[int, int], int] = {}  # where a part of the chain is cut in two
        self.built: list[Node] = []
        self._flatten(top, False, continues)

    def _flatten(self, node: Node, transposed: bool, continues: Callable[[Node], bool]) -> None:
        """Add the factors of a node, and the order in which they are written."""
        first = len(self.factors)
        inside = node is self.top or continues(node)
        if node.op.name == TRANSPOSE and inside:
            self._flatten(node.args[0], not transposed, continues)
        elif node.op.name == PRODUCT and inside:
            left, right = reversed(node.args) if transposed else node.args
            self._flatten(left, transposed, continues)
            cut = len(self.factors)
            self._flatten(right, transposed, continues)
            self.order[first, len(self.factors)] = cut
        else:
            self.factors.append(Factor(node, transposed))

    def improve(self) -> bool:
        """Find a better order than the one that was written; is there one?"""
        size = len(self.factors)
        types = [factor.type for factor in self.factors]
        if not 3 <= size <= LONGEST or any(t.cells is None for t in types):
            return False
        if any(a.cols != b.rows for a, b in pairwise(types)):
            return False
        written, best = Costs(self, self.order), Costs(self)
        if best.of(0, size).cost >= written.of(0, size).cost * CLEARLY:
            return False
        self.order = {part: plan.cut for part, plan in best.plans.items()}
        return True

    def build(self, memo: Memo) -> Node:
        """The product in the best order; `memo` has the factors as they are now."""
        return self._part(0, len(self.factors), memo)

    def _part(self, first: int, last: int, memo: Memo) -> Node:
        if last - first == 1:
            factor = self.factors[first]
            node = _transposed(memo[factor.node]) if factor.transposed else memo[factor.node]
        else:
            cut = self.order[first, last]
            node = build(PRODUCT, [self._part(first, cut, memo), self._part(cut, last, memo)], lenient=True)
            self.built.append(node)
        return node


def _transposed(node: Node) -> Node:
    return node.args[0] if node.op.name == TRANSPOSE else build(TRANSPOSE, [node], lenient=True)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a part of a chain is computed: where it is cut, what all of that costs, and the type of the result."""

    cut: int
    cost: float
    type: Type


class Costs:
    """The cheapest plan of each part of a chain, or the plan of the order given."""

    def __init__(self, chain: Chain, order: dict[tuple[int, int], int] | None = None) -> None:
        self.factors = chain.factors
        self.written = chain.order
        self.order = order
        self.plans: dict[tuple[int, int], Plan] = {}

    def of(self, first: int, last: int) -> Plan:
        if last - first == 1:
            return Plan(first, 0, self.factors[first].type)
        found = self.plans.get((first, last))
        if found is None:
            found = self.plans[first, last] = self._cheapest(first, last)
        return found

    def _cheapest(self, first: int, last: int) -> Plan:
        if self.order is not None:
            return self._cut(first, self.order[first, last], last)
        plans = (self._cut(first, cut, last) for cut in range(first + 1, last))
        # Of equal ones, that which was written.
        return min(plans, key=lambda plan: (plan.cost, self.written.get((first, last)) != plan.cut))

    def _cut(self, first: int, cut: int, last: int) -> Plan:
        left, right = self.of(first, cut), self.of(cut, last)
        flops = product_flops(left.type, right.type) or 0.0
        if last - first == 2 and self.factors[first].node is self.factors[cut].node:
            flops /= 2  # t(X) %*% X is symmetric
        result = matrix(left.type.rows, right.type.cols, of_product(left.type, right.type))
        moved = sum(traffic(t) or 0.0 for t in (left.type, right.type, result))
        return Plan(cut, left.cost + right.cost + flops + moved, result)
