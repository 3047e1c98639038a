"""What rules are tried on: matrices of many sizes with nasty numbers, and what the compiler knows of them.

What an expression means comes from the kernels of its operators, by a walk over the nodes; neither the compiler nor the
runtime takes part.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from gramian.errors import OperationError
from gramian.ir.node import ABSENT, Node, absent, build, convert_argument, literal, literal_value, transform, var
from gramian.ir.op import REGISTRY, Op, Trait
from gramian.ir.types import NUMBER, matrix, scalar, value_type_of
from gramian.lang import tree
from gramian.lang.dml import parse_expression
from gramian.passes.simplify import use_counts
from gramian.rewrite.driver import Driver
from gramian.rewrite.guard import single_uses
from gramian.rewrite.match import apply, make
from gramian.rewrite.pattern import AnyMatrix, AnyOperator, AnyScalar, Apply, Pattern, applied, names
from gramian.rewrite.rule import Rule
from gramian.source import Source

Values = Mapping[str, Any]
Kernels = Callable[[Op], Callable[..., Any]]

# -- what nodes mean ---------------------------------------------------------------------------------------------------


def evaluate(node: Node, values: Values, kernels: Kernels = lambda op: op.kernel) -> Any:
    if node.is_var:
        return values[node.name]
    if node.is_literal:
        return literal_value(node)
    if node.op is ABSENT:
        return None
    given = [evaluate(arg, values, kernels) for arg in node.args]
    args = [convert_argument(node.op.param(at), value) for at, value in enumerate(given)]
    return kernels(node.op)(*args)


TOO_LARGE = object()


def outcome(node: Node, values: Values, kernels: Kernels = lambda op: op.kernel) -> Any:
    """The value of a node, None if it fails, or TOO_LARGE for a matrix beyond all memory."""
    with np.errstate(all="ignore"):
        try:
            value = evaluate(node, values, kernels)
        except OperationError:
            return None
        except (ValueError, MemoryError):
            return TOO_LARGE
    return TOO_LARGE if max(getattr(value, "shape", ()), default=0) > 1e6 else value


def same(a: Any, b: Any, tags: frozenset[str] = frozenset(), scale: float = 1.0) -> bool:
    """Are the outcomes equal, but for what the tags allow? `scale` is the size of the summands."""
    if a is TOO_LARGE or b is TOO_LARGE:
        return True
    if a is None or b is None or type(a) is not type(b):
        return a is b
    if np.shape(a) != np.shape(b):
        return False
    x, y = np.asarray(a, float), np.asarray(b, float)
    if "ties" in tags:  # the gradient of each image
        with np.errstate(invalid="ignore"):
            x, y = np.sum(x, axis=1), np.sum(y, axis=1)
        tags |= {"rounding"}
    equal = (x == y) | (np.isnan(x) & np.isnan(y))
    if not tags:
        equal &= (x != 0) | (np.signbit(x) == np.signbit(y))
    if tags & {"rounding", "cancels"}:
        equal |= np.isclose(x, y, rtol=1e-12, atol=1e-14 * (scale**2 if "cancels" in tags else scale))
    if "infinity" in tags:
        equal |= ~np.isfinite(x) & ~np.isfinite(y)
    if "nan" in tags:
        equal |= np.isnan(x)
    return bool(equal.all())


# -- values ------------------------------------------------------------------------------------------------------------

FINITE = np.array([0, 0, 0, 1, -1, 2, 0.1, -2.7, 1 / 3, 5, -0.0, 100.7])
NASTY = np.concatenate([FINITE, [math.nan, math.inf, -math.inf]])
SCALARS = (0, 1, 2, 3, -1, 0.0, 1.0, 2.0, -0.0, -1.0, 2.5, -0.3, math.nan, math.inf, -math.inf)
SIZES = (0, 1, 2, 3)
SHAPES = tuple(itertools.product(SIZES, SIZES))
POOL = (0, 1, 1, 2, 2, 3, 3, 4, 7, 12)  # sizes of trials that fit the guard
POOLS = ("n", "c", "h", "w", "i", "j", "s", "t", "p", "q")  # in lists of images, pools, strides and padding
DENSITIES = (None, 0.001, 0.001, 1.0)
LEAST_TRIALS = 40
MOST_TRIALS = 260
FITTING_TRIALS = 1000
ENOUGH_USES, ENOUGH_RESULTS = 100, 12


@dataclass(frozen=True)
class Knowledge:
    """What the compiler is to know of the values."""

    rows: bool
    cols: bool
    scalars: str  # "value", "type" or "number"
    sparse: bool = False  # does it take some matrices for sparse, rightly or not?

    def leaf(self, name: str, value: Any, mask: bool = False, density: float | None = None) -> Node:
        if value is None:
            return absent()
        if isinstance(value, np.ndarray):
            rows, cols = value.shape[0] if self.rows else None, value.shape[1] if self.cols else None
            plain = var(name, matrix(rows, cols, density if self.sparse else None))
            return build("!=", [plain, literal(0)]) if mask else plain
        if self.scalars == "value":
            return literal(value)
        return var(name, scalar(value_type_of(value) if self.scalars == "type" else NUMBER))


FULL, NONE = Knowledge(True, True, "value"), Knowledge(False, False, "number")
KNOWLEDGE = (
    FULL,
    NONE,
    Knowledge(True, True, "type", sparse=True),
    Knowledge(True, True, "value", sparse=True),
    Knowledge(True, False, "type"),
    Knowledge(False, True, "value"),
)


def trials(rule: Rule, noise: np.random.Generator) -> Iterator[Values]:
    """Values for the names of a rule: all combinations of sizes if these are few, else some; and some that fit."""
    known = names(rule.before)
    kinds = [_choices(p) for p in known.values()]
    count = math.prod(len(kind) for kind in kinds)
    combinations: list[Any] = [None] * FITTING_TRIALS
    if count <= MOST_TRIALS:
        combinations += [c for c in itertools.product(*kinds) for _ in range(max(1, LEAST_TRIALS // count))]
    else:
        combinations += [[kind[noise.integers(len(kind))] for kind in kinds] for _ in range(MOST_TRIALS)]
    guard = parse_expression(Source("guard", rule.condition)) if rule.condition else None
    for turn, at in enumerate(noise.permutation(len(combinations))):
        cells = FINITE if turn % 2 else NASTY
        chosen = combinations[at] or _fitting(guard, known, noise)
        yield {n: _value(c, cells, noise) for n, c in zip(known, chosen, strict=True)}


def _choices(p: AnyMatrix | AnyScalar) -> tuple[Any, ...]:
    if isinstance(p, AnyMatrix):
        return SHAPES
    return (*SCALARS, *[None] * 5) if p.optional else SCALARS


def _value(choice: Any, cells: np.ndarray, noise: np.random.Generator) -> Any:
    return noise.choice(cells, size=choice) if isinstance(choice, tuple) else choice


def _fitting(guard: tree.Expr | None, known: Mapping[str, Any], noise: np.random.Generator) -> list[Any]:
    """Sizes and scalars that are equal where the guard asks for it, or chain by chance."""
    if known.keys() >= set(POOLS):
        pools = _pools(noise)
        return [pools[name] if name in pools else int(noise.integers(1, 5)) for name in known]
    classes = _Classes(noise)
    if guard is not None:
        _unite(guard, classes, noise)
    found: list[Any] = []
    for name, p in known.items():
        if isinstance(p, AnyMatrix):
            found.append((classes.size(f"nrow({name})"), classes.size(f"ncol({name})")))
        elif classes.knows(name):
            found.append(classes.size(name))
        else:
            choices = _choices(p) if noise.random() < 0.5 else range(1, 5)
            found.append(choices[noise.integers(len(choices))])
    return found


def _pools(noise: np.random.Generator) -> dict[str, Any]:
    """What names stand for in rules about pools: the numbers of their lists, images, gradients and a bias."""
    n, c, i, j = noise.integers(1, 4, 4).tolist()
    s, t = noise.integers(1, 4, 2).tolist()
    (h, p), (w, q) = ((int(noise.integers(k, k + 4)), int(noise.integers(0, k))) for k in (i, j))
    down, across = (h + 2 * p - i) // s + 1, (w + 2 * q - j) // t + 1
    sizes = dict(zip(POOLS, (n, c, h, w, i, j, s, t, p, q), strict=True))
    return sizes | {"X": (n, c * h * w), "D": (n, c * down * across), "B": (c, 1)}


class _Classes:
    """Sizes that are to be equal, by name."""

    def __init__(self, noise: np.random.Generator) -> None:
        self._noise = noise
        self._leader: dict[str, str] = {}
        self._size: dict[str, int] = {}
        self._common = [POOL[noise.integers(len(POOL))] for _ in range(2)]

    def knows(self, name: str) -> bool:
        return name in self._leader

    def unite(self, a: str, b: str) -> None:
        x, y = self._find(a), self._find(b)
        if x.isdigit():
            x, y = y, x
        self._leader[x] = y

    def size(self, name: str) -> int:
        leader = self._find(name)
        if leader.isdigit():
            return int(leader)
        pool = POOL if self._noise.random() < 0.3 else self._common
        return self._size.setdefault(leader, pool[self._noise.integers(len(pool))])

    def _find(self, name: str) -> str:
        leader = self._leader.setdefault(name, name)
        return name if leader == name else self._find(leader)


def _unite(guard: tree.Expr, classes: _Classes, noise: np.random.Generator) -> None:
    match guard:
        case tree.Binary(op="&", left=left, right=right):
            _unite(left, classes, noise)
            _unite(right, classes, noise)
        case tree.Binary(op="|", left=left, right=right):
            _unite(left if noise.random() < 0.5 else right, classes, noise)
        case tree.Binary(op="==", left=left, right=right):
            sides = [side.span.text for side in (left, right)]
            if not any(set(side) & set("+-*") for side in sides):
                classes.unite(*sides)


# -- sides of rules ----------------------------------------------------------------------------------------------------


def variants(p: Pattern) -> Iterator[Pattern]:
    """The pattern with the operands of commutative operators in every order, and with all operators that f stands for."""
    if not isinstance(p, Apply):
        yield p
        return
    operators = [p.op]
    if isinstance(p.op, AnyOperator):
        operators = [op for op in REGISTRY.records() if p.op.stands_for(op)]
    for args in itertools.product(*(list(variants(arg)) for arg in p.args)):
        for op in operators:
            yield Apply(op, args)
            if not isinstance(p.op, AnyOperator) and op.has(Trait.COMMUTATIVE) and len(args) == 2:
                yield Apply(op, args[::-1])


def built(p: Pattern, bound: Mapping[str, Node]) -> Node | None:
    """The node that a pattern stands for, or None if the types do not fit."""
    try:
        return make(p, bound)
    except OperationError:
        return None


@dataclass(frozen=True)
class Use:
    """One application of a rule, with the outcomes of both sides."""

    values: Values
    knowledge: Knowledge
    before: Node
    after: Node
    expected: Any
    found: Any


@cache
def uses(rule: Rule) -> tuple[Use, ...]:
    """Applications of a rule: enough of them, some of which do not fail."""
    noise = np.random.default_rng(len(rule.text))
    found: list[Use] = []
    results = 0
    sides = list(variants(rule.before))
    for values in trials(rule, noise):
        chosen = sides if len(sides) <= 2 else [sides[at] for at in noise.integers(len(sides), size=2)]
        knowledge = (FULL, NONE, KNOWLEDGE[noise.integers(2, len(KNOWLEDGE))])
        for known, before in itertools.product(knowledge, chosen):
            node = built(before, leaves(rule, values, known, noise))
            after = apply(rule, node, single_uses) if node is not None else None
            if node is not None and after is not None:
                found.append(Use(values, known, node, after, outcome(node, values), outcome(after, values)))
                results += found[-1].expected is not None and found[-1].expected is not TOO_LARGE
        if len(found) >= ENOUGH_USES and results >= ENOUGH_RESULTS:
            break
    return tuple(found)


def leaves(rule: Rule, values: Values, known: Knowledge, noise: np.random.Generator) -> dict[str, Node]:
    """What stands for the names of a rule."""
    densities = noise.integers(len(DENSITIES), size=len(values))
    return {
        name: known.leaf(name, value, f"isMask({name})" in rule.condition, DENSITIES[density])
        for (name, value), density in zip(values.items(), densities, strict=True)
    }


def magnitude(values: Values) -> float:
    """How large a sum of products of two cells may be."""
    cells = np.concatenate([np.ones(1), *(np.ravel(v) for v in values.values() if isinstance(v, np.ndarray))])
    return float(np.max(np.abs(cells[np.isfinite(cells)])) ** 2 * cells.size)


def simplest(node: Node, driver: Driver) -> Node:
    """The node as the pass `simplify` leaves it."""
    node = transform(node, driver.simplify, {})
    for _ in range(3):
        node = transform(node, driver.with_uses(use_counts([node]).get), {})
    return node


def operators_of(rule: Rule) -> list[Op | AnyOperator]:
    return [a.op for a in applied(rule.before)]
