"""Errors on their way from a worker in another process, whose stack stays there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from traceback import format_exception

from gramian.errors import CALLED_AT, Diagnostic, GramianError, ScriptError
from gramian.ir.origins import Note
from gramian.runtime.failure import InternalError
from gramian.source import Span


@dataclass(frozen=True)
class Report:
    """All that is known of an error."""

    diagnostics: tuple[Diagnostic, ...]
    text: str
    traceback: str

    @classmethod
    def of(cls, explained: GramianError, error: Exception) -> Report:
        found = tuple(explained.diagnostics) if isinstance(explained, ScriptError) else ()
        return cls(found, str(explained), "".join(format_exception(error)))

    def error(self, above: tuple[Note, ...] = (), place: Span | None = None) -> GramianError:
        """The error.

        `above` is where the functions were called that are still running here, `place` where they called those there.
        """
        if self.diagnostics:
            return ScriptError([replace(d, notes=(*_called_at(d.notes, place), *above)) for d in self.diagnostics])
        error = InternalError(self.text)
        error.add_note(self.traceback)
        return error


def explained(error: Exception, diagnosis: Callable[[], Diagnostic]) -> GramianError:
    """An error as the author of the script sees it."""
    if isinstance(error, ScriptError):
        return error
    try:
        return ScriptError(diagnosis())
    except InternalError as defect:
        return defect


def _called_at(notes: Sequence[Note], place: Span | None) -> Iterator[Note]:
    """Notes with the place of the call that came from here."""
    for text, span in notes:
        yield text, place if span is None and text.endswith(CALLED_AT) else span
