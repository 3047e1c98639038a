"""Row-panel pipelines: several operators as one pass over the rows of large matrices.

A pipeline is a small graph of ordinary nodes over parameters `p0`, `p1`, ... It reads some of its operands panel by panel,
that is a few rows at a time, and the others whole. What comes out is again panels of rows, or partial aggregates of the
panels that are combined at the end. How it runs (compiled loops, NumPy, panels from disk) is a backend's business;
what it means is what its nodes mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from gramian.ir.certain import FALLIBLE
from gramian.ir.node import ABSENT, CORE, OUTPUT, Node, intern, output, rebuild, transform, var, walk
from gramian.ir.op import Op, Trait
from gramian.ir.types import MISSING, Type, results

Memo = dict[Node, Node]


class Role(Enum):
    """What an operator does with panels of rows."""

    CELLS = "cells"  # cell by cell; columns, rows and numbers are spread over the panel
    ROWS = "rows"  # each row for itself, such as rowSums
    PRODUCT = "product"  # panel %*% whole
    CROSS = "cross"  # t(panel) %*% panel, which adds up over the panels
    COMBINED = "combined"  # an aggregate whose partial results combine, such as colSums


# How the partial results of panels become one: by the operator itself, applied to them once more.
COMBINED: Mapping[str, str] = {
    "sum": "sum",
    "min": "min",
    "max": "max",
    "colSums": "colSums",
    "colMins": "colMins",
    "colMaxs": "colMaxs",
}
PRODUCT = "%*%"
EXTREMES = ("min", "max")


def role_of(node: Node) -> Role | None:
    """What the node would do in a pipeline over the rows of its operands; None if it cannot be in one."""
    name = node.op.name
    if node.op.family in FALLIBLE:  # their errors have a place of their own in the script
        return None
    if name in EXTREMES and len(node.args) > 1:
        return Role.CELLS if node.type.is_matrix else None
    if name in COMBINED and node.args[0].type.is_matrix:
        return Role.COMBINED
    if name == PRODUCT:
        return Role.CROSS if is_transpose(node.args[0]) else Role.PRODUCT
    if node.op.has(Trait.CELLWISE) and node.type.is_matrix:
        return Role.CELLS
    return Role.ROWS if node.op.has(Trait.ROWWISE) and node.type.is_matrix else None


def is_transpose(node: Node) -> bool:
    return node.op.name == "t"


def panel_rows(node: Node, role: Role) -> int | None:
    """The number of rows that the node works through."""
    match role:
        case Role.CELLS:
            return node.type.rows
        case Role.CROSS:
            return node.args[1].type.rows
    return node.args[0].type.rows


def panel_operands(node: Node, role: Role) -> tuple[Node, ...]:
    """The operands that the node reads panel by panel."""
    match role:
        case Role.CELLS:
            return tuple(a for a in node.args if a.type.is_matrix and a.type.rows == node.type.rows)
        case Role.CROSS:
            return (node.args[0].args[0], node.args[1])
    return (node.args[0],)


def whole_operands(node: Node, role: Role) -> tuple[Node, ...]:
    """The operands that the node needs as a whole."""
    if role is Role.CROSS:
        return ()
    panels = panel_operands(node, role)
    return tuple(a for a in node.args if a not in panels) if role is Role.CELLS else node.args[1:]


def is_sink(role: Role) -> bool:
    """Is the result complete only after the last panel?"""
    return role in (Role.CROSS, Role.COMBINED)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One pass. `roots` are the results, expressions of the parameters `p0`, `p1`, ...; `rows` is the length of the pass."""

    roots: tuple[Node, ...]
    rows: int

    def __str__(self) -> str:
        return f"{len(self.nodes)} operators over {self.rows} rows"

    @property
    def nodes(self) -> list[Node]:
        """The operators of the pipeline, operands first. The transposes in `t(A) %*% B` are part of the products."""
        found = []
        crossed = {n.args[0] for n in walk(self.roots) if role_of(n) is Role.CROSS}
        for node in walk(self.roots):
            if not node.is_var and not node.is_literal and node.args and node not in crossed:
                found.append(node)
        return found


def parameter(index: int, type: Type) -> Node:
    return var(f"p{index}", type)


FUSED = Op(
    name="fused",
    params=(),
    infer=lambda *_: MISSING,
    kernel=lambda *_: None,
    doc="several operators in one pass over the rows of their operands",
    family="core",
    internal=True,
)
CORE[FUSED.name] = FUSED


def inputs_of(node: Node) -> tuple[Node, ...]:
    """What a member of a pipeline reads: of `t(A) %*% B`, A itself."""
    if role_of(node) is Role.CROSS:
        return (node.args[0].args[0], node.args[1])
    return tuple(a for a in node.args if not a.is_literal and a.op is not ABSENT)


def fuse_nodes(inside: Sequence[Node], roots: Sequence[Node], rows: int, given: Mapping[Node, Node]) -> Memo:
    """One fused node for the nodes `inside`, operands first; returns what stands for each of the `roots` from now on.

    `given` says what stands for the operands from outside.
    """
    members = set(inside)
    inputs: dict[Node, Node] = {}
    for node in inside:
        for arg in inputs_of(node):
            if arg not in members and arg not in inputs:
                inputs[arg] = parameter(len(inputs), arg.type.without_value())
    memo: Memo = dict(inputs)
    for node in inside:
        args = tuple(memo.get(arg, arg) for arg in node.args)
        if role_of(node) is Role.CROSS:  # also if the transpose itself is an operand of other members
            args = (rebuild(node.args[0], (memo[node.args[0].args[0]],)), args[1])
        memo[node] = rebuild(node, args)
    inner = tuple(memo[root] for root in roots)
    operands = tuple(given[arg] for arg in inputs)
    node = intern(FUSED, operands, (Pipeline(inner, rows),), results(*(r.type for r in roots)))
    return {root: output(node, at) for at, root in enumerate(roots)}


def pipeline_of(node: Node) -> Pipeline:
    pipeline: Pipeline = node.attrs[0]
    return pipeline


def opened(pipeline: Pipeline, operands: Sequence[Node]) -> Memo:
    """What stands for each node of a pipeline if its parameters are these operands."""
    memo: Memo = {}
    for root in pipeline.roots:
        transform(root, lambda n: operands[int(n.name[1:])] if n.is_var else n, memo)
    return memo


def expand(node: Node) -> tuple[Node, ...]:
    """The results of a fused node as ordinary expressions of its operands."""
    pipeline = pipeline_of(node)
    memo = opened(pipeline, node.args)
    return tuple(memo[root] for root in pipeline.roots)


def fused_node(node: Node | None) -> Node | None:
    """The fused node that a node is, or is a result of."""
    if node is not None and node.op is OUTPUT:
        node = node.args[0]
    return node if node is not None and node.op is FUSED else None


def unfused(node: Node) -> Node:
    """The node without fusion, if it is a result of a fused one; for `transform` and `map_nodes`."""
    if node.op is OUTPUT and node.args[0].op is FUSED:
        results: tuple[Node, ...] = expand(node.args[0])
        index: int = node.attrs[0]
        return results[index]
    return node
