"""The statements `if`, `while`, `for` and `parfor`."""

from __future__ import annotations

from typing import NamedTuple

from gramian.lang.dml import words
from gramian.lang.dml.blocks import Blocks
from gramian.lang.dml.lexer import NAME, Token
from gramian.lang.tree import Arg, Call, Expr, For, If, ListLiteral, Literal, While

_SEQ_NAMES = ("from", "to", "incr")


class Range(NamedTuple):
    """What a loop runs over."""

    start: Expr | None = None
    stop: Expr | None = None
    step: Expr | None = None
    items: ListLiteral | None = None


class LoopHead(NamedTuple):
    variable: Token
    range: Range
    options: tuple[Arg, ...]


class Control(Blocks):
    """Reads branches and loops."""

    def if_(self) -> If:
        first = self.pos
        self.advance()
        condition = self._condition("if")
        then = self.body("if")
        if self.kind == "else":
            self.advance()
            return If(self.span_from(first), condition, then, self.body("else"))
        if self.kind == NAME and self.token.value in words.ELSE_IF_WORDS and self.ahead() not in words.ASSIGNMENTS:
            self.report(f"DML has no {self.describe()}", hint="write 'else if' as two words")
            self.deeper()
            orelse = self.if_()
            self.depth -= 1
            return If(self.span_from(first), condition, then, (orelse,))
        return If(self.span_from(first), condition, then, ())

    def while_(self) -> While:
        first = self.pos
        self.advance()
        condition = self._condition("while")
        body = self.body("while")
        return While(self.span_from(first), condition, body)

    def _condition(self, word: str) -> Expr:
        # After an error in the head any expression will do in its place, as the script is refused anyway.
        place = self.span()
        condition = self.head(lambda: self._bare_condition(word) if self.kind != "(" else self._in_parentheses(word))
        return condition or Literal(place, True)

    def _bare_condition(self, word: str) -> Expr:
        hint = f"write {word} (condition) {{ ... }}"
        self.report(f"the condition of '{word}' needs parentheses, but found {self.describe()}", hint=hint)
        condition = self.expression()
        if self.kind != ":":
            self.tidy()
        self._skip_extra_closer()
        return condition

    def _skip_extra_closer(self) -> None:
        """Without the opening parenthesis, a closing one or a ':' as in Python is no further error."""
        if self.kind in (")", ":"):
            self.advance()

    def _in_parentheses(self, word: str) -> Expr:
        opening = self.open_bracket()
        condition = self.expression()
        self.tidy()
        self.close_bracket(opening, "an operator or ")
        if self.kind in words.BINARY_LEVELS:
            hint = f"write {word} ((a) {self.kind} (b))"
            self.report(f"the whole condition of '{word}' must stand in parentheses", hint=hint)
            self.advance()
            self.expression()
        return condition

    def for_(self) -> For:
        first = self.pos
        word = self.advance()
        place = self.token
        head = self.head(lambda: self._loop_head(word.kind))
        body = self.body(word.kind)
        head = head or LoopHead(place, Range(), ())
        return For(
            self.span_from(first),
            str(head.variable.value),
            self.span(head.variable),
            *head.range,
            word.kind == "parfor",
            head.options,
            body,
        )

    def _loop_head(self, word: str) -> LoopHead:
        opening = None
        if self.kind == "(":
            opening = self.open_bracket()
        else:
            hint = f"write {word} (i in 1:n) {{ ... }}"
            self.report(f"the head of '{word}' needs parentheses, but found {self.describe()}", hint=hint)
        variable = self.expect_name("the loop variable")
        hint = f"write {word} (i in 1:n)"
        self.expect("in", f"'in' after the loop variable {self.describe(variable)}", hint)
        range_ = self._range(word)
        options = self._options()
        if opening is None:
            self._skip_extra_closer()
        else:
            self.close_bracket(opening, "',' or ")
        return LoopHead(variable, range_, options)

    def _range(self, word: str) -> Range:
        start = self.expression()
        if self.kind == ":":
            self.advance()
            stop = self.expression()
            if self.kind == ":":
                self.fail("a range has no step", hint="write seq(from, to, step)")
            return Range(start, stop)
        if isinstance(start, ListLiteral):
            return Range(items=start)
        if isinstance(start, Call) and start.namespace is None and start.function == "seq":
            return self._sequence(start)
        hint = "use an index, as in for (i in 1:nrow(v)) with v[i] in the body"
        message = (
            f"'{word}' runs over a range a:b, seq(from, to, step) or a list [a, b, c], not over another expression"
        )
        self.report(message, start.span, hint)
        return Range()

    def _sequence(self, call: Call) -> Range:
        if not 2 <= len(call.args) <= 3:
            self.report(f"seq takes two or three arguments, but got {len(call.args)}", call.span)
            return Range()
        values: dict[str, Expr] = {}
        free = iter(_SEQ_NAMES)
        for arg in call.args:
            name = arg.name or next(n for n in free if n not in values)
            if name not in _SEQ_NAMES or name in values:
                self.report("unexpected argument of seq", arg.span, "write seq(from, to, incr)")
                return Range()
            values[name] = arg.value
        if "from" not in values or "to" not in values:
            self.report("seq needs the arguments 'from' and 'to'", call.span)
        return Range(values.get("from"), values.get("to"), values.get("incr"))

    def _options(self) -> tuple[Arg, ...]:
        options: list[Arg] = []
        while self.kind == ",":
            self.advance()
            first = self.pos
            name = self.expect_name("an option")
            self.expect("=", f"'=' after the option {self.describe(name)}")
            value = self.expression()
            options.append(Arg(self.span_from(first), str(name.value), value))
        return tuple(options)
