"""Einstein's notation against sums written out as loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import gramian.ops.einsum  # noqa: F401
from gramian.errors import OperationError, SizeError
from gramian.ir.op import REGISTRY
from gramian.ir.types import DOUBLE, STRING, matrix, scalar, type_of


def call(spec, *operands):
    with np.errstate(all="ignore"):
        return REGISTRY["einsum"].kernel(spec, *(np.array(a, dtype=float) for a in operands))


def infer(spec, *sizes):
    return REGISTRY["einsum"].infer(type_of(spec), *(matrix(*size) for size in sizes))


def direct(spec, operands):
    """The sum over all values of all letters."""
    left, result = spec.split("->")
    names = left.split(",")
    arrays = [a.ravel() if len(letters) == 1 else a for letters, a in zip(names, operands, strict=True)]
    sizes = {x: n for letters, a in zip(names, arrays, strict=True) for x, n in zip(letters, a.shape, strict=True)}
    found = np.zeros([sizes[x] for x in result])
    for values in itertools.product(*(range(n) for n in sizes.values())):
        at = dict(zip(sizes, values, strict=True))
        factors = (a[tuple(at[x] for x in letters)] for letters, a in zip(names, arrays, strict=True))
        found[tuple(at[x] for x in result)] += np.prod(list(factors))
    return found


@st.composite
def specifications(draw):
    """A specification, and operands of its sizes."""
    letters = draw(st.lists(st.text("ijkA", min_size=1, max_size=2), min_size=1, max_size=3))
    known = sorted(set("".join(letters)))
    result = "".join(draw(st.lists(st.sampled_from(known), max_size=2, unique=True)))
    sizes = {x: draw(st.integers(0, 3)) for x in known}
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    operands = [rng.normal(size=[sizes[x] for x in operand]) for operand in letters]
    operands = [a.reshape((-1, 1) if draw(st.booleans()) else (1, -1)) if a.ndim == 1 else a for a in operands]
    return f"{','.join(letters)}->{result}", operands


@given(case=specifications())
@settings(max_examples=200, deadline=None)
def test_einsum_is_its_sum(case):
    spec, operands = case
    expected = direct(spec, operands)
    found = call(spec, *operands)
    type_ = infer(spec, *(a.shape for a in operands))
    if expected.ndim == 0:
        assert type(found) is float
        assert type_ == scalar(DOUBLE)
    else:
        expected = expected[:, None] if expected.ndim == 1 else expected
        assert type_ == matrix(*expected.shape)
        assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_check_values():
    square = [[1, 2], [3, 4]]
    assert call("ij->j", square).tolist() == [[4], [6]]
    assert call("ii->", square) == 5
    assert call("ii->i", square).tolist() == [[1], [4]]
    assert call(" ij , jk -> ik ", square, square).tolist() == [[7, 10], [15, 22]]


def test_results_have_memory_of_their_own():
    for spec, shape in (("ij->ij", (2, 3)), ("ij->ji", (2, 3)), ("ii->i", (2, 2)), ("i->i", (1, 3)), ("i->i", (3, 1))):
        operand = np.ones(shape)
        found = REGISTRY["einsum"].kernel(spec, operand)
        assert not np.shares_memory(found, operand)
        assert found.flags.writeable


@pytest.mark.parametrize(
    ("spec", "operands", "message"),
    [
        ("ij,jk", 2, "has no '->'"),
        ("ij->i->j", 1, "found '-'"),
        ("i.->i", 1, r"found '\.'"),
        ("ij,->i", 2, "one or two letters for operand 2, found 0"),
        ("ijk->i", 1, "one or two letters for operand 1, found 3"),
        ("ij,jk->ijk", 2, "a number, a vector or a matrix, found 3 letters"),
        ("ij->ii", 1, "has 'i' twice after '->'"),
        ("ij->k", 1, "has 'k' after '->' only"),
        ("ij->i", 2, "for 1 operand, found 2"),
        ("ij,jk->ik", 1, "for 2 operands, found 1"),
    ],
)
def test_malformed_specifications(spec, operands, message):
    with pytest.raises(OperationError, match=message):
        call(spec, *[np.ones((2, 2))] * operands)
    with pytest.raises(OperationError, match=message):
        infer(spec, *[(None, None)] * operands)


@pytest.mark.parametrize(
    ("spec", "sizes", "message"),
    [
        ("ij,jk->ik", [(2, 3), (2, 3)], "'j' is 2 in operand 2, but 3 in operand 1"),
        ("ii->", [(2, 3)], "'i' is 3 in operand 1, but 2 and columns"),
        ("i->i", [(2, 2)], "operand 1 of einsum.. must be a row or column for 'i', found a 2x2 matrix"),
        ("ij,j->i", [(2, 3), (2, 1)], "'j' is 2 in operand 2, but 3 in operand 1"),
        ("ij,jk->ik", [(2, 3), (1, 3)], "'j' is 1 in operand 2, but 3 in operand 1"),
    ],
)
def test_sizes_must_fit(spec, sizes, message):
    with pytest.raises(SizeError, match=message):
        call(spec, *(np.ones(size) for size in sizes))
    with pytest.raises(SizeError, match=message):
        infer(spec, *sizes)


def test_types():
    assert infer("ij,jk->ki", (2, None), (None, None)) == matrix(None, 2)
    assert infer("i,ij->j", (1, None), (3, 4)) == matrix(4, 1)
    assert infer("i->i", (None, 1)) == matrix(None, 1)
    with pytest.raises(OperationError, match="must be a constant"):
        REGISTRY["einsum"].infer(scalar(STRING), matrix())
