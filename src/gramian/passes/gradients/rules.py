"""What the records of operators say about derivatives, as nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache

from gramian.ir.node import Node, build
from gramian.ir.op import Op, Trait
from gramian.ir.types import Type
from gramian.lang.dml import parse_expression
from gramian.passes.gradients.variables import zeros
from gramian.rewrite.match import make
from gramian.rewrite.pattern import Pattern, pattern
from gramian.source import Source, Span


@cache
def parsed(text: str) -> Pattern:
    source = Source("gradient", text)
    return pattern(parse_expression(source), Span(source, 0, len(text)))


class Values(Mapping[str, Node]):
    """The values that a record speaks of, made when they are asked for."""

    def __init__(self, values: Mapping[str, Callable[[], Node]]) -> None:
        self.values_ = values

    def __getitem__(self, name: str) -> Node:
        return self.values_[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


def rule(op: Op, name: str, types: list[Type]) -> str | None:
    """The gradient by a parameter as the record says it for arguments of such types."""
    text = op.gradient.get(name)
    return text(*types) if callable(text) else text


def applied(text: str, values: Mapping[str, Callable[[], Node]]) -> Node:
    return make(parsed(text), Values(values))


def of_size(derivative: Node, arg: Node, op: Op, others: int) -> Node:
    """The derivative by an argument that the operator stretched to the size of others: the sum over its copies."""
    if arg.type.is_scalar:
        return build("sum", [derivative]) if derivative.type.is_matrix else derivative
    if not derivative.type.is_matrix:
        return build("+", [zeros(arg), derivative])
    stretches = others > 0 and (op.has(Trait.CELLWISE) or op.family == "elementwise")
    return build("sumTo", [derivative, arg], lenient=True) if stretches else derivative


def total(first: Node | None, second: Node) -> Node:
    if first is None:
        return second
    return build("+", [first, second], lenient=True)
