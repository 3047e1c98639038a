"""Applies rules to a node until none fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from gramian.ir.node import Node, rebuild
from gramian.rewrite.match import apply
from gramian.rewrite.rule import Rule

MOST = 100  # rewrites of one node; more means that rules undo one another


class Driver:
    """Holds the rules by the operator at their top.

    `fired` counts how often each was applied, `made` says which ones made a node.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.by_operator: dict[str, list[Rule]] = {}
        for rule in rules:
            self.by_operator.setdefault(rule.before.op.name, []).append(rule)
        self.fired: Counter[str] = Counter()
        self.made: dict[Node, tuple[Rule, ...]] = {}
        self._done: dict[Node, Node] = {}

    def simplify(self, node: Node) -> Node:
        """The simplest form of a node whose arguments are in theirs."""
        if node in self._done:
            return self._done[node]
        start, steps = node, 0
        while (better := self._step(node)) is not None:
            steps += 1
            if steps > MOST:
                raise AssertionError(f"rules do not come to an end at {start}: {self.fired}")
            node = self._below(better)
        self._done[start] = self._done[node] = node
        return node

    def _step(self, node: Node) -> Node | None:
        for rule in self.by_operator.get(node.op.name, ()):
            made = apply(rule, node)
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
        below = node if args == node.args else rebuild(node, args)
        if node in self.made:
            self.made.setdefault(below, self.made[node])
        return below
