"""Where the operands of a failing operator come from: notes such as `X is a 3x2 matrix, assigned at train.dml:4:1`.

Nothing of this is done before something fails.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from gramian.ir.node import Node, literal_value, walk
from gramian.ir.op import Op
from gramian.ir.program import Assign, Block, For, Function, If, Item, Region, Spans, While, items
from gramian.ir.types import Kind
from gramian.source import Span

Note = tuple[str, Span | None]
Describe = Callable[[Node], str | None]
Places = dict[str, tuple[Span, ...]]

SIZED = (Kind.MATRIX, Kind.FRAME)
WRITE = "leftIndex"
OWN = "t__"  # how the names of the compiler's own variables begin
MAX_NOTES = 3
MAX_DEPTH = 3
# An assignment whose right side begins here. The name may stand behind what ends another statement, or a condition.
_TARGET = re.compile(r"(?:^|[;{})]|\belse\b)\s*([A-Za-z]\w*)\s*(?:<-|=)\s*$")
# What may stand behind an assignment; anything else continues the expression.
_END = re.compile(r"(?:\s|\#[^\n]*)*(?:$|[;}A-Za-z])")
_ARGUMENT = re.compile(r"argument '([\w.]+)' of |(?:^|of |in )the (?:transform )?(spec)ification ")
_INDEX = re.compile(r"\b(row|column) index ")


def size_notes(operands: Iterable[tuple[str, str, Sequence[Span]]], function: str) -> tuple[Note, ...]:
    """The notes for operands, each with its name, what it is, and the assignments that it may come from."""
    notes: dict[str, Note] = {}
    for name, text, places in operands:
        if not places:
            notes[name] = (f"{name} is {text}, an argument of {function}()", None)
            continue
        *others, last = places[-MAX_NOTES:]
        earlier = "".join(f"{place} or " for place in others)
        notes[name] = (f"{name} is {text}, assigned at {earlier}".rstrip(), last)
    return tuple(notes.values())[:MAX_NOTES]


def operand_notes(node: Node, item: Item, function: Function, describe: Describe) -> tuple[Note, ...]:
    """What the sized operands of a node are and where they were assigned.

    `describe` gives an operand in words; an operand that is no variable is explained by the variables inside it.
    """
    places = assignments_before(function, item)
    kept = _kept(function)
    found = []

    def parts(operand: Node) -> tuple[Node, ...]:
        return (kept[operand.name],) if operand.is_var and operand.name in kept else operand.args

    for operand in named_operands(node.args, lambda n: bool(_name_of(_whole(n), item)[0]), parts):
        name, own = _name_of(_whole(operand), item)
        text = describe(operand) or operand.type.describe()
        found.append((name, text, (own,) if own is not None else places.get(name, ())))
    return size_notes(found, function.title)


def _whole(node: Node) -> Node:
    """What was assigned before some of its cells were."""
    while node.op.name == WRITE:
        node = node.args[0]
    return node


def _kept(function: Function) -> dict[str, Node]:
    """What the compiler's own variables keep, as far as it still means the same: its variables are assigned once."""
    assigned = Counter(s.target for s in _assignments(function))
    kept = {s.target: s.value for s in _assignments(function) if s.target.startswith(OWN)}
    outside = {} if function.continues is None else _kept(function.continues[0])
    return outside | {
        name: value for name, value in kept.items() if all(assigned[n.name] <= 1 for n in walk([value]) if n.is_var)
    }


def _assignments(function: Function) -> Iterator[Assign]:
    for item in items(function.body):
        if isinstance(item, Block):
            yield from (s for s in item.statements if isinstance(s, Assign))


def named_operands(
    operands: Iterable[Node],
    has_name: Callable[[Node], bool],
    parts: Callable[[Node], Sequence[Node]] = lambda node: node.args,
    depth: int = MAX_DEPTH,
) -> Iterator[Node]:
    """The operands that variables hold; for one that none holds, those inside of it."""
    for operand in operands:
        if operand.type.kind not in SIZED:
            continue
        if has_name(operand):
            yield operand
        elif depth > 1:
            yield from named_operands(parts(operand), has_name, parts, depth - 1)


def _name_of(node: Node, item: Item) -> tuple[str, Span | None]:
    """The variable that holds the node, and where it was assigned if that is in the same block; else ("", None)."""
    if node.is_var:
        return ("", None) if node.name.startswith(OWN) else (node.name, None)
    if isinstance(item, Block):
        for statement in item.statements:
            if isinstance(statement, Assign) and statement.value is node and not statement.target.startswith(OWN):
                return statement.target, statement.span
    # Assignments that nobody but this block needs are gone by now; the script's text still has them.
    span = item.spans.get(node)
    return _name_in_text(span) if span is not None and span.caller is None else ("", None)


def held_name(node: Node, item: Item) -> str:
    """The variable that holds the node in an item of the program, or held it as the script has it; "" if none does."""
    return _name_of(node, item)[0]


def _name_in_text(span: Span) -> tuple[str, Span | None]:
    before = span.source.line(span.line)[: span.column - 1]
    target = _TARGET.search(before)
    if target is None or not _END.match(span.source.text, span.end):
        return "", None
    start = span.start - len(before) + target.start(1)
    return target[1], Span(span.source, start, start + len(target[1]))


def inlined_calls(place: Span | None) -> list[Note]:
    """Where the function was called that code at this place was inlined from, innermost first."""
    calls: list[Note] = []
    while place is not None and place.caller is not None:
        title, place = place.caller
        calls.append((f"in {title}(), called at", place))
    return calls


def guilty_place(args: Sequence[Node], op: Op, spans: Spans, call: Span, message: str) -> Span:
    """The argument or index that a message names, if its place in the call is known; else the call."""
    named = _ARGUMENT.search(message) or _INDEX.search(message)
    guilty: Span | None = None
    for at, arg in enumerate(args if op.params else ()):
        place = spans.get(arg)
        if place is None or place.source is not call.source or not call.start <= place.start < place.end <= call.end:
            continue
        is_named = named is not None and op.param(at).name in (named[named.lastindex or 0], f"{named[1]}_end")
        if is_named or (named is None and _is_quoted(arg, message)):
            guilty = place if guilty is None else guilty.to(place)
    return call if guilty is None else replace(guilty, caller=call.caller)


def _is_quoted(arg: Node, message: str) -> bool:
    value = literal_value(arg) if arg.is_literal else None
    return isinstance(value, str) and value != "" and f"'{value}'" in message


def assignments_before(function: Function, item: Item) -> Places:
    """For each variable the assignments whose value it may have at the start of an item of the function."""
    search = _Search(item)
    search.region(function.body, {} if function.continues is None else assignments_before(*function.continues))
    return search.found


class _Search:
    def __init__(self, wanted: Item) -> None:
        self.wanted = wanted
        self.found: Places = {}

    def region(self, region: Region, known: Places) -> Places:
        for item in region:
            known = self.item(item, known)
        return known

    def item(self, item: Item, known: Places) -> Places:
        if item is self.wanted and not isinstance(item, While):
            self.found = known
        match item:
            case Block():
                return known | {
                    s.target: (s.span,)
                    for s in item.statements
                    if isinstance(s, Assign) and (s.value.op.name != WRITE or s.target not in known)
                }
            case If(outcome=None):
                return _either(self.region(item.then, known), self.region(item.orelse, known))
            case If():
                return self.region(item.then if item.outcome else item.orelse, known)
            case While():
                return self.repeated(lambda before: self.turn(item, before), known)
            case For():
                return self.repeated(lambda before: self.region(item.body, before), known)

    def turn(self, loop: While, known: Places) -> Places:
        known = self.region(loop.head, known)
        if loop is self.wanted:
            self.found = known
        return self.region(loop.body, known)

    def repeated(self, once: Callable[[Places], Places], known: Places) -> Places:
        while True:
            after = _either(known, once(known))
            if after == known:
                return known
            known = after


def _either(a: Places, b: Places) -> Places:
    return {name: tuple(dict.fromkeys((*a.get(name, ()), *b.get(name, ())))) for name in {**a, **b}}
