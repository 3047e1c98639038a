"""Branches whose condition is known are replaced by the side that is taken; loops that never run disappear.

>>> if (FALSE) print(1) else print(2)      # print(2)
"""

from __future__ import annotations

from dataclasses import replace

from gramian.ir.node import Node
from gramian.ir.program import For, If, Item, Program, Region, While, map_functions, map_regions, outcome
from gramian.passes.facts import Facts


def remove_branches(program: Program, facts: Facts) -> Program:
    return map_functions(program, lambda function: replace(function, body=_region(function.body)))


def _region(region: Region) -> Region:
    return tuple(kept for item in region for kept in _item(item))


def _item(item: Item) -> Region:
    inner = map_regions(item, _region)
    match inner:
        case If() if inner.outcome is not None:
            return inner.then if inner.outcome else inner.orelse
        case While(test=test, head=()) if outcome(test) is False:
            return ()
        case For(start=start, stop=stop, step=step) if step is not None and _never(start, stop, step):
            return ()
    return (inner,)


def _never(start: Node, stop: Node, step: Node) -> bool:
    first, last, by = (n.type.int_value() for n in (start, stop, step))
    if first is None or last is None or by is None:
        return False
    return (by > 0 and first > last) or (by < 0 and first < last)
