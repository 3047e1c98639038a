"""What liveness calls dead may be overwritten: random programs print the same when every dead variable is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cases import compiled, printed
from programs import program
from test_differential import Thrown

from gramian.ir.liveness import Liveness, liveness
from gramian.ir.node import literal
from gramian.ir.program import Assign, Block, For, Function, Program, Region, assigned, map_functions, map_regions
from gramian.passes.facts import Facts
from gramian.passes.pipeline import run_passes


def overwritten(function: Function) -> Function:
    names = assigned(function.body) | {p.name for p in function.params}
    return replace(function, body=_region(function.body, function, liveness(function), names))


def _region(region: Region, function: Function, live: Liveness, names: set[str]) -> Region:
    changed = []
    for item in region:
        own = names
        if isinstance(item, For) and item.parallel is not None:
            # To assign what is not its own would make it a variable of the iteration.
            own = assigned((item,)) - set(item.parallel.results)
        inner = map_regions(item, lambda r, own=own: _region(r, function, live, own))
        changed.append(inner)
        dead = sorted(names - live.after[item])
        if dead:
            changed.append(Block(tuple(Assign(n, literal("dead"), function.span) for n in dead), {}))
    return tuple(changed)


def all_overwritten(program: Program) -> Program:
    return map_functions(program, overwritten)


@pytest.mark.parametrize("start", range(0, 100, 10))
def test_dead_variables_may_be_overwritten(start: int) -> None:
    for offset in range(10):
        text = program(Thrown(5000 + start + offset), 4 + offset)
        whole = compiled(text)
        for changed in (whole, run_passes(whole, Facts())):
            assert printed(all_overwritten(changed)) == printed(changed), text


@pytest.mark.parametrize("start", range(0, 30, 10))
def test_a_compiled_program_may_be_compiled_again(start: int) -> None:
    for offset in range(10):
        text = program(Thrown(6000 + start + offset), 4 + offset)
        once = run_passes(compiled(text), Facts())
        assert printed(run_passes(once, Facts())) == printed(once), text
