"""Running a pipeline over the stored cells of a sparse matrix, in chunks of rows on all cores."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from gramian.backends.local.fused.compiled import array, function, price
from gramian.backends.local.fused.stored_loops import StoredLoops, StoredWriter
from gramian.backends.local.fused.templates import template
from gramian.backends.local.threads import in_parallel
from gramian.ir.fused import Pipeline, Role, inputs_of, role_of
from gramian.ir.node import Node, walk
from gramian.ir.sparse import by_rows, is_sparse, settle
from gramian.ir.stored import Cells, cells_of, driver, is_sparse_type, leaf_cells

CHUNK = 1 << 16  # stored cells in a chunk
LARGEST_PARTIALS = 1 << 21  # cells of the partial results of all chunks together


def is_over_stored(pipeline: Pipeline) -> bool:
    return any(n.is_var and is_sparse_type(n.type) for n in walk(pipeline.roots))


class StoredPass:
    """A pipeline over stored cells, ready to run."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.nodes = pipeline.nodes
        self.cells: dict[Node, Cells] = {}
        for node in self.nodes:
            cells = cells_of(node, self.cells)
            assert cells is not None, node
            self.cells[node] = cells
        roots = [r for r in pipeline.roots if not r.is_var]
        found = driver(self.nodes, roots, self.cells)
        assert found is not None
        self.driver = found
        self.can_loop = all(
            template(n) is not None for n in self.nodes if role_of(n) is Role.CELLS and self.cells[n] is not Cells.DENSE
        )

    @cached_property
    def loops(self) -> StoredLoops:
        return StoredWriter(self.nodes, self.pipeline.roots, self.cells, self.driver).write()

    def operand(self, operands: Sequence[Any], node: Node) -> Any:
        return operands[int(node.name[1:])]

    def suits(self, operands: Sequence[Any]) -> bool:
        """Are the operands stored as it was expected, and finite where zeros that are not stored meet them?"""
        if not self.can_loop:
            return False
        sparse = {self.driver, *self.loops.spread}
        params = (n for n in walk(self.pipeline.roots) if n.is_var and n.type.is_matrix)
        if any(is_sparse(self.operand(operands, n)) != (n in sparse) for n in params):
            return False
        return all(np.isfinite(self.operand(operands, n)).all() for n in self.loops.dense)

    def functions(self, operands: Sequence[Any]) -> list[tuple[str, str]]:
        """Source and signature of the compiled function that these operands need."""
        return [(self.loops.source, self.signature(operands))]

    def price(self, operands: Sequence[Any]) -> float:
        return price(self.loops.source, self.signature(operands))

    def expected(self, operands: Sequence[Any]) -> float:
        """Seconds that the operators would take one by one: sampled matrices would be made whole."""
        stored: int = self.operand(operands, self.driver).nnz
        whole = sum(n.type.cells or 0 for n, cells in self.cells.items() if cells is Cells.SAMPLED)
        return 4e-9 * stored * len(self.nodes) + 1e-8 * whole

    def signature(self, operands: Sequence[Any]) -> str:
        loops = self.loops
        parts = ["int64"]
        for node in (loops.driver, *loops.spread):
            value = self.operand(operands, node)
            parts += [array(part.dtype, 1) for part in (value.indptr, value.indices, value.data)]
        for node in loops.dense:
            parts.append(array(self.operand(operands, node).dtype, 1 if _is_vector(node) else 2))
        dtype = self.operand(operands, loops.driver).dtype
        parts += [array(dtype, 2 if self.cells[n] is Cells.DENSE else 1, written=True) for n in loops.outs]
        parts += [array("float64", self.new_partial(n).ndim, written=True) for n in loops.partials]
        parts += ["float64"] * len(loops.scalars)
        return f"void({', '.join(parts)}, float64[::1])"

    def new_partial(self, node: Node) -> Any:
        if role_of(node) is Role.CROSS:
            other = next(a for a in inputs_of(node) if a is not self.stored_side(node))
            rows, cols = self.stored_side(node).type.cols or 0, other.type.cols or 0
            return np.zeros(rows if cols == 1 else (rows, cols))
        return np.zeros(node.type.cols or 1 if node.type.is_matrix else 1)

    def stored_side(self, node: Node) -> Node:
        a, b = inputs_of(node)
        return a if (self.cells.get(a) or leaf_cells(a)) is Cells.STORED else b

    # -- running ----------------------------------------------------------------------------------------------------

    def run(self, operands: Sequence[Any]) -> Any:
        """The results; None if something was not finite that zeros which are not stored would have met."""
        loops = self.loops
        sparse = {n: by_rows(self.operand(operands, n)) for n in (loops.driver, *loops.spread)}
        main = sparse[loops.driver]
        given = [sparse.get(self._params[f"p{at}"], value) for at, value in enumerate(operands)]
        kernel = function(loops.source, self.signature(given))
        dense = {n: self._dense(n, self.operand(operands, n)) for n in loops.dense}
        scalars = [_as_number(self.operand(operands, n)) for n in loops.scalars]
        rows = self.pipeline.rows
        outs = {n: self._new_out(n, main, rows) for n in loops.outs}

        def work(chunk: tuple[int, int]) -> list[Any]:
            first, last = chunk
            begin, end = int(main.indptr[first]), int(main.indptr[last])
            args: list[Any] = [last - first]
            for n in (loops.driver, *loops.spread):
                m = sparse[n]
                low, high = int(m.indptr[first]), int(m.indptr[last])
                args += [m.indptr[first : last + 1], m.indices[low:high], m.data[low:high]]
            args += [dense[n][first:last] for n in loops.panels] + [dense[n] for n in loops.wholes]
            args += [outs[n][begin:end] if self.cells[n] is Cells.STORED else outs[n][first:last] for n in loops.outs]
            partials = [self.new_partial(n) for n in loops.partials]
            bad = np.zeros(1)
            kernel(*args, *partials, *scalars, bad)
            return [*partials, bad]

        parts = in_parallel(work, self._chunks(main))
        merged = [np.sum(np.stack(found), axis=0) for found in zip(*parts, strict=True)]
        if merged[-1][0] != 0:
            return None
        results: dict[Node, Any] = {
            n: self._finish(n, p, main.dtype) for n, p in zip(loops.partials, merged, strict=False)
        }
        for n, out in outs.items():
            results[n] = out.reshape(-1, 1) if self.cells[n] is Cells.COLUMN else out
            if self.cells[n] is Cells.STORED:
                results[n] = settle(type(main)((out, main.indices, main.indptr), shape=main.shape))
        found = tuple(results[root] for root in self.pipeline.roots)
        return found if len(found) > 1 else found[0]

    @cached_property
    def _params(self) -> dict[str, Node]:
        return {n.name: n for n in walk(self.pipeline.roots) if n.is_var}

    def _dense(self, node: Node, value: Any) -> Any:
        """Columns and rows as vectors; the right side of a sampled product transposed, so that its columns lie together."""
        if _is_vector(node):
            return np.ascontiguousarray(value).reshape(-1)
        sampled = any(self.cells[n] is Cells.SAMPLED and n.op.name == "%*%" and n.args[1] is node for n in self.nodes)
        return np.ascontiguousarray(value.T if sampled else value)

    def _new_out(self, node: Node, main: Any, rows: int) -> Any:
        if self.cells[node] is Cells.STORED:
            return np.empty(main.nnz, main.dtype)
        return np.empty(rows if self.cells[node] is Cells.COLUMN else (rows, node.type.cols or 0), main.dtype)

    def _chunks(self, main: Any) -> list[tuple[int, int]]:
        """Chunks of about as many stored cells each."""
        partial = sum(self.new_partial(n).size for n in self.loops.partials)
        many = max(1, min(main.nnz // CHUNK + 1, LARGEST_PARTIALS // max(1, partial)))
        edges = np.searchsorted(main.indptr, np.linspace(0, main.nnz, many + 1)[1:-1])
        bounds = [0, *np.unique(edges[(edges > 0) & (edges < self.pipeline.rows)]).tolist(), self.pipeline.rows]
        return list(pairwise(bounds))

    def _finish(self, node: Node, partial: Any, dtype: Any) -> Any:
        if node.type.is_scalar:
            return float(partial[0])
        if role_of(node) is not Role.CROSS:
            return partial.reshape(1, -1).astype(dtype, copy=False)
        whole = partial.reshape(partial.shape[0], -1)
        is_left = self.stored_side(node) is inputs_of(node)[0]
        return np.ascontiguousarray(whole if is_left else whole.T, dtype)


def _is_vector(node: Node) -> bool:
    return 1 in node.type.shape


def _as_number(value: Any) -> float:
    return float(value[0, 0] if isinstance(value, np.ndarray) else value)
