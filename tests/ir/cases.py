"""The conformance cases of the language as programs, after each pass."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from gramian.api.script import Script
from gramian.errors import GramianError
from gramian.ir.program import Program
from gramian.lang.dml import parse
from gramian.lang.lower import lower
from gramian.ops.text import out
from gramian.passes.facts import Facts
from gramian.passes.pipeline import PIPELINE
from gramian.settings import Scalar, Settings, parameter_value
from gramian.source import Source

FOLDER = Path(__file__).parents[1] / "conformance" / "lang"
SCRIPTS = sorted(path for path in FOLDER.rglob("*.dml") if "data" not in path.parts)


def parameters(text: str) -> dict[str, Scalar]:
    """What the line `#: args` at the top of a case gives the script."""
    line = next((line for line in text.splitlines() if line.startswith("#: args ")), "#: args")
    kind, *words = [*shlex.split(line.removeprefix("#: args")), ""]
    if kind == "-nvargs":
        return {name: parameter_value(value) for name, _, value in (word.partition("=") for word in words[:-1])}
    return {str(at): parameter_value(word) for at, word in enumerate(words[:-1], 1)}


def compiled(text: str, name: str = "plan") -> Program:
    """A program as it is before the passes."""
    return lower(Source(name, text), parse, Settings(parameters(text)))


def stages(program: Program) -> Iterator[tuple[str, Program]]:
    """The program before the passes and after each of them."""
    yield "lower", program
    for step in PIPELINE:
        program = step(program, Facts())
        yield step.__name__, program


def printed(program: Program) -> tuple[str, str]:
    """What a program prints, and the message if it fails."""
    texts: list[str] = []
    message = ""
    with out.to(texts.append):
        try:
            Script(program, Settings()).run()
        except GramianError as error:
            message = str(error)
    return "".join(texts), message
