"""Places in a script: a source text, a span of it, and the drawing of a caret under that span.

Every message that reaches the author of a script goes through `Span.draw`, so that all of them look the same.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field

# A declared parameter: a type, such as matrix[double], and a name, behind which a default or another parameter may stand.
_PARAMETER = re.compile(r"[A-Za-z]+(?:\[[^\]]*\])?\s+([A-Za-z][\w.]*)(?=\s*(?:,|=|$))")


@dataclass(frozen=True, eq=False)
class Source:
    """A script's text with the name that messages call it by (a path as the user wrote it).

    `is_packaged` tells files of the library that comes with gramian from those of the user.
    """

    name: str
    text: str
    is_packaged: bool = False
    _starts: list[int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        starts = [0]
        starts += [at + 1 for at, char in enumerate(self.text) if char == "\n"]
        object.__setattr__(self, "_starts", starts)

    def place(self, offset: int) -> tuple[int, int]:
        """The line and column of a character offset, both counted from 1."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line (counted from 1) without its line break."""
        start = self._starts[number - 1]
        end = self._starts[number] - 1 if number < len(self._starts) else len(self.text)
        return self.text[start:end].rstrip("\r")

    def parameters(self, function: str) -> list[str]:
        """The names of the parameters of a function that the text defines, in their order; none if it does not."""
        defined = re.search(
            rf"^[ \t]*{function}\s*(?:=|<-)\s*function\s*\((.*?)\)\s*(?:return|\{{)", self.text, re.M | re.S
        )
        return _PARAMETER.findall(defined[1]) if defined else []


@dataclass(frozen=True, slots=True)
class Span:
    """The characters `start` up to, not including, `end` of a source.

    `caller` tells of code that was inlined: the title of its function, and where that was called.
    """

    source: Source
    start: int
    end: int
    caller: tuple[str, Span] | None = None

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of the other."""
        return Span(self.source, min(self.start, other.start), max(self.end, other.end))

    @property
    def line(self) -> int:
        return self.source.place(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.place(self.start)[1]

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"

    def draw(self) -> str:
        """The first line of the span with carets under the part that belongs to it."""
        line, column = self.source.place(self.start)
        text = self.source.line(line)
        width = max(1, min(self.end - self.start, len(text) - column + 1))
        gutter = f"{line:>5} | "
        # Tabs are kept in the padding so that the caret stands under its character at any tab width.
        pad = "".join("\t" if char == "\t" else " " for char in text[: column - 1])
        return f"{gutter}{text}\n{' ' * (len(gutter) - 2)}| {pad}{'^' * width}"
