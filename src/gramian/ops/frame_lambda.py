"""From the Java-like expressions of map() to Python functions.

    lambda     = name "->" choice  |  "(" name ("," name)* ")" "->" choice
    choice     = binary ("?" choice ":" choice)?
    binary     = unary (operator unary)*                    || && == != < <= > >= + - * / % as in Java
    unary      = ("!" | "-" | "+" | "(" type ")") unary | postfix
    postfix    = primary ("." name ("(" arguments ")")? | "[" choice "]")*
    primary    = literal | name | class "." name "(" arguments ")" | "(" choice ")" | "new String[]" "{" arguments "}"

The parser writes a Python expression that consists of its own names and of literals only: whatever an expression says,
it cannot reach anything but what `frame_java` defines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

from gramian.errors import OperationError, did_you_mean
from gramian.ops import frame_java as java
from gramian.ops.frame_java import Function


@dataclass(frozen=True, slots=True)
class Lambda:
    """A function of one or two values; `body` is its expression as the user wrote it, without the head."""

    body: str
    params: int
    call: Callable[..., Any]
    show: Callable[[Any], str] = java.text


_TOKEN = re.compile(
    r"""\s*(?:
    (?P<double>(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?[dDfF]?|\d+(?:[eE][+-]?\d+[dDfF]?|[dDfF]))
    |(?P<int>\d+)[lL]?
    |(?P<name>[A-Za-z_$][\w$]*)
    |"(?P<string>(?:[^"\\]|\\.)*)"
    |'(?P<char>(?:[^'\\]|\\.)*)'
    |(?P<symbol>->|\|\||&&|[=!<>]=|[-+*/%<>!?:;.,()\[\]{}])
    |(?P<end>$)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "b": "\b", "f": "\f", "r": "\r", '"': '"', "'": "'", "\\": "\\"}
_CONSTANTS = {"true": "True", "false": "False", "null": "None"}
_CASTS = {"int": "integer", "long": "integer", "double": "double", "float": "double", "char": "char", "String": ""}
_LEVELS = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="), ("+", "-"), ("*", "/", "%"))
_WORDS = {"||": "or", "&&": "and"}
_NAMES = {symbol: f"op_{at}" for at, symbol in enumerate(java.OPERATORS)}


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    at: int


@lru_cache(maxsize=64)
def translate(text: str) -> Lambda:
    """The function that a Java-like expression describes.

    Raises:
        OperationError: it is not written correctly, or uses what is not supported.
    """
    return _Parser(text).function()


class _Parser:
    """Each method reads one kind of phrase and returns it in Python."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = self._tokens()
        self.next = 0
        self.params: list[str] = []

    def _tokens(self) -> list[Token]:
        tokens: list[Token] = []
        at = 0
        while not tokens or tokens[-1].kind != "end":
            found = _TOKEN.match(self.text, at)
            if found is None:
                at += len(self.text[at:]) - len(self.text[at:].lstrip())
                self.fail(f"unexpected '{self.text[at]}'", at)
            kind = str(found.lastgroup)
            tokens.append(Token(kind, found[kind], found.start(kind)))
            at = found.end()
        return tokens

    def fail(self, message: str, at: int, hint: str | None = None) -> NoReturn:
        raise OperationError(f"{message} at character {at + 1} of the expression '{self.text}' of map()", hint)

    # -- tokens -----------------------------------------------------------------------------------------------------

    @property
    def token(self) -> Token:
        return self.tokens[self.next]

    def sees(self, *symbols: str, ahead: int = 0) -> bool:
        token = self.tokens[min(self.next + ahead, len(self.tokens) - 1)]
        return token.kind == "symbol" and token.text in symbols

    def take(self) -> Token:
        token = self.token
        self.next += token.kind != "end"
        return token

    def accept(self, *symbols: str) -> str | None:
        return self.take().text if self.sees(*symbols) else None

    def expect(self, symbol: str) -> None:
        if not self.accept(symbol):
            self.unexpected(f"'{symbol}'")

    def name(self, what: str) -> Token:
        return self.take() if self.token.kind == "name" else self.unexpected(what)

    def unexpected(self, wanted: str) -> NoReturn:
        found = f"'{self.token.text}'" if self.token.kind != "end" else "the end"
        self.fail(f"expected {wanted}, found {found}", self.token.at)

    # -- phrases ----------------------------------------------------------------------------------------------------

    def function(self) -> Lambda:
        self.head()
        start = self.token.at
        if self.sees("{"):
            self.fail("statements are not supported", start, "write one expression behind the arrow")
        try:
            code = self.choice()
            if self.token.kind != "end":
                self.unexpected("an operator or the end")
            compiled = compile(f"lambda {', '.join(f'v_{p}' for p in self.params)}: {code}", "<map>", "eval")
        except (SyntaxError, MemoryError, RecursionError):
            raise OperationError("the expression of map() is nested too deeply") from None
        return Lambda(self.text[start:], len(self.params), eval(compiled, java.namespace()))

    def head(self) -> None:
        if self.accept("("):
            self.params.append(self.parameter())
            while self.accept(","):
                self.params.append(self.parameter())
            self.expect(")")
        else:
            self.params.append(self.parameter())
        if not self.sees("->"):
            self.fail(
                "expected '->'", self.token.at, 'an expression looks like "x -> x.trim()", or in Python "py: x.strip()"'
            )
        self.next += 1
        if len(self.params) > 2 or len(set(self.params)) < len(self.params):
            self.fail("map() gives one or two different parameters", 0)

    def parameter(self) -> str:
        first = self.name("the name of a parameter")
        return self.take().text if self.token.kind == "name" else first.text  # a type may stand before it

    def choice(self) -> str:
        condition = self.binary(0)
        if not self.accept("?"):
            return condition
        yes = self.choice()
        self.expect(":")
        return f"({yes} if test({condition}) else {self.choice()})"

    def binary(self, level: int) -> str:
        if level == len(_LEVELS):
            return self.unary()
        left = self.binary(level + 1)
        while symbol := self.accept(*_LEVELS[level]):
            right = self.binary(level + 1)
            if symbol in _WORDS:
                left = f"(test({left}) {_WORDS[symbol]} test({right}))"
            else:
                left = f"{_NAMES[symbol]}({left}, {right})"
        return left

    def unary(self) -> str:
        if self.accept("!"):
            return f"(not test({self.unary()}))"
        if self.accept("-"):
            return f"(-number({self.unary()}))"
        if self.accept("+"):
            return f"number({self.unary()})"
        if self.sees("(") and self.sees(")", ahead=2) and self.tokens[self.next + 1].text in _CASTS:
            cast = self.tokens[self.next + 1].text
            self.next += 3
            return f"{_CASTS[cast]}({self.unary()})"
        return self.postfix(self.primary())

    def postfix(self, target: str) -> str:
        while symbol := self.accept(".", "["):
            if symbol == "[":
                target = f"item({target}, {self.choice()})"
                self.expect("]")
                continue
            name = self.name("the name of a method")
            if self.accept("("):
                target = self.call(name, java.METHODS, "m_", "method", [target])
            elif name.text == "length":
                target = f"array_length({target})"
            else:
                self.fail(f"unknown field '{name.text}'", name.at, f"a method is called with {name.text}()")
        return target

    def call(self, name: Token, known: Mapping[str, Function], prefix: str, what: str, first: list[str]) -> str:
        """The rest of a call behind its parenthesis."""
        if name.text not in known:
            hint = did_you_mean(name.text, known) or f"known are {', '.join(sorted(known))}"
            self.fail(f"unknown {what} '{name.text}'", name.at, hint)
        args = self.arguments(")")
        function = known[name.text]
        if not function.fewest <= len(args) <= function.most:
            count = f"{function.fewest} to {function.most}" if function.fewest < function.most else str(function.most)
            plural = "" if count == "1" else "s"
            self.fail(f"{name.text}() takes {count} argument{plural}, found {len(args)}", name.at)
        return f"{prefix}{name.text}({', '.join([*first, *args])})"

    def arguments(self, end: str) -> list[str]:
        args: list[str] = []
        if self.accept(end):
            return args
        args.append(self.choice())
        while self.accept(","):
            args.append(self.choice())
        self.expect(end)
        return args

    def primary(self) -> str:
        token = self.take()
        match token.kind:
            case "double":
                return repr(float(token.text.rstrip("dDfF")))
            case "int":
                return repr(int(token.text))
            case "string":
                return repr(_unescaped(token.text))
            case "char":
                characters = _unescaped(token.text)
                # Java has no other quotes, but in a string of DML the single ones are easier to write.
                return f"Char({characters!r})" if len(characters) == 1 else repr(characters)
            case "name":
                return self.named(token)
        if token.text == "(":
            inner = self.choice()
            self.expect(")")
            return f"({inner})"
        self.next -= token.kind != "end"
        return self.unexpected("a value")

    def named(self, token: Token) -> str:
        if token.text in self.params:
            return f"v_{token.text}"
        if token.text in _CONSTANTS:
            return _CONSTANTS[token.text]
        if token.text == "new":
            return self.array()
        if token.text in java.FUNCTIONS and self.accept("."):
            name = self.name("the name of a function")
            self.expect("(")
            return self.call(name, java.FUNCTIONS[token.text], f"f_{token.text}_", f"function of {token.text}", [])
        if self.accept("("):
            return self.call(token, java.FUNCTIONS[""], "f__", "function", [])
        known = [*self.params, *_CONSTANTS, *(owner for owner in java.FUNCTIONS if owner)]
        hint = did_you_mean(token.text, known) or f"the expression is about {' and '.join(self.params)}"
        return self.fail(f"unknown name '{token.text}'", token.at, hint)

    def array(self) -> str:
        """`new String[]{a, b}`, behind the word new."""
        self.name("a type")
        for symbol in "[]{":
            self.expect(symbol)
        return f"[{', '.join(self.arguments('}'))}]"


def _unescaped(text: str) -> str:
    """The characters of a literal; a backslash before a character without a meaning stays."""

    def character(found: re.Match[str]) -> str:
        if found["code"]:
            return chr(int(found["code"], 16))
        return _ESCAPES.get(found["character"], found[0])

    return re.sub(r"\\(?:u(?P<code>[0-9a-fA-F]{4})|(?P<character>.))", character, text, flags=re.DOTALL)
