"""Calls: of functions of the program, of operators, and the few forms that only look like calls."""

from __future__ import annotations

from collections.abc import Callable

from gramian.errors import Diagnostic, ScriptError, did_you_mean
from gramian.ir import node as ir
from gramian.ir.node import Node, absent, literal
from gramian.ir.op import REGISTRY, ArgumentError, Effect, Op, Trait
from gramian.ir.syntax import Piece, Syntax
from gramian.ir.types import DOUBLE, INT, STRING, UNKNOWN, Kind, Type, ValueType, results
from gramian.lang import tree
from gramian.lang.files import Signature
from gramian.lang.lower import derivatives, expressions, inputs, named
from gramian.lang.lower.context import Context, Poisoned
from gramian.lang.lower.foreign import FUNCTIONS
from gramian.source import Span


def value(c: Context, e: tree.Call) -> Node:
    """A call where one value is needed."""
    node = lower(c, e)
    if node.type.kind is not Kind.TUPLE:
        return node
    if not node.type.items:
        raise expressions.error(f"{_title(e)}() has no result", e.span, "call it as a statement")
    if len(node.type.items) == 1 or _is_library(c, node):
        return c.output(node, 0, e.span)
    names = ", ".join(_output_names(c, e, node))
    raise expressions.error(
        f"{_title(e)}() has {len(node.type.items)} results", e.span, f"take them with [{names}] = {_title(e)}(...)"
    )


def _is_library(c: Context, node: Node) -> bool:
    """Where one value is needed, functions of the library give their first result, as those of SystemDS do."""
    return node.op is ir.CALL and c.unit.called[node.attrs[0]].file.is_library


def _output_names(c: Context, e: tree.Call, node: Node) -> tuple[str, ...]:
    if node.op is ir.CALL:
        return tuple(o.name for o in c.unit.called[node.attrs[0]].declared.outputs)
    return derivatives.result_names(node) if node.op.name == "grad" else node.op.outputs


def _title(e: tree.Call) -> str:
    return f"{e.namespace}::{e.function}" if e.namespace else e.function


def lower(c: Context, e: tree.Call) -> Node:
    """The node of a call; its type is a tuple unless the operator has exactly one result."""
    signature = _find_function(c, e)
    if signature is not None:
        return _user_call(c, e, signature)
    if e.function in SPECIAL:
        return SPECIAL[e.function](c, e)
    op = REGISTRY.get(e.function)
    if op is not None and not op.internal:
        return _operator(c, e, op)
    raise _unknown_function(c, e)


def _find_function(c: Context, e: tree.Call) -> Signature | None:
    if e.namespace is not None:
        file = c.file.namespaces.get(e.namespace)
        if file is None and e.namespace in c.file.missing:
            raise Poisoned
        if file is None:
            hint = did_you_mean(e.namespace, c.file.namespaces) or f'load it with source("...") as {e.namespace}'
            raise expressions.error(f"namespace '{e.namespace}' is not defined", e.name_span, hint)
        if e.function in file.functions:
            return file.functions[e.function]
        if e.function in REGISTRY:
            return None
        if file.broken:
            raise Poisoned
        there = f"it has {', '.join(sorted(file.functions)) or 'none'}"
        raise expressions.error(
            f"{file.script.source.name} has no function '{e.function}'",
            e.name_span,
            did_you_mean(e.function, file.functions) or there,
        )
    own = c.file.functions.get(e.function)
    if own is not None or e.function in SPECIAL or e.function in REGISTRY:
        return own
    return c.unit.files.library(e.function)


def _unknown_function(c: Context, e: tree.Call) -> ScriptError:
    known = [*c.file.functions, *SPECIAL, *(n for n, op in REGISTRY.items() if not op.internal and n[0].isalpha())]
    hint = FUNCTIONS.get(e.function) or did_you_mean(e.function, known)
    if e.function in c.entries:
        hint = f"'{e.function}' is a variable; index it with [ ]"
    return expressions.error(f"function '{e.function}' is not defined", e.name_span, hint)


# -- functions of the program -------------------------------------------------------------------------------------------


def _user_call(c: Context, e: tree.Call, signature: Signature) -> Node:
    declared = signature.declared
    if declared.external:
        raise expressions.error(
            f"'{declared.name}' is an external Java function, which gramian cannot run",
            e.span,
            "write it in DML",
        )
    args = arguments(c, e, signature)
    c.unit.called[signature.name] = signature
    inputs.note_call(c)
    result = results(*(declared_type(output) for output in declared.outputs))
    return c.place(ir.call(signature.name, tuple(args), c.unit.number(), result), e.span)


def arguments(c: Context, e: tree.Call, signature: Signature) -> list[Node]:
    """The arguments of a call in the order of the parameters, converted, with defaults for those left out."""
    declared = signature.declared
    written = _bind(e, signature)
    args = []
    for param, arg in zip(declared.params, written, strict=True):
        if arg is not None:
            node, span = expressions.lower(c, arg.value), arg.value.span
        else:
            assert param.default is not None
            node, span = _default(c, signature, param.default), param.default.span
        args.append(convert(c, node, param, span))
    return args


def _bind(e: tree.Call, signature: Signature) -> list[tree.Arg | None]:
    params = signature.declared.params
    slots: list[tree.Arg | None] = [None] * len(params)
    names = [p.name for p in params]
    position = 0
    for arg in e.args:
        if arg.name is None:
            while position < len(slots) and slots[position] is not None:
                position += 1
            if position == len(slots):
                raise _signature_error(
                    f"{_title(e)}() takes at most {len(params)} arguments, found {len(e.args)}", arg.span, signature
                )
            slots[position] = arg
        elif arg.name not in names:
            hint = did_you_mean(arg.name, names)
            raise _signature_error(f"{_title(e)}() has no argument '{arg.name}'", arg.span, signature, hint)
        elif slots[names.index(arg.name)] is not None:
            raise _signature_error(f"{_title(e)}() gets its argument '{arg.name}' twice", arg.span, signature)
        else:
            slots[names.index(arg.name)] = arg
    for param, slot in zip(params, slots, strict=True):
        if slot is None and param.default is None:
            raise _signature_error(f"{_title(e)}() misses its argument '{param.name}'", e.span, signature)
    return slots


def _signature_error(message: str, span: Span, signature: Signature, hint: str | None = None) -> ScriptError:
    params = ", ".join(map(_parameter_text, signature.declared.params))
    note = (f"{signature.title}({params}) is defined at", signature.declared.name_span)
    return ScriptError(Diagnostic(message, span, hint, (note,)))


def _parameter_text(declared: tree.Declared) -> str:
    default = f" = {declared.default.span.text}" if declared.default is not None else ""
    return f"{declared_type(declared).describe().split(' ', 1)[1]} {declared.name}{default}"


def _default(c: Context, signature: Signature, default: tree.Expr) -> Node:
    """Defaults are constant expressions of the function's own file."""
    inner = Context(c.unit, signature.file, constant=True)
    inner.depth = c.depth
    node = expressions.lower(inner, default)
    if any(n.op.effect is Effect.ORDERED for n in ir.walk([node])):
        raise expressions.error("a default must be a constant expression", default.span)
    return c.place(node, default.span)


def declared_type(declared: tree.Declared) -> Type:
    kind = Kind(declared.kind)
    value_type = DOUBLE if kind is Kind.MATRIX else ValueType(declared.value_type)
    return Type(kind, value_type if kind in (Kind.SCALAR, Kind.MATRIX) else UNKNOWN)


CASTS = {INT: "as.integer", DOUBLE: "as.double", STRING: "toString"}


# What to do about a value of another kind: (wanted, found).
KIND_HINTS = {
    (Kind.MATRIX, Kind.SCALAR): "use as.matrix() to make a 1x1 matrix of a scalar",
    (Kind.SCALAR, Kind.MATRIX): "use as.scalar() to take the number out of a 1x1 matrix",
    (Kind.MATRIX, Kind.FRAME): "use as.matrix()",
    (Kind.FRAME, Kind.MATRIX): "use as.frame()",
    (Kind.MATRIX, Kind.LIST): "use as.matrix() to take it out of the list",
    (Kind.SCALAR, Kind.LIST): "use as.scalar() to take it out of the list",
}


def convert(c: Context, node: Node, param: tree.Declared, span: Span) -> Node:
    """An argument as the declared parameter takes it: scalars are converted, other kinds must agree."""
    wanted = declared_type(param)
    found = node.type
    if wanted.kind is not found.kind:
        hint = KIND_HINTS.get((wanted.kind, found.kind))
        note = (f"'{param.name}' is declared at", param.span)
        message = f"parameter '{param.name}' needs {wanted.describe()}, found {found.describe()}"
        raise ScriptError(Diagnostic(message, span, hint, (note,)))
    if not wanted.is_scalar or wanted.value_type in (found.value_type, UNKNOWN):
        return node
    return cast(c, node, wanted.value_type, span)


def cast(c: Context, node: Node, to: ValueType, span: Span) -> Node:
    name = CASTS.get(to, "as.logical")
    op = REGISTRY[name]
    args = [node, *(literal(p.default) for p in op.params[1:])]
    return c.build(op, args, span)


# -- operators ----------------------------------------------------------------------------------------------------------


def _operator(c: Context, e: tree.Call, op: Op) -> Node:
    try:
        slots = op.bind([arg.name for arg in e.args])
    except ArgumentError as wrong:
        raise expressions.error(
            wrong.message, e.span if wrong.at is None else e.args[wrong.at].span, wrong.hint
        ) from None
    nodes = [expressions.lower(c, arg.value) for arg in e.args]
    fixed = len(op.params) - op.variadic
    args = [nodes[slot] if slot is not None else _filled(op, at) for at, slot in enumerate(slots)]
    for at, slot in enumerate(slots):
        _check_argument(op, min(at, fixed), args[at], e.args[slot].value.span if slot is not None else e.span)
    if op.functions:
        args = named.resolved(c, op, args, [e.span if slot is None else e.args[slot].value.span for slot in slots])
    if op.name == "write":
        inputs.note_write(c, args[0], args[1])
    outside = inputs.type_of_input(c, op, args, e) if op.has(Trait.EXTERNAL) else None
    return c.build(op, args, e.span, type=outside)


def _filled(op: Op, at: int) -> Node:
    default = op.params[at].default
    return absent() if default is None else literal(default)


def _check_argument(op: Op, at: int, node: Node, span: Span) -> None:
    param = op.param(at)
    if param.accepts_type(node.type):
        return
    hint = None
    if node.type.is_matrix and "frame" in param.accepts:
        hint = "use as.frame()"
    elif set(param.accepts) == {"list"}:
        hint = "make a list with list()"
    elif node.type.is_matrix and "matrix" not in param.accepts:
        hint = "use as.scalar() to take the number out of a 1x1 matrix"
    elif node.type.is_numeric and "matrix" in param.accepts:
        hint = "use as.matrix() to make a 1x1 matrix of a scalar"
    elif node.type.kind is Kind.FRAME and "matrix" in param.accepts:
        hint = "use as.matrix() if all columns are numbers"
    elif node.type.kind is Kind.LIST:
        hint = "take an entry out with as.matrix(l[i]) or as.scalar(l[i])"
    raise expressions.error(
        f"argument '{param.name}' of {ir.describe_op(op)} must be {ir.accepted_text(param.accepts)}, "
        f"found {node.type.describe()}",
        span,
        hint,
    )


# -- special forms ------------------------------------------------------------------------------------------------------


def _ifdef(c: Context, e: tree.Call) -> Node:
    """`ifdef($p, default)`: the parameter if it is given, else the default."""
    if len(e.args) != 2:
        raise expressions.error(
            f"ifdef() takes a script parameter and a default, found {len(e.args)} arguments", e.span
        )
    given, default = e.args[0].value, e.args[1].value
    if not isinstance(given, tree.Parameter):
        raise expressions.error(
            "the first argument of ifdef() must be a script parameter", given.span, "as in ifdef($name, 1)"
        )
    if given.name in c.unit.settings.parameters:
        return c.place(literal(c.unit.settings.parameters[given.name]), given.span)
    return expressions.lower(c, default)


def _list(c: Context, e: tree.Call) -> Node:
    names = [arg.name for arg in e.args]
    for at, name in enumerate(names):
        if name is not None and name in names[:at]:
            raise expressions.error(f"list() gets two entries named '{name}'", e.args[at].span)
    return c.build("list", [expressions.lower(c, arg.value) for arg in e.args], e.span, tuple(names))


def _exists(c: Context, e: tree.Call) -> Node:
    """`exists(x)` or `exists("x")`: has the variable a value here?"""
    if len(e.args) != 1:
        raise expressions.error(f"exists() takes one argument, found {len(e.args)}", e.span)
    target = e.args[0].value
    if isinstance(target, tree.Name):
        name = target.name
    elif isinstance(target, tree.Literal) and isinstance(target.value, str):
        name = target.value
    else:
        raise expressions.error("exists() takes the name of a variable", target.span, 'as in exists("x")')
    entry = c.entries.get(name)
    if entry is None or entry.certain:
        return c.place(literal(entry is not None), e.span)
    return c.build("exists", [], e.span, name)


def _eval(c: Context, e: tree.Call) -> Node:
    """`eval("f", args...)`: the function is looked up when it runs."""
    if not e.args:
        raise expressions.error(f"{e.function}() needs the name of a function", e.span)
    name = expressions.lower(c, e.args[0].value)
    if not name.type.is_scalar or name.type.value_type not in (STRING, UNKNOWN):
        raise expressions.error(
            f"the first argument of {e.function}() must be the name of a function, found {name.type.describe()}",
            e.args[0].value.span,
        )
    if isinstance(name.type.value, str) and name.type.value not in REGISTRY:
        c.unit.files.library(name.type.value)  # loads it, if there is one
    args = [name, *(expressions.lower(c, arg.value) for arg in e.args[1:])]
    return c.build(e.function, args, e.span)


def _lineage(c: Context, e: tree.Call) -> Node:
    """`lineage(x)`: the operations that make x, a line each; variables from before the straight-line code are named."""
    if len(e.args) != 1:
        raise expressions.error(f"lineage() takes one argument, found {len(e.args)}", e.span)
    root = expressions.lower(c, e.args[0].value)
    syntax = Syntax({name: signature.title for name, signature in c.unit.called.items()}, {})
    names: dict[Node, Piece] = {}
    lines: list[str] = []
    for node in ir.walk([root]):
        leaf = node.is_var or node.is_literal or node.op is ir.ABSENT
        names[node] = Piece(node.name) if node.is_var else syntax.render(node, names.__getitem__) if leaf else Piece("")
        if not leaf:
            text = syntax.render(node, names.__getitem__).text
            names[node] = Piece(f"t{len(lines) + 1}")
            lines.append(f"{names[node].text} = {text}")
    return c.place(literal("\n".join(lines) if lines else names[root].text), e.span)


SPECIAL: dict[str, Callable[[Context, tree.Call], Node]] = {
    "ifdef": _ifdef,
    "list": _list,
    "exists": _exists,
    "grad": derivatives.grad,
    "lineage": _lineage,
    "eval": _eval,
    "evalList": _eval,
}
