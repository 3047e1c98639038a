"""Values that nobody reads are not computed, and functions that nobody calls are left out.

>>> y = X %*% X; print(1)      # print(1)
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from gramian.ir.node import CALL, Node, walk
from gramian.ir.program import (
    Assign,
    Block,
    Do,
    For,
    Function,
    Item,
    Program,
    Region,
    Statement,
    items,
    map_functions,
    map_regions,
    nodes,
    pure_functions,
)
from gramian.passes.facts import Facts


def remove_dead_code(program: Program, facts: Facts) -> Program:
    pure = pure_functions(program)
    while True:
        smaller = map_functions(program, lambda function: _remove_unread(function, pure))
        if _size(smaller) == _size(program):
            return _remove_uncalled(smaller)
        program = smaller


def _size(program: Program) -> int:
    return sum(len(item.statements) for f in program.all_functions for item in items(f.body) if isinstance(item, Block))


def _remove_unread(function: Function, pure: set[str]) -> Function:
    read = read_variables(function)
    return function if read is None else replace(function, body=_region(function.body, read, pure))


def read_variables(function: Function) -> set[str] | None:
    """The variables of a function that some block or its caller reads; None stands for all."""
    if any(node.op.name == "time" for node in nodes(function.body)):
        return None  # what is assigned before time() is complete then, and measured by it
    read = {o.name for o in function.outputs}
    for item in items(function.body):
        if isinstance(item, For) and item.parallel is not None:
            read.update(item.parallel.results, item.parallel.initial)
    for node in nodes(function.body):
        if node.is_var or node.op.name == "exists":
            read.add(node.name)
    return read


def _region(region: Region, read: set[str], pure: set[str]) -> Region:
    kept: list[Item] = []
    for item in region:
        if isinstance(item, Block):
            block = _block(item, read, pure)
            if block.statements:
                kept.append(block)
        else:
            kept.append(map_regions(item, lambda r: _region(r, read, pure)))
    return tuple(kept)


def _block(block: Block, read: set[str], pure: set[str]) -> Block:
    # A value that later statements of the block use is computed where it is assigned: what fails, fails there.
    needed = Counter(arg for node in walk(block.roots) for arg in node.args)
    statements: tuple[Statement, ...] = tuple(
        s for s in block.statements if not isinstance(s, Assign) or s.target in read or _is_kept(s.value, needed)
    )
    used = {n for s in statements if isinstance(s, Assign) for n in walk([s.value])}
    used |= {n for s in statements if isinstance(s, Do) for arg in s.value.args for n in walk([arg])}
    statements = tuple(s for s in statements if not (_is_pure_call(s, pure) and s.value not in used))
    return block if len(statements) == len(block.statements) else replace(block, statements=statements)


def _is_kept(value: Node, needed: Counter[Node]) -> bool:
    return needed[value] > 0 and not value.is_literal and not value.is_var


def _is_pure_call(statement: Statement, pure: set[str]) -> bool:
    node = statement.value
    return isinstance(statement, Do) and node.op is CALL and node.attrs[0] in pure


def _remove_uncalled(program: Program) -> Program:
    """Keep what main calls, directly or not; eval() and the like may call whatever they can name."""
    reached: set[str] = set()
    todo = [program.main]
    while todo:
        for node in nodes(todo.pop().body):
            names = [node.attrs[0]] if node.op is CALL else []
            if node.op.calls_by_name:
                names = list(program.callable.values())
            for name in names:
                if name not in reached:
                    reached.add(name)
                    todo.append(program.functions[name])
    return replace(program, functions={n: f for n, f in program.functions.items() if n in reached})
