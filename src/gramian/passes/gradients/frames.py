"""Where the writer of a function is: in which function, called from where, and what happens to effects there."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gramian.ir.liveness import Liveness
from gramian.ir.program import Function
from gramian.source import Span


@dataclass(frozen=True)
class Effects:
    """What is done about effects: `record` is a list that gets their results. What runs `again` does not make them happen
    once more: `replay` is the list that has their results, and how many were taken from it."""

    again: bool = False
    record: str | None = None
    replay: tuple[str, str] | None = None


@dataclass
class Frame:
    """A function while it is written out: its variables by their names in the script, and how it was called."""

    function: Function
    live: Liveness
    values: dict[str, str]
    within: Frame | None = None
    called_at: Span | None = None

    def place(self, span: Span) -> Span:
        """The span of something in the function, with the calls that lead to it."""
        if self.within is None or self.called_at is None:
            return span
        return _called(span, self.function.title, self.within.place(self.called_at))

    def copy(self) -> Frame:
        return replace(self, values=dict(self.values))


def _called(span: Span, title: str, place: Span) -> Span:
    if span.caller is None:
        return replace(span, caller=(title, place))
    inner, where = span.caller
    return replace(span, caller=(inner, _called(where, title, place)))
