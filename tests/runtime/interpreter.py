"""A reference interpreter of DML: walks the syntax tree and copies matrices at every assignment.

It knows the part of the language that `programs` writes. Slow and simple on purpose: no types, no graph, no sharing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gramian.ir.scalar import double_text, text
from gramian.lang import tree
from gramian.lang.dml import parse
from gramian.source import Source

Variables = dict[str, Any]


class ScriptFailsError(Exception):
    """The script is wrong in a way that shows when it runs."""


def run(source: str) -> list[str]:
    """What a script prints."""
    script = parse(Source("script", source))
    with np.errstate(all="ignore"):
        interpreter = Interpreter(script)
        interpreter.statements(script.statements, {})
    return interpreter.printed


def copied(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.copy()
    return [copied(item) for item in value] if isinstance(value, list) else value


class Interpreter:
    def __init__(self, script: tree.Script) -> None:
        self.functions = {f.name: f for f in script.functions}
        self.printed: list[str] = []

    # ---- statements ----

    def statements(self, body: Sequence[tree.Stmt], v: Variables) -> None:
        for s in body:
            self.statement(s, v)

    def statement(self, s: tree.Stmt, v: Variables) -> None:
        match s:
            case tree.Assign(target=target, value=value, accumulate=accumulate):
                new = self.value(value, v)
                if accumulate:
                    old = self.value(target.index, v) if target.index else v[target.name]
                    new = binary("+", old, new)
                self.store(target, new, v)
            case tree.MultiAssign(targets=targets, call=call):
                for target, new in zip(targets, self.call(call, v), strict=True):
                    self.store(target, new, v)
            case tree.CallStmt(call=call):
                self.call(call, v)
            case tree.If(condition=condition, then=then, orelse=orelse):
                self.statements(then if truth(self.value(condition, v)) else orelse, v)
            case tree.While(condition=condition, body=body):
                while truth(self.value(condition, v)):
                    self.statements(body, v)
            case tree.For():
                self.loop(s, v)
            case _:
                raise AssertionError(s)

    def loop(self, s: tree.For, v: Variables) -> None:
        first, last = int(self.value(s.start, v)), int(self.value(s.stop, v))
        step = (1 if first <= last else -1) if s.step is None else int(self.value(s.step, v))
        results = set(v)
        for i in range(first, last + (1 if step > 0 else -1), step):
            # What an iteration of a parfor assigns is gone afterwards, unless it lies in a matrix or list from outside.
            inner = dict(v) if s.parallel else v
            inner[s.variable] = i
            self.statements(s.body, inner)
            if s.parallel:
                v.update({n: value for n, value in inner.items() if n in results and n != s.variable})

    def store(self, target: tree.Target, value: Any, v: Variables) -> None:
        if target.index is None:
            v[target.name] = copied(value)
            return
        whole = copied(v[target.name])
        if isinstance(whole, list):
            place = self.position(target.index.rows.lower, v, len(whole))
            whole[place] = copied(value[0] if isinstance(value, list) and len(value) == 1 else value)
        else:
            rows, cols = self.region(target.index, whole, v)
            if isinstance(value, np.ndarray) and value.shape != whole[rows, cols].shape:
                raise ScriptFailsError("size")
            whole[rows, cols] = value
        v[target.name] = whole

    # ---- expressions ----

    def value(self, e: tree.Expr | None, v: Variables) -> Any:
        match e:
            case tree.Literal(value=value):
                return value
            case tree.Name(name=name):
                return {"Inf": math.inf, "NaN": math.nan}[name] if name in ("Inf", "NaN") else v[name]
            case tree.Unary(op=op, operand=operand):
                value = self.value(operand, v)
                return negation(value) if op == "!" else -value
            case tree.Binary(op="&&", left=left, right=right):
                return truth(self.value(left, v)) and truth(self.value(right, v))
            case tree.Binary(op="||", left=left, right=right):
                return truth(self.value(left, v)) or truth(self.value(right, v))
            case tree.Binary(op=op, left=left, right=right):
                return binary(op, self.value(left, v), self.value(right, v))
            case tree.Index(target=target):
                whole = self.value(target, v)
                if isinstance(whole, list):
                    return [whole[self.position(e.rows.lower, v, len(whole))]]
                return whole[self.region(e, whole, v)].copy()
            case tree.Call():
                results = self.call(e, v)
                return results[0] if results else None
        raise AssertionError(e)

    def position(self, e: tree.Expr, v: Variables, size: int) -> int:
        at = int(self.value(e, v))
        if not 1 <= at <= size:
            raise ScriptFailsError("index")
        return at - 1

    def region(self, e: tree.Index, whole: np.ndarray, v: Variables) -> tuple[slice, slice]:
        rows, cols = (self.slice(s, v, size) for s, size in zip((e.rows, e.cols), whole.shape, strict=True))
        return rows, cols

    def slice(self, s: tree.Subscript | None, v: Variables, size: int) -> slice:
        if s is None:
            return slice(0, size)
        first = self.position(s.lower, v, size)
        last = first if s.upper is None else self.position(s.upper, v, size)
        if last < first:
            raise ScriptFailsError("index")
        return slice(first, last + 1)

    def call(self, e: tree.Call, v: Variables) -> list[Any]:
        args = [self.value(a.value, v) for a in e.args]
        if e.function == "print":
            self.printed.append(args[0] if isinstance(args[0], str) else text(args[0]))
            return []
        if e.function == "eval":
            result = self.user(self.functions[args[0]], args[1:])[0]
            return [result if isinstance(result, np.ndarray) else np.array([[float(result)]])]
        if e.function in self.functions:
            return self.user(self.functions[e.function], args)
        return [copied(BUILTIN[e.function](*args))]

    def user(self, f: tree.Function, args: list[Any]) -> list[Any]:
        inner: Variables = {}
        for param, value in zip(f.params, args, strict=True):
            inner[param.name] = declared(param, copied(value))
        self.statements(f.body, inner)
        return [declared(output, copied(inner[output.name])) for output in f.outputs]


def declared(d: tree.Declared, value: Any) -> Any:
    convert = {"int": int, "double": float, "boolean": bool, "string": text}
    return convert[d.value_type](value) if d.kind == "scalar" and d.value_type in convert else value


# ---- operators ----


def truth(value: Any) -> bool:
    return bool(value)


def negation(value: Any) -> Any:
    return (value == 0).astype(float) if isinstance(value, np.ndarray) else not value


NUMPY: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "^": lambda a, b: np.power(np.asarray(a, float), b),
    "%%": lambda a, b: a - np.floor(np.divide(a, b)) * b,
    "%/%": lambda a, b: np.floor(np.divide(a, b)),
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "&": np.logical_and,
    "|": np.logical_or,
}
TESTS = ("==", "!=", "<", "<=", ">", ">=", "&", "|")


def binary(op: str, a: Any, b: Any) -> Any:
    if op == "%*%":
        return a @ b
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.asarray(NUMPY[op](a, b), dtype=float)
    if isinstance(a, str) or isinstance(b, str):
        joined = (text(a), text(b))
        return "".join(joined) if op == "+" else bool(NUMPY[op](*map(np.array, joined)))
    if op in TESTS:
        return bool(NUMPY[op](a, b))
    if isinstance(a, int) and isinstance(b, int) and op not in ("/", "^"):
        if op in ("%%", "%/%") and b == 0:
            raise ScriptFailsError("zero")
        exact = {"+": a + b, "-": a - b, "*": a * b}.get(op)
        result = exact if exact is not None else a // b if op == "%/%" else a % b
        if not -(2**63) <= result < 2**63:
            raise ScriptFailsError("overflow")
        return result
    return float(NUMPY[op](np.float64(a), np.float64(b)))


def extreme(name: str, *values: Any) -> Any:
    if len(values) == 1:
        return float(getattr(np, name)(values[0]))
    if any(isinstance(v, np.ndarray) for v in values):
        return np.asarray({"min": np.minimum, "max": np.maximum}[name](*values), dtype=float)
    chosen = {"min": min, "max": max}[name](values)
    return chosen if all(isinstance(v, int) for v in values) else float(chosen)


def filled(data: Any, rows: int, cols: int) -> np.ndarray:
    if isinstance(data, str):
        return np.array([float(word) for word in data.split()]).reshape(rows, cols)
    return data.reshape(rows, cols) if isinstance(data, np.ndarray) else np.full((rows, cols), float(data))


def chosen(test: Any, yes: Any, no: Any) -> Any:
    if isinstance(test, np.ndarray):
        return np.where(test != 0, yes, no).astype(float)
    value = yes if truth(test) else no
    return float(value) if isinstance(yes, float) or isinstance(no, float) else value


def to_text(x: np.ndarray) -> str:
    cells = [[f"{cell:z.3f}" if math.isfinite(cell) else double_text(cell) for cell in row] for row in x]
    return "".join(" ".join(row) + "\n" for row in cells)


BUILTIN: dict[str, Callable[..., Any]] = {
    "abs": lambda x: np.abs(x) if isinstance(x, np.ndarray) else abs(x),
    "append": lambda items, entry: [*items, entry],
    "as.double": float,
    "as.integer": lambda x: int(x) if math.isfinite(x) else 0 if x != x else 2**63 - 1 if x > 0 else -(2**63),
    "as.list": lambda items: items[0],
    "as.matrix": lambda x: x[0] if isinstance(x, list) else x if isinstance(x, np.ndarray) else np.array([[float(x)]]),
    "as.scalar": lambda x: x[0] if isinstance(x, list) else float(x[0, 0]),
    "cbind": lambda *x: np.hstack(x),
    "colSums": lambda x: x.sum(axis=0, keepdims=True),
    "diag": lambda x: np.diagflat(x) if x.shape[1] == 1 else np.diag(x).reshape(-1, 1),
    "floor": lambda x: np.floor(x) if isinstance(x, np.ndarray) else float(np.floor(x)),
    "ifelse": chosen,
    "length": lambda x: len(x) if isinstance(x, list) else x.size,
    "list": lambda *items: list(items),
    "matrix": filled,
    "max": lambda *x: extreme("max", *x),
    "min": lambda *x: extreme("min", *x),
    "ncol": lambda x: x.shape[1],
    "nrow": lambda x: x.shape[0],
    "rbind": lambda *x: np.vstack(x),
    "rev": lambda x: x[::-1],
    "rowMaxs": lambda x: x.max(axis=1, keepdims=True),
    "rowSums": lambda x: x.sum(axis=1, keepdims=True),
    "sum": lambda x: float(x.sum()),
    "t": lambda x: x.T,
    "toString": to_text,
    "trace": lambda x: float(np.trace(x)),
}
