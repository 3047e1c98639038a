"""A single operator as a row-panel pipeline of one node, built from the values that it gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gramian.backends.local.disk.home import Home
from gramian.ir.disk import DiskTranspose, is_on_disk
from gramian.ir.fused import Pipeline, Role, inputs_of, panel_operands, panel_rows, parameter, role_of
from gramian.ir.node import Node, absent, build, describe_op, literal, walk
from gramian.ir.op import Op
from gramian.ir.sparse import is_sparse
from gramian.ir.types import matrix, type_of


class _No:
    """No result: a way does not apply to the operands."""


NO = _No()


def is_matrix(value: Any) -> bool:
    return isinstance(value, np.ndarray) or is_on_disk(value) or is_sparse(value)


class Operands:
    """The operands of a pipeline that is being built, each with the node that stands for it."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.nodes: list[Node] = []

    def node(self, value: Any) -> Node:
        """What stands for a value. Numbers are operands as well, so that equal pipelines serve for all of them."""
        match value:
            case None:
                return absent()
            case bool() | str():
                return literal(value)
            case int() | float():
                return self._operand(value, type_of(value).without_value())
        known = next((n for n, v in zip(self.nodes, self.values, strict=True) if v is value), None)
        return known or self._operand(value, matrix(int(value.shape[0]), int(value.shape[1])))

    def _operand(self, value: Any, type: Any) -> Node:
        self.values.append(value)
        self.nodes.append(parameter(len(self.nodes), type))
        return self.nodes[-1]


def by_pipeline(home: Home, op: Op, values: tuple[Any, ...]) -> Any:
    """An operator that works through the rows of its operands."""
    if not all(is_matrix(v) or v is None or isinstance(v, bool | int | float | str) for v in values):
        return NO
    operands = Operands()
    root = build(op, map(operands.node, values))
    role = role_of(root)
    if role is None:
        return NO
    if role is Role.CELLS and all(type(v) is DiskTranspose for v in values if is_matrix(v)):
        return home.run(op.name, *(v.T if is_matrix(v) else v for v in values)).T
    return run_pipeline(home, [root], operands)


def over_panels(home: Home, values: Sequence[Any], make: Callable[..., Sequence[Node]]) -> Any:
    """The results of expressions over the rows of matrices: `make` gives their nodes from those of the values."""
    operands = Operands()
    roots = make(*map(operands.node, values))
    return run_pipeline(home, roots, operands)


def run_pipeline(home: Home, roots: Sequence[Node], operands: Operands) -> Any:
    roles = {n: role for n in walk(roots) if n.args and (role := role_of(n)) is not None}
    rows = {panel_rows(n, role) for n, role in roles.items()}
    if len(rows) != 1 or not all(root in roles for root in roots):
        return NO
    if not all(n.type.cells for n in walk(roots) if n.type.is_matrix):
        return NO
    panels = {a for n, role in roles.items() for a in panel_operands(n, role)}
    used = {a for n in roles for a in inputs_of(n)}
    values = list(operands.values)
    for at, node in enumerate(operands.nodes):
        if node in used and node.type.is_matrix:
            values[at] = home.dense(values[at])
            if node not in panels:
                (values[at],) = home.loaded([values[at]], f"an operand of {describe_op(roots[0].op)}")
    return home.pipeline(Pipeline(tuple(roots), rows.pop() or 0))(*values)
