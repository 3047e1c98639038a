"""Pipelines over distributed matrices: the same function of a panel of rows as locally, run where the blocks are."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from functools import cached_property, reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

from gramian.backends.local.dispatch import TooDenseError
from gramian.backends.local.fused.panels import is_partial, merged
from gramian.backends.spark.blocks import Cut
from gramian.backends.spark.cells import settled, stacked
from gramian.backends.spark.cluster import LARGEST_GIVEN
from gramian.backends.spark.matrix import SparkMatrix, distributed, in_panels
from gramian.backends.spark.work import Given, PipelineStep, Result
from gramian.ir.disk import SparsePanels
from gramian.ir.fused import Pipeline, Role, panel_operands, role_of, whole_operands
from gramian.ir.node import Node
from gramian.ir.sparse import array_bytes, is_sparse
from gramian.runtime.backend import Kernel

if TYPE_CHECKING:
    from gramian.backends.spark import SparkBackend


class DistributedPipeline:
    """A pipeline as a function of its operands: on the cluster if it works through the rows of a distributed matrix."""

    def __init__(self, pipeline: Pipeline, backend: SparkBackend, local: Kernel) -> None:
        self.pipeline = pipeline
        self.backend = backend
        self.local = local

    @cached_property
    def panels(self) -> set[int]:
        """The operands that are read panel by panel."""
        nodes = {a for n in self.pipeline.nodes for a in panel_operands(n, role_of(n) or Role.CELLS) if a.is_var}
        return {int(node.name[1:]) for node in nodes}

    @cached_property
    def whole(self) -> set[int]:
        """The operands that every panel needs as a whole."""
        nodes = [(node, role) for node in self.pipeline.nodes if (role := role_of(node)) is not None]
        return {int(a.name[1:]) for node, role in nodes for a in whole_operands(node, role) if a.is_var}

    @cached_property
    def text(self) -> bytes:
        return pickle.dumps(self.pipeline.roots)

    def __call__(self, *operands: Any) -> Any:
        bases = [o for at, o in enumerate(operands) if at in self.panels and isinstance(o, SparkMatrix)]
        if not bases or self.panels & self.whole:  # what is read in both ways, every panel would need twice
            return self.local(*operands)
        operands = self.backend.joined(operands)
        operands = tuple(self._whole(at, operand) for at, operand in enumerate(operands))
        if not all(map(_can_travel, operands)) or sum(map(_size, operands)) > LARGEST_GIVEN:
            return self.local(*operands)
        return in_panels(bases, lambda cut: self._run(bases[0], operands, cut))

    def _whole(self, at: int, operand: Any) -> Any:
        """A distributed operand that every panel needs has to be in the driver's memory, unless it is read by panels too."""
        if isinstance(operand, SparkMatrix) and at not in self.panels:
            return self.backend.home.loaded([operand], "an operand of a product or of broadcasting")[0]
        return operand.stored if isinstance(operand, SparsePanels) else operand

    def _run(self, base: SparkMatrix, operands: Sequence[Any], cut: Cut) -> Any:
        cluster = base.cluster
        kept = tuple(cluster.fresh() if self._stays(root, base) else None for root in self.pipeline.roots)
        sources = tuple(
            operand.recipe if isinstance(operand, SparkMatrix) else Given(operand, at in self.panels)
            for at, operand in enumerate(operands)
        )
        step = PipelineStep(self.text, sources, cut, kept, self.backend.precision)
        try:
            answers = cluster.run(step, cut)
        except TooDenseError:
            for given in filter(None, kept):
                cluster.forget(given)
            raise
        found = []
        for at, (name, root) in enumerate(zip(kept, self.pipeline.roots, strict=True)):
            parts = [answer[at] for answer in answers]
            if name is None:
                found.append(self._together(root, parts))
            else:
                recipe = Result(name, cut, root.type.cols or 0, str(base.dtype), step, at)
                found.append(distributed(recipe, base, sum(parts)))
        return tuple(found) if len(found) > 1 else found[0]

    def _stays(self, root: Node, base: SparkMatrix) -> bool:
        """Is the result a distributed matrix?"""
        size = self.pipeline.rows * (root.type.cols or 0) * base.dtype.itemsize
        return not is_partial(root) and not self.backend.comes_back(size, beside=True)

    def _together(self, root: Node, parts: Sequence[Any]) -> Any:
        """The result of those of the panels."""
        if not is_partial(root):
            return stacked(parts)
        if any(map(is_sparse, parts)):  # a product: other aggregates are dense
            return settled(reduce(add, parts), parts[0].dtype)
        return merged(root, parts, self.backend.kernel_in_memory(root.op))


def _can_travel(operand: Any) -> bool:
    return isinstance(operand, SparkMatrix | np.ndarray | int | float | bool) or is_sparse(operand)


def _size(operand: Any) -> int:
    return 0 if isinstance(operand, SparkMatrix) else array_bytes(operand)
