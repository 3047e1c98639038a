"""From a compiled program to its explanation: the lines of the plan, with what is known about each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from gramian.backends.local.choice import MEANINGS, VIEW, PipelineChoice, kernel_with_budget, pipeline_choice
from gramian.budget import Budget
from gramian.cost.memory import Peak, peak, total, value_bytes
from gramian.explain.compiled import Compiled
from gramian.explain.kinds import Kind, kind_of
from gramian.explain.model import Explanation, Operator, Pipeline, Section
from gramian.explain.places import add_places
from gramian.explain.words import result_text
from gramian.ir import fused as ir
from gramian.ir.fused import Memo, opened, panel_operands, pipeline_of, role_of, unfused
from gramian.ir.lines import Line
from gramian.ir.node import CALL, OUTPUT, Node, output, transform, walk
from gramian.ir.program import Block, Program, Spans
from gramian.ir.text import plan_lines
from gramian.runtime.codegen import generate
from gramian.source import Span

LATE = "late"


def works_on_structures(node: Node) -> bool:
    """Has the operator to do with matrices, frames or lists?"""
    return not all(n.type.is_scalar for n in (node, *node.args))


def build(compiled: Compiled, parts: Mapping[str, Program] = MappingProxyType({})) -> Explanation:
    """The explanation of a program, without times; `parts` are what was compiled while it ran, by file names."""
    builder = Builder(compiled)
    sections = builder.sections(compiled.program)
    source = compiled.program.source
    found = Explanation(source, sections, builder.peak, builder.limit, compiled.passes, dict(compiled.fired))
    for file, part in parts.items():
        *functions, rest = builder.sections(part)
        continued = part.main.continues
        name = continued[0].title if continued is not None else part.main.title
        rest.role, rest.title = LATE, f"rest of {name}, compiled for {_sizes(part)}"
        rest.span = next((o.span for o in rest.all_operators() if o.span is not None), None)
        for section in (rest, *functions):
            section.part = file
            found.late.append(section)
    found.peak = builder.peak
    if compiled.settings.with_spark:
        add_places(found, compiled.settings)
    return found


def _sizes(part: Program) -> str:
    """The sizes that a part was compiled for."""
    known = [
        f"{p.name} {result_text(p.type)}" for p in part.main.params if p.type.is_matrix and p.type.cells is not None
    ]
    return ", ".join(known) if known else "all sizes"


class Surface:
    """What is known inside of a block: which operator computes which node, as it is and as it would be without fusion."""

    def __init__(self, spans: Spans = MappingProxyType({})) -> None:
        self.spans = spans
        self.memo: Memo = {}
        self.fused: dict[Node, Operator] = {}
        self.unfused: dict[Node, Operator] = {}

    def without_fusion(self, node: Node) -> Node:
        return transform(node, unfused, self.memo)

    def computes(self, operator: Operator, node: Node) -> None:
        if node.is_var:
            return
        self.fused.setdefault(node, operator)
        self.unfused.setdefault(self.without_fusion(node), operator)


class Builder:
    """Reads the lines of a plan one after the other."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
        self.settings = compiled.settings
        self.limit = Budget(self.settings.memory).limit
        self.names: Iterator[str] = iter(())
        self.top: list[Section] = []
        self.late: dict[Span, tuple[str, ...]] = {}  # where code is compiled late, and the matrices whose sizes decide
        self.open: list[tuple[float, Section]] = []  # what the next line is in, with its depth
        self.in_main = False
        self.surface = Surface()
        self.fused: tuple[Operator, dict[Node, Node]] | None = None  # the pipeline that the next line is in
        self.peak = Peak(0, True)
        self.count = self.pipelines = 0

    def sections(self, program: Program) -> list[Section]:
        """The functions of a program, the main one last."""
        self.names = iter(program.functions)
        self.top = []
        self.late = late_places(program)
        for line in plan_lines(program, works_on_structures, pipelines=True):
            self.line(line)
        return self.top

    def line(self, line: Line) -> None:
        match line.role:
            case "end":
                if self.fused is not None:
                    self.close(self.fused[0])
            case "block":
                assert line.block is not None
                self.block(line.depth, line.block)
            case "pipeline":
                self.pipeline(line)
            case "statement" if self.fused is not None:
                self.inside(line, *self.fused)
            case "statement":
                self.statement(line)
            case _:
                self.section(line)

    # -- sections ---------------------------------------------------------------------------------------------------

    def section(self, line: Line) -> None:
        title = line.text.removesuffix(" {").removeprefix("} ")
        section = Section(line.role, title, line.span)
        section.awaits = self.late.pop(line.span, ()) if line.span is not None else ()
        if line.role in ("main", "function"):
            self.in_main = line.role == "main"
            section.name = "main" if self.in_main else next(self.names)
            section.title = title.replace("[double]", "").replace("[unknown]", "") or "main"
            self.top.append(section)
            self.open = [(line.depth - self.in_main, section)]
            return
        if line.node is not None:
            section.covers = tuple(node for node in walk([line.node]) if node.args)
        self.enter(line.depth, section)

    def enter(self, depth: int, section: Section) -> None:
        """A section of lines at this depth begins. What stands in a block is no deeper than the block itself."""
        own = depth - 0.5 if section.role == "block" else depth
        while self.open[-1][0] >= depth - 0.5:
            self.open.pop()
        self.open[-1][1].sections.append(section)
        self.open.append((own, section))

    def block(self, depth: int, block: Block) -> None:
        section = Section("block", "", peak=peak(block, self.settings.cell_bytes))
        section.awaits = self.late.pop(block.statements[0].span, ())
        assert section.peak is not None
        most = max(self.peak.bytes, section.peak.bytes)
        self.peak = Peak(most, self.peak.is_complete and section.peak.is_complete)
        self.surface = Surface(block.spans)
        self.enter(depth, section)

    # -- operators --------------------------------------------------------------------------------------------------

    def statement(self, line: Line) -> None:
        operator = self.operator(line, self.kernel)
        self.open[-1][1].operators.append(operator)
        if line.node is None or line.node.is_var or line.node in self.surface.fused:
            operator.kind, operator.kernel, operator.meaning = Kind.SHAPE, VIEW, MEANINGS[VIEW]  # another name
        if line.node is not None and not line.node.is_literal:
            self.link(operator, line.node, self.surface.fused)
            self.surface.computes(operator, line.node)

    def kernel(self, node: Node) -> str:
        return kernel_with_budget(node, self.limit, self.settings.cell_bytes)

    def operator(self, line: Line, kernel: Callable[[Node], str]) -> Operator:
        """The operator of a line, before anything is known of the others."""
        self.count += 1
        node = _itself(line.node)
        found = Operator(self.count, line.text, kind_of(node), node, line.types, None, line.span)
        found.memory = total(value_bytes(type, self.settings.cell_bytes) for type in line.types)
        if node is not None and line.node is not None:
            found.kernel = kernel(node)
            found.meaning = MEANINGS.get(found.kernel, "")
            found.calls = str(node.attrs[0]) if node.op is CALL else ""
        return found

    def link(self, operator: Operator, node: Node, owners: Mapping[Node, Operator]) -> None:
        """Find the inputs of an operator: what other lines compute below its node, and variables."""
        found: dict[Operator | str, None] = {}
        covers = []
        stack, seen = [node], {node}
        while stack:
            at = stack.pop()
            owner = owners.get(at)
            if owner is not None and owner is not operator:
                found[owner] = None
            elif at.is_var:
                found[at.name] = None
            else:
                covers.append(at)
                stack += [arg for arg in reversed(at.args) if arg not in seen]
                seen.update(at.args)
        operator.covers = tuple(covers)
        rules = (self.compiled.rules_of(self.surface.without_fusion(n), self.surface.spans.get(n)) for n in covers)
        operator.rules = tuple(dict.fromkeys(rule for made in rules for rule in made))
        operator.inputs = list(found)
        for source in operator.inputs:
            if isinstance(source, Operator):
                source.users.append(operator)

    # -- pipelines --------------------------------------------------------------------------------------------------

    def pipeline(self, line: Line) -> None:
        assert line.node is not None
        fused = line.node
        pipeline = pipeline_of(fused)
        self.pipelines += 1
        choice = pipeline_choice(pipeline, self.settings.precision)
        operator = self.operator(line, lambda _: choice.way)
        operator.meaning = choice.meaning
        operator.pipeline = Pipeline(self.pipelines, pipeline.rows, (), [], [], choice)
        self.link(operator, fused, self.surface.fused)
        operator.covers = (fused,)
        self.open[-1][1].operators.append(operator)
        known = opened(pipeline, [self.surface.without_fusion(arg) for arg in fused.args])
        self.fused = operator, {known[inner]: inner for inner in pipeline.nodes}  # transposes are parts of products
        operator.pipeline.panels = self.panels(pipeline, fused.args, choice)

    def panels(self, pipeline: ir.Pipeline, operands: Sequence[Node], choice: PipelineChoice) -> tuple[str, ...]:
        """The names of the operands that a pipeline reads row by row."""
        if choice.driver is not None:
            read = {choice.driver}
        else:
            roles = {n: role for n in pipeline.nodes if (role := role_of(n)) is not None}
            read = {a for n, role in roles.items() for a in panel_operands(n, role) if a.is_var}
        numbers = sorted(int(node.name[1:]) for node in read)
        return tuple(_name(operands[at], self.surface.fused) for at in numbers)

    def inside(self, line: Line, fused: Operator, members: Mapping[Node, Node]) -> None:
        """A line of an operator in a pipeline; `members` are the pipeline's own nodes that these stand for."""
        assert fused.pipeline is not None
        choice = fused.pipeline.choice
        operator = self.operator(line, lambda node: choice.step(members[node]) if node in members else VIEW)
        operator.within = fused
        operator.meaning = choice.meaning if operator.kernel.startswith("loop") else operator.meaning
        fused.pipeline.operators.append(operator)
        if line.node is not None and line.node.args:
            self.link(operator, line.node, self.surface.unfused)
            self.surface.unfused.setdefault(line.node, operator)

    def close(self, fused: Operator) -> None:
        """After the last operator of a pipeline: what comes out of it."""
        assert fused.pipeline is not None
        assert fused.node is not None
        for at in range(len(fused.node.type.items)):
            result = output(fused.node, at)
            owner = self.surface.unfused.get(self.surface.without_fusion(result))
            if owner is not None:
                fused.pipeline.results.append(owner)
                self.surface.fused[result] = owner
        self.fused = None


def late_places(program: Program) -> dict[Span, tuple[str, ...]]:
    """Where the code of a program goes on with what is compiled late, and the matrices whose sizes decide."""
    found = {}
    for point in generate(program).late.values():
        if point.body[0] is not point.function.body[0] or point.function is not program.main:
            names = tuple(name for name, type in point.inputs.items() if type.is_matrix)
            first = point.body[0]
            place = first.statements[0].span if isinstance(first, Block) else first.span
            found[place] = (*names, *sorted(point.sizing - set(names)))
    return found


def _itself(node: Node | None) -> Node | None:
    """The node that has a result."""
    return node.args[0] if node is not None and node.op is OUTPUT else node


def _name(node: Node, owners: Mapping[Node, Operator]) -> str:
    """The variable that holds an operand."""
    if node.is_var:
        return node.name
    owner = owners.get(node, owners.get(node.args[0]) if node.op is OUTPUT else None)
    names = owner.targets if owner is not None else []
    at = node.attrs[0] if len(names) > 1 and node.op is OUTPUT else 0
    return names[at] if at < len(names) else "?"
