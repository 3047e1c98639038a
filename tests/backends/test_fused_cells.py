"""The functions of single cells against NumPy and SciPy: a few units in the last place, special values exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numba import njit
from scipy.special import expit

from gramian.backends.local.fused import cells
from gramian.ops.elementwise import round_half_up

Array = np.ndarray[Any, Any]
SPECIAL = [0.0, 5e-324, 2.2250738585072014e-308, 1e-300, 1e-17, 0.5, 1.0, 1.5, 2.5, 2.0**52 - 0.5, 2.0**53]
SPECIAL += [709.0, 709.782712893384, 709.7827128933841, 710.0, 745.1332191019411, 745.1332191019412, 746.0, 1e308]
SPECIAL += [0.49999999999999994, 0.7071067811865475, 0.7071067811865476, 22.0, 19.06, 1.7976931348623157e308, np.inf]
SPECIALS = np.array([*SPECIAL, *(-x for x in SPECIAL), np.nan, -np.nan])


def over_cells(function: Callable[..., float], arity: int = 1) -> Callable[..., Array]:
    """A compiled loop, in which the function is vector instructions as it is in pipelines."""

    @njit
    def unary(x: Array, out: Array) -> None:
        for i in range(x.size):
            out[i] = function(x[i])

    @njit
    def binary(x: Array, y: Array, out: Array) -> None:
        for i in range(x.size):
            out[i] = function(x[i], y[i])

    def run(*operands: Array) -> Array:
        out = np.empty(operands[0].size)
        (unary if arity == 1 else binary)(*operands, out)
        return out

    return run


def units(a: Array, b: Array) -> Array:
    """How many doubles lie between two numbers; 0 for two NaN."""
    assert (np.isnan(a) == np.isnan(b)).all(), (a[np.isnan(a) != np.isnan(b)], b[np.isnan(a) != np.isnan(b)])
    bits = [np.where(k < 0, -(2**63) - k, k).astype(object) for k in (x.view(np.int64) for x in (a, b))]
    return np.where(np.isnan(a), 0, abs(bits[0] - bits[1]))


def ordinary(seed: int, count: int = 20_000) -> Array:
    """Numbers of all sizes: random bits, small ones and those around 1, where functions bend."""
    noise = np.random.default_rng(seed)
    wild = noise.integers(-(2**63), 2**63, count).view(np.float64)
    near_one = 1.0 + noise.normal(size=count) * 10.0 ** noise.integers(-16, 0, count)
    return np.concatenate([SPECIALS, wild, noise.normal(size=count), noise.uniform(-750, 750, count), near_one])


def within(limit: float) -> Callable[[Array], Array]:
    return lambda x: np.clip(x, -limit, limit)


def sigmoid(x: Array) -> Array:
    """SciPy's, which gives 0 where only denormal numbers are left."""
    return np.where(x < -40, np.exp(x), expit(x))


# name: (function, what it should be, units in the last place, arguments that it is made for)
FUNCTIONS: dict[str, tuple[Any, Callable[[Array], Array], int, Callable[[Array], Array]]] = {
    "exp": (cells.exp, np.exp, 2, lambda x: x),
    "expm1": (cells.expm1, np.expm1, 2, within(99.0)),
    "log": (cells.log, np.log, 2, lambda x: x),
    "sigmoid": (cells.sigmoid, sigmoid, 4, lambda x: x),
    "tanh": (cells.tanh, np.tanh, 4, lambda x: x),
    "sign": (cells.sign, np.sign, 0, lambda x: x),
    "floor": (cells.floor, np.floor, 0, lambda x: x),
    "ceil": (cells.ceil, np.ceil, 0, lambda x: x),
    "round_half_up": (cells.round_half_up, round_half_up, 0, lambda x: x),
}
COMPILED = {name: over_cells(function) for name, (function, *_) in FUNCTIONS.items()}


def check(name: str, x: Array) -> None:
    _, expected, allowed, domain = FUNCTIONS[name]
    x = domain(x)
    with np.errstate(all="ignore"):
        wanted = expected(x)
    found = COMPILED[name](x)
    apart = units(found, wanted)
    worst = int(np.argmax(apart))
    assert apart[worst] <= allowed, (name, x[worst], found[worst], wanted[worst])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_many_numbers(name: str) -> None:
    check(name, ordinary(1))


@pytest.mark.parametrize("name", FUNCTIONS)
@settings(max_examples=200)
@given(numbers=st.lists(st.floats(), min_size=1, max_size=40))
def test_numbers_of_all_kinds(name: str, numbers: list[float]) -> None:
    check(name, np.array(numbers))


# -- two numbers, and the reductions ----------------------------------------------------------------------------------

PAIRS: dict[str, tuple[Any, Callable[[Array, Array], Array]]] = {
    "larger": (cells.larger, np.maximum),
    "smaller": (cells.smaller, np.minimum),
}


@pytest.mark.parametrize("name", PAIRS)
def test_extremes_of_two(name: str) -> None:
    """All pairs; which of two zeros is the larger one is open."""
    function, expected = PAIRS[name]
    x, y = (side.reshape(-1) for side in np.meshgrid(SPECIALS, SPECIALS))
    np.testing.assert_array_equal(over_cells(function, 2)(x, y), expected(x, y))


@njit
def reduced(x: Array) -> tuple[float, float, float, float]:
    total, squares, largest, smallest = 0.0, 0.0, -np.inf, np.inf
    for i in range(x.size):
        total = cells.radd(total, x[i])
        squares = cells.rfma(squares, x[i], x[i])
        largest = cells.rmax(largest, x[i])
        smallest = cells.rmin(smallest, x[i])
    return total, squares, largest, smallest


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 16, 31, 1000])
def test_reductions(count: int) -> None:
    """Loops of all lengths: of vector instructions, and of what is left over."""
    x = np.random.default_rng(count).integers(-9, 10, count).astype(float)
    largest, smallest = np.max(x, initial=-np.inf), np.min(x, initial=np.inf)
    assert reduced(x) == (x.sum(), (x * x).sum(), largest, smallest)
    for at in range(min(count, 40)):
        for odd in (np.inf, -np.inf):
            changed = x.copy()
            changed[at] = odd
            assert reduced(changed) == (odd, np.inf, changed.max(), changed.min())


def test_sums_keep_nan_and_opposite_infinities() -> None:
    x = np.ones(100)
    x[[3, 60]] = np.inf, -np.inf
    assert np.isnan(reduced(x)[0])
    x[[3, 60]] = np.nan, 1.0
    assert np.isnan(reduced(x)[:2]).all()
