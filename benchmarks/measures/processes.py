"""Running scripts and timing them from inside."""

from __future__ import annotations

from gramian.api.script import Script
from gramian.ops.text import out
from gramian.source import Source


def seconds_printed(script: Script) -> float:
    """Run a script that prints the nanoseconds that its workload took; compilation does not count."""
    printed: list[str] = []
    with out.to(printed.append):
        script.run()
    return float("".join(printed)) / 1e9


def compiled(name: str, text: str) -> Script:
    return Script.compile(Source(name, text))
