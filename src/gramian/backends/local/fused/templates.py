"""What operators do with one cell, as source for compiled loops; names in it are those of `cells` and of `math`.

A template may stand for a cell-by-cell operator only if it gives what the operator's own kernel gives; the tests compare
the two on the samples of the record.
"""

from __future__ import annotations

from collections.abc import Mapping

from gramian.ir.node import ABSENT, Node, literal_value
from gramian.ir.types import ScalarValue

TEMPLATES: Mapping[str, str] = {
    "+": "{0} + {1}",
    "-": "{0} - {1}",
    "*": "{0} * {1}",
    "/": "{0} / {1}",
    "^": "{0} ** {1}",
    "==": "(1.0 if {0} == {1} else 0.0)",
    "!=": "(1.0 if {0} != {1} else 0.0)",
    "<": "(1.0 if {0} < {1} else 0.0)",
    "<=": "(1.0 if {0} <= {1} else 0.0)",
    ">": "(1.0 if {0} > {1} else 0.0)",
    ">=": "(1.0 if {0} >= {1} else 0.0)",
    "&": "(1.0 if ({0} != 0.0) & ({1} != 0.0) else 0.0)",
    "|": "(1.0 if ({0} != 0.0) | ({1} != 0.0) else 0.0)",
    "xor": "(1.0 if ({0} != 0.0) != ({1} != 0.0) else 0.0)",
    "!": "(1.0 if {0} == 0.0 else 0.0)",
    "negate": "-{0}",
    "abs": "abs({0})",
    "sign": "sign({0})",
    "sqrt": "math.sqrt({0})",
    "exp": "exp({0})",
    "log": "log({0})",
    "sigmoid": "sigmoid({0})",
    "tanh": "tanh({0})",
    "floor": "floor({0})",
    "ceil": "ceil({0})",
    "round": "round_half_up({0})",
    "sin": "math.sin({0})",
    "cos": "math.cos({0})",
    "tan": "math.tan({0})",
    "asin": "math.asin({0})",
    "acos": "math.acos({0})",
    "atan": "math.atan({0})",
    "sinh": "math.sinh({0})",
    "cosh": "math.cosh({0})",
    "min": "smaller({0}, {1})",
    "max": "larger({0}, {1})",
    "ifelse": "({1} if {0} != 0.0 else {2})",
    "replace": "({2} if ({0} == {1}) | (({0} != {0}) & ({1} != {1})) else {0})",
    "is.na": "(1.0 if {0} != {0} else 0.0)",
    "is.nan": "(1.0 if {0} != {0} else 0.0)",
    "is.infinite": "(1.0 if abs({0}) == INFINITY else 0.0)",
}

# Powers that are less work than the general one.
POWERS: Mapping[ScalarValue, str] = {
    -2: "1.0 / ({0} * {0})",
    -1: "1.0 / {0}",
    -0.5: "(0.0 if {0} == -INFINITY else 1.0 / abs(math.sqrt({0})))",
    0.5: "math.sqrt({0})",  # as NumPy has it, where the exponent is a number
    2: "{0} * {0}",
    3: "{0} * {0} * {0}",
    4: "({0} * {0}) * ({0} * {0})",
}

# Reductions of one row: the value before the first cell, what a cell does to it, and the result.
SUMS = ("rowSums", "rowMeans")
EXTREMES: Mapping[str, tuple[str, str]] = {"rowMins": ("INFINITY", "rmin"), "rowMaxs": ("-INFINITY", "rmax")}
PLACES: Mapping[str, tuple[str, str]] = {"rowIndexMax": ("-INFINITY", ">="), "rowIndexMin": ("INFINITY", "<=")}
ROWS = frozenset({*SUMS, *EXTREMES, *PLACES})

# Aggregates of all rows: the value before the first cell, what a cell does to it, and how two results become one.
SUMMED = ("sum", "colSums")
_SMALLEST = ("INFINITY", "rmin", "smaller")
_LARGEST = ("-INFINITY", "rmax", "larger")
TOTAL_EXTREMES: Mapping[str, tuple[str, str, str]] = {
    "min": _SMALLEST,
    "max": _LARGEST,
    "colMins": _SMALLEST,
    "colMaxs": _LARGEST,
}
COLUMN_EXTREMES: Mapping[str, tuple[str, str]] = {
    "colMins": ("INFINITY", "smaller"),
    "colMaxs": ("-INFINITY", "larger"),
}


def template(node: Node) -> str | None:
    """The source of a cell-by-cell node, if there is one."""
    name = node.op.name
    if name == "log" and node.args[1].op is not ABSENT:
        return "log({0}) / log({1})"
    if name == "^" and node.args[1].is_literal:
        return POWERS.get(literal_value(node.args[1]), TEMPLATES[name])
    if name in ("min", "max"):
        text = "{0}"
        for at in range(1, len(node.args)):
            text = TEMPLATES[name].format(text, f"{{{at}}}")
        return text
    return TEMPLATES.get(name)
