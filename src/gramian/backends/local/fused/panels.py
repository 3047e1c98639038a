"""Running a pipeline over dense matrices: chunk by chunk on all cores, and inside of a chunk step by step.

A step is either one operator by its own kernel, on panels that stay in the cache, or a compiled loop for several. Chunks do
not depend on the number of cores, and their partial results are combined in their order, so that neither do results.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gramian.backends.local.fused.compiled import array, function
from gramian.backends.local.fused.loops import Loops, Writer, can_loop, narrow_side, wide_side, width
from gramian.backends.local.fused.templates import TOTAL_EXTREMES
from gramian.backends.local.threads import in_parallel
from gramian.ir.disk import is_on_disk, panel_of
from gramian.ir.fused import PRODUCT, Pipeline, Role, inputs_of, is_sink, panel_operands, role_of
from gramian.ir.node import Node, convert_argument, literal_value, walk
from gramian.ir.op import Op
from gramian.runtime.backend import Kernel
from gramian.runtime.parfor.libraries import one_thread_each

Array = Any
Values = dict[Node, Any]
CHUNK = 1 << 19  # cells of the widest operand in a chunk: small enough for all cores to be busy to the end
SMALL_CHUNK, CHUNKS = 1 << 15, 16  # fewer cells where there would be fewer chunks, but not less than repay a thread
PANEL = 1 << 17  # cells of a panel that operators work on one after the other: smaller ones spend their time in Python
TILE = 1 << 12  # cells of a tile in compiled loops, in the first-level cache
LARGEST_PARTIALS = 1 << 23  # cells of the partial results of all chunks together


class Step:
    """Part of the work on a panel: reads and writes `values`, and adds to `partials`.

    `whole` is what `prepared` made of the pipeline's operands, for all panels. What passes between steps is C-contiguous.
    """

    def prepared(self, given: Values) -> Any:
        raise NotImplementedError

    def run(self, values: Values, partials: Values, whole: Any, rows: int) -> None:
        raise NotImplementedError


@dataclass
class OperatorStep(Step):
    """One operator, by its own kernel."""

    node: Node
    kernel: Kernel
    dtype: np.dtype[Any]

    def __post_init__(self) -> None:
        self.crosses = role_of(self.node) is Role.CROSS
        self.is_partial = is_partial(self.node)
        self.inputs = inputs_of(self.node)
        is_wide = role_of(self.node) is Role.CELLS and self.node.type.cols != 1
        self.columns = {arg for arg in self.node.args if is_wide and arg.type.is_matrix and arg.type.cols == 1}

    def prepared(self, given: Values) -> dict[int, Any]:
        """The operands that each panel needs as a whole, by position. A square matrix may be read by panels beside that."""
        node = self.node
        role = role_of(node) or Role.CELLS
        panels = panel_operands(node, role)
        found = {}
        for at, arg in enumerate(node.args):
            if arg not in panels or (at > 0 and role is not Role.CELLS):
                value = literal_value(arg) if arg.is_literal else given.get(arg)
                found[at] = convert_argument(node.op.param(at), value)
        return found

    def run(self, values: Values, partials: Values, whole: dict[int, Any], rows: int) -> None:
        node = self.node
        if self.crosses:
            a, b = (values[arg] for arg in self.inputs)
            found = a.T @ b
        else:
            found = self.kernel(
                *(whole[at] if at in whole else self._panel(arg, values[arg]) for at, arg in enumerate(node.args))
            )
        if self.is_partial:
            partials[node] = found if node not in partials else merged(node, [partials[node], found], self.kernel)
        elif node in values:
            values[node][...] = found
        else:
            values[node] = np.ascontiguousarray(found, self.dtype)

    def _panel(self, arg: Node, cells: Array) -> Array:
        """The cells of an operand. One cell is as good as a row for a column, but not for a kernel."""
        if arg in self.columns and len(cells) == 1:
            return np.repeat(cells, width(self.node), axis=1)
        return cells


@dataclass
class LoopStep(Step):
    """Several operators in one compiled function."""

    loops: Loops
    function: Callable[..., Any]
    dtype: np.dtype[Any]

    def prepared(self, given: Values) -> tuple[list[Array], list[float]]:
        loops = self.loops
        numbers = (literal_value(n) if n.is_literal else given[n] for n in loops.scalars)
        # A number beside a matrix has its precision, as NumPy has it: cells equal to 0.1 are found in float32, too.
        return [_as_whole(given[n]) for n in loops.wholes], [float(self.dtype.type(_as_number(n))) for n in numbers]

    def run(self, values: Values, partials: Values, whole: tuple[list[Array], list[float]], rows: int) -> None:
        loops = self.loops
        wholes, scalars = whole
        panels = [as_vector(values[n]) if width(n) == 1 else values[n] for n in loops.panels]
        for node in loops.outs:
            if node not in values:
                values[node] = np.empty((rows, width(node)), self.dtype)
        outs = [as_vector(values[n]) if width(n) == 1 else values[n] for n in loops.outs]
        for node in loops.partials:
            if node not in partials:
                partials[node] = empty_partial(node)
        tile = max(1, min(rows, TILE // max(1, sum(loops.widths) // 2)))
        self.function(
            rows,
            tile,
            *panels,
            *wholes,
            *outs,
            *(partials[n] for n in loops.partials),
            *scalars,
        )


def as_vector(array: Array) -> Array:
    return array.reshape(-1)


def is_partial(node: Node) -> bool:
    role = role_of(node)
    return role is not None and is_sink(role)


# -- partial results ---------------------------------------------------------------------------------------------------


def empty_partial(node: Node) -> Array:
    """What a compiled loop adds the cells of its rows to."""
    if role_of(node) is Role.CROSS:
        wide, narrow = width(wide_side(node)), width(narrow_side(node))
        return np.zeros(wide if narrow == 1 else (narrow, wide))
    start = TOTAL_EXTREMES.get(node.op.name, ("0.0", "", ""))[0]
    value = {"INFINITY": math.inf, "-INFINITY": -math.inf}.get(start, 0.0)
    return np.full(width(node) if node.type.is_matrix else 1, value)


def result_of_partial(node: Node, partial: Array) -> Array:
    """The matrix, or number, that a partial result of compiled loops stands for."""
    if node.type.is_scalar:
        return float(partial[0])
    if role_of(node) is Role.CROSS:
        rows, cols = node.type.rows, node.type.cols
        a, _ = inputs_of(node)
        if partial.ndim == 2 and wide_side(node) is a:
            return partial.T
        return partial.reshape(rows, cols)
    return partial.reshape(1, -1)


def merged(node: Node, parts: Sequence[Any], kernel: Kernel) -> Any:
    """One result of the results of several parts of the rows."""
    if len(parts) == 1:
        return parts[0]
    if role_of(node) is Role.CROSS:
        return np.sum(np.stack(parts), axis=0)
    rows = [np.array([[part]]) if node.type.is_scalar else part for part in parts]
    return kernel(np.concatenate(rows))


Place = Callable[[Sequence[tuple[int, int]], Any], Sequence[Any]]


def in_memory(shapes: Sequence[tuple[int, int]], dtype: Any) -> list[Array]:
    """Matrices to be written."""
    return [np.empty(shape, dtype) for shape in shapes]


# -- the whole pass ----------------------------------------------------------------------------------------------------


class Pass:
    """A pipeline, ready to run over dense matrices; with `compiled`, by compiled loops wherever there are some.

    `kernels` gives the kernels of single operators, `place` the matrices for results, in memory or on disk.
    """

    def __init__(
        self, pipeline: Pipeline, kernels: Callable[[Op], Kernel], place: Place = in_memory, *, compiled: bool
    ) -> None:
        self.pipeline = pipeline
        self.place = place
        self.kernels = kernels
        self.nodes = pipeline.nodes
        self.params = [n for n in walk(pipeline.roots) if n.is_var]
        self.panels = {a for n in self.nodes for a in panel_operands(n, role_of(n) or Role.CELLS) if a.is_var}
        self.widest = max(width(n) for n in (*self.panels, *(n for n in self.nodes if not is_partial(n))))
        self.segments = segments(self.nodes, compiled=compiled)
        self.is_one_loop = len(self.segments) == 1 and compiled and can_loop(self.nodes[0])
        self.compiled = compiled
        self.has_products = any(n.op.name == PRODUCT and not (compiled and can_loop(n)) for n in self.nodes)
        self.partials = [n for n in self.nodes if is_partial(n)]
        self.outs = [n for n in pipeline.roots if n not in self.partials and not n.is_var]
        self.places = [int(n.name[1:]) for n in self.params if n in self.panels]
        self.chunks = self._chunks(pipeline.rows)
        self._steps: dict[tuple[np.dtype[Any], ...], list[Step]] = {}

    @cached_property
    def loops(self) -> list[Loops | None]:
        """The compiled loops of each segment; None for operators that have none."""
        return [self._loops(segment) for segment in self.segments]

    def is_ready(self, operands: Sequence[Any]) -> bool:
        return self.panel_types(operands) in self._steps

    def functions(self, operands: Sequence[Any]) -> list[tuple[str, str]]:
        """Source and signature of the compiled functions that these operands need."""
        types = self.types(self.panel_types(operands))
        return [(loops.source, signature(loops, types)) for loops in self.loops if loops is not None]

    def panel_types(self, operands: Sequence[Any]) -> tuple[np.dtype[Any], ...]:
        return tuple([operands[place].dtype for place in self.places])

    def types(self, given: Sequence[np.dtype[Any]]) -> dict[Node, str]:
        """The element types of all panels: those that come, and those that are made of them."""
        types = dict.fromkeys((n for n in self.nodes if not is_partial(n)), str(np.result_type(*given)))
        return types | {n: str(t) for n, t in zip((n for n in self.params if n in self.panels), given, strict=True)}

    def _loops(self, segment: list[Node]) -> Loops | None:
        if not self.compiled or not can_loop(segment[0]):
            return None
        kept = set(self.pipeline.roots) | {a for n in self.nodes if n not in segment for a in inputs_of(n)}
        return Writer(segment, [n for n in segment if n in kept]).write()

    def steps(self, given: tuple[np.dtype[Any], ...]) -> list[Step]:
        """The steps for panels of the given element types."""
        if given not in self._steps:
            types, dtype = self.types(given), np.result_type(*given)
            parts = zip(self.segments, self.loops, strict=True)
            self._steps[given] = [s for segment, loops in parts for s in self._make(segment, loops, types, dtype)]
        return self._steps[given]

    def _make(
        self, segment: list[Node], loops: Loops | None, types: Mapping[Node, str], dtype: np.dtype[Any]
    ) -> list[Step]:
        if loops is None:
            return [OperatorStep(node, self.kernels(node.op), dtype) for node in segment]
        return [LoopStep(loops, function(loops.source, signature(loops, types)), dtype)]

    def run(self, operands: Sequence[Any]) -> Any:
        given = {node: operands[int(node.name[1:])] for node in self.params}
        types = self.panel_types(operands)
        dtype = np.result_type(*types)
        steps = self.steps(types)
        wholes = [step.prepared(given) for step in steps]
        rows = self.pipeline.rows
        results: Values = dict(zip(self.outs, self.place([(rows, width(n)) for n in self.outs], dtype), strict=True))
        on_disk = any(is_on_disk(m) for m in (*results.values(), *(given[n] for n in self.panels)))

        def work(chunk: tuple[int, int]) -> Values:
            if on_disk:
                return self._chunk_on_disk(steps, given, results, wholes, *chunk)
            return self._chunk(steps, given, results, wholes, *chunk)

        # Chunks run on all cores already: the library's own threads would only wait for one another.
        with one_thread_each(()) if self.has_products and len(self.chunks) > 1 else nullcontext():
            parts = in_parallel(work, self.chunks)
        for node in self.partials:
            whole = merged(node, [part[node] for part in parts], self.kernels(node.op))
            results[node] = whole if node.type.is_scalar else np.ascontiguousarray(whole, dtype)
        found = tuple(results[root] for root in self.pipeline.roots)
        return found if len(found) > 1 else found[0]

    def _chunks(self, rows: int) -> list[tuple[int, int]]:
        """Where the chunks begin and end."""
        cells = CHUNK
        if not self.has_products:  # which would have too few rows each, and a library that has threads itself
            cells = min(CHUNK, max(SMALL_CHUNK, rows * self.widest // CHUNKS))
        size = max(1, cells // self.widest)
        partial = sum(n.type.cells or 1 for n in self.partials)
        size = max(size, -(-rows * partial // LARGEST_PARTIALS))
        return [(first, min(rows, first + size)) for first in range(0, rows, size)]

    def _chunk_on_disk(
        self, steps: list[Step], given: Values, results: Values, wholes: list[Any], start: int, stop: int
    ) -> Values:
        """A chunk where some matrices are on disk, in parts that are small enough to be read whole."""
        partials: Values = {}
        size = max(1, CHUNK // self.widest)
        for first in range(start, stop, size):
            last = min(stop, first + size)
            here = {n: panel_of(given[n], first, last) for n in self.panels}
            made = {n: np.empty((last - first, width(n)), r.dtype) for n, r in results.items() if is_on_disk(r)}
            views = {n: r[first:last] for n, r in results.items() if n not in made}
            found = self._chunk(steps, here, made | views, wholes, 0, last - first)
            for node, cells in made.items():
                results[node].write(first, cells)
            for node, part in found.items():
                before = [partials[node]] if node in partials else []
                partials[node] = merged(node, [*before, part], self.kernels(node.op))
        return partials

    def _chunk(
        self, steps: list[Step], given: Values, results: Values, wholes: list[Any], start: int, stop: int
    ) -> Values:
        partials: Values = {}
        size = stop - start if self.is_one_loop else max(1, PANEL // self.widest)
        for first in range(start, stop, size):
            last = min(stop, first + size)
            values = {n: _panel(given[n], first, last) for n in self.panels}
            values |= {n: v[first:last] for n, v in results.items()}
            for step, whole in zip(steps, wholes, strict=True):
                step.run(values, partials, whole, last - first)
        if not self.compiled:
            return partials
        looped = {n for step in steps if isinstance(step, LoopStep) for n in step.loops.partials}
        return {n: result_of_partial(n, p) if n in looped else p for n, p in partials.items()}


def _panel(matrix: Array, first: int, last: int) -> Array:
    part = matrix[first:last]
    return part if part.flags.c_contiguous else np.ascontiguousarray(part)


def _as_number(value: Any) -> float:
    return float(value[0, 0] if isinstance(value, np.ndarray) else value)


def _as_whole(value: Array) -> Array:
    """A row or column as a vector, the right side of a product transposed."""
    value = np.ascontiguousarray(value.T, np.float64)
    return value.reshape(-1) if 1 in value.shape else value


def segments(nodes: Sequence[Node], *, compiled: bool) -> list[list[Node]]:
    """The nodes in groups, each of which is one compiled loop, or operators that are not."""
    if not compiled:
        return [list(nodes)]
    level: dict[Node, int] = {}
    for node in nodes:
        looped = can_loop(node)
        # Even levels are loops, odd ones are not; operands come first.
        least = max(
            (level[a] + (a in level and can_loop(a) != looped) for a in inputs_of(node) if a in level), default=0
        )
        level[node] = least if least % 2 == (not looped) else least + 1
    return [[n for n in nodes if level[n] == at] for at in sorted(set(level.values()))]


def signature(loops: Loops, types: Mapping[Node, str]) -> str:
    """The Numba signature of the function of some loops, for panels of the given element types."""
    parts = ["int64", "int64"]
    parts += [array(types[n], 1 if width(n) == 1 else 2) for n in loops.panels]
    parts += [array("float64", 1 if 1 in n.type.shape else 2) for n in loops.wholes]
    parts += [array(types[n], 1 if width(n) == 1 else 2, written=True) for n in loops.outs]
    parts += [array("float64", empty_partial(n).ndim, written=True) for n in loops.partials]
    parts += ["float64" for _ in loops.scalars]
    return f"void({', '.join(parts)})"
