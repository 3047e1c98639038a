"""Expressions of DML, by precedence climbing over the table of operators in `words`.

Chains of operators that group to the left are read by a loop; only brackets, prefix operators and `^` recurse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from gramian.lang.dml import words
from gramian.lang.dml.cursor import Cursor
from gramian.lang.dml.lexer import BOOLEAN, DOUBLE, INT, LITERALS, NAME, PARAMETER, QUALIFIED, STRING, TYPE
from gramian.lang.tree import (
    Arg,
    Binary,
    Call,
    Expr,
    Index,
    ListLiteral,
    Literal,
    Name,
    Parameter,
    Subscript,
    Unary,
)


class Expressions(Cursor):
    """Reads expressions."""

    def expression(self, level: int = 0) -> Expr:
        """An expression whose operators all bind at least as tightly as `level`."""
        first = self.pos
        read = _OPERANDS.get(self.kind)
        left = read(self) if read else self._no_operand()
        while True:
            binding = words.BINARY_LEVELS.get(self.kind, -1)
            if binding < level or binding < 0:
                return left
            operator = self.advance()
            right = self._power() if operator.kind == "^" else self.expression(binding + 1)
            left = Binary(self.span_from(first), operator.kind, left, right, self.span(operator))

    def _power(self) -> Expr:
        # The only operator that groups to the right.
        self.deeper()
        right = self.expression(words.BINARY_LEVELS["^"])
        self.depth -= 1
        return right

    def tidy(self) -> None:
        """After a complete expression: report a range or an assignment that has no business here, and skip it."""
        while self.kind == ":" or self.kind in words.ASSIGNMENTS:
            self._report_misplaced()
            self.advance()
            self.expression()

    def _report_misplaced(self) -> None:
        if self.kind == ":":
            hint = "use seq(a, b) for a column of numbers"
            self.report("a range a:b is only possible in 'for (i in a:b)' and in an index", hint=hint)
        elif self.kind == "=":
            self.report("'=' assigns, and an assignment is not an expression", hint="use == to compare")
        elif self.kind == "<-":
            hint = "use == to compare; for 'less than minus' write a blank, as in x < -3"
            self.report("'<-' assigns, and an assignment is not an expression", hint=hint)
        else:
            self.report("'+=' is an assignment, not an expression")

    # Operands

    def _literal(self) -> Expr:
        token = self.advance()
        if self.kind == "[":
            self._check_not_indexed()
        return Literal(self.span(token), token.value)

    def _parameter(self) -> Expr:
        token = self.advance()
        if self.kind == "[":
            self._check_not_indexed()
        return Parameter(self.span(token), str(token.value))

    def _check_not_indexed(self) -> None:
        if not self.starts_line(self.pos) and not self.is_multi_target(self.pos):
            self.fail("only variables, results of calls and expressions in parentheses can be indexed")

    def _name(self) -> Expr:
        first = self.pos
        if self.ahead() == "(":
            return self._postfix(first, self.call())
        token = self.advance()
        expr: Expr = Name(self.span(token), str(token.value))
        return self._postfix(first, expr) if self.kind in ("[", PARAMETER) else expr

    def _called(self) -> Expr:
        first = self.pos
        if self.ahead() != "(":
            if self.kind == QUALIFIED:  # the name of a function, which only grad() takes
                token = self.advance()
                return Name(self.span(token), str(token.value))
            self.fail("expected '(' after 'ifdef'", hint="write ifdef($name, default)")
        return self._postfix(first, self.call())

    def _group(self) -> Expr:
        first = self.pos
        opening = self.open_bracket()
        inner = self.expression()
        self.tidy()
        self.close_bracket(opening, "an operator or ")
        return self._postfix(first, inner) if self.kind == "[" else inner

    def _list(self) -> Expr:
        first = self.pos
        opening = self.open_bracket()
        if self.kind == "]":
            self.report("a list in brackets needs at least one value", hint="use list() for an empty list")
        items = [] if self.kind == "]" else self._list_items(opening)
        self.close_bracket(opening, "',' or ")
        return ListLiteral(self.span_from(first), tuple(items))

    def _list_items(self, opening: int) -> list[Expr]:
        items: list[Expr] = []
        while True:
            items.append(self.expression())
            self.tidy()
            if not self.next_item(opening, "value"):
                return items

    def _prefix(self) -> Expr:
        first = self.pos
        self.deeper()
        operator = self.advance()
        operand = self.expression(words.PREFIX_LEVELS[operator.kind])
        self.depth -= 1
        return Unary(self.span_from(first), operator.kind, operand)

    def _no_operand(self) -> NoReturn:
        here = self.describe()
        before = self.tokens[self.pos - 1] if self.pos > 0 else None
        after = ""
        if before is not None and (before.kind in words.BINARY_LEVELS or before.kind in words.ASSIGNMENTS):
            after = f" after '{before.kind}'"
        elif before is not None and before.kind == "!":
            after = " after '!'"
        if self.kind == TYPE or self.at_reserved():
            self.fail(f"expected a value{after}, but found the reserved word {here}", hint=self._reserved_hint())
        self.fail(f"expected a value{after}, but found {here}")

    def _reserved_hint(self) -> str | None:
        if self.kind == TYPE and self.ahead() == "(":
            word = str(self.token.value).lower()
            conversion = {"int": "as.integer", "integer": "as.integer", "double": "as.double", "boolean": "as.logical"}
            return f"use {conversion.get(word, 'toString')}(...) to convert"
        if self.kind == "function":
            return "functions have names and stand at the top level: f = function(...) return (...) { ... }"
        if self.kind == "if":
            return "'if' is a statement; use ifelse(condition, a, b)"
        return None

    # Calls

    def call(self) -> Call:
        """A call; the current token is the name and the next the parenthesis, which may stand on a later line."""
        first = self.pos
        name = self.advance()
        arguments = self._arguments()
        namespace, _, function = str(name.value).rpartition("::")
        return Call(self.span_from(first), namespace or None, function, arguments, self.span(name))

    def _arguments(self) -> tuple[Arg, ...]:
        opening = self.open_bracket()
        arguments: list[Arg] = []
        if self.kind != ")":
            while True:
                if self.kind == ",":
                    self.report("an argument is missing before ','")
                else:
                    arguments.append(self.argument())
                if not self.next_item(opening, "argument"):
                    break
        self.close_bracket(opening, "',' or ")
        return tuple(arguments)

    def next_item(self, opening: int, what: str) -> bool:
        """Inside brackets, between two items: step over the comma. False if there is no further item."""
        if self.kind == ",":
            comma = self.advance()
            if self.kind != ")" and self.kind != "]":
                return True
            self.report(f"expected another {what} after ','", self.span(comma), "drop the comma")
            return False
        if self.starts_operand() and self.goes_on_inside(opening):
            message = f"expected ',' or an operator between two {what}s, but found {self.describe()}"
            if hint := self.foreign_word_hint():
                self.fail(message, hint=hint)
            self.report(message)
            return True
        return False

    def argument(self) -> Arg:
        """`value` or `name = value`"""
        first = self.pos
        name = None
        if self.ahead() == "=" and (self.kind == NAME or self.at_reserved()):
            name = str(self.expect_name("an argument").value)
            self.advance()
        value = self.expression()
        if self.kind in words.ASSIGNMENTS:
            self._report_argument_name(value)
            self.advance()
            value = self.expression()
        self.tidy()
        return Arg(self.span_from(first), name, value)

    def _report_argument_name(self, value: Expr) -> None:
        if self.kind != "=":
            hint = "an argument is named by '=', as in f(x = 3)" if isinstance(value, Name) else None
            self.report(f"an argument cannot contain the assignment '{self.kind}'", hint=hint)
        elif isinstance(value, Literal) and isinstance(value.value, str):
            self.report("the name of an argument stands without quotes", value.span, f"write {value.value} = ...")
        else:
            hint = "use == to compare"
            self.report("expected the name of an argument before '=', but found an expression", value.span, hint)

    # Indexing

    def _postfix(self, first: int, expr: Expr) -> Expr:
        while True:
            if self.kind == "[" and self.continues_index():
                expr = self.index(first, expr)
            elif self.kind == PARAMETER and self.token.start == self.tokens[self.pos - 1].end:
                name = str(self.token.value)
                hint = f'use as.scalar(l["{name}"]) or as.matrix(l["{name}"]) for an entry of a list'
                self.report("'$' does not select from a list or frame", hint=hint)
                self.advance()
            else:
                return expr

    def continues_index(self) -> bool:
        """Does the '[' here index what stands before it?

        A line break is only a blank, so in `x = y` and `[a, b] = f()` on the next line the bracket could be either;
        an index followed by an assignment would be an error, so it starts the next statement.
        """
        return not (self.starts_line(self.pos) and self.is_multi_target(self.pos))

    def index(self, first: int, target: Expr) -> Index:
        """`[rows, cols]` behind the target, which started at token `first`."""
        opening = self.open_bracket()
        rows = cols = None
        single = True
        if self.kind not in (",", "]"):
            rows = self._subscript()
        if self.kind == ",":
            single = False
            self.advance()
            if self.kind not in (",", "]"):
                cols = self._subscript()
        if self.kind == ",":
            self.fail("an index has at most two parts: rows and columns")
        self.close_bracket(opening, "" if not single else "',' or ")
        if single and rows is not None and rows.upper is None:
            self._check_double_bracket(opening, rows.lower)
        return Index(self.span_from(first), target, rows, cols, single)

    def _check_double_bracket(self, opening: int, lower: Expr) -> None:
        if isinstance(lower, ListLiteral) and len(lower.items) == 1 and self.tokens[opening + 1].kind == "[":
            key = lower.items[0].span.text
            span = self.span(self.tokens[opening]).to(self.span(self.tokens[opening + 1]))
            self.report("DML has no [[ ]]", span, f"use as.scalar(l[{key}]) or as.matrix(l[{key}])")

    def _subscript(self) -> Subscript:
        first = self.pos
        if self.kind == ":":
            hint = "leave the place empty for all rows or columns, as in X[, 1]"
            self.fail("a range in an index needs both ends", hint=hint)
        lower = self.expression()
        upper = None
        if self.kind == ":":
            colon = self.advance()
            if self.kind in (",", "]"):
                upper = lower
                hint = "use nrow(X) or ncol(X) as the upper end"
                self.report("a range in an index needs both ends", self.span(colon), hint)
            else:
                upper = self.expression()
        if self.kind == ":":
            self.fail("a range in an index has no step", hint="a range is lower:upper")
        return Subscript(self.span_from(first), lower, upper)


_OPERANDS: dict[str, Callable[[Expressions], Expr]] = {
    NAME: Expressions._name,
    QUALIFIED: Expressions._called,
    "ifdef": Expressions._called,
    INT: Expressions._literal,
    DOUBLE: Expressions._literal,
    STRING: Expressions._literal,
    BOOLEAN: Expressions._literal,
    PARAMETER: Expressions._parameter,
    "(": Expressions._group,
    "[": Expressions._list,
    "-": Expressions._prefix,
    "+": Expressions._prefix,
    "!": Expressions._prefix,
}

# The kinds of tokens with which an expression starts.
EXPRESSION_STARTS = frozenset(_OPERANDS)
assert LITERALS < EXPRESSION_STARTS
