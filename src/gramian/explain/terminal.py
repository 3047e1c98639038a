"""An explanation in the terminal: the plan as a tree of blocks and operators, with what is known about each beside it.

Operators on matrices, frames and lists have a line each; what scalars do in between is written out. `?` is what is not
known before the script runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TextIO

from gramian.backends.local.choice import ALONE, DISK, LOOPS, MADE_DENSE, PANELS, SPARSE
from gramian.cost.memory import bytes_text
from gramian.cost.placement import CLUSTER, Place
from gramian.explain import words
from gramian.explain.measured import seconds_of
from gramian.explain.model import Explanation, Operator, Section

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

GUIDE, OPENS, INSIDE, CLOSES = "│ ", "┏ ", "┃ ", "┗ "
WIDE, NARROW = 120, 40  # columns of a file or pipe, and the least ones of a terminal
WIDEST_RESULT = 24
GAP = 2
UNKNOWN = r"^\?$|^\?(?= )|\?(?=x)|(?<=x)\?|(?<=\+ )\?"
LEAST_PLAN = 36  # columns
MOST_ELSEWHERE = 10
HOT, WARM = 0.5, 0.02  # of the time of the heaviest operator
HEADS = {"function": "bold", "main": "bold", "late": "bold", "block": "dim"}
CONTROL = "magenta"
FUSED = "cyan"
CLUSTERED = "green"
UNUSUAL = {DISK: "yellow", SPARSE: "green", MADE_DENSE: "yellow", LOOPS: FUSED, PANELS: FUSED, ALONE: FUSED}
LEGEND = {
    "?": "?: not known before it runs",
    words.VIEW: "view: the memory of its operand",
    words.PANEL: "panel: only some rows of it exist at a time",
}


def show(explanation: Explanation, stream: TextIO) -> None:
    """Write an explanation as text."""
    from rich.console import Console

    console = Console(file=stream, highlight=False)
    console.width = max(console.width, NARROW) if console.is_terminal else WIDE
    if explanation.run is not None:
        console.rule("plan", style="dim")
    console.print(rendered(explanation, console.width))


def rendered(explanation: Explanation, width: int) -> RenderableType:
    """The explanation as rich shows it."""
    from rich.console import Group
    from rich.text import Text

    found = rows(explanation)
    parts: list[RenderableType] = [Text(headline(explanation), style="bold"), Text(), _table(found, width)]
    legend = [text for mark, text in LEGEND.items() if any(mark in row.memory for row in found)]
    if legend:
        parts += [Text("\n" + "; ".join(legend), style="dim")]
    if explanation.fired:
        parts += [Text("\nrules that fired", style="bold")]
        numbered = enumerate(ranked(explanation.fired), 1)
        parts += [Text(f"{f'[{at}]':>5} {count} x {rule}") for at, (rule, count) in numbered]
    parts += [Text(line) for line in _place_lines(explanation)]
    parts += [Text(line) for line in _measured_lines(explanation)]
    return Group(*parts)


def headline(explanation: Explanation) -> str:
    """The plan in a sentence."""
    operators = sum(operator.pipeline is None for operator in explanation.operators())
    budget = "" if explanation.fits else f" (budget {bytes_text(explanation.budget)}, the rest {explanation.beyond})"
    parts = [f"peak memory {explanation.peak}{budget}", _counted(operators, "operator")]
    if explanation.pipelines:
        parts.append(_counted(len(explanation.pipelines), "pipeline"))
    if explanation.fired:
        parts.append(f"{_counted(sum(explanation.fired.values()), 'rewrite')} by rules")
    if explanation.run is not None:
        parts.append(f"ran in {words.seconds_text(explanation.run.seconds)}")
    return f"{explanation.source.name}: {', '.join(parts)}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def ranked(fired: Mapping[str, int]) -> list[tuple[str, int]]:
    """The rules that fired, the most frequent first."""
    return sorted(fired.items(), key=lambda found: (-found[1], found[0]))


def places_of(explanation: Explanation) -> dict[Place, int]:
    """The different places of operators with their reasons, numbered as they come."""
    places = dict.fromkeys(operator.place for operator in explanation.operators() if operator.place is not None)
    return {place: at for at, place in enumerate(places, 1)}


def _place_lines(explanation: Explanation) -> Iterator[str]:
    """Why operators run where they do."""
    places = places_of(explanation)
    if places:
        yield "\nplaces"
    for place, number in places.items():
        yield f"{f'({number})':>5} {place.where}: {place.reason}"


def _measured_lines(explanation: Explanation) -> Iterator[str]:
    """What a run measured beside the operators of the plan."""
    run = explanation.run
    if run is None:
        return
    if run.elsewhere:
        yield "\nmeasured in code that is not in the plan"
        for found in run.elsewhere[:MOST_ELSEWHERE]:
            place = words.place_text(found.span, explanation.source)
            where = f", line {place}" if place else ""
            yield f"  {words.seconds_text(found.seconds):>8}  {found.name} ({_counted(found.calls, 'call')}{where})"


# -- rows --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `guides` stand before the text, `style` is that of the text."""

    guides: str
    text: str
    style: str = ""
    result: str = ""
    sparsity: str = ""
    memory: str = ""
    kernel: str = ""
    rules: str = ""
    where: str = ""
    seconds: float = 0.0
    calls: int = 0
    place: str = ""

    @property
    def depth(self) -> int:
        """The number of sections that it is in."""
        return self.guides.count(GUIDE)


def rows(explanation: Explanation) -> list[Row]:
    """The plan line by line, the main script last."""
    makes = Rows(explanation)
    found = [row for section in explanation.sections for row in makes.section(section, 0)]
    if explanation.late:
        found += [Row("", ""), Row("", "compiled while it ran", HEADS["block"])]
    return found + [row for section in explanation.late for row in makes.section(section, 0)]


class Rows:
    """Makes the lines of the table."""

    def __init__(self, explanation: Explanation) -> None:
        self.main = explanation.source
        self.numbers = {rule: at for at, (rule, _) in enumerate(ranked(explanation.fired), 1)}
        self.places = places_of(explanation)

    def section(self, section: Section, depth: int) -> Iterator[Row]:
        place = words.place_text(section.span, self.main) if section.role != "main" else ""
        if section.awaits:
            yield Row(GUIDE * depth, words.awaits_text(section), HEADS["block"])
        if section.role != "block":
            seconds = seconds_of(section)
            style = HEADS.get(section.role, CONTROL)
            yield Row(GUIDE * depth, section.title, style, seconds=seconds, place=place)
            depth += 1
        elif section.peak is not None and not (section.peak.is_complete and section.peak.is_negligible):
            yield Row(GUIDE * depth, "block", HEADS["block"], result="peak", memory=str(section.peak))
        for operator in section.operators:
            yield from self.operator(operator, GUIDE * depth)
        for inner in section.sections:
            yield from self.section(inner, depth)

    def operator(self, operator: Operator, guides: str) -> Iterator[Row]:
        pipeline = operator.pipeline
        if pipeline is None:
            yield self.row(operator, guides, operator.text)
            return
        yield replace(
            self.row(operator, guides + OPENS, words.short_title(pipeline)),
            style=FUSED,
            result=f"{pipeline.rows} rows",
            sparsity="",
            memory="",
        )
        for inner in pipeline.operators:
            yield self.row(inner, guides + INSIDE, inner.text)
        gives = f"gives {', '.join(operator.targets)}"
        yield Row(guides + CLOSES, gives, FUSED, memory=words.memory_text(operator))

    def row(self, operator: Operator, guides: str, text: str) -> Row:
        return Row(
            guides,
            text,
            "",
            words.results_text(operator),
            words.sparsity_text(operator.types),
            words.memory_text(operator),
            operator.kernel,
            ",".join(str(self.numbers[rule]) for rule in operator.rules if rule in self.numbers),
            "" if operator.place is None else f"{operator.place.where} ({self.places[operator.place]})",
            operator.measured.seconds,
            operator.measured.calls,
            words.place_text(operator.span, self.main),
        )


# -- the table ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """A column beside the plan; the least important ones go first where there is no room."""

    name: str
    cell: Callable[[Row], str]
    justify: Literal["left", "right"] = "right"
    widest: int = 16
    importance: int = 0


COLUMNS = (
    Column("result", lambda row: row.result, "left", WIDEST_RESULT, 9),
    Column("nonzero", lambda row: row.sparsity, importance=2),
    Column("memory", lambda row: row.memory, importance=8),
    Column("kernel", lambda row: row.kernel, "left", importance=5),
    Column("place", lambda row: row.where, "left", importance=7),
    Column("rule", lambda row: row.rules, importance=1),
    Column("time", lambda row: words.seconds_text(row.seconds) if row.seconds else "", importance=7),
    Column("calls", lambda row: str(row.calls) if row.calls else "", importance=3),
    Column("line", lambda row: row.place, importance=6),
)


def columns_for(found: Sequence[Row], width: int) -> list[tuple[Column, int]]:
    """The columns that say something, with their widths, as many of them as leave enough room for the plan."""
    used = []
    for column in COLUMNS:
        cells = [len(column.cell(row)) for row in found]
        if any(cells):
            used.append((column, min(max(len(column.name), *cells), column.widest)))
    while used and width - sum(size + GAP for _, size in used) < LEAST_PLAN:
        used.remove(min(used, key=lambda found: found[0].importance))
    return used


def _table(found: Sequence[Row], width: int) -> Table:
    """The columns beside the plan are as wide as they need to be, so that long expressions are cut and not sizes."""
    from rich.table import Table

    columns = columns_for(found, width)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    rest = width - sum(size + GAP for _, size in columns)
    table.add_column("plan", no_wrap=True, overflow="ellipsis", max_width=rest)
    for column, size in columns:
        overflow: Literal["fold", "ellipsis"] = "fold" if column.name == "result" else "ellipsis"
        table.add_column(column.name, width=size, justify=column.justify, overflow=overflow)
    hottest = max((row.seconds for row in found if row.calls), default=0.0)
    for row in found:
        table.add_row(_plan(row), *(_cell(column, row, hottest) for column, _ in columns))
    return table


def _plan(row: Row) -> Text:
    from rich.text import Text

    outer = row.guides[: row.depth * len(GUIDE)]
    return Text.assemble((outer, "dim"), (row.guides.removeprefix(outer), FUSED), (row.text, row.style))


def _cell(column: Column, row: Row, hottest: float) -> Text:
    """The text with what is unusual about it marked: unknown sizes, kernels, where the time went."""
    from rich.text import Text

    style = "dim" if row.style == HEADS["block"] else ""
    if column.name == "place":
        style = CLUSTERED if row.where.startswith(CLUSTER) else "dim"
    elif column.name == "kernel":
        style = UNUSUAL.get(row.kernel, "dim")
    elif column.name == "time":
        style = (
            "bold red" if row.calls and row.seconds >= HOT * hottest else "" if row.seconds >= WARM * hottest else "dim"
        )
    text = Text(column.cell(row), style=style)
    text.highlight_regex(UNKNOWN, "yellow")
    return text
