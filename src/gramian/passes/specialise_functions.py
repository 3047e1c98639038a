"""Functions that are called with constants, or with matrices of several sizes, get a copy for each.

>>> f = function(matrix[double] X, boolean scale) return (...) { if (scale) ... }
>>> A = f(X, TRUE); B = f(Y, FALSE)           # A = f(X, TRUE); B = f_2(Y, FALSE)

Inside a copy the constant is known, so that branches on it are decided, and so are sizes. A constant counts only if it
decides something: the test of a branch, or a size. That may make functions small enough to be inlined, and arguments of
further calls known; so sizes, constants and branches are worked out again as long as there is something new.

Copies are few: functions that call themselves have none, and a function with too many kinds of calls, or too large a
body, only those for the constants, or none. A copy keeps the title of its function: messages speak of that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from gramian.ir.liveness import names_read
from gramian.ir.mapping import map_nodes
from gramian.ir.node import CALL, Node, call, walk
from gramian.ir.op import Trait
from gramian.ir.program import Assign, Block, Function, If, Program, calls, item_roots, items, nodes
from gramian.ir.types import BOOLEAN, STRING, Kind, Type
from gramian.passes.facts import Facts
from gramian.passes.fold_constants import fold_constants
from gramian.passes.inline_functions import inline_functions
from gramian.passes.join_blocks import join_blocks
from gramian.passes.propagate_sizes import propagate_sizes
from gramian.passes.remove_branches import remove_branches
from gramian.passes.remove_dead_code import remove_uncalled

ROUNDS = 3
MOST_COPIES = 6  # of a function
MOST_NODES = 1_000  # in all copies of a function; in all copies together so many, or as many as the program has

AGAIN = (propagate_sizes, fold_constants, remove_branches, join_blocks)


def specialise_functions(program: Program, facts: Facts) -> Program:
    copies = Copies(_with_copies_already(program), max(MOST_NODES, sum(map(_size, program.all_functions))))
    for _ in range(ROUNDS):
        special = inline_functions(_with_copies(program, copies), facts)
        if special is program:
            break
        for step in AGAIN:
            special = step(special, facts)
        program = remove_uncalled(special)
    return program


Key = tuple[object, ...]  # what is known of each argument


@dataclass(frozen=True)
class Choice:
    """How the calls of a function are told apart, and the name of the copy for each kind of call."""

    function: Function
    deciding: frozenset[str]
    level: int
    names: dict[Key, str] = field(default_factory=dict)

    def key(self, node: Node) -> Key:
        params = zip(self.function.params, node.args, strict=True)
        return tuple(_known(arg.type, p.name in self.deciding, self.level) for p, arg in params)


# What calls are told apart by: constants and sizes, constants, or only those that are no numbers.
LEVELS = (0, 1, 2)


def _known(type: Type, decides: bool, level: int) -> object:
    if type.is_scalar:
        return type.known if decides and (level < 2 or type.value_type in (BOOLEAN, STRING)) else None
    return (type.rows, type.cols) if level == 0 else None


@dataclass
class Copies:
    """The functions that copies are copies of, and how the calls of those were told apart.

    `finished` are those that got their copies when the pass ran before, `room` is how many nodes there may be in more.
    """

    finished: frozenset[str]
    room: int
    origins: dict[str, str] = field(default_factory=dict)
    levels: dict[str, int] = field(default_factory=dict)

    def origin(self, name: str) -> str:
        return self.origins.get(name, name)


def _with_copies_already(program: Program) -> frozenset[str]:
    declared = Counter(f.span for f in program.functions.values())
    return frozenset(name for name, f in program.functions.items() if declared[f.span] > 1)


def _with_copies(program: Program, copies: Copies) -> Program:
    """The program with copies for calls that differ, or the program itself."""
    choices = Choices(program, copies)
    chosen = {choice.function.name: choice for choice in choices.found()}
    if not chosen:
        return program

    def directed(node: Node) -> Node:
        choice = chosen.get(node.attrs[0]) if node.op is CALL else None
        return node if choice is None else call(choice.names[choice.key(node)], node.args, node.attrs[1], node.type)

    return map_nodes(replace(program, functions=choices.functions), directed)


class Choices:
    """Finds the functions that are worth copies, and makes these."""

    def __init__(self, program: Program, copies: Copies) -> None:
        self.program = program
        self.copies = copies
        self.functions = dict(program.functions)
        self.calls: dict[str, list[Node]] = {}
        for function in program.all_functions:
            for node in calls(function):
                self.calls.setdefault(node.attrs[0], []).append(node)
        self.deciding: dict[str, frozenset[str]] = {}
        self.sizes: dict[str, int] = {}

    def found(self) -> Iterator[Choice]:
        for name, function in self.program.functions.items():
            found = self.calls.get(name, [])
            if len(found) > 1 and len({tuple(a.type for a in c.args) for c in found}) > 1:
                choice = self.choice(function, found)
                if choice is not None:
                    yield choice

    def choice(self, function: Function, found: list[Node]) -> Choice | None:
        origin = self.copies.origin(function.name)
        most = self.most_copies(function, origin)
        if most < 1 or function.name in self.copies.finished or self.is_recursive(function.name):
            return None
        for level in LEVELS[self.copies.levels.get(origin, 0) :]:
            choice = Choice(function, self.deciding_params(function.name), level)
            keys = list(dict.fromkeys(choice.key(node) for node in found))
            if len(keys) <= 1:
                return None
            if len(keys) <= most + 1:
                self.copies.levels[origin] = level
                choice.names.update((key, self.copy(function, origin, at)) for at, key in enumerate(keys))
                return choice
        return None

    def most_copies(self, function: Function, origin: str) -> int:
        size = self.sizes[function.name] = _size(function) + 1
        others = sum(o == origin for o in self.copies.origins.values())
        return min(min(MOST_COPIES, MOST_NODES // size) - others, self.copies.room // size)

    def copy(self, function: Function, origin: str, at: int) -> str:
        """Add a copy, and return its name. The first one is the function itself, unless others may call it by name."""
        if at == 0 and not (self.by_name and function.name in self.program.callable.values()):
            return function.name
        number = 2
        while f"{origin}_{number}" in self.functions:
            number += 1
        name = f"{origin}_{number}"
        self.functions[name] = replace(function, name=name)
        self.copies.origins[name] = origin
        self.copies.room -= self.sizes[function.name]
        return name

    @cached_property
    def by_name(self) -> bool:
        return any(n.op.calls_by_name for f in self.program.all_functions for n in nodes(f.body))

    def is_recursive(self, name: str) -> bool:
        reached: set[str] = set()
        todo = [name]
        while todo:
            for node in calls(self.program.functions[todo.pop()]):
                callee = node.attrs[0]
                if callee == name:
                    return True
                if callee not in reached:
                    reached.add(callee)
                    todo.append(callee)
        return False

    def deciding_params(self, name: str) -> frozenset[str]:
        """The parameters that decide a branch or a size in the function, or in those that it calls."""
        if name not in self.deciding:
            self.deciding[name] = frozenset()  # no function calls itself here
            function = self.program.functions[name]
            deciding = set(self.decided_by(function))
            assigns = [
                s for i in items(function.body) if isinstance(i, Block) for s in i.statements if isinstance(s, Assign)
            ]
            before = -1
            while before < len(deciding):
                before = len(deciding)
                for s in assigns:
                    if s.target in deciding:
                        deciding |= names_read((s.value,))
            self.deciding[name] = frozenset(p.name for p in function.params if p.name in deciding)
        return self.deciding[name]

    def decided_by(self, function: Function) -> Iterator[str]:
        for item in items(function.body):
            if isinstance(item, If):
                yield from names_read((item.test,))
            for node in walk(item_roots(item)):
                if node.op is CALL:
                    callee = self.program.functions[node.attrs[0]]
                    inner = self.deciding_params(callee.name)
                    yield from names_read(a for p, a in zip(callee.params, node.args, strict=True) if p.name in inner)
                elif node.type.kind in (Kind.MATRIX, Kind.FRAME) and node.type.cells is None and not _is_cellwise(node):
                    yield from names_read(arg for arg in node.args if arg.type.is_scalar)


def _size(function: Function) -> int:
    return sum(1 for _ in nodes(function.body))


def _is_cellwise(node: Node) -> bool:
    return node.op.has(Trait.CELLWISE)
