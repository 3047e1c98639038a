"""What the compiler may learn from files that a script reads: not from those that the script itself writes before.

A file tells kind, value type and size of what is read from it. It is trusted in statements of the main script that run
exactly once, if nothing before them may have written it; in other code if no file of the program writes anything.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from gramian.errors import Diagnostic, OperationError, ScriptError
from gramian.io.remote import local
from gramian.ir.node import Node
from gramian.ir.op import Op
from gramian.ir.types import Type
from gramian.lang import tree
from gramian.lang.lower.context import Context
from gramian.ops.io import type_from_file


def note_write(c: Context, value: Node, path: Node) -> None:
    """Remember what the script writes, and where if that is known."""
    known = path.type.value
    certain = c.is_main and c.depth == 0
    real = os.path.realpath(local(known)) if isinstance(known, str) else None
    c.unit.written[real] = value.type.without_value() if certain else value.type.without_size()


def note_call(c: Context) -> None:
    """A function may write whatever it likes, if functions write at all."""
    if any(file.writes and file.script.functions for file in c.unit.files.all):
        c.unit.written[None] = None


def type_of_input(c: Context, op: Op, args: Sequence[Node], e: tree.Call) -> Type | None:
    """The type of what a read statement will give, if the file tells now, or what the script wrote there before.

    Raises:
        ScriptError: the file is missing, or its metadata are wrong or say something else than the statement.
    """
    path = args[0].type.value
    if not isinstance(path, str):
        return None
    real = os.path.realpath(local(path))
    written = c.unit.written.get(real)
    if written is not None:
        return written if c.is_main and c.depth == 0 and None not in c.unit.written else written.without_size()
    if not _trusted(c, real):
        return None
    try:
        return type_from_file(path, tuple(a.type for a in args[1:]))
    except OperationError as wrong:
        if c.depth > 0:
            return None  # it may never run
        place = c.culprit(op, args, e.span, wrong.message)
        if place == e.span:
            place = e.args[0].value.span
        raise ScriptError(Diagnostic(wrong.message, place, wrong.hint)) from None


def _trusted(c: Context, real: str) -> bool:
    if c.is_main and c.depth == 0:
        return None not in c.unit.written and not any(_inside(real, w) or _inside(w, real) for w in c.unit.written if w)
    return not any(file.writes for file in c.unit.files.all)


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)
