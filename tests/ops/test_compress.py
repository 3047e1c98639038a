"""Compression keeps values; with bins it makes them coarser."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

import gramian.ops.compress  # noqa: F401
from gramian.errors import OperationError, SizeError
from gramian.ir.frame import Frame
from gramian.ir.op import REGISTRY
from gramian.ir.types import DOUBLE, MISSING, frame, matrix, results, scalar, type_of

NAN = np.nan


def call(name, *values):
    with np.errstate(all="ignore"):
        return REGISTRY[name].kernel(*[np.array(v, dtype=float) if isinstance(v, list) else v for v in values])


def infer(name, *types):
    return REGISTRY[name].infer(*types)


def column(*values):
    return np.array(values, dtype=np.float64).reshape(-1, 1)


def test_values_stay():
    x = np.array([[1.0, NAN], [2.0, 2.0]])
    table = Frame.of([["a", "b"]], ["STRING"])
    for name in ("compress", "decompress"):
        for value in (x, table):
            assert call(name, value) is value
    assert infer("compress", matrix(2, 3), MISSING) == matrix(2, 3)
    assert infer("compress", frame(2, 3), MISSING) == frame(2, 3)
    assert infer("decompress", frame(None, 3)) == frame(None, 3)


# ---- bins ----


def test_bins_check_value():
    codes, edges = call("compress", column(*range(1, 11)), 3)
    assert codes.T.tolist() == [[1, 1, 1, 1, 2, 2, 2, 3, 3, 3]]
    assert edges.column(0) == ["1.0·4.0", "4.0·7.0", "7.0·10.0"]


def test_bins_by_column():
    x = np.array([[0, 5, NAN], [1, 5, NAN], [NAN, 5, NAN], [4, 5, NAN]])
    codes, edges = call("compress", x, [[2, 3, 1]])
    np.testing.assert_array_equal(codes, [[1, 1, NAN], [1, 1, NAN], [NAN, 1, NAN], [2, 1, NAN]])
    assert [edges.column(j) for j in range(3)] == [["0.0·2.0", "2.0·4.0"], ["5.0·5.0", None], [None, None]]
    assert edges.types == ("STRING",) * 3
    assert edges.names == ["C1", "C2", "C3"]


@given(
    values=st.lists(st.integers(-50, 50) | st.floats(-1e6, 1e6) | st.just(NAN), min_size=1, max_size=12),
    count=st.integers(1, 7),
)
def test_a_bin_holds_what_lies_between_its_edges(values, count):
    x = column(*values)
    codes, edges = call("compress", x, count)
    pairs = [[float(end) for end in text.split("·")] for text in edges.column(0)]
    for value, code in zip(x[:, 0], codes[:, 0], strict=True):
        assert np.isnan(code) == np.isnan(value)
        if not np.isnan(code):
            low, high = pairs[int(code) - 1]
            assert low < value <= high or (code == 1 and value == low)
    if pairs:
        assert (pairs[0][0], pairs[-1][1]) == (np.nanmin(x), np.nanmax(x))
        np.testing.assert_allclose(
            [high for _, high in pairs], np.linspace(pairs[0][0], pairs[-1][1], len(pairs) + 1)[1:]
        )
        assert len(pairs) == (count if np.nanmin(x) < np.nanmax(x) else 1)


def test_bins_of_nothing():
    codes, edges = call("compress", np.ones((0, 2)), 3)
    assert (codes.shape, edges.shape) == ((0, 2), (0, 2))
    codes, edges = call("compress", np.ones((2, 0)), 3)
    assert (codes.shape, edges.shape) == ((2, 0), (0, 0))


def test_wrong_bins():
    x = np.ones((4, 3))
    for bins, error, message in (
        (np.ones((1, 2)), SizeError, "'bins' of compress.. must be a number or a 1x3 matrix, found 1x2"),
        (np.ones((3, 1)), SizeError, "found 3x1"),
    ):
        for attempt in (
            lambda bins=bins: call("compress", x, bins),
            lambda bins=bins: infer("compress", matrix(4, 3), matrix(*bins.shape)),
        ):
            with pytest.raises(error, match=message):
                attempt()
    for bins in (0, -1.5, NAN, np.inf):
        with pytest.raises(OperationError, match=r"'bins' of compress.. must be at least 1, found"):
            call("compress", x, bins)
        with pytest.raises(OperationError, match=r"'bins' of compress.. must be at least 1, found"):
            infer("compress", matrix(), type_of(bins))
    with pytest.raises(OperationError, match="found 0"):
        call("compress", x, [[1, 0, 2]])
    with pytest.raises(OperationError, match="column 1, which reaches from 1 to inf"):
        call("compress", column(1, np.inf), 2)
    with pytest.raises(OperationError, match="needs a matrix, found a frame"):
        infer("compress", frame(), type_of(2))


def test_types_of_bins():
    assert infer("compress", matrix(4, 3), scalar(DOUBLE)) == results(matrix(4, 3), frame(None, 3))
    assert infer("compress", matrix(4, None), matrix(None, None)) == results(matrix(4, None), frame(None, None))


# ---- quantize_compress ----


def test_quantize():
    x = np.array([[1.25, -2.5], [3, NAN]])
    np.testing.assert_array_equal(call("quantize_compress", x, 10), [[12, -25], [30, NAN]])
    np.testing.assert_array_equal(call("quantize_compress", x, [[1], [10]]), [[1, -3], [30, NAN]])
    np.testing.assert_array_equal(call("quantize_compress", x, [[1, 2], [3, 4]]), [[1, -5], [9, NAN]])
    assert infer("quantize_compress", matrix(2, None), matrix(2, 1)) == matrix(2, None)
    for size in ((3, 1), (2, 3)):
        for attempt in (
            lambda size=size: call("quantize_compress", x, np.ones(size)),
            lambda size=size: infer("quantize_compress", matrix(2, 2), matrix(*size)),
        ):
            with pytest.raises(SizeError, match="quantize_compress"):
                attempt()
    with pytest.raises(SizeError, match=r"'s' of quantize_compress.. must be a number, a column"):
        call("quantize_compress", np.ones((3, 1)), np.ones((3, 2)))
