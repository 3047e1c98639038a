"""The heads of function definitions: parameters, outputs and their types."""

from __future__ import annotations

from gramian.errors import did_you_mean
from gramian.lang.dml import words
from gramian.lang.dml.expressions import Expressions
from gramian.lang.dml.lexer import NAME, STRING, TYPE
from gramian.lang.tree import Declared, Expr

_KNOWN_TYPES = ("int", "integer", "double", "boolean", "string", "unknown", "matrix[double]", "frame", "list", "scalar")
Outline = tuple[tuple[Declared, ...], tuple[Declared, ...]]


class Signatures(Expressions):
    """Reads what stands between `function` and the body."""

    def signature(self, external: bool) -> Outline:
        """`(parameters) return (outputs)`, and for an external function what implements it."""
        parameters = self._declarations("parameter")
        outputs: tuple[Declared, ...] = ()
        if self.kind == "return":
            self.advance()
            outputs = self._declarations("output")
        if external:
            self._implementation()
        return parameters, outputs

    def _declarations(self, what: str) -> tuple[Declared, ...]:
        if self.kind != "(":
            self.fail(f"expected '(' before the {what}s, but found {self.describe()}")
        opening = self.open_bracket()
        found: list[Declared] = []
        if self.kind != ")":
            while True:
                found.append(self._declared(what, found))
                if self.kind == TYPE and self.goes_on_inside(opening):
                    self.report(f"expected ',' between two {what}s, but found {self.describe()}")
                elif not self.next_item(opening, what):
                    break
        self.close_bracket(opening, "',' or ")
        return tuple(found)

    def _declared(self, what: str, before: list[Declared]) -> Declared:
        first = self.pos
        kind, value_type = self._type(what)
        name = self.expect_name(f"the {what}" if what == "output" else "a parameter")
        if any(name.value == other.name for other in before):
            self.report(f"the {what} {self.describe(name)} is declared twice", self.span(name))
        default: Expr | None = None
        if self.kind == "=":
            equals = self.advance()
            default = self.expression()
            self.tidy()
            if what == "output":
                self.report("an output has no default", self.span(equals), "assign it at the start of the body")
                default = None
        return Declared(self.span_from(first), kind, value_type, str(name.value), default)

    def _type(self, what: str) -> tuple[str, str]:
        if self.kind == TYPE:
            return self._value_type()
        if self.kind != NAME:
            self.fail(f"expected the type of a {what}, but found {self.describe()}", hint=self._types_hint(None))
        word = str(self.token.value)
        shown = self.describe()
        if word in words.DATA_TYPES:
            return self._data_type(words.DATA_TYPES[word])
        if self.ahead() in (",", ")", "="):
            hint = "write for instance matrix[double] x or double x"
            self.report(f"the {what} {shown} has no type", hint=hint)
            return "scalar", "unknown"
        self.report(f"unknown type {shown}", hint=self._types_hint(word))
        self.advance()
        if self.kind == "[":
            self._skip_brackets()
        return "scalar", "unknown"

    def _value_type(self) -> tuple[str, str]:
        value_type = _normal(str(self.advance().value))
        if self.kind == "[":
            self.report(f"'{value_type}' has no brackets", hint=f"write matrix[double], or list[{value_type}]")
            self._skip_brackets()
        return "scalar", value_type

    def _data_type(self, kind: str) -> tuple[str, str]:
        word = self.advance()
        usual = "double" if kind in ("matrix", "scalar") else "unknown"
        if self.kind != "[":
            hint = f"write {kind}[{usual}]"
            self.report(f"'{word.value}' needs the type of its values in brackets", self.span(word), hint)
            return kind, usual
        opening = self.open_bracket()
        inner = self.advance()
        value_type = usual
        if inner.kind == TYPE:
            value_type = _normal(str(inner.value))
        else:
            hint = self._types_hint(str(inner.value)) if inner.kind == NAME else f"write {kind}[{usual}]"
            self.report(
                f"expected a value type in '{kind}[...]', but found {self.describe(inner)}", self.span(inner), hint
            )
        if kind == "matrix" and value_type != "double":
            self.report("the values of a matrix are doubles", self.span(inner), "write matrix[double]")
            value_type = "double"
        self.close_bracket(opening)
        return kind, value_type

    def _skip_brackets(self) -> None:
        opening = self.open_bracket()
        if self.kind != "]":
            self.advance()
        self.close_bracket(opening)

    def _types_hint(self, word: str | None) -> str:
        if word is not None and word.lower() in words.FOREIGN_TYPES:
            return f"did you mean '{words.FOREIGN_TYPES[word.lower()]}'?"
        guess = did_you_mean(word, _KNOWN_TYPES) if word else None
        return guess or "the types are int, double, boolean, string, matrix[double], frame[...] and list[...]"

    def _implementation(self) -> None:
        # Nothing of it is kept: calling an external function is an error that needs only its name.
        hint = 'write implemented in (classname = "...")'
        self.expect("implemented", "'implemented'", hint)
        self.expect("in", "'in'", hint)
        if self.kind != "(":
            self.fail(f"expected '(' after 'implemented in', but found {self.describe()}", hint=hint)
        opening = self.open_bracket()
        if self.kind != ")":
            while True:
                self.expect_name("a property")
                self.expect("=", "'='", hint)
                self.expect(STRING, "a string", hint)
                if not self.next_item(opening, "property"):
                    break
        self.close_bracket(opening, "',' or ")


def _normal(value_type: str) -> str:
    word = value_type.lower()
    return "int" if word == "integer" else word
