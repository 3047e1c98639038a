"""Operators and functions that work cell by cell, on numbers and matrices alike."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import numpy as np

from gramian.errors import OperationError
from gramian.ir import scalar as s
from gramian.ir.estimate import both, of_first
from gramian.ir.op import Op, Trait, define, missing
from gramian.ir.types import BOOLEAN, DOUBLE, INT, NUMBER, STRING, UNKNOWN, Type, scalar
from gramian.ops.rules import (
    arithmetic,
    broadcast,
    cellwise,
    cellwise_result,
    check_broadcast,
    comparison,
    logical,
    plus,
)

NUMERIC = (INT, DOUBLE, NUMBER)
Kernel = Callable[..., Any]


def over_cells(what: str, on_matrices: Kernel, on_scalars: Kernel) -> Kernel:
    """One kernel from a NumPy function and the meaning on two scalars."""

    def kernel(a: Any, b: Any) -> Any:
        if isinstance(a, np.ndarray):
            if isinstance(b, np.ndarray):
                if a.shape != b.shape:
                    check_broadcast(what, a, b)
            elif isinstance(b, str):
                raise text_beside_matrix(what, a, b)
        elif not isinstance(b, np.ndarray):
            return on_scalars(a, b)
        elif isinstance(a, str):
            raise text_beside_matrix(what, a, b)
        return on_matrices(a, b)

    return kernel


def text_beside_matrix(what: str, a: Any, b: Any) -> OperationError:
    """What the compiler would have said, had it known that a scalar is text."""
    return OperationError(f"{what} cannot combine {s.describe(a)} and {s.describe(b)}")


def as_cells(test: Kernel) -> Kernel:
    """The 1 and 0 of a NumPy test of a matrix, in its precision."""
    return lambda x: test(x).astype(x.dtype)


def test_over_cells(what: str, test: Kernel, on_scalars: Kernel) -> Kernel:
    """The kernel of a test of two operands: 1 and 0, in the precision of the matrices."""

    def kernel(a: Any, b: Any) -> Any:
        if isinstance(a, np.ndarray):
            if isinstance(b, np.ndarray):
                if a.shape != b.shape:
                    check_broadcast(what, a, b)
            elif isinstance(b, str):
                raise text_beside_matrix(what, a, b)
            return test(a, b).astype(a.dtype)
        if not isinstance(b, np.ndarray):
            return on_scalars(a, b)
        if isinstance(a, str):
            raise text_beside_matrix(what, a, b)
        return test(a, b).astype(b.dtype)

    return kernel


def floor_divide(a: Any, b: Any) -> Any:
    quotient = np.floor(np.divide(a, b))
    ends = np.isinf(b) & np.isfinite(a)
    return np.where(ends & (np.sign(a) * np.sign(b) < 0), -1.0, quotient) if np.any(ends) else quotient


def remainder(a: Any, b: Any) -> Any:
    rest = a - floor_divide(a, b) * b
    ends = np.isinf(b) & np.isfinite(a)
    return np.where(ends, np.where(np.sign(a) * np.sign(b) < 0, b, a), rest) if np.any(ends) else rest


def _numeric(*types: Type) -> bool:
    return all(t.value_type in NUMERIC for t in types)


def _infix(symbol: str) -> Callable[[Type, Type], str | None]:
    """Python's own operator, for numbers."""
    return lambda a, b: f"{{0}} {symbol} {{1}}" if _numeric(a, b) else None


def _plus_code(a: Type, b: Type) -> str | None:
    if STRING in (a.value_type, b.value_type):
        return " + ".join(f"{{{i}}}" if t.value_type is STRING else f"text({{{i}}})" for i, t in enumerate((a, b)))
    return _infix("+")(a, b)


def _divide_code(a: Type, b: Type) -> str | None:
    if not _numeric(a, b):
        return None
    if b.value:
        return "{0} / {1}"
    return "({0} / {1} if {1} else divide({0}, {1}))"


def _power_code(a: Type, b: Type) -> str | None:
    if b.value == 2 and not isinstance(b.value, bool) and a.value_type is DOUBLE:
        return "{0} * {0}"
    return None


def _whole_code(symbol: str) -> Callable[[Type, Type], str | None]:
    """Python's // and % agree with %/% and %% on ints, if the divisor is known not to be zero."""

    def code(a: Type, b: Type) -> str | None:
        return f"{{0}} {symbol} {{1}}" if a.value_type is INT is b.value_type and b.value and b.value != -1 else None

    return code


def _comparison_code(symbol: str) -> Callable[[Type, Type], str | None]:
    def code(a: Type, b: Type) -> str | None:
        if STRING in (a.value_type, b.value_type):
            sides = (f"{{{i}}}" if t.value_type is STRING else f"text({{{i}}})" for i, t in enumerate((a, b)))
            return f" {symbol} ".join(sides)
        return f"{{0}} {symbol} {{1}}" if UNKNOWN not in (a.value_type, b.value_type) else None

    return code


def _truth_code(symbol: str) -> Callable[..., str | None]:
    """Both sides are evaluated, so Python's `and` and `or` would not do."""

    def code(*types: Type) -> str | None:
        if not all(t.value_type in (BOOLEAN, *NUMERIC) for t in types):
            return None
        sides = [f"{{{i}}}" if t.value_type is BOOLEAN else f"({{{i}}} != 0)" for i, t in enumerate(types)]
        return f" {symbol} ".join(sides)

    return code


def _not_code(a: Type) -> str | None:
    if a.value_type is BOOLEAN:
        return "not {0}"
    return "{0} == 0" if a.value_type in NUMERIC else None


PAIRS = (
    'matrix("1 -2 3 4", 2, 2), matrix("5 6 -7 0", 2, 2)',
    'matrix("1 -2 3 4", 2, 2), matrix("5 6", 2, 1)',
    'matrix("1 -2 3 4", 2, 2), matrix("5 0", 1, 2)',
    'matrix("3 4", 2, 1), matrix("1 -2 3 4", 2, 2)',
    'matrix("NaN 2 Infinity 0", 2, 2), 2',
    '3, matrix("1 -2 0.5 4", 2, 2)',
    'matrix("1 2", 2, 1), matrix(4, 1, 1)',
    "7, 2",
    "-7, 2.5",
    "2.5, 0",
)


def _binary(
    symbol: str,
    infer: Any,
    on_matrices: Kernel,
    on_scalars: Kernel,
    doc: str,
    over: Callable[[str, Kernel, Kernel], Kernel] = over_cells,
    **rest: Any,
) -> Op:
    return define(
        f"{symbol}(a: scalar|matrix, b: scalar|matrix)",
        infer,
        over(f"operator {symbol}", on_matrices, on_scalars),
        doc,
        family="elementwise",
        samples=PAIRS,
        **rest,
    )


CELLWISE, ZERO, OVERFLOWS, STEPS = Trait.CELLWISE, Trait.ZERO_PRESERVING, Trait.OVERFLOWS, Trait.STEPS
SYMMETRIC = (Trait.COMMUTATIVE,)

_binary(
    "+",
    plus,
    np.add,
    s.add,
    "sum of numbers or cells; joins text",
    scalar=_plus_code,
    traits=(CELLWISE, ZERO, OVERFLOWS, *SYMMETRIC),
    gradient={"a": "dout", "b": "dout"},
)
_binary(
    "-",
    arithmetic("-"),
    np.subtract,
    s.subtract,
    "difference",
    scalar=_infix("-"),
    traits=(CELLWISE, ZERO, OVERFLOWS),
    gradient={"a": "dout", "b": "-dout"},
)
_binary(
    "*",
    arithmetic("*"),
    np.multiply,
    s.multiply,
    "product, cell by cell",
    scalar=_infix("*"),
    sparsity=both,
    traits=(CELLWISE, ZERO, OVERFLOWS, *SYMMETRIC),
    gradient={"a": "dout * b", "b": "dout * a"},
)
_binary(
    "/",
    arithmetic("/", DOUBLE),
    np.divide,
    s.divide,
    "quotient, always a double",
    scalar=_divide_code,
    sparsity=of_first,
    traits=(CELLWISE,),
    gradient={"a": "dout / b", "b": "-dout * out / b"},
)
_binary(
    "^",
    arithmetic("^", DOUBLE),
    np.power,
    s.power,
    "power, always a double",
    scalar=_power_code,
    traits=(CELLWISE,),
    gradient={"a": "dout * b * a ^ (b - 1)", "b": "dout * out * log(a)"},
)
_binary(
    "%/%",
    arithmetic("%/%"),
    floor_divide,
    s.integer_divide,
    "quotient rounded down",
    scalar=_whole_code("//"),
    traits=(CELLWISE, STEPS),
)
_binary(
    "%%",
    arithmetic("%%"),
    remainder,
    s.modulus,
    "remainder with the sign of the divisor",
    scalar=_whole_code("%"),
    traits=(CELLWISE,),
    gradient={"a": "dout", "b": "-dout * (a %/% b)"},
)

for _symbol, _test, _on_scalars, _doc in (
    ("==", np.equal, s.equal, "equal"),
    ("!=", np.not_equal, s.not_equal, "not equal"),
    ("<", np.less, s.less, "less than"),
    ("<=", np.less_equal, s.less_equal, "less than or equal"),
    (">", np.greater, s.greater, "greater than"),
    (">=", np.greater_equal, s.greater_equal, "greater than or equal"),
):
    _binary(
        _symbol,
        comparison(_symbol),
        _test,
        _on_scalars,
        f"1 or TRUE where {_doc}, else 0 or FALSE",
        test_over_cells,
        scalar=_comparison_code(_symbol),
        traits=(
            CELLWISE,
            STEPS,
            *(SYMMETRIC if _symbol in ("==", "!=") else ()),
            *((ZERO,) if _symbol in ("!=", "<", ">") else ()),
        ),
    )

_binary(
    "&",
    logical("&"),
    np.logical_and,
    s.logical_and,
    "both are true; evaluates both sides",
    test_over_cells,
    sparsity=both,
    scalar=_truth_code("&"),
    traits=(CELLWISE, ZERO, STEPS, *SYMMETRIC),
)
_binary(
    "|",
    logical("|"),
    np.logical_or,
    s.logical_or,
    "one of both is true; evaluates both sides",
    test_over_cells,
    scalar=_truth_code("|"),
    traits=(CELLWISE, ZERO, STEPS, *SYMMETRIC),
)
define(
    "xor(a: scalar|matrix, b: scalar|matrix)",
    logical("xor"),
    test_over_cells("xor()", np.logical_xor, s.logical_xor),
    "exactly one of both is true",
    family="elementwise",
    scalar=_truth_code("!="),
    traits=(CELLWISE, ZERO, STEPS, *SYMMETRIC),
    samples=PAIRS,
)


def _unary_minus(a: Type) -> Type:
    if a.is_scalar and a.value_type in (BOOLEAN, STRING):
        raise OperationError(f"unary minus cannot be applied to {a.describe()}")
    return cellwise_result("unary minus", (a,), a.value_type)


def on_cells(on_matrix: Kernel, on_scalar: Kernel) -> Kernel:
    return lambda a: on_matrix(a) if isinstance(a, np.ndarray) else on_scalar(a)


SINGLES = ('matrix("1 -2.5 0 4 NaN 0.5", 2, 3)', "2", "-0.5", "matrix(0, 0, 3)")

define(
    "negate(a: scalar|matrix)",
    _unary_minus,
    on_cells(np.negative, s.negate),
    "unary minus",
    family="elementwise",
    internal=True,
    scalar=lambda a: "-{0}" if _numeric(a) else None,
    traits=(CELLWISE, ZERO, OVERFLOWS),
    gradient={"a": "-dout"},
    samples=SINGLES,
)
define(
    "!(a: scalar|matrix)",
    logical("!"),
    on_cells(as_cells(np.logical_not), s.logical_not),
    "not: 1 or TRUE where zero",
    family="elementwise",
    scalar=_not_code,
    traits=(CELLWISE, STEPS),
    samples=SINGLES,
)


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)) without overflow: exp only sees negative arguments."""
    e = np.exp(-np.abs(x))
    return np.where(np.signbit(x), e, 1.0) / (1.0 + e)


def round_half_up(x: Any) -> Any:
    down = np.floor(x)
    return np.where(np.isfinite(x), down + (x - down >= 0.5), x)


def _function(
    name: str,
    on_matrix: Kernel,
    on_scalar: Kernel,
    doc: str,
    gradient: str | None = None,
    *,
    keeps_int: bool = False,
    code: str | None = None,
    param: str = "x",
    **rest: Any,
) -> Op:
    return define(
        f"{name}({param}: number|matrix)",
        cellwise(name, keeps_int=keeps_int),
        on_cells(on_matrix, on_scalar),
        doc,
        family="elementwise",
        scalar=lambda x: code if code and _numeric(x) else None,
        gradient={param: gradient} if gradient else {},
        samples=SINGLES,
        **rest,
    )


def _scalar_of(name: str, function: Kernel) -> Kernel:
    return s.unary(name, lambda value: float(function(value)))


_ZERO_CELL = (CELLWISE, ZERO)
_STEPS = (CELLWISE, ZERO, STEPS)
_function(
    "abs",
    np.abs,
    s.absolute,
    "absolute value; keeps ints",
    "dout * sign(x)",
    keeps_int=True,
    code="abs({0})",
    traits=(*_ZERO_CELL, OVERFLOWS),
)
_function("sign", np.sign, _scalar_of("sign", np.sign), "-1, 0 or 1", traits=_STEPS)
_function("sqrt", np.sqrt, s.square_root, "square root", "dout / (2 * out)", code="square_root({0})", traits=_ZERO_CELL)
_function(
    "exp", np.exp, s.exponential, "e to the power of x", "dout * out", code="exponential({0})", traits=(CELLWISE,)
)
_function("round", round_half_up, s.rounded, "nearest whole number, halves upwards", traits=_STEPS)
_function("floor", np.floor, _scalar_of("floor", np.floor), "next whole number below", traits=_STEPS)
_function(
    "ceil",
    np.ceil,
    _scalar_of("ceil", np.ceil),
    "next whole number above",
    aliases=("ceiling",),
    traits=_STEPS,
)
_function(
    "sigmoid",
    sigmoid,
    _scalar_of("sigmoid", sigmoid),
    "1 / (1 + exp(-x)), without overflow",
    "dout * out * (1 - out)",
    param="X",
    definition="1 / (1 + exp(-X))",
    traits=(CELLWISE,),
)
for _name, _numpy, _doc, _gradient, _traits in (
    ("sin", np.sin, "sine of radians", "dout * cos(x)", _ZERO_CELL),
    ("cos", np.cos, "cosine of radians", "-dout * sin(x)", (CELLWISE,)),
    ("tan", np.tan, "tangent of radians", "dout * (1 + out ^ 2)", _ZERO_CELL),
    ("asin", np.arcsin, "arc sine in radians", "dout / sqrt(1 - x ^ 2)", _ZERO_CELL),
    ("acos", np.arccos, "arc cosine in radians", "-dout / sqrt(1 - x ^ 2)", (CELLWISE,)),
    ("atan", np.arctan, "arc tangent in radians", "dout / (1 + x ^ 2)", _ZERO_CELL),
    ("sinh", np.sinh, "hyperbolic sine", "dout * cosh(x)", _ZERO_CELL),
    ("cosh", np.cosh, "hyperbolic cosine", "dout * sinh(x)", (CELLWISE,)),
    ("tanh", np.tanh, "hyperbolic tangent", "dout * (1 - out ^ 2)", _ZERO_CELL),
):
    _function(_name, _numpy, _scalar_of(_name, _numpy), _doc, _gradient, traits=_traits)

for _name, _alias, _is, _doc in (
    ("is.na", "isNA", np.isnan, "1 where NaN, else 0"),
    ("is.nan", "isNaN", np.isnan, "1 where NaN, else 0"),
    ("is.infinite", "isInf", np.isinf, "1 where Infinity or -Infinity, else 0"),
):
    _function(_name, as_cells(_is), _scalar_of(_name, _is), _doc, aliases=(_alias,), traits=_STEPS)


def log(x: Any, base: Any = None) -> Any:
    if base is None:
        return np.log(x) if isinstance(x, np.ndarray) else s.natural_log(x)
    return _log_base(x, base)


def _ln(x: Any) -> Any:
    """A NumPy scalar would make the matrix beside it double."""
    return np.log(x) if isinstance(x, np.ndarray) else float(np.log(x))


_log_base = over_cells("log()", lambda x, b: _ln(x) / _ln(b), s.logarithm)

define(
    "log(x: number|matrix, base: number|matrix = missing)",
    cellwise("log"),
    log,
    "logarithm, natural without a base",
    family="elementwise",
    gradient={
        "x": lambda x, base: "dout / x" if missing(base) else "dout / (x * log(base))",
        "base": lambda x, base: None if missing(base) else "-dout * out / (base * log(base))",
    },
    traits=(CELLWISE,),
    samples=(*SINGLES, "8, 2", 'matrix("1 2 4 8", 2, 2), 2', "8, 1", "8, 0"),
)


def extreme(name: str, on_matrices: Kernel, on_scalars: Kernel, over_all: Kernel) -> Kernel:
    """Over the cells of one matrix, or cell by cell over several arguments."""
    pair = over_cells(f"{name}()", on_matrices, lambda a, b: on_scalars(a, b))

    def kernel(*values: Any) -> Any:
        if len(values) == 1:
            return over_all(values[0]) if isinstance(values[0], np.ndarray) else on_scalars(values[0])
        if not any(isinstance(v, np.ndarray) for v in values):
            return on_scalars(*values)
        result = values[0]
        for value in values[1:]:
            result = pair(result, value)
        return result

    return kernel


def _extreme_type(name: str) -> Callable[..., Type]:
    def infer(*types: Type) -> Type:
        if len(types) == 1:
            if types[0].is_matrix:
                return scalar(DOUBLE)
            raise OperationError(f"{name}() of one argument needs a matrix, found {types[0].describe()}")
        return cellwise(name, keeps_int=True)(*types)

    return infer


def _pair_code(function: str) -> Callable[..., str | None]:
    return lambda *types: f"{function}({{0}}, {{1}})" if len(types) == 2 and _all_ints(types) else None


def _all_ints(types: tuple[Type, ...]) -> bool:
    return all(t.value_type is INT for t in types)


_EXTREMES = (
    'matrix("3 NaN 1 4", 2, 2), 2',
    'matrix("3 5 1 4", 2, 2), matrix("2 2 9 9", 2, 2)',
    'matrix("3 5 1 4", 2, 2), matrix("2 9", 2, 1), 3',
    'matrix("3 5 1 4", 2, 2)',
    "matrix(0, 0, 3)",
    "3, 2",
    "3, 2.5, 1",
)
define(
    "min(x: number|matrix...)",
    _extreme_type("min"),
    extreme("min", np.minimum, s.smallest, lambda x: float(np.min(x, initial=np.inf))),
    "smallest cell of one matrix, or of several arguments cell by cell; NaN if one of them is",
    family="elementwise",
    aliases=("pmin",),
    scalar=_pair_code("min"),
    gradient={
        "x": "(x == out) * (dout / sum(x == out))",
        "left": "ifelse(left <= right, dout, 0.0)",
        "right": "ifelse(left > right, dout, 0.0)",
    },
    samples=_EXTREMES,
)
define(
    "max(x: number|matrix...)",
    _extreme_type("max"),
    extreme("max", np.maximum, s.largest, lambda x: float(np.max(x, initial=-np.inf))),
    "largest cell of one matrix, or of several arguments cell by cell; NaN if one of them is",
    family="elementwise",
    aliases=("pmax",),
    scalar=_pair_code("max"),
    gradient={
        "x": "(x == out) * (dout / sum(x == out))",
        "left": "ifelse(left >= right, dout, 0.0)",
        "right": "ifelse(left < right, dout, 0.0)",
    },
    samples=_EXTREMES,
)


def ifelse(test: Any, yes: Any, no: Any) -> Any:
    if not any(isinstance(v, np.ndarray) for v in (test, yes, no)):
        return s.choose(test, yes, no)
    matrices = [v for v in (test, yes, no) if isinstance(v, np.ndarray)]
    if any(isinstance(v, str) for v in (test, yes, no)):
        raise OperationError("ifelse() cannot put text into a matrix")
    reduce(partial(broadcast, "ifelse()"), (matrix.shape for matrix in matrices))
    return np.where(np.not_equal(test, 0), yes, no).astype(matrices[0].dtype, copy=False)


def _ifelse_type(test: Type, yes: Type, no: Type) -> Type:
    if any(t.is_matrix for t in (test, yes, no)):
        for type in (test, yes, no):
            if type.value_type is STRING:
                raise OperationError("ifelse() cannot put text into a matrix")
        return cellwise_result("ifelse()", (test, yes, no), DOUBLE)
    if test.value_type is STRING:
        raise OperationError("the test of ifelse() must be a boolean or a number, found a string")
    if yes.value_type is no.value_type:
        return scalar(yes.value_type)
    return scalar(DOUBLE if DOUBLE in (yes.value_type, no.value_type) and _numeric(yes, no) else UNKNOWN)


define(
    "ifelse(test: scalar|matrix, yes: scalar|matrix, no: scalar|matrix)",
    _ifelse_type,
    ifelse,
    "yes where test is not zero, else no; evaluates both",
    family="elementwise",
    traits=(CELLWISE,),
    gradient={"yes": "ifelse(test, dout, 0)", "no": "ifelse(test, 0, dout)"},
    samples=(
        'matrix("1 0 0 2", 2, 2), matrix("1 2 3 4", 2, 2), 0',
        "TRUE, 1, 2",
        "FALSE, 1, 2.5",
        '1, "a", "b"',
        "0, 1.5, 2",
    ),
)


def bitwise(name: str, function: Kernel) -> Kernel:
    """On whole numbers of up to 53 bits; NaN counts as 0."""

    def whole(value: Any) -> Any:
        return np.trunc(np.nan_to_num(np.asarray(value, dtype=np.float64))).astype(np.int64)

    def apply(a: Any, b: Any) -> Any:
        return function(whole(a), whole(b)).astype(np.float64)

    return over_cells(f"{name}()", apply, lambda a, b: _as_given(apply(a, b), a, b))


def _as_given(result: Any, a: Any, b: Any) -> int | float:
    return int(result) if isinstance(a, int) and isinstance(b, int) else float(result)


def shift_left(a: Any, k: Any) -> Any:
    return np.where((k < 0) | (k > 62), np.nan, np.trunc(a) * np.exp2(np.clip(k, 0, 62)))


def shift_right(a: Any, k: Any) -> Any:
    return np.where((k < 0) | (k > 62), np.nan, np.floor(np.trunc(a) / np.exp2(np.clip(k, 0, 62))))


def _shift(name: str, function: Kernel) -> Kernel:
    def on_scalars(a: Any, k: Any) -> Any:
        result = float(function(np.float64(a), np.float64(k)))
        return int(result) if isinstance(a, int) and isinstance(k, int) and result == result else result

    return over_cells(f"{name}()", lambda a, k: function(np.asarray(a, float), np.asarray(k, float)), on_scalars)


for _name, _bits, _doc in (
    ("bitwAnd", np.bitwise_and, "bitwise and of whole numbers"),
    ("bitwOr", np.bitwise_or, "bitwise or of whole numbers"),
    ("bitwXor", np.bitwise_xor, "bitwise exclusive or of whole numbers"),
):
    define(
        f"{_name}(a: number|matrix, b: number|matrix)",
        cellwise(_name, keeps_int=True),
        bitwise(_name, _bits),
        _doc,
        family="elementwise",
        traits=(CELLWISE, STEPS, *SYMMETRIC),
        samples=('matrix("5 -1 -5.9 12", 2, 2), 255', "12, 10", "-5.9, 255.5"),
    )
for _name, _shifted, _doc in (
    ("bitwShiftL", shift_left, "a * 2^k on whole numbers"),
    ("bitwShiftR", shift_right, "a / 2^k rounded down, on whole numbers"),
):
    define(
        f"{_name}(a: number|matrix, k: number|matrix)",
        cellwise(_name),
        _shift(_name, _shifted),
        _doc,
        family="elementwise",
        traits=(CELLWISE, STEPS),
        samples=('matrix("5 -8 16 12", 2, 2), 1', "2.5, 3.0"),
    )
