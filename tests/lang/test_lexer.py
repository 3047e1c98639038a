"""The DML lexer: which tokens a text gives, and what it says about texts that are no tokens."""

from __future__ import annotations

import math

import pytest

from gramian.lang.dml.lexer import tokenize
from gramian.source import Source


def tokens(text: str) -> list[tuple[str, object]]:
    lexed = tokenize(Source("test.dml", text))
    assert lexed.errors == []
    assert lexed.tokens[-1].kind == "END"
    return [(token.kind, token.value) for token in lexed.tokens[:-1]]


def kinds(text: str) -> list[str]:
    return [kind for kind, _ in tokens(text)]


def error(text: str) -> tuple[str, int, str]:
    """Message, offset and hint of the only error."""
    lexed = tokenize(Source("test.dml", text))
    assert len(lexed.errors) == 1, [e.message for e in lexed.errors]
    found = lexed.errors[0]
    assert found.span is not None
    return found.message, found.span.start, found.hint or ""


@pytest.mark.parametrize("text", ["", " \t\r\n", "# only a comment", "/* a\n b */", "\ufeff", "#", "/**/ # x\n/***/"])
def test_nothing_but_blanks(text: str) -> None:
    assert tokens(text) == []


def test_comments_end_where_they_should() -> None:
    assert tokens("a # b\nc /* d # e\n */ f /* /* */ g") == [("NAME", n) for n in "acfg"]
    assert kinds("\"# no\" '/* no */'") == ["STRING", "STRING"]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("7", "INT", 7),
        ("007", "INT", 7),
        ("9223372036854775807", "INT", 2**63 - 1),
        ("0" * 5000 + "1", "INT", 1),
        ("5.", "DOUBLE", 5.0),
        (".5", "DOUBLE", 0.5),
        ("1.5", "DOUBLE", 1.5),
        ("1e3", "DOUBLE", 1000.0),
        ("1E-3", "DOUBLE", 0.001),
        ("1.e2", "DOUBLE", 100.0),
        (".5e+1", "DOUBLE", 5.0),
        ("1e400", "DOUBLE", math.inf),
        ("TRUE", "BOOLEAN", True),
        ("FALSE", "BOOLEAN", False),
        ("true", "NAME", "true"),
        ("T", "NAME", "T"),
        ("pi", "NAME", "pi"),
        ("Inf", "NAME", "Inf"),
        ("$x", "PARAMETER", "x"),
        ("$12", "PARAMETER", "12"),
        ("ns::f", "QUALIFIED", "ns::f"),
        ("as.scalar", "NAME", "as.scalar"),
        ("is.infinite", "NAME", "is.infinite"),
        ("na.strings", "NAME", "na.strings"),
        ("Integer", "TYPE", "Integer"),
        ("matrix", "NAME", "matrix"),
        ("parfor", "parfor", "parfor"),
    ],
)
def test_one_token(text: str, kind: str, value: object) -> None:
    [(found_kind, found)] = tokens(text)
    assert (found_kind, found, type(found)) == (kind, value, type(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"a"', "a"),
        ("'a'", "a"),
        ('"it\'s"', "it's"),
        ("'say \"x\"'", 'say "x"'),
        ('"a\nb"', "a\nb"),
        (r'"\b\t\n\f\r\"\'\\"', "\b\t\n\f\r\"'\\"),
        (r'"\\n"', r"\n"),
        (r'"\\"', "\\"),
        ('""', ""),
        ('"ü €"', "ü €"),
    ],
)
def test_strings(text: str, value: str) -> None:
    assert tokens(text) == [("STRING", value)]


def test_longest_operator_wins() -> None:
    text = "a<-b<=c<d %*%e%/%f%%g!=h==i&&j&k||l|m+=n>=o>p^q*r/s:t"
    operators = [kind for kind in kinds(text) if kind != "NAME"]
    assert " ".join(operators) == "<- <= < %*% %/% %% != == && & || | += >= > ^ * / :"
    assert kinds("x < -3") == ["NAME", "<", "-", "INT"]
    assert kinds("x<-3") == ["NAME", "<-", "INT"]
    assert kinds("5%%in1") == ["INT", "%%", "NAME"]


def test_a_range_is_no_namespace_and_no_number() -> None:
    assert kinds("a:b") == ["NAME", ":", "NAME"]
    assert kinds("1:3") == ["INT", ":", "INT"]


def test_offsets() -> None:
    lexed = tokenize(Source("t", "\ufeffab = 'x'"))
    assert [(t.start, t.end) for t in lexed.tokens] == [(1, 3), (4, 5), (6, 9), (9, 9)]


@pytest.mark.parametrize(
    ("text", "at", "message", "hint"),
    [
        ("x = 1L", 4, "'1L' is not a number", "drop the 'L': write 1"),
        ("x = 1.5l", 4, "'1.5l' is not a number", "drop the 'l': write 1.5"),
        ("0x1F", 0, "'0x1F' is not a number", "only decimal"),
        ("1_000", 0, "'1_000' is not a number", "write 1000"),
        ("1.2.3", 0, "'1.2.3' is not a number", "one decimal point"),
        ("1e", 0, "'1e' is not a number", "exponent"),
        ("2x", 0, "'2x' is not a number", "operator *"),
        ("9223372036854775808", 0, "larger than 9223372036854775807", "double"),
        ("9" * 10000, 0, "larger than 9223372036854775807", "double"),
        ("a.b", 0, "the name 'a.b' contains a dot", "write a_b"),
        ("as.skalar", 0, "the name 'as.skalar' contains a dot", "did you mean 'as.scalar'?"),
        ("as.numeric", 0, "DML has no 'as.numeric'", "did you mean 'as.double'?"),
        ("_x", 0, "starts with an underscore", "write x"),
        ("a::b::c", 0, "more than one namespace", "namespace::function"),
        ("a ::b", 2, "DML has no '::'", "without blanks"),
        ("a:: b", 0, "a name is missing", "without blanks"),
        ("in::f", 0, "'in' is a reserved word", ""),
        ("a @ b", 2, "DML has no '@'", "use %*% for the matrix product"),
        ("a ** b", 2, "DML has no '**'", "use ^"),
        ("a <> b", 2, "DML has no '<>'", "use !="),
        ("a -= b", 2, "DML has no '-='", "x = x - 1"),
        ("a -> b", 2, "DML has no '->'", "target on the left"),
        ("a ~ b", 2, "DML has no '~'", "'not' is !"),
        ("a ? b", 2, "DML has no '?'", "ifelse"),
        ("a // b", 2, "DML has no '//'", "starts with #"),
        ("a %in% b", 2, "DML has no '%in%'", ""),
        ("a % b", 2, "DML has no '%'", "remainder is %%"),
        ("a \\\n b", 2, "DML has no '\\'", "next line"),
        ("x $ y", 2, "unexpected character '$'", "$name"),
        ("x . y", 2, "unexpected character '.'", ""),
        ("é", 0, "unexpected character 'é'", "letters a-z"),
        ("a − b", 2, "unexpected character '−'", "use -"),
        ("a\u00a0b", 1, "unusual blank character U+00A0", "ordinary space"),
        ("a \ufeff b", 2, "unusual blank character U+FEFF", "ordinary space"),
        ("a \0 b", 2, "unexpected character U+0000", ""),
        ("“abc”", 0, "typographic quote '“'", "straight quotes"),
        (r'"a\qb"', 2, r"unknown escape '\q'", r"write \\ for a backslash"),
        ('"a\\\nb"', 2, "a backslash at the end of a line", ""),
        ('x = "abc\ny = 1', 4, 'the string opened by " is never closed', 'add the closing "'),
        ("x = 'abc", 4, "the string opened by ' is never closed", "add the closing '"),
        ("x = 1 /* abc\ny", 6, "the comment opened by /* is never closed", "add */"),
    ],
)
def test_errors(text: str, at: int, message: str, hint: str) -> None:
    found_message, found_at, found_hint = error(text)
    assert message in found_message
    assert found_at == at
    assert hint in found_hint


def test_a_comment_may_follow_a_slash() -> None:
    assert kinds("a //* b */ c") == ["NAME", "/", "NAME"]


def test_an_open_string_ends_with_its_line() -> None:
    lexed = tokenize(Source("t", 's = "abc\nt = 1'))
    assert [t.kind for t in lexed.tokens] == ["NAME", "=", "STRING", "NAME", "=", "INT", "END"]


def test_an_open_string_names_an_earlier_one_over_several_lines() -> None:
    lexed = tokenize(Source("t", 's = "abc\nx = " + "y\n'))
    [found] = lexed.errors
    assert str(found.span) == "t:2:9"
    [(note, place)] = found.notes
    assert "closing quote missing" in note
    assert str(place) == "t:1:5"


def test_a_string_that_runs_into_a_value_is_the_open_one() -> None:
    [found] = tokenize(Source("t", 's = "abc\nprint("x")\n')).errors
    assert str(found.span) == "t:1:5"
    assert "never closed" in found.message


def test_foreign_operators_are_replaced_by_what_they_mean() -> None:
    lexed = tokenize(Source("t", "a @ b ** c <> d"))
    assert [t.kind for t in lexed.tokens] == ["NAME", "%*%", "NAME", "^", "NAME", "!=", "NAME", "END"]
    assert len(lexed.errors) == 3


def test_long_texts_are_clipped_in_messages() -> None:
    assert len(error("_" * 10000)[0]) < 100
    assert len(error("a.b" * 10000)[2]) < 100


def test_the_lexer_stops_after_many_errors() -> None:
    lexed = tokenize(Source("t", "~" * 100000))
    assert len(lexed.errors) == 20
