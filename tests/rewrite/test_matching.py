"""Matching, guards, the driver and the reader of rules."""

from __future__ import annotations

import math

import pytest

import gramian.ops  # noqa: F401  (rules name operators)
from gramian.errors import OperationError, ScriptError
from gramian.ir.node import absent, build, literal, transform, var
from gramian.ir.op import REGISTRY
from gramian.ir.types import DOUBLE, INT, NUMBER, UNKNOWN, matrix, scalar
from gramian.rewrite.driver import MOST, Driver
from gramian.rewrite.guard import single_uses, unknown_uses
from gramian.rewrite.match import apply, make
from gramian.rewrite.pattern import AnyMatrix, Apply, Constant
from gramian.rewrite.rule import Rule, read_rules
from gramian.source import Source

# -- matching --


def rules_of(text: str) -> list[Rule]:
    rules = read_rules(Source("test.rules", text))
    for rule in rules:
        assert rule.outline[0] == rule.before.op.name
        assert (rule.guard is None) is (rule.condition == "")
        assert rule.after is not None
    return rules


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


def test_names_stand_for_operators():
    rule = rule_of("f(t(X)) -> t(f(X))")
    assert apply(rule, build("exp", [build("t", [X])])) is build("t", [build("exp", [X])])
    assert apply(rule, build("negate", [build("t", [X])])) is build("t", [build("negate", [X])])
    assert apply(rule, build("sum", [build("t", [X])])) is None
    both = rule_of("g(t(X), t(Y)) -> t(g(X, Y))")
    sides = build("t", [X]), build("t", [Y])
    for name in ("-", "*", ">", "&"):
        assert apply(both, build(name, sides)) is build("t", [build(name, [X, Y])])
    assert apply(both, build("cbind", sides)) is None
    twice = rule_of("f(X) + f(Y) -> f(X)")
    assert apply(twice, build("+", [build("exp", [X]), build("exp", [Y])])) is build("exp", [X])
    assert apply(twice, build("+", [build("exp", [X]), build("abs", [Y])])) is None


def test_optional_names_stand_for_missing_arguments():
    rule = rule_of("rightIndex(t(X), a_, b_, c_, d_) -> t(rightIndex(X, c_, d_, a_, b_))")
    gone = absent()
    part = build("rightIndex", [build("t", [X]), literal(1), gone, gone, gone])
    assert apply(rule, part) is build("t", [build("rightIndex", [X, gone, gone, literal(1), gone])])
    strict = rule_of("rightIndex(t(X), a, b, c, d) -> X")
    assert apply(strict, part) is None
    assert apply(rule_of("rightIndex(t(X), a, missing, missing, missing) -> t(X[, a])"), part) is not None


def test_operands_that_may_fail_are_not_left_out():
    rule = rule_of("nrow(g(X, s)) -> nrow(X)")
    assert apply(rule, build("nrow", [build("+", [U, var("s", scalar(INT))])])) is build("nrow", [U])
    assert apply(rule, build("nrow", [build("+", [U, build("as.scalar", [U])])])) is None
    choose = rule_of("cbind(X, Y)[, 1] -> X[, 1]")
    ones = build("matrix", [literal(1), literal(2), literal(1), literal(True)])
    for other, expected in (
        (X, True),
        (build("exp", [build("t", [U])]), True),
        (ones, True),
        (build("inv", [U]), False),
    ):
        part = make(choose.before, {"X": X, "Y": other})
        assert (apply(choose, part) is not None) is expected


def test_special_numbers_are_constants():
    rule = rule_of("replace(X, NaN, 0) -> X")
    assert apply(rule, build("replace", [X, literal(math.nan), literal(0)])) is X
    assert apply(rule, build("replace", [X, literal(1), literal(0)])) is None
    assert apply(rule, build("replace", [X, literal(math.nan), literal(-0.0)])) is None


def test_known_numbers_become_literals():
    rule = rule_of("rowSums(X) -> X[, 1:ncol(X) - 2]")
    made = apply(rule, build("rowSums", [X]))
    assert made is not None
    assert made.args[4] is literal(1)
    rule = rule_of("X * s -> X * (s + 1)")
    assert apply(rule, build("*", [X, literal(2)])) is build("*", [X, literal(3)])


# -- guards --

BOUND = {
    "X": X,
    "R": var("R", matrix(2, None)),
    "U": U,
    "S": var("S", matrix(20, 10, sparsity=0.05)),
    "M": build("t", [build(">", [U, literal(0)])]),
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
    "nrow(X) * ncol(X) == 6": True,
    "length(X) + 1 == 7": True,
    "length(R) > 0": None,
    "nrow(X) - ncol(X) == -1": True,
    "k - 1 == ncol(X)": True,
    "2 * (nrow(X) + ncol(X)) <= length(X)": False,
    "nrow(R) * ncol(R) > 0": None,
    "density(S) < 0.1": True,
    "density(S) > 0.1": False,
    "density(X) < 0.1": False,
    "density(X) >= 0.1": True,
    "isModerate(k)": True,
    "isModerate(nan)": False,
    "isModerate(d)": None,
    "isMask(M)": True,
    "isMask(X)": None,
}


@pytest.mark.parametrize("text", GUARDS)
def test_guards_have_three_answers(text):
    left = "list(X, R, U, S, M, i, d, n, k, nan)"
    rule = rule_of(f"{left} -> 1  if {text}")
    assert rule.guard is not None
    assert rule.guard(BOUND, unknown_uses) is GUARDS[text]


def test_moderate_numbers_are_neither_zero_nor_huge():
    rule = rule_of("s * X -> X  if isModerate(s)")
    found = {s: apply(rule, build("*", [literal(s), X])) for s in (0, 1e-101, -1e100, 1e101, math.inf)}
    assert [s for s, made in found.items() if made is not None] == [-1e100]


def test_once_asks_for_the_uses_of_inner_operators():
    rule = rule_of("sum(X %*% Y) -> sum(X) * sum(Y)  if once(X %*% Y)")
    product = build("%*%", [var("P", matrix(2, 3)), var("Q", matrix(3, 4))])
    total = build("sum", [product])
    assert apply(rule, total) is None
    assert apply(rule, total, {product: 2}.get) is None
    assert apply(rule, total, {total: 1}.get) is None
    assert apply(rule, total, {product: 1, total: 5}.get) is not None
    assert apply(rule, total, single_uses) is not None


def test_once_tells_operators_apart():
    rule = rule_of("(X * Y) + (X * Z) -> X * (Y + Z)  if once(X * Z)")
    first, second = build("*", [X, Y]), build("*", [X, var("Z", matrix(2, 3))])
    assert apply(rule, build("+", [first, second]), {first: 2, second: 1}.get) is not None
    assert apply(rule, build("-", [first, second]), {first: 2, second: 1}.get) is None
    both = build("+", [first, second])
    assert apply(rule, both, {first: 2, second: 2}.get) is None


def test_unknown_sizes_are_no_yes():
    rule = rule_of("t(X) -> X  if nrow(X) == 1 & ncol(X) == 1")
    assert apply(rule, build("t", [ONE_CELL])) is ONE_CELL
    assert apply(rule, build("t", [U])) is None
    assert apply(rule, build("t", [X])) is None


# -- the driver --


def test_rules_that_undo_one_another_are_found_out():
    driver = Driver(rules_of("X + Y -> Y + X"))
    node = build("+", [X, Y])
    assert driver.simplify(node) in (node, build("+", [Y, X]))
    assert driver.endless == [node]
    assert sum(driver.fired.values()) == MOST


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


def test_rules_that_count_uses_wait_for_them():
    driver = Driver(rules_of("sum(X %*% Y) -> sum(X) * sum(Y)  if once(X %*% Y)\nt(t(X)) -> X"))
    product = build("%*%", [var("P", matrix(2, 3)), var("Q", matrix(3, 4))])
    total = build("sum", [product])
    assert driver.simplify(total) is total
    assert driver.waiting == {total}
    assert driver.with_uses({product: 2}.get)(total) is total
    assert not driver.fired
    better = driver.with_uses({product: 1}.get)(total)
    assert better.op.name == "*"
    assert driver.fired.total() == 1
    assert [rule.before.op.name for rule in driver.made[better]] == ["sum"]


def test_the_rules_that_made_a_node_are_known():
    driver = Driver(rules_of("exp(abs(X)) -> abs(exp(X))\nabs(exp(X)) -> round(exp(X))"))
    made = driver.simplify(build("exp", [build("abs", [U])]))
    assert [rule.text.partition(" ->")[0] for rule in driver.made[made]] == ["exp(abs(X))", "abs(exp(X))"]


# -- the reader --

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
    "X * s -> X  if nrow(X) / 2 == 2": "a guard compares",
    "X * s -> X  if sum(X) == 2": "a guard compares",
    "X * s -> X  if once(X)": "once",
    "X * s -> X  if once(X * s)": "below the top",
    "t(X * s) -> X  if once(X * r)": "below the top",
    "f(X) -> g(X, X)": "'g' does not stand on the left side",
    "f(X, X) -> X": "there is no operator 'f'",
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
    for text in ("X * -> X", "X * 1 -> ", "X * 1 -> X if nrow(X) == 1", "X * 1 -> X  if", "X * 1 -> X  if  "):
        with pytest.raises(ScriptError):
            rules_of(text)


def test_comments_tags_and_guards_are_read():
    lines = ("# a file", "X ^ 2 -> X * X  [rounding] # fast", "", "t(X) -> X  if ncol(X) == 1  [nan]  [rounding]")
    first, second = rules_of("\n".join(lines))
    assert first.text == "X ^ 2 -> X * X  [rounding]"
    assert first.tags == {"rounding"}
    assert first.guard is None
    assert second.tags == {"nan", "rounding"}
    assert second.condition == "ncol(X) == 1"
    assert second.guard is not None
    assert repr(first) == f"Rule({first.text})"
    assert first.before == Apply(REGISTRY["^"], (AnyMatrix("X"), Constant(2)))


def test_optional_arguments_of_patterns_are_their_defaults():
    rule = rule_of("matrix(X, s, r) -> X")
    assert rule.before.args[3] == Constant(True)
    assert rule_of("mean(X) -> sum(X)").before.args[1] == Constant(None)
    named = rule_of("matrix(cols=r, rows=s, data=X) -> X")
    assert named.before == rule.before
