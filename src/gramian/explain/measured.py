"""Times of a run, laid beside the lines of the plan."""

from __future__ import annotations

from collections.abc import Iterable

from gramian.explain.model import Elsewhere, Explanation, Measured, Operator, Run, Section
from gramian.ir.node import Node
from gramian.runtime.statistics import Statistics, Timing
from gramian.source import Source, Span

Owner = Operator | Section


def add_measured(explanation: Explanation, statistics: Statistics) -> None:
    """Give each operator the time that it took; what no line of the plan stands for is listed apart."""
    sections = [s for top in explanation.sections for s in top.all_sections()]
    finder = Finder([*explanation.operators(), *sections])
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
    elsewhere.sort(key=lambda found: -found.seconds)
    explanation.run = Run(statistics.total, dict(statistics.counters), elsewhere, by_line)


class Finder:
    """Finds the line of the plan that something measured belongs to.

    The node decides. Equal nodes may stand in several places of a program, and then the place decides as well. Code that
    was compiled while the script ran has nodes of its own, which are known by the name of the operator and the line.
    """

    def __init__(self, owners: Iterable[Owner]) -> None:
        self.by_node: dict[Node, list[Owner]] = {}
        self.by_place: dict[tuple[str, Source, int], list[Owner]] = {}
        for owner in owners:
            for node in owner.covers:
                self.by_node.setdefault(node, []).append(owner)
                if owner.span is not None:
                    place = (node.op.name, owner.span.source, owner.span.line)
                    self.by_place.setdefault(place, []).append(owner)

    def owner(self, timing: Timing) -> Owner | None:
        span = timing.span
        found = [] if timing.node is None else self.by_node.get(timing.node, [])
        if not found and span is not None:
            found = self.by_place.get((timing.name, span.source, span.line), [])
        return max(found, key=lambda owner: _nearness(owner.span, span), default=None)


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
