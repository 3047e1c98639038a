"""An explanation as one page: the script beside the graph of its plan. Nothing in it is loaded from anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from functools import cached_property
from importlib.resources import files
from typing import Any

from gramian import __version__
from gramian.cost.memory import bytes_text
from gramian.explain import words
from gramian.explain.coloured import coloured_lines
from gramian.explain.details import Details
from gramian.explain.graph import Scale, block_graph
from gramian.explain.kinds import TEXTS, Kind
from gramian.explain.markup import Markup, joined, tag
from gramian.explain.measured import seconds_of
from gramian.explain.model import Explanation, Operator, Section
from gramian.explain.terminal import ranked
from gramian.runtime.statistics import counter_texts
from gramian.source import Source, Span

_PLACE = re.compile(r"\{\{(\w+)\}\}")


def page(explanation: Explanation) -> str:
    """The page as text."""
    script = _asset("page.js")
    maker = Page(explanation)
    parts = {
        "title": joined(f"{explanation.source.name} - plan"),
        "policy": "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "style": _asset("page.css"),
        "script": script,
        "name": joined(explanation.source.name),
        "about": joined(maker.about()),
        "totals": maker.totals(),
        "kinds": maker.kinds(),
        "source": maker.sources(),
        "plan": maker.plan(),
        "overview": maker.overview(),
        "data": _json(Details(explanation, maker.files).data()),
    }
    return _PLACE.sub(lambda found: parts[found[1]], _asset("page.html"))


def _asset(name: str) -> str:
    return files("gramian.explain").joinpath(name).read_text(encoding="utf-8")


def _json(data: Any) -> str:
    """JSON that no browser takes for the end of the element around it."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


class Page:
    """Makes the parts of the page."""

    def __init__(self, explanation: Explanation) -> None:
        self.explanation = explanation
        self.main = explanation.source
        self.operators = list(explanation.operators())
        self.files = list(self._files())
        self.scale = Scale(
            max((o.memory or 0 for o in self.operators if o.has_memory and o.pipeline is None), default=0),
            max((o.measured.seconds for o in self.operators), default=0.0),
        )

    def _files(self) -> Iterator[Source]:
        """The script and the other files that operators come from."""
        found = {self.main: None}
        spans = [*(o.span for o in self.operators), *(s.span for s in self.explanation.all_sections())]
        for span in spans:
            found |= dict.fromkeys(place.source for place in words.places(span))
        return iter(found)

    # -- head -------------------------------------------------------------------------------------------------------

    def about(self) -> str:
        done = self.explanation.passes[-1].name if self.explanation.passes else "lower"
        return f"plan after {done} · gramian {__version__}"

    def totals(self) -> Markup:
        explanation = self.explanation
        single = sum(operator.pipeline is None for operator in self.operators)
        found = [
            (str(explanation.peak), "peak memory", "the largest estimate of a block"),
            *(
                []
                if explanation.fits
                else [(bytes_text(explanation.budget), "budget", f"what does not fit is {explanation.beyond}")]
            ),
            (str(single), "operators", "lines of the plan, those in pipelines included"),
            (str(len(explanation.pipelines)), "pipelines", "operators that run together, in one pass over the rows"),
            (str(sum(explanation.fired.values())), "rewrites", "how often rules have made an expression cheaper"),
        ]
        if explanation.run is not None:
            found.insert(0, (words.seconds_text(explanation.run.seconds), "run time", "of the whole script"))
            found += [(*counter_texts(*counted)[::-1], "") for counted in explanation.run.counters.items()]
        return joined(*(tag("li", tag("b", number), tag("span", text), title=why) for number, text, why in found))

    def kinds(self) -> Markup:
        there = {operator.kind for operator in self.operators}
        return joined(
            *(
                tag(
                    "button",
                    TEXTS[kind],
                    type="button",
                    class_=f"kind k-{kind.value}",
                    data_kind=kind.value,
                    aria_pressed="false",
                )
                for kind in Kind
                if kind in there
            )
        )

    # -- source -----------------------------------------------------------------------------------------------------

    def sources(self) -> Markup:
        return joined(*(self.source(number, source) for number, source in enumerate(self.files)))

    def source(self, number: int, source: Source) -> Markup:
        run = self.explanation.run
        times = {line: s for (file, line), s in run.by_line.items() if file is source} if run is not None else {}
        most = max(run.by_line.values(), default=0.0) if run is not None else 0.0
        rows = []
        for line, text in enumerate(coloured_lines(source), 1):
            seconds = times.get(line, 0.0)
            cells = [tag("span", line, class_="number")]
            if run is not None:
                heat = round(9 * seconds / most) if most else 0
                time = words.seconds_text(seconds) if line in times else ""
                cells.append(tag("span", time, class_=f"spent heat{heat}"))
            cells.append(tag("code", text or "\n"))
            rows.append(tag("div", *cells, class_="line", data_line=f"{number}:{line}"))
        head = tag("h2", source.name)
        return tag("article", head, tag("div", *rows, class_="text"), class_="file" + " timed" * (run is not None))

    # -- plan -------------------------------------------------------------------------------------------------------

    def plan(self) -> Markup:
        """The main script, then the functions, then what was compiled late."""
        *functions, main = self.explanation.sections
        parts = [self.section(section) for section in (main, *functions)]
        if self.explanation.late:
            parts.append(tag("h2", "Compiled while it ran"))
            parts += [self.section(section) for section in self.explanation.late]
        return joined(*parts)

    def section(self, section: Section) -> Markup:
        inside = [self.section(inner) for inner in section.sections]
        if section.operators:
            inside.insert(0, tag("div", block_graph(section.operators, self.scale), class_="sheet"))
            inside.insert(1, self.table(section))
        title = section.title or "block"
        head = [tag("span", title, class_="head")]
        head += [tag("span", fact, class_="fact") for fact in self.facts(section)]
        summary = tag("summary", tag("span", *head, class_="heading"))
        if section.awaits:
            inside.insert(0, tag("p", words.awaits_text(section), class_="awaits"))
        return tag(
            "details",
            summary,
            tag("div", *inside, class_="inside"),
            class_=f"section {section.role}",
            id=f"f-{section.name}" if section.name and section.role != "late" else None,
            data_lines=self.line_key(section.span) if section.role != "main" else None,
            open="open",
        )

    def line_key(self, span: Span | None) -> str:
        return "" if span is None else f"{self.files.index(span.source)}:{span.line}"

    def facts(self, section: Section) -> Iterator[str]:
        """What the head of a section says beside its title."""
        peaks = [s.peak for s in section.all_sections() if s.peak is not None]
        most = max(peaks, key=lambda peak: peak.bytes, default=None)
        if most is not None and not (most.is_complete and most.is_negligible):
            yield f"peak {most}"
        operators = sum(operator.pipeline is None for operator in section.all_operators())
        if operators:
            yield f"{operators} operator{'s' * (operators != 1)}"
        if self.explanation.run is not None and seconds_of(section):
            yield words.seconds_text(seconds_of(section))
        if section.role == "block":
            lines = sorted(o.span.line for o in section.operators if o.span is not None and o.span.source is self.main)
            if lines:
                yield f"lines {lines[0]}-{lines[-1]}" if lines[0] < lines[-1] else f"line {lines[0]}"
        elif section.role != "main" and section.span is not None:
            yield f"line {words.place_text(section.span, self.main)}"

    def table(self, section: Section) -> Markup:
        """The operators of a block as rows."""
        head = tag("tr", *(tag("th", name, class_=f"c-{name}") for name in self.columns))
        rows = [row for operator in section.operators for row in self.rows(operator)]
        return tag("table", tag("thead", head), tag("tbody", *rows), class_="rows")

    @cached_property
    def columns(self) -> list[str]:
        """The columns of the tables, without those that say nothing."""
        found = ["plan", "result", "nonzero", "memory", "kernel", "place", "time", "calls", "line"]
        if self.explanation.run is None:
            found = [name for name in found if name not in ("time", "calls")]
        if not any(words.sparsity_text(operator.types) for operator in self.operators):
            found.remove("nonzero")
        if not self.explanation.with_cluster:
            found.remove("place")
        return found

    def rows(self, operator: Operator) -> Iterator[Markup]:
        title = operator.text if operator.pipeline is None else words.pipeline_title(operator.pipeline)
        measured = operator.measured
        cells = {
            "plan": title,
            "result": words.sizes_text(operator) if operator.pipeline is None else "",
            "nonzero": words.sparsity_text(operator.types),
            "memory": words.memory_text(operator),
            "kernel": operator.kernel,
            "place": words.place_of(operator),
            "time": words.seconds_text(measured.seconds) if measured.calls else "",
            "calls": str(measured.calls or ""),
            "line": words.place_text(operator.span, self.main),
        }
        kind = f"k-{operator.kind.value}" + " within" * (operator.within is not None)
        shown = [tag("td", cells[name], class_=f"c-{name}") for name in self.columns]
        yield tag("tr", *shown, class_=f"op {kind}", data_op=operator.number, tabindex="-1")
        if operator.pipeline is not None:
            for inner in operator.pipeline.operators:
                yield from self.rows(inner)

    # -- overview ---------------------------------------------------------------------------------------------------

    def overview(self) -> Markup:
        explanation = self.explanation
        parts = [*self.heaviest(), *self.largest()]
        if explanation.fired:
            rules = [
                tag("li", tag("b", f"{count}×"), " ", tag("button", rule, type="button", data_search=rule))
                for rule, count in ranked(explanation.fired)
            ]
            parts += [tag("h3", "Rules that fired"), tag("ul", *rules, class_="rules")]
        rows = [
            tag("tr", tag("td", record.name), *(tag("td", n) for n in (record.made, record.removed, record.operators)))
            for record in explanation.passes
        ]
        head = tag("tr", *(tag("th", name) for name in ("pass", "new", "gone", "then")))
        parts += [tag("h3", "Passes"), tag("table", head, *rows, class_="passes")]
        parts.append(
            tag("p", "Nodes of the plan that each pass made, those that it removed, and how many there were then.")
        )
        return joined(*parts)

    def heaviest(self) -> Iterator[Markup]:
        run = self.explanation.run
        if run is None:
            return
        timed = sorted((o for o in self.operators if o.measured.calls), key=lambda o: -o.measured.seconds)
        yield tag("h3", "Where the time went")
        yield tag("ul", *(self.link(o, words.seconds_text(o.measured.seconds)) for o in timed[:MOST]), class_="links")
        if run.elsewhere:
            found = run.elsewhere[:MOST]
            yield tag("h3", "In code that is not in the plan")
            yield tag(
                "ul", *(tag("li", tag("b", words.seconds_text(f.seconds)), " ", tag("code", f.name)) for f in found)
            )

    def largest(self) -> Iterator[Markup]:
        sized = [o for o in self.operators if o.has_memory and o.pipeline is None and (o.memory or 0) >= LARGE]
        if sized:
            ranked_ = sorted(sized, key=lambda o: -(o.memory or 0))[:MOST]
            yield tag("h3", "Largest values")
            yield tag("ul", *(self.link(o, bytes_text(o.memory)) for o in ranked_), class_="links")

    def link(self, operator: Operator, figure: str) -> Markup:
        title = operator.text if operator.pipeline is None else words.pipeline_title(operator.pipeline)
        button = tag("button", title, type="button", data_goto=operator.number)
        return tag("li", tag("b", figure), " ", button)


MOST = 6
LARGE = 100_000  # bytes
