"""Fused graphs mean what they meant before, in whichever way a pipeline runs.

The graphs are random ones (`graphs`), the sizes small: chunks, panels and tiles shrink with them, so that there are many
of each, with ragged ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
from graphs import Dice, Graph, Grower, Thrown

from gramian.backends.local import LocalBackend
from gramian.backends.local.fused import panels
from gramian.backends.local.fused.panels import Pass
from gramian.ir.fused import FUSED, Pipeline, expand, pipeline_of, unfused
from gramian.ir.node import ABSENT, OUTPUT, Node, convert_argument, literal_value, transform, walk
from gramian.ir.program import Assign, Block, Function, Program, Variable
from gramian.ir.verify import verify
from gramian.passes import fuse as module
from gramian.passes.facts import Facts
from gramian.passes.fuse import Groups, fuse, fused_graph, is_worthwhile
from gramian.runtime.backend import kernel_of, one_by_one
from gramian.source import Source, Span

PLACE = Span(Source("graph", ""), 0, 0)
BACKEND = LocalBackend()
KERNELS = partial(kernel_of, backend=BACKEND)
Run = Callable[[Pipeline], Callable[..., Any]]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is worth fusing, and a matrix of 67 x 40 cells has many chunks, panels and tiles."""
    monkeypatch.setattr(module, "SMALLEST", 1)
    monkeypatch.setattr(module, "SMALLEST_ALONE", 1)
    monkeypatch.setattr(module, "FEWEST_ROWS", 16)
    monkeypatch.setattr(panels, "CHUNK", 40 * 24)
    monkeypatch.setattr(panels, "PANEL", 40 * 7)
    monkeypatch.setattr(panels, "TILE", 40 * 5)


def alone(pipeline: Pipeline) -> Callable[..., Any]:
    return one_by_one(pipeline, BACKEND)


def by_panels(pipeline: Pipeline) -> Callable[..., Any]:
    whole = Pass(pipeline, KERNELS, compiled=False)
    return lambda *operands: whole.run(operands)


def by_loops(pipeline: Pipeline) -> Callable[..., Any]:
    whole = Pass(pipeline, KERNELS, compiled=True)
    return lambda *operands: whole.run(operands)


def evaluated(roots: Sequence[Node], values: dict[str, Any], run: Run = alone) -> list[Any]:
    """The values of some nodes, operator by operator; pipelines by `run`."""
    found: dict[Node, Any] = {}
    for node in walk(roots):
        args = [found[arg] for arg in node.args]
        if node.is_var:
            found[node] = values[node.name]
        elif node.is_literal:
            found[node] = literal_value(node)
        elif node.op is ABSENT:
            found[node] = None
        elif node.op is FUSED:
            result = run(pipeline_of(node))(*args)
            found[node] = result if len(node.type.items) > 1 else (result,)
        elif node.op is OUTPUT:
            found[node] = args[0][node.attrs[0]]
        else:
            found[node] = KERNELS(node.op)(*(convert_argument(node.op.param(at), a) for at, a in enumerate(args)))
    return [found[root] for root in roots]


def grown(dice: Dice, steps: int, *, smooth: bool) -> Graph:
    return Grower(dice, smooth).grow(steps)


# -- the pass ----------------------------------------------------------------------------------------------------------


def fused(roots: Sequence[Node]) -> list[Node]:
    memo = fused_graph(roots)
    return [memo[root] for root in roots]


def pipelines(roots: Sequence[Node]) -> list[Node]:
    return [node for node in walk(roots) if node.op is FUSED]


def has_order(roots: Sequence[Node]) -> bool:
    """Can the groups of a graph run one after the other?"""
    groups = [g for g in Groups(roots, dict.fromkeys(walk(roots), 0)).found() if is_worthwhile(g)]
    group_of = {node: group for group in groups for node in group.nodes}
    needs: dict[Any, set[Any]] = {group: {group_of.get(a, a) for a in group.inputs} for group in groups}
    needs |= {node: {group_of.get(a, a) for a in node.args} for node in walk(roots) if node not in group_of}
    while ready := [unit for unit, needed in needs.items() if not needed]:
        for unit in ready:
            del needs[unit]
        for needed in needs.values():
            needed.difference_update(ready)
    return not needs


def check_graph(graph: Graph) -> list[Node]:
    assert has_order(graph.roots)
    roots = fused(graph.roots)
    back: dict[Node, Node] = {}
    for root, before in zip(roots, graph.roots, strict=True):
        assert transform(root, unfused, back) is before
        assert root.type == before.type
    for node in pipelines(roots):
        assert all(type == result.type for type, result in zip(node.type.items, expand(node), strict=True))
        assert pipeline_of(node).rows >= module.FEWEST_ROWS
    verify(fuse(program(graph), Facts()), graph.inputs)
    return roots


def program(graph: Graph) -> Program:
    names = [f"r{at}" for at in range(len(graph.roots))]
    outputs = tuple(Variable(name, root.type) for name, root in zip(names, graph.roots, strict=True))
    body = Block(tuple(Assign(o.name, root, PLACE) for o, root in zip(outputs, graph.roots, strict=True)), {})
    return Program(PLACE.source, Function("main", "main", (), outputs, (body,), PLACE), {})


def check_values(graph: Graph, roots: Sequence[Node], run: Run, *, whole: bool, odd: float, start: int) -> None:
    values = graph.values(start, whole=whole, odd=odd)
    expected, found = evaluated(graph.roots, values), evaluated(roots, values, run)
    for root, a, b, error in zip(graph.roots, expected, found, graph.errors, strict=True):
        assert type(a) is type(b), root
        assert np.shape(a) == np.shape(b), root
        np.testing.assert_allclose(b, a, rtol=0, atol=error, equal_nan=True, err_msg=str(root))


@pytest.mark.parametrize("start", range(0, 400, 50))
@pytest.mark.parametrize("smooth", [False, True])
def test_random_graphs_by_panels(start: int, smooth: bool) -> None:
    with np.errstate(all="ignore"):
        for at in range(start, start + 50):
            graph = grown(Thrown(at), 3 + at % 12, smooth=smooth)
            roots = check_graph(graph)
            for run in (alone, by_panels):
                check_values(graph, roots, run, whole=not smooth, odd=at % 2 * 0.02, start=at)
