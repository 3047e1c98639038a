"""How sizes, shares and times read, in the terminal and in the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gramian.cost.memory import bytes_text
from gramian.cost.placement import CLUSTER
from gramian.explain.model import Operator, Pipeline, Section
from gramian.ir.text import type_text
from gramian.ir.types import Type, size_text
from gramian.source import Source, Span

MOST = 0.995
PANEL = "panel"
VIEW = "view"


def result_text(type: Type) -> str:
    """The type for a reader who expects matrices: `1000x50`, `frame 5x?`, `int = 3`."""
    if type.is_matrix:
        return f"{size_text(type.rows)}x{size_text(type.cols)}"
    return type_text(type)


def results_text(operator: Operator) -> str:
    return ", ".join(map(result_text, operator.types))


def sizes_text(operator: Operator) -> str:
    """The same for the page, with a proper sign for the product."""
    return ", ".join(result_text(t).replace("x", "×") if t.is_matrix else result_text(t) for t in operator.types)


def sparsity_text(types: tuple[Type, ...]) -> str:
    """The share of cells that are not zero, if that is known and not nearly all."""
    shares = {type.sparsity for type in types if type.is_matrix and type.sparsity is not None and type.sparsity < MOST}
    return ", ".join(share_text(share) for share in sorted(shares))


def share_text(share: float) -> str:
    """A share with two digits: `12 %`, `0.35 %`."""
    if 0 < share < 1e-4:
        return f"{share * 100:.0e} %".replace("e-0", "e-")
    return f"{share * 100:.2g} %" if share < MOST else f"{share * 100:.3g} %"


def memory_text(operator: Operator) -> str:
    if operator.is_panel:
        return PANEL
    if operator.is_view:
        return VIEW
    return bytes_text(operator.memory) if operator.has_memory else ""


def place_of(operator: Operator) -> str:
    """Where it runs, if a cluster takes part."""
    return operator.place.where if operator.place is not None else ""


def away_text(operator: Operator) -> str:
    """What a card says of an operator that runs on the cluster."""
    return CLUSTER if operator.place is not None and operator.place.on_cluster else ""


def count_text(number: float) -> str:
    """A large number for people: `640`, `1.2 million`."""
    for size, name in ((1e12, " trillion"), (1e9, " billion"), (1e6, " million"), (1e3, " thousand")):
        if number >= 0.9995 * size:
            return f"{number / size:.3g}{name}"
    return f"{number:.0f}"


def seconds_text(seconds: float) -> str:
    """A time with three digits: `1.23 s`, `45.6 ms`, `7.0 us`."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= 0.9995 * size or unit == "µs":
            value = seconds / size
            return (
                f"{value:.0f} {unit}"
                if value >= 99.95
                else f"{value:.1f} {unit}"
                if value >= 9.995
                else f"{value:.2f} {unit}"
            )
    raise AssertionError


def place_text(span: Span | None, main: Source) -> str:
    if span is None:
        return ""
    return str(span.line) if span.source is main else f"{Path(span.source.name).name}:{span.line}"


def places(span: Span | None) -> Iterator[Span]:
    """A place, and where the code there was called if it was inlined, innermost first."""
    while span is not None:
        yield span
        span = span.caller[1] if span.caller is not None else None


def pipeline_title(pipeline: Pipeline) -> str:
    """`pipeline 1: one pass over 1000000 rows of X, w`"""
    of = "rows of" if pipeline.choice.driver is None else "rows,"
    return f"pipeline {pipeline.number}: one pass over {pipeline.rows} {of} {operands_text(pipeline)}"


def short_title(pipeline: Pipeline) -> str:
    """The same where the number of rows stands elsewhere."""
    way = "" if pipeline.choice.driver is not None else "one pass over "
    return f"pipeline {pipeline.number}: {way}{operands_text(pipeline)}"


def operands_text(pipeline: Pipeline) -> str:
    """What a pipeline passes over."""
    stored = "stored cells of " if pipeline.choice.driver is not None else ""
    return stored + ", ".join(pipeline.panels)


def awaits_text(section: Section) -> str:
    """Said before code that is compiled when it is reached."""
    return f"compiled when reached, for the sizes of {', '.join(section.awaits)}"


# Kernels that are worth a word on a card.
WORTH_TELLING = frozenset({"sparse", "made dense", "disk"})
