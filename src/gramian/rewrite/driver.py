"""Applies rules to a node until none fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache

from gramian.ir.node import ABSENT, LITERAL, Node, rebuild
from gramian.ir.op import REGISTRY, Trait
from gramian.ir.types import Kind
from gramian.rewrite.guard import Uses, single_uses, unknown_uses
from gramian.rewrite.match import apply
from gramian.rewrite.pattern import OPERATORS, AnyMatrix, AnyOperator, AnyScalar, Apply, Constant, Pattern
from gramian.rewrite.rule import Rule

MOST = 100  # rewrites of one node; if that is not enough, rules undo one another

Shape = tuple[str, bool]  # of an argument: the name of its operator, and whether it is a matrix


class RuleIndex:
    """Finds the rules that may fit a node from its operator and those of its arguments."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._by_operator: dict[str, list[Rule]] = {}
        for rule in rules:
            for name in _operators(rule.outline[0]):
                self._by_operator.setdefault(name, []).append(rule)
        self._found: dict[tuple[str, tuple[Shape, ...]], tuple[Rule, ...]] = {}

    def candidates(self, node: Node) -> tuple[Rule, ...]:
        """The rules to try, in their order."""
        name = node.op.name
        if name not in self._by_operator:
            return ()
        shapes = tuple([(arg.op.name, arg.type.kind is Kind.MATRIX) for arg in node.args])
        found = self._found.get((name, shapes))
        if found is None:
            found = tuple(rule for rule in self._by_operator[name] if _may_fit(rule, shapes))
            self._found[name, shapes] = found
        return found


@cache
def _operators(top: str) -> list[str]:
    if top not in OPERATORS:
        return [top]
    any_operator = AnyOperator(top, OPERATORS[top])
    return [op.name for op in REGISTRY.records() if any_operator.stands_for(op)]


def _may_fit(rule: Rule, shapes: tuple[Shape, ...]) -> bool:
    inner = rule.outline[1]
    if inner and inner.isdisjoint(OPERATORS) and all(name not in inner for name, _ in shapes):
        return False  # most rules end here, and need not be parsed
    p = rule.before
    if len(p.args) != len(shapes):
        return False
    orders = [shapes]
    if not isinstance(p.op, AnyOperator) and p.op.has(Trait.COMMUTATIVE):
        orders.append(shapes[::-1])
    return any(all(map(_argument_may_fit, p.args, order)) for order in orders)


def _argument_may_fit(p: Pattern, shape: Shape) -> bool:
    name, is_matrix = shape
    match p:
        case AnyMatrix():
            return is_matrix
        case AnyScalar(optional=optional):
            return not is_matrix and (optional or name != ABSENT.name)
        case Constant(value=value):
            return name == (ABSENT.name if value is None else LITERAL.name)
        case Apply(op=AnyOperator() as op):
            return name in REGISTRY and op.stands_for(REGISTRY[name])
        case Apply(op=op):
            return name == op.name


class Driver:
    """Applies rules. `fired` counts how often each was applied, `made` says which ones made a node.

    Rules that ask for the uses of inner operators wait in `simplify` until the uses in the whole block are known: nodes
    that they may fit are in `waiting`, and `with_uses` applies them as well. `endless` are nodes that rules did not come to
    an end with; what they were made into is as good as any other form.
    """

    def __init__(self, rules: Iterable[Rule] | RuleIndex) -> None:
        self._index = rules if isinstance(rules, RuleIndex) else RuleIndex(rules)
        self.fired: Counter[str] = Counter()
        self.made: dict[Node, tuple[Rule, ...]] = {}
        self.waiting: set[Node] = set()
        self.endless: list[Node] = []
        self._done: dict[Node, Node] = {}

    def simplify(self, node: Node) -> Node:
        """The simplest form of a node whose arguments are in theirs."""
        if node not in self._done:
            simple = self._improved(node, unknown_uses)
            self._done[node] = self._done[simple] = simple
        return self._done[node]

    def with_uses(self, uses: Uses) -> Callable[[Node], Node]:
        """The same, for a block in which nodes have these uses. Nodes that the block does not have yet wait."""

        def simplify(node: Node) -> Node:
            node = self.simplify(node)
            return self.simplify(self._improved(node, uses)) if node in self.waiting else node

        return simplify

    def _improved(self, start: Node, uses: Uses) -> Node:
        node = start
        for _ in range(MOST):
            better = self._step(node, uses)
            if better is None:
                return node
            node = self._below(better)
            self.made[node] = self.made[better]
        self.endless.append(start)
        return node

    def _step(self, node: Node, uses: Uses) -> Node | None:
        for rule in self._index.candidates(node):
            if rule.counts_uses and uses is unknown_uses:
                if node not in self.waiting and apply(rule, node, single_uses) is not None:
                    self.waiting.add(node)
                continue
            made = apply(rule, node, uses)
            if made is not None:
                self.fired[rule.text] += 1
                self.made[made] = (*self.made.get(node, ()), rule)
                return made
        return None

    def _below(self, node: Node) -> Node:
        """A rule makes several new nodes: those below the top have not been simplified yet."""
        if node in self._done:
            return node
        args = tuple(self.simplify(self._below(arg)) for arg in node.args)
        return node if args == node.args else rebuild(node, args)
