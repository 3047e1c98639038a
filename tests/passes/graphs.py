"""Random graphs of operators over the rows of a few matrices, with how far apart two ways to compute them may be.

Most operators give the very same cells however they run, as long as their operands are the same. Sums may be taken in any
order and functions such as exp may differ in the last digit: from there on each node has an error, which grows as
numerical analysis has it. Operators that jump (comparisons, rounding, positions) only read nodes without an error.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np

import gramian.ops  # noqa: F401  registers the operators
from gramian.ir.node import Node, absent, build, literal, var, walk
from gramian.ir.types import DOUBLE, matrix, scalar

T = TypeVar("T")
ROWS = 67
WIDTHS = (1, 3, 8, 9, 40)
EPSILON = 4e-16  # a few of them for each rounding
LARGEST, LARGEST_ERROR = 2.0**40, 1e-4
Shape = tuple[int, int]


class Dice(Protocol):
    """Where choices come from."""

    def pick(self, options: Sequence[T]) -> T: ...


class Thrown:
    """Choices by a generator of random numbers."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def pick(self, options: Sequence[T]) -> T:
        return self.random.choice(options)


@dataclass(frozen=True)
class Size:
    """No cell of a node is larger than `bound`; two ways to compute it differ by at most `error`."""

    bound: float
    error: float = 0.0


@dataclass
class Graph:
    """Roots over variables, and how far off each of them may be."""

    roots: list[Node]
    errors: list[float]

    @property
    def inputs(self) -> dict[str, Node]:
        return {n.name: n for n in walk(self.roots) if n.is_var}

    def values(self, seed: int, *, whole: bool, odd: float = 0.0) -> dict[str, Any]:
        """Values for the variables: whole numbers or not, with a share of cells that are NaN, infinite or -0."""
        noise = np.random.default_rng(seed)
        found: dict[str, Any] = {}
        for name, node in sorted(self.inputs.items()):
            shape = (node.type.rows or 1, node.type.cols or 1)
            cells = noise.integers(-3, 4, shape).astype(float) if whole else np.clip(noise.normal(size=shape), -3, 3)
            if node.type.is_scalar:
                found[name] = float(cells[0, 0])
                continue
            at = noise.random(shape) < odd
            cells[at] = noise.choice([np.nan, np.inf, -np.inf, -0.0], size=int(at.sum()))
            # Matrices come by rows, by columns and as parts of larger ones.
            found[name] = (cells, np.asfortranarray(cells), np.repeat(cells, 2, axis=1)[:, ::2])[noise.integers(3)]
        return found


JUMPS = ("sign", "!", "floor", "ceil", "round", "is.na", "is.nan", "is.infinite")
COMPARES = ("==", "!=", "<", "<=", ">", ">=", "&", "|", "xor")
GENTLE = ("tanh", "sigmoid", "sin", "cos", "atan")  # never steeper than 1
PLACES = ("rowIndexMax", "rowIndexMin")
Step = Callable[[], Node]


@dataclass
class Grower:
    """Makes one graph, node by node. With `smooth`, functions that are not exact take part."""

    dice: Dice
    smooth: bool
    sizes: dict[Node, Size] = field(default_factory=dict)
    pool: dict[Shape, list[Node]] = field(default_factory=dict)
    numbers: list[Node] = field(default_factory=list)

    def grow(self, steps: int) -> Graph:
        made = [self.step() for _ in range(steps)]
        used = {arg for node in walk(made) for arg in node.args}
        roots = [n for n in dict.fromkeys(made) if n not in used or self.dice.pick((True, False, False))]
        return Graph(roots, [self.sizes[root].error for root in roots])

    def step(self) -> Node:
        makers: list[Step] = [self.unary, self.binary, self.binary, self.three, self.of_rows, self.product]
        makers += [self.cross, self.of_columns, self.of_columns, self.total, self.outside, self.square]
        makers += [self.gentle, self.gentle, self.divided] * self.smooth
        return self.tame(self.dice.pick(makers)())

    def tame(self, node: Node) -> Node:
        """The node, or another one in its place where numbers or errors would become too large."""
        while self.sizes[node].error > LARGEST_ERROR or (node.type.is_scalar and self.sizes[node].bound > LARGEST):
            node = self.unary()
        if self.sizes[node].bound > LARGEST:
            node = self.note("min", self.note("max", node, self.number(-3)), self.number(3))
        self.keep(node)
        return node

    def keep(self, node: Node) -> None:
        if node.type.is_scalar:
            self.numbers.append(node)
        else:
            self.pool.setdefault((node.type.rows or 0, node.type.cols or 0), []).append(node)

    # -- operands ---------------------------------------------------------------------------------------------------

    def operand(self, rows: int, cols: int) -> Node:
        """An input, a transposed input, or something made before; rather the latter."""
        made = self.pool.get((rows, cols), [])
        kinds = ("made", "made", "made", "input", "transposed") if made else ("input", "input", "transposed")
        match self.dice.pick(kinds):
            case "made":
                return self.dice.pick(made)
            case "input":
                return self.input(rows, cols)
        node = build("t", [self.input(cols, rows)])
        self.sizes[node] = Size(3.0)
        return node

    def input(self, rows: int, cols: int) -> Node:
        node = var(f"{self.dice.pick('XYZ')}{rows}x{cols}", matrix(rows, cols))
        self.sizes[node] = Size(3.0)
        return node

    def number(self, value: float) -> Node:
        node = literal(value)
        self.sizes[node] = Size(abs(value))
        return node

    def missing(self) -> Node:
        self.sizes[absent()] = Size(0.0)
        return absent()

    def panel(self, *widths: int) -> Node:
        return self.operand(ROWS, self.dice.pick(widths or WIDTHS))

    def partner(self, node: Node) -> Node:
        """Something that may stand on the right of a matrix: as large, a column, a row or a number."""
        match self.dice.pick(("same", "same", "column", "row", "one", "scalar", "literal")):
            case "same":
                return self.operand(node.type.rows or 0, node.type.cols or 0)
            case "column":
                return self.operand(node.type.rows or 0, 1)
            case "row":
                return self.operand(1, node.type.cols or 0)
            case "one":
                return self.operand(1, 1)
            case "scalar" if self.numbers:
                return self.dice.pick(self.numbers)
            case "scalar":
                scalar_input = var("s", scalar(DOUBLE))
                self.sizes[scalar_input] = Size(3.0)
                return scalar_input
        return self.number(self.dice.pick((2, -1, 0, 3, 0.5) if self.smooth else (2, -1, 0, 3)))

    # -- operators --------------------------------------------------------------------------------------------------

    def note(self, op: str, *args: Node) -> Node:
        node = build(op, args)
        self.sizes[node] = size_of(node, [self.sizes[arg] for arg in args], EPSILON * self.smooth)
        return node

    def exact(self, node: Node) -> bool:
        return self.sizes[node].error == 0.0

    def unary(self) -> Node:
        x = self.panel()
        return self.note(self.dice.pick(("abs", "negate", *(JUMPS if self.exact(x) else ()))), x)

    def binary(self) -> Node:
        x = self.panel()
        y = self.partner(x)
        if (y.type.is_scalar or y.type.rows == 1 != y.type.cols) and self.dice.pick((True, False, False)):
            x, y = y, x
        jumps = COMPARES if self.exact(x) and self.exact(y) else ()
        return self.note(self.dice.pick(("+", "-", "*", "+", "-", "*", "min", "max", *jumps)), x, y)

    def three(self) -> Node:
        x = self.panel()
        y, z = self.partner(x), self.partner(x)
        if not self.exact(x) or self.dice.pick((True, False)):
            return self.note(self.dice.pick(("min", "max")), x, y, z)
        return self.note("ifelse", x, y, z)

    def of_rows(self) -> Node:
        x = self.panel()
        names = ("rowSums", "rowSums", "rowMins", "rowMaxs", *(PLACES if self.exact(x) else ()))
        return self.note(self.dice.pick((*names, *(("rowMeans", "rowVars") * self.smooth))), x)

    def product(self) -> Node:
        x = self.panel()
        return self.note("%*%", x, self.operand(x.type.cols or 0, self.dice.pick(WIDTHS)))

    def square(self) -> Node:
        """A square matrix may be both what is read by rows and what is needed as a whole."""
        x = self.operand(ROWS, ROWS)
        match self.dice.pick(("alone", "self", "any")):
            case "alone":
                return self.note("*", x, self.partner(x))
            case "self":
                return self.note("%*%", x, x)
        return self.note("%*%", x, self.operand(ROWS, self.dice.pick((1, 8, 40))))

    def cross(self) -> Node:
        a = self.panel()
        b = self.dice.pick((a, self.panel()))
        transposed = build("t", [a])
        self.sizes[transposed] = self.sizes[a]
        return self.note("%*%", transposed, b)

    def of_columns(self) -> Node:
        return self.note(self.dice.pick(("colSums", "colSums", "colMins", "colMaxs")), self.panel())

    def total(self) -> Node:
        return self.note(self.dice.pick(("sum", "sum", "min", "max")), self.panel())

    def outside(self) -> Node:
        """What no pipeline can hold, or no compiled loop."""
        x = self.panel()
        if not self.exact(x) or self.dice.pick((True, False)):
            return self.note(self.dice.pick(("cumsum", "rev")), x)
        y = self.operand(1, x.type.cols or 0)
        return self.note("%%", x, self.dice.pick([self.number(2), self.number(3), *([y] if self.exact(y) else [])]))

    def gentle(self) -> Node:
        x = self.panel()
        match self.dice.pick(("function", "exp", "log", "sqrt", "square")):
            case "function":
                return self.note(self.dice.pick(GENTLE), x)
            case "exp":
                return self.note("exp", self.note("negate", self.note("abs", x)))
            case "square":
                return self.note("^", x, self.number(2))
            case name:
                positive = self.note("+", self.note("abs", x), self.number(1))
                return self.note(name, positive, *([self.missing()] if name == "log" else []))

    def divided(self) -> Node:
        x = self.panel()
        y = self.operand(*self.dice.pick(((ROWS, x.type.cols or 0), (ROWS, 1), (1, x.type.cols or 0))))
        return self.note("/", x, self.note("+", self.note("abs", y), self.number(1)))


def size_of(node: Node, args: Sequence[Size], epsilon: float) -> Size:
    """How large a node may be, and its error; divisors are at least 1, and so are arguments of log and sqrt.

    Sums of whole numbers are exact, in any order; there epsilon is 0.
    """
    name, x = node.op.name, args[0]
    y = args[1] if len(args) > 1 else Size(0.0)
    count = _terms(node)
    rounded = 0.0 if all(a.error == 0 for a in args) else epsilon
    match name:
        case "+" | "-":
            bound = x.bound + y.bound
            return Size(bound, x.error + y.error + rounded * bound)
        case "*":
            bound = x.bound * y.bound
            return Size(bound, x.error * y.bound + y.error * x.bound + rounded * bound)
        case "/":
            return Size(x.bound, x.error + y.error * x.bound + rounded * x.bound)
        case "^":
            return Size(x.bound**2, 2 * x.bound * x.error + epsilon * x.bound**2)
        case "%*%":
            bound = count * x.bound * y.bound
            return Size(bound, count * (x.error * y.bound + y.error * x.bound) + epsilon * bound * count)
        case "sum" | "colSums" | "rowSums" | "cumsum":
            bound = count * x.bound
            return Size(bound, count * x.error + epsilon * bound * count)
        case "rowMeans":
            return Size(x.bound, x.error + epsilon * count * x.bound)
        case "rowVars":
            return Size(4 * x.bound**2, 4 * x.bound * x.error + epsilon * count * 4 * x.bound**2)
        case "%%":
            return Size(y.bound)
        case "rowIndexMax" | "rowIndexMin":
            return Size(float(count))
        case "ifelse":
            return Size(max(a.bound for a in args[1:]), max(a.error for a in args[1:]))
        case "min" | "max" | "abs" | "negate" | "rowMins" | "rowMaxs" | "colMins" | "colMaxs" | "rev":
            return Size(max(a.bound for a in args), max(a.error for a in args))
        case "exp" | "log" | "sqrt" | "tanh" | "sigmoid" | "sin" | "cos" | "atan":
            return Size(max(2.0, math.log1p(x.bound), math.sqrt(x.bound + 1)), x.error + 4 * epsilon)
    return Size(max(1.0, x.bound))


def _terms(node: Node) -> int:
    """How many numbers a cell of the node adds up, or chooses from."""
    x = node.args[0].type
    rows, cols = x.rows or 1, x.cols or 1
    if node.op.name == "sum":
        return rows * cols
    return rows if node.op.name in ("colSums", "cumsum") else cols
