"""map(): Java-like and Python expressions of cells, rows, columns and pairs."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import gramian.ops.frame_map
from gramian.errors import OperationError, SizeError
from gramian.ir.frame import BOOLEAN, FP64, INT64, STRING, Frame
from gramian.ir.op import REGISTRY
from gramian.ir.types import INT, STRING as TEXT, frame, scalar, type_of
from gramian.ops.frame_dates import FORMATS
from gramian.ops.frame_words import jaccard_similarity, word_error_rate
from gramian.ops.porter import stem


def column(*cells: Any, kind: str = STRING) -> Frame:
    return Frame.of([cells], [kind])


def cells(value: Frame) -> list[list[Any]]:
    return [value.column(j) for j in range(value.shape[1])]


def mapped(target: Frame, expression: str, margin: int = 0) -> list[list[Any]]:
    result = REGISTRY["map"].kernel(target, expression, margin)
    assert set(result.types) <= {STRING}
    inferred = REGISTRY["map"].infer(frame(*target.shape), type_of(expression), type_of(margin))
    assert (inferred.rows, inferred.cols) == result.shape
    return cells(result)


def one(cell: str, expression: str) -> Any:
    """The expression of a single cell."""
    return mapped(column(cell), expression)[0][0]


def refusal(expression: str, target: Frame | None = None, margin: int = 0) -> str:
    with pytest.raises(OperationError) as raised:
        REGISTRY["map"].kernel(target or column("ab"), expression, margin)
    return f"{raised.value.message} | {raised.value.hint}"


# ---- Java-like expressions ------------------------------------------------------------------------------------------


def test_check_value() -> None:
    assert mapped(column("abc", "de"), "x -> x.length()") == [["3", "2"]]


@pytest.mark.parametrize(
    ("cell", "expression", "expected"),
    [
        ("aB", "x -> x.toUpperCase() + x.toLowerCase()", "ABab"),
        ("  a b\t", "x -> '[' + x.trim() + ']'", "[a b]"),
        ("abc", "x -> x.charAt(1)", "b"),
        ("abc", "x -> x.substring(1)", "bc"),
        ("abc", "x -> x.substring(1, 2)", "b"),
        ("abc", "x -> x.substring(3)", ""),
        ("a.b.c", 'x -> x.replace(".", "-")', "a-b-c"),
        ("a.b.c", "x -> x.replace('.', '-')", "a-b-c"),
        ("a1b22", 'x -> x.replaceAll("[0-9]+", "#")', "a#b#"),
        ("a1b22", r'x -> x.replaceFirst("\\d", "<$0>")', "a<1>b22"),
        ("john smith", r'x -> x.replaceAll("(\\w+) (\\w+)", "$2, $1")', "smith, john"),
        ("a-b", r'x -> x.replaceAll("-", "\\$")', "a$b"),
        ("a1!", r'x -> x.replaceAll("\\P{Alnum}", "")', "a1"),
        ("a1!", r'x -> x.replaceAll("[\\p{Punct}1]", "")', "a"),
        ("a,b,c", 'x -> x.split(",")[1]', "b"),
        ("a,b,,", 'x -> x.split(",").length', "2"),
        ("a,b,c", 'x -> x.split(",", 2)[1]', "b,c"),
        ("abc", 'x -> x.split("").length', "3"),
        ("", 'x -> x.split(",").length', "1"),
        ("abc", 'x -> x.equals("abc")', "true"),
        ("abc", 'x -> x.equalsIgnoreCase("ABC")', "true"),
        ("abc", 'x -> x.contains("bc") && x.startsWith("a") && x.endsWith("c")', "true"),
        ("abc", 'x -> x.contains("z") || x.isEmpty()', "false"),
        ("abcab", 'x -> x.indexOf("b") + x.lastIndexOf("b") + x.indexOf("b", 2)', "9"),
        ("abc", 'x -> x.indexOf("z")', "-1"),
        ("abc", 'x -> x.concat("d").length()', "4"),
        ("abc", 'x -> x.matches("[a-c]+")', "true"),
        ("abc", 'x -> x.matches("a")', "false"),
        ("b", 'x -> x.compareTo("a")', "1"),
        ("Aa", "x -> x.hashCode()", "2112"),
        ("polygenelubricants", "x -> x.hashCode()", str(-(2**31))),
        ("abc", 'x -> !x.equals("abc")', "false"),
        ("7", "x -> Integer.valueOf(x) + 1", "8"),
        ("7", "x -> Integer.parseInt(x) / 2", "3"),
        ("-7", "x -> Integer.valueOf(x) / 2", "-3"),
        ("-7", "x -> Integer.valueOf(x) % 3", "-1"),
        ("7", "x -> Integer.valueOf(x) / 2.0", "3.5"),
        ("7.5", "x -> Double.parseDouble(x) * 2", "15.0"),
        ("7.5", "x -> (int) Double.parseDouble(x)", "7"),
        ("1e10", "x -> Double.valueOf(x)", "1.0E10"),
        ("3", "x -> 1 + 2 + x", "33"),
        ("3", "x -> x + 1 + 2", "312"),
        ("3", "x -> x + (1 + 2) * 2", "36"),
        ("3", "x -> 10 - 2 - 3 + x", "53"),
        ("b", "x -> x.charAt(0) - 'a'", "1"),
        ("b", "x -> (char) (x.charAt(0) + 1)", "c"),
        ("b", 'x -> x.charAt(0) == \'b\' ? "yes" : "no"', "yes"),
        ("b", "x -> x.charAt(0) >= 'c' ? 1 : x.charAt(0) == 'b' ? 2 : 3", "2"),
        ("b", 'x -> x.equals("b") ? null : x', None),
        ("b", 'x -> x == "b"', "true"),
        ("b", "x -> 1 == 1.0 && 2 != 3 && 1 < 2 && 2 <= 2 && 3 > 2 && 3 >= 3", "true"),
        ("b", "x -> String.valueOf(1.5) + String.valueOf(true) + null", "1.5truenull"),
        ("b", "x -> Character.isDigit(x.charAt(0))", "false"),
        ("b", "x -> Math.max(x.length(), 3) + Math.abs(-2)", "5"),
        ("9", "x -> Math.sqrt(Double.parseDouble(x))", "3.0"),
        ("b", r'x -> "tab\t\"quoted\" é"', 'tab\t"quoted" é'),
        ("b", "(String x) -> -x.length() + +3", "2"),
        ("b", " x->x ", "b"),
        ("it's", "x -> x.replace('\\'', \"\")", "its"),
        ("running", "x -> PorterStemmer.stem(x)", "run"),
        ("abc", 'x -> UtilFunctions.jaccardSim(x, "bcd")', "0.5"),
        ("abc", 'x -> jaccardSim(x, "abc")', "1.0"),
        ("a b c", 'x -> UtilFunctions.getWordErrorRate(x, "a x c d")', repr(2 / 3)),
        ("a", "x -> UtilFunctions.getAsciiAtIdx(x, 1) + UtilFunctions.getAsciiAtIdx(x, 2)", "97"),
        ("a·b·12", "x -> UtilFunctions.splitRecodeEntry(x)[0] + UtilFunctions.splitRecodeEntry(x)[1]", "a·b12"),
        ("1970-01-02", "x -> UtilFunctions.getTimestamp(x)", "86400000"),
        ("31/12/1999", 'x -> UtilFunctions.addTimeToDate(x, 2, "d")', "02/01/2000"),
        ("31.12.1999", "x -> UtilFunctions.getDominantDateFormat(x)", "dd.MM.yyyy"),
        ("31.12.1999", "x -> UtilFunctions.isDateColumn(x)", "true"),
    ],
)
def test_expressions(cell: str, expression: str, expected: str | None) -> None:
    assert one(cell, expression) == expected


def test_cells_are_texts_and_missing_ones_stay() -> None:
    target = Frame.of([["a", None], [True, None], [1, None], [2.5, None]], [STRING, BOOLEAN, INT64, FP64], list("sbid"))
    result = REGISTRY["map"].kernel(target, 'x -> x + "!"', 0)
    assert cells(result) == [["a!", None], ["TRUE!", None], ["1!", None], ["2.5!", None]]
    assert result.names == list("sbid")


def test_each_distinct_text_is_evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    translate = gramian.ops.frame_map.translate

    def counting(text: str) -> Any:
        function = translate(text)
        return type(function)(function.body, 1, lambda x: seen.append(x) or x)

    monkeypatch.setattr(gramian.ops.frame_map, "translate", counting)
    assert mapped(column(*["a", "b", None] * 1000), "x -> x") == [["a", "b", None] * 1000]
    assert seen == ["a", "b"]


@given(st.lists(st.text(max_size=5) | st.none(), max_size=20))
@settings(deadline=None)  # the first one imports pyarrow
def test_identity(texts: list[str | None]) -> None:
    assert mapped(column(*texts), "x -> x") == [texts]
    assert mapped(column(*texts), "py: x") == [texts]


@given(st.text(alphabet="ab,", max_size=12), st.sampled_from([",", "a", "b+", "a|b", ""]), st.integers(0, 4))
def test_split_keeps_what_is_between(text: str, regex: str, limit: int) -> None:
    pieces = gramian.ops.frame_java.split(text, regex, limit)
    assert limit == 0 or len(pieces) <= limit
    assert limit > 0 or len(pieces) == 1 or pieces[-1] != ""
    if regex == "," and limit == 0:
        assert pieces == (text.rstrip(",").split(",") if text.rstrip(",") else pieces)


@given(st.integers(-50, 50), st.integers(-50, 50).filter(bool))
def test_integer_division_goes_towards_zero(a: int, b: int) -> None:
    assert one(str(a), f"x -> Integer.valueOf(x) / {b}") == str(int(a / b))
    assert one(str(a), f"x -> Integer.valueOf(x) % {b}") == str(int(np.fmod(a, b)))


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("x.trim()", "expected '->' at character 2"),
        ("x -> ", "expected a value, found the end at character 6"),
        ("x -> x.lenght()", "unknown method 'lenght' at character 8.*did you mean 'length'"),
        ("x -> y", "unknown name 'y' at character 6"),
        ("x -> x.length", "only an array has a .length"),
        ("x -> x.size", "unknown field 'size'.*size()"),
        ("x -> x.trim(1)", r"trim\(\) takes 0 arguments, found 1"),
        ("x -> x.substring()", r"substring\(\) takes 1 to 2 arguments, found 0"),
        ("x -> x.charAt()", r"charAt\(\) takes 1 argument, found 0"),
        ("x -> (x", r"expected '\)', found the end"),
        ("x -> x x", "expected an operator or the end, found 'x'"),
        ("x -> x # 1", "unexpected '#' at character 8"),
        ("x -> {return x;}", "statements are not supported"),
        ("(x, y, z) -> x", "one or two different parameters"),
        ("(x, x) -> x", "one or two different parameters"),
        ("x -> Systm.exit()", "unknown name 'Systm'"),
        ("x -> Math.foo(1)", "unknown function of Math 'foo'"),
        ("x -> x ? 1 : 2", "for 'ab' in row 1, column 1 .C1.: expected a boolean, found a string"),
        ("x -> x * 2", "expected a number, found a string"),
        ("x -> x.charAt(5)", "index 5 is out of range for length 2; positions count from 0"),
        ("x -> x.substring(1, 7)", "substring from 1 to 7 is out of range for length 2"),
        ("x -> Integer.valueOf(x)", "'ab' is not an integer"),
        ("x -> Double.parseDouble(x)", "'ab' is not a number"),
        ("x -> 1 / (x.length() - 2)", "division by zero|division or modulo by zero"),
        ("x -> x.length().trim()", r"an int has no method trim\(\)"),
        ("x -> null.trim()", r"null has no method trim\(\)"),
        ('x -> x.replaceAll("[", "")', "is not a regular expression"),
        (r'x -> x.replaceAll("\\p{Foo}", "")', "class .p{Foo} is not supported"),
        ('x -> x.split(",")', r"the result is an array, .* \| take one entry of it with \[i\]"),
        ("x -> UtilFunctions.getTimestamp(x)", "'ab' is no date of a known format"),
        ('x -> UtilFunctions.addTimeToDate("2020-01-01", 1, "q")', "'q' is no unit of time"),
        ("x -> UtilFunctions.splitRecodeEntry(x)[0]", "no entry of recode metadata"),
        ("x -> " + "(" * 300 + "x" + ")" * 300, "nested too deeply"),
    ],
)
def test_wrong_expressions(expression: str, message: str) -> None:
    assert re.search(message, refusal(expression))


def test_messages_name_the_first_cell_that_fails() -> None:
    target = Frame.of([["ok", "okay", "ok"], ["fine", "x", "x"]], [STRING, STRING], ["a", "b"])
    assert "for 'x' in row 2, column 2 (b)" in refusal("x -> x.charAt(1)", target)


def test_wrong_expressions_are_found_before_the_run() -> None:
    with pytest.raises(OperationError, match="unknown method"):
        REGISTRY["map"].infer(frame(), type_of("x -> x.foo()"), type_of(0))
    assert REGISTRY["map"].infer(frame(2, 3), scalar(TEXT), type_of(0)) == frame()
    assert REGISTRY["map"].infer(frame(2, 3), type_of("x -> x"), scalar(INT)) == frame(2, 3)


# ---- rows, columns, pairs -------------------------------------------------------------------------------------------


def test_rows_and_columns() -> None:
    target = Frame.of([["a", "b", "a"], ["1", None, "1"]], [STRING, STRING])
    assert mapped(target, "x -> new String[]{x[1], x[0]}", 1) == [["1", None, "1"], ["a", "b", "a"]]
    assert mapped(target, "x -> x.clone()", 2) == cells(target)
    assert mapped(target, "py: [str(len(x)), x[0].upper()]", 1) == [["2", "2", "2"], ["A", "B", "A"]]
    assert mapped(target, "py: list(reversed(x))", 2) == [["a", "b", "a"], ["1", None, "1"]]
    dates = column("2020-01-05", "05/02/2021", "25/12/2021", None)
    assert mapped(dates, "x -> UtilFunctions.getDominantDateFormat(x)", 2) == [
        ["05/01/2020", "05/02/2021", "25/12/2021", None]
    ]
    assert mapped(dates, "x -> UtilFunctions.getTimestamp(x)", 2)[0][0] == "1578182400000"
    assert mapped(column("05/02/2021"), 'x -> UtilFunctions.addTimeToDate(x, 1, "M")', 2) == [["05/03/2021"]]


def test_rows_and_columns_need_arrays_of_the_same_length() -> None:
    target = Frame.of([["a", "b"], ["1", "2"]], [STRING, STRING])
    assert "cannot compute x[0] in row 1: the result is no array of 2 cells" in refusal("x -> x[0]", target, 1)
    assert "in column 1 (C1), found 3" in refusal("py: [*x, x[0]]", target, 2)
    assert "index 2 is out of range" in refusal("x -> new String[]{x[2], x[0]}", target, 1)
    assert "'margin' of map() must be 0 (cells), 1 (rows) or 2 (columns), found 3" in refusal("x -> x", target, 3)


def test_pairs() -> None:
    similar = "(x, y) -> UtilFunctions.jaccardSim(x, y)"
    assert mapped(column("ab", "bc", "ab"), similar) == [
        ["0.0", "0.0", "0.0"],
        [repr(1 / 3), "0.0", "0.0"],
        ["1.0", repr(1 / 3), "0.0"],
    ]
    assert mapped(column("a", None), "(x, y) -> x + y") == [["0.0", "0.0"], [None, "0.0"]]
    assert mapped(column(), "(x, y) -> x + y") == []
    assert mapped(column("a", "b"), "py: x + y") == [["0.0", "0.0"], ["ab", "0.0"]]
    two = Frame.of([["a"], ["b"]], [STRING, STRING])
    with pytest.raises(SizeError, match="needs a frame of one column, found 2 columns"):
        REGISTRY["map"].infer(frame(1, 2), type_of(similar), type_of(0))
    assert "needs a frame of one column, found 2 columns" in refusal(similar, two)
    assert "works on cells" in refusal(similar, column("a"), 1)
    assert "for 'a' and 'b' in row 1" in refusal("(x, y) -> x.charAt(7)", column("a", "b"))


def test_empty_frames() -> None:
    assert mapped(Frame.of([[], []], [STRING, FP64]), "x -> x.trim()") == [[], []]
    assert mapped(Frame.of([[], []], [STRING, STRING]), "x -> x", 1) == [[], []]
    assert REGISTRY["map"].kernel(Frame.from_matrix(np.empty((3, 0))), "x -> x", 0).shape == (3, 0)


# ---- Python ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "expression", "expected"),
    [
        ("ab", "py: x.title()", "Ab"),
        ("ab", "py:x[::-1] + str(len(x))", "ba2"),
        ("ab", "py: x == 'ab'", "TRUE"),
        ("3", "py: float(x) / 2", "1.5"),
        ("ab", "py: None if 'a' in x else x", None),
        ("a1b2", r"py: re.sub(r'\d', '', x)", "ab"),
        ("b a", "py: ' '.join(sorted(w for w in x.split()))", "a b"),
        ("ab", "py: f'{x:>4}|'", "  ab|"),
        ("ab", "py: sum([ord(c) for c in x])", "195"),
        ("flies", "py: stem(x)", "fli"),
        ("ab", "py: jaccard(x, 'bc')", repr(1 / 3)),
    ],
)
def test_python(cell: str, expression: str, expected: str | None) -> None:
    assert one(cell, expression) == expected


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("py: x.", "is not a Python expression"),
        ("py: open('f')", "unknown name 'open'"),
        ("py: __import__('os')", "unknown name '__import__'"),
        ("py: x.__class__", "unknown method '__class__'"),
        ("py: '{0.__class__}'.format(x)", "unknown method 'format'"),
        ("py: re.compile(x)", "unknown method 'compile'"),
        ("py: (lambda: x)()", "a lambda is not allowed"),
        ("py: (z := x)", "an assignment is not allowed"),
        ("py: [_ for _ in x]", "the name '_' is not allowed"),
        ("py: x.uper()", "did you mean 'upper'"),
        ("py: x + 1", "for 'ab' in row 1, column 1 .C1.: can only concatenate"),
        ("py: x.split()", "the result is an array"),
    ],
)
def test_python_is_restricted(expression: str, message: str) -> None:
    assert re.search(message, refusal(expression))


# ---- words and dates ------------------------------------------------------------------------------------------------

# Examples of the paper, as their stems are at the end of all steps.
STEMS = re.findall(
    r"\S+",
    """
caresses caress  ponies poni  ties ti  caress caress  cats cat  feed feed  agreed agre  plastered plaster  bled bled
motoring motor  sing sing  conflated conflat  troubled troubl  sized size  hopping hop  tanned tan  falling fall
hissing hiss  fizzed fizz  failing fail  filing file  happy happi  sky sky  relational relat  conditional condit
rational ration  valenci valenc  hesitanci hesit  digitizer digit  conformabli conform  radicalli radic
differentli differ  vileli vile  analogousli analog  vietnamization vietnam  predication predic  operator oper
feudalism feudal  decisiveness decis  hopefulness hope  callousness callous  formaliti formal  sensitiviti sensit
sensibiliti sensibl  triplicate triplic  formative form  formalize formal  electriciti electr  electrical electr
hopeful hope  goodness good  revival reviv  allowance allow  inference infer  airliner airlin  gyroscopic gyroscop
adjustable adjust  defensible defens  irritant irrit  replacement replac  adjustment adjust  dependent depend
adoption adopt  homologou homolog  communism commun  activate activ  angulariti angular  homologous homolog
effective effect  bowdlerize bowdler  probate probat  rate rate  cease ceas  controll control  roll roll
generalizations gener  oscillators oscil  is is  Running run
""",
)


@pytest.mark.parametrize(("word", "expected"), list(zip(STEMS[::2], STEMS[1::2], strict=True)))
def test_stems(word: str, expected: str) -> None:
    assert stem(word) == expected


def test_similarities() -> None:
    assert jaccard_similarity("", "") == 1.0
    assert jaccard_similarity("aab", "b") == 0.5
    assert word_error_rate("", "a b") == 2.0
    assert word_error_rate("a b c", "a b c") == 0.0
    assert word_error_rate("a b c d", "b c d") == 0.25


@given(st.datetimes(min_value=datetime(1000, 1, 1), allow_imaginary=False), st.sampled_from(list(FORMATS)))
def test_dates_are_recognised(date: Any, name: str) -> None:
    written = date.strftime(FORMATS[name])
    assert one(written, "x -> UtilFunctions.isDateColumn(x)") == "true"
    assert one(written, 'x -> UtilFunctions.addTimeToDate(x, 0, "d")') == written


@pytest.mark.parametrize(
    ("amount", "unit", "expected"),
    [
        (1, "M", "2024-02-29"),
        (-1, "y", "2023-01-31"),
        (2, "w", "2024-02-14"),
        (-31, "d", "2023-12-31"),
        (48, "h", "2024-02-02"),
    ],
)
def test_later_dates(amount: int, unit: str, expected: str) -> None:
    assert one("2024-01-31", f'x -> UtilFunctions.addTimeToDate(x, {amount}, "{unit}")') == expected
