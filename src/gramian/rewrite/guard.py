"""The conditions of rules. They have three answers: yes, no and None for not known."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gramian.errors import did_you_mean
from gramian.ir.node import Node
from gramian.ir.types import DOUBLE, INT, NUMBER, Kind, ValueType
from gramian.lang import tree
from gramian.rewrite.pattern import AnyMatrix, AnyScalar, Apply, Pattern, applied, names, pattern, wrong
from gramian.source import Span

Bindings = Mapping[str, Node]
Uses = Callable[[Node], int | None]  # how many users a node has, None if that is not known
Guard = Callable[[Bindings, Uses], bool | None]
Number = Callable[[Bindings], float | None]

FORMS = "a guard compares sizes and numbers, or asks isInt(s), isDouble(s), isModerate(s), isMask(X) or once(f(X))"
NUMBERS = "a guard compares nrow(X), ncol(X), length(X), density(X), scalars and numbers"


def unknown_uses(node: Node) -> int | None:
    return None


def single_uses(node: Node) -> int | None:
    return 1


@dataclass
class GuardReader:
    """Turns the condition of a rule into a function. `labels` collects the operators that once() names."""

    before: Apply
    span: Span
    labels: dict[str, Apply] = field(default_factory=dict)

    def guard(self, e: tree.Expr) -> Guard:
        """The function that answers a condition.

        Raises:
            ScriptError: it is none.
        """
        match e:
            case tree.Binary(op="&", left=left, right=right):
                return both(self.guard(left), self.guard(right))
            case tree.Binary(op="|", left=left, right=right):
                return negated(both(negated(self.guard(left)), negated(self.guard(right))))
            case tree.Unary(op="!", operand=operand):
                return negated(self.guard(operand))
            case tree.Binary(op=op, left=left, right=right) if op in COMPARISONS:
                return compared(COMPARISONS[op], self.number(left), self.number(right))
            case tree.Call(function="once", args=(tree.Arg(value=inner),)):
                return self.once(inner)
            case tree.Call(function=function, args=(tree.Arg(value=tree.Name(name=name)),)) if function in QUESTIONS:
                kind, answer = QUESTIONS[function]
                self.check_name(name, kind)
                return lambda bound, uses: answer(bound[name])
        raise wrong(FORMS, self.span)

    def number(self, e: tree.Expr) -> Number:
        match e:
            case tree.Literal(value=int(value) | float(value)) if not isinstance(value, bool):
                return lambda bound: value
            case tree.Unary(op="-", operand=operand):
                positive = self.number(operand)
                return lambda bound: None if (x := positive(bound)) is None else -x
            case tree.Binary(op=op, left=left, right=right) if op in ARITHMETIC:
                return computed(ARITHMETIC[op], self.number(left), self.number(right))
            case tree.Name(name=name):
                self.check_name(name, AnyScalar)
                return lambda bound: scalar_value(bound[name])
            case tree.Call(function=function, args=(tree.Arg(value=tree.Name(name=name)),)) if function in SIZES:
                self.check_name(name, AnyMatrix)
                size = SIZES[function]
                return lambda bound: size(bound[name])
        raise wrong(NUMBERS, self.span)

    def once(self, e: tree.Expr) -> Guard:
        inner = pattern(e, self.span)
        if not isinstance(inner, Apply) or all(inner != found for arg in self.before.args for found in applied(arg)):
            raise wrong("once() names an operator below the top of the left side", self.span)
        # What is used elsewhere needs all that is below it.
        path = [found for arg in self.before.args for found in applied(arg) if inner in applied(found)]
        labels = [self.label(found) for found in path]

        def answer(bound: Bindings, uses: Uses) -> bool | None:
            counts = [uses(bound[label]) for label in labels]
            return None if None in counts else all(count == 1 for count in counts)

        return answer

    def label(self, inner: Apply) -> str:
        """The label of an operator; the same operator has one only."""
        known = next((label for label, found in self.labels.items() if found == inner), None)
        if known is None:
            known = f"once {len(self.labels)}"
            self.labels[known] = inner
        return known

    def check_name(self, name: str, kind: type[AnyMatrix | AnyScalar]) -> None:
        known: Mapping[str, Pattern] = names(self.before)
        if name not in known:
            raise wrong(f"'{name}' does not stand on the left side", self.span, did_you_mean(name, known))
        if not isinstance(known[name], kind):
            raise wrong(f"'{name}' is a {'scalar' if kind is AnyMatrix else 'matrix'} there", self.span)


# -- answers -----------------------------------------------------------------------------------------------------------


def both(left: Guard, right: Guard) -> Guard:
    def answer(bound: Bindings, uses: Uses) -> bool | None:
        first = left(bound, uses)
        if first is False:
            return False
        second = right(bound, uses)
        return second if second is False or first is True else None

    return answer


def negated(guard: Guard) -> Guard:
    def answer(bound: Bindings, uses: Uses) -> bool | None:
        found = guard(bound, uses)
        return None if found is None else not found

    return answer


def compared(compare: Callable[[float, float], bool], left: Number, right: Number) -> Guard:
    def answer(bound: Bindings, uses: Uses) -> bool | None:
        a, b = left(bound), right(bound)
        return None if a is None or b is None else compare(a, b)

    return answer


def computed(compute: Callable[[float, float], float], left: Number, right: Number) -> Number:
    def value(bound: Bindings) -> float | None:
        a, b = left(bound), right(bound)
        return None if a is None or b is None else compute(a, b)

    return value


COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}
SIZES: Mapping[str, Callable[[Node], float | None]] = {
    "nrow": lambda node: node.type.rows,
    "ncol": lambda node: node.type.cols,
    "length": lambda node: node.type.cells,
    "density": lambda node: 1.0 if node.type.sparsity is None else node.type.sparsity,
}


def scalar_value(node: Node) -> float | None:
    known = node.type.value
    return known if isinstance(known, int | float) and not isinstance(known, bool) else None


def has_value_type(node: Node, wanted: ValueType) -> bool | None:
    return None if node.type.value_type is NUMBER else node.type.value_type is wanted


def is_moderate(node: Node) -> bool | None:
    """Can the number be moved out of products and sums with no fear of overflow or of losing digits to zero?"""
    value = scalar_value(node)
    return None if value is None else 1e-100 <= abs(value) <= 1e100


_MASKS = frozenset(("==", "!=", "<", "<=", ">", ">=", "&", "|", "!", "xor", "is.na", "is.nan", "is.infinite"))
_OF_MASKS = frozenset(("t", "rev", "rightIndex"))


def is_mask(node: Node) -> bool | None:
    """Are all cells 0 or 1, as comparisons give them? No: nothing is known about the cells."""
    while node.op.name in _OF_MASKS:
        node = node.args[0]
    return True if node.op.name in _MASKS and node.type.kind is Kind.MATRIX else None


QUESTIONS: Mapping[str, tuple[type[AnyMatrix | AnyScalar], Callable[[Node], bool | None]]] = {
    "isInt": (AnyScalar, lambda node: has_value_type(node, INT)),
    "isDouble": (AnyScalar, lambda node: has_value_type(node, DOUBLE)),
    "isModerate": (AnyScalar, is_moderate),
    "isMask": (AnyMatrix, is_mask),
}
