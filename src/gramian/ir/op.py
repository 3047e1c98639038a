"""Operator records and their registry.

One record says everything about an operator: its arguments, how types and sizes follow, what it means (a NumPy kernel or a
definition through simpler operators), its gradient, properties, samples and documentation. The parser's arity checks, the
reference page, plan printing and the generic tests all come out of the record.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from gramian.errors import OperationError, did_you_mean
from gramian.ir.types import (
    BOOLEAN,
    DOUBLE,
    INT,
    MISSING,
    NUMBER,
    STRING,
    UNKNOWN,
    Kind,
    ScalarValue,
    Type,
    ValueType,
)

REQUIRED = object()


class ArgumentError(OperationError):
    """The arguments of a call do not suit the parameters. `at` is the guilty one, or None if one is missing."""

    def __init__(self, message: str, hint: str | None = None, at: int | None = None) -> None:
        super().__init__(message, hint)
        self.at = at


class Effect(Enum):
    PURE = "pure"  # equal calls may be merged, unused ones dropped
    FRESH = "fresh"  # every call has a result of its own (random numbers); unused ones may be dropped
    ORDERED = "ordered"  # happens exactly once, in program order (print, write, read, stop, time)


class Trait(Enum):
    """Properties that rewrites and backends rely on."""

    CELLWISE = "cellwise"  # each cell of the result depends on the same cell of the arguments
    ROWWISE = "rowwise"  # each row of the result depends on the same row of the arguments
    REORDERS = "reorders"  # the cells of the first argument, or some of them, at other places
    COMMUTATIVE = "commutative"
    ASSOCIATIVE = "associative"
    ZERO_PRESERVING = "zero-preserving"  # f(0) = 0 in every argument together
    AGGREGATE = "aggregate"  # combines cells into fewer cells
    OVERFLOWS = "overflows"  # an int result of int scalars may leave the range of 64 bits
    CALLS = "calls"  # may call functions of the program by names that it gets when it runs
    EXTERNAL = "external"  # the type depends on what a file says, not on the arguments alone
    STEPS = "steps"  # constant but for steps (comparisons, rounding, sizes): the derivative is zero
    SHARES = "shares"  # the result may share memory with the first argument


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter of an operator. `accepts` are kinds and value types: see `SIGNATURE` in the module's end."""

    name: str
    accepts: frozenset[str]
    default: Any = REQUIRED
    variadic: bool = False

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    def __str__(self) -> str:
        text = f"{self.name}: {'|'.join(sorted(self.accepts))}"
        if self.variadic:
            return text + "..."
        if self.required:
            return text
        return f"{text} = {default_text(self.default)}"

    @property
    def usage(self) -> str:
        if self.variadic:
            return f"{self.name}..."
        if self.required:
            return self.name
        return f"[{self.name}]" if self.default is None else f"{self.name}={default_text(self.default)}"

    def accepts_type(self, type: Type) -> bool:
        if type.kind is Kind.MISSING:
            return not self.required and self.default is None
        if type.kind is not Kind.SCALAR:
            return type.kind.value in self.accepts or "any" in self.accepts
        return bool(self.accepts & _ACCEPTED_BY[type.value_type])

    @property
    def scalar_form(self) -> str | None:
        """The one scalar form that arguments are converted to before the kernel sees them, if there is one."""
        forms = self.accepts & {"int", "boolean", "double"}
        return next(iter(forms)) if len(forms) == 1 and len(self.accepts & _SCALAR_WORDS) == 1 else None


_SCALAR_WORDS = frozenset({"any", "scalar", "number", "int", "double", "boolean", "string"})
_ACCEPTED_BY: Mapping[ValueType, frozenset[str]] = {
    INT: frozenset({"any", "scalar", "number", "int", "double", "boolean"}),
    DOUBLE: frozenset({"any", "scalar", "number", "int", "double", "boolean"}),
    NUMBER: frozenset({"any", "scalar", "number", "int", "double", "boolean"}),
    BOOLEAN: frozenset({"any", "scalar", "boolean"}),
    STRING: frozenset({"any", "scalar", "string"}),
    UNKNOWN: _SCALAR_WORDS,
}

Infer = Callable[..., Type]
ScalarCode = Callable[..., str | None]
GradientCode = Callable[..., str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """The record of one operator.

    `infer(*types)` gives the result type, or raises `OperationError` (types) or `SizeError` (sizes); it gets one `Type` per
    argument, MISSING for an optional one that was not given. `kernel(*values)` is the meaning on NumPy arrays and Python
    scalars, None for MISSING. `scalar(*types)` gives Python source with places {0}, {1}, ... for scalar arguments of
    those types, or None; it may call what `gramian.ir.scalar` defines. `gradient` has one line of DML per
    differentiable parameter, with the names of the parameters, `out` and `dout` (`ddout` if a parameter has that name),
    or a function that chooses the line by the types of the arguments; `0` stands for a derivative that is zero
    everywhere. An operator of any number of arguments is that of two again and again: it has the lines `left` and
    `right`, besides that of a single argument. One with several results has a line for several parameters, as in
    "X, W", that calls an operator with as many results; `dc` there is the gradient of its result `c`. `samples` are
    argument lists in DML on which the generic tests try the operator.
    `sparsity(*types)` estimates the sparsity of a matrix result, where the traits do not tell it (`ir/estimate.py`).
    `functions` are the parameters that name functions of the program, which the runtime finds and calls.
    """

    name: str
    params: tuple[Param, ...]
    infer: Infer
    kernel: Callable[..., Any]
    doc: str
    family: str
    aliases: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    effect: Effect = Effect.PURE
    traits: frozenset[Trait] = frozenset()
    scalar: ScalarCode | None = None
    sparsity: Callable[..., float | None] | None = None
    definition: str | None = None
    gradient: Mapping[str, str | GradientCode] = field(default_factory=dict)
    samples: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    internal: bool = False  # written by the compiler, not callable by name in scripts

    @property
    def calls_by_name(self) -> bool:
        """May it call functions that only the run time knows?"""
        return bool(self.functions) or self.has(Trait.CALLS)

    @property
    def signature(self) -> str:
        return f"{self.name}({', '.join(map(str, self.params))})"

    @property
    def usage(self) -> str:
        """How a call looks, for messages: `matrix(data, rows, cols, byrow=TRUE)`, `log(x, [base])`."""
        return f"{self.name}({', '.join(p.usage for p in self.params)})"

    @property
    def variadic(self) -> bool:
        return bool(self.params) and self.params[-1].variadic

    def has(self, trait: Trait) -> bool:
        return trait in self.traits

    def bind(self, names: list[str | None]) -> list[int | None]:
        """The parameter slot of each argument written, by position and by name; None marks the end of variadic ones.

        Returns, for every parameter (the variadic one as often as it is given), the index of its argument or None.

        Raises:
            OperationError: too many or missing arguments, an unknown or repeated name.
        """
        fixed = self.params[:-1] if self.variadic else self.params
        slots: list[int | None] = [None] * len(fixed)
        rest: list[int | None] = []
        position = 0
        for at, name in enumerate(names):
            if name is not None:
                self._bind_name(name, at, slots, rest)
                continue
            while position < len(fixed) and slots[position] is not None:
                position += 1
            if position < len(fixed):
                slots[position] = at
            elif self.variadic:
                rest.append(at)
            else:
                most = f"at most {len(fixed)} argument{'s' * (len(fixed) != 1)}" if fixed else "no arguments"
                raise ArgumentError(f"{self.name}() takes {most}, found {len(names)}", f"usage: {self.usage}", at)
        for param, slot in zip(fixed, slots, strict=True):
            if slot is None and param.required:
                raise ArgumentError(f"{self.name}() misses its argument '{param.name}'", f"usage: {self.usage}")
        if self.variadic and not rest and self.params[-1].required:
            raise ArgumentError(f"{self.name}() needs at least one argument", f"usage: {self.usage}")
        return slots + rest

    def _bind_name(self, name: str, at: int, slots: list[int | None], rest: list[int | None]) -> None:
        known = [p.name for p in self.params]
        if name not in known:
            hint = did_you_mean(name, known) or f"usage: {self.usage}"
            raise ArgumentError(f"{self.name}() has no argument '{name}'", hint, at)
        index = known.index(name)
        if self.params[index].variadic:
            rest.append(at)
        elif slots[index] is not None:
            raise ArgumentError(f"{self.name}() gets its argument '{name}' twice", None, at)
        else:
            slots[index] = at

    def param(self, position: int) -> Param:
        """The parameter of an argument position, the variadic one for all positions past the end."""
        return self.params[min(position, len(self.params) - 1)]


class Registry(Mapping[str, Op]):
    """All operators by name and alias."""

    def __init__(self) -> None:
        self._ops: dict[str, Op] = {}

    def add(self, op: Op) -> Op:
        for name in (op.name, *op.aliases):
            if name in self._ops:
                raise ValueError(f"operator {name} is defined twice")
            self._ops[name] = op
        return op

    def __getitem__(self, name: str) -> Op:
        return self._ops[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._ops)

    def __len__(self) -> int:
        return len(self._ops)

    def records(self) -> list[Op]:
        """Every operator once, by name."""
        return sorted({id(op): op for op in self._ops.values()}.values(), key=lambda op: op.name)


REGISTRY = Registry()


def define(
    signature: str,
    infer: Infer,
    kernel: Callable[..., Any],
    doc: str,
    *,
    traits: tuple[Trait, ...] = (),
    **rest: Any,
) -> Op:
    """Register an operator from its signature, such as `"order(target: matrix, by: int|matrix = 1)"`.

    After a parameter's colon stand the kinds and value types it accepts, separated by bars:
    `matrix frame list` for those; `int` any number, truncated; `double` any number; `boolean` a boolean or number;
    `number` any number as it is; `string`; `scalar` any scalar; `any` everything. `= value` makes it optional, and
    `= missing` optional without a default; `...` at the end makes the last parameter variadic.
    """
    name, params = parse_signature(signature)
    family = str(getattr(kernel, "__module__", "") or "").rsplit(".", 1)[-1]
    return REGISTRY.add(
        Op(
            name=name,
            params=params,
            infer=infer,
            kernel=kernel,
            doc=doc,
            traits=frozenset(traits),
            **{"family": family, **rest},
        )
    )


_SIGNATURE = re.compile(r"(?P<name>[^(\s]+)\((?P<params>.*)\)$", re.DOTALL)
_PARAM = re.compile(
    r"\s*(?P<name>[\w.]+)\s*:\s*(?P<accepts>[a-z|]+)\s*(?P<variadic>\.\.\.)?\s*(?:=\s*(?P<default>\"[^\"]*\"|[^,]+))?\s*(?:,|$)"
)


def parse_signature(signature: str) -> tuple[str, tuple[Param, ...]]:
    match = _SIGNATURE.match(signature)
    if not match:
        raise ValueError(f"not a signature: {signature}")
    params = []
    for found in _PARAM.finditer(match["params"]):
        default = REQUIRED if found["default"] is None else parse_default(found["default"].strip())
        params.append(Param(found["name"], frozenset(found["accepts"].split("|")), default, bool(found["variadic"])))
    return match["name"], tuple(params)


def parse_default(text: str) -> ScalarValue | None:
    constants: dict[str, ScalarValue | None] = {"TRUE": True, "FALSE": False, "missing": None}
    if text in constants:
        return constants[text]
    if text.startswith('"'):
        return text[1:-1].encode().decode("unicode_escape")
    return int(text) if re.fullmatch(r"-?\d+", text) else float(text)


def default_text(value: ScalarValue | None) -> str:
    match value:
        case None:
            return "missing"
        case bool():
            return "TRUE" if value else "FALSE"
        case str():
            return '"' + value.encode("unicode_escape").decode() + '"'
        case _:
            return repr(value)


def missing(type: Type) -> bool:
    """Was this optional argument left out?"""
    return type is MISSING or type.kind is Kind.MISSING
