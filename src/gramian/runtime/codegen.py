"""Programs become Python source: control flow and scalar expressions as native Python, matrix operators as kernel calls.

Every generated line belongs to a span of the script, which is how errors find their place without any cost at run time.

Left indexing writes in place when nobody else holds the matrix. For every variable `x` that is written so, the generated
code keeps a flag `o_x`: true while `v_x` is the only holder of its memory. Whatever makes a second holder (another
variable, a list, a call, a view such as t(x)) clears it, and a write then copies first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from types import CodeType
from typing import NamedTuple

from gramian.ir.fused import Pipeline
from gramian.ir.node import Node
from gramian.ir.op import Op
from gramian.ir.program import Assign, Block, For, Function, If, Item, Program, Region, While, assigned, items, nodes
from gramian.ir.types import Kind
from gramian.runtime.blocks import BlockWriter, Origin, is_inline, is_update
from gramian.runtime.late import LatePoint, LatePoints, definite_after, definite_inside
from gramian.runtime.release import Releases
from gramian.source import Span


class Site(NamedTuple):
    """Where in generated code an instruction belongs: its line, and the first and last column of its expression.

    The columns are None if the expression is not known, or goes over several lines.
    """

    line: int
    start: int | None
    end: int | None


def site_of(code: CodeType, instruction: int) -> Site | None:
    """The site of an instruction, counted in bytes as in `f_lasti`."""
    first, last, start, end = next(islice(code.co_positions(), instruction // 2, None), (None,) * 4)
    if first is None:
        return None
    return Site(first, start, end) if first == last else Site(first, None, None)


@dataclass
class Generated:
    """The Python source of a program, and of each of its lines the span and the origin.

    `kernels`, `pipelines` and `functions` map names in the source to operators, pipelines and functions of the program;
    `parts` are functions that are the rest of others, `late` the places where such rests are compiled while running.
    `loops` lists the `for` loops as first line, last line, variable, and upper bound if it is known; `parfors` holds
    the `parfor` loops, each with the lines of the function that its body became.
    """

    lines: list[str] = field(default_factory=list)
    spans: list[Span | None] = field(default_factory=list)
    origins: list[Origin | None] = field(default_factory=list)
    kernels: dict[str, Op] = field(default_factory=dict)
    pipelines: dict[str, Pipeline] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    loops: list[tuple[int, int, str, int | None]] = field(default_factory=list)
    parfors: list[tuple[For, slice]] = field(default_factory=list)
    parts: dict[str, Function] = field(default_factory=dict)
    late: dict[str, LatePoint] = field(default_factory=dict)

    @property
    def source(self) -> str:
        return "\n".join(self.lines) + "\n"

    def expression(self, site: Site) -> str:
        """The generated expression at a site, or else all of the line."""
        line = self.lines[site.line - 1]
        return line.strip() if site.start is None else line.encode()[site.start : site.end].decode()

    def meaning(self, site: Site) -> tuple[Node | None, Item | None, Span | None]:
        """The node that the expression at a site computes, the item that it is in, and its place in the script."""
        span, origin = self.spans[site.line - 1], self.origins[site.line - 1]
        if origin is None:
            return None, None, span
        node = origin.parts.get(self.expression(site), origin.node)
        return node, origin.item, span if node is None else origin.item.spans.get(node, span)


def generate(program: Program) -> Generated:
    """The Python source of a program: one function each, the main script as `f_main`."""
    out = Generated()
    _write_functions(out, program, program.all_functions)
    return out


def generate_part(program: Program, point: LatePoint, name: str, *, generic: bool, last: bool = False) -> Generated:
    """The Python source of the rest of a region, which is the main function of the program.

    It takes a list of its inputs and of the flags of some of them, and gives outputs and flags likewise. With `last`
    nothing of it is compiled later.
    """
    out = Generated()
    out.parts[name] = program.main
    FunctionWriter(out, program, program.main, generic=generic, last=last).write_part(name, point)
    _write_functions(out, program, tuple(program.functions.values()), last=last)
    return out


def _write_functions(out: Generated, program: Program, functions: tuple[Function, ...], *, last: bool = False) -> None:
    for function in functions:
        out.functions[f"f_{function.name}"] = function
        FunctionWriter(out, program, function, last=last).write()


def part_results(point: LatePoint) -> list[str]:
    return [f"v_{n}" for n in point.outputs] + [f"o_{n}" for n in sorted(point.flags)]


class FunctionWriter:
    """Writes one function."""

    def __init__(
        self, out: Generated, program: Program, function: Function, *, generic: bool = False, last: bool = False
    ) -> None:
        self.late = LatePoints(function, generic=generic, last=last)
        self.definite = {p.name: p.type for p in function.params}
        self.loops = 0  # around what is written
        self.parfors = 0
        self.out = out
        self.program = program
        self.function = function
        self.indent = 0
        self.span: Span | None = function.span
        self.origin: Origin | None = None
        self.temps = 0
        self.free: list[str] = []
        self.bodies = 0
        self.releases = Releases(self, function)
        # The variables that some statement writes into by index.
        self.updated = {
            s.target
            for item in items(function.body)
            if isinstance(item, Block)
            for s in item.statements
            if isinstance(s, Assign) and is_update(s.value)
        }

    # -- lines ------------------------------------------------------------------------------------------------------

    def line(self, text: str) -> None:
        self.out.lines.append("    " * self.indent + text)
        self.out.spans.append(self.span)
        self.out.origins.append(self.origin)

    @contextmanager
    def indented(self, head: str) -> Iterator[None]:
        self.line(head)
        self.indent += 1
        start = len(self.out.lines)
        yield
        if len(self.out.lines) == start:
            self.line("pass")
        self.indent -= 1

    def write(self) -> None:
        params = ", ".join(f"v_{p.name}" for p in self.function.params)
        with self.indented(f"def f_{self.function.name}({params}):"):
            for name in sorted(self.updated):
                self.line(f"o_{name} = False")
            self.releases.parameters(self.function.body)
            self.region(self.function.body)
            self.span, self.origin = self.function.span, None
            outputs = [f"v_{o.name}" for o in self.function.outputs]
            if outputs:
                self.line(f"return {outputs[0] if len(outputs) == 1 else ', '.join(outputs)}")

    def write_part(self, name: str, point: LatePoint) -> None:
        """The function as the rest of another, which takes over its variables."""
        flags = point.flags
        self.updated |= flags
        self.loops += point.in_loop
        given = [f"v_{n}" for n in point.inputs] + [f"o_{n}" for n in point.inputs if n in flags]
        with self.indented(f"def {name}(inputs):"):
            if given:
                self.line(f"{', '.join(given)}, = inputs")
            self.line("inputs.clear()")  # the caller holds nothing any more
            for updated in sorted(self.updated - (flags & point.inputs.keys())):
                self.line(f"o_{updated} = False")
            self.releases.parameters(self.function.body)
            self.region(self.function.body)
            self.span, self.origin = self.function.span, None
            results = part_results(point)
            if results:
                self.line(f"return {', '.join(results)}")

    def region(self, region: Region) -> None:
        before = self.definite
        for at, item in enumerate(region):
            point = None if self.parfors else self.late.at(region, at, self.definite, in_loop=self.loops > 0)
            if point is not None:
                self.late_call(point)
                break
            match item:
                case Block():
                    BlockWriter.write(self, item)
                case If():
                    self.branch(item)
                case While():
                    self.while_loop(item)
                case For() if item.parallel is not None:
                    self.parallel_for(item)
                case For():
                    self.for_loop(item)
            if not isinstance(item, Block):
                self.releases.after(item)
            self.definite = definite_after((item,), self.definite)
        self.definite = before

    def late_call(self, point: LatePoint) -> None:
        """The rest of a region in a function that is compiled when it is called. It takes over what is not needed here."""
        name = f"late_{len(self.out.late) + 1}"
        flags = frozenset(self.updated & (point.inputs.keys() | set(point.outputs)))
        self.out.late[name] = point = replace(point, flags=flags)
        self.span, self.origin = self.late.place(point), None
        given = [f"v_{n}" for n in point.inputs] + [f"o_{n}" for n in point.inputs if n in flags]
        self.line(f"inputs = [{', '.join(given)}]")
        needed = self.late.live.after[point.body[-1]]
        dropped = [f"v_{n}" for n, type in point.inputs.items() if n not in needed and type.kind is Kind.MATRIX]
        if dropped:
            self.line(" = ".join([*dropped, "None"]))
        results = part_results(point)
        self.line(f"{', '.join(results)} = {name}(inputs)" if results else f"{name}(inputs)")

    @contextmanager
    def looping(self) -> Iterator[None]:
        self.loops += 1
        yield
        self.loops -= 1

    def branch(self, item: If) -> None:
        self.span = item.spans.get(item.test, item.span)
        test = self.test(item)
        with self.indented(f"if {test}:"):
            self.releases.on_entry(item.then, item)
            self.region(item.then)
        if item.orelse:
            with self.indented("else:"):
                self.releases.on_entry(item.orelse, item)
                self.region(item.orelse)

    def while_loop(self, item: While) -> None:
        self.span = item.spans.get(item.test, item.span)
        if not item.head and is_inline(item.test):
            test = self.test(item)
            with self.indented(f"while {test}:"), self.looping():
                before, self.definite = self.definite, definite_inside(item, self.definite)
                self.region(item.body)
                self.definite = before
            return
        with self.indented("while True:"), self.looping():
            before, self.definite = self.definite, definite_inside(item, self.definite)
            self.region(item.head)
            self.definite = definite_after(item.head, self.definite)
            self.span = item.spans.get(item.test, item.span)
            test = self.test(item)
            with self.indented(f"if not ({test}):"):
                self.line("break")
            self.region(item.body)
            self.definite = before

    def test(self, item: If | While) -> str:
        writer = BlockWriter(self, item, (item.test,))
        writer.prepare(item.test)
        text = writer.truth(item.test)
        self.origin = writer.origin(text, item.test)
        return writer.released(text)

    def loop_range(self, item: For) -> str:
        self.span = item.spans.get(item.start, item.span)
        writer = BlockWriter(self, item, item.bounds)
        bounds = [writer.operand(bound) for bound in item.bounds]
        self.origin = writer.origin(", ".join(bounds), item.step or item.start)
        known = [bound.type.int_value() for bound in item.bounds]
        if len(known) == 2 and known[0] is not None and known[1] is not None and known[0] <= known[1]:
            writer.close()
            return f"range({known[0]}, {known[1] + 1})"
        return writer.released(f"loop_range({', '.join(bounds)})")

    def for_loop(self, item: For) -> None:
        over = self.loop_range(item)
        first = len(self.out.lines) + 1
        with self.indented(f"for v_{item.variable} in {over}:"), self.looping():
            before = self.definite
            self.definite = definite_inside(item, before)
            self.region(item.body)
            self.definite = before
        self.out.loops.append((first, len(self.out.lines), item.variable, item.stop.type.int_value()))

    def parallel_for(self, item: For) -> None:
        """The body becomes a function of its own, so that only the results outlive an iteration."""
        assert item.parallel is not None
        self.bodies += 1
        name, over = f"body_{self.bodies}", f"over_{self.bodies}"
        self.line(f"{over} = {self.loop_range(item)}")
        if item.parallel.results:
            with self.indented("if False:"):  # nonlocal names must be bound somewhere, even where no value ever was
                for result in item.parallel.results:
                    self.line(f"v_{result} = o_{result} = None")
        inside = assigned(item.body) - set(item.parallel.results)
        params = [f"v_{item.variable}", *(f"v_{n}=v_{n}" for n in item.parallel.initial)]
        params += [f"o_{n}=False" for n in sorted(inside & self.updated)]
        for variable in item.parallel.initial:
            if variable in self.updated:
                self.line(f"o_{variable} = False")
        start = len(self.out.lines)
        with self.indented(f"def {name}({', '.join(params)}):"):
            shared = [f"v_{n}" for n in item.parallel.results]
            shared += [f"o_{n}" for n in sorted(self.updated - inside)]
            if shared:
                self.line(f"nonlocal {', '.join(shared)}")
            asked = {str(node.attrs[0]) for node in nodes(item.body) if node.op.name == "exists"} - inside
            if asked:
                with self.indented("if False:"):  # exists() sees variables from outside only where the body names them
                    self.line(", ".join(f"v_{variable}" for variable in sorted(asked)))
            self.parfors += 1
            own, self.releases.own = self.releases.own, inside
            self.region(item.body)
            self.releases.own = own
            self.parfors -= 1
        self.out.loops.append((start + 1, len(self.out.lines), item.variable, item.stop.type.int_value()))
        self.span, self.origin = item.span, None
        self.line(f"parallel_for({name}, {over}, {len(self.out.parfors)})")
        self.out.parfors.append((item, slice(start, len(self.out.lines) - 1)))
        if item.parallel.initial:
            self.line(f"{name} = None")  # it holds the values that these variables had

    def temporary(self) -> str:
        if self.free:
            return self.free.pop()
        self.temps += 1
        return f"t{self.temps}"
