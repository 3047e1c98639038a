"""The function itself, cut into pieces: what its adjoints need of it is noted in them, and written when all is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gramian.ir.node import ABSENT, Node, build, literal, var
from gramian.ir.program import Assign, Block, Do, For, If, Item, Region, Statement, While
from gramian.ir.types import LIST, Kind
from gramian.passes.gradients.frames import Frame
from gramian.passes.gradients.variables import Variables, appended, empty_list
from gramian.source import Span


@dataclass(eq=False)
class Straight:
    """Straight-line code. `values` are those of variables that are assigned only here; `saved` is what adjoints read."""

    place: Span
    statements: list[Statement] = field(default_factory=list)
    spans: dict[Node, Span] = field(default_factory=dict)
    values: dict[str, Node] = field(default_factory=dict)
    saved: dict[Node, str] = field(default_factory=dict)

    def assign(self, name: str, value: Node, span: Span) -> None:
        """Assign a variable that is assigned elsewhere, too."""
        self.statements.append(Assign(name, value, span))
        self.spans.setdefault(value, span)

    def define(self, name: str, value: Node, span: Span) -> None:
        self.assign(name, value, span)
        self.values[name] = value
        self.saved.setdefault(value, name)

    def do(self, value: Node, span: Span) -> None:
        self.statements.append(Do(value, span))

    def save(self, node: Node, variables: Variables) -> Node:
        """The value of one of the piece's nodes, for code behind the piece."""
        if node.is_var or node.is_literal or node.op is ABSENT or node.type.kind is Kind.TUPLE:
            return node
        if node.type.is_scalar and node.type.value is not None:
            return literal(node.type.value)
        if node not in self.saved:
            self.saved[node] = variables.fresh("v", node.type)
        return var(self.saved[node], variables.types[self.saved[node]])

    def region(self) -> Region:
        kept = [
            Assign(name, node, self.spans.get(node, self.place))
            for node, name in self.saved.items()
            if self.values.get(name) is not node
        ]
        statements = (*self.statements, *kept)
        return (Block(statements, self.spans),) if statements else ()


@dataclass(eq=False)
class Branch:
    test: Node
    then: list[Piece]
    orelse: list[Piece]
    span: Span


@dataclass(eq=False)
class Loop:
    """A loop. `carried` are the variables that iterations pass on: names in the script, and those that they have here.

    `tapes` are lists that keep, for each iteration, the value that a variable has when it starts; they are asked for
    when the adjoint of the body is written. `count` is the number of iterations, `marks` how many results of effects
    were recorded before each of them.
    """

    item: For | While
    frame: Frame
    variable: str | None
    bounds: tuple[Node, ...]
    test: Node | None
    carried: dict[str, str]
    body: list[Piece]
    outside: dict[str, str]  # the variables before the loop
    count: str
    record: str | None = None
    marks: str | None = None
    counted: bool = False
    tapes: dict[str, str] = field(default_factory=dict)

    def tape(self, name: str, variables: Variables) -> str:
        """The list of the values of a variable."""
        if name not in self.tapes:
            self.tapes[name] = variables.fresh(f"tape_{name}", LIST)
        return self.tapes[name]

    def region(self, variables: Variables) -> Region:
        span = self.item.span
        before, start = Straight(span), Straight(span)
        if self.counted:
            before.assign(self.count, literal(0), span)
            start.assign(self.count, build("+", [variables.read(self.count), literal(1)]), span)
        for name, tape in self.tapes.items():
            before.assign(tape, empty_list(), span)
            start.assign(tape, appended(variables.read(tape), variables.read(name)), span)
        if self.counted and self.marks is not None and self.record is not None:
            before.assign(self.marks, empty_list(), span)
            mark = build("length", [variables.read(self.record)])
            start.assign(self.marks, appended(variables.read(self.marks), mark), span)
        body = (*start.region(), *regions(self.body, variables))
        spans = dict.fromkeys((*self.bounds, *(() if self.test is None else (self.test,))), span)
        if self.variable is None:
            assert self.test is not None
            return (*before.region(), While((), self.test, body, span, spans))
        first, last, *step = self.bounds
        return (*before.region(), For(self.variable, first, last, step[0] if step else None, body, span, spans))


Piece = Straight | Branch | Loop


def regions(pieces: Iterable[Piece], variables: Variables) -> Region:
    found: list[Item] = []
    for piece in pieces:
        match piece:
            case Straight():
                found += piece.region()
            case Branch(then=then, orelse=orelse):
                sides = regions(then, variables), regions(orelse, variables)
                found.append(If(piece.test, *sides, piece.span, {piece.test: piece.span}))
            case Loop():
                found += piece.region(variables)
    return tuple(found)
