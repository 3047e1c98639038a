"""Values that nobody reads are not computed, and functions that nobody calls are left out.

>>> y = X %*% X; print(1)      # print(1)

The statements are swept from the end of a function to its start, with the variables that are still read from there on.
A loop is swept until these are all that its next iteration reads, so that what only computes itself goes as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gramian.ir.liveness import Names, names_read
from gramian.ir.node import CALL, Node
from gramian.ir.program import (
    Assign,
    Block,
    For,
    Function,
    If,
    Item,
    Program,
    Region,
    Statement,
    While,
    assigned,
    map_functions,
    nodes,
    pure_functions,
)
from gramian.passes.facts import Facts

NONE: Names = frozenset()


def remove_dead_code(program: Program, facts: Facts) -> Program:
    sweep = Sweep(pure_functions(program))
    return remove_uncalled(map_functions(program, sweep.function))


@dataclass(frozen=True)
class Sweep:
    """`pure` are the functions whose calls have no effect but their results."""

    pure: set[str]

    def function(self, function: Function) -> Function:
        body, _ = self.region(function.body, frozenset(o.name for o in function.outputs))
        return replace(function, body=body)

    def region(self, region: Region, live: Names) -> tuple[Region, Names]:
        """What is left of a region after which some variables are live, and the variables that are live before it."""
        kept: list[Item] = []
        for item in reversed(region):
            left, live = self.item(item, live)
            if left is not None:
                kept.append(left)
        return tuple(reversed(kept)), live

    def item(self, item: Item, live: Names) -> tuple[Item | None, Names]:
        match item:
            case Block():
                return BlockSweep(self.pure, live).sweep(item)
            case If():
                return self.branch(item, live)
            case While():
                return self.while_loop(item, live)
            case For(parallel=None):
                return self.for_loop(item, live)
            case For():
                return self.parfor(item, live)

    def branch(self, item: If, live: Names) -> tuple[Item | None, Names]:
        then, in_then = self.region(item.then, live)
        orelse, in_orelse = self.region(item.orelse, live)
        if not then and not orelse:
            return None, live
        return replace(item, then=then, orelse=orelse), names_read((item.test,)) | in_then | in_orelse

    def while_loop(self, item: While, live: Names) -> tuple[Item, Names]:
        own = names_read((item.test,)) | live
        again = NONE
        while True:
            body, in_body = self.region(item.body, again)
            head, before = self.region(item.head, own | in_body)
            if before <= again:
                return replace(item, head=head, body=body), before
            again |= before

    def for_loop(self, item: For, live: Names) -> tuple[Item | None, Names]:
        again = NONE
        while True:
            body, before = self.region(item.body, live | again)
            before -= {item.variable}
            if before <= again | live:
                break
            again |= before
        if not body and item.variable not in live and (item.step is None or item.step.type.int_value()):
            return None, live
        # What a loop that runs assigns first is not read from before.
        skipped = NONE if item.surely_runs else live
        return replace(item, body=body), names_read(item.bounds) | skipped | before

    def parfor(self, item: For, live: Names) -> tuple[Item | None, Names]:
        """Each iteration has its own variables, which start as the `initial` ones and are gone after it."""
        assert item.parallel is not None
        own = frozenset(assigned((item,))) - frozenset(item.parallel.results)
        body, before = self.region(item.body, frozenset(item.parallel.results) | (live - own))
        while True:
            again = frozenset(item.parallel.results) | (live - own) | (before - own)
            body, before = self.region(item.body, again)
            if before - own <= again:
                break
        initial = tuple(name for name in item.parallel.initial if name in before)
        parallel = replace(item.parallel, initial=initial)
        read = names_read(item.bounds) | {*item.parallel.results, *initial} | (before - own)
        return replace(item, body=body, parallel=parallel), read | live


@dataclass
class BlockSweep:
    """Sweeps one block. `live` are the variables that are read after the statement that is looked at."""

    pure: set[str]
    live: Names
    read: set[str] = field(default_factory=set)  # variables by kept statements, as they are at the start of the block
    seen: set[Node] = field(default_factory=set)  # what kept statements evaluate
    needed: set[Node] = field(default_factory=set)  # the operands of those

    def sweep(self, block: Block) -> tuple[Block | None, Names]:
        kept: list[Statement] = []
        for statement in reversed(block.statements):
            if self.is_needed(statement):
                kept.append(statement)
                if isinstance(statement, Assign):
                    self.live -= {statement.target}
                self.note(statement.value)
        if not kept:
            return None, self.live
        left = block if len(kept) == len(block.statements) else replace(block, statements=tuple(reversed(kept)))
        return left, self.live | self.read

    def is_needed(self, statement: Statement) -> bool:
        value = statement.value
        if isinstance(statement, Assign):
            # A value that later statements of the block use is computed where it is assigned: what fails, fails there.
            return statement.target in self.live or (value in self.needed and not value.is_literal and not value.is_var)
        return not (value.op is CALL and value.attrs[0] in self.pure) or value in self.needed

    def note(self, root: Node) -> None:
        todo = [root]
        while todo:
            node = todo.pop()
            if node in self.seen:
                continue
            self.seen.add(node)
            self.needed.update(node.args)
            todo += node.args
            if node.is_var:
                self.read.add(node.name)
            elif node.op.name == "exists":
                self.live |= {node.name}


def remove_uncalled(program: Program) -> Program:
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
