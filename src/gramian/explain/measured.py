"""Times of a run, laid beside the lines of the plan."""

from __future__ import annotations

from gramian.explain.model import Elsewhere, Explanation, Measured, Operator, Run, Section
from gramian.ir.node import Node
from gramian.runtime.statistics import Statistics, Timing
from gramian.source import Source, Span

Owner = Operator | Section
Found = tuple[Owner, str]  # with the part that it is in


def add_measured(explanation: Explanation, statistics: Statistics) -> None:
    """Give each operator the time that it took; what no line of the plan stands for is listed apart."""
    finder = Finder(explanation)
    elsewhere = []
    by_line: dict[tuple[Source, int], float] = {}
    for timing in statistics.timings():
        owner = finder.owner(timing)
        if owner is not None:
            owner.measured.add(timing.seconds, timing.calls)
        else:
            elsewhere.append(Elsewhere(timing.name, timing.seconds, timing.calls, timing.span))
        if timing.span is not None:
            line = (timing.span.source, timing.span.line)
            by_line[line] = by_line.get(line, 0.0) + timing.seconds
    explanation.late = [section for section in explanation.late if seconds_of(section) > 0]
    elsewhere.sort(key=lambda found: -found.seconds)
    explanation.run = Run(statistics.total, dict(statistics.counters), elsewhere, by_line)


class Finder:
    """Finds the line of the plan that something measured belongs to.

    The node decides. Equal nodes may stand in several places of a program and in parts
    of it that were compiled later, so that the generated code and the place decide as well. What is
    still not found goes by the name of the operator and the line.
    """

    def __init__(self, explanation: Explanation) -> None:
        self.by_node: dict[Node, list[Found]] = {}
        self.by_place: dict[tuple[str, Source, int], list[Found]] = {}
        for top in (*explanation.sections, *explanation.late):
            owners: list[Owner] = [*top.all_operators(), *top.all_sections()]
            for owner in owners:
                self.add(owner, top.part)

    def add(self, owner: Owner, part: str) -> None:
        for node in owner.covers:
            self.by_node.setdefault(node, []).append((owner, part))
            if owner.span is not None:
                place = (node.op.name, owner.span.source, owner.span.line)
                self.by_place.setdefault(place, []).append((owner, part))

    def owner(self, timing: Timing) -> Owner | None:
        span = timing.span
        found = [] if timing.node is None else self.by_node.get(timing.node, [])
        if not found and span is not None:
            found = self.by_place.get((timing.name, span.source, span.line), [])
        best = max(found, key=lambda f: (f[1] == timing.file, f[1] == "", _nearness(f[0].span, span)), default=None)
        return best[0] if best is not None else None


def _nearness(a: Span | None, b: Span | None) -> int:
    """2 for the same place, 1 for the same line, else 0."""
    if a is None or b is None or a.source is not b.source:
        return 0
    return (a.line == b.line) + (a == b)


def seconds_of(owner: Owner) -> float:
    """The seconds of an operator, or of everything in a section."""
    if isinstance(owner, Operator):
        return owner.measured.seconds
    inside = sum(operator.measured.seconds for operator in owner.all_operators())
    return inside + sum(section.measured.seconds for section in owner.all_sections())


def hottest(explanation: Explanation) -> Measured:
    """What the heaviest operator took."""
    return max((operator.measured for operator in explanation.operators()), key=lambda m: m.seconds, default=Measured())
