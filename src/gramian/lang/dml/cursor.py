"""The parser's place in the tokens: looking ahead, opening and closing brackets, reporting errors, going on after one.

Two ways to report: `report` records a finding whose meaning is clear enough to parse on, `fail` gives up the current
statement; `resync` then looks for the place where the next one starts.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import cached_property
from typing import NoReturn

from gramian.errors import Diagnostic
from gramian.lang.dml import words
from gramian.lang.dml.lexer import (
    END,
    LITERALS,
    MAX_ERRORS,
    NAME,
    PARAMETER,
    QUALIFIED,
    STRING,
    TYPE,
    Lexed,
    Token,
)
from gramian.source import Span

# Brackets, prefix operators and blocks inside each other. The parser and the passes after it are recursive; this
# keeps all of them clear of Python's limit.
MAX_DEPTH = 120

CLOSERS = {"(": ")", "[": "]", "{": "}"}
_STATEMENT_WORDS = frozenset(("if", "else", "for", "parfor", "while", "source", "setwd", "return", "}"))
_AFTER_STATEMENT_NAME = words.ASSIGNMENTS | {"(", "["}
_VALUE_STARTS = LITERALS | {NAME, QUALIFIED, PARAMETER}
_VALUE_ENDS = LITERALS | {NAME, PARAMETER, ")", "]"}
_OPERAND_STARTS = _VALUE_STARTS | {"(", "ifdef"}


class StatementError(Exception):
    """The statement at hand cannot be parsed; `resume` is the token at which to go on, if that is known."""

    def __init__(self, diagnostic: Diagnostic, resume: int | None = None) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic
        self.resume = resume


class GiveUpError(Exception):
    """Parsing ends here: too many errors, or nested too deeply."""


class Cursor:
    """A position in the tokens of one source and the findings so far."""

    def __init__(self, lexed: Lexed) -> None:
        self.lexed = lexed
        self.source = lexed.source
        self.tokens = lexed.tokens
        self.found: list[Diagnostic] = []
        # The last finding that was left out because an error of the lexer explains it.
        self.suppressed: Diagnostic | None = None
        self.depth = 0
        # The indices of the '(' and '[' that are open.
        self.opened: list[int] = []
        # Where the statement at hand begins, or goes on behind the last statement inside it: an error of the lexer
        # after this offset may be the cause of what the parser finds.
        self.statement_start = 0
        # Where parsing went on after an error: what stands there may be odd because of that error.
        self.resumed_at = -1
        self._lexical = sorted(e.span.start for e in lexed.errors if e.span is not None)
        self.seek(0)

    # Moving and looking

    def seek(self, position: int) -> None:
        self.pos = position
        self.token = self.tokens[position]
        self.kind = self.token.kind

    def advance(self) -> Token:
        """Step over the current token (never over the end) and give it back."""
        token = self.token
        if token.kind != END:
            self.pos += 1
            self.token = self.tokens[self.pos]
            self.kind = self.token.kind
        return token

    def ahead(self, distance: int = 1) -> str:
        """The kind of a later token."""
        position = self.pos + distance
        return self.tokens[position].kind if position < len(self.tokens) else END

    def starts_line(self, position: int) -> bool:
        """Is the token the first on its line?"""
        if position == 0:
            return True
        return self.source.text.find("\n", self.tokens[position - 1].end, self.tokens[position].start) >= 0

    def line_start(self, position: int) -> int:
        """The first token on the line of a token."""
        while not self.starts_line(position):
            position -= 1
        return position

    def starts_operand(self) -> bool:
        """Could the current token, standing behind a complete expression, start another one?"""
        return self.kind in _OPERAND_STARTS

    def looks_like_statement(self, position: int) -> bool:
        """Is this probably the first token of a statement?"""
        kind = self.tokens[position].kind
        if kind in (NAME, QUALIFIED):
            return self.tokens[position + 1].kind in _AFTER_STATEMENT_NAME
        return kind in _STATEMENT_WORDS or (kind == "[" and self.is_multi_target(position))

    def is_multi_target(self, position: int) -> bool:
        """Is the '[' at this place the start of `[a, b] = ...`?"""
        close = self.matching.get(position)
        return close is not None and self.tokens[close + 1].kind in words.ASSIGNMENTS

    @cached_property
    def matching(self) -> dict[int, int]:
        """For each opening bracket that is closed, the index of its closing one.

        Braces are stronger than the other brackets, as no expression contains one: `( {` and `( }` leave the
        parenthesis unclosed. Only needed for errors and for a '[' that starts a line, so made on demand.
        """
        pairs: dict[int, int] = {}
        stack: list[int] = []
        for index, token in enumerate(self.tokens):
            kind = token.kind
            if kind in ("(", "["):
                stack.append(index)
            elif kind in (")", "]"):
                self._match_round(index, stack, pairs)
            elif kind in ("{", "}"):
                while stack and self.tokens[stack[-1]].kind != "{":
                    stack.pop()
                if kind == "{":
                    stack.append(index)
                elif stack:
                    pairs[stack.pop()] = index
        return pairs

    def _match_round(self, index: int, stack: list[int], pairs: dict[int, int]) -> None:
        wanted = "(" if self.tokens[index].kind == ")" else "["
        # One unclosed bracket of the other kind is stepped over, as in `(a[1)`.
        for back in (1, 2):
            if len(stack) < back or self.tokens[stack[-back]].kind == "{":
                return
            if self.tokens[stack[-back]].kind == wanted:
                pairs[stack[-back]] = index
                del stack[-back:]
                return

    # Spans and descriptions

    def span(self, token: Token | None = None) -> Span:
        """The span of a token, by default of the current one."""
        token = token or self.token
        return Span(self.source, token.start, token.end)

    def span_from(self, first: int) -> Span:
        """The span from a token up to the last one stepped over."""
        last = max(first, self.pos - 1)
        return Span(self.source, self.tokens[first].start, self.tokens[last].end)

    def describe(self, token: Token | None = None) -> str:
        """A token as messages call it."""
        token = token or self.token
        if token.kind == END:
            return "the end of the file"
        text = self.source.text[token.start : token.end].split("\n")[0]
        text = text if len(text) <= 30 else text[:27] + "..."
        return f"the string {text}" if token.kind == STRING else f"'{text}'"

    # Reporting

    def report(self, message: str, span: Span | None = None, hint: str | None = None) -> None:
        """Record an error (by default at the current token) and go on."""
        self.record(Diagnostic(message, span or self.span(), hint))

    def fail(
        self, message: str, span: Span | None = None, hint: str | None = None, resume: int | None = None
    ) -> NoReturn:
        """Give up the statement at hand."""
        raise StatementError(Diagnostic(message, span or self.span(), hint), resume)

    def record(self, diagnostic: Diagnostic) -> None:
        """Record a finding, unless the lexer has reported its cause."""
        if self._follows_lexical_error():
            self.suppressed = diagnostic
            return
        before = self.tokens[max(self.pos - 1, 0)]
        if before.kind == STRING and self.source.text.find("\n", before.start, before.end) >= 0:
            note = "the string before it goes over several lines; is its closing quote missing?"
            diagnostic = diagnostic.with_note(note, Span(self.source, before.start, before.start + 1))
        self.add(diagnostic)

    def add(self, diagnostic: Diagnostic) -> None:
        """Record a finding in any case."""
        self.found.append(diagnostic)
        if len(self.found) + len(self.lexed.errors) >= MAX_ERRORS:
            raise GiveUpError

    def _follows_lexical_error(self) -> bool:
        here = self.token.end
        if self.lexed.blind_from is not None and here >= self.lexed.blind_from:
            return True
        return bisect_left(self._lexical, self.statement_start) < bisect_right(self._lexical, here)

    def too_deep(self) -> NoReturn:
        """Report that the script is nested too deeply; there is no going on after that."""
        hint = "assign parts of it to variables, or move them into functions"
        self.found.append(Diagnostic(f"nested too deeply (more than {MAX_DEPTH} levels)", self.span(), hint))
        raise GiveUpError

    def deeper(self) -> None:
        """Count one more level of nesting."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.too_deep()

    # Brackets

    def open_bracket(self) -> int:
        """Step over an opening bracket; the result is for `close_bracket`."""
        opening = self.pos
        self.deeper()
        self.opened.append(opening)
        self.advance()
        return opening

    def close_bracket(self, opening: int, alternatives: str = "") -> None:
        """Step over the bracket that closes the one at `opening`, or explain what stands there instead.

        `alternatives`: what else could have followed, such as "',' or ".
        """
        opener = self.tokens[opening]
        closer = CLOSERS[opener.kind]
        if self.kind != closer:
            self._fail_unclosed(opening, closer, alternatives)
        self.depth -= 1
        self.opened.pop()
        self.advance()

    def _fail_unclosed(self, opening: int, closer: str, alternatives: str) -> NoReturn:
        opener = self.tokens[opening]
        line = self.source.place(opener.start)[0]
        what = f"'{closer}' to close '{opener.kind}' opened at line {line}"
        if opening in self.matching:
            hint = self.foreign_word_hint() or ("use == to compare" if self.kind == "=" else None)
            self.fail(f"expected {alternatives}{what}, but found {self.describe()}", hint=hint)
        message = f"expected {what}, but found {self.describe()}"
        raise StatementError(
            Diagnostic(message, self.span(opener)).with_note(f"'{closer}' is expected before", self.span())
        )

    def goes_on_inside(self, opening: int) -> bool:
        """Does the current token belong into the open bracket?

        Not if the bracket is never closed and the token looks like the next statement.
        """
        return opening in self.matching or not (self.starts_line(self.pos) and self.looks_like_statement(self.pos))

    def check_dangling(self, first: int) -> None:
        """At the '=' of `x = 3 *` with `y = 4` on the next line: it is the '*' that lacks something."""
        name = self.line_start(self.pos)
        if name <= first or self.tokens[name].kind not in (NAME, "["):
            return
        before = self.tokens[name - 1]
        if before.kind in words.BINARY_LEVELS or before.kind in words.PREFIX_LEVELS:
            doubled = before.kind == self.tokens[name - 2].kind and before.start == self.tokens[name - 2].end
            hint = f"DML has no '{before.kind * 2}'; write x = x {before.kind} 1" if doubled else None
            self.fail(f"the operator '{before.kind}' has no right side", self.span(before), hint, name)
        if before.kind in words.ASSIGNMENTS:
            self.fail(f"expected a value after '{before.kind}'", self.span(before), resume=name)

    def foreign_word_hint(self) -> str | None:
        """What to write in DML instead of the current name, if it comes from another language."""
        return words.FOREIGN_WORDS.get(str(self.token.value)) if self.kind == NAME else None

    # Names

    def expect(self, kind: str, what: str, hint: str | None = None) -> Token:
        """Step over a token of this kind or give up; `what` says what is expected here."""
        if self.kind != kind:
            self.fail(f"expected {what}, but found {self.describe()}", hint=hint)
        return self.advance()

    def expect_name(self, what: str) -> Token:
        """Step over a plain name; a reserved word in its place is reported and taken as one."""
        if self.at_reserved():
            self.report(f"'{self.token.value}' is a reserved word and cannot be the name of {what}")
            return self.advance()
        return self.expect(NAME, f"the name of {what}")

    def at_reserved(self) -> bool:
        """Is the current token a reserved word?"""
        return self.kind == TYPE or self.kind in words.RESERVED

    # Going on after an error

    def resync(self, opened: list[int], resume: int | None = None) -> None:
        """Move to where the next statement probably starts.

        `opened`: the round and square brackets of the failed statement that were open, outermost first.
        """
        self._leave_brackets(opened, resume)
        unclosed = any(opening not in self.matching for opening in opened)
        while not self._is_resting_place(unclosed):
            close = self.matching.get(self.pos) if self.kind in ("(", "[") else None
            self.seek(self.pos + 1 if close is None else close + 1)
        if self.kind == ";":
            while self.kind == ";":
                self.advance()
        self.resumed_at = self.pos

    def _leave_brackets(self, opened: list[int], resume: int | None) -> None:
        if resume is not None:
            self.seek(resume)
            return
        for opening in opened:
            close = self.matching.get(opening)
            if close is None:
                break
            if close >= self.pos:
                self.seek(close + 1)
                return
        # In `x = (3 +` with `y = 4` on the next line the '=' is what does not fit, but `y` is where to go on.
        if self.kind in words.ASSIGNMENTS:
            first = self.line_start(self.pos)
            if self.tokens[first].start > self.statement_start and self.looks_like_statement(first):
                self.seek(first)

    def _is_resting_place(self, unclosed: bool) -> bool:
        if self.kind in (END, "{", "}", ";"):
            return True
        if not self.starts_line(self.pos):
            return False
        # A value behind a value continues nothing; inside an unclosed bracket it might be an item after a
        # forgotten comma.
        behind_value = self.pos > 0 and self.tokens[self.pos - 1].kind in _VALUE_ENDS
        return (behind_value and self.kind in _VALUE_STARTS and not unclosed) or self.looks_like_statement(self.pos)
