"""Operators that need to look at the stored cells of a sparse matrix only.

Where a sparse matrix multiplies something, the rest matters only at its stored cells: of `W * (X - U %*% t(V))` nothing else
is ever computed, and the product `U %*% t(V)` is a sum for each stored cell (a *sampled* product). The matrix whose stored
cells are run through is the *driver*.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum

from gramian.ir.fused import Role, inputs_of, role_of
from gramian.ir.node import Node, literal_value
from gramian.ir.op import Trait
from gramian.ir.sparse import worth
from gramian.ir.types import Type


class Cells(Enum):
    """Which cells of a matrix a pipeline over stored cells computes."""

    STORED = "stored"  # the matrix is zero elsewhere
    SAMPLED = "sampled"  # it has other cells, but nobody needs them
    COLUMN = "column"  # a column: one cell for each row
    DENSE = "dense"  # any other matrix, which such a pipeline only reads, or gives


MULTIPLY = ("*", "&")
OVER_ROWS = ("rowSums", "rowMeans")
OVER_ALL = ("sum", "colSums")
KEEPS_ZERO_BESIDE_ZERO = ("!=", ">", "<")


def is_sparse_type(type: Type) -> bool:
    """Will a matrix of the type be stored as a sparse one, as far as that is known?"""
    cells = type.cells
    return (
        type.is_matrix and type.sparsity is not None and cells is not None and worth(cells, int(type.sparsity * cells))
    )


def cells_of(node: Node, known: dict[Node, Cells]) -> Cells | None:
    """The cells that a pipeline over stored cells would compute of the node; None if it cannot be in one.

    `known` has those of the operands that are in the pipeline; others are leaves.
    """
    operands = {a: known.get(a) or leaf_cells(a) for a in inputs_of(node) if a.type.is_matrix}
    stored = [a for a, cells in operands.items() if cells is Cells.STORED]
    match role_of(node):
        case Role.CELLS if node.type.cols == 1:
            is_column = all(c is Cells.COLUMN or a.type.rows == 1 for a, c in operands.items())
            return Cells.COLUMN if is_column else None
        case Role.CELLS:
            return _cells_of_cellwise(node, operands, stored)
        case Role.ROWS:
            return Cells.COLUMN if stored and node.op.name in OVER_ROWS else None
        case Role.PRODUCT:
            left, right = node.args
            if operands[left] is Cells.STORED and operands[right] is not Cells.STORED:
                return Cells.COLUMN if node.type.cols == 1 else Cells.DENSE
            is_dense = left not in known and operands[left] is Cells.DENSE and operands[right] is Cells.DENSE
            return Cells.SAMPLED if is_dense and (node.type.cols or 0) > 1 else None
        case Role.CROSS if len(stored) == 1:
            a, b = inputs_of(node)
            if a is b:
                return None
            other = b if a is stored[0] else a
            is_leaf = operands[other] is Cells.DENSE and other not in known
            return Cells.DENSE if is_leaf or operands[other] is Cells.COLUMN else None
        case Role.COMBINED:
            is_sum = node.op.name in OVER_ALL
            of_column = operands.get(node.args[0]) is Cells.COLUMN and node.op.name == "sum"
            return Cells.DENSE if (stored and is_sum) or of_column else None
    return None


def leaf_cells(node: Node) -> Cells:
    if is_sparse_type(node.type):
        return Cells.STORED
    return Cells.COLUMN if node.type.cols == 1 and node.type.rows != 1 else Cells.DENSE


def _cells_of_cellwise(node: Node, operands: dict[Node, Cells], stored: list[Node]) -> Cells | None:
    if any(a.type.shape != node.type.shape and 1 not in a.type.shape for a in operands):
        return None
    if stored and keeps_zeros(node, stored):
        return Cells.STORED
    return Cells.SAMPLED if stored or Cells.SAMPLED in operands.values() else None


def keeps_zeros(node: Node, stored: list[Node]) -> bool:
    """Is the result zero where its stored operands are?"""
    name = node.op.name
    if name in MULTIPLY:
        return True
    if len(node.args) == 1:
        return node.op.has(Trait.ZERO_PRESERVING)
    left, right = node.args[0], node.args[1]
    if name in KEEPS_ZERO_BESIDE_ZERO:
        return any(a.is_literal and literal_value(a) == 0 for a in (left, right))
    return name == "/" and left in stored and right.type.is_scalar and right.type.value not in (None, 0)


def drivers(node: Node, known: dict[Node, Cells]) -> frozenset[Node]:
    """The leaves outside of whose stored cells a stored matrix is zero; any of them may drive it."""
    if node not in known:
        return frozenset({node})
    return frozenset().union(*(drivers(a, known) for a in stored_operands(node, known)))


def stored_operands(node: Node, known: dict[Node, Cells]) -> list[Node]:
    return [a for a in inputs_of(node) if a.type.is_matrix and (known.get(a) or leaf_cells(a)) is Cells.STORED]


def driver(nodes: Sequence[Node], roots: Iterable[Node], known: dict[Node, Cells]) -> Node | None:
    """The matrix through whose stored cells a pipeline of the nodes can run; None if there is no single one."""
    wanted = set(roots)
    run_through = [n for n in nodes if n in wanted and known[n] is Cells.STORED]
    for node in nodes:
        if known[node] in (Cells.COLUMN, Cells.DENSE):
            run_through += [
                a for a in inputs_of(node) if a.type.is_matrix and (known.get(a) or leaf_cells(a)) is Cells.STORED
            ]
    if not run_through:
        return None
    common = frozenset.intersection(*(drivers(n, known) for n in run_through))
    return min(common, key=lambda n: [a for node in nodes for a in inputs_of(node)].index(n), default=None)
