"""The matrix product against its definition, and what it says when operands do not fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

import gramian.ops.matmul  # noqa: F401
from gramian.errors import OperationError, SizeError
from gramian.ir.op import REGISTRY
from gramian.ir.types import BOOLEAN, DOUBLE, INT, STRING, matrix, scalar

OP = REGISTRY["%*%"]


@given(m=st.integers(0, 5), n=st.integers(0, 5), k=st.integers(0, 5), seed=st.integers(0, 99), flip=st.booleans())
def test_product_is_sum_over_the_inner_dimension(m, n, k, seed, flip):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-9, 9, (m, n)).astype(float), rng.integers(-9, 9, (n, k)).astype(float)
    expected = (a[:, :, None] * b[None, :, :]).sum(axis=1)
    result = OP.kernel(np.asfortranarray(a), b[:, ::-1][:, ::-1]) if flip else OP.kernel(a, b)
    assert result.shape == (m, k)
    assert np.array_equal(result, expected)


def test_zero_times_nan_is_nan():
    with np.errstate(all="ignore"):
        assert np.isnan(OP.kernel(np.zeros((1, 2)), np.array([[np.nan], [1.0]]))[0, 0])
        assert np.isnan(OP.kernel(np.array([[np.inf, 1.0]]), np.zeros((2, 1)))[0, 0])
        product = OP.kernel(np.array([[np.nan, 0.0], [1.0, 2.0]]), np.zeros((2, 3)))
    assert np.array_equal(np.isnan(product), [[True] * 3, [False] * 3])


def test_sizes_are_inferred():
    assert OP.infer(matrix(2, 3), matrix(3, 4)) == matrix(2, 4)
    assert OP.infer(matrix(2, None), matrix(3, None)) == matrix(2, None)
    assert OP.infer(matrix(1, 1), matrix(1, 4)) == matrix(1, 4)


def test_inner_sizes_must_agree():
    with pytest.raises(SizeError, match=r"2x3 by a 2x3") as error:
        OP.infer(matrix(2, 3), matrix(2, 3))
    assert error.value.hint == "transpose the right one with t()"
    with pytest.raises(SizeError) as error:
        OP.infer(matrix(3, None), matrix(4, 2)) and OP.infer(matrix(4, 3), matrix(4, 2))
    assert error.value.hint == "transpose the left one with t()"
    with pytest.raises(SizeError, match="left one has 3 columns, the right one 2 rows"):
        OP.kernel(np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(SizeError) as error:
        OP.kernel(np.ones((1, 1)), np.ones((2, 3)))
    assert "as.scalar()" in error.value.hint


@pytest.mark.parametrize("value_type", [INT, DOUBLE])
def test_a_number_is_refused_with_a_hint(value_type):
    with pytest.raises(OperationError) as error:
        OP.infer(matrix(2, 3), scalar(value_type))
    assert error.value.hint == "use * to multiply by a number"


@pytest.mark.parametrize("value_type", [STRING, BOOLEAN])
def test_other_scalars_are_refused(value_type):
    with pytest.raises(OperationError, match=r"needs two matrices"):
        OP.infer(scalar(value_type), matrix(2, 3))
