"""Patterns: expressions in DML whose names stand for any matrix, scalar or operator."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gramian.errors import Diagnostic, OperationError, ScriptError, did_you_mean
from gramian.ir.op import REGISTRY, Effect, Op, Trait
from gramian.lang import tree
from gramian.source import Span

CONSTANTS = {"NaN": math.nan, "Inf": math.inf, "missing": None}
OPERATORS = {"f": 1, "g": 2}  # names of operators, and how many arguments these have


@dataclass(frozen=True)
class AnyMatrix:
    name: str


@dataclass(frozen=True)
class AnyScalar:
    """A number; with `optional` also an argument that is not given."""

    name: str
    optional: bool = False


@dataclass(frozen=True)
class Constant:
    """A literal; None stands for an optional argument that is not given."""

    value: Any


@dataclass(frozen=True)
class AnyOperator:
    """Any operator that works cell by cell on that many arguments and never fails on matrices that fit."""

    name: str
    count: int

    def stands_for(self, op: Op) -> bool:
        # Operators of other families, such as distributions, may fail because of what the cells are.
        return (
            op.family == "elementwise"
            and op.has(Trait.CELLWISE)
            and len(op.params) == self.count
            and not op.variadic
            and op.effect is Effect.PURE
        )


@dataclass(frozen=True)
class Apply:
    """An operator applied to patterns. A node that it matches is found again by its label."""

    op: Op | AnyOperator
    args: tuple[Pattern, ...]
    label: str | None = None


Pattern = AnyMatrix | AnyScalar | Constant | Apply


def wrong(message: str, span: Span, hint: str | None = None) -> ScriptError:
    return ScriptError(Diagnostic(message, span, hint))


def pattern(e: tree.Expr, span: Span) -> Pattern:
    """The pattern that an expression of a rule stands for.

    Raises:
        ScriptError: it stands for none.
    """
    match e:
        case tree.Name(name=name) if name in CONSTANTS:
            return Constant(CONSTANTS[name])
        case tree.Name(name=name):
            return AnyMatrix(name) if name[0].isupper() else AnyScalar(name, name.endswith("_"))
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
    raise wrong("this cannot be part of a rule", span)


def _bounds(subscript: tree.Subscript | None, span: Span) -> list[Pattern]:
    if subscript is None:
        return [Constant(None), Constant(None)]
    upper: Pattern = Constant(None) if subscript.upper is None else pattern(subscript.upper, span)
    return [pattern(subscript.lower, span), upper]


def _call(function: str, args: tuple[tree.Arg, ...], span: Span) -> Apply:
    given = [pattern(a.value, span) for a in args]
    if OPERATORS.get(function) == len(given):
        return Apply(AnyOperator(function, len(given)), tuple(given))
    op = REGISTRY.get(function)
    if op is None:
        raise wrong(f"there is no operator '{function}'", span, did_you_mean(function, REGISTRY))
    try:
        slots = op.bind([a.name for a in args])
    except OperationError as error:
        raise wrong(error.message, span, error.hint) from None
    filled = [given[slot] if slot is not None else Constant(op.params[at].default) for at, slot in enumerate(slots)]
    return Apply(op, tuple(filled))


def names(p: Pattern) -> dict[str, AnyMatrix | AnyScalar]:
    """The names of values in a pattern."""
    match p:
        case AnyMatrix(name=name) | AnyScalar(name=name):
            return {name: p}
        case Apply(args=args):
            return {name: found for arg in args for name, found in names(arg).items()}
    return {}


def evaluated(p: Pattern) -> frozenset[str]:
    """The names whose values are needed, and not their sizes alone, which may be known."""
    match p:
        case AnyMatrix(name=name) | AnyScalar(name=name):
            return frozenset((name,))
        case Apply(op=Op(name="nrow" | "ncol" | "length")):
            return frozenset()
        case Apply(args=args):
            return frozenset(name for arg in args for name in evaluated(arg))
    return frozenset()


def applied(p: Pattern) -> Iterator[Apply]:
    """The operators in a pattern, from the top down."""
    if isinstance(p, Apply):
        yield p
        for arg in p.args:
            yield from applied(arg)


def operator_names(p: Pattern) -> set[str]:
    """The names that stand for operators in a pattern."""
    return {a.op.name for a in applied(p) if isinstance(a.op, AnyOperator)}


def labelled(p: Apply, labels: Mapping[str, Apply]) -> Apply:
    """The pattern with the labels of the operators in it."""
    label = next((name for name, wanted in labels.items() if wanted == p), None)
    args = tuple(labelled(arg, labels) if isinstance(arg, Apply) else arg for arg in p.args)
    return replace(p, args=args, label=label)
