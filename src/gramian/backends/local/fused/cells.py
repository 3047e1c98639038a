"""Functions of single cells for compiled loops, written so that LLVM makes vector instructions of them.

Numba's own `exp`, `log` and `tanh` call the C library cell by cell; these have no branches. Their errors are about one
unit in the last place. Sums may be reordered (only sums: `radd`, `rfma`), everything else is exact IEEE arithmetic.
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

SUM = ("reassoc", "contract", "nsz")
LARGEST = ("nnan", "nsz")
LN2_HIGH = 6.93147180369123816490e-01  # ln 2 in two parts: multiples of the first are exact
LN2_LOW = 1.90821492927058770002e-10
ROUND = 6755399441055744.0  # 1.5 * 2^52: what is added to it loses its fraction
ROUND_BITS = 4843621399236968448  # the bits of ROUND
SQRT_HALF_BITS = 4604544271217802189
ONE_BITS = 1023 << 52
SMALLEST_NORMAL = 2.2250738585072014e-308
TWO_TO_54 = 18014398509481984.0
SIGN = -(2**63)
INFINITY = math.inf
NAN = math.nan


@intrinsic
def radd(context: Any, s: Any, x: Any) -> Any:
    """s + x, in a sum whose order is free."""

    def code(_: Any, builder: Any, __: Any, args: Any) -> Any:
        return builder.fadd(args[0], args[1], flags=SUM)

    return types.float64(types.float64, types.float64), code


@intrinsic
def rfma(context: Any, s: Any, x: Any, y: Any) -> Any:
    """s + x * y, in a sum whose order is free."""

    def code(_: Any, builder: Any, __: Any, args: Any) -> Any:
        return builder.fadd(args[0], builder.fmul(args[1], args[2], flags=("contract",)), flags=SUM)

    return types.float64(types.float64, types.float64, types.float64), code


@intrinsic
def madd(context: Any, x: Any, y: Any, z: Any) -> Any:
    """x * y + z, in one step if the processor has one."""

    def code(_: Any, builder: Any, __: Any, args: Any) -> Any:
        return builder.fadd(builder.fmul(args[0], args[1], flags=("contract",)), args[2], flags=("contract",))

    return types.float64(types.float64, types.float64, types.float64), code


def _extreme(symbol: str) -> Any:
    def extreme(context: Any, m: Any, x: Any) -> Any:
        def code(_: Any, builder: Any, __: Any, args: Any) -> Any:
            better = builder.fcmp_ordered(symbol, args[1], args[0], flags=LARGEST)
            return builder.select(better, args[1], args[0])

        return types.float64(types.float64, types.float64), code

    return intrinsic(extreme)


# The larger or smaller of two numbers, neither of which is NaN: who needs NaN looks for it beside.
rmax = _extreme(">")
rmin = _extreme("<")


@intrinsic
def bits(context: Any, x: Any) -> Any:
    """The bits of a double as an int."""
    return types.int64(types.float64), lambda _, builder, __, args: builder.bitcast(args[0], ir.IntType(64))


@intrinsic
def from_bits(context: Any, k: Any) -> Any:
    return types.float64(types.int64), lambda _, builder, __, args: builder.bitcast(args[0], ir.DoubleType())


@intrinsic
def exponent(context: Any, k: Any) -> Any:
    """The upper 12 bits of 64. Not all processors can shift negative vectors, or make doubles of ints."""
    return types.int64(types.int64), lambda _, builder, __, args: builder.lshr(args[0], ir.Constant(args[0].type, 52))


def compiled(function: Any) -> Any:
    return njit(nogil=True, error_model="numpy")(function)


@compiled
def power_of_two(k):
    return from_bits((k + 1023) << 52)


@compiled
def reduced_exp(r):
    """(exp(r) - 1) / r for |r| < 0.35, by its Taylor polynomial of degree 12."""
    p = 1.6059043836821613e-10
    p = madd(p, r, 2.08767569878681e-09)
    p = madd(p, r, 2.505210838544172e-08)
    p = madd(p, r, 2.755731922398589e-07)
    p = madd(p, r, 2.7557319223985893e-06)
    p = madd(p, r, 2.48015873015873e-05)
    p = madd(p, r, 0.0001984126984126984)
    p = madd(p, r, 0.001388888888888889)
    p = madd(p, r, 0.008333333333333333)
    p = madd(p, r, 0.041666666666666664)
    p = madd(p, r, 0.16666666666666666)
    p = madd(p, r, 0.5)
    return madd(p, r, 1.0)


@compiled
def exp(x):
    """exp(x) = 2^n exp(r) with |r| <= ln(2) / 2; the power is applied in two steps, so that nothing overflows early."""
    x = 710.0 if x > 710.0 else x
    x = -746.0 if x < -746.0 else x
    t = madd(x, 1.4426950408889634, ROUND)
    n = t - ROUND
    r = madd(n, -LN2_LOW, madd(n, -LN2_HIGH, x))
    p = madd(reduced_exp(r), r, 1.0)
    half = bits(n * 0.5 + ROUND) - ROUND_BITS
    return p * power_of_two(half) * power_of_two(bits(t) - ROUND_BITS - half)


@compiled
def expm1(x):
    """exp(x) - 1 for |x| < 100, without loss of digits near zero."""
    t = madd(x, 1.4426950408889634, ROUND)
    n = t - ROUND
    r = madd(n, -LN2_LOW, madd(n, -LN2_HIGH, x))
    scale = power_of_two(bits(t) - ROUND_BITS)
    return madd(reduced_exp(r) * r, scale, scale - 1.0)


@compiled
def log(x):
    """log(x) = n ln(2) + log(1 + f) with sqrt(1/2) <= 1 + f < sqrt(2).

    With s = f / (2 + f), log(1 + f) = 2 s (1 + s^2 / 3 + s^4 / 5 + ...), the series of the inverse hyperbolic tangent.
    The terms are added as f - f^2 / 2 + ..., so that the largest one is exact.
    """
    small = x < SMALLEST_NORMAL
    k = bits(x * TWO_TO_54 if small else x)
    biased = exponent(k - SQRT_HALF_BITS + ONE_BITS)  # e + 1023
    f = from_bits(k - ((biased - 1023) << 52)) - 1.0
    n = from_bits(ROUND_BITS + biased) - (ROUND + (1077.0 if small else 1023.0))
    s = f / (2.0 + f)
    z = s * s
    p = madd(z, 1.0 / 19.0, 1.0 / 17.0)
    p = madd(p, z, 1.0 / 15.0)
    p = madd(p, z, 1.0 / 13.0)
    p = madd(p, z, 1.0 / 11.0)
    p = madd(p, z, 1.0 / 9.0)
    p = madd(p, z, 1.0 / 7.0)
    p = madd(p, z, 1.0 / 5.0)
    p = madd(p, z, 1.0 / 3.0)
    h = 0.5 * f * f
    r = madd(n, LN2_HIGH, f - (h - madd(s, madd(2.0 * z, p, h), n * LN2_LOW)))
    r = x if x == INFINITY else r
    r = r if x >= 0.0 else NAN
    return -INFINITY if x == 0.0 else r


@compiled
def sigmoid(x):
    """exp only sees negative arguments, so that it does not overflow."""
    e = exp(-abs(x))
    return (e if x < 0.0 else 1.0) / (1.0 + e)


@compiled
def tanh(x):
    a = abs(x)
    e = expm1(2.0 * (a if a < 22.0 else 22.0))
    t = e / (e + 2.0)
    t = from_bits(bits(t) | (bits(x) & SIGN))
    return x if x != x else t


@compiled
def sign(x):
    s = 1.0 if x > 0.0 else 0.0
    s = -1.0 if x < 0.0 else s
    return x if x != x else s


@compiled
def add_up(total, part):
    """Adds an array to another and starts it anew."""
    for i in range(total.size):
        total[i] += part[i]
        part[i] = 0.0


@compiled
def larger(a, b):
    """NaN if one of them is."""
    return a if a > b or a != a else b


@compiled
def smaller(a, b):
    return a if a < b or a != a else b


def _rounding(intrinsic_name: str) -> Any:
    def rounded(context: Any, x: Any) -> Any:
        def code(_: Any, builder: Any, __: Any, args: Any) -> Any:
            function = builder.module.declare_intrinsic(intrinsic_name, [ir.DoubleType()])
            return builder.call(function, args)

        return types.float64(types.float64), code

    return intrinsic(rounded)


# math.floor and math.ceil give ints.
floor = _rounding("llvm.floor")
ceil = _rounding("llvm.ceil")


@compiled
def round_half_up(x):
    down = floor(x)
    return down + (1.0 if x - down >= 0.5 else 0.0)
