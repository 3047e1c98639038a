"""What runs on the cluster beside pipelines, operator by operator. A way that does not apply says NO.

making     distributed operands and results
recipes    what the workers do
index, products, rows, statistics, tables   the ways by family
ranks      quantiles, and the different values of columns
frames, transform   those of distributed frames, and of their encoding

What has no way here goes the ways of matrices on disk: as a pipeline, through the driver some rows at a time, or with its
operands in the driver's memory, if they fit there. The last holds for decompositions and solvers, Fourier transforms,
einsum(), lstm(), gradients of batch_norm2d(), and the different values of each row. sample() draws on the driver, since its
result depends on all draws before. Of frames, the last holds for all that has no way: tokenize(), map() of columns and of
pairs of cells, writing by index, encodings with a function of the script ("udf").

What reads rows from everywhere (order(), a transpose by rows, products of two large matrices) needs blocks of other
machines: see exchange and moves.
"""

from __future__ import annotations

from collections.abc import Mapping

from gramian.backends.local.disk import aggregates
from gramian.backends.local.disk.pipelines import NO
from gramian.backends.spark.ways import frames, index, products, ranks, rows, statistics, tables, transform
from gramian.backends.spark.ways.making import Way, is_distributed
from gramian.ir.certain import FALLIBLE
from gramian.ir.fused import FUSED, role_of
from gramian.ir.node import Node
from gramian.ir.op import Op, Trait
from gramian.ir.types import Kind

WAYS: Mapping[str, Way] = {
    **index.WAYS,
    **products.WAYS,
    **rows.WAYS,
    **statistics.WAYS,
    **tables.WAYS,
    **ranks.WAYS,
    **frames.OF_MATRICES,
    **transform.WAYS,
}
FRAME_WAYS: Mapping[str, Way] = {**frames.WAYS, **transform.FRAME_WAYS}


def way_of(op: Op) -> Way | None:
    if op.family in FALLIBLE and op.has(Trait.CELLWISE):
        return rows.in_family
    return WAYS.get(op.name)


def serves(node: Node) -> bool:
    """Does an operator run on the cluster if an operand is there? As far as types tell: ways may still say NO."""
    op = node.op
    if any(arg.type.kind is Kind.FRAME for arg in node.args):
        return op.name in FRAME_WAYS or op.name == "write"
    known = op is FUSED or way_of(op) is not None or op.name in aggregates.WAYS or op.name in ("write", "cell")
    return known or role_of(node) is not None


__all__ = ["FRAME_WAYS", "NO", "WAYS", "is_distributed", "serves", "way_of"]
