"""parfor: its options, its results, and the check that no iteration needs what another one writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from gramian.errors import Diagnostic, ScriptError, did_you_mean
from gramian.ir.program import Parallel
from gramian.ir.types import Kind
from gramian.lang import tree
from gramian.lang.lower import control, expressions
from gramian.lang.lower.context import Context
from gramian.source import Span

NUMBER = object()
OPTIONS: dict[str, tuple[str, ...] | object] = {
    "check": NUMBER,
    "par": NUMBER,
    "mode": ("LOCAL", "REMOTE_SPARK", "REMOTE_SPARK_DP", "REMOTE_MR", "REMOTE_MR_DP"),
    "opt": ("NONE", "RULEBASED", "CONSTRAINED", "HEURISTIC"),
    "taskpartitioner": ("FIXED", "NAIVE", "STATIC", "FACTORING", "FACTORING_CMIN", "FACTORING_CMAX"),
    "tasksize": NUMBER,
    "datapartitioner": ("NONE", "LOCAL", "REMOTE_SPARK", "REMOTE_MR"),
    "resultmerge": ("LOCAL_MEM", "LOCAL_FILE", "LOCAL_AUTOMATIC", "REMOTE_SPARK", "REMOTE_MR"),
    "log": ("ALL", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "OFF"),
    "profile": NUMBER,
}


def plan(c: Context, s: tree.For) -> Parallel:
    """The results and workers of a parfor, and where they are to be.

    Raises:
        ScriptError: an option is wrong, or iterations may depend on one another.
    """
    options = {arg.name: _option(c, arg) for arg in s.options}
    writes = list(_writes(s.body, c))
    results = sorted({w.name for w in writes})
    accumulators = sorted({w.name for w in writes if w.accumulates})
    if options.get("check", 1) != 0:
        _check(c, s, writes)
    inside = control.assigned(s.body) - set(results) - {s.variable}
    initial = sorted(name for name in inside if name in c.entries and c.entries[name].certain)
    ordered = any(_needs_order(s, writes, name) for name in results)
    mode = None if "mode" not in options else str(options["mode"]).split("_")[0]
    workers = _workers(s, options.get("par"))
    return Parallel(tuple(results), tuple(accumulators), tuple(initial), workers, ordered, mode)


def _workers(s: tree.For, given: int | str | None) -> int | None:
    if not isinstance(given, int):
        return None
    if given < 1:
        place = next(arg.value.span for arg in s.options if arg.name == "par")
        raise expressions.error(f"option 'par' must be at least 1, found {given}", place)
    return given


def _needs_order(s: tree.For, writes: Sequence[Access], name: str) -> bool:
    """Would workers get another result, since they have no common value of the variable? The check excludes this."""
    accesses = [w for w in writes if w.name == name]
    adds = any(w.accumulates for w in accesses)
    if adds and (any(_reads(s.body, name)) or not all(w.accumulates for w in accesses)):
        return True
    return any(t.name == name and t.index is None and not (adds and added) for t, added in _targets(s.body))


def _option(c: Context, arg: tree.Arg) -> int | str:
    if arg.name not in OPTIONS:
        hint = did_you_mean(arg.name or "", OPTIONS) or f"options are {', '.join(OPTIONS)}"
        raise expressions.error(f"parfor has no option '{arg.name}'", arg.span, hint)
    allowed = OPTIONS[arg.name]
    match arg.value:
        case tree.Name(name=value):
            given: Any = value
        case tree.Literal(value=value):
            given = value
        case tree.Parameter():
            given = expressions.parameter(c, arg.value)
        case _:
            raise expressions.error("the value of a parfor option must be a constant", arg.value.span)
    if isinstance(allowed, tuple):
        if str(given).upper() in allowed:
            return str(given).upper()
        raise expressions.error(
            f"option '{arg.name}' must be one of {', '.join(allowed)}, found {given}", arg.value.span
        )
    try:
        return int(given)
    except ValueError:
        raise expressions.error(f"option '{arg.name}' must be a whole number, found {given}", arg.value.span) from None


# -- accesses -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Access:
    """One place where the body touches a variable from outside; `index` is None for all of it."""

    name: str
    index: tree.Index | None
    span: Span
    accumulates: bool = False
    writes: bool = False


def _writes(body: Sequence[tree.Stmt], c: Context) -> Iterator[Access]:
    """Where the body writes into matrices and lists from outside."""
    for target, accumulates in _targets(body):
        known = c.type_of(target.name)
        if known is None or known.kind not in (Kind.MATRIX, Kind.LIST, Kind.FRAME):
            continue
        if target.index is not None:
            yield Access(target.name, target.index, target.span, writes=True)
        elif accumulates and known.is_matrix:
            yield Access(target.name, None, target.span, accumulates=True, writes=True)


def _targets(body: Sequence[tree.Stmt]) -> Iterator[tuple[tree.Target, bool]]:
    for s in body:
        match s:
            case tree.Assign():
                yield s.target, s.accumulate
            case tree.MultiAssign():
                yield from ((t, False) for t in s.targets)
            case tree.If():
                yield from _targets((*s.then, *s.orelse))
            case tree.While() | tree.For():
                yield from _targets(s.body)


SIZES = ("nrow", "ncol", "length")


def _reads(part: Any, name: str) -> Iterator[Access]:
    """Where expressions read a variable; asking for its size does not count."""
    match part:
        case tree.Index(target=tree.Name(name=found)) if found == name:
            yield Access(name, part, part.span)
            for inner in (part.rows, part.cols):
                yield from _reads(inner, name)
        case tree.Call(namespace=None, function=function) if function in SIZES:
            return
        case tree.Name(name=found):
            if found == name:
                yield Access(name, None, part.span)
        case tree.Assign(accumulate=accumulate, target=target, value=value):
            yield from _reads(value, name)
            if target.index is not None:
                yield from _reads(target.index.rows, name)
                yield from _reads(target.index.cols, name)
                if accumulate:
                    yield from _reads(target.index, name)
        case tuple():
            for item in part:
                yield from _reads(item, name)
        case tree.Target(index=index):
            if index is not None:
                yield from _reads(index.rows, name)
                yield from _reads(index.cols, name)
        case tree.Expr() | tree.Stmt() | tree.Arg() | tree.Subscript():
            for field in fields(part):
                if field.name != "span":
                    yield from _reads(getattr(part, field.name), name)


# -- the dependency check -----------------------------------------------------------------------------------------------


def _check(c: Context, s: tree.For, writes: list[Access]) -> None:
    for target, accumulates in _targets(s.body):
        known = c.type_of(target.name)
        whole = target.index is None and not (accumulates and known is not None and known.is_matrix)
        if known is not None and whole and target.name != s.variable:
            raise ScriptError(
                Diagnostic(
                    f"parfor: every iteration would assign '{target.name}', which exists before the loop",
                    target.span,
                    "use another name for a variable of the body, collect results in cells of a matrix, "
                    "or say check=0 if the order does not matter",
                    (("assigned before the loop at", c.entries[target.name].span),),
                )
            )
    forms = Forms(c, s)
    for write in writes:
        others = [w for w in writes if w.name == write.name]
        others += _reads(s.body, write.name)
        for other in others:
            both_add = write.accumulates and other.accumulates
            if not both_add and forms.may_meet(write, other):
                raise _interference(s, write, other)


def _interference(s: tree.For, write: Access, other: Access) -> ScriptError:
    same = write.span == other.span
    writing, using = f"'{write.span.text}'", f"'{other.span.text}'"
    does, done = ("writes", "written") if other.writes else ("reads", "read")
    what = f"what {writing} writes for one {s.variable} may be what {using} {does} for another"
    if same:
        what = f"{writing} may be the same cells for two values of {s.variable}"
    return ScriptError(
        Diagnostic(
            f"parfor: iterations may depend on one another: {what}",
            write.span,
            "use for, make the subscripts linear in the loop variable, or say check=0 if the iterations are independent",
            () if same else ((f"{using} is {done} at", other.span),),
        )
    )


Linear = dict[str, int]  # coefficients of variables; "" for the constant


class Forms:
    """Subscripts as linear forms of the loop variable, and whether those of two iterations may meet."""

    def __init__(self, c: Context, s: tree.For) -> None:
        self.c = c
        self.variable = s.variable
        self.changing = control.assigned(s.body)
        self.step = self._constant(s.step) or 1
        start, stop = self._constant(s.start), self._constant(s.stop)
        self.spread = abs(stop - start) if start is not None and stop is not None else None

    def _constant(self, e: tree.Expr | None) -> int | None:
        form = self.linear(e) if e is not None else None
        return form.get("", 0) if form is not None and not any(k for k in form) else None

    def linear(self, e: tree.Expr) -> Linear | None:
        match e:
            case tree.Literal(value=int(value)):
                return {"": value}
            case tree.Name(name=name):
                known = self.c.type_of(name)
                if name != self.variable and name not in self.changing and known is not None and known.known:
                    constant = known.int_value()
                    return None if constant is None else {"": constant}
                return None if name in self.changing and name != self.variable else {name: 1}
            case tree.Parameter(name=name):
                given = self.c.unit.settings.parameters.get(name)
                return {"": given} if type(given) is int else None
            case tree.Unary(op="-", operand=operand):
                return _scaled(self.linear(operand), -1)
            case tree.Binary(op="+", left=left, right=right):
                return _sum(self.linear(left), self.linear(right))
            case tree.Binary(op="-", left=left, right=right):
                return _sum(self.linear(left), _scaled(self.linear(right), -1))
            case tree.Binary(op="*", left=left, right=right):
                return _product(self.linear(left), self.linear(right))
        return None

    def may_meet(self, a: Access, b: Access) -> bool:
        """May the cells of `a` in one iteration be among those of `b` in another?"""
        if a.index is None or b.index is None:
            return True
        dimensions = ((a.index.rows, b.index.rows), (a.index.cols, b.index.cols))
        return not any(self._apart(x, y) for x, y in dimensions)

    def _apart(self, a: tree.Subscript | None, b: tree.Subscript | None) -> bool:
        if a is None or b is None:
            return False
        ends = [self.linear(e) for e in (a.lower, a.upper or a.lower, b.lower, b.upper or b.lower)]
        if any(form is None for form in ends):
            return False
        a_low, a_high, b_low, b_high = (form for form in ends if form is not None)
        moves = {form.get(self.variable, 0) for form in (a_low, a_high, b_low, b_high)}
        # Distances between the ends must be known numbers for the comparison below.
        down, up = _difference(b_low, a_high, self.variable), _difference(b_high, a_low, self.variable)
        if len(moves) != 1 or down is None or up is None:
            return False
        (move,) = moves
        if move == 0:
            return down > 0 or up < 0
        stride = abs(move * self.step)
        # In other iterations b lies a multiple of the stride away: does one of them bring it between the ends of a?
        reachable = (k for k in range(-(-down // stride), up // stride + 1) if k != 0)
        return not any(self.spread is None or abs(k * self.step) <= self.spread for k in reachable)


def _scaled(form: Linear | None, factor: int) -> Linear | None:
    return None if form is None else {name: factor * value for name, value in form.items()}


def _sum(a: Linear | None, b: Linear | None) -> Linear | None:
    if a is None or b is None:
        return None
    return {name: value for name in {*a, *b} if (value := a.get(name, 0) + b.get(name, 0)) or not name}


def _product(a: Linear | None, b: Linear | None) -> Linear | None:
    for constant, other in ((a, b), (b, a)):
        if constant is not None and not any(constant):
            return _scaled(other, constant.get("", 0))
    return None


def _difference(a: Linear, b: Linear, variable: str) -> int | None:
    """a - b without the terms of the loop variable, if it is a number."""
    rest = _sum(a, _scaled(b, -1)) or {}
    others = {name for name, value in rest.items() if name and name != variable and value}
    return None if others else rest.get("", 0)
