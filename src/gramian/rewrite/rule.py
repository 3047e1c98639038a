"""Rules as lines of DML, such as `rowSums(s * X) -> s * rowSums(X)  if ncol(X) > 0  [rounding]`.

In a rule an upper-case name stands for any matrix, a lower-case name for any numeric scalar, and a number for that
number. A name that comes up twice stands for the same value. A scalar whose name ends in `_` may be an argument that is
not given, and `missing` is such an argument: `rightIndex(t(X), a_, b_, c_, d_)` is any part of a transpose. `f(X)` and
`g(X, Y)` stand for all operators that work cell by cell on one or two arguments. What the right side computes from known
numbers, such as `ncol(X) + 1`, becomes a literal.

After two blanks and `if` come conditions, joined by `&` and `|`:

- comparisons of numbers and scalars, of `nrow(X)`, `ncol(X)`, `length(X)` and of what `+ - *` make of these;
- comparisons with `density(X)`, the estimated share of cells that are not zero, 1 if nothing is known of it. It is for
  costs alone: the sides must be equal whatever it says;
- `isInt(s)`, `isDouble(s)`, `isModerate(s)` (a known number between 1e-100 and 1e100, whatever its sign), `isMask(X)`
  (all cells are 0 or 1, as a comparison gives them);
- `once(X %*% Y)`: nothing but what the left side says uses that inner operator, or one between it and the top. It belongs
  to rules that gain only if they save its computation. The driver answers it from the uses in a block, see
  `passes/simplify.py`.

A condition that cannot be decided is no yes: without known sizes, rules with conditions on sizes do nothing.

A rule may end with tags in brackets that say what it may change:

- `[zero]` the sign of zeros;
- `[rounding]` the last digits, and the sign of zeros;
- `[cancels]` digits as well where large numbers cancel, so that little of them is left;
- `[infinity]` which of NaN, Infinity and -Infinity a cell is that is none of the finite numbers;
- `[ties]` which of several cells, the same but for rounding, is taken for the largest;
- `[nan]` cells that are NaN because a NaN or an infinity met a zero: they may become numbers.

No rule makes a finite number NaN or infinite (but for numbers that come close to the largest one), changes a type, or
loses an error: a rule that leaves an operand out applies only where that operand cannot fail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from gramian.errors import did_you_mean
from gramian.lang import tree
from gramian.lang.dml import parse_expression
from gramian.rewrite.guard import Guard, GuardReader
from gramian.rewrite.outline import outline
from gramian.rewrite.pattern import Apply, Pattern, evaluated, labelled, names, operator_names, pattern, wrong
from gramian.source import Source, Span

TAGS = {
    "zero": "the sign of zeros",
    "rounding": "the last digits",
    "cancels": "more digits where large numbers cancel",
    "infinity": "which of NaN, Infinity and -Infinity comes out",
    "ties": "which of several largest cells is taken",
    "nan": "NaN where a NaN or an infinity met a zero may become a number",
}
_TAG = re.compile(r"\s+\[(\w+)\]$")


@dataclass(frozen=True, eq=False)
class Rule:
    """`left -> right  if condition  [tags]`, as written at `span`.

    A short script needs few of the rules, so that each is parsed when it is first asked for: `before`, `after` and `guard`
    raise a ScriptError if the text is no rule.
    """

    span: Span
    left: str
    right: str
    condition: str
    tags: frozenset[str]

    @property
    def text(self) -> str:
        return self.span.text

    @property
    def counts_uses(self) -> bool:
        """Does the condition ask for the uses of inner operators?"""
        return "once(" in self.condition

    @cached_property
    def outline(self) -> tuple[str, frozenset[str]]:
        """The name of the operator at the top of the left side, and of those below."""
        return outline(self.left)

    @cached_property
    def before(self) -> Apply:
        return labelled(self._unlabelled, self._condition[1]) if self.counts_uses else self._unlabelled

    @cached_property
    def after(self) -> Pattern:
        after = pattern(self._expression(self.right), self.span)
        known = {*names(self._unlabelled), *operator_names(self._unlabelled)}
        for name in (*names(after), *operator_names(after)):
            if name not in known:
                raise wrong(f"'{name}' does not stand on the left side", self.span, did_you_mean(name, known))
        return after

    @cached_property
    def dropped(self) -> frozenset[str]:
        """The names that the right side leaves out. What they stand for must not be able to fail."""
        return frozenset(names(self.before)) - evaluated(self.after)

    @cached_property
    def guard(self) -> Guard | None:
        return self._condition[0] if self.condition else None

    @cached_property
    def _unlabelled(self) -> Apply:
        before = pattern(self._expression(self.left), self.span)
        if not isinstance(before, Apply):
            raise wrong("the left side of a rule must be an operator", self.span)
        return before

    @cached_property
    def _condition(self) -> tuple[Guard, dict[str, Apply]]:
        """The guard and the labels of the operators whose uses it counts."""
        reader = GuardReader(self._unlabelled, self.span)
        return reader.guard(self._expression(self.condition)), reader.labels

    def _expression(self, text: str) -> tree.Expr:
        return parse_expression(Source(self.span.source.name, text))

    def __repr__(self) -> str:
        return f"Rule({self.text})"


def read_rules(source: Source) -> list[Rule]:
    """The rules of a file: one a line, `#` begins a comment."""
    rules = []
    start = 0
    for line in source.text.splitlines(keepends=True):
        text = line.split("#")[0].strip()
        if text:
            at = start + line.index(text)
            rules.append(read_rule(Span(source, at, at + len(text))))
        start += len(line)
    return rules


def read_rule(span: Span) -> Rule:
    """The rule of one line.

    Raises:
        ScriptError: it is none.
    """
    text = span.text
    tags: set[str] = set()
    while text.endswith("]") and (found := _TAG.search(text)):
        if found[1] not in TAGS:
            raise wrong(f"'{found[1]}' is no tag of a rule", span, did_you_mean(found[1], TAGS))
        tags.add(found[1])
        text = text[: found.start()]
    body, separator, condition = text.partition("  if ")
    left, arrow, right = body.partition("->")
    if not arrow or (separator and not condition.strip()):
        raise wrong("expected a rule 'before -> after  if condition'", span)
    return Rule(span, left.strip(), right.strip(), condition.strip(), frozenset(tags))
