"""Sums over many rows: rounding errors stay small, and the number of threads changes nothing."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest

import gramian.ops  # noqa: F401  registers the operators
from gramian.backends.local import LocalBackend
from gramian.backends.local.fused import panels
from gramian.backends.local.fused.panels import Pass
from gramian.backends.local.threads import in_parallel, pool
from gramian.ir.cores import cores, limited
from gramian.ir.fused import Pipeline, parameter
from gramian.ir.node import Node, build
from gramian.ir.types import matrix
from gramian.runtime.backend import kernel_of

KERNELS = partial(kernel_of, backend=LocalBackend())
ENGINES = pytest.mark.parametrize("compiled", [False, True], ids=["panels", "loops"])
ROWS = 2_000_000
Array = np.ndarray[Any, Any]


def sums(rows: int, cols: int) -> tuple[Node, ...]:
    """All kinds of sums over the rows of one matrix and a column."""
    x, v = parameter(0, matrix(rows, cols)), parameter(1, matrix(rows, 1))
    crossed = build("%*%", [build("t", [x]), v])
    square = build("%*%", [build("t", [x]), x])
    return build("sum", [x]), build("colSums", [x]), crossed, square, build("sum", [build("*", [x, v])])


def exact(terms: Array) -> tuple[float, float]:
    """The sum without a rounding error that matters, and the size of what was added."""
    blocks = np.sum(terms.reshape(10_000, -1), axis=1, dtype=np.longdouble)
    return math.fsum(blocks), float(np.sum(abs(terms)))


def data(kind: str, rows: int = ROWS) -> tuple[Array, Array]:
    """10^7 cells: all the same, so that rounding errors have one sign; of many sizes; or in pairs that cancel."""
    noise = np.random.default_rng(5)
    x = np.full((rows, 5), 0.1)
    v = np.full((rows, 1), 0.3)
    if kind == "sizes":
        x, v = noise.normal(size=(rows, 5)) * 10.0 ** noise.integers(-6, 7, (rows, 1)), noise.normal(size=(rows, 1))
    elif kind == "cancel":
        x = noise.random((rows, 5))
        x[rows // 2 :] = -x[: rows // 2] * (1 + 1e-9)
    return x, v


@pytest.mark.parametrize("kind", ["equal", "sizes", "cancel"])
def test_sums_of_many_cells(kind: str) -> None:
    x, v = data(kind)
    expected = [exact(terms) for terms in (x, x[:, 1], x[:, 4] * v[:, 0], x[:, 0] * x[:, 3], x * v)]
    for compiled in (False, True):
        whole = Pass(Pipeline(sums(*x.shape), ROWS), KERNELS, compiled=compiled)
        total, columns, crossed, square, weighted = whole.run((x, v))
        found = (total, columns[0, 1], crossed[4, 0], square[0, 3], weighted)
        for value, (wanted, size) in zip(found, expected, strict=True):
            assert abs(value - wanted) <= 1e-12 * size, (kind, compiled)


def test_the_exact_sums_are_exact() -> None:
    terms = data("sizes", 20_000)[0]
    assert exact(terms) == pytest.approx((math.fsum(terms.flat), math.fsum(abs(terms).flat)), rel=1e-14)


@ENGINES
def test_results_do_not_depend_on_threads(compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "CHUNK", 5 * 1000)
    x, v = data("sizes", 20_500)  # the last chunk is shorter
    roots = (*sums(*x.shape), build("exp", [parameter(0, matrix(*x.shape))]))
    whole = Pass(Pipeline(roots, len(x)), KERNELS, compiled=compiled)
    results = []
    for threads in (1, 2, 5):
        with limited(threads), np.errstate(all="ignore"):
            results.append(whole.run((x, v)))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


# -- threads -----------------------------------------------------------------------------------------------------------


def test_work_in_parallel_keeps_its_order() -> None:
    with limited(4):
        assert in_parallel(lambda n: n * n, range(1000)) == [n * n for n in range(1000)]
        assert in_parallel(str, []) == []


def test_the_first_item_that_fails_tells_why() -> None:
    def work(n: int) -> int:
        if n in (3, 5, 800):
            raise ValueError(f"item {n}")
        return n

    for threads in (1, 2, 8):
        for _ in range(30):
            with limited(threads), pytest.raises(ValueError, match="item 3"):
                in_parallel(work, range(1000))


def test_work_inside_of_work_comes_to_an_end() -> None:
    """All threads of the pool are busy with work that has parts for it."""

    def outer(n: int) -> int:
        with limited(4):
            return sum(in_parallel(lambda m: n * m, range(50)))

    many = pool()._max_workers + 4
    with limited(many):
        assert in_parallel(outer, range(4 * many)) == [n * 1225 for n in range(4 * many)]


def test_a_limit_holds_inside_only() -> None:
    before = cores()
    with limited(3):
        assert cores() == 3
        with limited(1):
            assert cores() == 1
        assert cores() == 3
    assert cores() == before
