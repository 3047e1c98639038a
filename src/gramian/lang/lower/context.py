"""The state of lowering one function: its variables with their types, and the block that is being written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count

from gramian.errors import Diagnostic, OperationError, ScriptError, SizeError, did_you_mean
from gramian.ir import node as ir
from gramian.ir.node import Node
from gramian.ir.op import REGISTRY, Effect, Op
from gramian.ir.origins import Note, guilty_place, named_operands, size_notes
from gramian.ir.program import Assign, Block, Do, Item, Region, Statement
from gramian.ir.types import Type, join
from gramian.lang.files import File, Files, Signature
from gramian.lang.lower.foreign import VALUES
from gramian.settings import Settings
from gramian.source import Span


class Poisoned(Exception):  # noqa: N818 - it is no error of its own
    """An expression reads a variable whose assignment was wrong: that was reported already."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a variable. `type` is None if its assignment was wrong; `certain` if every path assigns it."""

    type: Type | None
    certain: bool
    span: Span


@dataclass
class Unit:
    """The state of compiling one program."""

    files: Files
    settings: Settings
    errors: list[Diagnostic] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)
    called: dict[str, Signature] = field(default_factory=dict)
    named: dict[str, Signature] = field(default_factory=dict)  # functions that arguments name, by their unique names
    # What was written so far, by file; None stands for files that are not known.
    written: dict[str | None, Type | None] = field(default_factory=dict)
    script_variables: set[str] = field(default_factory=set)  # known once the main script is lowered

    def number(self) -> int:
        return next(self.numbers)


class Context:
    """Writes the items of one region; nested regions are written by the same context, one after the other."""

    def __init__(self, unit: Unit, file: File, *, constant: bool = False, is_main: bool = False) -> None:
        self.unit = unit
        self.is_main = is_main
        self.file = file
        self.constant = constant  # for the default of a parameter
        self.entries: dict[str, Entry] = {}
        self.lost: set[str] = set()  # variables of the bodies of parfor loops
        self.temporaries: set[str] = set()
        self.depth = 0  # > 0 in code that may not run
        self._values: dict[str, Node] = {}
        self._statements: list[Statement] = []
        self._spans: dict[Node, Span] = {}
        self._items: list[Item] = []
        self.first_assigned: dict[str, Span] = {}

    # -- nodes ------------------------------------------------------------------------------------------------------

    def build(self, op: Op | str, args: Iterable[Node], span: Span, *attrs: object, type: Type | None = None) -> Node:
        """A node in the current block. Effects take their place in the order of statements.

        `type` is what is known of the result from elsewhere, for operators whose arguments do not say it.
        """
        record = REGISTRY[op] if isinstance(op, str) else op
        args = tuple(args)
        if record.effect is not Effect.PURE:
            attrs = (*attrs, self.unit.number())
        try:
            node = ir.build(record, args, attrs, lenient=self.depth > 0)
            node = node if type is None else ir.intern(record, node.args, attrs, type)
        except OperationError as error:
            place = self.culprit(record, args, span, error.message)
            notes = self._size_notes(args) if isinstance(error, SizeError) else ()
            raise ScriptError(Diagnostic(error.message, place, error.hint, notes)) from None
        return self.place(node, span)

    def _size_notes(self, args: tuple[Node, ...]) -> tuple[Note, ...]:
        names = {n: name for name, n in self._values.items() if not name.startswith("t__")}
        return size_notes(
            (
                (names[n], n.type.describe(), (self.entries[names[n]].span,))
                for n in named_operands(args, names.__contains__)
            ),
            "",
        )

    def culprit(self, op: Op, args: Sequence[Node], span: Span, message: str) -> Span:
        """The argument that a message about a call names, else the call."""
        return guilty_place(args, op, self._spans, span, message)

    def place(self, node: Node, span: Span) -> Node:
        """Note where a new node comes from; an effect takes its place in the order of statements."""
        self._spans.setdefault(node, span)
        if node.op.effect is Effect.ORDERED:
            self._statements.append(Do(node, span))
        return node

    def output(self, node: Node, index: int, span: Span) -> Node:
        return self.place(ir.output(node, index), span)

    # -- variables --------------------------------------------------------------------------------------------------

    def read(self, name: str, span: Span) -> Node:
        entry = self.entries.get(name)
        if self.constant:
            message = f"a default must be a constant expression, but '{name}' is a variable"
            raise ScriptError(Diagnostic(message, span))
        if entry is None:
            raise ScriptError(Diagnostic(f"variable '{name}' is not defined", span, self._hint(name)))
        if entry.type is None:
            raise Poisoned
        if name not in self._values:
            self._values[name] = ir.var(name, entry.type)
        value = self._values[name]
        self._spans.setdefault(value, span)
        return value

    def _hint(self, name: str) -> str | None:
        if name in VALUES:
            return VALUES[name]
        if name in self.unit.script_variables:
            return f"functions do not see the variables of the script; give it as an argument '{name}'"
        if name in self.lost:
            return "what a parfor assigns is gone after it; write results into cells of a matrix from before the loop"
        readable = [known for known in self.entries if not known.startswith("t__")]
        if hint := did_you_mean(name, readable):
            return hint
        record = REGISTRY.get(name)
        if name in self.file.functions or (record is not None and not record.internal):
            return f"'{name}' is a function, called as {name}(...)"
        return None

    def type_of(self, name: str) -> Type | None:
        entry = self.entries.get(name)
        return entry.type if entry else None

    def assign(self, name: str, value: Node, span: Span, *, origin: Span | None = None) -> None:
        """`origin` is where all of the value was assigned, if only a part is now."""
        self._statements.append(Assign(name, value, span))
        self._values[name] = value
        self.entries[name] = Entry(value.type, True, origin or span)
        self.first_assigned.setdefault(name, span)

    def poison(self, name: str, span: Span) -> None:
        """The value is wrong, which was reported: later uses of the variable are no errors of their own."""
        self._values.pop(name, None)
        known = self.entries.get(name)
        self.entries[name] = Entry(None, True, span) if known is None or known.type is None else known

    def temporary(self, value: Node, span: Span) -> str:
        """A new variable with that value, to carry it across blocks. Its name is nowhere in the script."""
        name = f"t__{self.unit.number()}"
        while name in self.file.script.source.text:
            name = f"t__{self.unit.number()}"
        self.temporaries.add(name)
        self.assign(name, value, span)
        return name

    # -- regions ----------------------------------------------------------------------------------------------------

    def close_block(self) -> None:
        if self._statements:
            self._items.append(Block(tuple(self._statements), self._spans))
        self._statements, self._spans, self._values = [], {}, {}

    def append(self, item: Item) -> None:
        self.close_block()
        self._items.append(item)

    @contextmanager
    def region(self) -> Iterator[list[Item]]:
        """Write a nested region: what is lowered inside ends up in the list. Its temporaries are forgotten after it."""
        self.close_block()
        known = set(self.entries)
        outer, self._items = self._items, []
        inner = self._items
        self.depth += 1
        try:
            yield inner
            self.close_block()
        finally:
            self._statements, self._spans, self._values = [], {}, {}
            gone = self.temporaries - known
            self.entries = {name: entry for name, entry in self.entries.items() if name not in gone}
            self._items = outer
            self.depth -= 1

    def finish(self) -> Region:
        self.close_block()
        done, self._items = tuple(self._items), []
        return done

    def take_pending(self) -> tuple[bool, dict[Node, Span]]:
        """Whether the current block has statements yet, and the places of its nodes."""
        return bool(self._statements), dict(self._spans)


def merge(a: dict[str, Entry], b: dict[str, Entry], span: Span) -> tuple[dict[str, Entry], dict[str, Diagnostic]]:
    """The variables after one of two paths, and an error for each variable whose kind differs on them."""
    merged: dict[str, Entry] = {}
    conflicts: dict[str, Diagnostic] = {}
    for name in {**a, **b}:
        if name not in a or name not in b:
            only = a.get(name) or b[name]
            # Neither value nor size may replace a variable that perhaps has none: reading it must fail then.
            merged[name] = replace(only, type=only.type and only.type.without_size(), certain=False)
            continue
        mine, other = a[name], b[name]
        if mine is other:
            merged[name] = mine
        elif mine.type is None or other.type is None:
            merged[name] = Entry(None, True, mine.span)
        elif mine.type.kind is not other.type.kind:
            conflicts[name] = _conflict(name, mine, other, span)
            merged[name] = Entry(None, True, mine.span)
        else:
            merged[name] = Entry(join(mine.type, other.type), mine.certain and other.certain, other.span)
    return merged, conflicts


def _conflict(name: str, mine: Entry, other: Entry, span: Span) -> Diagnostic:
    assert mine.type is not None
    assert other.type is not None
    return Diagnostic(
        f"variable '{name}' is {mine.type.describe()} on one path and {other.type.describe()} on another",
        span,
        "use two variables, or as.matrix() and as.scalar() to keep one kind",
        ((f"{mine.type.kind.value} assigned at", mine.span), (f"{other.type.kind.value} assigned at", other.span)),
    )
