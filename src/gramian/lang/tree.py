"""The syntax tree, common to all front ends. Nodes never change; each knows its span in the source."""

from __future__ import annotations

from dataclasses import dataclass

from gramian.source import Source, Span


@dataclass(frozen=True, slots=True)
class Expr:
    span: Span


@dataclass(frozen=True, slots=True)
class Literal(Expr):
    """A number, text or truth value as written; an int is at most 2**63 - 1."""

    value: int | float | bool | str


@dataclass(frozen=True, slots=True)
class Name(Expr):
    """A variable, or one of the constants pi, Inf and NaN."""

    name: str


@dataclass(frozen=True, slots=True)
class Parameter(Expr):
    """A script parameter; the name comes without its dollar sign, `$1` is "1"."""

    name: str


@dataclass(frozen=True, slots=True)
class Unary(Expr):
    op: str  # "-", "+", "!"
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary(Expr):
    op: str  # as written in DML: "+", "%*%", "&&", ...
    left: Expr
    right: Expr
    op_span: Span


@dataclass(frozen=True, slots=True)
class Arg:
    """An argument of a call; `name` is None for a positional one."""

    span: Span
    name: str | None
    value: Expr


@dataclass(frozen=True, slots=True)
class Call(Expr):
    """A call of a builtin or of a user function, `namespace::function(args)`; `name_span` is the place of its name."""

    namespace: str | None
    function: str
    args: tuple[Arg, ...]
    name_span: Span


@dataclass(frozen=True, slots=True)
class Subscript:
    """`lower` alone for one position, `lower:upper` for a range, both ends included."""

    span: Span
    lower: Expr
    upper: Expr | None


@dataclass(frozen=True, slots=True)
class Index(Expr):
    """`target[rows, cols]`; None stands for all. `single`: written with one subscript and no comma, as in `X[i]`."""

    target: Expr
    rows: Subscript | None
    cols: Subscript | None
    single: bool


@dataclass(frozen=True, slots=True)
class ListLiteral(Expr):
    """`[a, b, c]`"""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Stmt:
    span: Span


@dataclass(frozen=True, slots=True)
class Target:
    """What is assigned to: a variable, or a region of one. `index.target` is then the Name of the variable."""

    span: Span
    name: str
    index: Index | None


@dataclass(frozen=True, slots=True)
class Assign(Stmt):
    """`target = value`, or `target += value` if `accumulate`."""

    target: Target
    value: Expr
    accumulate: bool


@dataclass(frozen=True, slots=True)
class MultiAssign(Stmt):
    """`[a, b] = f(...)`"""

    targets: tuple[Target, ...]
    call: Call


@dataclass(frozen=True, slots=True)
class CallStmt(Stmt):
    """A call whose results, if any, are not used: print, write, stop, or any function."""

    call: Call


@dataclass(frozen=True, slots=True)
class If(Stmt):
    condition: Expr
    then: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...]


@dataclass(frozen=True, slots=True)
class While(Stmt):
    condition: Expr
    body: tuple[Stmt, ...]


@dataclass(frozen=True, slots=True)
class For(Stmt):
    """`for (variable in start:stop)` or `seq(start, stop, step)`; `items` is set instead for a loop over a list literal."""

    variable: str
    variable_span: Span
    start: Expr | None
    stop: Expr | None
    step: Expr | None
    items: ListLiteral | None
    parallel: bool
    options: tuple[Arg, ...]
    body: tuple[Stmt, ...]


@dataclass(frozen=True, slots=True)
class Import(Stmt):
    """`source("path") as namespace`"""

    path: str
    path_span: Span
    namespace: str


@dataclass(frozen=True, slots=True)
class SetWd(Stmt):
    path: str


@dataclass(frozen=True, slots=True)
class Declared:
    """A parameter or an output of a function as declared.

    `kind` is "scalar", "matrix", "frame" or "list"; `value_type` is "int", "double", "boolean", "string" or "unknown"
    (`integer` and capitalised spellings are already normalised). Outputs have no default.
    """

    span: Span
    kind: str
    value_type: str
    name: str
    default: Expr | None


@dataclass(frozen=True, slots=True)
class Function:
    """A function definition; `external` for `externalFunction`, whose body is empty."""

    span: Span
    name: str
    name_span: Span
    params: tuple[Declared, ...]
    outputs: tuple[Declared, ...]
    body: tuple[Stmt, ...]
    external: bool


@dataclass(frozen=True, slots=True)
class Script:
    """One file: its statements and functions, in the order in which they are written."""

    source: Source
    statements: tuple[Stmt, ...]
    functions: tuple[Function, ...]
