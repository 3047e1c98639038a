"""What a compilation knows beyond the program itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gramian.ir.types import Type


@dataclass(frozen=True)
class Facts:
    """`inputs` are the types of variables that have a value before the main script starts."""

    inputs: Mapping[str, Type] = field(default_factory=dict)
