"""Rules as lines of DML, such as `rowSums(s * X) -> s * rowSums(X)` or `X ^ 1 -> X`.

In a rule an upper-case name stands for any matrix, a lower-case name for any numeric scalar, and a number for that
number. A name that comes up twice stands for the same value. After `if` come guards, joined by `&`: comparisons of
`nrow(X)`, `ncol(X)` and numbers, or `isInt(s)`, `isDouble(s)`. A guard that cannot be decided is no yes.

A rule may end with tags in brackets that say what it changes: `[rounding]` the last digits, `[nan]` the treatment of
NaN and infinity where one operand is zero. Rules never change types, and what fails before must fail afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gramian.errors import Diagnostic, OperationError, ScriptError, did_you_mean
from gramian.ir.op import REGISTRY, Op
from gramian.lang import tree
from gramian.lang.dml import parse_expression
from gramian.source import Source, Span

TAGS = ("rounding", "nan")
_TAG = re.compile(r"\s+\[(\w+)\]$")


@dataclass(frozen=True)
class AnyMatrix:
    name: str


@dataclass(frozen=True)
class AnyScalar:
    name: str


@dataclass(frozen=True)
class Constant:
    """A literal; None stands for an optional argument that is not given."""

    value: Any


@dataclass(frozen=True)
class Apply:
    op: Op
    args: tuple[Pattern, ...]


Pattern = AnyMatrix | AnyScalar | Constant | Apply


@dataclass(frozen=True, eq=False)
class Rule:
    """`before -> after`; `text` is the line as written, `span` its place."""

    before: Apply
    after: Pattern
    guard: tree.Expr | None
    tags: frozenset[str]
    span: Span

    @property
    def text(self) -> str:
        return self.span.text

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
            rules.append(read_rule(source, Span(source, at, at + len(text))))
        start += len(line)
    return rules


def read_rule(source: Source, span: Span) -> Rule:
    """The rule of one line.

    Raises:
        ScriptError: it is none.
    """
    text = span.text
    tags: set[str] = set()
    while found := _TAG.search(text):
        if found[1] not in TAGS:
            raise _wrong(f"'{found[1]}' is no tag of a rule", span, did_you_mean(found[1], TAGS))
        tags.add(found[1])
        text = text[: found.start()]
    body, _, condition = text.partition("  if ")
    left, arrow, right = body.partition("->")
    if not arrow:
        raise _wrong("expected a rule 'before -> after'", span)
    before = pattern(_expression(source, left), span)
    if not isinstance(before, Apply):
        raise _wrong("the left side of a rule must be an operator", span)
    after = pattern(_expression(source, right), span)
    known = names(before)
    for name in names(after):
        if name not in known:
            raise _wrong(f"'{name}' does not stand on the left side", span, did_you_mean(name, known))
    guard = _expression(source, condition) if condition else None
    if guard is not None:
        check_guard(guard, known, span)
    return Rule(before, after, guard, frozenset(tags), span)


def _wrong(message: str, span: Span, hint: str | None = None) -> ScriptError:
    return ScriptError(Diagnostic(message, span, hint))


def check_guard(guard: tree.Expr, known: Mapping[str, Pattern], span: Span) -> None:
    """Refuse a guard that is not made of comparisons and value types of the rule's names."""
    match guard:
        case tree.Binary(op="&" | "|", left=left, right=right):
            check_guard(left, known, span)
            check_guard(right, known, span)
        case tree.Unary(op="!", operand=operand):
            check_guard(operand, known, span)
        case tree.Binary(op="==" | "!=" | "<" | "<=" | ">" | ">=", left=left, right=right):
            _check_number(left, known, span)
            _check_number(right, known, span)
        case tree.Call(function="isInt" | "isDouble", args=(tree.Arg(value=tree.Name(name=name)),)):
            _check_name(name, AnyScalar, known, span)
        case _:
            raise _wrong("a guard compares sizes and numbers, or asks isInt(s) or isDouble(s)", span)


def _check_number(e: tree.Expr, known: Mapping[str, Pattern], span: Span) -> None:
    match e:
        case tree.Literal(value=int() | float()):
            return
        case tree.Unary(op="-", operand=operand):
            _check_number(operand, known, span)
        case tree.Name(name=name):
            _check_name(name, AnyScalar, known, span)
        case tree.Call(function="nrow" | "ncol", args=(tree.Arg(value=tree.Name(name=name)),)):
            _check_name(name, AnyMatrix, known, span)
        case _:
            raise _wrong("a guard compares nrow(X), ncol(X), scalars and numbers", span)


def _check_name(name: str, kind: type[AnyMatrix | AnyScalar], known: Mapping[str, Pattern], span: Span) -> None:
    if name not in known:
        raise _wrong(f"'{name}' does not stand on the left side", span, did_you_mean(name, known))
    if not isinstance(known[name], kind):
        raise _wrong(f"'{name}' is a {'scalar' if kind is AnyMatrix else 'matrix'} there", span)


def _expression(source: Source, text: str) -> tree.Expr:
    return parse_expression(Source(source.name, text.strip()))


def pattern(e: tree.Expr, span: Span) -> Pattern:
    """The pattern that an expression of a rule stands for."""
    match e:
        case tree.Name(name=name):
            return AnyMatrix(name) if name[0].isupper() else AnyScalar(name)
        case tree.Literal(value=value):
            return Constant(value)
        case tree.Unary(op="-", operand=tree.Literal(value=value)):
            assert not isinstance(value, str)
            return Constant(-value)
        case tree.Unary(op=op, operand=operand):
            return Apply(REGISTRY["negate" if op == "-" else op], (pattern(operand, span),))
        case tree.Binary(op=op, left=left, right=right):
            return Apply(REGISTRY[op], (pattern(left, span), pattern(right, span)))
        case tree.Index(target=target, rows=rows, cols=cols):
            bounds = [*_bounds(rows, span), *_bounds(cols, span)]
            return Apply(REGISTRY["rightIndex"], (pattern(target, span), *bounds))
        case tree.Call(function=function, args=args):
            return _call(function, args, span)
    raise _wrong("this cannot be part of a rule", span)


def _bounds(subscript: tree.Subscript | None, span: Span) -> list[Pattern]:
    if subscript is None:
        return [Constant(None), Constant(None)]
    upper: Pattern = Constant(None) if subscript.upper is None else pattern(subscript.upper, span)
    return [pattern(subscript.lower, span), upper]


def _call(function: str, args: tuple[tree.Arg, ...], span: Span) -> Apply:
    op = REGISTRY.get(function)
    if op is None:
        raise _wrong(f"there is no operator '{function}'", span, did_you_mean(function, REGISTRY))
    try:
        slots = op.bind([a.name for a in args])
    except OperationError as wrong:
        raise _wrong(wrong.message, span, wrong.hint) from None
    given = [pattern(a.value, span) for a in args]
    filled = [given[slot] if slot is not None else Constant(op.params[at].default) for at, slot in enumerate(slots)]
    return Apply(op, tuple(filled))


def names(p: Pattern) -> dict[str, Pattern]:
    """The names in a pattern."""
    match p:
        case AnyMatrix(name=name) | AnyScalar(name=name):
            return {name: p}
        case Apply(args=args):
            return {name: found for arg in args for name, found in names(arg).items()}
    return {}
