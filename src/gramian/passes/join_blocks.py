"""Blocks that follow one another become one, so that rules and common subexpressions reach across them.

>>> if (TRUE) { Y = X + 1 }; Z = (X + 1) * 2      # Y = X + 1; Z = Y * 2

They come about where branches were removed and calls were inlined. Blocks with time() stay: they are barriers.
"""

from __future__ import annotations

from dataclasses import replace

from gramian.ir.join import is_barrier, join
from gramian.ir.program import Block, Item, Program, Region, map_functions, map_regions
from gramian.passes.facts import Facts


def join_blocks(program: Program, facts: Facts) -> Program:
    return map_functions(program, lambda f: replace(f, body=joined(f.body)))


def joined(region: Region) -> Region:
    """The region with one block where there were several in a row."""
    found: list[Item] = []
    row: list[Block] = []
    for item in (*region, None):
        if isinstance(item, Block) and not is_barrier(item):
            row.append(item)
            continue
        if row:
            found.append(join(row) if len(row) > 1 else row[0])
            row = []
        if item is not None:
            found.append(map_regions(item, joined))
    return tuple(found)
