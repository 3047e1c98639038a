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


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: what is wrong, where, a hint, and notes (further places that matter, such as the chain of calls)."""

    message: str
    span: Span | None = None
    hint: str | None = None
    notes: tuple[tuple[str, Span | None], ...] = ()

    def with_note(self, text: str, span: Span | None = None) -> Diagnostic:
        return replace(self, notes=(*self.notes, (text, span)))

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


class ScriptError(GramianError):
    """Something is wrong with a script, or went wrong while it ran."""

    def __init__(self, diagnostics: Diagnostic | Sequence[Diagnostic]) -> None:
        found = [diagnostics] if isinstance(diagnostics, Diagnostic) else list(diagnostics)
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
