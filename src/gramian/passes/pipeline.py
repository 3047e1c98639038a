"""The passes in their order."""

from __future__ import annotations

from collections.abc import Callable

from gramian.ir.program import Program
from gramian.passes.differentiate import differentiate
from gramian.passes.facts import Facts
from gramian.passes.fold_constants import fold_constants
from gramian.passes.fuse import fuse
from gramian.passes.hoist_invariants import hoist_invariants
from gramian.passes.inline_functions import inline_functions
from gramian.passes.join_blocks import join_blocks
from gramian.passes.order_products import order_products
from gramian.passes.propagate_sizes import propagate_sizes
from gramian.passes.remove_branches import remove_branches
from gramian.passes.remove_dead_code import remove_dead_code
from gramian.passes.share_subexpressions import share_subexpressions
from gramian.passes.simplify import simplify
from gramian.passes.specialise_functions import specialise_functions
from gramian.passes.split_blocks import split_blocks

Pass = Callable[[Program, Facts], Program]

# What is known comes first, what is done with it later.
PIPELINE: tuple[Pass, ...] = (
    differentiate,  # first: what it writes is a program like any other, for all that follows
    inline_functions,  # early, so that sizes and constants flow through the expressions of functions as through others
    propagate_sizes,
    fold_constants,  # needs the values that flow in types
    remove_branches,  # needs tests that are constants
    join_blocks,  # behind removed branches, so that rules and common subexpressions reach further
    specialise_functions,  # needs the arguments of calls; runs all of the above again for what it changes
    simplify,  # the rules, on the largest blocks and with all sizes
    order_products,  # after rules that make and unmake products and transposes
    hoist_invariants,  # after products have their order: of t(X) %*% X %*% v nothing is left to move
    share_subexpressions,  # after hoisting: what was moved before a loop is there for all that follows
    remove_dead_code,  # whatever those left unread
    split_blocks,  # where sizes become known only then; joined blocks are split again where that helps
    fuse,  # last: what is fused is no longer an operator that others know
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
