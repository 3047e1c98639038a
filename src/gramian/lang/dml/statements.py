"""Statements and function definitions of DML, and the whole script."""

from __future__ import annotations

from collections.abc import Callable

from gramian.lang.dml import words
from gramian.lang.dml.control import Control
from gramian.lang.dml.lexer import END, NAME, QUALIFIED, STRING, Token
from gramian.lang.dml.signatures import Outline
from gramian.lang.dml.strays import Strays
from gramian.lang.tree import (
    Assign,
    Call,
    CallStmt,
    Expr,
    Function,
    Import,
    MultiAssign,
    Name,
    Script,
    SetWd,
    Stmt,
    Target,
)


class Statements(Control, Strays):
    """Reads scripts."""

    def script(self) -> Script:
        """The whole file. The result counts only if nothing was found wrong."""
        statements: list[Stmt] = []
        while self.kind != END:
            if self.kind == "}":
                if not self.lexed.swallowed:
                    self.report("'}' closes nothing")
                self.advance()
            else:
                self.recovering(statements)
        return Script(self.source, tuple(statements), tuple(self.functions))

    def statement(self) -> Stmt | None:
        read = _STATEMENTS.get(self.kind, Statements.stray)
        result = read(self)
        if self.kind != ";":
            self.statement_end = self.pos
        while self.kind == ";":
            self.advance()
        return result

    # Assignments and calls

    def _named(self) -> Stmt | None:
        following = self.ahead()
        if following == "(":
            return self._call_statement()
        if following == "[" or following in words.ASSIGNMENTS:
            return self._assignment()
        return self.stray()

    def _assignment(self) -> Stmt | None:
        first, known = self.pos, len(self.found)
        target = self._target()
        if self.kind not in words.ASSIGNMENTS:
            return self._not_after_all(first, known)
        operator = self.advance()
        if self.kind in ("function", "externalFunction"):
            self._definition(first, target, operator)
            return None
        value = self._assigned(first)
        return Assign(self.span_from(first), target, value, operator.kind == "+=")

    def _target(self) -> Target:
        first = self.pos
        name = self.expect_name("a variable")
        index = None
        if self.kind == "[":
            index = self.index(first, Name(self.span(name), str(name.value)))
        return Target(self.span_from(first), str(name.value), index)

    def _not_after_all(self, first: int, known: int) -> Stmt | None:
        """What started like a statement is an expression: read it again as such."""
        del self.found[known:]
        self.seek(first)
        return self.stray()

    def _assigned(self, first: int) -> Expr:
        """The right side of the assignment that started at token `first`."""
        value = self.expression()
        while self.kind in words.ASSIGNMENTS:
            self.check_dangling(first)
            hint = "write one assignment for each variable, as in b = 3; a = b"
            self.report("an assignment has no value, so it cannot be assigned again", hint=hint)
            self.advance()
            self.expression()
        self.tidy()
        return value

    def _call_statement(self) -> Stmt | None:
        first, known = self.pos, len(self.found)
        call = self.call()
        goes_on = self.kind in words.BINARY_LEVELS or self.kind in words.ASSIGNMENTS
        if goes_on or (self.kind == "[" and self.continues_index()):
            return self._not_after_all(first, known)
        return CallStmt(self.span_from(first), call)

    def _qualified(self) -> Stmt | None:
        if self.ahead() in words.ASSIGNMENTS:
            self.fail(f"{self.describe()} belongs to another file and cannot be assigned to")
        return self._call_statement() if self.ahead() == "(" else self.stray()

    def _multi_assignment(self) -> Stmt | None:
        first = self.pos
        opening = self.open_bracket()
        targets: list[Target] = []
        while True:
            if self.kind != NAME and not self.at_reserved():
                self.fail(f"expected a variable in '[...] =', but found {self.describe()}")
            targets.append(self._target())
            if not self.next_item(opening, "variable"):
                break
        self.close_bracket(opening, "',' or ")
        if self.kind not in words.ASSIGNMENTS:
            self.fail(f"expected '=' after '[...]', but found {self.describe()}", hint="write [a, b] = f(...)")
        if self.kind == "+=":
            self.report("several variables cannot be assigned with '+='", hint="write [a, b] = f(...)")
        self.advance()
        value = self._assigned(first)
        if isinstance(value, Call):
            return MultiAssign(self.span_from(first), tuple(targets), value)
        self.report("the right side of '[...] =' must be one call of a function", value.span)
        return None

    # Files

    def _import(self) -> Stmt:
        first = self.pos
        if self.inside and not self.in_unclosed_block():
            hint = "move it to the start of the script"
            self.report("'source' is possible only at the top level of a script", hint=hint)
        self.advance()
        hint = 'write source("path/file.dml") as name'
        path = self._path("source", hint)
        if self.kind != "as":
            place = self.span_from(first) if self.starts_line(self.pos) else self.span()
            self.fail(f"expected 'as' and a name for the file, but found {self.describe()}", place, hint)
        self.advance()
        namespace = self.expect_name("the namespace")
        return Import(self.span_from(first), str(path.value), self.span(path), str(namespace.value))

    def _set_directory(self) -> Stmt:
        first = self.pos
        self.advance()
        path = self._path("setwd", 'write setwd("path")')
        return SetWd(self.span_from(first), str(path.value))

    def _path(self, word: str, hint: str) -> Token:
        if self.kind != "(":
            self.fail(f"expected '(' after '{word}', but found {self.describe()}", hint=hint)
        opening = self.open_bracket()
        path = self.expect(STRING, "a path as a string in quotes", hint)
        self.close_bracket(opening)
        return path

    # Functions

    def _definition(self, first: int, target: Target, operator: Token) -> None:
        word = self.token
        name = self.tokens[first]
        if target.index is not None or operator.kind == "+=":
            self.report("a function is defined by name = function(...)", target.span)
        # If a block is never closed, it is the missing '}' that makes the function look nested.
        if self.inside and not self.in_unclosed_block():
            hint = "define it before or after; it can be used everywhere in the file"
            self.report("a function can be defined only at the top level, not inside a block or function", hint=hint)
        self.advance()
        external = word.kind == "externalFunction"
        outline = self.head(lambda: self.signature(external))
        body = () if external else self._function_body(self.describe(name))
        params, outputs = outline or _NO_OUTLINE
        span = self.span_from(first)
        self.functions.append(Function(span, target.name, self.span(name), params, outputs, body, external))

    def _function_body(self, name: str) -> tuple[Stmt, ...]:
        if self.kind != "{":
            if self.resumed_at == self.pos:
                return ()
            self.fail(f"expected '{{' and the body of function {name}, but found {self.describe()}")
        if self.ahead() == "}":
            self.report(f"the body of function {name} is empty", hint="a function needs at least one statement")
        return self.block()


_NO_OUTLINE: Outline = ((), ())

_STATEMENTS: dict[str, Callable[[Statements], Stmt | None]] = {
    NAME: Statements._named,
    QUALIFIED: Statements._qualified,
    "[": Statements._multi_assignment,
    "if": Statements.if_,
    "while": Statements.while_,
    "for": Statements.for_,
    "parfor": Statements.for_,
    "source": Statements._import,
    "setwd": Statements._set_directory,
}
