"""What a loop computes anew in every iteration, always with the same result, is computed once before it.

>>> for (i in 1:9) w = w - t(X) %*% y * i      # t1 = t(X) %*% y; for (i in 1:9) w = w - t1 * i

- The largest expressions that do not change are moved, if to compute them takes clearly more than to read the result
  (`cost/keep.py`): products, aggregates, solvers, costly functions, and all but views of what is small.
- Nothing is computed that would not have been: only what the first iteration surely evaluates moves, and for loops that
  may not run it moves into an `if` around the loop. What stands in a branch stays.
- Effects keep their order: what may fail does not move past an effect such as print() or a call. Among each other,
  expressions may fail in another order; a script with two mistakes may tell of the other one first.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gramian.cost.keep import is_pure, pays_to_keep
from gramian.ir.certain import FALLIBLE
from gramian.ir.join import is_barrier
from gramian.ir.node import ABSENT, LITERAL, VAR, Node, build, walk
from gramian.ir.op import Effect, Trait
from gramian.ir.program import (
    Assign,
    Block,
    Do,
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
    items,
    map_functions,
    map_regions,
)
from gramian.ir.types import DOUBLE, INT
from gramian.passes.facts import Facts
from gramian.passes.join_blocks import joined
from gramian.passes.temporaries import Temporaries, keep, read_instead
from gramian.source import Span

Loop = While | For

# With known sizes these cannot fail, like all cellwise operators and aggregates.
SAFE = frozenset({"%*%", "t", "cbind", "rbind", "diag", "rev"})


def hoist_invariants(program: Program, facts: Facts) -> Program:
    return map_functions(program, lambda function: Hoist(function).run())


class Hoist:
    """Moves invariants out of the loops of one function, inner loops first."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.names: Temporaries | None = None
        self.own: set[str] = set()  # the variables that keep what was moved

    def run(self) -> Function:
        body = self.region(self.function.body)
        return replace(self.function, body=joined(body)) if self.own else self.function

    def region(self, region: Region) -> Region:
        done: list[Item] = []
        for item in region:
            inner = map_regions(item, self.region)
            done += self.loop(inner) if isinstance(inner, Loop) else (inner,)
        return tuple(done)

    def loop(self, loop: Loop) -> Region:
        """The loop without its invariants, behind what computes these."""
        if any(isinstance(item, Block) and is_barrier(item) for item in items((loop,))):
            return (loop,)  # what is measured stays where it is measured
        found = Search(loop, self)
        found.run()
        if not found.sites:
            return (loop,)
        rest = without(loop, found.sites)
        before = (keep(found.before.items(), found.spans, loop.span),) if found.before else ()
        if not found.inside:
            return (*before, rest)
        inside = keep(found.inside.items(), found.spans, loop.span)
        if found.runs:
            return (*before, inside, rest)
        test = rest.test if isinstance(rest, While) else build(found.comparison, rest.bounds[:2])
        return (*before, If(test, (inside, rest), (), loop.span, rest.spans))

    def name(self) -> str:
        if self.names is None:
            self.names = Temporaries(self.function)
        name = self.names.fresh()
        self.own.add(name)
        return name


@dataclass
class Search:
    """Finds what can be moved out of a loop: what it evaluates before it is clear that it has an iteration, and after.

    `sites` says for each item in the loop which nodes become which variables.
    """

    loop: Loop
    hoist: Hoist
    before: dict[Node, str] = field(default_factory=dict)
    inside: dict[Node, str] = field(default_factory=dict)
    sites: dict[Item, dict[Node, str]] = field(default_factory=dict)
    spans: dict[Node, Span] = field(default_factory=dict)
    invariant: dict[Node, bool] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    item: Item | None = None  # what is looked through now
    seen: set[Node] = field(default_factory=set)  # its nodes that were looked at
    after_effect: bool = False
    runs: bool = False  # the loop surely has an iteration
    comparison: str = ""  # what of the bounds of a `for` tells whether it has one

    def run(self) -> None:
        loop = self.loop
        self.changed = assigned((loop,))
        if isinstance(loop, For):
            self.runs = loop.surely_runs
            if self.runs or self.can_be_compared(loop):
                self.region(loop.body, self.inside)
            return
        self.region(loop.head, self.before)
        self.look(loop, loop.test, self.before)
        # The test is evaluated once more for the `if` around the loop, which must not matter.
        if not loop.head and all(n.op.effect is Effect.PURE for n in walk([loop.test])):
            self.region(loop.body, self.inside)

    def can_be_compared(self, loop: For) -> bool:
        by = loop.step.type.int_value() if loop.step is not None else None
        self.comparison = "<=" if by is not None and by > 0 else ">="
        cheap = all(n.type.is_scalar and all(a.type.is_scalar for a in n.args) for n in walk(loop.bounds))
        return bool(by) and cheap and all(bound.type.value_type is INT for bound in loop.bounds[:2])

    def region(self, region: Region, found: dict[Node, str]) -> None:
        """Look through what the first iteration surely evaluates, in its order."""
        for item in region:
            match item:
                case Block():
                    for statement in item.statements:
                        self.statement(item, statement, found)
                case If():
                    self.look(item, item.test, found)
                    self.pass_by(item)
                case While():
                    self.region(item.head, found)
                    self.look(item, item.test, found)
                    self.pass_by(item)
                case For():
                    for bound in item.bounds:
                        self.look(item, bound, found)
                    if item.surely_runs:
                        self.region(item.body, found)
                    self.pass_by(item)

    def statement(self, block: Block, statement: Statement, found: dict[Node, str]) -> None:
        target = statement.target if isinstance(statement, Assign) else None
        self.look(block, statement.value, found, target if target in self.hoist.own else None)
        self.after_effect |= isinstance(statement, Do)

    def pass_by(self, item: Item) -> None:
        """What comes now is evaluated after the effects in the item."""
        inner = (i for i in items((item,)) if isinstance(i, Block))
        self.after_effect |= any(isinstance(s, Do) for block in inner for s in block.statements)

    def look(self, item: Item, root: Node, found: dict[Node, str], own: str | None = None) -> None:
        """Add the largest invariants in an expression. `own` is the variable that it goes to, if it was moved before."""
        if item is not self.item:
            self.item, self.seen = item, set()
            for node in walk(item_roots(item)):
                if node not in self.invariant:
                    self.invariant[node] = self.is_invariant(node)
        todo = [root]
        while todo:
            node = todo.pop()
            if node in self.seen:
                continue
            self.seen.add(node)
            if node in self.before or node in self.inside or self.can_move(node):
                self.add(item, node, found, own if node is root else None)
            else:
                todo += node.args

    def is_invariant(self, node: Node) -> bool:
        if node.is_var:
            return node.name not in self.changed
        return is_pure(node) and all(self.invariant[arg] for arg in node.args)

    def can_move(self, node: Node) -> bool:
        return self.invariant[node] and pays_to_keep(node) and not (self.after_effect and may_fail(node))

    def add(self, item: Item, node: Node, found: dict[Node, str], own: str | None) -> None:
        name = self.before.get(node) or self.inside.get(node)
        if name is None:
            name = found[node] = own or self.hoist.name()
            for inner in walk([node]):
                if inner in item.spans:
                    self.spans.setdefault(inner, item.spans[inner])
        self.sites.setdefault(item, {})[node] = name


def may_fail(node: Node) -> bool:
    """Can computing the value be an error, as far as is known? A variable of known size surely has a value."""
    return not all(_is_safe(n) for n in walk([node]))


def _is_safe(node: Node) -> bool:
    type = node.type
    if node.op in (LITERAL, ABSENT):
        return True
    if (type.is_matrix and not type.cells) or node.op.family in FALLIBLE:
        return False
    if node.op is VAR:
        return type.is_matrix
    if type.is_scalar:
        return type.value_type is DOUBLE and node.op.has(Trait.AGGREGATE)
    return type.is_matrix and (node.op.has(Trait.CELLWISE) or node.op.has(Trait.AGGREGATE) or node.op.name in SAFE)


def without(loop: Loop, sites: dict[Item, dict[Node, str]]) -> Loop:
    """The loop with variables in place of what was moved."""

    def region(old: Region) -> Region:
        return tuple(new for item in old if (new := left(item)) is not None)

    def left(item: Item) -> Item | None:
        inner = map_regions(item, region)
        if item not in sites:
            return inner
        changed = read_instead(inner, sites[item])
        if not isinstance(changed, Block):
            return changed
        statements = tuple(s for s in changed.statements if not _is_idle(s))
        return replace(changed, statements=statements) if statements else None

    changed = left(loop)
    assert isinstance(changed, Loop)
    return changed


def _is_idle(statement: Statement) -> bool:
    """`x = x`: what was moved before kept its variable."""
    return isinstance(statement, Assign) and statement.value.is_var and statement.value.name == statement.target
