"""Sizes, value types and constants flow through blocks, branches, loops and functions.

>>> X = matrix(0, rows=3, cols=2); Y = t(X)      # Y: matrix 2x3
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from gramian.errors import Diagnostic, OperationError, ScriptError, SizeError
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
    Program,
    Region,
    Statement,
    While,
    assigned,
    nodes,
)
from gramian.ir.types import INT, UNKNOWN, Type, join, results, scalar
from gramian.passes.facts import Facts

Types = dict[str, Type]
Loop = TypeVar("Loop", While, For)

ROUNDS = 3
UNDEFINED = scalar(UNKNOWN)


def propagate_sizes(program: Program, facts: Facts) -> Program:
    """Alternate between main and functions: arguments flow in, results flow out, until nothing new is known.

    Raises:
        ScriptError: sizes in code that certainly runs do not fit.
    """
    known = {f.name: tuple(o.type for o in f.outputs) for f in program.functions.values()}
    for _ in range(ROUNDS):
        analysis = Analysis(program, known)
        main, _ = analysis.function(program.main, facts.inputs, certain=facts.certain)
        if analysis.errors:
            raise ScriptError(analysis.errors)
        functions, found = analysis.functions()
        result = replace(program, main=main, functions=functions)
        if found == known:
            break
        known = found
    return result


@dataclass
class Analysis:
    """One round: `results` are what the previous round knows of the functions' results, `arguments` what this one learns."""

    program: Program
    results: Mapping[str, tuple[Type, ...]]
    arguments: dict[str, tuple[Type, ...]] = field(default_factory=dict)
    errors: list[Diagnostic] = field(default_factory=list)

    def functions(self) -> tuple[dict[str, Function], dict[str, tuple[Type, ...]]]:
        """All functions with what their calls tell of their parameters, callers before callees where that is possible."""
        if any(n.op.calls_by_name for f in self.program.all_functions for n in nodes(f.body)):
            for name in self.program.callable.values():
                if name in self.program.functions:
                    self._learn(name, tuple(p.type for p in self.program.functions[name].params))
        done: dict[str, Function] = {}
        found: dict[str, tuple[Type, ...]] = {}
        used: dict[str, tuple[Type, ...]] = {}
        while True:
            todo = [n for n, types in self.arguments.items() if used.get(n) != types]
            if not todo:
                break
            name = todo[0]
            used[name] = self.arguments[name]
            function = self.program.functions[name]
            types = {p.name: t for p, t in zip(function.params, used[name], strict=True)}
            done[name], found[name] = self.function(function, types, certain=False)
        for name, function in self.program.functions.items():
            if name not in done:
                done[name], found[name] = function, self.results[name]
        return {name: done[name] for name in self.program.functions}, found

    def _learn(self, name: str, types: tuple[Type, ...]) -> None:
        before = self.arguments.get(name)
        self.arguments[name] = types if before is None else tuple(map(join, before, types))

    def function(self, f: Function, given: Mapping[str, Type], *, certain: bool) -> tuple[Function, tuple[Type, ...]]:
        env = dict(given)
        body = self.region(f.body, env, certain=certain)
        return replace(f, body=body), tuple(env.get(o.name, o.type).without_value() for o in f.outputs)

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
                function = node.attrs[0]
                self._learn(function, tuple(a.type for a in node.args))
                return call(function, node.args, node.attrs[1], results(*self.results[function]))
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
                    notes = operand_notes(node, item, self.program.main, lambda n: memo.get(n, n).type.describe())
                    notes += tuple(inlined_calls(span))
                    self.errors.append(Diagnostic(error.message, place, error.hint, notes))
                transform(node, retype, memo, lenient=True)
        return memo[root]

    def branch(self, item: If, env: Types, *, certain: bool) -> If:
        memo: dict[Node, Node] = {}
        test = self.node(item.test, env, memo, item, certain=certain)
        other = dict(env)
        then = self.region(item.then, env, certain=False)
        orelse = self.region(item.orelse, other, certain=False)
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

        def once() -> For:
            env[item.variable] = scalar(INT)
            body = self.region(item.body, env, certain=False)
            step = bounds[2] if item.step is not None else None
            return replace(item, start=bounds[0], stop=bounds[1], step=step, body=body, spans=carry(item.spans, memo))

        loop = self._until_stable(once, env, assigned(item.body))
        if item.parallel is not None:
            after = {name: env[name] for name in item.parallel.results if name in env}
            env.clear()
            env.update(before | after)
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
