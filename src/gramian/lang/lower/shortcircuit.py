"""`&&` and `||` evaluate their right side only if it matters: `a && b` becomes `t = a; if (t) t = b`.

A right side that can neither fail nor do anything else is left in place, where the plain operator means the same.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from gramian.ir.program import If, Region
from gramian.ir.types import BOOLEAN
from gramian.lang import tree
from gramian.lang.lower import calls, control, expressions
from gramian.lang.lower.context import Context, merge

LAZY = ("&&", "||")
HARMLESS = ("==", "!=", "<", "<=", ">", ">=", "&", "|", "&&", "||", "+", "-", "*")


def desugar(c: Context, s: tree.Stmt) -> tree.Stmt:
    """The statement with its lazy operators hoisted before it. Bodies and the tests of `while` are left for later."""
    if not c.file.has_lazy_operators:
        return s
    match s:
        case tree.Assign() | tree.MultiAssign() | tree.CallStmt():
            hoisted: tree.Stmt = _hoist_inside(c, s)
            return hoisted
        case tree.If():
            return replace(s, condition=hoist(c, s.condition))
        case tree.For():
            start, stop, step = (part and hoist(c, part) for part in (s.start, s.stop, s.step))
            return replace(s, start=start, stop=stop, step=step)
    return s


def hoist(c: Context, e: tree.Expr) -> tree.Expr:
    """The expression with its lazy operators evaluated in statements before it."""
    if isinstance(e, tree.Binary) and e.op in LAZY and not _harmless(e.right):
        return _lazily(c, e)
    hoisted: tree.Expr = _hoist_inside(c, e)
    return hoisted


def _hoist_inside(c: Context, part: Any) -> Any:
    changes = {}
    for field in fields(part):
        old = getattr(part, field.name)
        if isinstance(old, tuple):
            new: Any = tuple(_hoist_part(c, item) for item in old)
            if all(a is b for a, b in zip(old, new, strict=True)):
                continue
        else:
            new = _hoist_part(c, old)
            if new is old:
                continue
        changes[field.name] = new
    return replace(part, **changes) if changes else part


def _hoist_part(c: Context, part: Any) -> Any:
    if isinstance(part, tree.Expr):
        return hoist(c, part)
    if isinstance(part, tree.Arg | tree.Subscript | tree.Target):
        return _hoist_inside(c, part)
    return part


def _harmless(e: tree.Expr) -> bool:
    match e:
        case tree.Literal() | tree.Name() | tree.Parameter():
            return True
        case tree.Unary():
            return _harmless(e.operand)
        case tree.Binary():
            return e.op in HARMLESS and _harmless(e.left) and _harmless(e.right)
    return False


def _lazily(c: Context, e: tree.Binary) -> tree.Expr:
    left = _truth(c, hoist(c, e.left))
    name = c.temporary(left, e.left.span)
    test = c.read(name, e.left.span)
    (test,), spans = control.settle(c, lambda: [c.read(name, e.left.span)], [e.left.span])
    before = dict(c.entries)
    with c.region() as inside:
        c.assign(name, _truth(c, hoist(c, e.right)), e.right.span)
    c.entries, _ = merge(before, c.entries, e.span)
    then: Region = tuple(inside)
    c.append(If(test, then, (), e.span, spans) if e.op == "&&" else If(test, (), then, e.span, spans))
    return tree.Name(e.span, name)


def _truth(c: Context, e: tree.Expr) -> Any:
    node = expressions.condition(c, e)
    return node if node.type.value_type is BOOLEAN else calls.cast(c, node, BOOLEAN, e.span)
