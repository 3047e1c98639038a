"""The statements of a block as lines of DML: what is used more than once gets a variable, effects keep their order.

Every node is written exactly once. The writer knows at each point which variables hold the value of which node, so that
a value whose variable is about to be overwritten moves to a new one first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from gramian.ir.fused import FUSED, Memo, fused_node, opened, pipeline_of, unfused
from gramian.ir.node import OUTPUT, Node, transform, var, walk
from gramian.ir.op import Effect
from gramian.ir.program import Assign, Block, Do, Statement
from gramian.ir.syntax import ATOM, MINUS, Piece, Syntax, subscripts
from gramian.ir.types import Kind, Type
from gramian.source import Span

UPDATES = ("leftIndex", "listAssign")
DEEPEST = 40  # expressions that nest deeper are cut into several lines


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plan. `types` are those of the variables that it assigns, `node` is what it computes, or tests.

    `role` is "statement"; "function", "if", "else", "for", "while" and "end" for the lines around regions; "main" and
    "block" for lines that are not printed, before the main script and before the statements of `block`; "pipeline"
    before the lines of the operators in a pipeline, which end with "end"; their nodes are those without any fusion.
    """

    depth: int
    text: str
    role: str = "statement"
    types: tuple[Type, ...] = ()
    span: Span | None = None
    node: Node | None = None
    block: Block | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a block needs to know of the parfor around it: its results, and those that iterations add to."""

    results: frozenset[str]
    accumulators: frozenset[str]


class Names:
    """The names of one function's variables: those of the program, and new ones."""

    def __init__(self, variables: Iterable[str]) -> None:
        self.variables = frozenset(variables)
        self._count = 0

    def fresh(self) -> str:
        while True:
            self._count += 1
            name = f"t{self._count}"
            if name not in self.variables:
                return name


@dataclass
class Lines:
    """Lines that are written. `split` picks the nodes that get a line of their own."""

    syntax: Syntax
    split: Callable[[Node], bool] = lambda node: False
    lines: list[Line] = field(default_factory=list)
    depth: int = 0

    def add(
        self, text: str, role: str, span: Span | None = None, types: Iterable[Type] = (), node: Node | None = None
    ) -> None:
        self.lines.append(Line(self.depth, text, role, tuple(types), span, node))


def result_of(node: Node, outputs: dict[int, Node]) -> Node | None:
    """The node that stands for the result of a call with an effect: itself, its only output, or nothing."""
    if node.type.kind is not Kind.TUPLE:
        return node
    return outputs.get(0) if len(node.type.items) == 1 else None


def _is_cheap(node: Node) -> bool:
    """Leaves and such things as `as.double(3)`: clearer than a variable wherever they are used."""
    return (
        node.op.effect is Effect.PURE
        and all(arg.is_literal for arg in node.args)
        and (node.type.is_scalar or not node.args)
    )


class BlockLines:
    """Writes the lines of one block."""

    def __init__(self, out: Lines, names: Names, block: Block, parfor: Surroundings | None) -> None:
        self.out = out
        self.names = names
        self.parfor = parfor
        self.block = block
        self.statements = block.statements
        self.statement = self.statements[0]
        self.uses: Counter[Node] = Counter(s.value for s in self.statements)  # consumers that are still to be written
        self.outputs: dict[Node, dict[int, Node]] = {}  # the outputs of a node with several that are used
        self.holders: dict[Node, list[str]] = {}  # the variables that hold the value of a node
        self.held: dict[str, list[Node]] = {}  # the nodes whose value is in a variable
        self.waiting: list[Node] = []  # effects that the next statement may contain
        self.operands: dict[Node, list[Piece]] = {}  # of pipelines that the next line computes
        for node in walk(block.roots):
            self.uses.update(node.args)
            if node.is_var:
                self.hold(node.name, node)
            elif node.op is OUTPUT:
                self.outputs.setdefault(node.args[0], {})[node.attrs[0]] = node

    def write(self) -> None:
        at = 0
        while at < len(self.statements):
            self.statement = self.statements[at]
            at += self.write_statement(self.statement, at)

    def write_statement(self, statement: Statement, at: int) -> int:
        """Write the statement at a position; returns how many statements that covers."""
        if isinstance(statement, Do):
            return 1 + self.effect(statement.value, at + 1)
        self.settle([statement.value])
        if self.is_one_of_several(statement.value) and not self.holders.get(statement.value):
            return self.take(statement.value.args[0], at)
        self.assign(statement.target, statement.value)
        return 1

    def line(self, text: str, types: Iterable[Type] = (), node: Node | None = None) -> None:
        inner = None if node is None or node is self.statement.value else self.block.spans.get(node)
        span = inner or self.statement.span
        fused = fused_node(node)
        if fused is None or fused not in self.operands:
            self.out.add(text, "statement", span, types, node)
            return
        self.out.add(text, "pipeline", span, types, fused)
        self.inside(fused, text.partition(" = ")[0].strip("[]").split(", "), span)

    def inside(self, fused: Node, targets: Sequence[str], span: Span) -> None:
        """Write the operators of a pipeline, with the names that its operands have here."""
        pipeline = pipeline_of(fused)
        names = [piece.at(ATOM) for piece in self.operands.pop(fused)]
        types = [arg.type.without_value() for arg in fused.args]
        shown = opened(pipeline, [var(name, type) for name, type in zip(names, types, strict=True)])
        memo: Memo = {}
        known = opened(pipeline, [transform(arg, unfused, memo) for arg in fused.args])
        spans = {shown[n]: place for n in pipeline.nodes if (place := self.block.spans.get(known[n])) is not None}
        # Operands that are overwritten by a result come last, so that nobody has to save them.
        results = sorted(zip(targets, pipeline.roots, strict=False), key=lambda result: result[0] in names)
        statements = [Assign(target, shown[root], spans.get(shown[root], span)) for target, root in results]
        members = {shown[n] for n in pipeline.nodes}
        lines = self.out.lines
        start = len(lines)
        out = Lines(self.out.syntax, members.__contains__, lines, self.out.depth + 1)
        BlockLines(out, self.names, Block(tuple(statements), spans), None).write()
        unshown = {node: known[n] for n, node in shown.items()}
        lines[start:] = [replace(line, node=unshown.get(line.node) if line.node else None) for line in lines[start:]]
        self.out.add("", "end")

    # -- which variable holds what ----------------------------------------------------------------------------------

    def hold(self, name: str, node: Node) -> None:
        if node.is_literal:
            return  # 5 stays 5 where some variable happens to have that value
        self.holders.setdefault(node, []).append(name)
        self.held.setdefault(name, []).append(node)

    def store(self, name: str, node: Node, text: str) -> None:
        """Write the assignment of a node to a variable."""
        if name in self.holders.get(node, ()):
            self.line(text, (node.type,), node)
            return
        self.vacate(name)
        self.line(text, (node.type,), node)
        self.release(name)
        self.hold(name, node)

    def vacate(self, name: str) -> None:
        """The variable is about to be overwritten: what is still needed of it moves to a new one."""
        needed = [n for n in self.held.get(name, ()) if self.uses[n] > 0 and self.holders[n] == [name]]
        if needed:
            refuge = self.names.fresh()
            self.line(f"{refuge} = {name}", (needed[0].type,))
            for node in needed:
                self.hold(refuge, node)

    def release(self, name: str) -> None:
        for node in self.held.pop(name, ()):
            self.holders[node].remove(name)

    # -- expressions ------------------------------------------------------------------------------------------------

    def operand(self, node: Node) -> Piece:
        """The node for one consumer."""
        self.uses[node] -= 1
        return self.piece(node)

    def piece(self, node: Node) -> Piece:
        held = self.holders.get(node)
        if held:
            return Piece(held[0])
        if node.op is not FUSED:
            return self.out.syntax.render(node, self.operand)
        operands = self.operands[node] = [self.operand(arg) for arg in node.args]
        return Piece(f"pipeline({', '.join(piece.text for piece in operands)})")

    def is_one_of_several(self, node: Node) -> bool:
        return node.op is OUTPUT and len(node.args[0].type.items) > 1

    def needs_variable(self, node: Node) -> bool:
        """Must the node stand in a variable before something else can use it?"""
        if node.type.kind is Kind.TUPLE or _is_cheap(node):
            return False
        if node.op.name in UPDATES or self.is_one_of_several(node) or fused_node(node) is not None:
            return True
        return self.uses[node] > 1 or self.out.split(node)

    def unwritten(self, roots: Iterable[Node]) -> list[Node]:
        """The nodes below the roots that no variable holds, arguments first."""
        found: dict[Node, None] = {}
        stack = [(root, False) for root in reversed(list(roots))]
        while stack:
            node, ready = stack.pop()
            if node in found or self.holders.get(node):
                continue
            if ready:
                found[node] = None
            else:
                stack.append((node, True))
                stack.extend((arg, False) for arg in reversed(node.args))
        return list(found)

    def prepare(self, roots: Iterable[Node], top: Node | None = None) -> None:
        """Write lines for all inner nodes of an expression that must stand in variables; `top` itself does not."""
        heights: dict[Node, int] = {}
        for node in self.unwritten(roots):
            height = 1 + max((heights.get(arg, 0) for arg in node.args), default=0)
            if node is not top and not self.holders.get(node):
                deep = height >= DEEPEST and node.type.kind is not Kind.TUPLE
                if deep or self.needs_variable(node):
                    self.put_aside(node)
                    height = 0
            heights[node] = height

    def put_aside(self, node: Node) -> None:
        """Write the node into a new variable."""
        if self.is_one_of_several(node):
            self.take(node.args[0])
            return
        self.uses[node] += 1
        self.assign(self.names.fresh(), node)

    # -- assignments ------------------------------------------------------------------------------------------------

    def assign(self, target: str, node: Node) -> None:
        self.uses[node] -= 1
        if node.op.name in UPDATES and not self.holders.get(node):
            self.update(target, node)
            return
        added = self.added(target, node)
        if added is not None:
            base, value, sign = added
            self.prepare([value])
            self.uses[base] -= 1
            piece = self.operand(value)
            self.store(target, node, f"{target} += {sign}{piece.at(MINUS) if sign else piece.text}")
            return
        self.prepare([node], top=node)
        self.store(target, node, f"{target} = {self.piece(node).text}")

    def added(self, target: str, node: Node) -> tuple[Node, Node, str] | None:
        """The result that a parfor adds to, what is added, and its sign: only `+=` says that the order is free."""
        if self.parfor is None or target not in self.parfor.accumulators or self.holders.get(node):
            return None
        if node.op.name in ("+", "-") and target in self.holders.get(node.args[0], ()):
            return node.args[0], node.args[1], "" if node.op.name == "+" else "-"
        if node.op.name == "+" and target in self.holders.get(node.args[1], ()):
            return node.args[1], node.args[0], ""
        return None

    def update(self, target: str, node: Node) -> None:
        """`target[...] = value`, after the variable has got the value that is changed."""
        base, value, *bounds = node.args
        if target not in self.holders.get(base, ()):
            if self.is_private(target):
                # Indexing it would make it a result of the parfor.
                aside = self.names.fresh()
                self.update(aside, node)
                self.store(target, node, f"{target} = {aside}")
                return
            self.uses[base] += 1
            self.assign(target, base)
        self.prepare([value, *bounds])
        text = self.operand(value).text
        index = subscripts(tuple(bounds), self.operand)
        self.uses[base] -= 1
        self.store(target, node, f"{target}[{index}] = {text}")

    def is_private(self, name: str) -> bool:
        return self.parfor is not None and name not in self.parfor.results and name in self.names.variables

    def take(self, node: Node, at: int | None = None) -> int:
        """`[a, b] = f(...)`: the used results of a node with several.

        Assignments of them from statement `at` on become its targets; returns how many.
        """
        run = self.following(node, at) if at is not None else []
        outputs = self.outputs[node]
        for _, index in run:
            self.uses[outputs[index]] -= 1
        targets = {index: target for target, index in run}
        last = max(i for i, n in outputs.items() if i in targets or self.uses[n] > 0)
        names = [targets.get(i) or self.names.fresh() for i in range(last + 1)]
        self.prepare([node], top=node)
        text = self.piece(node).text
        for name in names:
            self.vacate(name)
        self.line(f"[{', '.join(names)}] = {text}", node.type.items[: last + 1], node)
        for index, name in enumerate(names):
            self.release(name)
            if index in outputs:
                self.hold(name, outputs[index])
        return len(run)

    def following(self, node: Node, at: int) -> list[tuple[str, int]]:
        """The assignments of results of the node, in their order, that come next."""
        found: list[tuple[str, int]] = []
        for statement in self.statements[at:]:
            value = statement.value
            if not isinstance(statement, Assign) or value.op is not OUTPUT or value.args[0] is not node:
                break
            index = value.attrs[0]
            if any(target == statement.target or i >= index for target, i in found):
                break
            found.append((statement.target, index))
        return found

    # -- effects ----------------------------------------------------------------------------------------------------

    def effect(self, node: Node, at: int) -> int:
        """A call with an effect; returns how many of the following statements it covers."""
        self.uses[node] -= 1
        outputs = self.outputs.get(node, {})
        result = result_of(node, outputs)
        if outputs and result is None:
            self.settle(node.args, whole=True)
            return self.take(node, at)
        if result is None or self.uses[result] == 0:
            self.settle(node.args, whole=True)
            self.prepare([node], top=node)
            self.line(self.out.syntax.render(node, self.operand).text, (), node)
        elif self.can_wait(result, at):
            self.waiting.append(node)
        else:
            self.settle(node.args, whole=True)
            self.put_aside(result)
        return 0

    def can_wait(self, result: Node, at: int) -> bool:
        """May the call be written where its result is used?"""
        if at < len(self.statements):
            following = self.statements[at]
            if isinstance(following, Assign) and following.value is result:
                return True
        return self.uses[result] == 1 and not self.out.split(result)

    def settle(self, roots: Iterable[Node], *, whole: bool = False) -> None:
        """Before a statement with these expressions: the calls that wait become part of it, or get their own lines.

        They become part of it if the expressions evaluate them in the same order, and before any that go on waiting;
        with `whole` none may go on waiting.
        """
        if not self.waiting:
            return
        roots = list(roots)
        below = self.unwritten(roots)
        order = [n for n in below if n.op.effect is Effect.ORDERED]
        if (
            order
            and order == self.waiting[: len(order)]
            and not (whole and len(order) < len(self.waiting))
            and not self.hides_effects(below, roots)
        ):
            del self.waiting[: len(order)]
            return
        waiting, self.waiting = self.waiting, []
        for node in waiting:
            result = result_of(node, self.outputs.get(node, {}))
            assert result is not None
            self.put_aside(result)

    def hides_effects(self, below: list[Node], roots: list[Node]) -> bool:
        """Would a call become part of a line of its own before the statement?"""
        effectful: set[Node] = set()
        for node in below:
            if node.op.effect is Effect.ORDERED or not effectful.isdisjoint(node.args):
                effectful.add(node)
                if node not in roots and self.needs_variable(node):
                    return True
        return len(below) >= DEEPEST
