"""The variables of a derivative: every assignment of the function gets a variable of its own, and an adjoint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gramian.ir.node import Node, absent, build, literal, var
from gramian.ir.op import Trait
from gramian.ir.origins import OWN
from gramian.ir.program import Program
from gramian.ir.types import BOOLEAN, DOUBLE, INT, STRING, Kind, ScalarValue, Type, ValueType

WITHOUT_DERIVATIVE = (INT, BOOLEAN, STRING)  # scalars of these types do not vary smoothly


@dataclass
class Variables:
    """Names and types of the variables, and which of them depend on the parameters to differentiate by (`active`).

    Variables are numbered in the order in which they were made, so that `mark()` tells older from younger ones.
    """

    program: Program
    orders: Iterator[int]  # numbers of new effects
    taken: set[str] = field(default_factory=set)
    types: dict[str, Type] = field(default_factory=dict)
    active: set[str] = field(default_factory=set)
    made: dict[str, int] = field(default_factory=dict)
    adjoints: dict[str, str] = field(default_factory=dict)

    def fresh(self, stem: str, type: Type, *, own: bool = True) -> str:
        """A new variable; one that is not the compiler's own keeps the name that it has in the script, once."""
        stem = stem.removeprefix(OWN)
        name, number = (OWN + stem if own else stem), 1
        while name in self.taken:
            number += 1
            name = f"{OWN}{stem}_{number}"
        self.taken.add(name)
        self.made[name] = len(self.made)
        self.types[name] = type.without_size() if type.is_matrix else type.without_value()
        return name

    def mark(self) -> int:
        return len(self.made)

    def reserve(self, names: Iterable[str]) -> None:
        self.taken.update(names)

    def read(self, name: str) -> Node:
        return var(name, self.types[name])

    def adjoint(self, name: str) -> str:
        """The variable for the derivative by a variable."""
        if name not in self.adjoints:
            type = self.types[name]
            self.adjoints[name] = self.fresh(f"d_{name.removeprefix(OWN)}", _derivative_type(type))
        return self.adjoints[name]

    def is_active(self, root: Node, known: dict[Node, bool]) -> bool:
        """Does the value vary with the parameters to differentiate by? `known` keeps answers."""
        stack = [root]
        while stack:
            node = stack[-1]
            if node in known:
                stack.pop()
            elif (answer := self._answer(node, known)) is not None:
                known[node] = answer
                stack.pop()
            else:
                stack.extend(a for a in node.args if a not in known)
        return known[root]

    def _answer(self, node: Node, known: dict[Node, bool]) -> bool | None:
        if node.is_var:
            return node.name in self.active
        if not varies(node.type) or node.op.has(Trait.STEPS) or not node.args:
            return False
        answers = [known.get(arg) for arg in node.args]
        return True if True in answers else None if None in answers else False


def varies(type: Type) -> bool:
    """Can values of this type have derivatives that are not zero?"""
    if type.is_scalar:
        return type.value_type not in WITHOUT_DERIVATIVE
    return type.kind is not Kind.MISSING


def _derivative_type(type: Type) -> Type:
    return Type(Kind.SCALAR, DOUBLE) if type.is_scalar else type.without_size()


TAKE = {Kind.SCALAR: "as.scalar", Kind.MATRIX: "as.matrix", Kind.FRAME: "as.frame", Kind.LIST: "as.list"}


def empty_list() -> Node:
    return build("list", [], ((),))


def appended(tape: Node, value: Node) -> Node:
    """The list with one more entry. A list would be taken for its entry, if that is its only one."""
    entry = build("list", [value], ((None,),)) if value.type.kind is Kind.LIST else value
    return build("append", [tape, entry])


def entry(tape: Node, position: Node, type: Type) -> Node:
    """An entry of a list, of a type that is known from where it was put in."""
    found = build("listIndex", [tape, position, absent()])
    if type.kind is Kind.FRAME:
        return build("as.frame", [found, absent()])
    value = build(TAKE[type.kind], [found])
    if type.is_scalar and type.value_type in (INT, DOUBLE):
        return build("as.integer" if type.value_type is INT else "as.double", [value])
    return value


def zeros(like: Node) -> Node:
    """The derivative of what does not matter."""
    if like.type.is_scalar:
        return literal(0.0)
    return build("matrix", [literal(0.0), build("nrow", [like]), build("ncol", [like]), literal(True)])


def placeholder(type: Type) -> Node:
    """For a variable that has no value on some path, and is not read then."""
    match type.kind:
        case Kind.MATRIX:
            return build("matrix", [literal(0), literal(0), literal(0), literal(True)])
        case Kind.LIST:
            return empty_list()
        case Kind.FRAME:
            return build("as.frame", [literal(0), absent()])
    values: Mapping[ValueType, ScalarValue] = {INT: 0, BOOLEAN: False, STRING: ""}
    return literal(values.get(type.value_type, float("nan")))
