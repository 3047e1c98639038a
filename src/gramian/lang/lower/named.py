"""Functions that arguments name in text, as in paramserv(upd="gradients") or paramserv(upd="mnist.dml::gradients").

A name that is known here is looked up here, where it stands, and its file is compiled with the program; other names are
left to the running program.
"""

from __future__ import annotations

from gramian.errors import did_you_mean
from gramian.ir.node import Node, literal
from gramian.ir.op import REGISTRY, Op
from gramian.lang.files import File, Signature
from gramian.lang.lower import expressions
from gramian.lang.lower.context import Context, Poisoned
from gramian.source import Span


def resolved(c: Context, op: Op, args: list[Node], spans: list[Span]) -> list[Node]:
    """The arguments, with the unique names of functions in place of the names that the user writes.

    Raises:
        ScriptError: there is no such function.
    """
    return [
        _named(c, op, arg.type.value, span)
        if op.param(at).name in op.functions and isinstance(arg.type.value, str)
        else arg
        for at, (arg, span) in enumerate(zip(args, spans, strict=True))
    ]


def _named(c: Context, op: Op, text: str, span: Span) -> Node:
    found = signature(c, op, text, span)
    c.unit.named[found.name] = found
    return c.place(literal(found.name), span)


def signature(c: Context, op: Op, text: str, span: Span) -> Signature:
    path, _, name = text.rpartition("::")
    if path:
        return _of_file(_file(c, path, span), name, span)
    found = c.file.functions.get(name) or (None if name in REGISTRY else c.unit.files.library(name))
    if found is not None:
        return found
    hint = did_you_mean(name, c.file.functions)
    if name in REGISTRY:
        hint = f"{op.name}() calls functions that are written in DML"
    raise expressions.error(f"function '{name}' is not defined", span, hint)


def _file(c: Context, path: str, span: Span) -> File:
    """A namespace of the file, or another file."""
    if path in c.file.missing:
        raise Poisoned
    file = c.file.namespaces.get(path) or c.unit.files.sourced(path, c.file, span)
    if file is None and "." not in path:
        hint = did_you_mean(path, c.file.namespaces) or f'load it with source("...") as {path}'
        raise expressions.error(f"namespace '{path}' is not defined", span, hint)
    if file is None:
        raise expressions.error(f"source file '{path}' does not exist", span, 'a function is named as "file.dml::name"')
    return file


def _of_file(file: File, name: str, span: Span) -> Signature:
    if file.broken:
        raise Poisoned
    found = file.functions.get(name)
    if found is None:
        there = f"it has {', '.join(sorted(file.functions)) or 'none'}"
        hint = did_you_mean(name, file.functions) or there
        raise expressions.error(f"{file.script.source.name} has no function '{name}'", span, hint)
    return found
