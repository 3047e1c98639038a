"""The passes in their order."""

from __future__ import annotations

from collections.abc import Callable

from gramian.ir.program import Program
from gramian.passes.facts import Facts
from gramian.passes.fold_constants import fold_constants
from gramian.passes.fuse import fuse
from gramian.passes.inline_functions import inline_functions
from gramian.passes.propagate_sizes import propagate_sizes
from gramian.passes.remove_branches import remove_branches
from gramian.passes.remove_dead_code import remove_dead_code
from gramian.passes.simplify import simplify
from gramian.passes.split_blocks import split_blocks

Pass = Callable[[Program, Facts], Program]

PIPELINE: tuple[Pass, ...] = (
    inline_functions,
    propagate_sizes,
    fold_constants,
    remove_branches,
    simplify,
    remove_dead_code,
    split_blocks,
    fuse,
)


def run_passes(program: Program, facts: Facts, until: str | None = None) -> Program:
    """The program after all passes, or after the one named `until` ("lower": after none)."""
    if until == "lower":
        return program
    for step in PIPELINE:
        program = step(program, facts)
        if step.__name__ == until:
            break
    return program


def pass_names() -> tuple[str, ...]:
    return ("lower", *(step.__name__ for step in PIPELINE))
