"""Expressions: from syntax to nodes of the current block."""

from __future__ import annotations

import math

from gramian.errors import Diagnostic, ScriptError, did_you_mean
from gramian.ir.node import Node, absent, literal
from gramian.ir.types import BOOLEAN, STRING, Kind, Type
from gramian.lang import tree
from gramian.lang.lower import calls
from gramian.lang.lower.context import Context
from gramian.source import Span

CONSTANTS = {"pi": math.pi, "Inf": math.inf, "NaN": math.nan}


def error(message: str, span: Span, hint: str | None = None) -> ScriptError:
    return ScriptError(Diagnostic(message, span, hint))


def lower(c: Context, e: tree.Expr) -> Node:
    """The node of an expression.

    Raises:
        ScriptError: names or types are wrong.
    """
    match e:
        case tree.Literal():
            return c.place(literal(e.value), e.span)
        case tree.Name():
            return _name(c, e)
        case tree.Parameter():
            return c.place(literal(parameter(c, e)), e.span)
        case tree.Unary():
            return _unary(c, e)
        case tree.Binary():
            return _binary(c, e)
        case tree.Index():
            return _index(c, e)
        case tree.Call():
            return calls.value(c, e)
        case tree.ListLiteral():
            items = [lower(c, item) for item in e.items]
            return c.build("list", items, e.span, (None,) * len(items))
    raise AssertionError(e)


def _name(c: Context, e: tree.Name) -> Node:
    if e.name in CONSTANTS:
        return c.place(literal(CONSTANTS[e.name]), e.span)
    if "::" in e.name:
        raise error(f"'{e.name}' is a function and must be called", e.span, "add its arguments in parentheses")
    return c.read(e.name, e.span)


def parameter(c: Context, e: tree.Parameter) -> int | float | bool | str:
    """The value of a script parameter that must be given."""
    given = c.unit.settings.parameters
    if e.name in given:
        return given[e.name]
    if e.name.isdigit():
        hint = f"give it with -args, or a default with ifdef(${e.name}, ...)"
    else:
        close = did_you_mean(e.name, given)
        hint = close or f"give it with -nvargs {e.name}=..., or a default with ifdef(${e.name}, ...)"
    raise error(f"script parameter ${e.name} is not given", e.span, hint)


def _unary(c: Context, e: tree.Unary) -> Node:
    if e.op == "!":
        return c.build("!", [lower(c, e.operand)], e.span)
    value = e.operand.value if isinstance(e.operand, tree.Literal) else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return c.place(literal(-value if e.op == "-" else value), e.span)
    operand = lower(c, e.operand)
    if e.op == "-":
        return c.build("negate", [operand], e.span)
    if not (operand.type.is_numeric or operand.type.is_matrix):
        raise error(f"unary plus cannot be applied to {operand.type.describe()}", e.span)
    return operand


def _binary(c: Context, e: tree.Binary) -> Node:
    left = lower(c, e.left)
    right = lower(c, e.right)
    if e.op in ("&&", "||"):
        for side, part in ((left, e.left), (right, e.right)):
            if not side.type.is_scalar:
                hint = f"use {e.op[0]} for matrices"
                raise error(f"operator {e.op} needs scalars, found {side.type.describe()}", part.span, hint)
        return c.build(e.op[0], [left, right], e.span)
    for side, part in ((left, e.left), (right, e.right)):
        check_operand(side.type, e.op, part.span)
    if Kind.FRAME in (left.type.kind, right.type.kind):
        return c.build("frameCompare", [left, right, c.place(literal(e.op), e.op_span)], e.span)
    return c.build(e.op, [left, right], e.span)


def check_operand(type: Type, op: str, span: Span) -> None:
    if type.kind is Kind.LIST:
        hint = "take an entry out with as.scalar(l[i]) or as.matrix(l[i])"
        raise error(f"operator {op} cannot be applied to a list", span, hint)
    if type.kind is Kind.FRAME and op not in ("==", "!=", "<", "<=", ">", ">="):
        raise error(f"operator {op} cannot be applied to a frame", span, "convert it with as.matrix()")
    if type.kind is Kind.TUPLE:
        raise error("a call with several or no results cannot be part of an expression", span)


def _index(c: Context, e: tree.Index) -> Node:
    target = lower(c, e.target)
    if target.type.kind is Kind.LIST:
        lower_, upper = list_bounds(c, e)
        return c.build("listIndex", [target, lower_, upper], e.span)
    if target.type.kind not in (Kind.MATRIX, Kind.FRAME):
        raise error(f"only matrices, frames and lists can be indexed, found {target.type.describe()}", e.target.span)
    return c.build("rightIndex", [target, *region(c, e)], e.span)


def region(c: Context, e: tree.Index) -> list[Node]:
    """Row and column bounds of an indexed matrix or frame: both absent for all, the upper one for a single position."""
    return [*_bounds(c, e.rows, "row"), *_bounds(c, e.cols, "column")]


def _bounds(c: Context, subscript: tree.Subscript | None, what: str) -> list[Node]:
    if subscript is None:
        return [absent(), absent()]
    first = _position(c, subscript.lower, what)
    return [first, absent() if subscript.upper is None else _position(c, subscript.upper, what)]


def _position(c: Context, e: tree.Expr, what: str) -> Node:
    node = lower(c, e)
    if node.type.is_numeric:
        return node
    hint = None
    if node.type.is_matrix:
        hint = "use as.scalar() for a 1x1 matrix, removeEmpty(..., select=...) to select by a vector"
    elif node.type.value_type is BOOLEAN:
        hint = "use removeEmpty(..., select=...) to select by a condition"
    elif node.type.value_type is STRING:
        hint = "only lists have names; use the number of the column"
    raise error(f"a {what} index must be a number, found {node.type.describe()}", e.span, hint)


def list_bounds(c: Context, e: tree.Index) -> tuple[Node, Node]:
    """Lower and upper bound of an indexed list; the upper one is absent for a single entry."""
    if e.rows is None or not e.single:
        raise error('a list takes one index: l[i], l[i:j] or l["name"]', e.span)
    bounds = [e.rows.lower] if e.rows.upper is None else [e.rows.lower, e.rows.upper]
    nodes = []
    for bound in bounds:
        node = lower(c, bound)
        if not node.type.is_scalar or node.type.value_type is BOOLEAN:
            raise error(f"a list index must be a number or a name, found {node.type.describe()}", bound.span)
        nodes.append(node)
    return nodes[0], nodes[1] if len(nodes) > 1 else absent()


def condition(c: Context, e: tree.Expr) -> Node:
    """The test of an if or while: a boolean or a number."""
    node = lower(c, e)
    if node.type.is_scalar and node.type.value_type is not STRING:
        return node
    hint = None
    if node.type.is_matrix:
        single = "use as.scalar() for a 1x1 matrix"
        several = "use sum(), min() or max() of its cells"
        hint = f"{single}, or {several[4:]}" if node.type.cells is None else single if node.type.cells == 1 else several
    elif node.type.value_type is STRING:
        hint = f'compare it, as in {e.span.text} == "yes"' if isinstance(e, tree.Name) else None
    raise error(f"a condition must be a boolean or a number, found {node.type.describe()}", e.span, hint)
