"""Calls of grad() become calls of functions that compute derivatives, in reverse mode.

>>> f = function(matrix[double] X) return (double y) { y = sum(X ^ 2) }
>>> dX = grad(f, X)      # dX = f__grad(X), where f__grad returns 2 * X

Such a function runs the statements of the function itself and then their adjoints, last statement first, which the
gradients in the records of operators say. It is a function like others for all later passes. What does not depend on
the parameters to differentiate by has no adjoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from gramian.errors import Diagnostic, ScriptError
from gramian.ir.liveness import liveness
from gramian.ir.mapping import Change, map_nodes
from gramian.ir.node import ABSENT, Node, build, call, literal
from gramian.ir.op import Effect
from gramian.ir.origins import inlined_calls
from gramian.ir.program import Block, Do, Function, If, Item, Program, Variable, assigned, items, nodes
from gramian.ir.types import BOOLEAN, STRING, Type
from gramian.passes.facts import Facts
from gramian.passes.gradients.adjoint import Adjoint
from gramian.passes.gradients.frames import Effects, Frame
from gramian.passes.gradients.pieces import Straight, regions
from gramian.passes.gradients.primal import Primal
from gramian.passes.gradients.variables import Variables, zeros
from gramian.source import Span


def differentiate(program: Program, facts: Facts) -> Program:
    """The program without grad().

    Raises:
        ScriptError: a function has no derivative; the message tells where in it.
    """
    return Derivatives(program).written()


def _grads(function: Function) -> Iterator[tuple[Node, Span]]:
    for item in items(function.body):
        for s in item.statements if isinstance(item, Block) else ():
            if isinstance(s, Do) and s.value.op.name == "grad":
                yield s.value, s.span


def _options(function: Function, node: Node) -> Options:
    """Arguments that choose what a function does, such as mode="train"."""
    given = zip(function.params, node.args, strict=False)
    return tuple((p.name, a) for p, a in given if a.is_literal and a.type.value_type in (BOOLEAN, STRING))


def _explained(found: Diagnostic, span: Span) -> Diagnostic:
    """The message with the calls that lead to its place, and where the derivative is asked for."""
    for text, place in inlined_calls(found.span) if found.span is not None else ():
        found = found.with_note(text, place)
    return found.with_note("differentiated at", span)


Options = tuple[tuple[str, Node], ...]
# The function, the parameters to differentiate by, whether dout is given, and texts and booleans that are known.
Key = tuple[str, tuple[str, ...], bool, Options]


@dataclass
class Derivatives:
    program: Program
    names: dict[Key, str] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)
    finished: set[str] = field(default_factory=set)
    errors: list[Diagnostic] = field(default_factory=list)

    def written(self) -> Program:
        if not any(True for f in self.program.all_functions for _ in _grads(f)):
            return self.program
        for name in list(self.program.functions):
            self.finish(name)
        main = self._without(self.program.main)
        if self.errors:
            raise ScriptError(list(dict.fromkeys(self.errors)))
        return replace(self.program, main=main)

    def finish(self, name: str) -> None:
        """Write the derivatives that a function asks for, before it is differentiated itself."""
        if name in self.finished:
            return
        self.finished.add(name)
        self.open.append(name)
        function = self._without(self.program.functions[name])
        self.program = replace(self.program, functions={**self.program.functions, name: function})
        self.open.pop()

    def _without(self, function: Function) -> Function:
        made: dict[Node, str] = {}
        for node, span in _grads(function):
            try:
                made[node] = self._derivative(node, span)
            except ScriptError as wrong:
                self.errors += [_explained(d, span) for d in wrong.diagnostics]
        if not made:
            return function

        def directed(node: Node) -> Node:
            if node.op.name != "grad" or node.attrs not in names:
                return node
            args = tuple(arg for arg in node.args if arg.op is not ABSENT)
            return call(names[node.attrs], args, node.attrs[-1], node.type)

        names = {node.attrs: name for node, name in made.items()}
        return _mapped(self.program, function, directed)

    def _derivative(self, node: Node, span: Span) -> str:
        """The name of the function that computes what a call of grad() asks for."""
        name, wrt, _ = node.attrs
        key = name, wrt, node.args[-1].op is not ABSENT, _options(self.program.functions[name], node)
        if key not in self.names:
            if name in self.open:
                title = self.program.functions[name].title
                raise ScriptError(Diagnostic(f"{title}() asks for its own derivative", span))
            for callee in _reached(self.program, name):
                self.finish(callee)
            self.names[key] = self._name(name)
            function = Derivative(self.program, self.program.functions[name], key, self.names[key], span).function()
            self.program = replace(self.program, functions={**self.program.functions, function.name: function})
        return self.names[key]

    def _name(self, name: str) -> str:
        numbered = (f"{name}__grad{'' if n == 1 else n}" for n in count(1))
        return next(n for n in numbered if n not in self.program.functions)


def _mapped(program: Program, function: Function, change: Change) -> Function:
    only = replace(program, main=function, functions={})
    return map_nodes(only, change).main


def _reached(program: Program, name: str) -> Iterator[str]:
    """The functions that a function may run, itself included."""
    seen = {name}
    todo = [name]
    while todo:
        found = todo.pop()
        yield found
        for node in nodes(program.functions[found].body):
            if node.op.name in ("call", "grad") and node.attrs[0] not in seen:
                seen.add(node.attrs[0])
                todo.append(node.attrs[0])


class Derivative:
    """Writes the function that computes the derivatives of another by some of its parameters."""

    def __init__(self, program: Program, of: Function, key: Key, name: str, span: Span) -> None:
        _, self.wrt, self.has_dout, self.options = key
        self.of = of
        self.name = name
        self.span = span
        effects = (n for f in program.all_functions for n in nodes(f.body) if n.op.effect is not Effect.PURE)
        self.variables = Variables(program, count(1 + max((n.attrs[-1] for n in effects), default=0)))
        self.variables.reserve(assigned(of.body) | {p.name for p in of.params})

    def function(self) -> Function:
        variables, of = self.variables, self.of
        variables.taken.clear()
        values = {p.name: variables.fresh(p.name, p.type, own=False) for p in of.params}
        dout = variables.fresh("dout", of.outputs[0].type) if self.has_dout else None
        variables.active |= {values[name] for name in self.wrt}
        primal = Primal(variables, Frame(of, liveness(of), dict(values)), Effects())
        for name, option in self.options:
            primal.frame.values[name] = primal.define(name, option, self.span)
        primal.region(of.body)
        primal.close()
        result = primal.frame.values.get(of.outputs[0].name)
        adjoint = Adjoint(variables, {})
        start = Straight(self.span)
        checks: list[Item] = []
        if result in variables.active:
            adjoint.known[result] = variables.adjoint(result)
            checks = self._start(start, result, adjoint.known[result], dout)
        backwards = adjoint.of(primal.pieces)
        end = Straight(self.span)
        outputs = []
        for name in self.wrt:
            mine = values[name]
            known = adjoint.known.get(mine)
            value = variables.read(known) if known is not None else zeros(variables.read(mine))
            if value.type.is_scalar:
                value = build("as.double", [value])  # loops may know less of its type
            out = variables.fresh(f"d{name}", value.type, own=False)
            end.assign(out, value, self.span)
            outputs.append(Variable(out, _declared(of, name)))
        params = tuple(replace(p, default=None) for p in of.params)
        if dout is not None:
            params = (*params, Variable(dout, of.outputs[0].type))
        body = (*regions(primal.pieces, variables), *checks, *start.region(), *backwards, *end.region())
        return Function(self.name, of.title, params, tuple(outputs), body, self.span)

    def _start(self, start: Straight, result: str, adjoint: str, dout: str | None) -> list[Item]:
        """The adjoint of the result, and the check that it has its size."""
        value = self.variables.read(result)
        if value.type.is_scalar:
            start.assign(adjoint, literal(1.0) if dout is None else self.variables.read(dout), self.span)
            return []
        title = f"{self.of.title}()"
        if dout is None:
            start.assign(adjoint, build("matrix", [literal(1.0), literal(1), literal(1), literal(True)]), self.span)
            wrong = build("!=", [build("length", [value]), literal(1)])
            return [
                self._refuse(wrong, f"the result of {title} is no single number; grad() needs its gradient as dout")
            ]
        given = self.variables.read(dout)
        start.assign(adjoint, given, self.span)
        differ = [build("!=", [build(size, [given]), build(size, [value])]) for size in ("nrow", "ncol")]
        return [self._refuse(build("|", differ), f"dout must have the size of the result of {title}")]

    def _refuse(self, test: Node, message: str) -> Item:
        stop = build("stop", [literal(message)], (next(self.variables.orders),))
        block = Block((Do(stop, self.span),), {stop: self.span})
        return If(test, (block,), (), self.span, {test: self.span})


def _declared(function: Function, name: str) -> Type:
    return next(p.type for p in function.params if p.name == name)
