"""The samples of operator records: argument lists in DML, evaluated without the compiler or the runtime."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

import gramian.ops  # noqa: F401  registers the operators
from gramian.ir.frame import Frame
from gramian.ir.node import convert_argument, known_result
from gramian.ir.op import REGISTRY, Effect, Op
from gramian.ir.types import (
    LIST,
    MISSING,
    NUMBER,
    UNKNOWN,
    Kind,
    Type,
    frame,
    join_value_types,
    matrix,
    results,
    type_of,
)
from gramian.ir.values import ListValue
from gramian.lang import tree
from gramian.lang.dml import parse_expression
from gramian.source import Source

CONSTANTS = {"pi": math.pi, "Inf": math.inf, "NaN": math.nan, "missing": None}


def parse(text: str) -> tree.Expr:
    return parse_expression(Source("sample", text))


def evaluate(e: tree.Expr, variables: Mapping[str, Any] = CONSTANTS) -> Any:
    """The value of an expression of literals, variables and operators."""
    match e:
        case tree.Literal(value=value):
            return value
        case tree.Name(name=name):
            return variables[name] if name in variables else CONSTANTS[name]
        case tree.Unary(op="-", operand=tree.Literal(value=value)):
            return -value
        case tree.Unary(op=op, operand=operand):
            return apply(REGISTRY["negate" if op == "-" else op], [evaluate(operand, variables)])
        case tree.Binary(op=op, left=left, right=right):
            return apply(REGISTRY[op], [evaluate(left, variables), evaluate(right, variables)])
        case tree.Index(target=target, rows=rows, cols=cols):
            bounds = [b and evaluate(b, variables) for s in (rows, cols) for b in ((s and s.lower), (s and s.upper))]
            return apply(REGISTRY["rightIndex"], [evaluate(target, variables), *bounds])
        case tree.Call(function="list", args=args):
            return ListValue([evaluate(a.value, variables) for a in args], [a.name for a in args])
        case tree.Call(function=function, args=args):
            op = REGISTRY[function]
            return apply(op, bind(op, [a.name for a in args], [evaluate(a.value, variables) for a in args]))
    raise AssertionError(e)


def apply(op: Op, values: list[Any]) -> Any:
    """The meaning of an operator, as generated code calls it."""
    with np.errstate(all="ignore"):
        return op.kernel(*convert(op, values))


def convert(op: Op, values: list[Any]) -> list[Any]:
    return [convert_argument(op.param(at), value) for at, value in enumerate(values)]


def bind(op: Op, names: list[str | None], values: list[Any]) -> list[Any]:
    slots = op.bind(names)
    return [op.params[at].default if slot is None else values[slot] for at, slot in enumerate(slots)]


@dataclass(frozen=True)
class Sample:
    """One argument list of an operator, with its values in the order of the parameters."""

    op: Op
    text: str

    def values(self) -> list[Any]:
        """New values each time."""
        call = parse(f"f({self.text})")
        assert isinstance(call, tree.Call)
        values = [evaluate(a.value) for a in call.args]
        return bind(self.op, [a.name for a in call.args], values)

    def result(self) -> Any:
        return apply(self.op, self.values())

    def __str__(self) -> str:
        return f"{self.op.name}({self.text})"


@cache
def all_samples() -> tuple[Sample, ...]:
    """The samples of all operators that can be called twice with the same result."""
    return tuple(
        Sample(op, text) for op in REGISTRY.records() if op.effect is not Effect.ORDERED for text in op.samples
    )


def full_type(value: Any) -> Type:
    """The type of an actual value with everything that there is to know."""
    match value:
        case None:
            return MISSING
        case np.ndarray():
            return matrix(*value.shape)
        case Frame():
            return frame(*value.shape)
        case ListValue():
            return LIST
        case tuple():
            return results(*map(full_type, value))
        case _:
            return type_of(value)


def infer(op: Op, types: list[Type]) -> Type:
    """The type of a call, as the compiler finds it."""
    result = op.infer(*types)
    if result.is_scalar and op.effect is Effect.PURE and not result.known:
        with np.errstate(all="ignore"):
            result = known_result(op, types, result)
    return result


def less_known(type: Type) -> Iterator[Type]:
    """The type with all of its knowledge, and with parts of it."""
    yield type
    if type.known:
        yield type.without_value()
    if type.rows is not None:
        yield replace(type, cols=None)
        yield replace(type, rows=None)
        yield replace(type, rows=None, cols=None)


def agrees(value: Any, type: Type) -> bool:
    """Does a value have the type, as far as that tells?"""
    found = full_type(value)
    if type.kind is not found.kind:
        return False
    if type.kind is Kind.LIST:
        return not type.items or all(agrees(v, t) for v, t in zip(value, type.items, strict=True))
    if len(type.items) != len(found.items):
        return False
    if type.kind is Kind.TUPLE:
        return all(agrees(v, t) for v, t in zip(value, type.items, strict=True))
    return (
        (type.value_type is UNKNOWN or type.value_type is found.value_type or _number(type, found))
        and type.rows in (None, found.rows)
        and type.cols in (None, found.cols)
        and (type.known is None or type.known == found.known)
    )


def _number(type: Type, found: Type) -> bool:
    return type.value_type is NUMBER and join_value_types(found.value_type, NUMBER) is NUMBER


def copied(value: Any) -> Any:
    match value:
        case np.ndarray():
            return value.copy()
        case ListValue():
            return ListValue([copied(v) for v in value], value.names)
        case tuple():
            return tuple(copied(v) for v in value)
    return value


def same(a: Any, b: Any, tolerance: float = 0.0) -> bool:
    """Equal kinds, types, sizes and cells; NaN equals NaN, and zeros of either sign are equal."""
    if type(a) is not type(b):
        return False
    match a:
        case np.ndarray():
            return a.shape == b.shape and bool(np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True))
        case float():
            return same(np.array([a]), np.array([b]), tolerance)
        case ListValue():
            return a.names == b.names and same(a.items, b.items, tolerance)
        case tuple():
            return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))
        case Frame():
            return a.names == b.names and a.types == b.types and repr(a.table.to_pylist()) == repr(b.table.to_pylist())
    return bool(a == b)


def arrays(value: Any) -> list[np.ndarray]:
    """The matrices in a value."""
    match value:
        case np.ndarray():
            return [value]
        case ListValue() | tuple():
            return [array for item in value for array in arrays(item)]
    return []


def is_plain(value: Any) -> bool:
    """A value as kernels have to return it."""
    match value:
        case np.ndarray():
            return value.ndim == 2 and value.dtype == np.float64
        case ListValue() | tuple():
            return all(map(is_plain, value))
    return isinstance(value, Frame) or type(value) in (bool, int, float, str)
