"""The command `gramian explain`: compile, perhaps run, and show the plan in the terminal or write it as a page."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TextIO

from gramian.api.script import Script, check_installed
from gramian.errors import GramianError, OperationError, UsageError, did_you_mean
from gramian.explain.build import build
from gramian.explain.compiled import compile_recorded
from gramian.explain.html import page
from gramian.explain.measured import add_measured
from gramian.explain.model import Explanation
from gramian.explain.terminal import headline, show
from gramian.io.files import check_path, failing_as
from gramian.io.replacement import Replacement, delete
from gramian.passes.pipeline import pass_names
from gramian.report import print_statistics
from gramian.settings import Settings
from gramian.source import Source


def print_plan(source: Source, settings: Settings, stage: str, stream: TextIO) -> None:
    """Write the plan of a script after a pass, the last one by default.

    Raises:
        UsageError: there is no such pass.
        ScriptError: with every error that was found.
    """
    show(build(compile_recorded(source, after_pass(settings, stage))), stream)


def after_pass(settings: Settings, stage: str) -> Settings:
    """The settings for compiling up to a pass; "" stands for the last one.

    Raises:
        UsageError: there is no such pass.
    """
    if stage and stage not in pass_names():
        hint = did_you_mean(stage, pass_names()) or f"passes are {', '.join(pass_names())}"
        raise UsageError(f"there is no pass '{stage}'; {hint}")
    return replace(settings, until=stage or None)


def explain(source: Source, settings: Settings, stage: str, html: str | None) -> None:
    """Show the plan of a script on standard output, or write it as a page if `html` names a file.

    If the settings ask for statistics, the script is run before, and if it fails, what was measured is shown all the same.

    Raises:
        UsageError: there is no such pass, the page cannot be written, or what a run needs is not installed.
        ScriptError: with every error that was found, or what went wrong in the run.
    """
    settings = after_pass(settings, stage)
    if settings.statistics is not None:
        check_installed(settings)
    if html is not None:
        check_writable(html)
    compiled = compile_recorded(source, settings)
    script, error = Script(compiled.program, settings), None
    if script.statistics is None:
        explanation = build(compiled)
    else:
        error = failure_of(script)
        explanation = build(compiled, script.statistics.parts)
        add_measured(explanation, script.statistics)
    if html is not None:
        write_page(explanation, html)
    else:
        show(explanation, sys.stdout)
    if script.statistics is not None and html is None:
        print()
        print_statistics(script.statistics, settings.statistics or 10, sys.stdout)
    if error is not None:
        raise error


def failure_of(script: Script) -> GramianError | None:
    """Run a script; what goes wrong waits until the plan is shown."""
    try:
        script.run()
    except GramianError as error:
        return error
    finally:
        sys.stdout.flush()
    return None


def write_page(explanation: Explanation, path: str) -> None:
    text = page(explanation)
    with _writing(path), Replacement() as replacement, open(replacement.add(path), "w", encoding="utf-8") as file:
        file.write(text)
    print(f"{headline(explanation)}; written to {path}", file=sys.stderr)


def check_writable(path: str) -> None:
    """Fail at once rather than after a long run.

    Raises:
        UsageError: the page cannot be written.
    """
    if os.path.isdir(path):
        raise UsageError(f"cannot write '{path}': it is a folder; name a file in it")
    with _writing(path):
        temporary = Replacement().add(path)
        open(temporary, "w").close()
        delete(temporary)


@contextmanager
def _writing(path: str) -> Iterator[None]:
    try:
        check_path(path)
        with failing_as("write", path):
            yield
    except OperationError as error:
        raise UsageError(error.message + (f"; {error.hint}" if error.hint else "")) from None
