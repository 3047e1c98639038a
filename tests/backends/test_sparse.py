"""Sparse matrices give what dense ones give, operator by operator, on the samples of all records."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from samples import Sample, all_samples, convert
from scipy.sparse import csc_array, csr_array

from gramian.backends.local import LocalBackend
from gramian.backends.local.sparse.matmul import product
from gramian.errors import OperationError
from gramian.ir import sparse
from gramian.ir.op import REGISTRY, Effect, Op
from gramian.ir.values import ListValue

BACKEND = LocalBackend()
NASTY = np.array([[0.0, 2.0, 0.0, np.nan], [np.inf, 0.0, -3.0, 0.0], [0.0, 0.0, 0.0, 0.0], [1.5, 0.0, -np.inf, 0.5]])
PLAIN = np.array([[0.0, 2.0, 0.0, 1.0], [4.0, 0.0, -3.0, 0.0], [0.0, 0.0, 0.0, 0.0], [1.5, 0.0, 0.0, 0.5]])


def dense(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(dense(v) for v in value)
    if isinstance(value, ListValue):
        return [dense(v) for v in value.items]
    return sparse.densify(value)


def run(op: Op, values: list[Any]) -> Any:
    kernel = BACKEND.kernel(op) or op.kernel
    with np.errstate(all="ignore"):
        return kernel(*values)


def variants(values: list[Any]) -> Iterator[list[Any]]:
    """Every choice of arguments to be sparse, by rows or by columns, but for the dense one."""
    matrices = [at for at, v in enumerate(values) if isinstance(v, np.ndarray)]
    for formats in itertools.product((None, csr_array, csc_array), repeat=len(matrices)):
        if any(formats):
            made = list(values)
            for at, form in zip(matrices, formats, strict=True):
                made[at] = made[at] if form is None else form(made[at])
            yield made


SAMPLES = [
    s for s in all_samples() if s.op.effect is Effect.PURE and any(isinstance(v, np.ndarray) for v in s.values())
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:Changing the sparsity")
@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_samples(sample: Sample) -> None:
    values = convert(sample.op, sample.values())
    expected = dense(run(sample.op, values))
    for made in itertools.islice(variants(values), 12):
        check(run(sample.op, made), expected)


def check(found: Any, expected: Any) -> None:
    np.testing.assert_equal(type(dense(found)), type(expected))
    if isinstance(expected, str | bool | int):
        assert found == expected
    elif isinstance(expected, tuple | list):
        for one, other in zip(dense(found), expected, strict=True):
            check(one, other)
    elif isinstance(expected, np.ndarray | float):
        np.testing.assert_allclose(dense(found), expected, rtol=1e-12, atol=1e-12)


CELLWISE = ["+", "-", "*", "/", "^", "%%", "==", "!=", "<", "<=", ">", ">=", "&", "|", "xor", "min", "max"]
OTHERS: list[Any] = [
    PLAIN,
    NASTY,
    NASTY[:, :1],
    NASTY[:1],
    PLAIN[:, 3:],
    0.0,
    2.0,
    -1.5,
    np.nan,
    np.inf,
    np.array([[3.0]]),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", CELLWISE)
def test_cellwise_operators_follow_ieee(name: str) -> None:
    op = REGISTRY[name]
    for x, other in itertools.product((PLAIN, NASTY), OTHERS):
        for values in ([x, other], [other, x]):
            try:
                expected = run(op, values)
            except OperationError:
                continue
            for made in variants(values):
                check(run(op, made), expected)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_products_follow_ieee() -> None:
    for a, b in itertools.product((PLAIN, NASTY), repeat=2):
        expected = run(REGISTRY["%*%"], [a, b])
        for made in variants([a, b]):
            check(run(REGISTRY["%*%"], made), expected)


def test_large_products_run_in_parallel_with_the_same_result() -> None:
    draw = np.random.default_rng(3)
    x = csr_array(np.where(draw.random((3000, 400)) < 0.2, draw.random((3000, 400)), 0.0))
    v, w = draw.random((400, 3)), draw.random((3000, 2))
    np.testing.assert_allclose(product(x, v), x.toarray() @ v, rtol=1e-12)
    np.testing.assert_allclose(product(x.T, w), x.toarray().T @ w, rtol=1e-12)
    np.testing.assert_allclose(product(w.T, x), w.T @ x.toarray(), rtol=1e-12)


def test_results_are_settled_by_their_density() -> None:
    x = csr_array((200, 200))
    assert sparse.is_sparse(run(REGISTRY["*"], [x, 2.0]))
    assert isinstance(run(REGISTRY["+"], [x, 1.0]), np.ndarray)
    full = csr_array(np.ones((200, 200)))
    assert isinstance(run(REGISTRY["*"], [full, 2.0]), np.ndarray)


def test_random_sparse_matrices_do_not_depend_on_their_representation() -> None:
    rand = REGISTRY["rand"].kernel
    for share in (0.05, 0.2, 0.001):
        made = rand(300, 200, -1.0, 1.0, share, 5, "uniform", 1.0)
        assert sparse.is_sparse(made)
        stored = made.nnz / 60_000
        assert abs(stored - share) < 5 * (share / 60_000) ** 0.5
        again = rand(300, 200, -1.0, 1.0, share, 5, "uniform", 1.0)
        np.testing.assert_array_equal(made.toarray(), again.toarray())


def test_too_large_to_be_dense_is_a_clear_error() -> None:
    huge = csr_array((10_000_000, 1_000_000))
    with pytest.raises(OperationError, match=r"exp\(\) needs the sparse 10000000x1000000 matrix cell by cell"):
        run(REGISTRY["exp"], [huge])


def test_remove_empty_leaves_other_matrices_alone() -> None:
    """The result of a product shares the places of its operand's cells."""
    x = csr_array(np.arange(40_000.0).reshape(400, 100) % 7 * (np.arange(400)[:, None] % 5 == 0))
    before = x.toarray()
    product = run(REGISTRY["*"], [x, np.arange(400.0).reshape(-1, 1) % 2])
    run(REGISTRY["removeEmpty"], [product, "rows", None, True])
    np.testing.assert_array_equal(x.toarray(), before)
