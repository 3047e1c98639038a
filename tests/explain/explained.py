"""Explanations for the tests."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from gramian.api.script import Script
from gramian.explain.build import build
from gramian.explain.compiled import compile_recorded
from gramian.explain.measured import add_measured
from gramian.explain.model import Explanation
from gramian.explain.terminal import rendered
from gramian.settings import Settings
from gramian.source import Source

BUDGET = 10**11  # bytes, whatever the machine has
GOLDEN = Path(__file__).parent / "golden"


def explained(text: str, name: str = "train.dml", settings: Settings | None = None) -> Explanation:
    return build(compile_recorded(Source(name, text), settings or Settings(memory=BUDGET)))


def explained_run(text: str, name: str = "train.dml") -> Explanation:
    """The explanation of a script that was run."""
    settings = Settings(statistics=10)
    compiled = compile_recorded(Source(name, text), settings)
    script = Script(compiled.program, settings)
    script.run()
    assert script.statistics is not None
    found = build(compiled, script.statistics.parts)
    add_measured(found, script.statistics)
    return found


def shown(explanation: Explanation, width: int = 100) -> str:
    """The explanation as text of a terminal that is so wide."""
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False).print(rendered(explanation, width))
    return "".join(line.rstrip() + "\n" for line in stream.getvalue().splitlines())
