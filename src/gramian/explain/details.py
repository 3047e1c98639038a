"""What the page knows of each operator: facts for its panel, and the lines and operators that belong to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gramian.cost.flops import work
from gramian.cost.memory import bytes_text
from gramian.explain import words
from gramian.explain.kinds import TEXTS
from gramian.explain.model import Explanation, Operator
from gramian.source import Source, Span


class Details:
    """Makes the data of the page; `files` are the sources in their order."""

    def __init__(self, explanation: Explanation, files: Sequence[Source]) -> None:
        self.explanation = explanation
        self.numbers = {source: at for at, source in enumerate(files)}

    def data(self) -> dict[str, Any]:
        return {"operators": {str(o.number): self.operator(o) for o in self.explanation.operators()}}

    def operator(self, operator: Operator) -> dict[str, Any]:
        found: dict[str, Any] = {
            "text": operator.text,
            "kind": operator.kind.value,
            "facts": [list(fact) for fact in self.facts(operator)],
            "inputs": [self.value(value) for value in operator.inputs],
            "users": [self.value(user) for user in operator.users],
            "lines": self.lines(operator),
        }
        if operator.pipeline is not None:
            loops = operator.pipeline.choice.loops
            found["text"] = words.pipeline_title(operator.pipeline)
            found["gives"] = ", ".join(operator.targets)
            found["inside"] = [self.value(inner) for inner in operator.pipeline.operators]
            found["code"] = [loop.source for loop in loops]
        if operator.within is not None:
            found["within"] = operator.within.number
        if operator.rules:
            found["rules"] = list(operator.rules)
        if operator.calls:
            found["calls"] = operator.calls
        return found

    def value(self, value: Operator | str) -> list[str | int]:
        """A value for a list of links: what it is, and the operator that makes it if that is in the same block."""
        return [value] if isinstance(value, str) else [value.text, value.number]

    def facts(self, operator: Operator) -> Iterator[tuple[str, ...]]:
        """Name, value and perhaps a remark."""
        yield "kind", TEXTS[operator.kind]
        result = operator.result
        if operator.pipeline is not None:
            yield "rows", f"{operator.pipeline.rows:,}".replace(",", " ")
            yield "reads", words.operands_text(operator.pipeline), "row by row"
        elif result is not None and (result.is_matrix or result.rows is not None or result.cols is not None):
            yield "rows × columns", words.result_text(result).replace("x", " × ")
        elif operator.types:
            yield "result", words.results_text(operator)
        share = words.sparsity_text(operator.types)
        if share:
            yield "not zero", share, "estimated"
        if operator.is_panel:
            yield "memory", "some rows at a time", "the value as a whole never exists"
        elif operator.is_view:
            yield "memory", "none of its own"
        elif operator.has_memory:
            yield "memory", words.memory_text(operator)
        yield from self.work(operator)
        if operator.kernel:
            why = operator.pipeline.choice.why if operator.pipeline is not None else ""
            yield "kernel", operator.kernel, "; ".join(text for text in (operator.meaning, why) if text)
        if operator.place is not None:
            yield "place", operator.place.where, operator.place.reason
        yield from self.measured(operator)

    def work(self, operator: Operator) -> Iterator[tuple[str, ...]]:
        """What there is to compute, and what goes through the memory if nothing of it is in a cache."""
        nodes = [operator.node] if operator.pipeline is None else [o.node for o in operator.pipeline.operators]
        found = [work(node) for node in nodes if node is not None and node.args]
        known = [w for w in found if w is not None]
        if known and len(known) == len(found) and sum(w.flops for w in known) > 1:
            flops = words.count_text(sum(w.flops for w in known))
            alone = operator.pipeline is None and operator.within is None
            moved = f"{bytes_text(round(known[0].bytes))} read and written" if alone else ""
            yield "work", f"{flops} operations", moved

    def measured(self, operator: Operator) -> Iterator[tuple[str, ...]]:
        run = self.explanation.run
        if run is None or not operator.measured.calls:
            return
        calls, seconds = operator.measured.calls, operator.measured.seconds
        share = f"{seconds / run.seconds:.1%} of the run" if run.seconds else ""
        yield "time", words.seconds_text(seconds), share
        yield "calls", str(calls), f"{words.seconds_text(seconds / calls)} each"

    # -- lines of the source ----------------------------------------------------------------------------------------

    def lines(self, operator: Operator) -> list[str]:
        """The lines that an operator comes from, and those that called what it was inlined from."""
        owners = [operator] if operator.pipeline is None else [*operator.pipeline.operators, operator]
        found: dict[str, None] = {}
        for owner in owners:
            for span in words.places(owner.span):
                found |= dict.fromkeys(self._lines(span))
        return list(found)

    def _lines(self, span: Span) -> Iterator[str]:
        number = self.numbers.get(span.source)
        if number is not None:
            last = span.source.place(max(span.end - 1, span.start))[0]
            yield from (f"{number}:{line}" for line in range(span.line, last + 1))
