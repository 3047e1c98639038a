"""What the command line shows about builtins and statistics."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from gramian.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from gramian.ir.op import Op
    from gramian.runtime.statistics import Statistics

WIDE = 120  # columns of a file or pipe


def print_statistics(statistics: Statistics, number: int, stream: TextIO | None = None) -> None:
    """The heaviest operators and what else was counted, by default on standard error."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(file=stream or sys.stderr, highlight=False)
    console.width = console.width if console.is_terminal else WIDE
    console.print(f"Heaviest operators, of {statistics.total:.3f} s in all:")
    table = Table(box=None)
    table.add_column("operator", no_wrap=True, overflow="ellipsis")
    for name in ("seconds", "calls", "share"):
        table.add_column(name, justify="right")
    table.add_column("mostly at", no_wrap=True)
    for found in statistics.heaviest(number):
        share = found.seconds / statistics.total if statistics.total else 0.0
        place = "" if found.span is None else f"{Path(found.span.source.name).name}:{found.span.line}"
        table.add_row(escape(found.name), f"{found.seconds:.6f}", str(found.calls), f"{share:.1%}", escape(place))
    console.print(table)
    for counter, count in statistics.counters.items():
        console.print(f"{escape(counter)}: {count}")


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
