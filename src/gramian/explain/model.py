"""What an explanation says, before it is drawn for a terminal or as a page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from gramian.backends.local.choice import ALONE, VIEW, PipelineChoice
from gramian.cost.memory import Peak
from gramian.cost.placement import Place
from gramian.explain.compiled import PassRecord
from gramian.explain.kinds import Kind
from gramian.ir.node import Node
from gramian.ir.types import Type
from gramian.source import Source, Span


@dataclass
class Measured:
    """Seconds and calls in a run."""

    seconds: float = 0.0
    calls: int = 0

    def add(self, seconds: float, calls: int) -> None:
        self.seconds += seconds
        self.calls += calls


@dataclass(eq=False)
class Operator:
    """One line of the plan: an operator, with the scalar expressions in its arguments; or a whole pipeline.

    `inputs` are operators of the same block, and names of variables that the block starts with. `memory` is in bytes,
    None if not known. `covers` are the nodes that the line computes.
    """

    number: int
    text: str
    kind: Kind
    node: Node | None
    types: tuple[Type, ...]
    memory: int | None
    span: Span | None
    kernel: str = ""
    meaning: str = ""  # of the kernel
    inputs: list[Operator | str] = field(default_factory=list)
    users: list[Operator] = field(default_factory=list)
    rules: tuple[str, ...] = ()
    measured: Measured = field(default_factory=Measured)
    covers: tuple[Node, ...] = ()
    pipeline: Pipeline | None = None  # that it is
    within: Operator | None = None  # the pipeline that it is in
    calls: str = ""  # the function of the program that it calls
    place: Place | None = None  # where it runs, if a cluster takes part

    @property
    def has_memory(self) -> bool:
        """Does it make a value that needs memory of its own, and more than a number?"""
        return (
            bool(self.types)
            and not all(type.is_scalar for type in self.types)
            and not self.is_panel
            and not self.is_view
        )

    @property
    def is_view(self) -> bool:
        return self.kernel == VIEW

    @property
    def is_panel(self) -> bool:
        """Are never more than a few rows of the value in memory?"""
        pipeline = self.within.pipeline if self.within is not None else None
        return pipeline is not None and self not in pipeline.results and pipeline.choice.way != ALONE

    @property
    def targets(self) -> list[str]:
        """The variables that it assigns."""
        left, equals, _ = self.text.partition(" = ")
        if not equals or "(" in left:
            return []
        return left[1:-1].split(", ") if left.startswith("[") else [left.partition("[")[0]]

    @property
    def result(self) -> Type | None:
        return self.types[0] if len(self.types) == 1 else None


@dataclass(eq=False)
class Pipeline:
    """What is in a pipeline."""

    number: int
    rows: int
    panels: tuple[str, ...]  # the operands that it reads row by row, or the one whose stored cells it runs through
    operators: list[Operator]
    results: list[Operator]
    choice: PipelineChoice


@dataclass(eq=False)
class Section:
    """A function, loop, branch, or block of operators."""

    role: str
    title: str
    span: Span | None = None
    name: str = ""  # of a function
    part: str = ""  # the generated code that it belongs to if it was compiled while the script ran
    sections: list[Section] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)  # of a block; those in pipelines are in these
    peak: Peak | None = None
    covers: tuple[Node, ...] = ()  # what its test computes
    measured: Measured = field(default_factory=Measured)  # in its test
    awaits: tuple[str, ...] = ()  # from here on, code is compiled when it is reached, for the sizes of these variables

    def all_operators(self) -> Iterator[Operator]:
        """Every operator in it, and those in pipelines after these."""
        for operator in self.operators:
            yield operator
            if operator.pipeline is not None:
                yield from operator.pipeline.operators
        for section in self.sections:
            yield from section.all_operators()

    def all_sections(self) -> Iterator[Section]:
        yield self
        for section in self.sections:
            yield from section.all_sections()


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Something measured that no line of the plan stands for, such as a function that eval() found."""

    name: str
    seconds: float
    calls: int
    span: Span | None


@dataclass
class Run:
    """What was measured when the script was run."""

    seconds: float
    counters: dict[str, int]
    elsewhere: list[Elsewhere]
    by_line: dict[tuple[Source, int], float]


@dataclass
class Explanation:
    """A plan with all that is known about it.

    `sections` are functions and, last of them, the main script; `late` is what was compiled while the script ran.
    """

    source: Source
    sections: list[Section]
    peak: Peak
    budget: int  # bytes
    passes: tuple[PassRecord, ...]
    fired: dict[str, int]
    run: Run | None = None
    late: list[Section] = field(default_factory=list)
    with_cluster: bool = False

    @property
    def beyond(self) -> str:
        """Where matrices are that memory has no room for."""
        return "on the cluster or on disk" if self.with_cluster else "on disk"

    @property
    def fits(self) -> bool:
        """Does it fit into memory, as far as is known?"""
        return self.peak.bytes <= self.budget

    def all_sections(self) -> Iterator[Section]:
        for section in (*self.sections, *self.late):
            yield from section.all_sections()

    def operators(self) -> Iterator[Operator]:
        for section in (*self.sections, *self.late):
            yield from section.all_operators()

    @property
    def pipelines(self) -> list[Pipeline]:
        return [operator.pipeline for operator in self.operators() if operator.pipeline is not None]
