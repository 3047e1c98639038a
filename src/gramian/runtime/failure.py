"""From what went wrong in generated code to an error with a place in the script and the chain of calls."""

from __future__ import annotations

from types import TracebackType

from gramian.errors import Diagnostic, GramianError, OperationError, ScriptError
from gramian.ir.program import Function
from gramian.runtime.codegen import Generated
from gramian.source import Span

Frame = tuple[str, Span | None]


class InternalError(GramianError):
    """A defect of gramian, not of the script."""


def frames(traceback: TracebackType | None, generated: Generated, filename: str) -> list[Frame]:
    """The generated functions that were running, outermost first, each with the place that it had reached."""
    found = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename == filename and code.co_name != "<module>":
            found.append((code.co_name, generated.spans[traceback.tb_lineno - 1]))
        traceback = traceback.tb_next
    return found


def script_error(error: BaseException, generated: Generated, filename: str) -> ScriptError:
    """The error as the author of the script sees it."""
    if isinstance(error, ScriptError):
        return error
    running = frames(error.__traceback__, generated, filename)
    span = running[-1][1] if running else None
    function = next((generated.functions[n] for n, _ in reversed(running) if n in generated.functions), None)
    message, hint, notes = _explain(error, function, generated, running)
    return ScriptError(Diagnostic(message, span, hint, (*notes, *_call_chain(running, generated))))


Explanation = tuple[str, str | None, tuple[tuple[str, Span | None], ...]]


def _explain(
    error: BaseException, function: Function | None, generated: Generated, running: list[Frame]
) -> Explanation:
    match error:
        case OperationError():
            return error.message, error.hint, ()
        case NameError():  # UnboundLocalError is one of them
            return _unassigned(error, function)
        case RecursionError():
            title = generated.functions[running[-1][0]].title if running[-1][0] in generated.functions else "functions"
            return (
                f"functions call one another too deeply: {len(running)} calls are open, the last of {title}()",
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
    name = str(error.name or str(error).split("'")[1])[2:]
    places = function.assigned if function is not None else {}
    notes = ((f"'{name}' is assigned at", places[name]),) if name in places else ()
    hint = "it is assigned only on a path that was not taken; assign it before"
    if function is not None and any(o.name == name for o in function.outputs):
        return f"result '{name}' of {function.title}() was not assigned", hint, notes
    return f"variable '{name}' has no value here", hint, notes


MAX_CALLS = 8


def _call_chain(running: list[Frame], generated: Generated) -> tuple[tuple[str, Span | None], ...]:
    """Where each open function was called, innermost first; the middle of a long chain is left out."""
    calls: list[tuple[str, Span | None]] = []
    places = [place for _, place in running]
    for at, place in enumerate(places):
        if at and running[at][0] in generated.functions:
            calls.append((f"in {generated.functions[running[at][0]].title}(), called at", places[at - 1]))
        inlined = []
        while place is not None and place.caller is not None:
            inlined.append((f"in {place.caller[0]}(), called at", place.caller[1]))
            place = place.caller[1]
        calls += reversed(inlined)
    calls.reverse()
    if len(calls) > MAX_CALLS:
        left_out = len(calls) - MAX_CALLS
        calls[MAX_CALLS // 2 : -MAX_CALLS // 2] = [(f"... and {left_out} calls between", None)]
    return tuple(calls)
