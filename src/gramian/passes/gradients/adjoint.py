"""Adjoints of the pieces of a function, last piece first.

The adjoint of a variable is the derivative of the result by it. Contributions add up in the variable's adjoint until the
statement is reached that assigns the variable; from there it goes on to what that statement reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from gramian.errors import Diagnostic, ScriptError
from gramian.ir.node import ABSENT, OUTPUT, Node, absent, build, describe_op, literal, output, walk
from gramian.ir.program import Assign, Block, For, If, Item, Region
from gramian.ir.types import INT, Kind, scalar
from gramian.passes.gradients.frames import Effects
from gramian.passes.gradients.needed import names_in, trimmed
from gramian.passes.gradients.pieces import Branch, Loop, Piece, Straight, regions
from gramian.passes.gradients.primal import Primal
from gramian.passes.gradients.rules import applied, of_size, rule, total
from gramian.passes.gradients.variables import Variables, entry, zeros
from gramian.source import Span


@dataclass
class Adjoint:
    """`known` are the variables that have an adjoint so far.

    In the body of a loop, variables that are older than `floor` are those from outside, whose adjoints go on from
    iteration to iteration; `outside` are those that came up.
    """

    variables: Variables
    known: dict[str, str]
    floor: int = 0
    outside: set[str] = field(default_factory=set)

    def of(self, pieces: Iterable[Piece]) -> list[Item]:
        """The code for the adjoints of pieces."""
        code: list[Item] = []
        for piece in reversed(list(pieces)):
            match piece:
                case Straight():
                    code += StraightAdjoint(self, piece).code()
                case Branch():
                    code += self.branch(piece)
                case Loop():
                    code += self.loop(piece)
        return code

    def current(self, name: str) -> str | None:
        """The adjoint that a variable has so far."""
        if name not in self.known and self.variables.made[name] < self.floor:
            self.outside.add(name)
            self.known[name] = self.variables.adjoint(name)
        return self.known.get(name)

    def start(self, names: Iterable[str], span: Span) -> list[Item]:
        """Adjoints that are zero so far."""
        block = Straight(span)
        for name in names:
            if self.current(name) is None:
                self.known[name] = self.variables.adjoint(name)
                block.assign(self.known[name], zeros(self.variables.read(name)), span)
        return list(block.region())

    # -- branches ---------------------------------------------------------------------------------------------------

    def branch(self, piece: Branch) -> list[Item]:
        before = self.known
        sides: list[tuple[list[Item], dict[str, str]]] = []
        for pieces in (piece.then, piece.orelse):
            self.known = dict(before)
            sides.append((self.of(pieces), self.known))
        done = {name for name in before if any(name not in known for _, known in sides)}
        after = {name: v for _, known in sides for name, v in known.items() if name not in done}
        self.known = after
        if not any(code for code, _ in sides):
            return []
        for code, known in sides:
            missing = Straight(piece.span)
            for name, mine in after.items():
                if name not in known and name not in self.outside:
                    missing.assign(mine, zeros(self.variables.read(name)), piece.span)
            code += missing.region()
        then, orelse = (tuple(code) for code, _ in sides)
        return [If(piece.test, then, orelse, piece.span, {piece.test: piece.span})]

    # -- loops ------------------------------------------------------------------------------------------------------

    def loop(self, piece: Loop) -> list[Item]:
        """The iterations backwards: what an iteration started from comes from the tapes, the rest is computed again."""
        wanted = {name for name, mine in piece.carried.items() if self.current(mine) is not None}
        if not wanted:
            return []
        while True:
            body = LoopAdjoint(self, piece, wanted)
            more = body.reached() - wanted
            if not more:
                break
            wanted |= more
        code = self.start([piece.carried[name] for name in sorted(wanted)], piece.item.span)
        code += self.start(sorted(body.inner.outside), piece.item.span)
        code += body.code()
        return code


class LoopAdjoint:
    """The adjoint of a loop, if the adjoints of the variables `wanted` go from iteration to iteration."""

    def __init__(self, outer: Adjoint, piece: Loop, wanted: set[str]) -> None:
        self.outer = outer
        self.piece = piece
        self.variables = variables = outer.variables
        self.span = piece.item.span
        mark = variables.mark()
        self.restored = {name: variables.fresh(mine, variables.types[mine]) for name, mine in piece.carried.items()}
        for name, mine in self.restored.items():
            if piece.carried[name] in variables.active:
                variables.active.add(mine)
        self.variable = variables.fresh(piece.variable, scalar(INT)) if piece.variable is not None else None
        self.taken = variables.fresh("taken", scalar(INT))
        replay = (piece.record, self.taken) if piece.record is not None else None
        values = {**piece.outside, **self.restored}
        writer = Primal(variables, piece.frame, Effects(again=True, replay=replay))
        self.body, end = writer.iteration(piece.item, values, self.variable, writer.effects, None, reversible=True)
        last = Straight(self.span)
        ends: dict[str, str] = {}
        for name in sorted(wanted):
            ended = variables.fresh(f"end_{name}", variables.types[piece.carried[name]])
            last.assign(ended, variables.read(end[name]), self.span)
            if end[name] in variables.active:
                variables.active.add(ended)
            ends[ended] = variables.adjoint(piece.carried[name])
        self.body.append(last)
        self.wanted = wanted
        self.inner = Adjoint(variables, ends, floor=mark)
        self.backwards = self.inner.of(self.body)

    def reached(self) -> set[str]:
        return {name for name, mine in self.restored.items() if mine in self.inner.known}

    def code(self) -> list[Item]:
        variables, piece = self.variables, self.piece
        last = Straight(self.span)
        for name in sorted(self.wanted):
            mine = self.restored[name]
            if mine in self.inner.known:
                value = variables.read(self.inner.known[mine])
            else:
                value = zeros(variables.read(mine))
            last.assign(variables.adjoint(piece.carried[name]), value, self.span)
        backwards = (*self.backwards, *last.region())
        forwards = trimmed(regions(self.body, variables), names_in(backwards))
        read = names_in((*forwards, *backwards))
        position = variables.fresh("at", scalar(INT))
        piece.counted = True
        start = Straight(self.span)
        for name, mine in self.restored.items():
            if mine in read:
                self._restore(start, mine, piece.tape(piece.carried[name], variables), position)
        if self.variable is not None and self.variable in read:
            assert piece.variable is not None
            self._restore(start, self.variable, piece.tape(piece.variable, variables), position)
        if piece.marks is not None and self.taken in read:
            self._restore(start, self.taken, piece.marks, position)
        body: Region = (*start.region(), *forwards, *backwards)
        bounds = variables.read(piece.count), literal(1), literal(-1)
        return [For(position, *bounds, body, self.span, dict.fromkeys(bounds, self.span))]

    def _restore(self, start: Straight, name: str, tape: str, position: str) -> None:
        type = self.variables.types[name]
        value = entry(self.variables.read(tape), self.variables.read(position), type)
        start.assign(name, value, self.span)


class StraightAdjoint:
    """The adjoints of the nodes of straight-line code."""

    def __init__(self, outer: Adjoint, piece: Straight) -> None:
        self.outer = outer
        self.variables = outer.variables
        self.piece = piece
        self.derivatives: dict[Node, Node] = {}
        self.several: dict[Node, dict[int, Node]] = {}  # by the results of operators with several
        self.activity: dict[Node, bool] = {}
        self.place = piece.place
        self.spans: dict[Node, Span] = {}

    def code(self) -> list[Item]:
        roots: list[Node] = []
        for s in self.piece.statements:
            if isinstance(s, Assign) and s.target in self.outer.known:
                derivative = self.variables.read(self.outer.known.pop(s.target))
                if self.active(s.value):
                    self.place = s.span
                    self.add(s.value, derivative)
                    roots.append(s.value)
        for node in reversed(list(walk(roots))):
            if node in self.derivatives and not node.is_var:
                self.place = self.piece.spans.get(node, self.place)
                self.pass_on(node, self.derivatives.pop(node))
            elif node in self.several:
                self.place = self.piece.spans.get(node, self.place)
                self.pass_on_several(node, self.several.pop(node))
        statements = []
        for node, derivative in self.derivatives.items():
            name = self.variables.adjoint(node.name)
            self.outer.known[node.name] = name
            statements.append(Assign(name, derivative, self.spans.get(derivative, self.piece.place)))
        return [Block(tuple(statements), self.spans)] if statements else []

    def active(self, node: Node) -> bool:
        return self.variables.is_active(node, self.activity)

    def value(self, node: Node) -> Node:
        return self.piece.save(node, self.variables)

    def so_far(self, node: Node) -> Node | None:
        """The derivative by a node as far as it is known."""
        if node not in self.derivatives and node.is_var:
            adjoint = self.outer.current(node.name)
            return None if adjoint is None else self.variables.read(adjoint)
        return self.derivatives.get(node)

    def add(self, node: Node, derivative: Node) -> None:
        self.set(node, total(self.so_far(node), derivative))

    def set(self, node: Node, derivative: Node) -> None:
        self.derivatives[node] = derivative
        stack = [derivative]
        while stack:
            made = stack.pop()
            if made not in self.spans and made.op is not ABSENT:
                self.spans[made] = self.place
                stack.extend(made.args)

    # -- one node ---------------------------------------------------------------------------------------------------

    def pass_on(self, node: Node, derivative: Node) -> None:
        """Add what follows for the arguments of a node."""
        if node.op is OUTPUT:
            self.several.setdefault(node.args[0], {})[node.attrs[0]] = derivative
        elif node.op.name in INDICES:
            self.scatter(node, derivative)
        elif node.op.variadic and len(node.args) > 1:
            self.unfold(node, derivative)
        else:
            values: dict[str, Callable[[], Node]] = {
                "dout": partial(_same, derivative),
                "ddout": partial(_same, derivative),
            }
            values |= {"out": partial(self.value, node)} | self.values(node)
            for at, arg in enumerate(node.args):
                if self.active(arg):
                    text = self.text(node, node.op.param(at).name)
                    if text == "0":
                        continue
                    matrices = sum(other.type.is_matrix for other in node.args) - arg.type.is_matrix
                    self.add(arg, of_size(applied(text, values), self.value(arg), node.op, matrices))

    def values(self, node: Node) -> dict[str, Callable[[], Node]]:
        return {node.op.param(at).name: partial(self.value, arg) for at, arg in enumerate(node.args)}

    def text(self, node: Node, name: str) -> str:
        text = rule(node.op, name, [arg.type for arg in node.args])
        if text is None:
            raise self.refusal(node)
        return text

    def refusal(self, node: Node) -> ScriptError:
        hint = "what does not depend on the parameters to differentiate by needs no derivative"
        active = (arg.type.kind for arg in node.args if self.active(arg))
        found = next((kind for kind in active if kind in (Kind.LIST, Kind.FRAME)), None)
        if found is not None:
            hint = "use as.matrix() before"
            if found is Kind.LIST:
                hint = "use a variable for each entry; derivatives that have loops cannot be differentiated again"
            return ScriptError(Diagnostic(f"values in a {found.value} have no derivative", self.place, hint))
        return ScriptError(Diagnostic(f"{describe_op(node.op)} has no derivative", self.place, hint))

    def scatter(self, node: Node, derivative: Node) -> None:
        """Add to the cells that were selected; what is known of the others stays where it is."""
        target, *selected = node.args
        if not target.type.is_matrix:
            raise self.refusal(node)
        indices = [self.value(arg) for arg in selected]
        if node.op.name == "cell":
            indices = [indices[0], absent(), indices[1], absent()]
        before = self.so_far(target)
        if before is None:
            before = zeros(self.value(target))
        else:
            part = build("rightIndex", [before, *indices], lenient=True)
            derivative = build("+", [part, derivative], lenient=True)
        self.set(target, build("leftIndex", [before, derivative, *indices], lenient=True))

    def unfold(self, node: Node, derivative: Node) -> None:
        """An operator of many arguments is that of two, again and again."""
        args = [self.value(arg) for arg in node.args]
        results = [args[0]]
        for arg in args[1:]:
            results.append(build(node.op, [results[-1], arg], lenient=True))
        for at in range(len(args) - 1, 0, -1):
            left, right = results[at - 1], args[at]
            values: Mapping[str, Callable[[], Node]] = {
                "left": partial(_same, left),
                "right": partial(_same, right),
                "out": partial(_same, results[at]),
                "dout": partial(_same, derivative),
            }
            if self.active(node.args[at]):
                found = applied(self.text(node, "right"), values)
                self.add(node.args[at], of_size(found, right, node.op, left.type.is_matrix))
            if not any(self.active(arg) for arg in node.args[:at]):
                return
            derivative = of_size(applied(self.text(node, "left"), values), left, node.op, right.type.is_matrix)
        self.add(node.args[0], derivative)

    def pass_on_several(self, node: Node, derivatives: dict[int, Node]) -> None:
        """The record names the parameters whose gradients an operator gives together: "X, W"."""
        types = [arg.type for arg in node.args]
        names = node.op.outputs
        values = self.values(node)
        for at, name in enumerate(names):
            result = output(node, at)
            values[name] = partial(self.value, result)
            known = derivatives.get(at)
            values[f"d{name}"] = partial(_same, known) if known is not None else partial(self._zeros, result)
        values["dout"] = values[f"d{names[0]}"]
        texts = {key: rule(node.op, key, types) for key in node.op.gradient}
        spoken_of = set(re.findall(r"\w+", " ".join(text or "" for text in texts.values())))
        if any(at and f"d{names[at]}" not in spoken_of for at in derivatives):
            raise self.refusal(node)
        for key, text in texts.items():
            args = {p: node.args[[x.name for x in node.op.params].index(p)] for p in key.split(", ")}
            if any(self.active(arg) for arg in args.values()):
                if text is None:
                    raise self.refusal(node)
                made = applied(text, values)
                for at, arg in enumerate(args.values()):
                    if self.active(arg):
                        self.add(arg, output(made, at) if made.type.kind is Kind.TUPLE else made)
        covered = {name for key in node.op.gradient for name in key.split(", ")}
        if any(self.active(a) and node.op.param(at).name not in covered for at, a in enumerate(node.args)):
            raise self.refusal(node)

    def _zeros(self, node: Node) -> Node:
        return zeros(self.value(node))


INDICES = ("rightIndex", "cell")


def _same(node: Node) -> Node:
    return node
