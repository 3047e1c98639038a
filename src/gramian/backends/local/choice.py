"""Which kernel an operator will have, told before it runs: what `dispatch` and `fused/kernel.py` will decide, from types.

Types may not know what values will be: a matrix of unknown sparsity counts as dense, as it does in all estimates.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from gramian.backends.local import INDIFFERENT, LocalBackend
from gramian.backends.local.fused.kernel import PipelineKernel, StoredKernel
from gramian.backends.local.fused.stored import is_over_stored
from gramian.cost.memory import is_view, value_bytes
from gramian.ir.fused import PRODUCT, Pipeline
from gramian.ir.node import CALL, Node, walk
from gramian.ir.stored import is_sparse_type
from gramian.ir.types import Type
from gramian.settings import PRECISIONS

VIEW, FUNCTION, DENSE, SPARSE, MADE_DENSE, DISK = "view", "function", "dense", "sparse", "made dense", "disk"
LOOPS, STORED, PANELS, ALONE, BLAS, NUMPY = "loops", "stored", "panels", "one by one", "BLAS", "NumPy"

MEANINGS = {
    VIEW: "looks at the memory of its operand, nothing is copied",
    FUNCTION: "a function of the script, compiled on its own",
    DENSE: "the operator's own NumPy kernel; a sparse matrix would get its sparse one",
    SPARSE: "a kernel for sparse matrices, which touches only the cells that are not zero",
    MADE_DENSE: "no sparse kernel: the sparse matrix is made dense first",
    DISK: "a matrix that memory has no room for is on disk, and goes through memory some rows at a time",
    LOOPS: "one loop over the rows for several operators, compiled to machine code",
    STORED: "one loop over the stored cells of a sparse matrix for several operators, compiled to machine code",
    ALONE: "each operator by its own kernel",
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


def kernel_with_budget(node: Node, limit: int, cell: int) -> str:
    """The same, where the process may take so many bytes: larger matrices go to disk."""
    name = kernel_name(node)
    room = limit - limit // 8  # see Budget.free
    sizes = [value_bytes(n.type, cell) or 0 for n in (node, *node.args) if n.type.is_matrix]
    return DISK if name in (DENSE, MADE_DENSE) and max(sizes, default=0) > room else name


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
    """How a pipeline will run at first: `way` is LOOPS, PANELS or ALONE; `loops` are those that it has or may get.

    `driver` is the parameter whose stored cells it runs through, if it does not run through all cells of its operands.
    """

    way: str
    why: str
    loops: tuple[Loop, ...]
    driver: Node | None = None

    @property
    def meaning(self) -> str:
        return MEANINGS[STORED if self.way == LOOPS and self.driver is not None else self.way]

    def step(self, node: Node) -> str:
        """How one of the pipeline's operators runs."""
        numbers = [at for at, loop in enumerate(self.loops, 1) if node in loop.nodes]
        if self.way == LOOPS and numbers:
            return "loop" if len(self.loops) == 1 else f"loop {numbers[0]}"
        if self.way == ALONE:
            return kernel_name(node)
        return BLAS if node.op.name == PRODUCT else NUMPY


def pipeline_choice(pipeline: Pipeline, precision: str) -> PipelineChoice:
    return _over_stored(pipeline, precision) if is_over_stored(pipeline) else _over_rows(pipeline, precision)


def _over_rows(pipeline: Pipeline, precision: str) -> PipelineChoice:
    kernel = PipelineKernel(pipeline, LocalBackend(precision))
    samples = [_sample(node.type, precision) for node in parameters(pipeline)]
    parts = zip(kernel.by_loops.segments, kernel.by_loops.loops, strict=True)
    loops = tuple(Loop(tuple(nodes), found.source) for nodes, found in parts if found is not None)
    if not loops:
        return PipelineChoice(PANELS, "none of its operators has a compiled loop", ())
    seconds = _seconds("one pass of NumPy", kernel.expected(samples), kernel.price(samples))
    if kernel.repays_compiling(samples):
        return PipelineChoice(LOOPS, seconds, loops)
    return PipelineChoice(PANELS, f"{seconds}: they come once NumPy has taken as long", loops)


def _over_stored(pipeline: Pipeline, precision: str) -> PipelineChoice:
    kernel = StoredKernel(pipeline, LocalBackend(precision))
    by_loops = kernel.by_loops
    if not by_loops.can_loop:
        return PipelineChoice(ALONE, "one of its operators has no compiled loop", (), by_loops.driver)
    samples = [_sample(node.type, precision) for node in parameters(pipeline)]
    loops = (Loop(tuple(by_loops.nodes), by_loops.loops.source),)
    seconds = _seconds("one run of its operators", by_loops.expected(samples), by_loops.price(samples))
    if kernel.repays_compiling(samples):
        return PipelineChoice(LOOPS, seconds, loops, by_loops.driver)
    return PipelineChoice(ALONE, f"{seconds}: they come once the operators have taken as long", loops, by_loops.driver)


def _seconds(what: str, expected: float, price: float) -> str:
    return f"{what} takes about {expected:.2g} s, getting the compiled loops {price:.2g} s"


def parameters(pipeline: Pipeline) -> list[Node]:
    """The parameters of a pipeline in the order of its operands."""
    return sorted((n for n in walk(pipeline.roots) if n.is_var), key=lambda n: int(n.name[1:]))


def _sample(type: Type, precision: str) -> Any:
    """Something of the size and storage of a value of the type that takes no memory."""
    if not type.is_matrix:
        return 0.0
    cell = np.zeros((), f"f{PRECISIONS[precision]}")
    if not is_sparse_type(type):
        return np.broadcast_to(cell, (type.rows or 0, type.cols or 0))
    stored = int((type.sparsity or 0.0) * (type.cells or 0))
    places = np.empty(0, np.int32)
    return SimpleNamespace(nnz=stored, dtype=cell.dtype, indptr=places, indices=places, data=np.empty(0, cell.dtype))
