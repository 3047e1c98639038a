"""Programs: functions whose bodies are regions of blocks and control flow.

A block is straight-line code: an ordered tuple of assignments and effects over shared nodes. Nodes never reach across
blocks; values pass from block to block in variables. Beside its nodes a block keeps the places in the source that they
come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from gramian.ir.node import CALL, Node, walk
from gramian.ir.op import Effect
from gramian.ir.types import Type
from gramian.source import Source, Span

Spans = Mapping[Node, Span]


@dataclass(frozen=True, slots=True)
class Assign:
    """`target = value`"""

    target: str
    value: Node
    span: Span


@dataclass(frozen=True, slots=True)
class Do:
    """An effect, at its place in the order of statements; later statements may use its results."""

    value: Node
    span: Span


Statement = Assign | Do


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    statements: tuple[Statement, ...]
    spans: Spans

    @property
    def roots(self) -> Iterator[Node]:
        return (s.value for s in self.statements)


@dataclass(frozen=True, slots=True, eq=False)
class If:
    test: Node
    then: Region
    orelse: Region
    span: Span
    spans: Spans

    @property
    def outcome(self) -> bool | None:
        """That of the test, if it is known."""
        return outcome(self.test)


@dataclass(frozen=True, slots=True, eq=False)
class While:
    """`head` is run before each evaluation of the test; it holds what the test needs beyond pure expressions."""

    head: Region
    test: Node
    body: Region
    span: Span
    spans: Spans


@dataclass(frozen=True, slots=True)
class Parallel:
    """What makes a `for` a `parfor`.

    `results` are the variables that outlive it, `accumulators` those of them that iterations add to, `initial` the other
    variables that the body assigns and that have a value before; `workers` is how many were asked for, `mode` whether they
    are to be on a cluster: LOCAL, REMOTE, or None if the script does not say. Iterations of an `ordered` one run one after
    the other, since without the dependency check they may do what workers cannot do apart.
    """

    results: tuple[str, ...]
    accumulators: tuple[str, ...]
    initial: tuple[str, ...]
    workers: int | None
    ordered: bool = False
    mode: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class For:
    """`for (variable in seq(start, stop, step))`; without a step it is 1 or -1, towards `stop`."""

    variable: str
    start: Node
    stop: Node
    step: Node | None
    body: Region
    span: Span
    spans: Spans
    parallel: Parallel | None = None

    @property
    def bounds(self) -> tuple[Node, ...]:
        return (self.start, self.stop) if self.step is None else (self.start, self.stop, self.step)

    @property
    def surely_runs(self) -> bool:
        """Has the loop at least one iteration? Without a step it has."""
        if self.step is None:
            return True
        first, last, by = (bound.type.int_value() for bound in self.bounds)
        if first is None or last is None or by is None:
            return False
        return first <= last if by > 0 else by < 0 and first >= last


Item = Block | If | While | For
Region = tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A parameter or output of a function as declared."""

    name: str
    type: Type
    default: Node | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """`name` is unique in the program, `title` what the user calls it. Parameters and outputs keep their order.

    A function that is the rest of another, from some item on, says so in `continues`.
    """

    name: str
    title: str
    params: tuple[Variable, ...]
    outputs: tuple[Variable, ...]
    body: Region
    span: Span
    assigned: Mapping[str, Span] = field(default_factory=dict)
    continues: tuple[Function, Item] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """The main function and all functions that it may call, by their unique names.

    `callable` maps the names that eval() accepts to unique names.
    """

    source: Source
    main: Function
    functions: Mapping[str, Function]
    callable: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_functions(self) -> tuple[Function, ...]:
        return (self.main, *self.functions.values())


def outcome(test: Node) -> bool | None:
    """What a test gives, if that is known."""
    value = test.type.value
    return None if value is None or isinstance(value, str) else bool(value)


def items(region: Region) -> Iterator[Item]:
    """Every item of a region and of the regions inside, outermost first."""
    for item in region:
        yield item
        for inner in regions(item):
            yield from items(inner)


def regions(item: Item) -> tuple[Region, ...]:
    match item:
        case Block():
            return ()
        case If(then=then, orelse=orelse):
            return then, orelse
        case While(head=head, body=body):
            return head, body
        case For(body=body):
            return (body,)


def item_roots(item: Item) -> tuple[Node, ...]:
    """The nodes that an item itself evaluates, without those of the regions inside."""
    match item:
        case Block():
            return tuple(item.roots)
        case If(test=test) | While(test=test):
            return (test,)
        case For():
            return item.bounds


def nodes(region: Region) -> Iterator[Node]:
    """The nodes of every item of a region; a node may come up once in each item."""
    for item in items(region):
        yield from walk(item_roots(item))


def calls(function: Function) -> Iterator[Node]:
    """The calls of functions of the program; like all effects they are listed in blocks."""
    for item in items(function.body):
        if isinstance(item, Block):
            yield from (s.value for s in item.statements if isinstance(s, Do) and s.value.op is CALL)


def assigned(region: Region) -> set[str]:
    """The variables that a region may assign."""
    names: set[str] = set()
    for item in items(region):
        if isinstance(item, Block):
            names.update(s.target for s in item.statements if isinstance(s, Assign))
        elif isinstance(item, For):
            names.add(item.variable)
    return names


def map_regions(item: Item, change: Callable[[Region], Region]) -> Item:
    """The item with its inner regions changed."""
    match item:
        case Block():
            return item
        case If():
            return replace(item, then=change(item.then), orelse=change(item.orelse))
        case While():
            return replace(item, head=change(item.head), body=change(item.body))
        case For():
            return replace(item, body=change(item.body))


def map_functions(program: Program, change: Callable[[Function], Function]) -> Program:
    return replace(
        program,
        main=change(program.main),
        functions={name: change(function) for name, function in program.functions.items()},
    )


def pure_functions(program: Program) -> set[str]:
    """The functions whose calls have no effect but their results."""
    effects = {name: list(_effects(function)) for name, function in program.functions.items()}
    impure = {name for name, found in effects.items() if any(n.op is not CALL for n in found)}
    while True:
        more = {
            name
            for name, found in effects.items()
            if name not in impure and any(n.op is CALL and n.attrs[0] in impure for n in found)
        }
        if not more:
            return set(effects) - impure
        impure |= more


def _effects(function: Function) -> Iterator[Node]:
    return (n for n in nodes(function.body) if n.op.effect is not Effect.PURE)
