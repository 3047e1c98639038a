"""Matching a rule against a node, and building what the rule replaces it by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gramian.ir.node import ABSENT, Node, absent, build, literal, literal_value
from gramian.ir.op import Trait
from gramian.ir.types import DOUBLE, INT, NUMBER, Kind, Type, ValueType
from gramian.lang import tree
from gramian.rewrite.rule import AnyMatrix, AnyScalar, Apply, Constant, Pattern, Rule

NUMERIC = (INT, DOUBLE, NUMBER)
Bindings = Mapping[str, Node]


def apply(rule: Rule, node: Node) -> Node | None:
    """What the rule makes of the node, or None if it does not apply: types must stay as they are."""
    for bound in match(rule.before, node, {}):
        if rule.guard is not None and holds(rule.guard, bound) is not True:
            continue
        made = make(rule.after, bound)
        if made is not node and _same_type(node, made):
            return made
    return None


def _same_type(before: Node, after: Node) -> bool:
    a, b = before.type, after.type
    return a.kind is b.kind and a.value_type is b.value_type and _agree(a.rows, b.rows) and _agree(a.cols, b.cols)


def _agree(before: int | None, after: int | None) -> bool:
    """A rule may lose no knowledge of sizes, and must not contradict it."""
    return before is None or before == after


def match(p: Pattern, node: Node, bound: Bindings) -> Iterator[Bindings]:
    """All ways in which the pattern stands for the node."""
    match p:
        case AnyMatrix(name=name):
            if node.type.is_matrix and bound.get(name, node) is node:
                yield {**bound, name: node}
        case AnyScalar(name=name):
            if node.type.value_type in NUMERIC and node.type.is_scalar and bound.get(name, node) is node:
                yield {**bound, name: node}
        case Constant(value=None):
            if node.op is ABSENT:
                yield bound
        case Constant(value=value):
            if node.is_literal and type(literal_value(node)) in _like(value) and literal_value(node) == value:
                yield bound
        case Apply(op=op, args=args):
            if node.op is op and len(node.args) == len(args):
                yield from _match_all(args, node.args, bound)
                if op.has(Trait.COMMUTATIVE) and len(args) == 2 and _may_swap(node.args[0].type, node.args[1].type):
                    yield from _match_all(args, node.args[::-1], bound)


def _may_swap(a: Type, b: Type) -> bool:
    """A 1x1 matrix may stand on the right of any matrix, but not on the left, so it has to stay on its side."""
    if not (a.is_matrix and b.is_matrix):
        return True
    equal = (a.rows, a.cols) == (b.rows, b.cols) and None not in (a.rows, a.cols)
    return equal or all(any(size not in (None, 1) for size in (x.rows, x.cols)) for x in (a, b))


def _like(value: object) -> tuple[type, ...]:
    return (type(value),) if isinstance(value, bool | str) else (int, float)


def _match_all(patterns: tuple[Pattern, ...], nodes: tuple[Node, ...], bound: Bindings) -> Iterator[Bindings]:
    if not patterns:
        yield bound
        return
    for more in match(patterns[0], nodes[0], bound):
        yield from _match_all(patterns[1:], nodes[1:], more)


def make(p: Pattern, bound: Bindings) -> Node:
    match p:
        case AnyMatrix(name=name) | AnyScalar(name=name):
            return bound[name]
        case Constant(value=None):
            return absent()
        case Constant(value=value):
            return literal(value)
        case Apply(op=op, args=args):
            return build(op, [make(arg, bound) for arg in args], lenient=True)


def holds(guard: tree.Expr, bound: Bindings) -> bool | None:
    """The guard's answer: yes, no, or not known. `check_guard` has seen to it that it is one."""
    match guard:
        case tree.Binary(op="&", left=left, right=right):
            answers = (holds(left, bound), holds(right, bound))
            return False if False in answers else None if None in answers else True
        case tree.Binary(op="|", left=left, right=right):
            answers = (holds(left, bound), holds(right, bound))
            return True if True in answers else None if None in answers else False
        case tree.Unary(op="!", operand=operand):
            answer = holds(operand, bound)
            return None if answer is None else not answer
        case tree.Binary(op=op, left=left, right=right):
            return _compare(op, _number(left, bound), _number(right, bound))
        case tree.Call(function="isInt", args=(tree.Arg(value=tree.Name(name=name)),)):
            return _has_value_type(bound[name].type, INT)
        case tree.Call(function="isDouble", args=(tree.Arg(value=tree.Name(name=name)),)):
            return _has_value_type(bound[name].type, DOUBLE)
    raise ValueError(f"not a guard: {guard}")


def _has_value_type(type: Type, wanted: ValueType) -> bool | None:
    return None if type.value_type is NUMBER else type.value_type is wanted


def _compare(op: str, a: float | None, b: float | None) -> bool | None:
    if a is None or b is None:
        return None
    return {"==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op]


def _number(e: tree.Expr, bound: Bindings) -> float | None:
    match e:
        case tree.Literal(value=int(value) | float(value)):
            return value
        case tree.Unary(op="-", operand=operand):
            number = _number(operand, bound)
            return None if number is None else -number
        case tree.Name(name=name) if bound[name].type.kind is Kind.SCALAR:
            known = bound[name].type.value
            return known if isinstance(known, int | float) and not isinstance(known, bool) else None
        case tree.Call(function="nrow", args=(tree.Arg(value=tree.Name(name=name)),)):
            return bound[name].type.rows
        case tree.Call(function="ncol", args=(tree.Arg(value=tree.Name(name=name)),)):
            return bound[name].type.cols
    raise ValueError(f"not a number in a guard: {e}")
