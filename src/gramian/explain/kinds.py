"""The kinds of operators, as a reader tells them apart."""

from __future__ import annotations

from enum import Enum

from gramian.ir.fused import FUSED
from gramian.ir.node import CALL, Node
from gramian.ir.op import Effect, Trait


class Kind(Enum):
    """`value` is the name in the page; `text` says what it is."""

    INPUT = "input"
    CELLS = "cells"
    PRODUCT = "product"
    AGGREGATE = "aggregate"
    SHAPE = "shape"
    CALL = "call"
    EFFECT = "effect"
    SCALAR = "scalar"
    PIPELINE = "pipeline"


TEXTS = {
    Kind.INPUT: "input",
    Kind.CELLS: "cell by cell",
    Kind.PRODUCT: "product",
    Kind.AGGREGATE: "aggregate",
    Kind.SHAPE: "rearranging",
    Kind.CALL: "call",
    Kind.EFFECT: "output",
    Kind.SCALAR: "scalars",
    Kind.PIPELINE: "pipeline",
}

PRODUCTS = frozenset({"matmul", "linalg", "einsum", "fourier", "nn", "nn_norm", "nn_state"})
MAKERS = frozenset({"rand", "sample", "seq", "matrix", "frame", "read", "readMM"})
EXTREMES = frozenset({"min", "max"})


def kind_of(node: Node | None) -> Kind:
    if node is None or not node.args:
        return Kind.SCALAR
    op = node.op
    if op is FUSED:
        return Kind.PIPELINE
    if op is CALL or op.calls_by_name:
        return Kind.CALL
    if op.name in MAKERS and not (op.name == "matrix" and node.args[0].type.is_matrix):
        return Kind.INPUT
    if op.effect is Effect.ORDERED:
        return Kind.EFFECT
    if all(n.type.is_scalar for n in (node, *node.args)):
        return Kind.SCALAR
    if op.family in PRODUCTS:
        return Kind.PRODUCT
    if op.name in EXTREMES:
        return Kind.CELLS if node.type.is_matrix else Kind.AGGREGATE
    if op.has(Trait.AGGREGATE):
        return Kind.AGGREGATE
    return Kind.CELLS if op.has(Trait.CELLWISE) else Kind.SHAPE
