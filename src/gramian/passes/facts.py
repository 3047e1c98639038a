"""What a compilation knows beyond the program itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gramian.ir.types import Type


@dataclass(frozen=True)
class Facts:
    """`inputs` are the types of variables that have a value before the main script starts.

    With `certain`, sizes that do not fit are errors of the compilation wherever code certainly runs; else they are left
    for the run time, since what comes before in the script must happen first.
    """

    inputs: Mapping[str, Type] = field(default_factory=dict)
    certain: bool = True
