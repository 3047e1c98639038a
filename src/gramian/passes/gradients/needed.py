"""Code without what nobody reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gramian.ir.liveness import names_read
from gramian.ir.program import Assign, Block, Do, For, If, Item, Region, While, assigned, item_roots, items, map_regions


def names_in(region: Region) -> set[str]:
    """All variables that a region reads."""
    return {name for item in items(region) for name in names_read(item_roots(item))}


def trimmed(region: Region, read_after: Iterable[str]) -> Region:
    """The region with the assignments alone whose variables are read after it, or by others of these."""
    wanted = set(read_after)
    while True:
        before = len(wanted)
        for item in items(region):
            wanted.update(_reads(item, wanted))
        if len(wanted) == before:
            return tuple(_kept(region, wanted))


def _reads(item: Item, wanted: set[str]) -> set[str]:
    if isinstance(item, Block):
        return set(names_read(s.value for s in item.statements if _is_kept(s, wanted)))
    return set(names_read(item_roots(item))) if _matters(item, wanted) else set()


def _is_kept(statement: Assign | Do, wanted: set[str]) -> bool:
    return isinstance(statement, Do) or statement.target in wanted


def _matters(item: Item, wanted: set[str]) -> bool:
    inside = {name for name in assigned((item,)) if not (isinstance(item, For) and name == item.variable)}
    has_effects = any(isinstance(s, Do) for i in items((item,)) if isinstance(i, Block) for s in i.statements)
    return has_effects or not inside.isdisjoint(wanted)


def _kept(region: Region, wanted: set[str]) -> Iterator[Item]:
    for item in region:
        match item:
            case Block():
                statements = tuple(s for s in item.statements if _is_kept(s, wanted))
                if statements:
                    yield Block(statements, item.spans)
            case If() | For() | While() if _matters(item, wanted):
                yield map_regions(item, lambda inner: tuple(_kept(inner, wanted)))
