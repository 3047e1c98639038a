"""Branches and loops. A loop is lowered again until the types that it assumes of its variables hold at its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gramian.errors import Diagnostic
from gramian.ir.node import Node, absent, literal
from gramian.ir.program import For, If, Item, Parallel, While
from gramian.ir.types import INT, Kind, scalar
from gramian.lang import tree
from gramian.lang.lower import expressions, parfor, shortcircuit, statements
from gramian.lang.lower.context import Context, Entry, merge
from gramian.source import Span

Spans = dict[Node, Span]


def assigned(body: Sequence[tree.Stmt]) -> set[str]:
    """The variables that statements may assign."""
    names: set[str] = set()
    for s in body:
        match s:
            case tree.Assign():
                names.add(s.target.name)
            case tree.MultiAssign():
                names.update(t.name for t in s.targets)
            case tree.If():
                names |= assigned(s.then) | assigned(s.orelse)
            case tree.While():
                names |= assigned(s.body)
            case tree.For():
                names |= assigned(s.body) | {s.variable}
    return names


def settle(c: Context, lower: Callable[[], list[Node]], spans: list[Span]) -> tuple[list[Node], Spans]:
    """Nodes that are evaluated after the current block, as expressions of variables only.

    What they need beyond pure expressions, such as calls, gets a block of its own before.
    """
    c.close_block()
    nodes = lower()
    pending, places = c.take_pending()
    if pending:
        names = [None if n.is_literal else c.temporary(n, span) for n, span in zip(nodes, spans, strict=True)]
        c.close_block()
        nodes = [n if name is None else c.read(name, s) for n, name, s in zip(nodes, names, spans, strict=True)]
        _, places = c.take_pending()
    c.close_block()
    return nodes, places


def lower_if(c: Context, s: tree.If) -> None:
    (test,), spans = settle(c, lambda: [expressions.condition(c, s.condition)], [s.condition.span])
    before = dict(c.entries)
    with c.region() as then:
        statements.lower_all(c, s.then)
    after_then, c.entries = c.entries, before
    with c.region() as orelse:
        statements.lower_all(c, s.orelse)
    c.entries, conflicts = merge(after_then, c.entries, s.span)
    c.unit.errors += conflicts.values()
    c.append(If(test, tuple(then), tuple(orelse), s.span, spans))


@dataclass
class Loop:
    """What lowering the body of a loop once has written; `end` are the variables at its end."""

    head: list[Item]
    test: Node
    spans: Spans
    body: list[Item]
    end: dict[str, Entry]


def lower_while(c: Context, s: tree.While) -> None:
    def write() -> Loop:
        with c.region() as head:
            condition = shortcircuit.hoist(c, s.condition)
            (test,), spans = settle(c, lambda: [expressions.condition(c, condition)], [condition.span])
        with c.region() as body:
            statements.lower_all(c, s.body)
        return Loop(head, test, spans, body, c.entries)

    # The first evaluation of the test always happens, so that what is wrong with it is an error at once.
    loop = _fixpoint(c, write, assigned(s.body), s.span)
    c.append(While(tuple(loop.head), loop.test, tuple(loop.body), s.span, loop.spans))


def _fixpoint(c: Context, write: Callable[[], Loop], names: set[str], span: Span) -> Loop:
    """Lower a loop until the types assumed at its start cover those at its end."""
    c.close_block()
    assumed = _widened(c.entries, names)
    reported: dict[str, Diagnostic] = {}
    # By place, as each round finds them anew, perhaps with other types; those of a poisoned variable come up only once.
    errors: dict[Span | None, Diagnostic] = {}
    while True:
        mark = len(c.unit.errors)
        c.entries = dict(assumed)
        loop = write()
        merged, conflicts = merge(assumed, c.entries, span)
        reported |= conflicts
        errors |= {found.span: found for found in c.unit.errors[mark:]}
        del c.unit.errors[mark:]
        if _same(merged, assumed):
            break
        assumed = _widened(merged, names)
    c.unit.errors += [*errors.values(), *reported.values()]
    c.entries = merged
    return loop


def _widened(entries: dict[str, Entry], names: set[str]) -> dict[str, Entry]:
    """What is known before any iteration: of the variables that the loop assigns neither sizes nor values."""
    return entries | {
        n: replace(e, type=e.type.without_size()) for n in names if (e := entries.get(n)) is not None and e.type
    }


def _same(a: dict[str, Entry], b: dict[str, Entry]) -> bool:
    def unlike(x: Entry, y: Entry) -> bool:
        types = [e.type and e.type.without_size() for e in (x, y)]
        return types[0] != types[1] or x.certain != y.certain

    return a.keys() == b.keys() and not any(e is not b[n] and unlike(e, b[n]) for n, e in a.items())


def lower_for(c: Context, s: tree.For) -> None:
    if s.variable in expressions.CONSTANTS:
        raise expressions.error(f"'{s.variable}' is a constant and cannot be assigned", s.variable_span)
    if s.items is not None:
        _for_each(c, s, s.items)
        return
    known = c.type_of(s.variable)
    if known is not None and not known.is_scalar:
        raise expressions.error(
            f"loop variable '{s.variable}' is {known.describe()} before the loop",
            s.variable_span,
            "choose another name",
        )
    written = [e for e in (s.start, s.stop, s.step) if e is not None]
    bounds, spans = settle(c, lambda: [_bound(c, e) for e in written], [e.span for e in written])
    parallel = parfor.plan(c, s) if s.parallel else None
    _write_for(c, s, bounds, spans, parallel, lambda: statements.lower_all(c, s.body))


def _write_for(
    c: Context,
    s: tree.For,
    bounds: list[Node],
    spans: Spans,
    parallel: Parallel | None,
    lower_body: Callable[[], None],
) -> None:
    before = dict(c.entries)

    def write() -> Loop:
        c.entries[s.variable] = Entry(scalar(INT), True, s.variable_span)
        with c.region() as body:
            lower_body()
        return Loop([], bounds[0], spans, body, c.entries)

    loop = _fixpoint(c, write, assigned(s.body) | {s.variable}, s.span)
    if parallel is not None:
        c.lost |= c.entries.keys() - before.keys()
        c.entries = before | {name: c.entries[name] for name in parallel.results if name in c.entries}
    elif s.step is None:
        # Without a step the loop runs at least once: what holds at the end of its body holds after it.
        c.entries = loop.end
    step = bounds[2] if len(bounds) > 2 else None
    c.append(For(s.variable, bounds[0], bounds[1], step, tuple(loop.body), s.span, spans, parallel))


def _bound(c: Context, e: tree.Expr) -> Node:
    node = expressions.lower(c, e)
    if not node.type.is_numeric:
        hint = "use as.scalar() for a 1x1 matrix, nrow(X) for its rows" if node.type.is_matrix else None
        raise expressions.error(f"a loop bound must be a number, found {node.type.describe()}", e.span, hint)
    return node


TAKE = {Kind.SCALAR: "as.scalar", Kind.MATRIX: "as.matrix", Kind.FRAME: "as.frame", Kind.LIST: "as.list"}


def _for_each(c: Context, s: tree.For, items: tree.ListLiteral) -> None:
    """A loop over a list literal: over its positions, taking out the entry first."""
    if s.parallel:
        raise expressions.error("a parfor needs a range of numbers", items.span, "loop over 1:n and index the list")
    entries = [expressions.lower(c, item) for item in items.items]
    kinds = {entry.type.kind for entry in entries}
    if len(kinds) > 1:
        raise expressions.error("the entries that a loop runs over must be of one kind", items.span)
    (kind,) = kinds
    listed = c.temporary(c.build("list", entries, items.span, (None,) * len(entries)), items.span)
    c.close_block()
    position = f"{listed}p"
    counted = replace(s, variable=position, variable_span=items.span, step=None)

    def body() -> None:
        place = c.read(position, items.span)
        entry = c.build("listIndex", [c.read(listed, items.span), place, absent()], items.span)
        c.assign(s.variable, c.build(TAKE[kind], [entry], items.span), s.variable_span)
        statements.lower_all(c, s.body)

    _write_for(c, counted, [literal(1), literal(len(entries))], {}, None, body)
