"""Which kernel an operator will have, told before it runs: what `dispatch` and `fused/kernel.py` will decide, from types.

Types may not know what values will be: a matrix of unknown sparsity counts as dense, as it does in all estimates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gramian.backends.local import INDIFFERENT, LocalBackend
from gramian.backends.local.fused.kernel import PipelineKernel
from gramian.backends.local.fused.loops import can_loop
from gramian.cost.memory import is_view
from gramian.ir.fused import PRODUCT, Pipeline
from gramian.ir.node import CALL, Node
from gramian.ir.types import Type
from gramian.passes.fuse import is_sparse_type

VIEW, FUNCTION, DENSE, SPARSE, MADE_DENSE = "view", "function", "dense", "sparse", "made dense"
LOOPS, PANELS, BLAS, NUMPY = "loops", "panels", "BLAS", "NumPy"

MEANINGS = {
    VIEW: "looks at the memory of its operand, nothing is copied",
    FUNCTION: "a function of the script, compiled on its own",
    DENSE: "the operator's own NumPy kernel; a sparse matrix would get its sparse one",
    SPARSE: "a kernel for sparse matrices, which touches only the cells that are not zero",
    MADE_DENSE: "no sparse kernel: the sparse matrix is made dense first",
    LOOPS: "one loop over the rows for several operators, compiled to machine code",
    PANELS: "NumPy kernels, a few rows at a time, so that what is in between stays in the cache",
    BLAS: "the library's matrix product, a few rows at a time",
    NUMPY: "the operator's own NumPy kernel, a few rows at a time",
}


def kernel_name(node: Node) -> str:
    """The kernel of an operator outside of pipelines; "" where there is nothing to choose."""
    if node.op is CALL:
        return FUNCTION
    if node.type.is_matrix and is_view(node):
        return VIEW
    matrices = [arg.type for arg in node.args if arg.type.is_matrix]
    if node.op.name in INDIFFERENT or not (matrices or node.type.is_matrix):
        return ""
    if not any(map(is_sparse_type, matrices)):
        return SPARSE if not matrices and is_sparse_type(node.type) else DENSE
    return SPARSE if has_sparse_kernel(node) else MADE_DENSE


def has_sparse_kernel(node: Node) -> bool:
    """Is there a kernel for those of the operator's arguments that are sparse?"""
    from gramian.backends.local.sparse import ANY, FIRST

    return is_sparse_type(node.args[0].type) if node.op.name in FIRST else node.op.name in ANY


@dataclass(frozen=True, slots=True)
class Loop:
    """The operators that one compiled loop stands for, and its source."""

    nodes: tuple[Node, ...]
    source: str


@dataclass(frozen=True, slots=True)
class PipelineChoice:
    """How a pipeline will run at first: `way` is LOOPS or PANELS; `loops` are those that it has or may get."""

    way: str
    why: str
    loops: tuple[Loop, ...]

    def step(self, node: Node) -> str:
        """How one of the pipeline's operators runs."""
        if self.way == LOOPS and can_loop(node):
            number = next(at for at, loop in enumerate(self.loops, 1) if node in loop.nodes)
            return "loop" if len(self.loops) == 1 else f"loop {number}"
        return BLAS if node.op.name == PRODUCT else NUMPY


def pipeline_choice(pipeline: Pipeline, precision: str) -> PipelineChoice:
    kernel = PipelineKernel(pipeline, LocalBackend(precision))
    samples = [_sample(node.type, precision) for node in sorted(kernel.by_loops.params, key=_number)]
    parts = zip(kernel.by_loops.segments, kernel.by_loops.loops, strict=True)
    loops = tuple(Loop(tuple(nodes), found.source) for nodes, found in parts if found is not None)
    if not loops:
        return PipelineChoice(PANELS, "none of its operators has a compiled loop", ())
    expected, price = kernel.expected(samples), kernel.price(samples)
    seconds = f"one pass of NumPy takes about {expected:.2g} s, getting the compiled loops {price:.2g} s"
    if kernel.repays_compiling(samples):
        return PipelineChoice(LOOPS, seconds, loops)
    return PipelineChoice(PANELS, f"{seconds}: they come once NumPy has taken as long", loops)


def _number(parameter: Node) -> int:
    return int(parameter.name[1:])


def _sample(type: Type, precision: str) -> Any:
    """A value of the type that takes no memory."""
    if not type.is_matrix:
        return 0.0
    cell = np.zeros((), np.float32 if precision == "single" else np.float64)
    return np.broadcast_to(cell, (type.rows or 0, type.cols or 0))
