"""Every rule, tried on matrices of many sizes and on nasty numbers: both sides must mean the same.

What the sides mean comes from the kernels of their operators, by a walk over the nodes; neither the compiler nor the
runtime takes part. Each rule is tried with full, partial and no knowledge of sizes and values.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from gramian.errors import OperationError, ScriptError
from gramian.ir.node import ABSENT, Node, build, convert_argument, literal, literal_value, transform, var
from gramian.ir.op import REGISTRY, Trait
from gramian.ir.types import DOUBLE, INT, NUMBER, UNKNOWN, matrix, scalar, value_type_of
from gramian.lang import tree
from gramian.lang.dml import parse_expression
from gramian.rewrite.driver import MOST, Driver
from gramian.rewrite.match import apply, holds, make
from gramian.rewrite.rule import AnyMatrix, Apply, Constant, Pattern, Rule, names, read_rules
from gramian.rewrite.rules import all_rules
from gramian.source import Source

RULES = all_rules()
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.text)

Values = Mapping[str, Any]

# ---- what nodes mean ----


def evaluate(node: Node, values: Values) -> Any:
    if node.is_var:
        return values[node.name]
    if node.is_literal:
        return literal_value(node)
    if node.op is ABSENT:
        return None
    args = [convert_argument(node.op.param(at), evaluate(arg, values)) for at, arg in enumerate(node.args)]
    return node.op.kernel(*args)


TOO_LARGE = object()


def outcome(node: Node, values: Values) -> Any:
    """The value of a node, None if it fails, or TOO_LARGE for a matrix beyond all memory."""
    with np.errstate(all="ignore"):
        try:
            value = evaluate(node, values)
        except OperationError:
            return None
        except (ValueError, MemoryError):
            return TOO_LARGE
    return TOO_LARGE if max(getattr(value, "shape", ()), default=0) > 1e6 else value


def same(a: Any, b: Any, tolerance: float) -> bool:
    if a is TOO_LARGE or b is TOO_LARGE:
        return True
    if a is None or b is None or type(a) is not type(b):
        return a is b
    if np.shape(a) != np.shape(b):
        return False
    return bool(np.allclose(np.asarray(a, float), np.asarray(b, float), rtol=tolerance, atol=tolerance, equal_nan=True))


# ---- what rules are tried on ----

FINITE = np.array([0, 0, 0, 1, -1, 2, 0.1, -2.7, 1 / 3, 5, -0.0, 100.7])
NASTY = np.concatenate([FINITE, [math.nan, math.inf, -math.inf]])
SCALARS = (0, 1, 2, 3, -1, 0.0, 1.0, 2.0, -0.0, -1.0, 2.5, -0.3, math.nan, math.inf, -math.inf)
SIZES = (0, 1, 2, 3)
SHAPES = tuple(itertools.product(SIZES, SIZES))
MOST_TRIALS = 260


@dataclass(frozen=True)
class Knowledge:
    """What the compiler is to know of the values."""

    rows: bool
    cols: bool
    scalars: str  # "value", "type" or "number"

    def leaf(self, name: str, value: Any) -> Node:
        if isinstance(value, np.ndarray):
            return var(name, matrix(value.shape[0] if self.rows else None, value.shape[1] if self.cols else None))
        if self.scalars == "value":
            return literal(value)
        return var(name, scalar(value_type_of(value) if self.scalars == "type" else NUMBER))


FULL, NONE = Knowledge(True, True, "value"), Knowledge(False, False, "number")
KNOWLEDGE = (FULL, NONE, Knowledge(True, True, "type"), Knowledge(True, False, "type"), Knowledge(False, True, "value"))


def trials(rule: Rule) -> Iterator[Values]:
    """Values for the names of a rule: all combinations of sizes if these are few, else some of them."""
    noise = np.random.default_rng(len(rule.text))
    known = names(rule.before)
    kinds = [SHAPES if isinstance(p, AnyMatrix) else SCALARS for p in known.values()]
    count = math.prod(len(kind) for kind in kinds)
    if count <= MOST_TRIALS:
        combinations: Any = [c for c in itertools.product(*kinds) for _ in range(max(1, 40 // count))]
    else:
        combinations = [[kind[noise.integers(len(kind))] for kind in kinds] for _ in range(MOST_TRIALS)]
        combinations += [_fitting(rule, kinds, noise) for _ in range(MOST_TRIALS)]
    for at, combination in enumerate(combinations):
        cells = FINITE if at % 2 or "nan" in rule.tags else NASTY
        yield {n: _value(c, cells, noise) for n, c in zip(known, combination, strict=True)}


def _fitting(rule: Rule, kinds: list[Any], noise: np.random.Generator) -> list[Any]:
    """Sizes that are equal or chain, so that sums and products come about."""
    inner = [int(n) for n in noise.integers(0, 4, size=2)]
    return [
        (inner[noise.integers(2)], inner[noise.integers(2)]) if kind is SHAPES else kind[noise.integers(len(kind))]
        for kind in kinds
    ]


def _value(choice: Any, cells: np.ndarray, noise: np.random.Generator) -> Any:
    return noise.choice(cells, size=choice) if isinstance(choice, tuple) else choice


def variants(p: Pattern) -> Iterator[Pattern]:
    """The pattern with the operands of commutative operators in every order."""
    if not isinstance(p, Apply):
        yield p
        return
    for args in itertools.product(*(list(variants(arg)) for arg in p.args)):
        yield Apply(p.op, args)
        if p.op.has(Trait.COMMUTATIVE) and len(args) == 2:
            yield Apply(p.op, args[::-1])


def built(p: Pattern, values: Values, knowledge: Knowledge) -> Node | None:
    """The node that a pattern stands for, or None if the types do not fit."""
    try:
        return make(p, {name: knowledge.leaf(name, value) for name, value in values.items()})
    except OperationError:
        return None


@dataclass(frozen=True)
class Use:
    """One application of a rule."""

    values: Values
    knowledge: Knowledge
    before: Node
    after: Node


@cache
def uses(rule: Rule) -> tuple[Use, ...]:
    found = []
    sides = list(variants(rule.before))
    for values in trials(rule):
        for knowledge, before in itertools.product(KNOWLEDGE, sides):
            node = built(before, values, knowledge)
            after = apply(rule, node) if node is not None else None
            if node is not None and after is not None:
                found.append(Use(values, knowledge, node, after))
    return tuple(found)


# ---- rules ----


@each_rule
def test_both_sides_mean_the_same(rule):
    tolerance = 1e-12 if "rounding" in rule.tags else 0.0
    succeeded = 0
    for use in uses(rule):
        before, after = outcome(use.before, use.values), outcome(use.after, use.values)
        assert same(before, after, tolerance), (use.values, use.knowledge, before, after)
        succeeded += before is not None and before is not TOO_LARGE
    assert succeeded >= 4


@each_rule
def test_types_stay(rule):
    for use in uses(rule):
        before, after = use.before.type, use.after.type
        assert (before.kind, before.value_type) == (after.kind, after.value_type)
        for known, new in ((before.rows, after.rows), (before.cols, after.cols)):
            assert known is None or known == new


@each_rule
def test_guards_on_sizes_need_knowledge(rule):
    unknown = [use for use in uses(rule) if use.knowledge == NONE]
    if rule.guard is None:
        assert unknown or "if" in rule.text or _needs_value_type(rule)
    else:
        assert not unknown


def _needs_value_type(rule: Rule) -> bool:
    """Does the rule only apply to doubles, since ints would change the type?"""
    return {use.before.type.value_type for use in uses(rule)} == {DOUBLE}


@each_rule
def test_no_rule_hides_behind_others(rule):
    """The driver, given all rules, uses this one on some left side."""
    for use in uses(rule):
        driver = Driver(RULES)
        transform(use.before, driver.simplify, {})
        if driver.fired[rule.text]:
            return
    raise AssertionError("another rule always comes first")


@each_rule
def test_all_rules_together_keep_the_meaning(rule):
    for use in uses(rule)[::7]:
        after = transform(use.before, Driver(RULES).simplify, {})
        expected, found = outcome(use.before, use.values), outcome(after, use.values)
        assert same(expected, found, 1e-12), (use.before, after, use.values)


def test_rules_are_not_written_twice():
    texts = [rule.text for rule in RULES]
    assert len(set(texts)) == len(texts)
    assert len(texts) >= 60


# ---- random expressions ----

UNARY = [r.before.op for r in RULES if len(r.before.op.params) == 1 and r.before.op.params[0].accepts >= {"matrix"}]
BINARY = [REGISTRY[name] for name in ("+", "-", "*", "/", "==", "%*%")]


def grow(noise: np.random.Generator, leaves: list[Node], depth: int) -> Node:
    """A random expression; arguments that do not fit are tried again."""
    if depth == 0:
        return leaves[noise.integers(len(leaves))]
    while True:
        op = (BINARY if noise.random() < 0.3 else UNARY)[noise.integers(len(BINARY))]
        args = [grow(noise, leaves, depth - 1) for _ in op.params[:2]]
        try:
            return build(op, args)
        except OperationError:
            continue


@pytest.mark.parametrize("seed", range(40))
def test_random_expressions_keep_their_meaning(seed):
    noise = np.random.default_rng(seed)
    values = {"X": noise.choice(FINITE, (3, 3)), "Y": noise.choice(FINITE, (3, 1)), "Z": noise.choice(FINITE, (1, 3))}
    for knowledge in (FULL, NONE):
        leaves = [*(knowledge.leaf(n, v) for n, v in values.items()), literal(1), literal(0), literal(-1)]
        for _ in range(5):
            before = grow(noise, leaves, int(noise.integers(2, 5)))
            after = transform(before, Driver(RULES).simplify, {})
            assert after.type.kind is before.type.kind
            expected, found = outcome(before, values), outcome(after, values)
            assert same(expected, found, 1e-9), (before, after)


# ---- matching ----


def rules_of(text: str) -> list[Rule]:
    return read_rules(Source("test.rules", text))


def rule_of(text: str) -> Rule:
    (rule,) = rules_of(text)
    return rule


X, Y, U = var("X", matrix(2, 3)), var("Y", matrix(2, 3)), var("U", matrix())
ONE_CELL = var("C", matrix(1, 1))


def test_a_name_that_comes_twice_stands_for_one_value():
    rule = rule_of("X - X -> X * 0")
    assert apply(rule, build("-", [X, X])) is build("*", [X, literal(0)])
    assert apply(rule, build("-", [X, Y])) is None


def test_numbers_match_numbers_only():
    rule = rule_of("X * 1 -> X")
    for one in (1, 1.0):
        assert apply(rule, build("*", [X, literal(one)])) is X
        assert apply(rule, build("*", [literal(one), X])) is X
    assert apply(rule, build("*", [X, literal(2)])) is None
    assert apply(rule, build("*", [X, var("s", scalar(INT))])) is None
    with pytest.raises(OperationError):
        build("*", [X, literal(True)])


def test_operands_that_may_be_single_cells_keep_their_sides():
    rule = rule_of("X + -Y -> X - Y")
    assert apply(rule, build("+", [build("negate", [X]), Y])) is build("-", [Y, X])
    assert apply(rule, build("+", [X, build("negate", [ONE_CELL])])) is build("-", [X, ONE_CELL])
    assert apply(rule, build("+", [build("negate", [X]), ONE_CELL])) is None
    assert apply(rule, build("+", [build("negate", [U]), X])) is None
    assert apply(rule, build("+", [build("negate", [ONE_CELL]), ONE_CELL])) is not None


def test_absent_arguments_match():
    assert apply(rule_of("X[, ] -> X"), make(rule_of("X[, ] -> X").before, {"X": X})) is X
    whole = make(rule_of("X[1, ] -> X").before, {"X": X})
    assert apply(rule_of("X[, ] -> X"), whole) is None


def test_a_rule_never_changes_types():
    assert apply(rule_of("s * 1 -> s"), build("*", [var("s", scalar(INT)), literal(1.0)])) is None
    assert apply(rule_of("rowSums(X) -> X"), build("rowSums", [X])) is None
    assert apply(rule_of("sum(X) -> X"), build("sum", [X])) is None
    assert apply(rule_of("abs(s) -> s"), build("abs", [var("s", scalar(UNKNOWN))])) is None


# ---- guards ----

BOUND = {
    "X": X,
    "R": var("R", matrix(2, None)),
    "U": U,
    "i": var("i", scalar(INT)),
    "d": var("d", scalar(DOUBLE)),
    "n": var("n", scalar(NUMBER)),
    "k": literal(4),
    "nan": literal(math.nan),
}
GUARDS = {
    "nrow(X) == 2": True,
    "ncol(X) != 3": False,
    "nrow(X) < ncol(X)": True,
    "nrow(R) >= 2": True,
    "ncol(R) == 3": None,
    "ncol(R) == ncol(R)": None,
    "nrow(U) > 0": None,
    "k == 4 & nrow(X) == 2": True,
    "k > 4": False,
    "k <= 4.5": True,
    "nan == nan": False,
    "i == 1": None,
    "isInt(i)": True,
    "isInt(d)": False,
    "isDouble(d)": True,
    "isInt(n)": None,
    "isDouble(n)": None,
    "!isInt(n)": None,
    "!isInt(d)": True,
    "isInt(n) & isInt(d)": False,
    "isInt(n) & isInt(i)": None,
    "isInt(n) | isInt(i)": True,
    "isInt(n) | isInt(d)": None,
    "isInt(d) | isInt(d)": False,
}


@pytest.mark.parametrize("text", GUARDS)
def test_guards_have_three_answers(text):
    assert holds(parse_expression(Source("guard", text)), BOUND) is GUARDS[text]


def test_unknown_sizes_are_no_yes():
    rule = rule_of("t(X) -> X  if nrow(X) == 1 & ncol(X) == 1")
    assert apply(rule, build("t", [ONE_CELL])) is ONE_CELL
    assert apply(rule, build("t", [U])) is None
    assert apply(rule, build("t", [X])) is None


def test_only_guards_are_guards():
    with pytest.raises(ValueError, match="not a guard"):
        holds(tree.Literal(Source("", "").text, True), BOUND)  # type: ignore[arg-type]


# ---- the driver ----


def test_rules_that_undo_one_another_are_found_out():
    driver = Driver(rules_of("X + Y -> Y + X"))
    with pytest.raises(AssertionError, match="do not come to an end"):
        driver.simplify(build("+", [X, Y]))
    assert sum(driver.fired.values()) == MOST + 1


def test_what_a_rule_makes_is_simplified_too():
    driver = Driver(rules_of("rowSums(t(X)) -> t(colSums(X))\ncolSums(X) -> X  if nrow(X) == 1\nt(t(X)) -> X"))
    row = var("r", matrix(1, 3))
    assert driver.simplify(build("t", [build("rowSums", [build("t", [row])])])).op.name == "t"
    assert transform(build("t", [build("rowSums", [build("t", [row])])]), driver.simplify, {}) is row


def test_results_are_remembered():
    driver = Driver(rules_of("X * 1 -> X"))
    node = build("*", [X, literal(1)])
    assert driver.simplify(node) is driver.simplify(node) is X
    assert driver.fired.total() == 1


def test_the_first_rule_that_fits_is_taken():
    driver = Driver(rules_of("X ^ 2 -> X * X\nX ^ s -> exp(X)"))
    assert driver.simplify(build("^", [X, literal(2)])) is build("*", [X, X])
    assert driver.simplify(build("^", [X, literal(3)])) is build("exp", [X])


# ---- the reader ----

WRONG = {
    "X * 1": "expected a rule",
    "X -> X": "must be an operator",
    "1 -> 1": "must be an operator",
    "foo(X) -> X": "there is no operator 'foo'",
    "X * 1 -> sqr(X)": "there is no operator 'sqr'",
    "rowSums(X, Y) -> X": "takes at most 1",
    "rowSums() -> 1": "misses its argument",
    "X * 1 -> Y": "'Y' does not stand on the left side",
    "X * s -> X  if nrow(Y) == 1": "'Y' does not stand on the left side",
    "X * s -> X  if r == 1": "'r' does not stand on the left side",
    "X * s -> X  if nrow(s) == 1": "'s' is a scalar",
    "X * s -> X  if isInt(X)": "'X' is a matrix",
    "X * s -> X  if X == 1": "'X' is a matrix",
    "X * s -> X  if isOdd(s)": "a guard compares",
    "X * s -> X  if nrow(X)": "a guard compares",
    "X * s -> X  if nrow(X) + 1 == 2": "a guard compares",
    "X * s -> X  if length(X) == 2": "a guard compares",
    "X * 1 -> X  [rouding]": "'rouding' is no tag",
    "X * 1 -> X  [rounding] [exact]": "'exact' is no tag",
    "X * $p -> X": "cannot be part of a rule",
    "X * 1 -> [X, X]": "cannot be part of a rule",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_rule_is_refused(text):
    with pytest.raises(ScriptError, match=WRONG[text]) as raised:
        rules_of(f"# comment\n\n  {text}  # more\n")
    span = raised.value.diagnostics[0].span
    assert span is not None
    assert (span.source.name, span.line, span.column) == ("test.rules", 3, 3)


def test_rules_that_do_not_parse_are_refused():
    for text in ("X * -> X", "X * 1 -> ", "X * 1 -> X if nrow(X) == 1", "X * 1 -> X  if"):
        with pytest.raises(ScriptError):
            rules_of(text)


def test_comments_tags_and_guards_are_read():
    lines = ("# a file", "X ^ 2 -> X * X  [rounding] # fast", "", "t(X) -> X  if ncol(X) == 1  [nan]  [rounding]")
    first, second = rules_of("\n".join(lines))
    assert first.text == "X ^ 2 -> X * X  [rounding]"
    assert first.tags == {"rounding"}
    assert first.guard is None
    assert second.tags == {"nan", "rounding"}
    assert isinstance(second.guard, tree.Binary)
    assert repr(first) == f"Rule({first.text})"
    assert first.before == Apply(REGISTRY["^"], (AnyMatrix("X"), Constant(2)))


def test_optional_arguments_of_patterns_are_their_defaults():
    rule = rule_of("matrix(X, s, r) -> X")
    assert rule.before.args[3] == Constant(True)
    assert rule_of("mean(X) -> sum(X)").before.args[1] == Constant(None)
    named = rule_of("matrix(cols=r, rows=s, data=X) -> X")
    assert named.before == rule.before
