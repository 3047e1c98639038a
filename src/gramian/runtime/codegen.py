"""Programs become Python source: control flow and scalar expressions as native Python, matrix operators as kernel calls.

Every generated line belongs to a span of the script, which is how errors find their place without any cost at run time.

Left indexing writes in place when nobody else holds the matrix. For every variable `x` that is written so, the generated
code keeps a flag `o_x`: true while `v_x` is the only holder of its memory. Whatever makes a second holder (another
variable, a list, a call, a view such as t(x)) clears it, and a write then copies first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gramian.ir.fused import Pipeline
from gramian.ir.op import Op
from gramian.ir.program import Assign, Block, For, Function, If, Program, Region, While, assigned, items
from gramian.runtime.blocks import BlockWriter, Origin, is_inline, is_update
from gramian.runtime.release import Releases
from gramian.source import Span


@dataclass
class Generated:
    """The Python source of a program, and of each of its lines the span and the origin.

    `kernels`, `pipelines` and `functions` map names in the source to operators, pipelines and functions of the program;
    `loops` lists the `for` loops as first line, last line, variable, and upper bound if it is known.
    """

    lines: list[str] = field(default_factory=list)
    spans: list[Span | None] = field(default_factory=list)
    origins: list[Origin | None] = field(default_factory=list)
    kernels: dict[str, Op] = field(default_factory=dict)
    pipelines: dict[str, Pipeline] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    loops: list[tuple[int, int, str, int | None]] = field(default_factory=list)

    @property
    def source(self) -> str:
        return "\n".join(self.lines) + "\n"


def generate(program: Program) -> Generated:
    """The Python source of a program: one function each, the main script as `f_main`."""
    out = Generated()
    for function in program.all_functions:
        out.functions[f"f_{function.name}"] = function
        FunctionWriter(out, program, function).write()
    return out


class FunctionWriter:
    """Writes one function."""

    def __init__(self, out: Generated, program: Program, function: Function) -> None:
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

    def region(self, region: Region) -> None:
        for item in region:
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
            with self.indented(f"while {test}:"):
                self.region(item.body)
            return
        with self.indented("while True:"):
            self.region(item.head)
            self.span = item.spans.get(item.test, item.span)
            test = self.test(item)
            with self.indented(f"if not ({test}):"):
                self.line("break")
            self.region(item.body)

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
        with self.indented(f"for v_{item.variable} in {over}:"):
            self.region(item.body)
        self.out.loops.append((first, len(self.out.lines), item.variable, item.stop.type.int_value()))

    def parallel_for(self, item: For) -> None:
        """The body becomes a function of its own, so that only the results outlive an iteration."""
        assert item.parallel is not None
        self.bodies += 1
        name, index = f"body_{self.bodies}", f"i_{self.bodies}"
        over = self.loop_range(item)
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
        with self.indented(f"def {name}({', '.join(params)}):"):
            shared = [f"v_{n}" for n in item.parallel.results]
            shared += [f"o_{n}" for n in sorted(self.updated - inside)]
            if shared:
                self.line(f"nonlocal {', '.join(shared)}")
            own, self.releases.own = self.releases.own, inside
            self.region(item.body)
            self.releases.own = own
        self.span = item.span
        with self.indented(f"for {index} in {over}:"):
            self.line(f"{name}({index})")
        if item.parallel.initial:
            self.line(f"{name} = None")  # it holds the values that these variables had

    def temporary(self) -> str:
        if self.free:
            return self.free.pop()
        self.temps += 1
        return f"t{self.temps}"
