"""From what went wrong in generated code to an error with a place in the script and the chain of calls."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any

from gramian.errors import Diagnostic, GramianError, OperationError, ScriptError, SizeError
from gramian.ir.node import Node
from gramian.ir.origins import Note, guilty_place, inlined_calls, operand_notes
from gramian.ir.program import Assign, Block, Function, Item
from gramian.ir.types import Kind, Type
from gramian.runtime.codegen import Generated, Site, site_of
from gramian.source import Span

# The generated sources of a running program, by the names of the files that Python takes them for.
Units = Mapping[str, Generated]


class InternalError(GramianError):
    """A defect of gramian, not of the script."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where a generated function was when something failed in it, or in what it called.

    `function` is the function of the script that it is, or the rest of which it is. `code` is the generated expression at
    work and `node` what it comes from; `values` are the generated variables, and `held` says which of them hold which nodes.
    """

    name: str
    function: Function | None
    is_call: bool  # rather than the body of a parfor, or the rest of a function
    span: Span | None
    code: str
    node: Node | None
    item: Item | None
    values: Mapping[str, Any]
    held: Mapping[Node, str]


def points(traceback: TracebackType | None, units: Units) -> list[Point]:
    """The generated functions that were running, outermost first."""
    found = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename in units and code.co_name != "<module>":
            found.append(_point(traceback, units[code.co_filename]))
        traceback = traceback.tb_next
    return found


def _point(traceback: TracebackType, generated: Generated) -> Point:
    line = traceback.tb_lineno
    span, origin = generated.spans[line - 1], generated.origins[line - 1]
    code = _code_at_work(traceback, generated)
    name, values = traceback.tb_frame.f_code.co_name, traceback.tb_frame.f_locals
    function, is_call = generated.functions.get(name, generated.parts.get(name)), name in generated.functions
    if origin is None:
        return Point(name, function, is_call, span, code, None, None, values, {})
    node = origin.parts.get(code, origin.node)
    place = origin.item.spans.get(node, span) if node is not None else span
    return Point(name, function, is_call, place, code, node, origin.item, values, origin.names)


def _code_at_work(traceback: TracebackType, generated: Generated) -> str:
    """The expression in a generated line that was being evaluated, or else all of the line."""
    site = site_of(traceback.tb_frame.f_code, traceback.tb_lasti)
    return generated.expression(site if site is not None else Site(traceback.tb_lineno, None, None))


def script_error(error: BaseException, units: Units) -> ScriptError:
    """The error as the author of the script sees it."""
    return (
        error if isinstance(error, ScriptError) else ScriptError(diagnosis(error, points(error.__traceback__, units)))
    )


def diagnosis(error: BaseException, running: list[Point]) -> Diagnostic:
    """What went wrong, where, and the chain of calls; `running` are the functions that it came up through."""
    function = next((p.function for p in reversed(running) if p.function is not None), None)
    message, hint, notes = _explain(error, function, running)
    span = _place(error, running, message) if running else None
    return Diagnostic(message, span, hint, (*notes, *_call_chain(running)))


def enclosing(name: str, generated: Generated) -> Point:
    """A generated function of which only the name is known, since it runs in another process."""
    function = generated.functions.get(name, generated.parts.get(name))
    return Point(name, function, name in generated.functions, None, "", None, None, {}, {})


# Stands for a function that runs in another process, of which nothing is known here.
NOWHERE = Point("", None, False, None, "", None, None, {}, {})


def open_call(frame: FrameType | None, units: Units) -> tuple[Span | None, tuple[Note, ...]]:
    """Where the innermost of the functions that are running is, and where they were called."""
    running = points(stack_above(None, frame), units)
    return (running[-1].span if running else None), _call_chain(running)


def calls_above(frame: FrameType | None, units: Units) -> tuple[Note, ...]:
    """Where the functions that are running were called, innermost first."""
    return _call_chain(points(stack_above(None, frame), units))


def stack_above(traceback: TracebackType | None, frame: FrameType | None) -> TracebackType | None:
    """The traceback as it would be if the error had come up through the calls that are open."""
    while frame is not None:
        traceback = TracebackType(traceback, frame, frame.f_lasti, frame.f_lineno)
        frame = frame.f_back
    return traceback


def _place(error: BaseException, running: list[Point], message: str) -> Span | None:
    point = running[-1]
    if isinstance(error, RecursionError) and len(running) > 1:
        return running[-2].span  # the call that was one too many, rather than what the function did first
    if isinstance(error, NameError) and point.item is not None:
        reads = (span for n, span in point.item.spans.items() if n.is_var and n.name == _variable_of(error))
        return next(reads, point.span)
    if point.node is None or point.item is None or point.span is None:
        return point.span
    return guilty_place(point.node.args, point.node.op, point.item.spans, point.span, message)


Explanation = tuple[str, str | None, tuple[Note, ...]]


def _explain(error: BaseException, function: Function | None, running: list[Point]) -> Explanation:
    match error:
        case SizeError() if function is not None:
            return error.message, error.hint, _sizes(running, function)
        case OperationError():
            return error.message, error.hint, ()
        case NameError():  # UnboundLocalError is one of them
            return _unassigned(error, function)
        case RecursionError():
            many = f"more than {len(running) // 1000 * 1000}" if len(running) > 1000 else str(len(running))
            return (
                f"functions call one another without end: {many} calls are open",
                "check the condition that ends the recursion",
                (),
            )
        case MemoryError():
            return (
                f"not enough memory: {error or 'the system refused to give more'}",
                "work on fewer rows at a time",
                (),
            )
    raise InternalError(f"{type(error).__name__}: {error}") from error


def _unassigned(error: NameError, function: Function | None) -> Explanation:
    name = _variable_of(error)
    places = function.assigned if function is not None else {}
    notes = ((f"'{name}' is assigned at", places[name]),) if name in places else ()
    hint = "it is assigned only on a path that was not taken; assign it before"
    if function is not None and any(o.name == name for o in function.outputs):
        return f"result '{name}' of {function.title}() was not assigned", hint, notes
    return f"variable '{name}' has no value here", hint, notes


def _variable_of(error: NameError) -> str:
    return str(error.name or str(error).split("'")[1])[2:]


# -- sizes ------------------------------------------------------------------------------------------------------------


def _sizes(running: list[Point], function: Function) -> tuple[Note, ...]:
    """What the operands of the failing operator are, and where they were assigned."""
    point = running[-1]
    if point.node is None or point.item is None:
        return ()
    values = dict(zip(point.node.args, _arguments(point), strict=False))
    changed = (
        {s.target for s in point.item.statements if isinstance(s, Assign)} if isinstance(point.item, Block) else ()
    )

    def describe(operand: Node) -> str | None:
        value = values.get(operand)
        if value is None and not (operand.is_var and operand.name in changed):
            value = _value_of(operand, running)
        return _description(value, operand.type.kind)

    return operand_notes(point.node, point.item, function, describe)


def _value_of(operand: Node, running: list[Point]) -> Any:
    """The value of an operand, if it is in a variable of the function that failed, or of what that is the rest of."""
    point = running[-1]
    if operand in point.held or not operand.is_var:
        return point.values.get(point.held.get(operand, ""))
    for outer in reversed(running):
        value = outer.values.get(f"v_{operand.name}")
        if value is not None or outer.is_call:
            return value
    return None


def _arguments(point: Point) -> list[Any]:
    """The values of the arguments of the failing call, None for those that are not plain variables."""
    call = next((n for n in ast.walk(ast.parse(point.code)) if isinstance(n, ast.Call)), None)
    if call is None:
        return []
    names = [arg.value if isinstance(arg, ast.Attribute) else arg for arg in call.args]
    return [point.values.get(name.id) if isinstance(name, ast.Name) else None for name in names]


def _description(value: Any, kind: Kind) -> str | None:
    """What a matrix or frame is; of those that generated code has let go of, there is only the size left."""
    size = value if type(value) is tuple else getattr(value, "shape", None)
    if kind not in (Kind.MATRIX, Kind.FRAME) or not (size and all(isinstance(n, int) for n in size)):
        return None
    return Type(kind, rows=size[0], cols=size[1]).describe()


# -- calls ------------------------------------------------------------------------------------------------------------

MAX_CALLS = 8


def _call_chain(running: list[Point]) -> tuple[Note, ...]:
    """Where each open function was called, innermost first; repetitions and the middle of a long chain are left out."""
    calls: list[Note] = []
    for at, point in enumerate(running):
        if at and point.is_call and point.function is not None:
            calls.append((f"in {point.function.title}(), called at", running[at - 1].span))
        calls += reversed(inlined_calls(point.span))
    calls.reverse()
    total = len(calls)
    calls = [call for call, before in zip(calls, [None, *calls], strict=False) if call != before]
    if len(calls) > MAX_CALLS:
        left_out = total - MAX_CALLS
        many = str(left_out) if left_out < 1000 else "thousands of"
        calls[MAX_CALLS // 2 : -MAX_CALLS // 2] = [(f"... and {many} calls between", None)]
    return tuple(calls)
