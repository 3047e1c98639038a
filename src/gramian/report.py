"""What the command line shows about builtins, plans and statistics."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from gramian.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from gramian.ir.op import Op
    from gramian.runtime.statistics import Statistics
    from gramian.settings import Settings
    from gramian.source import Source


def print_statistics(statistics: Statistics, number: int) -> None:
    """The heaviest operators, as a table on standard error."""
    from rich.console import Console
    from rich.table import Table

    console = Console(stderr=True, highlight=False)
    console.print(f"Heaviest operators, of {statistics.total:.3f} s in all:")
    table = Table(box=None)
    table.add_column("operator")
    table.add_column("seconds", justify="right")
    table.add_column("calls", justify="right")
    for name, seconds, calls in statistics.heaviest(number):
        table.add_row(name, f"{seconds:.6f}", str(calls))
    console.print(table)


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


def print_plan(source: Source, settings: Settings, stage: str, stream: TextIO = sys.stdout) -> None:
    """The plan of a script after a pass, the last one by default.

    Raises:
        UsageError: there is no such pass.
    """
    from gramian.explain import explain_source
    from gramian.passes.pipeline import pass_names

    if stage and stage not in pass_names():
        hint = did_you_mean(stage, pass_names()) or f"passes are {', '.join(pass_names())}"
        raise UsageError(f"there is no pass '{stage}'; {hint}")
    explain_source(source, settings, stage or None, stream)
