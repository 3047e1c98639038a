"""Does a loop read or write files? Then it runs where the script runs: its files are there."""

from __future__ import annotations

from collections.abc import Iterator

from gramian.ir.node import CALL, Node
from gramian.ir.op import Trait
from gramian.ir.program import For, Program, Region, nodes


def touches_files(loop: For, program: Program) -> bool:
    return any(node.op.family == "io" for node in _reachable(loop.body, program))


def _reachable(body: Region, program: Program) -> Iterator[Node]:
    """The nodes of a region, and of all functions that it may call, also by names made while it runs."""
    seen: set[str] = set()
    regions = [body]
    while regions:
        for node in nodes(regions.pop()):
            yield node
            called = {str(node.attrs[0])} if node.op is CALL else set()
            if node.op.functions or node.op.has(Trait.CALLS):
                called |= set(program.callable.values())
            for name in called & program.functions.keys() - seen:
                seen.add(name)
                regions.append(program.functions[name].body)
