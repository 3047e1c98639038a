"""Distribution functions and their inverses, of numbers and cell by cell of matrices."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gramian.errors import OperationError, did_you_mean
from gramian.ir import scalar as s
from gramian.ir.op import Trait, define, missing
from gramian.ir.types import DOUBLE, ScalarValue, Type, matrix, scalar
from gramian.ops.rules import shape
from gramian.ops.statistics import check_probabilities


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution; the functions get scipy.special, a point or probability, and the parameters.

    `params` are names with a default, or None if there is none.
    """

    short: str
    params: tuple[tuple[str, float | None], ...]
    below: Callable[..., Any]
    above: Callable[..., Any]
    inverse: Callable[..., Any]


def _t_inverse(sp: Any, p: Any, df: float) -> Any:
    """By the inverse of the incomplete beta function, on the side that keeps the digits; scipy's own fails in tails."""
    tail = np.minimum(p, 1.0 - p)
    outer = sp.betaincinv(0.5 * df, 0.5, 2 * tail)
    inner = sp.betaincinv(0.5, 0.5 * df, 1 - 2 * tail)
    ratio = np.where(tail < 0.25, (1 - outer) / outer, inner / (1 - inner))
    return np.where(p < 0.5, -1.0, 1.0) * np.sqrt(df * ratio)


def _positive(q: Any) -> Any:
    return np.maximum(q, 0.0)


DISTRIBUTIONS = {
    "normal": Distribution(
        "norm",
        (("mean", 0.0), ("sd", 1.0)),
        lambda sp, q, mean, sd: sp.ndtr((q - mean) / sd),
        lambda sp, q, mean, sd: sp.ndtr((mean - q) / sd),
        lambda sp, p, mean, sd: mean + sd * sp.ndtri(p),
    ),
    "t": Distribution(
        "t",
        (("df", None),),
        lambda sp, q, df: sp.stdtr(df, q),
        lambda sp, q, df: sp.stdtr(df, np.negative(q)),
        _t_inverse,
    ),
    "chisq": Distribution(
        "chisq",
        (("df", None),),
        lambda sp, q, df: sp.chdtr(df, _positive(q)),
        lambda sp, q, df: sp.chdtrc(df, _positive(q)),
        lambda sp, p, df: 2 * sp.gammaincinv(0.5 * df, p),
    ),
    "f": Distribution(
        "f",
        (("df1", None), ("df2", None)),
        lambda sp, q, df1, df2: sp.fdtr(df1, df2, _positive(q)),
        lambda sp, q, df1, df2: sp.fdtrc(df1, df2, _positive(q)),
        lambda sp, p, df1, df2: sp.fdtri(df1, df2, p),
    ),
    "exp": Distribution(
        "exp",
        (("rate", 1.0),),
        lambda sp, q, rate: -np.expm1(-rate * _positive(q)),
        lambda sp, q, rate: np.exp(-rate * _positive(q)),
        lambda sp, p, rate: -np.log1p(np.negative(p)) / rate,
    ),
}
_PARAMS = ("mean", "sd", "df", "df1", "df2", "rate")


def find_distribution(what: str, name: str) -> Distribution:
    if name in DISTRIBUTIONS:
        return DISTRIBUTIONS[name]
    known = ", ".join(f'"{d}"' for d in DISTRIBUTIONS)
    hint = did_you_mean(name, DISTRIBUTIONS)
    raise OperationError(f"argument 'dist' of {what} must be one of {known}, found \"{name}\"", hint)


def _check_parameter(what: str, name: str, value: ScalarValue | None) -> None:
    if name != "mean" and isinstance(value, int | float) and not value > 0:
        raise OperationError(f"argument '{name}' of {what} must be positive, found {s.text(value)}")


def _check_given(what: str, name: str, distribution: Distribution, given: set[str]) -> None:
    known = dict(distribution.params)
    for param in _PARAMS:
        if param in given and param not in known:
            raise OperationError(
                f"{what} has no argument '{param}' for the distribution \"{name}\"", f"it has {' and '.join(known)}"
            )
        if param not in given and param in known and known[param] is None:
            raise OperationError(f"{what} of the distribution \"{name}\" misses its argument '{param}'")


def probability(what: str, distribution: Distribution, q: Any, params: list[float], lower: bool) -> Any:
    return _evaluate(what, distribution, distribution.below if lower else distribution.above, q, params)


def inverse(what: str, distribution: Distribution, p: Any, params: list[float]) -> Any:
    check_probabilities(what, "target", p, nan=True)
    return _evaluate(what, distribution, distribution.inverse, p, params)


def _evaluate(
    what: str, distribution: Distribution, function: Callable[..., Any], target: Any, params: list[float]
) -> Any:
    from scipy import special

    for (name, _), value in zip(distribution.params, params, strict=True):
        _check_parameter(what, name, value)
    if isinstance(target, np.ndarray):
        return np.asarray(function(special, target, *params), dtype=np.float64)
    return float(function(special, s.as_double_argument(target), *params))


def _target_type(target: Type) -> Type:
    return matrix(*shape(target)) if target.is_matrix else scalar(DOUBLE)


def _general_type(what: str) -> Callable[..., Type]:
    def infer(target: Type, dist: Type, *rest: Type) -> Type:
        given = dict(zip(_PARAMS, rest, strict=False))
        if isinstance(dist.value, str):
            distribution = find_distribution(what, dist.value)
            _check_given(what, dist.value, distribution, {name for name, t in given.items() if not missing(t)})
        for name, type in given.items():
            _check_parameter(what, name, type.value)
        return _target_type(target)

    return infer


def _chosen(what: str, dist: str, values: tuple[float | None, ...]) -> tuple[Distribution, list[float]]:
    """The distribution of that name, and its parameters out of all."""
    distribution = find_distribution(what, dist)
    given = {name: value for name, value in zip(_PARAMS, values, strict=True) if value is not None}
    _check_given(what, dist, distribution, set(given))
    defaults = {name: default for name, default in distribution.params if default is not None}
    return distribution, [{**defaults, **given}[name] for name, _ in distribution.params]


def cdf(target: Any, dist: str, *rest: Any) -> Any:
    *values, lower = rest
    distribution, params = _chosen("cdf()", dist, tuple(values))
    return probability("cdf()", distribution, target, params, lower)


def icdf(target: Any, dist: str, *values: Any) -> Any:
    distribution, params = _chosen("icdf()", dist, values)
    return inverse("icdf()", distribution, target, params)


_ALL_PARAMS = ", ".join(f"{name}: double = missing" for name in _PARAMS)
_POINTS = 'matrix("-1 0 0.5 2 NaN Infinity", 2, 3)'
_CHANCES = 'matrix("0 0.01 0.5 0.9 NaN 1", 2, 3)'

define(
    f"cdf(target: number|matrix, dist: string, {_ALL_PARAMS}, lower.tail: boolean = TRUE)",
    _general_type("cdf()"),
    cdf,
    'probability of a value up to target, or above it, of the distribution "normal", "t", "chisq", "f" or "exp"',
    family="distribution",
    traits=(Trait.CELLWISE,),
    samples=('1.5, "normal"', '2, "t", df=5', 'target=2, dist="exp", rate=0.5, lower.tail=FALSE'),
)
define(
    f"icdf(target: number|matrix, dist: string, {_ALL_PARAMS})",
    _general_type("icdf()"),
    icdf,
    "the value up to which the probability is target: the inverse of cdf()",
    family="distribution",
    traits=(Trait.CELLWISE,),
    samples=('0.975, "normal"', '0.9, "f", df1=3, df2=7', '0.9, "exp", rate=5'),
)


def _specific_type(what: str, distribution: Distribution) -> Callable[..., Type]:
    def infer(target: Type, *rest: Type) -> Type:
        for (name, _), type in zip(distribution.params, rest, strict=False):
            _check_parameter(what, name, type.value)
        return _target_type(target)

    return infer


def _probability_of(what: str, distribution: Distribution) -> Callable[..., Any]:
    def kernel(target: Any, *rest: Any) -> Any:
        *params, lower = rest
        return probability(what, distribution, target, params, lower)

    return kernel


def _inverse_of(what: str, distribution: Distribution) -> Callable[..., Any]:
    return lambda target, *params: inverse(what, distribution, target, list(params))


def _normal_density(target: Type, mean: Type, sd: Type, lower: Type) -> str | None:
    if not isinstance(lower.value, bool):
        return None
    sign = "" if lower.value else "-"
    return f"{sign}dout * exp(-0.5 * ((target - mean) / sd) ^ 2) / (sd * {math.sqrt(2 * math.pi)})"


def _define_distribution(dist: str, distribution: Distribution) -> None:
    params = ["target: number|matrix"]
    params += [f"{name}: double" + ("" if d is None else f" = {d}") for name, d in distribution.params]
    sample = "".join(f", {3 if d is None else d}" for _, d in distribution.params)
    upper = f"p{distribution.short}"
    define(
        f"{upper}({', '.join(params)}, lower.tail: boolean = TRUE)",
        _specific_type(f"{upper}()", distribution),
        _probability_of(f"{upper}()", distribution),
        f"probability of a value up to target, or above it, of the distribution {dist}",
        family="distribution",
        traits=(Trait.CELLWISE,),
        gradient={"target": _normal_density} if dist == "normal" else {},
        samples=(f"1.5{sample}", f"{_POINTS}{sample}", f"{_POINTS}{sample}, FALSE", f"-Inf{sample}"),
    )
    lower = f"q{distribution.short}"
    define(
        f"{lower}({', '.join(params)})",
        _specific_type(f"{lower}()", distribution),
        _inverse_of(f"{lower}()", distribution),
        f"the value up to which the probability is target, of the distribution {dist}",
        family="distribution",
        traits=(Trait.CELLWISE,),
        samples=(f"0.9{sample}", f"{_CHANCES}{sample}"),
    )


for _dist, _distribution in DISTRIBUTIONS.items():
    _define_distribution(_dist, _distribution)
