"""What `gramian explain` shows: the plan as a tree of blocks and operators, with sizes, estimated memory and places.

Operators on matrices, frames and lists have a line each; what scalars do in between is written out. `?` is what is not
known before the script runs.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from gramian.api.script import Script
from gramian.cost.memory import CELL, bytes_text, is_view, peak, total, value_bytes
from gramian.ir.lines import Line
from gramian.ir.node import Node
from gramian.ir.program import Program
from gramian.ir.text import plan_lines, type_text
from gramian.passes.pipeline import PIPELINE
from gramian.passes.simplify import simplify, simplify_with
from gramian.rewrite.driver import Driver
from gramian.rewrite.rules import rule_index
from gramian.settings import Settings
from gramian.source import Source, Span

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

GUIDE = "│ "
WIDE, NARROW = 120, 80  # columns of a file or pipe, and the least ones of a terminal
WIDEST_RESULT = 32
GAP = 2
LEGEND = {"?": "?: not known before it runs", "view": "view: the memory of its operand"}
HEADS = {"function": "bold", "if": "magenta", "else": "magenta", "for": "magenta", "while": "magenta", "block": "dim"}


def explain(
    program: Program, stream: TextIO = sys.stdout, *, fired: Mapping[str, int] | None = None, cell: int = CELL
) -> None:
    """Write the plan of a program; `fired` are the rules that were applied to it and how often, `cell` a cell's bytes."""
    from rich.console import Console

    console = Console(file=stream, highlight=False)
    console.width = max(console.width, NARROW) if console.is_terminal else WIDE
    console.print(explanation(program, fired or {}, console.width, cell))


def explain_source(source: Source, settings: Settings, after: str | None = None, stream: TextIO = sys.stdout) -> None:
    """Write the plan of a script after a pass, by default the last one, with the rules that fired.

    Raises:
        ScriptError: with every error that was found.
    """
    names = [step.__name__ for step in PIPELINE]
    at = names.index(simplify.__name__)
    fired: Mapping[str, int] = {}
    if after is None or after in names[at:]:
        fired = fired_rules(Script.compile(source, replace(settings, until=names[at - 1])).program)
    program = Script.compile(source, replace(settings, until=after)).program
    explain(program, stream, fired=fired, cell=settings.cell_bytes)


def fired_rules(program: Program) -> Counter[str]:
    """The rules that `simplify` applies to a program, and how often."""
    driver = Driver(rule_index())
    simplify_with(program, driver)
    return driver.fired


def explanation(program: Program, fired: Mapping[str, int], width: int, cell: int = CELL) -> RenderableType:
    """The plan of a program as rich shows it."""
    from rich.console import Group
    from rich.text import Text

    found = rows(program, cell)
    parts: list[RenderableType] = [_table(found, program.source.name, width)]
    legend = [text for mark, text in LEGEND.items() if any(mark in row.memory for row in found)]
    if legend:
        parts += [Text("\n" + "; ".join(legend), style="dim")]
    if fired:
        parts += [Text("\nrules that fired", style="bold")]
        parts += [Text(f"{count:>4} x {rule}") for rule, count in sorted(fired.items(), key=lambda f: (-f[1], f[0]))]
    return Group(*parts)


def _table(found: list[Row], name: str, width: int) -> Table:
    """The columns behind the plan are as wide as they need to be, so that long expressions are cut and not sizes."""
    from rich.table import Table

    result = min(max(len("result"), *(len(row.result) for row in found)), WIDEST_RESULT)
    memory = max(len("memory"), *(len(row.memory) for row in found))
    place = max(len("line"), *(len(row.place) for row in found))
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    rest = width - result - memory - place - 3 * GAP
    table.add_column(name, no_wrap=True, overflow="ellipsis", max_width=rest)
    table.add_column("result", width=result, overflow="fold")
    table.add_column("memory", width=memory, justify="right")
    table.add_column("line", width=place, justify="right")
    for row in found:
        table.add_row(_tree(row), _result(row), row.memory, row.place)
    return table


# -- rows --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the explanation. `style` is that of its text; `result` may come in several parts."""

    depth: int
    text: str
    style: str = ""
    result: str = ""
    memory: str = ""
    place: str = ""


def rows(program: Program, cell: int = CELL) -> list[Row]:
    """The plan line by line, the main script last."""
    found = []
    below = 0
    for line in plan_lines(program, works_on_structures):
        row = _row(line, program.source, cell)
        if line.role == "main":
            below = 1
        elif row is not None:
            row = replace(row, depth=row.depth + below)
        if row is not None:
            found.append(row)
    return found


def works_on_structures(node: Node) -> bool:
    """Has the operator to do with matrices, frames or lists?"""
    return not all(n.type.is_scalar for n in (node, *node.args))


def _row(line: Line, main: Source, cell: int) -> Row | None:
    place = _place(line.span, main)
    match line.role:
        case "end":
            return None
        case "main":
            return Row(0, "main", HEADS["function"])
        case "block":
            assert line.block is not None
            most = peak(line.block, cell)
            if most.is_complete and most.is_negligible:
                return None
            return Row(line.depth, "block", HEADS["block"], "peak", str(most))
        case "statement":
            result = ", ".join(map(type_text, line.types))
            return Row(line.depth, line.text, "", result, _memory(line, cell), place)
    head = line.text.removesuffix(" {").removeprefix("} ")
    if line.role == "function":
        head = head.replace("[double]", "").replace("[unknown]", "")
    return Row(line.depth, head, HEADS[line.role], "", "", place)


def _memory(line: Line, cell: int) -> str:
    if not line.types:
        return ""
    if line.node is not None and line.node.type.is_matrix and is_view(line.node):
        return "view"
    if all(type.is_scalar for type in line.types):
        return ""
    return bytes_text(total(value_bytes(type, cell) for type in line.types))


def _place(span: Span | None, main: Source) -> str:
    if span is None:
        return ""
    return str(span.line) if span.source is main else f"{Path(span.source.name).name}:{span.line}"


# -- cells -------------------------------------------------------------------------------------------------------------


def _tree(row: Row) -> Text:
    from rich.text import Text

    return Text.assemble((GUIDE * row.depth, "dim"), (row.text, row.style))


def _result(row: Row) -> Text:
    """The type, with what is unknown about it marked."""
    from rich.text import Text

    text = Text(row.result, style="dim" if row.style == HEADS["block"] else "")
    text.highlight_regex(r"\?", "yellow")
    return text
