"""Matching a rule against a node, and building what the rule replaces it by."""

from __future__ import annotations

from collections.abc import Iterator

from gramian.ir.node import ABSENT, Node, absent, build, literal, literal_value
from gramian.ir.op import Effect, Trait
from gramian.ir.types import DOUBLE, INT, NUMBER, Known, ScalarValue, Type
from gramian.rewrite.guard import Bindings, Uses, unknown_uses
from gramian.rewrite.pattern import AnyMatrix, AnyOperator, AnyScalar, Apply, Constant, Pattern
from gramian.rewrite.rule import Rule

NUMERIC = (INT, DOUBLE, NUMBER)
UNARY = AnyOperator("f", 1)


def apply(rule: Rule, node: Node, uses: Uses = unknown_uses) -> Node | None:
    """What the rule makes of the node, or None if it does not apply: types must stay as they are."""
    for bound in match(rule.before, node, {}):
        if rule.guard is not None and rule.guard(bound, uses) is not True:
            continue
        if not all(cannot_fail(bound[name]) for name in rule.dropped):
            continue
        made = make(rule.after, bound)
        if made is not node and _same_type(node, made):
            return made
    return None


def cannot_fail(node: Node) -> bool:
    """Is no error lost if the node is not evaluated? Only what rules leave out in practice is looked at."""
    if not node.args or node.type.known is not None:
        return True
    if node.op.name == "t" or UNARY.stands_for(node.op):
        return node.type.is_matrix and cannot_fail(node.args[0])
    cell = node.args[0].type
    makes_cells = node.op.name in ("matrix", "as.matrix") and node.type.cells is not None
    return makes_cells and cell.is_scalar and cell.value_type in NUMERIC and cannot_fail(node.args[0])


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
        case AnyScalar(name=name, optional=optional):
            if bound.get(name, node) is node and (
                (node.type.is_scalar and node.type.value_type in NUMERIC) or (optional and node.op is ABSENT)
            ):
                yield {**bound, name: node}
        case Constant(value=None):
            if node.op is ABSENT:
                yield bound
        case Constant(value=value):
            if node.is_literal and _equal(value, literal_value(node)):
                yield bound
        case Apply(op=op, args=args, label=label):
            if isinstance(op, AnyOperator):
                known = bound.get(op.name)
                if not op.stands_for(node.op) or not (known is None or known.op is node.op):
                    return
                bound = {**bound, op.name: node}
            elif node.op is not op or len(node.args) != len(args):
                return
            if label is not None:
                bound = {**bound, label: node}
            yield from _match_all(args, node.args, bound)
            if len(args) == 2 and not isinstance(op, AnyOperator) and may_swap(node):
                yield from _match_all(args, node.args[::-1], bound)


def may_swap(node: Node) -> bool:
    """May the two operands change places?

    A 1x1 matrix may stand on the right of any matrix, but not on the left, so it has to stay on its side.
    """
    if not node.op.has(Trait.COMMUTATIVE):
        return False
    a, b = node.args[0].type, node.args[1].type
    if not (a.is_matrix and b.is_matrix):
        return True
    equal = (a.rows, a.cols) == (b.rows, b.cols) and None not in (a.rows, a.cols)
    return equal or (_is_no_cell(a) and _is_no_cell(b))


def _is_no_cell(type: Type) -> bool:
    return type.rows not in (None, 1) or type.cols not in (None, 1)


def _equal(wanted: ScalarValue, value: ScalarValue) -> bool:
    """Is it that constant? Numbers of both types are one, but for -0.0, which is not 0; NaN is NaN."""
    if isinstance(wanted, bool | str) or isinstance(value, bool | str):
        return type(wanted) is type(value) and wanted == value
    return Known(float(wanted)) == Known(float(value))


def _match_all(patterns: tuple[Pattern, ...], nodes: tuple[Node, ...], bound: Bindings) -> Iterator[Bindings]:
    if not patterns:
        yield bound
        return
    for more in match(patterns[0], nodes[0], bound):
        yield from _match_all(patterns[1:], nodes[1:], more)


def make(p: Pattern, bound: Bindings) -> Node:
    """The node that a pattern stands for; numbers that are known are literals."""
    match p:
        case AnyMatrix(name=name) | AnyScalar(name=name):
            return bound[name]
        case Constant(value=None):
            return absent()
        case Constant(value=value):
            return literal(value)
        case Apply(op=op, args=args):
            record = bound[op.name].op if isinstance(op, AnyOperator) else op
            names = ((None,) * len(args),) if record.name == "list" else ()  # lists in rules have none
            made = build(record, [make(arg, bound) for arg in args], names, lenient=True)
            if made.type.value is not None and made.op.effect is Effect.PURE:
                return literal(made.type.value)
            return made
