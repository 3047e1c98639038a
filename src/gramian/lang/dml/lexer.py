"""The DML lexer: one compiled pattern cuts a script into tokens; odd forms go to small functions that explain them.

The lexer never gives up: every error is recorded and a token that the author probably meant is put in its place, so
that the parser can look for further errors.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field

from gramian.errors import Diagnostic, did_you_mean
from gramian.lang.dml import words
from gramian.source import Source, Span

# Kinds of tokens. Operators, punctuation and reserved words are their own kind.
NAME, QUALIFIED, PARAMETER, TYPE = "NAME", "QUALIFIED", "PARAMETER", "TYPE"
INT, DOUBLE, STRING, BOOLEAN = "INT", "DOUBLE", "STRING", "BOOLEAN"
BAD, END = "BAD", "END"

LITERALS = frozenset((INT, DOUBLE, STRING, BOOLEAN))
MAX_INT = 2**63 - 1
# Beyond this many errors nobody reads on, and they tend to be about one cause.
MAX_ERRORS = 20


@dataclass(slots=True)
class Token:
    """One token; `value` is the number, the text without quotes, or the name without `$`."""

    kind: str
    start: int
    end: int
    value: int | float | bool | str


@dataclass(slots=True)
class Lexed:
    """The tokens of a source, the last of kind END, and what is wrong with them.

    `blind_from`: from this offset on the tokens are unreliable, because a quote or a comment is never closed.
    `swallowed`: offsets of the texts that lack their end, and may have swallowed a bracket.
    """

    source: Source
    tokens: list[Token] = field(default_factory=list)
    errors: list[Diagnostic] = field(default_factory=list)
    blind_from: int | None = None
    swallowed: list[int] = field(default_factory=list)


_MASTER = re.compile(
    r"""
      (?P<blank>(?:[ \t\r\n]++|\#[^\n]*+|/\*(?s:.*?)\*/)++)
    | (?P<name>[A-Za-z]\w*+(?!\.\w|::))
    | (?P<mark>[\[\](){},;])
    | (?P<int>\d++(?![\w.]))
    | (?P<double>(?:\d++\.\d*+(?:[eE][+-]?\d++)?+|\.\d++(?:[eE][+-]?\d++)?+|\d++[eE][+-]?\d++)(?![\w.]))
    | (?P<string>"[^"\\]*+(?:\\(?s:.)[^"\\]*+)*+"|'[^'\\]*+(?:\\(?s:.)[^'\\]*+)*+')
    | (?P<open_string>["'][^\n]*+)
    | (?P<open_comment>/\*(?s:.*+))
    | (?P<foreign>\*\*|<>|!==|===|=<|=>|-=|\*=|/=|\^=|:=|<<-|->>|->|//(?!\*)|\|>|%[a-z]++%|[@~?\\`]|::|%(?![*/%]))
    | (?P<op>%\*%|%/%|%%|<-|<=|>=|==|!=|&&|\|\||\+=|[-^*/+><!&|=:])
    | (?P<parameter>\$(?:[A-Za-z]\w*+|\d++))
    | (?P<odd_name>[A-Za-z_][\w.]*+(?:::[\w.]*+)*+)
    | (?P<odd_number>\.?\d[\w.]*+)
    | (?P<smart>[“”„‟«»‘’‚][^\n“”„‟«»‘’‚"']*+[“”‟«»‘’"'])
    | (?P<other>[^\x00-\x7f]++|(?s:.))
    """,
    re.VERBOSE | re.ASCII,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_PLAIN_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
_WORDS = {
    **{word: word for word in words.RESERVED},
    **dict.fromkeys(words.TYPE_WORDS, TYPE),
    "TRUE": BOOLEAN,
    "FALSE": BOOLEAN,
}


def tokenize(source: Source) -> Lexed:
    """Cut the source into tokens; errors are collected in the result, never raised."""
    lexed = Lexed(source)
    tokens, errors = lexed.tokens, lexed.errors
    # A byte-order mark at the very start is dropped, as upstream does; anywhere else it is an error.
    for match in _MASTER.finditer(source.text, 1 if source.text.startswith("\ufeff") else 0):
        group = match.lastgroup
        if group == "blank":
            continue
        text = match.group()
        if group == "name":
            kind = _WORDS.get(text, NAME)
            value = text == "TRUE" if kind == BOOLEAN else text
            tokens.append(Token(kind, match.start(), match.end(), value))
        elif group == "mark" or group == "op":
            tokens.append(Token(text, match.start(), match.end(), text))
        else:
            _READERS[group or "other"](lexed, text, Span(source, match.start(), match.end()))
            if len(errors) >= MAX_ERRORS:
                lexed.blind_from = match.end() if lexed.blind_from is None else lexed.blind_from
                break
    end = len(source.text)
    tokens.append(Token(END, end, end, ""))
    return lexed


def _add(lexed: Lexed, kind: str, span: Span, value: float | str) -> None:
    lexed.tokens.append(Token(kind, span.start, span.end, value))


def _error(lexed: Lexed, message: str, span: Span, hint: str | None = None) -> None:
    lexed.errors.append(Diagnostic(message, span, hint))


def _int(lexed: Lexed, text: str, span: Span) -> None:
    digits = text.lstrip("0")
    # The length is looked at first because Python refuses to convert very long texts.
    value = int(digits or "0") if len(digits) <= 19 else MAX_INT + 1
    if value > MAX_INT:
        _error(lexed, f"the integer is larger than {MAX_INT}", span, "write it as a double, with a decimal point")
        value = 0
    _add(lexed, INT, span, value)


def _double(lexed: Lexed, text: str, span: Span) -> None:
    _add(lexed, DOUBLE, span, float(text))


def _odd_number(lexed: Lexed, text: str, span: Span) -> None:
    _error(lexed, f"'{_clip(text)}' is not a number", span, _number_hint(text))
    _add(lexed, INT, span, 0)


def _number_hint(text: str) -> str:
    lower = text.lower()
    if lower.endswith("l") and lower[:-1].replace(".", "", 1).isdigit():
        return f"drop the '{text[-1]}': write {_clip(text[:-1])}"
    if lower.startswith(("0x", "0b", "0o")):
        return "only decimal numbers can be written"
    if "_" in text and lower.replace("_", "").isdigit():
        return f"write {_clip(text.replace('_', ''))}"
    if lower.count(".") > 1 and lower.replace(".", "").isdigit():
        return "a number has at most one decimal point; a range is written a:b"
    if lower.endswith("e") and lower[:-1].replace(".", "", 1).isdigit():
        return "the exponent has no digits, write for instance 1e3"
    return "a name cannot start with a digit, and a product needs the operator *"


def _string(lexed: Lexed, text: str, span: Span) -> None:
    body = text[1:-1]
    _add(lexed, STRING, span, _unescape(lexed, body, span.start + 1) if "\\" in body else body)


def _unescape(lexed: Lexed, body: str, offset: int) -> str:
    def one(match: re.Match[str]) -> str:
        char = match.group(1)
        if char not in words.ESCAPES:
            span = Span(lexed.source, offset + match.start(), offset + match.end())
            hint = r"write \\ for a backslash; the escapes are \b \t \n \f \r \" \' \\"
            what = "a backslash at the end of a line" if char == "\n" else f"unknown escape '\\{_shown(char)}'"
            _error(lexed, f"{what} in a string", span, hint)
        return words.ESCAPES.get(char, char)

    return _ESCAPE.sub(one, body)


def _open_string(lexed: Lexed, text: str, span: Span) -> None:
    opening = Span(lexed.source, span.start, span.start + 1)
    found = Diagnostic(f"the string opened by {text[0]} is never closed", opening, f"add the closing {text[0]}")
    # An earlier string over several lines may be the one that lacks its quote; all quotes after it are then
    # taken the wrong way round.
    inner = _quote_inside(lexed, span)
    if inner is not None:
        hint = f"write \\{text[0]} for a quote inside a string, or put the string in the other quotes"
        place = Span(lexed.source, inner.end - 1, inner.end)
        found = Diagnostic("the string ends at this quote, but more text follows", place, hint)
        lexed.blind_from = min(inner.end, lexed.blind_from or inner.end)
    earlier = next((t for t in lexed.tokens if t.kind == STRING and _has_newline(lexed, t)), None)
    if earlier is not None and inner is None:
        place = Span(lexed.source, earlier.start, earlier.start + 1)
        if _runs_into_value(lexed, earlier):
            message = f"the string opened by {lexed.source.text[earlier.start]} is never closed"
            found = Diagnostic(message, place, found.hint)
        else:
            found = found.with_note("an earlier string goes over several lines; is its closing quote missing?", place)
        lexed.errors[:] = [e for e in lexed.errors if e.span is not None and e.span.start < earlier.start]
        if lexed.blind_from is None:
            lexed.blind_from = earlier.start
    lexed.swallowed.append(span.start)
    lexed.errors.append(found)
    _add(lexed, STRING, span, "")


def _quote_inside(lexed: Lexed, opened: Span) -> Token | None:
    """The string on the same line that text follows without a blank, as in 'it's', if the quotes are of one kind."""
    text = lexed.source.text
    for string, following in zip(lexed.tokens, lexed.tokens[1:], strict=False):
        joined = string.kind == STRING and following.kind == NAME and following.start == string.end
        if joined and text[string.start] == text[opened.start] and "\n" not in text[string.start : opened.start]:
            return string
    return None


def _runs_into_value(lexed: Lexed, string: Token) -> bool:
    """Is the string followed by a value on its last line, which a string that ends where it should never is?"""
    following = lexed.tokens[lexed.tokens.index(string) + 1 :][:1]
    return any(
        t.kind in (NAME, QUALIFIED, INT, DOUBLE) and "\n" not in lexed.source.text[string.end : t.start]
        for t in following
    )


def _has_newline(lexed: Lexed, token: Token) -> bool:
    return lexed.source.text.find("\n", token.start, token.end) >= 0


def _open_comment(lexed: Lexed, text: str, span: Span) -> None:
    _error(lexed, "the comment opened by /* is never closed", Span(lexed.source, span.start, span.start + 2), "add */")
    lexed.swallowed.append(span.start)
    if lexed.blind_from is None:
        lexed.blind_from = span.start


def _foreign(lexed: Lexed, text: str, span: Span) -> None:
    known = words.FOREIGN_OPERATORS.get(text, words.Foreign(None, "the operators with % are %*%, %/% and %%"))
    _error(lexed, f"DML has no '{text}'", span, known.hint)
    _add(lexed, known.meant or BAD, span, known.meant or text)


def _parameter(lexed: Lexed, text: str, span: Span) -> None:
    _add(lexed, PARAMETER, span, text[1:])


def _odd_name(lexed: Lexed, text: str, span: Span) -> None:
    if "::" in text:
        _qualified(lexed, text, span)
        return
    if text not in words.DOTTED_NAMES:
        _error(lexed, *_name_problem(text, span))
    _add(lexed, NAME, span, text)


def _qualified(lexed: Lexed, text: str, span: Span) -> None:
    parts = text.split("::")
    if "" in parts:
        _error(lexed, "a name is missing next to '::'", span, "write namespace::function without blanks")
    elif len(parts) > 2:
        _error(lexed, f"'{_clip(text)}' has more than one namespace", span, "write namespace::function")
    else:
        for part in parts:
            if part in _WORDS:
                _error(lexed, f"'{part}' is a reserved word and cannot be part of '{_clip(text)}'", span)
            elif not _PLAIN_NAME.fullmatch(part) and part not in words.DOTTED_NAMES:
                _error(lexed, *_name_problem(part, span))
    _add(lexed, QUALIFIED, span, text)


def _name_problem(name: str, span: Span) -> tuple[str, Span, str]:
    if name.startswith("_"):
        hint = f"write {_clip(name.strip('_')) or 'x'}" if "." not in name else "use letters, digits and underscores"
        return f"the name '{_clip(name)}' starts with an underscore", span, hint
    if name in words.FOREIGN_DOTTED:
        return f"DML has no '{name}'", span, f"did you mean '{words.FOREIGN_DOTTED[name]}'?"
    hint = did_you_mean(name, words.DOTTED_NAMES) or f"names have no dots; write {_clip(name.replace('.', '_'))}"
    if name.count(".") == 1 and span.source.text.startswith("(", span.end):
        value, _, function = name.partition(".")
        hint += f", or {_clip(function)}({_clip(value)}) to call a function"
    return f"the name '{_clip(name)}' contains a dot", span, hint


def _smart(lexed: Lexed, text: str, span: Span) -> None:
    _error(lexed, f"typographic quote '{text[0]}'", span, "use the straight quotes \" or '")
    _add(lexed, STRING, span, text[1:-1])


def _other(lexed: Lexed, text: str, span: Span) -> None:
    if text.isspace() or all(unicodedata.category(char) == "Cf" for char in text):
        # Treated as a blank, so it leaves no token.
        _error(lexed, f"unusual blank character {_shown(text[0])}", span, "replace it by an ordinary space")
    elif text in words.LOOKALIKES:
        meant = words.LOOKALIKES[text]
        _error(lexed, f"unexpected character '{text}'", span, f"use {meant}")
        _add(lexed, meant, span, meant)
    else:
        _error(lexed, f"unexpected character {_quoted(text)}", span, _character_hint(text))
        _add(lexed, BAD, span, text)


def _character_hint(text: str) -> str | None:
    if text in words.FOREIGN_OPERATORS:
        return words.FOREIGN_OPERATORS[text].hint
    if text[0].isalpha():
        return (
            "names consist of the letters a-z, digits and underscores; other letters may stand in strings and comments"
        )
    if text[0] in "“”„‟«»‘’‚":
        return "use the straight quotes \" or '"
    return None


def _quoted(text: str) -> str:
    return f"'{_clip(text)}'" if text.isprintable() else _shown(text[0])


def _clip(text: str) -> str:
    """A text short enough for a message."""
    return text if len(text) <= 40 else text[:37] + "..."


def _shown(char: str) -> str:
    return char if char.isprintable() and not char.isspace() else f"U+{ord(char):04X}"


_READERS: dict[str, Callable[[Lexed, str, Span], None]] = {
    "int": _int,
    "double": _double,
    "string": _string,
    "open_string": _open_string,
    "open_comment": _open_comment,
    "foreign": _foreign,
    "parameter": _parameter,
    "odd_name": _odd_name,
    "odd_number": _odd_number,
    "smart": _smart,
    "other": _other,
}
