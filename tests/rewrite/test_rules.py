"""Every rule, tried on matrices of many sizes and on nasty numbers: both sides must mean the same.

Each rule is tried with full, partial and no knowledge of sizes, values and sparsity.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csc_array, csr_array
from trials import FINITE, FULL, NONE, TOO_LARGE, magnitude, operators_of, outcome, same, simplest, uses

from gramian.backends.local import LocalBackend
from gramian.errors import OperationError
from gramian.ir.node import Node, absent, build, literal
from gramian.ir.op import REGISTRY, Op
from gramian.ir.sparse import densify
from gramian.ir.types import DOUBLE
from gramian.rewrite.driver import Driver
from gramian.rewrite.rule import Rule
from gramian.rewrite.rules import all_rules, rule_index

RULES = all_rules()
TAGS = {rule.text: rule.tags for rule in RULES}
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.text)


def takes_matrix(op: Op) -> bool:
    """Can the operator be applied to one matrix alone?"""
    return "matrix" in op.params[0].accepts and all(p.default is None for p in op.params[1:])


def tags_of(driver: Driver) -> frozenset[str]:
    """What the rules that fired may change together: another sign of a zero makes another infinity of a quotient."""
    tags = frozenset(tag for text in driver.fired for tag in TAGS[text])
    return tags | {"infinity"} if tags else tags


@each_rule
def test_both_sides_mean_the_same(rule):
    succeeded = 0
    for use in uses(rule):
        assert same(use.expected, use.found, rule.tags, magnitude(use.values)), use
        succeeded += use.expected is not None and use.expected is not TOO_LARGE
    assert succeeded >= 4


@each_rule
def test_types_stay_and_guards_need_knowledge(rule):
    """Without any knowledge, only rules without conditions on sizes and values apply."""
    for use in uses(rule):
        before, after = use.before.type, use.after.type
        assert (before.kind, before.value_type) == (after.kind, after.value_type)
        for known, new in ((before.rows, after.rows), (before.cols, after.cols)):
            assert known is None or known == new
    unknown = [use for use in uses(rule) if use.knowledge == NONE]
    if re.search(r"nrow|ncol|length|density|isInt|isDouble|isModerate|==", rule.condition):
        assert not unknown
    else:
        assert unknown or _needs_value_type(rule)


def _needs_value_type(rule: Rule) -> bool:
    """Does the rule only apply to doubles, since ints would change the type?"""
    return {use.before.type.value_type for use in uses(rule)} == {DOUBLE}


@each_rule
def test_all_rules_together_use_this_one_and_keep_the_meaning(rule):
    used = False
    for number, use in enumerate(uses(rule)):
        if used and number % 7:
            continue
        driver = Driver(rule_index())
        after = simplest(use.before, driver)
        used = used or driver.fired[rule.text] > 0
        assert not driver.endless
        found = outcome(after, use.values)
        assert same(use.expected, found, tags_of(driver), magnitude(use.values)), (use, after, found)
    assert used, "another rule always comes first"


BACKEND = LocalBackend()


def sparse_kernel(op: Op) -> Callable[..., Any]:
    return BACKEND.kernel(op) or op.kernel


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:Changing the sparsity")
@each_rule
def test_both_sides_mean_the_same_on_sparse_matrices(rule):
    forms = itertools.cycle((csr_array, csc_array, np.asarray))
    for use in [use for use in uses(rule) if use.expected is not None][::9]:
        values = {n: next(forms)(v) if isinstance(v, np.ndarray) else v for n, v in use.values.items()}
        before, after = (densify(outcome(side, values, sparse_kernel)) for side in (use.before, use.after))
        tags = rule.tags | {"rounding"}
        assert same(before, after, tags, magnitude(use.values)), (use.values, use.knowledge, before, after)


def test_the_operators_of_rules_are_found_without_parsing_them():
    for rule in RULES:
        top, *inner = (op.name for op in operators_of(rule))
        assert rule.outline == (top, frozenset(inner))


def test_rules_are_not_written_twice():
    texts = [rule.text for rule in RULES]
    assert len(set(texts)) == len(texts)
    assert len({text.partition("->")[0].strip() + text.partition("  if ")[2] for text in texts}) == len(texts)
    assert len(texts) >= 150


# -- random expressions ------------------------------------------------------------------------------------------------

NAMES = dict.fromkeys(op.name for r in RULES for op in operators_of(r) if isinstance(op, Op))
UNARY = [REGISTRY[name] for name in NAMES if takes_matrix(REGISTRY[name])]
BINARY = [REGISTRY[name] for name in ("+", "-", "*", "/", "==", ">", "%*%", "cbind", "rbind", "max")]


def grow(noise: np.random.Generator, leaves: list[Node], depth: int) -> Node:
    """A random expression; arguments that do not fit are tried again."""
    if depth == 0:
        return leaves[noise.integers(len(leaves))]
    while True:
        choices, count = (BINARY, 2) if noise.random() < 0.4 else (UNARY, 1)
        op = choices[noise.integers(len(choices))]
        args = [grow(noise, leaves, depth - 1) for _ in range(count)]
        try:
            return build(op, [*args, *[absent()] * (len(op.params) - count if not op.variadic else 0)])
        except OperationError:
            continue


def is_sudden(node: Node, values: dict[str, Any], noise: np.random.Generator) -> bool:
    """Does the value jump when the inputs change in their last digits and the signs of their zeros?"""
    here = outcome(node, values)
    for _ in range(4):
        factors = {n: 1 + 1e-15 * noise.integers(-5, 6, v.shape) for n, v in values.items()}
        near = {
            n: np.where(v == 0, noise.choice([0.0, -0.0, 1e-300], v.shape), v * factors[n]) for n, v in values.items()
        }
        if not same(here, outcome(node, near), frozenset({"rounding"}), 1e9):
            return True
    return False


@pytest.mark.parametrize("seed", range(60))
def test_random_expressions_keep_their_meaning(seed):
    noise = np.random.default_rng(seed)
    values = {"X": noise.choice(FINITE, (3, 3)), "Y": noise.choice(FINITE, (3, 1)), "Z": noise.choice(FINITE, (1, 3))}
    for knowledge in (FULL, NONE):
        leaves = [*(knowledge.leaf(n, v) for n, v in values.items()), literal(1), literal(0), literal(-1)]
        for _ in range(8):
            before = grow(noise, leaves, int(noise.integers(2, 6)))
            driver = Driver(rule_index())
            after = simplest(before, driver)
            assert not driver.endless
            assert after.type.kind is before.type.kind
            expected, found = outcome(before, values), outcome(after, values)
            if is_sudden(before, values, noise):
                continue
            assert same(expected, found, tags_of(driver) | {"rounding", "zero"}, 1e9), (before, after)
