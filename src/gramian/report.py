"""What the command line shows about builtins and statistics."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from gramian.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from gramian.ir.op import Op
    from gramian.runtime.statistics import Statistics, Total

WIDE = 120  # columns of a file or pipe
HEADS = ("operator", "seconds", "calls", "share", "mostly at")
LEAST_NAME = 20  # columns


def print_statistics(statistics: Statistics, number: int, stream: TextIO | None = None) -> None:
    """The heaviest operators and what else was counted, by default on standard error."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from gramian.runtime.statistics import counter_texts

    console = Console(file=stream or sys.stderr, highlight=False)
    console.width = console.width if console.is_terminal else WIDE
    console.print(f"Heaviest operators, of {statistics.total:.3f} s in all:")
    rows = [_row(found, statistics.total) for found in statistics.heaviest(number)]
    widths = [max(map(len, column)) for column in zip(HEADS, *rows, strict=True)][1:]
    table = Table(box=None, pad_edge=False)
    table.add_column(HEADS[0], no_wrap=True, max_width=max(console.width - sum(widths) - 2 * len(widths), LEAST_NAME))
    for name, width in zip(HEADS[1:], widths, strict=True):
        table.add_column(name, no_wrap=True, min_width=width, justify="left" if name == HEADS[-1] else "right")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)
    for counted in statistics.counters.items():
        console.print(escape(": ".join(counter_texts(*counted))))


def _row(found: Total, total: float) -> tuple[str, ...]:
    share = f"{found.seconds / total:.1%}" if total else ""
    place = "" if found.span is None else f"{Path(found.span.source.name).name}:{found.span.line}"
    return found.name, f"{found.seconds:.6f}", str(found.calls), share, place


def print_builtins(name: str | None) -> None:
    """All builtins by family, or one with its arguments.

    Raises:
        UsageError: there is no such builtin.
    """
    import gramian.ops
    from gramian.ir.op import REGISTRY

    _ = gramian.ops
    public = [op for op in REGISTRY.records() if not op.internal]
    if name is not None:
        op = REGISTRY.get(name)
        if op is None or op.internal:
            hint = did_you_mean(name, [n for n in REGISTRY if not REGISTRY[n].internal])
            raise UsageError(f"there is no builtin '{name}'" + (f"; {hint}" if hint else ""))
        print(describe(op))
        return
    for family in sorted({op.family for op in public}):
        print(f"{family}:")
        members = [op for op in public if op.family == family]
        width = max(len(op.name) for op in members)
        for op in members:
            print(f"  {op.name:<{width}}  {op.doc}")
        print()


def describe(op: Op) -> str:
    """One builtin: signature, meaning, results, other names, gradient."""
    lines = [op.signature, f"  {op.doc}"]
    if op.outputs:
        lines.append(f"  results: [{', '.join(op.outputs)}] = {op.name}(...)")
    if op.aliases:
        lines.append(f"  also called: {', '.join(op.aliases)}")
    if op.definition:
        lines.append(f"  means: {op.definition}")
    for param, gradient in op.gradient.items():
        lines.append(f"  gradient by {param}: {gradient}")
    return "\n".join(lines)
