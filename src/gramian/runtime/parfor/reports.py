"""Errors on their way from a worker in another process, whose stack stays there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from traceback import format_exception

from gramian.errors import Diagnostic, GramianError, ScriptError
from gramian.ir.origins import Note
from gramian.runtime.failure import InternalError


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

    def error(self, above: tuple[Note, ...] = ()) -> GramianError:
        """The error; `above` is where the functions were called that are still running here."""
        if self.diagnostics:
            return ScriptError([replace(found, notes=(*found.notes, *above)) for found in self.diagnostics])
        error = InternalError(self.text)
        error.add_note(self.traceback)
        return error
