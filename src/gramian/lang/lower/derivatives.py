"""`[dW, db] = grad(f, X, W, b, wrt=list("W", "b"), dout=dout)`: derivatives of the first result of a function."""

from __future__ import annotations

from dataclasses import replace

from gramian.errors import Diagnostic, ScriptError, did_you_mean
from gramian.ir.node import Node, absent, intern
from gramian.ir.op import REGISTRY
from gramian.ir.types import DOUBLE, UNKNOWN, Kind, Type, results
from gramian.lang import tree
from gramian.lang.files import Signature
from gramian.lang.lower import calls, expressions, inputs, named
from gramian.lang.lower.context import Context

OPTIONS = ("wrt", "dout")
USAGE = 'usage: grad(f, arguments of f..., wrt=list("W", "b"), dout=gradient of the result)'


def grad(c: Context, e: tree.Call) -> Node:
    """The node of a call of grad(): the pass `differentiate` puts a call of a function of its own in its place."""
    if not e.args or e.args[0].name is not None:
        raise expressions.error("grad() needs the name of a function first", e.span, USAGE)
    signature = _function(c, e.args[0].value)
    options = {arg.name: arg for arg in e.args[1:] if arg.name in OPTIONS}
    given = tuple(arg for arg in e.args[1:] if arg.name not in OPTIONS)
    for arg in e.args[1:]:
        if arg.name in OPTIONS and options[arg.name] is not arg:
            raise expressions.error(f"grad() gets its argument '{arg.name}' twice", arg.span)
    called = replace(e, namespace=None, function=signature.title, args=given)
    args = calls.arguments(c, called, signature)
    wrt = _parameters(signature, options.get("wrt"), e)
    dout = _gradient_of_result(c, signature, options.get("dout"), e)
    c.unit.called[signature.name] = signature
    inputs.note_call(c)
    types = {p.name: calls.declared_type(p) for p in signature.declared.params}
    type = results(*(types[name].without_size() for name in wrt))
    return c.place(intern(REGISTRY["grad"], (*args, dout), (signature.name, wrt, c.unit.number()), type), e.span)


def result_names(node: Node) -> tuple[str, ...]:
    return tuple(f"d{name}" for name in node.attrs[1])


def _function(c: Context, e: tree.Expr) -> Signature:
    if isinstance(e, tree.Name) and e.name not in c.file.functions and e.name in c.entries:
        hint = 'the function is named as it is called: f, "f" or "namespace::f"'
        raise expressions.error(
            f"the first argument of grad() must name a function, '{e.name}' is a variable", e.span, hint
        )
    if isinstance(e, tree.Name):
        signature = named.signature(c, REGISTRY["grad"], e.name, e.span)
    elif isinstance(e, tree.Literal) and isinstance(e.value, str):
        signature = named.signature(c, REGISTRY["grad"], e.value, e.span)
    else:
        raise expressions.error("the first argument of grad() must be the name of a function", e.span, USAGE)
    if not signature.declared.outputs:
        raise expressions.error(f"{signature.title}() has no result to differentiate", e.span)
    return signature


def _is_differentiable(type: Type) -> bool:
    return type.is_matrix or (type.is_scalar and type.value_type in (DOUBLE, UNKNOWN))


def _parameters(signature: Signature, given: tree.Arg | None, e: tree.Call) -> tuple[str, ...]:
    """The parameters to differentiate by: those of `wrt`, or all matrices and doubles."""
    declared = {p.name: p for p in signature.declared.params}
    if given is None:
        found = tuple(name for name, p in declared.items() if _is_differentiable(calls.declared_type(p)))
        if not found:
            raise expressions.error(f"{signature.title}() has no parameter to differentiate by", e.span)
        return found
    names = _names(given.value)
    for at, (name, place) in enumerate(names):
        if name not in declared:
            hint = did_you_mean(name, declared) or f"it has {', '.join(declared) or 'none'}"
            raise expressions.error(f"{signature.title}() has no parameter '{name}'", place.span, hint)
        if name in [earlier for earlier, _ in names[:at]]:
            raise expressions.error(f"wrt names the parameter '{name}' twice", place.span)
        type = calls.declared_type(declared[name])
        if not _is_differentiable(type):
            note = (f"'{name}' is declared at", declared[name].span)
            message = f"there is no derivative by '{name}', which is {type.describe()}"
            hint = "only matrices and doubles have derivatives"
            raise ScriptError(Diagnostic(message, place.span, hint, (note,)))
    return tuple(name for name, _ in names)


def _names(e: tree.Expr) -> list[tuple[str, tree.Expr]]:
    if isinstance(e, tree.Call) and e.function == "list" and e.namespace is None:
        entries = [arg.value for arg in e.args]
    elif isinstance(e, tree.ListLiteral):
        entries = list(e.items)
    else:
        entries = [e]
    found = [(x.value, x) for x in entries if isinstance(x, tree.Literal) and isinstance(x.value, str)]
    if len(found) < len(entries) or not found:
        raise expressions.error("wrt must list the names of parameters", e.span, 'as in wrt="W" or wrt=list("W", "b")')
    return [(str(name), place) for name, place in found]


def _gradient_of_result(c: Context, signature: Signature, given: tree.Arg | None, e: tree.Call) -> Node:
    output = signature.declared.outputs[0]
    type = calls.declared_type(output)
    if not _is_differentiable(type):
        note = ("declared at", output.span)
        message = f"the result '{output.name}' of {signature.title}() is {type.describe()}, which has no derivative"
        raise ScriptError(Diagnostic(message, e.span, "it must be a double or a matrix", (note,)))
    if given is None:
        return absent()
    node = expressions.lower(c, given.value)
    if node.type.kind is not type.kind or (node.type.is_scalar and not node.type.is_numeric):
        hint = "use as.matrix()" if type.kind is Kind.MATRIX and node.type.is_numeric else None
        message = f"dout must be {type.describe()}, as the result '{output.name}' is, found {node.type.describe()}"
        raise expressions.error(message, given.value.span, hint)
    return node
