"""Programs as DML scripts, which parse back: a plan can be read, compared and run.

>>> print(plan_text(program, types=True))
Y = t(X) %*% X  # matrix 100x100
print(sum(Y))

Functions of other files stand among the others, under their unique names. A value that is used more than once is named.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from gramian.ir.fused import unfused
from gramian.ir.join import is_barrier, join
from gramian.ir.lines import UPDATES, BlockLines, Line, Lines, Names, Surroundings
from gramian.ir.mapping import map_nodes
from gramian.ir.node import Node, absent, build, literal, var, walk
from gramian.ir.op import Effect
from gramian.ir.program import (
    Assign,
    Block,
    For,
    Function,
    If,
    Item,
    Parallel,
    Program,
    Region,
    While,
    assigned,
    item_roots,
    map_regions,
    nodes,
    regions,
)
from gramian.ir.syntax import Syntax, range_text
from gramian.ir.types import BOOLEAN, INT, STRING, UNKNOWN, Kind, ScalarValue, Type, ValueType, scalar
from gramian.source import Span

INDENT = "  "
LARGEST_TEST = 60  # operators


def plan_text(program: Program, *, types: bool = False) -> str:
    """The program as a DML script; with `types`, comments tell the types of the variables that a line assigns."""
    lines = [_written(line, types) for line in plan_lines(program) if line.role not in ("main", "block")]
    return "".join(text + "\n" for text in lines)


def plan_lines(
    program: Program, split: Callable[[Node], bool] = lambda node: False, *, pipelines: bool = False
) -> list[Line]:
    """The lines of the plan, with pipelines written as the expressions that they stand for, unless these are asked for.

    Nodes that `split` picks get a line of their own, wherever that is possible. With pipelines, blocks stay apart.
    """
    if not pipelines:
        program = map_nodes(program, unfused)
    out = Lines(Syntax(_printed_names(program), program.callable), split)
    for function in program.functions.values():
        FunctionLines(out, function, joined=not pipelines).write()
    out.add("", "main", program.main.span)
    FunctionLines(out, program.main, joined=not pipelines).write_body()
    return out.lines


def _written(line: Line, types: bool) -> str:
    text = INDENT * line.depth + line.text
    if types and line.role == "statement" and line.types:
        text += "  # " + ", ".join(map(type_text, line.types))
    return text


def type_text(type: Type) -> str:
    """The type for a reader: `matrix 100x5`, `matrix ?x5`, `int = 3`."""
    if type.kind is not Kind.SCALAR or type.known is None:
        return "scalar" if type == scalar(UNKNOWN) else str(type)
    value = Syntax({}, {}).inline(literal(type.known.value)).text
    return f"{type.value_type.value} = {value if len(value) <= 40 else value[:37] + '...'}"


# -- names -------------------------------------------------------------------------------------------------------------

_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)


def _printed_names(program: Program) -> dict[str, str]:
    """The functions' names, changed where they come from file names that are no names in DML."""
    printed: dict[str, str] = {}
    for name in sorted(program.functions, key=lambda n: _NAME.fullmatch(n) is None):
        wanted = name if _NAME.fullmatch(name) else "f_" + re.sub(r"\W", "_", name, flags=re.ASCII)
        number, base = 2, wanted
        while wanted in printed.values():
            wanted, number = f"{base}{number}", number + 1
        printed[name] = wanted
    return printed


def _variables(function: Function) -> set[str]:
    read = {n.name for n in nodes(function.body) if n.is_var or n.op.name == "exists"}
    return read | assigned(function.body) | {v.name for v in (*function.params, *function.outputs)}


# -- functions and control flow ----------------------------------------------------------------------------------------


class FunctionLines:
    """Writes one function; blocks that follow one another become one if they are to be joined."""

    def __init__(self, out: Lines, function: Function, *, joined: bool) -> None:
        self.joined = joined
        self.out = out
        self.syntax = out.syntax
        self.function = function
        self.names = Names(_variables(function))
        self.parfors: list[Parallel] = []

    def write(self) -> None:
        f = self.function
        name = self.syntax.functions[f.name]
        params = ", ".join(self.parameter(p.name, p.type, p.default) for p in f.params)
        outputs = ", ".join(self.parameter(o.name, o.type, None) for o in f.outputs)
        result = f" return ({outputs})" if f.outputs else ""
        if _is_external(f):
            self.out.add(
                f'{name} = externalFunction({params}){result} implemented in (classname = "")', "function", f.span
            )
        else:
            self.out.add(f"{name} = function({params}){result} {{", "function", f.span)
            with_lines = len(self.out.lines)
            self.out.depth += 1
            self.write_body()
            if len(self.out.lines) == with_lines:
                self.region((_never((), f.span),))  # DML has no functions without statements
            self.out.depth -= 1
            self.out.add("}", "end")
        self.out.add("", "end")

    def parameter(self, name: str, type: Type, default: Node | None) -> str:
        text = f"{declared_text(type)} {name}"
        return text if default is None else f"{text} = {self.syntax.inline(default).text}"

    def write_body(self) -> None:
        missing = _never_assigned(self.function)
        body = self.function.body
        if missing:
            body = (_never(missing, self.function.span), *body)
        self.region(straighten(body, self.names.fresh, joined=self.joined))

    def region(self, region: Region) -> None:
        for item in region:
            match item:
                case Block():
                    self.out.lines.append(Line(self.out.depth, "", "block", block=item))
                    BlockLines(self.out, self.names, item, self.surroundings()).write()
                case If():
                    self.branch(item, "")
                case While():
                    self.inside(f"while ({self.test(item.test)}) {{", "while", item.span, item.body, item.test)
                    self.out.add("}", "end")
                case For():
                    self.loop(item)

    def inside(self, head: str, role: str, span: Span | None, region: Region, test: Node | None = None) -> None:
        self.out.add(head, role, span, (), test)
        self.out.depth += 1
        self.region(region)
        self.out.depth -= 1

    def test(self, node: Node) -> str:
        return self.syntax.inline(node).text

    def branch(self, item: If, before: str) -> None:
        self.inside(f"{before}if ({self.test(item.test)}) {{", "if", item.span, item.then, item.test)
        match item.orelse:
            case ():
                self.out.add("}", "end")
            case (If() as chained,):
                self.branch(chained, "} else ")
            case _:
                self.inside("} else {", "else", item.span, item.orelse)
                self.out.add("}", "end")

    def loop(self, item: For) -> None:
        bounds = [self.syntax.inline(bound) for bound in item.bounds]
        over = range_text(*bounds) if item.step is None else f"seq({', '.join(b.text for b in bounds)})"
        if item.parallel is None:
            self.inside(f"for ({item.variable} in {over}) {{", "for", item.span, item.body, item.stop)
        else:
            # The check was made when the script was compiled; it may not understand the plan.
            workers = "" if item.parallel.workers is None else f", par={item.parallel.workers}"
            mode = {None: "", "LOCAL": ", mode=LOCAL", "REMOTE": ", mode=REMOTE_SPARK"}[item.parallel.mode]
            self.parfors.append(item.parallel)
            head = f"parfor ({item.variable} in {over}, check=0{workers}{mode}) {{"
            self.inside(head, "for", item.span, item.body, item.stop)
            self.parfors.pop()
        self.out.add("}", "end")

    def surroundings(self) -> Surroundings | None:
        if not self.parfors:
            return None
        added = frozenset(name for parfor in self.parfors for name in parfor.accumulators)
        return Surroundings(frozenset(self.parfors[-1].results), added)


def declared_text(type: Type) -> str:
    match type.kind:
        case Kind.SCALAR:
            return type.value_type.value
        case Kind.MATRIX:
            return "matrix[double]"
        case _:
            return f"{type.kind.value}[unknown]"


def _is_external(function: Function) -> bool:
    params = {p.name for p in function.params}
    return not function.body and any(o.name not in params and o.name not in function.assigned for o in function.outputs)


# -- what DML cannot say as the program has it -------------------------------------------------------------------------


def _never(assignments: tuple[Assign, ...], span: Span) -> If:
    """Code that is never run."""
    return If(literal(False), (Block(assignments, {}),) if assignments else (), (), span, {})


def _never_assigned(function: Function) -> tuple[Assign, ...]:
    """Assignments of the variables that are read where no statement before assigns them.

    Passes may remove assignments that are never run. The program then fails when it reads the variable, and so must
    the script, which would not even compile without an assignment.
    """
    types: dict[str, Type] = {}
    after = _reads(function.body, {p.name for p in function.params}, types)
    if not _is_external(function):
        types |= {o.name: o.type for o in function.outputs if o.name not in after}
    return tuple(Assign(name, _dummy(types[name]), function.span) for name in sorted(types))


def _reads(region: Region, assigned_before: set[str], unassigned: dict[str, Type]) -> set[str]:
    """Add the variables that the region reads unassigned, with their types; returns what is assigned after it."""
    known = set(assigned_before)
    for item in region:
        inside = known | assigned((item,)) if isinstance(item, While | For) else known
        for node in walk(item_roots(item)):
            if node.is_var and node.name not in (inside if isinstance(item, While) else known):
                unassigned.setdefault(node.name, node.type)
        after = [_reads(inner, inside, unassigned) for inner in regions(item)]
        if isinstance(item, Block):
            known |= assigned((item,))
        elif not (isinstance(item, For) and item.parallel is not None):
            known = known.union(*after)
    return known


def _dummy(type: Type) -> Node:
    if type.kind is Kind.MATRIX:
        return build("matrix", [literal(0), literal(0), literal(0), literal(True)])
    if type.kind is Kind.LIST:
        return build("list", [], ((),))
    if type.kind is Kind.FRAME:
        return build("as.frame", [literal(0), absent()])
    values: Mapping[ValueType, ScalarValue] = {INT: 0, BOOLEAN: False, STRING: ""}
    return literal(values.get(type.value_type, 0.0))


def straighten(region: Region, fresh: Callable[[], str], *, joined: bool = True) -> Region:
    """The same region as DML can write it: short tests, loops without heads, blocks joined if wanted."""
    parts = [part for item in region for part in _straight(item, fresh, joined=joined)]
    return _joined(parts) if joined else tuple(p for p in parts if not isinstance(p, Block) or p.statements)


def _straight(item: Item, fresh: Callable[[], str], *, joined: bool) -> Iterator[Item]:
    match item:
        case While() if item.head or not _is_short((item.test,)):
            head, test = item.head, item.test
            if not _is_short((test,)):
                (block,), (test,) = _aside((test,), item, fresh)
                head = (*head, block)
            yield from (part for inner in head for part in _straight(inner, fresh, joined=joined))
            yield replace(item, head=(), test=test, body=straighten((*item.body, *head), fresh, joined=joined))
            return
        case If() if not _is_short((item.test,)):
            before, (test,) = _aside((item.test,), item, fresh)
            yield from before
            item = replace(item, test=test)
        case For() if not _is_short(item.bounds):
            before, bounds = _aside(item.bounds, item, fresh)
            yield from before
            item = replace(item, start=bounds[0], stop=bounds[1], step=bounds[2] if item.step is not None else None)
    yield map_regions(item, lambda inner: straighten(inner, fresh, joined=joined))


def _aside(roots: tuple[Node, ...], item: If | While | For, fresh: Callable[[], str]) -> tuple[Region, list[Node]]:
    """A block that puts expressions into new variables, and these."""
    names = [fresh() for _ in roots]
    statements = [Assign(name, root, item.spans.get(root, item.span)) for name, root in zip(names, roots, strict=True)]
    return (Block(tuple(statements), item.spans),), [
        var(name, root.type) for name, root in zip(names, roots, strict=True)
    ]


def _is_short(roots: tuple[Node, ...]) -> bool:
    """Can the expressions stand in a head? Pure nodes that are shared there may be written more than once."""
    sizes: dict[Node, int] = {}
    once: set[Node] = set()  # what must not be written twice
    users: Counter[Node] = Counter(roots)
    for node in walk(roots):
        users.update(node.args)
        sizes[node] = 1 + sum(sizes[arg] for arg in node.args)
        if node.op.name in UPDATES or node.type.kind is Kind.TUPLE:
            return False
        if node.op.effect is not Effect.PURE or not once.isdisjoint(node.args):
            once.add(node)
    return sum(sizes[root] for root in roots) <= LARGEST_TEST and all(users[node] == 1 for node in once)


def _joined(region: list[Item]) -> Region:
    joined: list[Item] = []
    for item in region:
        before = joined[-1] if joined else None
        if isinstance(item, Block) and isinstance(before, Block) and not (is_barrier(item) or is_barrier(before)):
            joined[-1] = join([before, item])
        elif not isinstance(item, Block) or item.statements:
            joined.append(item)
    return tuple(joined)
