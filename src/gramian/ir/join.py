"""Blocks that follow one another as one block: what was passed between them in variables becomes shared nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gramian.ir.node import Node, transform
from gramian.ir.program import Assign, Block, Statement
from gramian.source import Span


def join(blocks: Sequence[Block]) -> Block:
    """One block that does what the blocks do in their order: a variable read is the value that was assigned before."""
    first, *others = blocks
    statements: list[Statement] = list(first.statements)
    spans: dict[Node, Span] = dict(first.spans)
    values = {s.target: s.value for s in first.statements if isinstance(s, Assign)}
    for block in others:
        memo: dict[Node, Node] = {}
        moved = [_moved(s, values, memo) for s in block.statements]
        statements += moved
        values |= {s.target: s.value for s in moved if isinstance(s, Assign)}
        for old, new in memo.items():
            if old in block.spans:
                spans.setdefault(new, block.spans[old])
    return Block(tuple(statements), spans)


def is_barrier(block: Block) -> bool:
    """Does the block read the clock? What stands before it must be done then, and nothing of what stands behind it."""
    return any(root.op.name == "time" for root in block.roots)


def _moved(statement: Statement, values: dict[str, Node], memo: dict[Node, Node]) -> Statement:
    def known(node: Node) -> Node:
        return values.get(node.name, node) if node.is_var else node

    return replace(statement, value=transform(statement.value, known, memo))
