"""What is not a statement, though it stands where one is expected: saying why, and what to write instead."""

from __future__ import annotations

from gramian.lang.dml import words
from gramian.lang.dml.blocks import Blocks
from gramian.lang.dml.expressions import EXPRESSION_STARTS
from gramian.lang.dml.lexer import LITERALS, NAME, PARAMETER, QUALIFIED, STRING, TYPE
from gramian.lang.tree import Call, Expr, Literal, Name, Parameter, Stmt

# What cannot follow a name in any expression.
_VALUES = LITERALS | {NAME, QUALIFIED, PARAMETER}
_FUNCTION_HINT = "write f = function(matrix[double] X) return (double y) { ... }"


class Strays(Blocks):
    """Explains tokens that cannot start a statement."""

    def stray(self) -> Stmt | None:
        """Report what stands here, skip what belongs to it, and give back a statement if one is recognisable."""
        kind = self.kind
        if kind == ";":
            self.report("';' with no statement in front of it", hint="remove it")
        elif kind in (")", "]"):
            self._closer()
        elif kind == "{":
            self._block()
        elif kind == "else":
            self._else()
        elif kind == "return":
            self._return()
        elif kind in ("function", "externalFunction"):
            self.fail("a function is defined by assigning it to a name", hint=_FUNCTION_HINT)
        elif self.at_reserved() and (kind != "ifdef" or self.ahead() in words.ASSIGNMENTS):
            return self._reserved()
        elif kind in EXPRESSION_STARTS:
            self._expression()
        else:
            self.fail(f"expected a statement, but found {self.describe()}")
        return None

    def _closer(self) -> None:
        if self.resumed_at == self.pos:
            self.advance()
            self.resumed_at = self.pos
        else:
            self.fail(f"'{self.kind}' closes nothing")

    def _block(self) -> None:
        resumed = self.resumed_at == self.pos
        if not resumed:
            self.report("a block belongs behind 'if', 'else', 'for', 'parfor', 'while' or the head of a function")
        self.block()
        if resumed:
            self.resumed_at = self.pos

    def _else(self) -> None:
        if self.resumed_at != self.pos:
            hint = "remove the ';' before it" if self.tokens[self.pos - 1].kind == ";" else None
            self.report("'else' without an 'if' in front of it", hint=hint)
        self.advance()
        self.body("else")

    def _return(self) -> None:
        hint = "name the outputs in the head, f = function(...) return (double y) {...}, and assign them in the body"
        self.report("'return' is not a statement", hint=hint)
        self.advance()
        close = self.matching.get(self.pos)
        if close is None:
            self.resync([])
        else:
            self.seek(close + 1)

    def _reserved(self) -> Stmt | None:
        word = self.describe()
        if self.kind == TYPE and self.ahead() == NAME and self.ahead(2) in words.ASSIGNMENTS:
            name = self.tokens[self.pos + 1].value
            self.report("a variable is not declared with a type", hint=f"write {name} = ...")
            self.advance()
            return self.statement()
        if self.ahead() not in words.ASSIGNMENTS:
            self.fail(f"expected a statement, but found the reserved word {word}", hint=self._reserved_hint())
        self.report(f"{word} is a reserved word and cannot be the name of a variable")
        self.advance()
        self._skip_assignment()
        return None

    def _skip_assignment(self) -> None:
        self.advance()
        self.expression()
        self.tidy()

    def _expression(self) -> None:
        if self._follows_value():
            self._fail_two_values()
        if self.kind == NAME and self._explained_name():
            return
        first = self.pos
        name = self.describe()
        expr = self.expression()
        if self.kind in words.ASSIGNMENTS:
            self.check_dangling(first)
            self.report(f"{_described(expr)} cannot be assigned to", expr.span, _target_hint(expr))
            self._skip_assignment()
        elif self.kind == ":":
            self.tidy()
        else:
            what = f"the name {name}" if isinstance(expr, Name) else _described(expr)
            hint = "assign it to a variable, or print it"
            self.report(f"{what} alone is not a statement", expr.span, hint)

    def _follows_value(self) -> bool:
        """Does the current token stand directly behind a statement, on the same line?"""
        if self.pos != self.statement_end or self.starts_line(self.pos):
            return False
        return self.tokens[self.pos - 1].kind not in ("}", "{")

    def _fail_two_values(self) -> None:
        hint = self.foreign_word_hint() or "put an operator between the two values, or a ';' between two statements"
        if self.kind == STRING and self.tokens[self.pos - 1].kind == STRING:
            hint = "strings are joined by +"
        if self.kind == "{":
            hint = "a block needs 'if', 'for' or 'while' in front of it"
        self.fail(f"expected an operator or the end of the statement, but found {self.describe()}", hint=hint)

    def _explained_name(self) -> bool:
        """A name that starts no assignment and no call. True if what follows it is dealt with."""
        name = self.describe()
        hint = self.foreign_word_hint()
        if hint is not None:
            self.report(f"DML has no {name}", hint=hint)
            self.advance()
            if not self.starts_line(self.pos):
                self.resync([])
            self.resumed_at = self.pos
            return True
        following = self.tokens[self.pos + 1]
        if following.kind == PARAMETER and following.start == self.token.end:
            hint = f'use {self.token.value}["{following.value}"] = ... for an entry of a list'
            self.fail("'$' does not select from a list or frame", self.span(following), hint)
        if following.kind in _VALUES and not self.starts_line(self.pos + 1):
            message = f"expected '=' or '(' after {name}, but found {self.describe(following)}"
            hint = f"write {self.token.value}({self.span(following).text})" if following.kind == STRING else None
            self.fail(message, self.span(following), hint)
        return False


def _described(expr: Expr) -> str:
    if isinstance(expr, Literal):
        if isinstance(expr.value, str):
            return "a string"
        return "a truth value" if isinstance(expr.value, bool) else "a number"
    if isinstance(expr, Parameter):
        return "a script parameter"
    return "the result of a call" if isinstance(expr, Call) else "an expression"


def _target_hint(expr: Expr) -> str:
    if isinstance(expr, Parameter):
        return (
            f"parameters are set on the command line; assign to a variable instead, as in {_variable(expr.name)} = ..."
        )
    return "assign to a variable x, a part X[i, j] of one, or several [a, b]"


def _variable(name: str) -> str:
    return name if name[0].isalpha() else "x"
