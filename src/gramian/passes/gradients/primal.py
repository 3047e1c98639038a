"""The function itself, with a variable for each assignment and the functions that it calls written out.

No variable is overwritten while adjoints may still read it, but for those that iterations of a loop pass on, which the
loop keeps on tapes. What an iteration needs besides is computed again from these when its adjoint runs; random numbers
and other results of effects are recorded the first time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gramian.errors import Diagnostic, ScriptError
from gramian.ir.liveness import liveness, names_read
from gramian.ir.node import CALL, OUTPUT, Node, build, intern, literal, output, rebuild, walk
from gramian.ir.op import Effect
from gramian.ir.program import (
    Assign,
    Block,
    Do,
    For,
    Function,
    If,
    Item,
    Region,
    While,
    assigned,
    items,
    nodes,
    outcome,
)
from gramian.ir.types import INT, LIST, NOTHING, Kind, Type, join, scalar
from gramian.passes.gradients.frames import Effects, Frame
from gramian.passes.gradients.pieces import Branch, Loop, Piece, Straight
from gramian.passes.gradients.variables import Variables, appended, empty_list, entry, placeholder
from gramian.source import Span

Places = Mapping[Node, Span]


class Primal:
    """Writes the pieces of a function."""

    def __init__(self, variables: Variables, frame: Frame, effects: Effects, *, reversible: bool = True) -> None:
        self.variables = variables
        self.frame = frame
        self.effects = effects
        self.reversible = reversible
        self.pieces: list[Piece] = []
        self.current: Straight | None = None
        self.activity: dict[Node, bool] = {}
        # The nodes of the item that is being written, by those of the script, and the piece that each belongs to.
        self.known: dict[Node, tuple[Straight, Node]] = {}
        self.places: Places = {}
        self.results: dict[Node, list[str]] = {}  # of calls and effects with several results

    # -- the piece that is being written ----------------------------------------------------------------------------

    def straight(self) -> Straight:
        if self.current is None:
            self.current = Straight(self.frame.place(self.frame.function.span))
            self.pieces.append(self.current)
        return self.current

    def close(self) -> None:
        self.current = None

    def read(self, name: str) -> Node:
        """A variable's value in the current piece."""
        current = self.straight()
        return current.values[name] if name in current.values else self.variables.read(name)

    def define(self, stem: str, value: Node, span: Span) -> str:
        """A new variable with that value."""
        name = self.variables.fresh(stem, value.type, own=self.frame.within is not None)
        self.straight().define(name, value, span)
        if value.type.known:
            self.variables.types[name] = value.type  # it is assigned only here
        if self.variables.is_active(value, self.activity):
            self.variables.active.add(name)
        return name

    # -- expressions ------------------------------------------------------------------------------------------------

    def value(self, root: Node) -> Node:
        """A node of the script in terms of the variables here."""
        for node in walk([root]):
            if node not in self.known:
                made = self._node(node)
                current = self.straight()
                self.known[node] = current, made
                if node in self.places:
                    current.spans.setdefault(made, self.frame.place(self.places[node]))
        return self._known(root)

    def _known(self, node: Node) -> Node:
        piece, made = self.known[node]
        return made if piece is self.straight() else piece.save(made, self.variables)

    def _node(self, node: Node) -> Node:
        if node.is_var:
            return self._variable(node)
        if node.op is OUTPUT and node.args[0] in self.results:
            return self.read(self.results[node.args[0]][node.attrs[0]])
        if node in self.results:
            return self.read(self.results[node][0]) if node.type.kind is not Kind.TUPLE else node
        args = tuple(self._known(arg) for arg in node.args)
        if node.op.name == "exists":
            raise ScriptError(Diagnostic("exists() cannot be asked in a function to differentiate", self._place(node)))
        if node.op.effect is Effect.FRESH:
            return self._effect(node, args)
        return node if args == node.args else rebuild(node, args)

    def _variable(self, node: Node) -> Node:
        if node.name not in self.frame.values:
            # It is assigned on no path that was taken: reading it fails.
            self.frame.values[node.name] = self.define(node.name, placeholder(node.type), self._place(node))
        return self.read(self.frame.values[node.name])

    def _place(self, node: Node) -> Span:
        return self.frame.place(self.places.get(node, self.frame.function.span))

    # -- statements -------------------------------------------------------------------------------------------------

    def region(self, region: Region) -> None:
        for item in region:
            match item:
                case Block():
                    self.block(item)
                case If():
                    self.branch(item)
                case While() | For():
                    self.loop(item)

    def _begin(self, item: Item) -> None:
        """The nodes of an item read the variables as they are when it starts."""
        self.known = {}
        self.places = item.spans

    def block(self, block: Block) -> None:
        self._begin(block)
        for node in walk(block.roots):
            if node.is_var:
                self.value(node)
        for statement in block.statements:
            if isinstance(statement, Assign):
                span = self.frame.place(statement.span)
                name = self.define(statement.target, self.value(statement.value), span)
                self.frame.values[statement.target] = name
            elif statement.value.op is CALL:
                self.call(statement)
            else:
                self.effect(statement)

    def effect(self, statement: Do) -> None:
        node = statement.value
        self._effect(node, self._arguments(node))

    def _arguments(self, node: Node) -> tuple[Node, ...]:
        for arg in node.args:
            self.value(arg)
        return tuple(self._known(arg) for arg in node.args)

    def _effect(self, node: Node, args: tuple[Node, ...]) -> Node:
        """Something that happens once, with the variables for its results."""
        span = self._place(node)
        self._check_effect(node, args, span)
        count = len(node.type.items) if node.type.kind is Kind.TUPLE else 1
        if self.effects.again:
            types = node.type.items if node.type.kind is Kind.TUPLE else (node.type,)
            self.results[node] = [self._replayed(type, span) for type in types]
        else:
            made = intern(node.op, args, (*node.attrs[:-1], next(self.variables.orders)), node.type)
            current = self.straight()
            current.spans.setdefault(made, span)
            if node.op.effect is Effect.ORDERED:
                current.do(made, span)
            values = [output(made, at) for at in range(count)] if node.type.kind is Kind.TUPLE else [made]
            self.results[node] = [self.define("v", value, span) for value in values]
        for name in self.results[node]:
            self._record(name, span)
        return self.read(self.results[node][0]) if self.results[node] else literal(0)

    def _check_effect(self, node: Node, args: Sequence[Node], span: Span) -> None:
        gives = any(t.kind is Kind.MATRIX or t.is_numeric for t in (node.type, *node.type.items))
        if gives and any(self.variables.is_active(arg, self.activity) for arg in args):
            hint = None
            if node.op.calls_by_name:
                hint = "call the function by its name"
            elif node.op.effect is Effect.FRESH:
                hint = "draw standard numbers, and scale and shift them"
            raise ScriptError(Diagnostic(f"{node.op.name}() has no derivative", span, hint))

    def _replayed(self, type: Type, span: Span) -> str:
        assert self.effects.replay is not None
        record, taken = self.effects.replay
        self.close()
        position = build("+", [self.variables.read(taken), literal(1)])
        self.straight().assign(taken, position, span)
        self.close()
        return self.define("v", entry(self.variables.read(record), self.variables.read(taken), type), span)

    def _record(self, name: str, span: Span) -> None:
        if self.effects.record is not None:
            value = self.read(name)
            self.close()
            value = self.read(name)
            tape = self.variables.read(self.effects.record)
            self.straight().assign(self.effects.record, appended(tape, value), span)
            self.close()

    def call(self, statement: Do) -> None:
        node = statement.value
        function = self.variables.program.functions[node.attrs[0]]
        self._check_call(function, statement.span)
        frame = Frame(function, liveness(function), {}, self.frame, statement.span)
        outer = self.frame, self.known, self.places
        args = self._arguments(node)
        self.frame = frame
        for param, arg in zip(function.params, args, strict=True):
            frame.values[param.name] = self.define(param.name, arg, outer[0].place(statement.span))
        self.region(function.body)
        self._begin(Block((), {}))
        results = []
        for out in function.outputs:
            if out.name not in frame.values:
                frame.values[out.name] = self.define(out.name, placeholder(out.type), frame.place(function.span))
            results.append(frame.values[out.name])
        self.frame, self.known, self.places = outer
        self.results[node] = results

    def _check_call(self, function: Function, span: Span) -> None:
        frame: Frame | None = self.frame
        while frame is not None:
            if frame.function is function:
                raise ScriptError(
                    Diagnostic(
                        f"{function.title}() calls itself, and cannot be differentiated",
                        self.frame.place(span),
                        "write it with a loop",
                    )
                )
            frame = frame.within
        if not function.body and any(o.name not in {p.name for p in function.params} for o in function.outputs):
            raise ScriptError(Diagnostic(f"{function.title}() is not written in DML", self.frame.place(span)))

    # -- branches ---------------------------------------------------------------------------------------------------

    def branch(self, item: If) -> None:
        self._begin(item)
        test = self.value(item.test)
        taken = outcome(test)
        if taken is not None:
            self.region(item.then if taken else item.orelse)
            return
        span = self.frame.place(item.span)
        held = self.variables.read(self.define("test", test, span))
        before = dict(self.frame.values)
        then, after_then = self._side(item.then)
        self.frame.values = before
        orelse, after_orelse = self._side(item.orelse)
        merged = dict(before)
        for name in sorted(self.frame.live.after[item]):
            found = after_then.get(name), after_orelse.get(name)
            if found[0] is not None and found[0] == found[1]:
                merged[name] = found[0]
            elif found != (None, None):
                merged[name] = self._merged(name, found, (then, orelse), span)
        self.frame.values = merged
        self.pieces.append(Branch(held, then, orelse, span))

    def _side(self, region: Region) -> tuple[list[Piece], dict[str, str]]:
        outer, self.pieces = self.pieces, []
        self.frame.values = dict(self.frame.values)
        self.close()
        self.region(region)
        self.close()
        found, self.pieces = self.pieces, outer
        return found, self.frame.values

    def _merged(
        self, name: str, found: tuple[str | None, str | None], sides: tuple[list[Piece], list[Piece]], span: Span
    ) -> str:
        """A variable with the value of one of two, assigned at the end of each side."""
        types = [self.variables.types[side] for side in found if side is not None]
        type = join(types[0], types[-1])
        made = self.variables.fresh(name, type)
        for side, pieces in zip(found, sides, strict=True):
            last = Straight(span)
            last.assign(made, self.variables.read(side) if side is not None else placeholder(type), span)
            pieces.append(last)
            if side in self.variables.active:
                self.variables.active.add(made)
        return made

    # -- loops ------------------------------------------------------------------------------------------------------

    def loop(self, item: For | While) -> None:
        """A loop passes on in variables of its own what is assigned in one iteration and read in a later one."""
        span = self.frame.place(item.span)
        bounds, test = self._head(item, span)
        carried = self._carried(item, test, span)
        outside = dict(self.frame.values)
        count = self.variables.fresh("count", scalar(INT))
        record, marks = None, None
        effects = self.effects
        if self.reversible and _has_effects(item, self.variables):
            record, marks = self.variables.fresh("record", LIST), self.variables.fresh("marks", LIST)
            self.straight().assign(record, empty_list(), span)
            effects = replace(effects, record=record)
        self.close()
        while True:
            variable = self.variables.fresh(item.variable, scalar(INT)) if isinstance(item, For) else None
            body, end = self.iteration(item, {**outside, **carried}, variable, effects, test, reversible=False)
            more = {carried[n] for n in carried if end[n] in self.variables.active} - self.variables.active
            wider = self._wider(carried, end)
            if not more and not wider:
                break
            self.variables.active |= more
        last = Straight(span)
        for name, mine in carried.items():
            last.assign(mine, self.variables.read(end[name]), span)
        body.append(last)
        self.pieces.append(Loop(item, self.frame, variable, bounds, test, carried, body, outside, count, record, marks))
        local = assigned((item,)) - set(outside)
        self.frame.values = {n: v for n, v in outside.items() if n not in local} | carried

    def _wider(self, carried: Mapping[str, str], end: Mapping[str, str]) -> bool:
        """Let the types of what a loop passes on cover those at the end of its body; was anything new?"""
        types, changed = self.variables.types, False
        for name, mine in carried.items():
            wide = join(types[mine], types[end[name]])
            if wide != types[mine]:
                types[mine], changed = wide, True
        return changed

    def _head(self, item: For | While, span: Span) -> tuple[tuple[Node, ...], Node | None]:
        if isinstance(item, For):
            self._begin(item)
            names = [self.define("bound", self.value(bound), span) for bound in item.bounds]
            return tuple(self.variables.read(name) for name in names), None
        self.region(item.head)
        self._begin(item)
        value = self.value(item.test)
        test = self.variables.fresh("test", value.type)
        self.straight().assign(test, value, span)
        return (), self.variables.read(test)

    def _carried(self, item: For | While, test: Node | None, span: Span) -> dict[str, str]:
        carried: dict[str, str] = {}
        types = _types(item)
        for name in sorted(assigned((item,)) & self._passed_on(item)):
            before = self.frame.values.get(name)
            type = types.get(name, scalar(INT))
            value = self.read(before) if before is not None else placeholder(type)
            mine = self.variables.fresh(name, value.type)
            carried[name] = mine
            self.straight().assign(mine, value, span)
            if before in self.variables.active:
                self.variables.active.add(mine)
        return carried

    def _passed_on(self, item: For | While) -> set[str]:
        """What is read after the loop, or may be read before it is assigned in an iteration."""
        live = self.frame.live
        after = set(live.after[item])
        if isinstance(item, While):
            inside = (*item.head, *item.body)
            return after | set(live.before[inside[0]] if inside else ()) | names_read([item.test])
        if item.parallel is not None:
            return set(item.parallel.results)
        return after | (set(live.before[item.body[0]] if item.body else ()) - {item.variable})

    def iteration(
        self,
        item: For | While,
        values: Mapping[str, str],
        variable: str | None,
        effects: Effects,
        test: Node | None,
        *,
        reversible: bool,
    ) -> tuple[list[Piece], dict[str, str]]:
        """One iteration from given variables, and the variables at its end."""
        inner = Primal(self.variables, replace(self.frame, values=dict(values)), effects, reversible=reversible)
        if variable is not None and isinstance(item, For):
            inner.frame.values[item.variable] = variable
        inner.region(item.body)
        if isinstance(item, While):
            inner.region(item.head)
            if test is not None:
                inner._begin(item)
                inner.straight().assign(test.name, inner.value(item.test), self.frame.place(item.span))
        return inner.pieces, inner.frame.values


def _types(item: Item) -> dict[str, Type]:
    """The types of the variables of a loop, as they are read, or else assigned."""
    types = {n.name: n.type for n in nodes((item,)) if n.is_var}
    for inner in items((item,)):
        for s in inner.statements if isinstance(inner, Block) else ():
            if isinstance(s, Assign):
                types.setdefault(s.target, s.value.type)
    return types


def _has_effects(item: Item, variables: Variables) -> bool:
    """Are there results in the item that cannot be computed again?"""
    todo: list[Region] = [(item,)]
    seen: set[str] = set()
    while todo:
        for node in nodes(todo.pop()):
            if node.op is CALL:
                if node.attrs[0] not in seen:
                    seen.add(node.attrs[0])
                    todo.append(variables.program.functions[node.attrs[0]].body)
            elif node.op.effect is not Effect.PURE and node.type != NOTHING:
                return True
    return False
