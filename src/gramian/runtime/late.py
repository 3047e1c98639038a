"""Compiling what comes later in a script for the sizes that show only while it runs.

At a *late point* the rest of a region, that is of the main script, a function's body or the body of a loop, is compiled
when it is reached, once for each combination of sizes and storage of the variables that it reads, by the same passes with
more facts. Plans are kept; when sizes go on changing, one plan for all sizes serves from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gramian.ir.disk import is_on_disk
from gramian.ir.fused import unfused
from gramian.ir.liveness import Liveness, liveness
from gramian.ir.mapping import map_nodes
from gramian.ir.program import (
    Assign,
    Block,
    For,
    Function,
    If,
    Item,
    Program,
    Region,
    Variable,
    While,
    assigned,
    items,
    nodes,
)
from gramian.ir.sparse import is_sparse
from gramian.ir.types import INT, Kind, Known, Type, join, matrix, value_type_of
from gramian.passes.facts import Facts
from gramian.passes.pipeline import run_passes
from gramian.passes.remove_dead_code import remove_uncalled
from gramian.passes.split_blocks import is_uncertain, sizing_names
from gramian.runtime.functions import compiling

if TYPE_CHECKING:
    from gramian.runtime.run import Execution
    from gramian.source import Span

MOST_PARTS = 20  # of a run, compiled late; then what is compiled is compiled to its end, for all sizes
MOST_PLANS = 8  # of one late point; then sizes are taken to change for ever
SMALLEST = 1 << 12  # cells of the largest operand; below, a plan for all sizes is as good
BUCKETS = (0.001, 0.01, 0.05, 0.3)  # sparsities that deserve plans of their own


@dataclass(frozen=True, eq=False)
class LatePoint:
    """The rest of a region, from some item on, as a function.

    `inputs` are the variables that it reads, with their types as far as they are known, `outputs` those that are needed
    after it. `sizing` are inputs whose value decides about sizes; `flags` are the variables for which the code around
    keeps track of who owns their memory. `in_loop` says that it will run many times, with other numbers.
    """

    function: Function
    body: Region
    inputs: Mapping[str, Type]
    outputs: tuple[str, ...]
    sizing: frozenset[str]
    in_loop: bool
    flags: frozenset[str] = frozenset()


# -- finding late points -----------------------------------------------------------------------------------------------


class LatePoints:
    """The late points of a function: asked item by item, while its code is written.

    `generic` says that the function is itself the plan for all sizes of a late point, `last` that nothing of it is to be
    compiled later.
    """

    def __init__(self, function: Function, *, generic: bool, last: bool = False) -> None:
        self.function = function
        self.generic = generic
        self.is_needed = not last and any(is_uncertain(n) for n in nodes(function.body))
        self._live: Liveness | None = None

    @property
    def live(self) -> Liveness:
        if self._live is None:
            self._live = liveness(self.function)
        return self._live

    def place(self, point: LatePoint) -> Span:
        """Where the rest of the region begins."""
        first = point.body[0]
        return first.statements[0].span if isinstance(first, Block) else first.span

    def at(self, region: Region, index: int, definite: Mapping[str, Type], *, in_loop: bool) -> LatePoint | None:
        """The rest of a region, if it should be compiled late; `definite` are the variables that certainly have a value."""
        if not self.is_needed or (self.generic and index == 0 and region is self.function.body):
            return None
        rest = region[index:]
        reads = self.live.before[region[index]]
        if not reads <= definite.keys():
            return None
        types = {name: definite[name] for name in sorted(reads)}
        unknown = any(t.kind is Kind.MATRIX and None in (t.cells, t.sparsity) for t in types.values())
        sizing = frozenset() if in_loop else frozenset(n for n in sizing_names(rest) & reads if types[n].known is None)
        if not (unknown or sizing) or not repays(rest):
            return None
        ends = self.live.after[rest[-1]] & assigned(rest)
        if not ends <= definite_after(rest, definite).keys() or any(n.op.name == "exists" for n in nodes(rest)):
            return None
        return LatePoint(self.function, rest, types, tuple(sorted(ends)), sizing, in_loop)


def repays(region: Region) -> bool:
    """Is there enough to do for sizes to matter?"""
    operators = [n for n in nodes(region) if n.args and any(a.type.is_matrix for a in n.args)]
    has_loop = any(isinstance(item, While | For) for item in items(region))
    return bool(operators) and (has_loop or len(operators) > 1)


def definite_after(region: Region, before: Mapping[str, Type]) -> dict[str, Type]:
    """The variables that certainly have a value after a region, with their types, from those before it."""
    known = dict(before)
    for item in region:
        known = _after(item, known)
    return known


def _after(item: Item, known: dict[str, Type]) -> dict[str, Type]:
    match item:
        case Block():
            return known | {s.target: s.value.type for s in item.statements if isinstance(s, Assign)}
        case If():
            then, orelse = definite_after(item.then, known), definite_after(item.orelse, known)
            return {name: _either(then[name], orelse[name]) for name in then.keys() & orelse.keys()}
        case While():
            return definite_after(item.head, definite_inside(item, known))
        case For(parallel=None):
            inside = definite_inside(item, known)
            # Without a step a loop runs at least once.
            body = definite_after(item.body, inside)
            return {n: _either(inside.get(n, t), t) for n, t in body.items() if item.step is None or n in known}
        case For():
            body = definite_after(item.body, known | {item.variable: Type(Kind.SCALAR, INT)})
            assert item.parallel is not None
            return {n: _either(t, body[n]) if n in item.parallel.results else t for n, t in known.items()}


def definite_inside(loop: While | For, before: Mapping[str, Type]) -> dict[str, Type]:
    """The variables that certainly have a value at the start of each iteration, from those before the loop."""
    known = dict(before)
    if isinstance(loop, For):
        known[loop.variable] = Type(Kind.SCALAR, INT)
        after = definite_after(loop.body, known)
    else:
        after = definite_after((*loop.head, *loop.body), known)
    return {name: _either(type, after[name]) for name, type in known.items()}


def _either(a: Type, b: Type) -> Type:
    return join(a, b) if a.kind is b.kind else a.without_size()


# -- running them ------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Late:
    """A late point of a running program: a function of a list of its inputs, which it empties."""

    point: LatePoint
    program: Program
    execution: Execution
    plans: dict[tuple[Any, ...], Callable[[list[Any]], Any]] = field(default_factory=dict)
    general: Callable[[list[Any]], Any] | None = None

    def __call__(self, inputs: list[Any]) -> Any:
        plan = self.general if len(self.plans) > MOST_PLANS else None
        if plan is None:
            with compiling:
                plan = self._plan(inputs)
        else:
            self.execution.count("plans for all sizes, used")
        return plan(inputs)

    def _plan(self, inputs: list[Any]) -> Callable[[list[Any]], Any]:
        key, largest = self._key(inputs)
        plan = self.plans.get(key)
        if plan is not None:
            self.execution.count("plans for known sizes, used again")
            return plan
        if largest < SMALLEST or len(self.plans) >= MOST_PLANS or self.execution.late_parts >= MOST_PARTS:
            if self.general is None:
                self.execution.count("plans for all sizes, compiled")
                self.general = self._compile(dict(self.point.inputs), generic=True)
            if largest >= SMALLEST:
                self.plans[key] = self.general
            return self.general
        self.execution.count("plans for known sizes, compiled")
        types = {n: self._type(n, t, v) for (n, t), v in zip(self.point.inputs.items(), inputs, strict=False)}
        plan = self.plans[key] = self._compile(types, generic=False)
        return plan

    def _key(self, inputs: list[Any]) -> tuple[tuple[Any, ...], int]:
        """What the plan depends on, and the number of cells of the largest input."""
        key: list[Any] = []
        largest = 0
        for name, value in zip(self.point.inputs, inputs, strict=False):
            if value.__class__ is np.ndarray or is_on_disk(value):
                key.append(value.shape)
                largest = max(largest, value.shape[0] * value.shape[1])
            elif is_sparse(value):
                rows, cols = value.shape
                key.append((rows, cols, bucket(value.nnz / max(1, rows * cols))))
                largest = max(largest, rows * cols)
            elif name in self.point.sizing:
                key.append((value.__class__, value))
        return tuple(key), largest

    def _type(self, name: str, type: Type, value: Any) -> Type:
        """The type of an input with what its value tells."""
        if isinstance(value, np.ndarray) or is_on_disk(value):
            return matrix(value.shape[0], value.shape[1], 1.0)
        if is_sparse(value):
            rows, cols = value.shape
            return matrix(rows, cols, bucket(value.nnz / max(1, rows * cols)))
        if type.kind is not Kind.SCALAR:
            return type
        if name in self.point.sizing and isinstance(value, int | float):
            return Type(Kind.SCALAR, value_type_of(value), known=Known(value))
        return type

    def _compile(self, types: Mapping[str, Type], *, generic: bool) -> Callable[[list[Any]], Any]:
        point = self.point
        main = replace(
            point.function,
            params=tuple(Variable(name, type) for name, type in types.items()),
            outputs=tuple(Variable(name, _output_type(name, point)) for name in point.outputs),
            body=point.body,
            continues=(point.function, point.body[0]),
        )
        part = map_nodes(remove_uncalled(replace(self.program, main=main)), unfused)
        last = self.execution.late_parts >= MOST_PARTS
        return self.execution.load_part(
            run_passes(part, Facts(types, certain=False)), point, generic=generic, last=last
        )


def _output_type(name: str, point: LatePoint) -> Type:
    found: Type | None = None
    for item in items(point.body):
        if isinstance(item, Block):
            for statement in item.statements:
                if isinstance(statement, Assign) and statement.target == name:
                    type = statement.value.type
                    found = type if found is None or found.kind is not type.kind else join(found, type)
        elif isinstance(item, For) and item.variable == name:
            found = Type(Kind.SCALAR, INT)
    assert found is not None
    return found.without_size()


def bucket(sparsity: float) -> float:
    """A sparsity that stands for similar ones, so that they share a plan."""
    return next((bound for bound in BUCKETS if sparsity <= bound), 1.0)
