"""Sizes, value types and constants flow through blocks, branches, loops and functions.

>>> X = matrix(0, rows=3, cols=2); Y = t(X)      # Y: matrix 2x3

What a call gives follows from the arguments of that very call; the nodes inside a function say what holds in all calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from gramian.errors import ScriptError
from gramian.ir.node import CALL
from gramian.ir.program import Function, Program, calls, nodes
from gramian.ir.types import Type, join
from gramian.passes.facts import Facts
from gramian.passes.flow import Flow, Results, reachable_nodes

Arguments = tuple[Type, ...]

MOST_CONTEXTS = 8  # kinds of arguments that a function is looked at with
MOST_NODES = 1_000  # of a function in all contexts; but two are always looked at


def propagate_sizes(program: Program, facts: Facts) -> Program:
    """The program with the types of all nodes as they follow from what is known of inputs and files.

    Raises:
        ScriptError: sizes in code that certainly runs do not fit.
    """
    known = Calls(program)
    flow = Flow(program.main, known.results)
    main, _ = flow.function(facts.inputs, certain=facts.certain)
    if flow.errors:
        raise ScriptError(flow.errors)
    return replace(program, main=main, functions=known.functions(main))


@dataclass
class Calls:
    """What is known of the functions by the types of their arguments. Recursion ends at what is declared."""

    program: Program
    known: dict[tuple[str, Arguments], tuple[Function, Results]] = field(default_factory=dict)
    contexts: Counter[str] = field(default_factory=Counter)
    open: set[str] = field(default_factory=set)
    sizes: dict[str, int] = field(default_factory=dict)

    def results(self, name: str, arguments: Arguments) -> Results:
        """The types of the results of a call."""
        function = self.program.functions[name]
        if name in self.open:
            return tuple(o.type for o in function.outputs)
        if (name, arguments) not in self.known:
            self.contexts[name] += 1
            if self.contexts[name] > self._most(function):
                arguments = declared(function)
        return self.typed(name, arguments)[1]

    def typed(self, name: str, arguments: Arguments) -> tuple[Function, Results]:
        """A function with the types that follow from those of its arguments, and the types of its results."""
        found = self.known.get((name, arguments))
        if found is None:
            function = self.program.functions[name]
            given = {p.name: t for p, t in zip(function.params, arguments, strict=True)}
            was_open = name in self.open
            self.open.add(name)
            found = self.known[name, arguments] = Flow(function, self.results).function(given, certain=False)
            if not was_open:
                self.open.remove(name)
        return found

    def _most(self, function: Function) -> int:
        if function.name not in self.sizes:
            self.sizes[function.name] = sum(1 for _ in nodes(function.body))
        return max(2, min(MOST_CONTEXTS, MOST_NODES // (1 + self.sizes[function.name])))

    def functions(self, main: Function) -> dict[str, Function]:
        """All functions with the types that hold in every call, callers before callees where that is possible."""
        program = self.program
        learned: dict[str, Arguments] = {}
        if any(n.op.calls_by_name for f in program.all_functions for n in nodes(f.body)):
            learned = {n: declared(program.functions[n]) for n in program.callable.values() if n in program.functions}
        done: dict[str, Function] = {}
        used: dict[str, Arguments] = {}
        _learn(learned, main)
        order = list(_callers_first(program))
        while True:
            name = next((n for n in order if n in learned and used.get(n) != learned[n]), None)
            if name is None:
                return {n: done.get(n, f) for n, f in program.functions.items()}
            used[name] = learned[name]
            done[name], _ = self.typed(name, used[name])
            _learn(learned, done[name])


def declared(function: Function) -> Arguments:
    return tuple(p.type for p in function.params)


def _learn(learned: dict[str, Arguments], caller: Function) -> None:
    """Add what the calls in a function tell of the parameters of others."""
    for node in reachable_nodes(caller.body):
        if node.op is CALL:
            name, types = node.attrs[0], tuple(a.type for a in node.args)
            before = learned.get(name)
            learned[name] = types if before is None else tuple(map(join, before, types))


def _callers_first(program: Program) -> Iterator[str]:
    """The functions that main calls, directly or not, each before those that it calls unless these call it."""
    callees = {f.name: list(dict.fromkeys(n.attrs[0] for n in calls(f))) for f in program.all_functions}
    done: dict[str, None] = {}

    def visit(name: str, above: frozenset[str]) -> None:
        for callee in callees[name]:
            if callee not in done and callee not in above:
                visit(callee, above | {callee})
        done[name] = None

    for function in program.all_functions:
        if function.name not in done:
            visit(function.name, frozenset({function.name}))
    return reversed(done)
