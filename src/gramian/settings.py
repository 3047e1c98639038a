"""What a run is told from outside: script parameters and options, in one value that never changes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gramian.budget import checked_size
from gramian.errors import UsageError, did_you_mean

Scalar = int | float | bool | str

# And the bytes that a cell takes. With bfloat16, matrices are single, and products and convolutions round their operands.
PRECISIONS: Mapping[str, int] = MappingProxyType({"double": 8, "single": 4, "bfloat16": 4})
# Where a script runs: `auto`, also called `hybrid`, is this machine, and the cluster that is named, if one is, as costs
# decide; `local`, also called `singlenode`, is this machine; `torch` is this machine with PyTorch's kernels; with `spark`
# all matrices but small ones live on a cluster.
MIXED = ("auto", "hybrid")
NO_BFLOAT16 = "precision bfloat16 is for one machine; with a cluster there are double and single"
MODES = (*MIXED, "local", "singlenode", "torch", "spark")

_INT = re.compile(r"[+-]?\d+")
_DOUBLE = re.compile(r"\s*[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|NaN|Infinity)\s*")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "'": "'", "\\": "\\"}


@dataclass(frozen=True)
class Settings:
    """One run's settings.

    `parameters` are the script's `$name` values. `seed` makes random numbers without a seed of their own reproducible.
    `statistics` is the number of heaviest operators to report, or None for no report. `until` names the pass after which
    compilation stops (None: all passes run). `precision` is that of matrices, one of PRECISIONS; scalars are always doubles.
    `memory` is the budget in bytes (None: a share of the machine's), `scratch` the folder for what does not fit into it.
    `mode` is one of MODES, `master` the cluster of modes `auto` (None: there is none) and `spark` (None: all cores of this
    machine).

    Raises:
        UsageError: there is no such precision, mode or folder, or too little memory.
    """

    parameters: Mapping[str, Scalar] = field(default_factory=lambda: MappingProxyType({}))
    seed: int | None = None
    statistics: int | None = None
    until: str | None = None
    progress: bool = False
    precision: str = "double"
    memory: int | None = None
    scratch: str | None = None
    mode: str = "auto"
    master: str | None = None

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            near = did_you_mean(self.precision, PRECISIONS)
            raise UsageError(
                f"precision is double, single or bfloat16, found '{self.precision}'" + (f"; {near}" if near else "")
            )
        if self.mode not in MODES:
            near = did_you_mean(self.mode, MODES)
            raise UsageError(
                f"execution mode '{self.mode}' is not available; this version has auto and hybrid (here, and on the cluster "
                "of --master), local and singlenode (this machine), torch (this machine with PyTorch) and spark (a cluster)"
                + (f"; {near}" if near else "")
            )
        if self.master is not None and not self.with_spark:
            raise UsageError(f"a master is for execution modes auto and spark, found mode '{self.mode}'")
        if self.with_spark and self.precision == "bfloat16":
            raise UsageError(NO_BFLOAT16)
        if self.memory is not None:
            checked_size(self.memory)
        if self.scratch is not None and not (os.path.isdir(self.scratch) and os.access(self.scratch, os.W_OK)):
            raise UsageError(f"'{self.scratch}' is not a folder that can be written")

    @property
    def with_spark(self) -> bool:
        """Does a cluster take part?"""
        return self.mode == "spark" or (self.mode in MIXED and self.master is not None)

    @property
    def cell_bytes(self) -> int:
        """The bytes that a cell of a dense matrix takes."""
        return PRECISIONS[self.precision]


def cache_folder() -> str:
    """Where files are kept that later runs use again: $GRAMIAN_CACHE, or the user's cache folder. It may not exist yet."""
    return os.environ.get("GRAMIAN_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "gramian"
    )


def parameter_value(text: str) -> Scalar:
    """The value of a script parameter from its text: a boolean, int or double if it looks like one, else a string."""
    if text in ("TRUE", "FALSE"):
        return text == "TRUE"
    if _INT.fullmatch(text) and -(2**63) <= int(text) < 2**63:
        return int(text)
    if _DOUBLE.fullmatch(text):
        return float(text.strip().replace("Infinity", "inf"))
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    return re.sub(r"\\([btnfr\"'\\])", lambda found: _ESCAPES[found[1]], text)
