"""Sequences of statements, in braces or alone, and going on after a statement that cannot be parsed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gramian.errors import Diagnostic
from gramian.lang.dml.cursor import StatementError
from gramian.lang.dml.lexer import END, Lexed
from gramian.lang.dml.signatures import Signatures
from gramian.lang.tree import Function, Stmt

T = TypeVar("T")


class Blocks(Signatures):
    """Reads blocks. What a statement is, a subclass says."""

    def __init__(self, lexed: Lexed) -> None:
        super().__init__(lexed)
        self.functions: list[Function] = []
        # The indices of the open braces, and the number of bodies (in braces or not) around the current place.
        self.braces: list[int] = []
        self.inside = 0
        # How many missing '}' were reported where they belong, rather than at the '{' that stays open at the end.
        self.lost_closers = 0
        # The place directly behind a statement that no ';' ended.
        self.statement_end = -1

    def statement(self) -> Stmt | None:
        """One statement with the ';' behind it; None if it is a function or was wrong (and reported)."""
        raise NotImplementedError

    def recovering(self, into: list[Stmt]) -> None:
        """Read one statement; if it cannot be parsed, report that and move to the next one."""
        first, depth, opened = self.pos, self.depth, len(self.opened)
        self.statement_start = self.token.start
        try:
            statement = self.statement()
            if statement is not None:
                into.append(statement)
        except StatementError as failure:
            self.record(failure.diagnostic)
            if self.pos == first and self.kind != "}":
                self.advance()
            self.resync(self.opened[opened:], failure.resume)
            self.depth = depth
            del self.opened[opened:]
        # For the statement around it, what matters begins here.
        self.statement_start = self.token.start

    def head(self, read: Callable[[], T]) -> T | None:
        """What stands between `if`, `while` or `for` and the body; None if it is wrong. The body is read anyway."""
        depth, opened = self.depth, len(self.opened)
        try:
            return read()
        except StatementError as failure:
            self.record(failure.diagnostic)
            brackets = self.opened[opened:]
            close = self.matching.get(brackets[0]) if brackets else None
            if close is not None and close >= self.pos:
                self.seek(close + 1)
                self.resumed_at = self.pos
            else:
                self.resync(brackets, failure.resume)
            self.depth = depth
            del self.opened[opened:]
            return None

    def body(self, word: str) -> tuple[Stmt, ...]:
        """The body of `if`, `else` or a loop: a block or one statement."""
        if self.kind == "{":
            return self.block()
        if self.kind in (END, "}"):
            if self.resumed_at == self.pos:
                return ()
            self.fail(f"expected the body of '{word}', but found {self.describe()}", hint="an empty body is written {}")
        if self.kind == ";":
            self.report(f"expected the body of '{word}', but found ';'", hint="an empty body is written {}")
            self.advance()
            return ()
        self.deeper()
        self.inside += 1
        body: list[Stmt] = []
        self.recovering(body)
        self.inside -= 1
        self.depth -= 1
        return tuple(body)

    def block(self) -> tuple[Stmt, ...]:
        """Statements in braces, possibly none."""
        opening = self.pos
        self.deeper()
        self.inside += 1
        self.braces.append(opening)
        self.advance()
        body: list[Stmt] = []
        while self.kind not in ("}", END) and not self._else_lacks_closer(opening):
            self.recovering(body)
        if self.kind == END:
            self._report_unclosed(opening)
        elif self.kind == "else":
            line = self.source.place(self.tokens[opening].start)[0]
            self.report(f"expected '}}' before 'else', to close '{{' opened at line {line}")
            self.lost_closers += 1
        if self.kind == "}":
            self.advance()
        self.braces.pop()
        self.inside -= 1
        self.depth -= 1
        return tuple(body)

    def _else_lacks_closer(self, opening: int) -> bool:
        """Does an `else` stand in the block of its own `if`, in a file that lacks a '}'?"""
        if self.kind != "else" or not self.in_unclosed_block() or self.tokens[opening - 1].kind != ")":
            return False
        head = next((first for first, last in self.matching.items() if last == opening - 1), 0)
        return self.tokens[head - 1].kind == "if"

    def in_unclosed_block(self) -> bool:
        """Is one of the blocks around the current place never closed, so that it may end before this place?"""
        return any(opening not in self.matching for opening in self.braces)

    def _report_unclosed(self, opening: int) -> None:
        opener = self.tokens[opening]
        if any(offset > opener.start for offset in self.lexed.swallowed):
            return
        if self.lost_closers:
            self.lost_closers -= 1
            return
        line = self.source.place(opener.start)[0]
        message = f"expected '}}' to close '{{' opened at line {line}, but found the end of the file"
        finding = Diagnostic(message, self.span(opener))
        suspect = self._misindented(opening)
        if suspect is not None:
            inner, close = suspect
            inner_line = self.source.place(self.tokens[inner].start)[0]
            note = f"this '}}' closes the '{{' of line {inner_line} but is indented less; is one missing before it?"
            finding = finding.with_note(note, self.span(self.tokens[close]))
        self.add(finding)

    def _misindented(self, opening: int) -> tuple[int, int] | None:
        """The first block inside an unclosed one whose '}' is indented less than the line of its '{'."""
        for inner, close in sorted(self.matching.items()):
            in_braces = inner > opening and self.tokens[inner].kind == "{" and self.starts_line(close)
            if in_braces and self._indent(close) < self._indent(inner):
                return inner, close
        return None

    def _indent(self, index: int) -> int:
        return self.source.place(self.tokens[self.line_start(index)].start)[1]
