"""Estimates of work, and which values are worth keeping."""

from __future__ import annotations

import pytest

import gramian.ops
from gramian.cost.flops import NO_WORK, Work, is_free, work
from gramian.cost.keep import LARGE, pays_to_keep
from gramian.errors import OperationError
from gramian.ir.fused import fuse_nodes
from gramian.ir.node import Node, absent, build, literal, output, var
from gramian.ir.op import REGISTRY, Effect, Param
from gramian.ir.types import DOUBLE, frame, matrix, scalar

_ = gramian.ops


def X(rows: int | None = 100, cols: int | None = 20, sparsity: float | None = None, name: str = "X") -> Node:
    return var(name, matrix(rows, cols, sparsity))


def flops(node: Node) -> float:
    found = work(node)
    assert found is not None
    return found.flops


def test_products() -> None:
    assert flops(build("%*%", [X(100, 20), X(20, 5)])) == 2 * 100 * 20 * 5
    assert flops(build("%*%", [build("t", [X()]), X()])) == 20 * 100 * 20
    # Both are stored as sparse: only pairs of cells that are not zero take part.
    thin = build("%*%", [X(1000, 500, 0.01), X(500, 400, 0.1)])
    assert flops(thin) == pytest.approx(2 * 1000 * 500 * 400 * 0.01 * 0.1)
    # Half zeros are stored cell by cell, and so are small matrices.
    assert flops(build("%*%", [X(1000, 500, 0.5), X(500, 400)])) == 2 * 1000 * 500 * 400
    assert flops(build("%*%", [X(10, 10, 0.1), X(10, 10)])) == 2000


def test_cellwise_operators_and_aggregates() -> None:
    assert work(build("+", [X(), literal(1.0)])) == Work(2000, 8 + 2 * 2000 * 8)
    assert flops(build("exp", [X()])) > 10 * flops(build("abs", [X()]))
    assert flops(build("sum", [X()])) == 2000
    assert flops(build("sum", [X(1000, 1000, 0.01)])) == pytest.approx(10_000)
    assert flops(build("*", [X(1000, 1000, 0.01), X(1000, 1000, 1.0)])) == pytest.approx(10_000)
    assert flops(build("order", [X(1024, 1), literal(1), literal(False), literal(False)])) == 1024 * 11


def test_solvers() -> None:
    square = X(50, 50)
    assert flops(build("inv", [square])) == 2 * 50**3
    assert flops(build("solve", [square, X(50, 1)])) == pytest.approx(2 / 3 * 50**3 + 2 * 50**2)
    assert flops(build("svd", [X(100, 20)])) == 20 * 100 * 20 * 20


@pytest.mark.parametrize("name", ["t", "nrow", "as.scalar"])
def test_what_is_free(name: str) -> None:
    assert work(build(name, [X(1, 1)])) == NO_WORK


def test_unknown_sizes_are_unknown_work() -> None:
    assert work(build("sum", [X(None, 3)])) is None
    assert work(build("%*%", [X(5, None), X(None, 3)])) is None
    assert work(build("nrow", [var("F", frame())])) == NO_WORK


def test_a_pipeline_does_what_is_in_it_and_reads_its_operands_once() -> None:
    x, v = X(1000, 50), X(50, 1, name="v")
    inner = build("%*%", [x, v])
    gram = build("%*%", [build("t", [x]), inner])
    (result,) = fuse_nodes([inner, gram], [gram], 1000, {x: x, v: v}).values()
    found = work(result.args[0])
    assert found == Work(4 * 1000 * 50, 8 * (1000 * 50 + 50 + 50))
    assert work(result) == NO_WORK


def samples() -> list[Node]:
    """Every pure operator on matrices of one size as far as that is possible."""
    found = []
    for op in REGISTRY.records():
        if op.effect is Effect.PURE and any(p.required and "matrix" in p.accepts for p in op.params):
            try:
                found.append(build(op, [argument(p, at) for at, p in enumerate(op.params)]))
            except OperationError:  # it needs other arguments
                continue
    return found


def argument(param: Param, at: int) -> Node:
    if param.required:
        return X(16, 16, name=f"X{at}")
    return absent() if param.default is None else literal(param.default)


@pytest.mark.parametrize("node", samples(), ids=lambda node: node.op.name)
def test_every_operator_on_matrices_has_an_estimate(node: Node) -> None:
    found = work(node)
    if node.type.cells is None and node.type.is_matrix:
        assert found is None
    elif all(t.cells is not None for t in node.type.items):
        assert found is not None
        assert is_free(node) or (found.flops > 0 and found.bytes > 0)


# -- what is worth keeping ---------------------------------------------------------------------------------------------

BIG = 20_000  # rows and columns of a matrix of 3.2 GB
MIDDLE = 2_000


@pytest.mark.parametrize(
    ("node", "kept"),
    [
        (build("%*%", [X(MIDDLE, MIDDLE), X(MIDDLE, MIDDLE)]), True),
        (build("%*%", [X(BIG, BIG), X(BIG, BIG)]), True),
        (build("%*%", [X(None, None), X(None, None)]), True),
        (build("%*%", [X(MIDDLE, 20), X(20, MIDDLE)]), False),
        (build("%*%", [X(100, 2), X(2, 100)]), True),
        (build("sum", [X(None, None)]), True),
        (build("+", [X(None, None), X(None, None, name="Y")]), False),
        (build("+", [X(20, 20), literal(1)]), True),
        (build("+", [X(MIDDLE, MIDDLE), literal(1)]), False),
        (build("exp", [X(MIDDLE, MIDDLE)]), True),
        (build("exp", [X(BIG, BIG)]), False),
        (build("t", [X(BIG, BIG)]), False),
        (build("nrow", [X(BIG, BIG)]), False),
        (build("+", [var("x", scalar(DOUBLE)), literal(1)]), False),
        (build("seq", [literal(1), literal(1000), literal(1)]), False),
        (output(build("eigen", [X(20, 20)]), 1), True),
    ],
    ids=lambda value: value.op.name if isinstance(value, Node) else str(value),
)
def test_what_pays_to_keep(node: Node, kept: bool) -> None:
    assert pays_to_keep(node) is kept


def test_a_large_value_must_save_much() -> None:
    rows = LARGE // 8 // 10
    joined = build("cbind", [X(rows // 2, 9), X(rows // 2, 1)])
    larger = build("cbind", [X(rows * 2, 9), X(rows * 2, 1)])
    assert pays_to_keep(joined)
    assert not pays_to_keep(larger)


def test_cellwise_operators_run_in_one_pass() -> None:
    """Three operands are read again for one value; of one operand nothing is saved."""
    a, b, c = (X(MIDDLE, MIDDLE, name=n) for n in "abc")
    assert pays_to_keep(build("+", [build("*", [a, b]), c]))
    assert not pays_to_keep(build("+", [build("*", [a, a]), a]))
