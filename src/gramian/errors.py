"""The errors that a user of gramian sees, as a family:

    GramianError
    ├── UsageError        the command line is wrong                           exit status 2
    ├── SetupError        this machine or a cluster lacks what a run needs    exit status 1
    ├── OperationError    a kernel or reader refuses its input; no place yet
    └── ScriptError       one or more diagnostics with places in a script     exit status 1

Kernels raise `OperationError`, which knows what is wrong but not where; the compiler and the runtime add the place
and raise `ScriptError`. Anything else that escapes is a defect of gramian.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from gramian.source import Span


class GramianError(Exception):
    """Base of all errors that are addressed to the user."""


class UsageError(GramianError):
    """The command line or an API call is wrong."""


class SetupError(GramianError):
    """Something outside of scripts is missing or does not answer. `hint` is one short sentence on what to do."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message + (f"\n  hint: {hint}" if hint else ""))
        self.message = message
        self.hint = hint


class OperationError(GramianError):
    """An operation refuses its input. `hint` is one short sentence on what to do, or None."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class SizeError(OperationError):
    """Sizes or indices do not fit. In code that may not run it is no error before it runs."""


CALLED_AT = "called at"  # ends the notes that say where an open function was called, innermost first
LONGEST_QUOTE = 60  # characters of code in a note


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: what is wrong, where, a hint, and notes (further places that matter, such as the chain of calls)."""

    message: str
    span: Span | None = None
    hint: str | None = None
    notes: tuple[tuple[str, Span | None], ...] = ()

    def with_note(self, text: str, span: Span | None = None) -> Diagnostic:
        return replace(self, notes=(*self.notes, (text, span)))

    def at_the_callers_place(self) -> Diagnostic:
        """What is wrong inside the library is shown where the user's script called it, which its author can change."""
        if self.span is None or not self.span.source.is_packaged:
            return self
        calls = [at for at, (text, _) in enumerate(self.notes) if text.endswith(CALLED_AT)]
        for at in calls:
            text, place = self.notes[at]
            if place is None or place.source.is_packaged:
                continue
            found = (_found_in(self.span), self.span)
            notes = (*self.notes[: calls[0]], found, *self.notes[calls[0] : at], *self.notes[at + 1 :])
            _, inside = found if at == calls[0] else self.notes[at - 1]
            # Operands that do not fit are arguments that do not fit: the library's own code needs no advice.
            hint = _order_of_arguments(text, inside) if calls[0] > 0 else None
            return replace(self, span=place, notes=notes, hint=hint or self.hint)
        return self

    def render(self) -> str:
        """The finding as the user reads it: place and message, the source line with carets, the hint, the notes."""
        where = f"{self.span}: " if self.span else ""
        lines = [f"{where}error: {self.message}"]
        if self.span:
            lines.append(self.span.draw())
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        for text, span in self.notes:
            lines.append(f"  note: {text}" + (f" {span}" if span else ""))
        return "\n".join(lines)


def _found_in(span: Span) -> str:
    """What leads to a place inside the library; code is quoted if it is short."""
    quoted = len(span.text) <= LONGEST_QUOTE and "\n" not in span.text and not span.text.startswith("stop")
    return f"in '{span.text}' at" if quoted else "found at"


def _order_of_arguments(call: str, inside: Span | None) -> str | None:
    """A hint for the call of a function of the library, from a note such as "in forward(), called at"."""
    name = call.removeprefix("in ").split("(")[0]
    parameters = inside.source.parameters(name) if inside is not None else []
    return f"the arguments of {name}() are, in this order: {', '.join(parameters)}" if parameters else None


class ScriptError(GramianError):
    """Something is wrong with a script, or went wrong while it ran."""

    def __init__(self, diagnostics: Diagnostic | Sequence[Diagnostic]) -> None:
        given = [diagnostics] if isinstance(diagnostics, Diagnostic) else diagnostics
        found = [diagnostic.at_the_callers_place() for diagnostic in given]
        super().__init__("\n".join(d.message for d in found))
        self.diagnostics = found

    def render(self) -> str:
        return "\n\n".join(d.render() for d in self.diagnostics)


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint that names the closest of the known names, if one is close."""
    names = list(known)
    folded = {n.lower(): n for n in names}
    if name.lower() in folded:
        return f"did you mean '{folded[name.lower()]}'?"
    close = get_close_matches(name, names, n=1, cutoff=0.7)
    # Abbreviations, such as 'min' for 'minimum', are close without being similar.
    close = close or [n for n in names if min(len(n), len(name)) >= 3 and (name.startswith(n) or n.startswith(name))]
    return f"did you mean '{close[0]}'?" if close else None
