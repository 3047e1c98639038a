"""A script: compiled once, run as often as one likes."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np

import gramian.ops
from gramian.backends.local import LocalBackend
from gramian.budget import Budget
from gramian.errors import UsageError, did_you_mean
from gramian.ir.program import Program
from gramian.lang.dml import parse
from gramian.lang.lower import lower
from gramian.passes.facts import Facts
from gramian.passes.pipeline import run_passes
from gramian.runtime.backend import Backend
from gramian.runtime.run import Execution, deep_recursion
from gramian.runtime.statistics import Statistics, uncounted
from gramian.settings import Settings
from gramian.source import Source

_ = gramian.ops  # registers the operators


class Script:
    """A compiled script."""

    def __init__(self, program: Program, settings: Settings) -> None:
        self.program = program
        self.settings = settings
        self.statistics = Statistics() if settings.statistics is not None else None

    @classmethod
    def compile(cls, source: Source, settings: Settings | None = None) -> Script:
        """Compile a script's text.

        Raises:
            ScriptError: with every error that was found.
        """
        settings = settings or Settings()
        with deep_recursion(), np.errstate(all="ignore"):
            program = run_passes(lower(source, parse, settings), Facts(), settings.until)
        return cls(program, settings)

    @classmethod
    def compile_file(cls, path: str, settings: Settings | None = None) -> Script:
        """Compile a script from a file.

        Raises:
            UsageError: the file cannot be read.
            ScriptError: with every error that was found.
        """
        return cls.compile(Source(path, read_text(path)), settings)

    def run(self) -> None:
        """Run the script; what it prints goes to standard output.

        Raises:
            ScriptError: something went wrong, with its place.
        """
        try:
            self._execution.run()
        finally:
            self._execution.backend.end()

    @cached_property
    def _execution(self) -> Execution:
        """What runs the script. It keeps the plans that it compiles while running, for the next run."""
        settings = self.settings
        return Execution(self.program, backend_for(settings, self.statistics), settings, self.statistics)


def backend_for(settings: Settings, statistics: Statistics | None = None) -> Backend:
    """The backend that settings ask for; the statistics get what it counts.

    Raises:
        UsageError: it needs something that is not installed.
    """
    check_installed(settings)
    budget = Budget(settings.memory, settings.scratch)
    if settings.mode == "torch" or settings.precision == "bfloat16":
        from gramian.backends.torch import TorchBackend

        return TorchBackend(settings.precision, budget)
    if settings.with_spark:
        from gramian.backends.spark import SparkBackend
        from gramian.backends.spark.session import connect
        from gramian.cost.placement import placement_for

        count = uncounted if statistics is None else statistics.count
        return SparkBackend(
            lambda: connect(settings.master, settings),
            settings.precision,
            budget,
            placement=placement_for(settings),
            count=count,
        )
    return LocalBackend(settings.precision, budget)


def check_installed(settings: Settings) -> None:
    """
    Raises:
        UsageError: settings ask for a cluster, and Spark's package is not there. Better now than at the first large matrix.
    """
    if settings.with_spark:
        from gramian.backends.spark.session import check_pyspark

        check_pyspark()


def read_text(path: str) -> str:
    file = Path(path)
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        near = [p.name for p in file.parent.iterdir()] if file.parent.is_dir() else []
        hint = did_you_mean(file.name, near)
        raise UsageError(f"script '{path}' does not exist" + (f"; {hint}" if hint else "")) from None
    except IsADirectoryError:
        raise UsageError(f"'{path}' is a folder, not a script") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"script '{path}' is not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise UsageError(f"script '{path}' cannot be read: {error.strerror}") from None
