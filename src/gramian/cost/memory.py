"""How much memory values take, and blocks at their peak, as far as the sizes are known.

Sparse matrices count with the cells that they are estimated to store. The estimate knows when a value is needed for the last
time, but not what the backend does beyond that: kernels may need working space.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from gramian.ir.node import OUTPUT, Node, walk
from gramian.ir.op import Trait
from gramian.ir.program import Assign, Block
from gramian.ir.stored import is_sparse_type
from gramian.ir.types import Kind, Type

CELL = 8  # a double
INDEX = 4  # the column of a stored cell
MATRIX_OVERHEAD = 128  # the array object around the cells
SCALAR = 8
NEGLIGIBLE = 1000
UPDATE = "leftIndex"
UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


def value_bytes(type: Type, cell: int = CELL) -> int | None:
    """The bytes that a value of the type takes, `cell` each cell; None if not known, as for text, frames and lists."""
    match type.kind:
        case Kind.MATRIX:
            return None if type.cells is None else _cells_bytes(type, type.cells, cell) + MATRIX_OVERHEAD
        case Kind.SCALAR:
            return len(type.value) if isinstance(type.value, str) else SCALAR
        case Kind.TUPLE:
            return total(value_bytes(item, cell) for item in type.items)
        case Kind.MISSING:
            return 0
    return None


def _cells_bytes(type: Type, cells: int, cell: int) -> int:
    if not is_sparse_type(type):
        return cells * cell
    return int(cells * (type.sparsity or 0.0)) * (cell + INDEX) + (type.rows or 0) * INDEX


def total(sizes: Iterable[int | None]) -> int | None:
    """The sum, which is unknown if one of the sizes is."""
    found = list(sizes)
    return None if None in found else sum(size for size in found if size is not None)


def memory_of(node: Node) -> Node:
    """The node whose memory holds the value: views see that of their first argument, results belong to what has them."""
    while is_view(node) or node.op is OUTPUT:
        node = node.args[0]
    return node


def is_view(node: Node) -> bool:
    return node.op.has(Trait.SHARES) and bool(node.args) and not node.args[0].type.is_scalar


@dataclass(frozen=True, slots=True)
class Peak:
    """The most bytes that are in use at one time; if it is not complete, values of unknown size come on top of them."""

    bytes: int
    is_complete: bool

    def __str__(self) -> str:
        if self.is_complete:
            return bytes_text(self.bytes)
        return "?" if self.is_negligible else f"{bytes_text(self.bytes)} + ?"

    @property
    def is_negligible(self) -> bool:
        """Is the known part no more than what some scalars take?"""
        return self.bytes < NEGLIGIBLE


def peak(block: Block, cell: int = CELL) -> Peak:
    """The peak of a block, with matrices of `cell` bytes a cell.

    The variables that it reads are there from its start, and those that it assigns stay until they are assigned again;
    every other value goes once its last user is done. Variables that only other blocks use are not counted.
    """
    return Memory(block, cell).run()


class Memory:
    """The values that are in memory while a block runs."""

    def __init__(self, block: Block, cell: int = CELL) -> None:
        self.block = block
        self.cell = cell
        self.users: Counter[Node] = Counter()  # what is still to be done with the memory of a node
        self.sizes: dict[Node, int] = {}  # what is in memory now
        self.variables: dict[str, Node] = {}  # whose memory a variable holds
        self.is_complete = True
        self.now = self.most = 0
        for root in block.roots:
            self.users[memory_of(root)] += 1
        for node in walk(block.roots):
            self.users.update(map(memory_of, node.args))
            if node.is_var:
                self.variables[node.name] = node
                self.add(node)

    def run(self) -> Peak:
        done: set[Node] = set()
        for statement in self.block.statements:
            target = statement.target if isinstance(statement, Assign) else None
            for node in walk([statement.value]):
                if node not in done:
                    done.add(node)
                    self.compute(node, target)
            self.used(statement.value)
            if target is not None:
                before = self.variables.get(target)
                self.variables[target] = memory_of(statement.value)
                if before is not None:
                    self.drop(before)
        return Peak(self.most, self.is_complete)

    def compute(self, node: Node, target: str | None) -> None:
        if memory_of(node) is node and node.args:
            if self.is_in_place(node, target):
                self.sizes[node] = self.sizes.pop(memory_of(node.args[0]))
            else:
                self.add(node)
        for arg in node.args:
            self.used(arg)

    def is_in_place(self, node: Node, target: str | None) -> bool:
        """Does the node write into a matrix that nobody else needs?"""
        if node.op.name != UPDATE:
            return False
        base = memory_of(node.args[0])
        alone = all(name == target for name, held in self.variables.items() if held is base)
        own = sum(memory_of(arg) is base for arg in node.args)
        return alone and self.users[base] == own and base in self.sizes

    def add(self, node: Node) -> None:
        size = value_bytes(node.type, self.cell)
        self.is_complete = self.is_complete and size is not None
        self.sizes[node] = size or 0
        self.now += size or 0
        self.most = max(self.most, self.now)

    def used(self, node: Node) -> None:
        """One thing less is to be done with the node."""
        held = memory_of(node)
        self.users[held] -= 1
        self.drop(held)

    def drop(self, node: Node) -> None:
        """Let go of memory that neither a node nor a variable needs."""
        if self.users[node] <= 0 and node in self.sizes and node not in self.variables.values():
            self.now -= self.sizes.pop(node)


def bytes_text(size: int | None) -> str:
    """A number of bytes for people: `640 B`, `1.2 MB`; `?` if it is not known."""
    if size is None:
        return "?"
    value, unit = float(size), 0
    while value >= 999.5 and unit < len(UNITS) - 1:
        value, unit = value / 1000, unit + 1
    if unit == 0:
        return f"{size} B"
    return f"{value:.1f} {UNITS[unit]}" if value < 9.95 else f"{value:.0f} {UNITS[unit]}"
