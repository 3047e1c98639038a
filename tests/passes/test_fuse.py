"""Fused graphs mean what they meant before, in whichever way a pipeline runs.

The graphs are random ones (`graphs`), the sizes small: chunks, panels and tiles shrink with them, so that there are many
of each, with ragged ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from textwrap import dedent
from typing import Any, TypeVar

import numpy as np
import pytest
from graphs import Dice, Graph, Grower, Thrown
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies as st

from gramian.api.script import Script
from gramian.backends.local import LocalBackend
from gramian.backends.local.fused import panels
from gramian.backends.local.fused.panels import Pass
from gramian.errors import ScriptError
from gramian.ir.fused import FUSED, Pipeline, expand, pipeline_of, unfused
from gramian.ir.node import (
    ABSENT,
    OUTPUT,
    Node,
    absent,
    build,
    convert_argument,
    literal,
    literal_value,
    transform,
    var,
    walk,
)
from gramian.ir.program import Assign, Block, Function, Program, Variable
from gramian.ir.types import matrix
from gramian.ir.verify import verify
from gramian.passes import fuse as module
from gramian.passes.facts import Facts
from gramian.passes.fuse import Groups, as_sums, fuse, fused_graph, is_worthwhile
from gramian.runtime.backend import kernel_of, one_by_one
from gramian.settings import Settings
from gramian.source import Source, Span

PLACE = Span(Source("graph", ""), 0, 0)
BACKEND = LocalBackend()
KERNELS = partial(kernel_of, backend=BACKEND)
T = TypeVar("T")
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
        assert transform(root, unfused, back) is transform(before, as_sums, {})
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


def check(dice: Dice, steps: int, *, smooth: bool, odd: float, ways: Sequence[Run]) -> None:
    """A random graph, fused, gives what it gives operator by operator, in several ways."""
    graph = Grower(dice, smooth).grow(steps)
    roots = check_graph(graph)
    for run in ways:
        check_values(graph, roots, run, whole=not smooth, odd=odd, start=steps)


def check_values(graph: Graph, roots: Sequence[Node], run: Run, *, whole: bool, odd: float, start: int) -> None:
    values = graph.values(start, whole=whole, odd=odd)
    expected, found = evaluated(graph.roots, values), evaluated(roots, values, run)
    for root, a, b, error in zip(graph.roots, expected, found, graph.errors, strict=True):
        assert type(a) is type(b), root
        assert np.shape(a) == np.shape(b), root
        np.testing.assert_allclose(b, a, rtol=0, atol=error, equal_nan=True, err_msg=str(root))


@pytest.mark.parametrize("start", range(0, 120, 20))
@pytest.mark.parametrize("smooth", [False, True], ids=["whole numbers", "smooth"])
def test_random_graphs_by_panels(start: int, smooth: bool) -> None:
    with np.errstate(all="ignore"):
        for at in range(start, start + 20):
            check(Thrown(at), 3 + at % 12, smooth=smooth, odd=at % 2 * 0.02, ways=(alone, by_panels))


# Chosen out of some hundred graphs for what compiled loops are made of in them.
WHOLE, SMOOTH = (610, 672), (142, 373, 516, 529, 545, 564)


@pytest.mark.parametrize("start", [*WHOLE, *SMOOTH])
def test_random_graphs_by_loops(start: int) -> None:
    with np.errstate(all="ignore"):
        check(Thrown(start), 3 + start % 12, smooth=start in SMOOTH, odd=start % 2 * 0.02, ways=(by_loops,))


class Drawn:
    """Choices by hypothesis, which makes graphs that fail small."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data

    def pick(self, options: Sequence[T]) -> T:
        return options[self.data.draw(st.integers(0, len(options) - 1))]


@pytest.mark.parametrize("steps", [2, 6])
@pytest.mark.parametrize("smooth", [False, True], ids=["whole numbers", "smooth"])
def test_random_graphs_made_small(steps: int, smooth: bool) -> None:
    @seed(steps)
    @settings(
        max_examples=40,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def trial(data: st.DataObject) -> None:
        with np.errstate(all="ignore"):
            check(Drawn(data), steps, smooth=smooth, odd=0.02, ways=(by_panels,))

    trial()


# -- what the graphs came upon, and what they rarely do -----------------------------------------------------------------


def m(name: str, rows: int, cols: int) -> Node:
    return var(name, matrix(rows, cols))


def op(name: str, *args: Node | float) -> Node:
    return build(name, [arg if isinstance(arg, Node) else literal(arg) for arg in args])


X, Y, A, V, ROW, ONE = m("X", 67, 67), m("Y", 67, 67), m("A", 67, 8), m("v", 67, 1), m("r", 1, 3), m("o", 1, 1)
MOVED = op("+", A, 1.0)
SQUARE = op("+", X, 1.0)
CENTRED = op("-", A, op("colSums", A))
CASES: dict[str, list[Node]] = {
    "a square matrix times itself": [op("abs", op("%*%", X, X))],
    "something made times itself": [op("abs", op("%*%", SQUARE, SQUARE)), op("rowSums", SQUARE)],
    "a right side that is also read by rows": [op("+", op("%*%", X, V), V)],
    "a right side made in the same pass": [op("%*%", X, op("*", V, V)), op("*", X, op("*", V, V))],
    "a transpose that others need": [op("%*%", op("t", MOVED), V), op("t", MOVED)],
    "a transpose that is read by rows as well": [op("%*%", op("t", X), A), op("*", op("t", X), Y)],
    "a transpose in two passes": [op("%*%", op("t", MOVED), V), op("%*%", op("t", MOVED), op("-", MOVED, CENTRED))],
    "a column times a row": [op("exp", op("%*%", V, ROW))],
    "a column times one cell": [op("exp", op("%*%", V, ONE))],
    "a row for a loop and for an operator": [op("%%", op("+", A, m("R", 1, 8)), m("R", 1, 8))],
    "a matrix and its own product": [op("%*%", op("t", A), A), op("%*%", op("t", V), V)],
    "a product both ways": [op("%*%", op("t", A), V), op("%*%", op("t", V), A)],
    "only constants beside it": [op("max", A, 2, -math.inf), op("^", -math.inf, A), op("min", A, math.nan)],
    "the same result twice": [op("rowSums", MOVED), op("rowSums", MOVED), op("sum", MOVED)],
    "three passes": [op("sum", op("/", CENTRED, op("+", op("colMaxs", op("abs", CENTRED)), 1.0)))],
    "rows of two lengths": [op("rowSums", op("%*%", op("t", m("B", 67, 40)), A)), op("colSums", m("B", 67, 40))],
}


@pytest.mark.parametrize("name", CASES)
def test_cases(name: str) -> None:
    graph = Graph(CASES[name], [1e-9] * len(CASES[name]))
    with np.errstate(all="ignore"):
        check_values(graph, check_graph(graph), by_panels, whole=True, odd=0.0, start=1)


def test_all_cases_by_loops() -> None:
    """In one graph, for the compiler's sake."""
    roots = [root for case in CASES.values() for root in case]
    graph = Graph(roots, [1e-9] * len(roots))
    with np.errstate(all="ignore"):
        check_values(graph, check_graph(graph), by_loops, whole=True, odd=0.0, start=1)


def test_means_become_sums() -> None:
    """Means of panels would not combine."""
    graph = [build("mean", [A, absent()]), op("colMeans", A), op("sum", A)]
    (node,) = pipelines(fused(graph))
    assert {inner.op.name for inner in pipeline_of(node).nodes} == {"sum", "colSums"}
    values = Graph(graph, []).values(3, whole=False)
    expected, found = evaluated(graph, values), evaluated(fused(graph), values, by_panels)
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-13)


def test_one_pass_reads_what_operators_share() -> None:
    """t(X) %*% (w * (X %*% v)) and colSums(X) are one pipeline; what needs the column sums is another one."""
    product = op("%*%", op("t", A), op("*", V, op("%*%", A, m("w", 8, 1))))
    sums = op("colSums", A)
    found = pipelines(fused([product, sums, op("rowSums", op("/", A, sums))]))
    assert sorted(len(node.type.items) for node in found) == [1, 2]


def test_what_later_passes_need_is_made_there() -> None:
    """Not kept from the first pass on: its operands are read again."""
    found = pipelines(fused([op("colSums", A), op("rowSums", op("*", MOVED, op("colSums", A)))]))
    assert all(len(node.type.items) == 1 for node in found)
    assert not any(
        "+" in {n.op.name for n in pipeline_of(node).nodes} for node in found if "colSums" in str(node.attrs)
    )


UNFIT: dict[str, list[Node]] = {
    "rows that are not known": [op("exp", var("U", matrix(None, 8)))],
    "columns that are not known": [op("exp", var("U", matrix(67, None)))],
    "too few rows": [op("exp", m("F", 15, 8))],
    "no columns": [op("rowSums", m("N", 67, 0))],
    "sparse matrices": [op("*", var("S", matrix(6700, 100, sparsity=0.01)), 2)],
    "a product for the library": [op("%*%", m("B", 67, 40), m("C", 40, 40))],
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_is_left_alone(name: str) -> None:
    assert fused(UNFIT[name]) == UNFIT[name]


def test_large_operands_are_not_needed_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = [op("abs", op("%*%", m("B", 67, 40), m("C", 40, 9)))]
    assert len(pipelines(fused(graph))) == 1
    monkeypatch.setattr(module, "LARGEST_WHOLE", 40 * 9 - 1)
    monkeypatch.setattr(module, "SMALLEST_ALONE", 1 << 40)
    assert not pipelines(fused(graph))


def test_small_matrices_are_not_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMALLEST", 67 * 8 + 1)
    assert not pipelines(fused([op("exp", MOVED)]))
    monkeypatch.setattr(module, "SMALLEST", 67 * 8)
    monkeypatch.setattr(module, "SMALLEST_ALONE", 67 * 8 + 1)
    assert pipelines(fused([op("exp", MOVED)]))
    assert not pipelines(fused([op("exp", A)]))


# -- scripts -----------------------------------------------------------------------------------------------------------


def outcome(text: str, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """What a script prints, and the place and text of its error."""
    with pytest.raises(ScriptError) as raised:
        Script.compile(Source("script", dedent(text).lstrip()), Settings(seed=1)).run()
    (found,) = raised.value.diagnostics
    assert found.span is not None
    return capsys.readouterr().out, f"{found.span.line}: {found.span.text}"


def test_errors_come_at_their_place(capsys: pytest.CaptureFixture[str]) -> None:
    """What may fail is neither left to a later statement nor part of a pipeline."""
    text = """
        X = rand(rows=100, cols=5, seed=1)
        X[60, 3] = 7
        Y = qnorm(target=X) + 1
        print("not this")
        print(sum(Y) + sum(Y * Y))
    """
    assert outcome(text, capsys) == ("", "3: qnorm(target=X)")


def test_numbers_that_may_be_text(capsys: pytest.CaptureFixture[str]) -> None:
    text = """
        X = rand(rows=100, cols=5, seed=1)
        s = as.scalar(list("a")[1])
        Y = X * s
        print("not this")
        print(sum(Y) + sum(Y * Y))
    """
    assert outcome(text, capsys)[0] == ""


def test_variables_that_only_pipelines_need_are_not_kept() -> None:
    text = """
        X = rand(rows=100, cols=5, seed=1)
        C = X[1:3, ]
        n = nrow(C) / 2
        D = (-2 * (X %*% t(C)) + t(rowSums(C ^ 2))) * (n + 1)
        P = D <= rowMins(D)
        Z = X - colMeans(X)
        print(sum(P) + sum(Z * Z))
    """
    compiled = Script.compile(Source("script", dedent(text)), Settings()).program
    (block,) = compiled.main.body
    assert isinstance(block, Block)
    assert {s.target for s in block.statements if isinstance(s, Assign)} <= {"X", "C", "n"}
