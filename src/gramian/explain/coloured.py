"""A script's text with colours for comments, strings, words and numbers."""

from __future__ import annotations

import re

from gramian.explain.markup import Markup, joined, tag
from gramian.source import Source

_PARTS = re.compile(
    r"""(?P<comment>\#[^\n]*|/\*.*?(?:\*/|\Z))
    |(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    |(?P<word>\b(?:if|else|while|for|parfor|in|function|externalFunction|return|source|as|setwd|TRUE|FALSE)\b)
    |(?P<number>(?<![\w.])(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?L?\b)""",
    re.VERBOSE | re.DOTALL,
)


def coloured_lines(source: Source) -> list[Markup]:
    """The lines of a source. What goes over several lines is coloured in each."""
    lines: list[list[Markup]] = [[]]

    def add(text: str, kind: str | None) -> None:
        for at, part in enumerate(text.split("\n")):
            if at:
                lines.append([])
            if part:
                lines[-1].append(tag("span", part, class_=f"hl-{kind}") if kind else joined(part))

    end = 0
    text = source.text.replace("\r\n", "\n")
    for found in _PARTS.finditer(text):
        add(text[end : found.start()], None)
        add(found.group(), found.lastgroup)
        end = found.end()
    add(text[end:], None)
    if not lines[-1]:
        lines.pop()
    return [joined(*parts) for parts in lines]
