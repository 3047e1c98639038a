"""Types through the items of one function: blocks, branches and loops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from gramian.errors import Diagnostic, OperationError, SizeError
from gramian.ir.mapping import Change, carry
from gramian.ir.node import CALL, Node, call, rebuild, transform, var, walk
from gramian.ir.origins import guilty_place, inlined_calls, operand_notes
from gramian.ir.program import (
    Assign,
    Block,
    For,
    Function,
    If,
    Item,
    Region,
    Statement,
    While,
    assigned,
    item_roots,
    outcome,
    regions,
)
from gramian.ir.types import INT, UNKNOWN, Type, join, results, scalar

Types = dict[str, Type]
Results = tuple[Type, ...]
Loop = TypeVar("Loop", While, For)

UNDEFINED = scalar(UNKNOWN)


@dataclass
class Flow:
    """`results` tells the types of the results of a call, from the function's name and the types of its arguments."""

    within: Function
    results: Callable[[str, tuple[Type, ...]], Results]
    errors: list[Diagnostic] = field(default_factory=list)

    def function(self, given: Mapping[str, Type], *, certain: bool) -> tuple[Function, Results]:
        """The function with types that follow from those of the variables that have a value before it."""
        env = dict(given)
        body = self.region(self.within.body, env, certain=certain)
        return replace(self.within, body=body), tuple(env.get(o.name, o.type) for o in self.within.outputs)

    def region(self, region: Region, env: Types, *, certain: bool) -> Region:
        return tuple(self.item(item, env, certain=certain) for item in region)

    def item(self, item: Item, env: Types, *, certain: bool) -> Item:
        match item:
            case Block():
                return self.block(item, env, certain=certain)
            case If():
                return self.branch(item, env, certain=certain)
            case While():
                return self.while_loop(item, env)
            case For():
                return self.for_loop(item, env, certain=certain)

    # -- items ------------------------------------------------------------------------------------------------------

    def block(self, block: Block, env: Types, *, certain: bool) -> Block:
        memo: dict[Node, Node] = {}
        statements: list[Statement] = []
        for s in block.statements:
            value = self.node(s.value, env, memo, block, certain=certain)
            statements.append(replace(s, value=value))
        for s in statements:
            if isinstance(s, Assign):
                env[s.target] = s.value.type
        return Block(tuple(statements), carry(block.spans, memo))

    def node(self, root: Node, env: Types, memo: dict[Node, Node], item: Item, *, certain: bool) -> Node:
        """The node with types that follow from those of the variables."""

        def retype(node: Node) -> Node:
            if node.is_var:
                return var(node.name, env.get(node.name, node.type))
            if node.op is CALL:
                name, order = node.attrs
                return call(name, node.args, order, results(*self.results(name, tuple(a.type for a in node.args))))
            return node

        def checked(node: Node) -> Node:
            """Also nodes that stay as they are: inlining makes them without complaint."""
            typed = retype(node)
            return rebuild(typed, typed.args, lenient=False) if typed.args else typed

        if not certain:
            return transform(root, retype, memo)
        try:
            return transform(root, checked, memo, lenient=False)
        except OperationError:
            return self._failed(root, checked, retype, memo, item)

    def _failed(self, root: Node, checked: Change, retype: Change, memo: dict[Node, Node], item: Item) -> Node:
        """Go through the nodes one by one, and report those whose sizes do not fit."""
        for node in walk([root]):
            try:
                transform(node, checked, memo, lenient=False)
            except OperationError as error:
                span = item.spans.get(node)
                if isinstance(error, SizeError) and span is not None:
                    place = guilty_place(node.args, node.op, item.spans, span, error.message)
                    notes = operand_notes(node, item, self.within, lambda n: memo.get(n, n).type.describe())
                    notes += tuple(inlined_calls(span))
                    self.errors.append(Diagnostic(error.message, place, error.hint, notes))
                transform(node, retype, memo, lenient=True)
        return memo[root]

    def branch(self, item: If, env: Types, *, certain: bool) -> If:
        memo: dict[Node, Node] = {}
        test = self.node(item.test, env, memo, item, certain=certain)
        then, orelse = item.then, item.orelse
        match outcome(test):
            case True:
                then = self.region(then, env, certain=certain)
            case False:
                orelse = self.region(orelse, env, certain=certain)
            case None:
                other = dict(env)
                then = self.region(then, env, certain=False)
                orelse = self.region(orelse, other, certain=False)
                _merge(env, other)
        return replace(item, test=test, then=then, orelse=orelse, spans=carry(item.spans, memo))

    def while_loop(self, item: While, env: Types) -> While:
        def once() -> While:
            memo: dict[Node, Node] = {}
            head = self.region(item.head, env, certain=False)
            test = self.node(item.test, env, memo, item, certain=False)
            body = self.region(item.body, env, certain=False)
            return replace(item, head=head, test=test, body=body, spans=carry(item.spans, memo))

        return self._until_stable(once, env, assigned((*item.head, *item.body)))

    def for_loop(self, item: For, env: Types, *, certain: bool) -> For:
        memo: dict[Node, Node] = {}
        bounds = [self.node(b, env, memo, item, certain=certain) for b in item.bounds]
        before = dict(env)
        end: Types = {}

        def once() -> For:
            env[item.variable] = scalar(INT)
            body = self.region(item.body, env, certain=False)
            end.update(env)
            step = bounds[2] if item.step is not None else None
            return replace(item, start=bounds[0], stop=bounds[1], step=step, body=body, spans=carry(item.spans, memo))

        loop = self._until_stable(once, env, assigned(item.body))
        if item.parallel is not None:
            after = {name: env[name] for name in item.parallel.results if name in env}
            env.clear()
            env.update(before | after)
        elif loop.surely_runs:
            env.update(end)  # what holds at the end of its body holds after it
        return loop

    def _until_stable(self, once: Callable[[], Loop], env: Types, changed: set[str]) -> Loop:
        """Repeat until the types at the start of the loop cover those at its end."""
        for name in changed & set(env):
            env[name] = env[name].without_value()
        while True:
            assumed = dict(env)
            loop = once()
            _merge(env, assumed)
            if all(env[name] == assumed.get(name, env[name]) for name in env):
                return loop


def _merge(env: Types, other: Types) -> None:
    """The types after one of two paths, into `env`."""
    for name in {**env, **other}:
        mine, theirs = env.get(name), other.get(name)
        if mine is not None and theirs is not None and mine.kind is theirs.kind:
            env[name] = join(mine, theirs)
        else:
            # A variable that perhaps has no value: reading it must fail then, so nothing of it may be replaced.
            env[name] = (mine or theirs or UNDEFINED).without_size()


def reachable_nodes(region: Region) -> Iterator[Node]:
    """The nodes of a region, without those of branches that are not taken."""
    for item in region:
        yield from walk(item_roots(item))
        taken = item.outcome if isinstance(item, If) else None
        for side, inner in zip((True, False), regions(item), strict=False):
            if taken is None or taken is side:
                yield from reachable_nodes(inner)
