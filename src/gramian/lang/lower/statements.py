"""Statements: assignments and calls. A wrong statement is reported and skipped, and lowering goes on."""

from __future__ import annotations

from collections.abc import Sequence

from gramian.errors import ScriptError
from gramian.ir.node import Node
from gramian.ir.types import STRING, Kind
from gramian.lang import tree
from gramian.lang.lower import calls, control, expressions, shortcircuit
from gramian.lang.lower.context import Context, Poisoned
from gramian.lang.lower.expressions import error
from gramian.source import Span


def lower_all(c: Context, statements: Sequence[tree.Stmt]) -> None:
    for statement in statements:
        try:
            _lower(c, shortcircuit.desugar(c, statement))
        except ScriptError as wrong:
            c.unit.errors += wrong.diagnostics
            _poison(c, statement)
        except Poisoned:
            _poison(c, statement)


def _poison(c: Context, statement: tree.Stmt) -> None:
    for name in sorted(control.assigned((statement,))):
        c.poison(name, statement.span)


def _lower(c: Context, s: tree.Stmt) -> None:
    match s:
        case tree.Assign():
            _assign(c, s)
        case tree.MultiAssign():
            _multi_assign(c, s)
        case tree.CallStmt():
            calls.lower(c, s.call)
        case tree.If():
            control.lower_if(c, s)
        case tree.While():
            control.lower_while(c, s)
        case tree.For():
            control.lower_for(c, s)
        case tree.Import() | tree.SetWd():
            pass  # followed when the file was loaded
        case _:
            raise AssertionError(s)


# -- assignment ---------------------------------------------------------------------------------------------------------


def _assign(c: Context, s: tree.Assign) -> None:
    if isinstance(s.value, tree.Call) and s.value.function == "time":
        # A block of its own is a barrier: nothing before is computed later, and nothing after is shared with before.
        c.close_block()
        _assign_value(c, s)
        c.close_block()
    else:
        _assign_value(c, s)


def _assign_value(c: Context, s: tree.Assign) -> None:
    value = expressions.lower(c, s.value)
    if s.accumulate:
        before = _read_target(c, s.target)
        value = c.build("+", [before, value], s.span)
    store(c, s.target, value, s.value.span)


def _read_target(c: Context, target: tree.Target) -> Node:
    if target.index is not None:
        return expressions.lower(c, target.index)
    return c.read(target.name, target.span)


def store(c: Context, target: tree.Target, value: Node, value_span: Span) -> None:
    """Assign a value to a variable or to a region of one."""
    if target.name in expressions.CONSTANTS:
        raise error(f"'{target.name}' is a constant and cannot be assigned", target.span)
    if target.index is None:
        c.assign(target.name, value, target.span)
        return
    name_span = Span(target.span.source, target.span.start, target.span.start + len(target.name))
    if target.name not in c.entries:
        hint = f"create it first, as in {target.name} = matrix(0, rows=10, cols=1)"
        raise error(f"variable '{target.name}' is not defined", name_span, hint)
    before = c.read(target.name, name_span)
    if before.type.kind is Kind.LIST:
        first, last = expressions.list_bounds(c, target.index)
        changed = c.build("listAssign", [before, value, first, last], target.span)
    elif before.type.kind in (Kind.MATRIX, Kind.FRAME):
        _check_stored(before, value, value_span)
        changed = c.build("leftIndex", [before, value, *expressions.region(c, target.index)], target.span)
    else:
        raise error(f"only matrices, frames and lists can be indexed, found {before.type.describe()}", target.span)
    c.assign(target.name, changed, target.span, origin=c.entries[target.name].span)


def _check_stored(before: Node, value: Node, span: Span) -> None:
    if before.type.is_matrix:
        if value.type.is_matrix or (value.type.is_scalar and value.type.value_type is not STRING):
            return
        hint = "a matrix holds numbers only; a frame also holds text" if value.type.is_scalar else None
        raise error(f"{value.type.describe()} cannot be stored in a matrix", span, hint)
    if value.type.kind not in (Kind.FRAME, Kind.SCALAR):
        raise error(f"{value.type.describe()} cannot be stored in a frame", span, "use as.frame()")


def _multi_assign(c: Context, s: tree.MultiAssign) -> None:
    node = calls.lower(c, s.call)
    items = node.type.items if node.type.kind is Kind.TUPLE else (node.type,)
    if len(s.targets) > len(items):
        raise error(
            f"{s.call.function}() has {len(items)} result{'s' * (len(items) != 1)}, but {len(s.targets)} are taken",
            s.targets[len(items)].span,
        )
    values = (
        [c.output(node, at, s.call.span) for at in range(len(s.targets))] if node.type.kind is Kind.TUPLE else [node]
    )
    for target, value in zip(s.targets, values, strict=True):
        store(c, target, value, s.call.span)
