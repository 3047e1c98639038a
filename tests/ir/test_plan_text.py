"""Plans print as scripts that parse back to the same plan and do the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
from cases import FOLDER, SCRIPTS, compiled, printed, stages
from hypothesis import given, strategies as st

from gramian.errors import GramianError
from gramian.ir.node import absent, build, literal, var
from gramian.ir.program import Assign, Block, Item, Program
from gramian.ir.syntax import LEVELS, MINUS, NOT, Syntax, literal_piece
from gramian.ir.text import plan_text
from gramian.ir.types import BOOLEAN, matrix, scalar
from gramian.lang.dml import parse_expression, words
from gramian.source import Source


def plan(script: str, after: str = "lower") -> str:
    """The plan of a script after a pass. Whatever it is, it must parse back, and do what the script does."""
    program = compiled(dedent(script).strip() + "\n")
    expected = printed(program)
    program = next(found for name, found in stages(program) if name == after)
    text = plan_text(program)
    again = compiled(text)
    assert plan_text(again) == text
    assert printed(again) == expected
    return text.rstrip("\n")


def with_body(program: Program, *items: Item) -> Program:
    return replace(program, main=replace(program.main, body=items))


def same(script: str, after: str = "lower") -> None:
    """The script is its own plan."""
    assert plan(script, after) == dedent(script).strip()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(FOLDER).with_suffix("")))
def test_plans_of_cases_parse_back_and_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    try:
        programs = dict(stages(compiled(path.read_text(encoding="utf-8"), path.name)))
    except GramianError:
        return  # a script with errors has no plan
    expected = printed(programs["lower"])
    for text in dict.fromkeys(map(plan_text, programs.values())):
        again = compiled(text)
        assert plan_text(again) == text
        assert printed(again) == expected


# -- expressions -------------------------------------------------------------------------------------------------------


def test_levels_are_those_of_the_parser() -> None:
    alike = {"&&": "&", "||": "|"}  # the plan has one operator for both
    assert {op: level for op, level in words.BINARY_LEVELS.items() if op not in alike} == LEVELS
    assert words.PREFIX_LEVELS == {"-": MINUS, "+": MINUS, "!": NOT}


@pytest.mark.parametrize(
    "text",
    [
        "-2 ^ 2",
        "(-2) ^ 2",
        "2 ^ (-1)",
        "2 ^ 3 ^ 2",
        "(2 ^ 3) ^ 2",
        "1 - (2 - 3)",
        "1 - 2 - 3",
        "1 - -3",
        "-(-3)",
        "7 %/% 2 * 3",
        "7 %/% (2 * 3)",
        "-(2 * 3)",
        "-2 * 3",
        "!(1 == 2) & TRUE",
        "1 < 2 == (3 < 4)",
        "1 < 2 == 3 < 4",
        "TRUE | FALSE & FALSE",
        "(TRUE | FALSE) & FALSE",
        "!TRUE",
        '"a" + 1 + 2',
        '"a" + (1 + 2)',
        "1e-6 + 1e300 * 1e16 + 0.1",
        "-9223372036854775807 - 1",
        "NaN + Inf - -Inf",
        "max(1, 2, 3) + min(4, 5)",
        "xor(TRUE, 1 > 2)",
        "ifelse(1 > 2, 3, 4)",
    ],
)
def test_scalar_expressions_keep_their_form(text: str) -> None:
    same(f"print({text})")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=8))
def test_texts_read_back(value: str) -> None:
    read = parse_expression(Source("text", literal_piece(value).text))
    assert read.value == value  # type: ignore[attr-defined]


@given(st.floats() | st.integers(-(2**63), 2**63 - 1) | st.booleans())
def test_numbers_read_back(value: float) -> None:
    program = compiled(f"x = {literal_piece(value).text}")
    block = program.main.body[0]
    assert isinstance(block, Block)
    known = block.statements[0].value.type.value
    assert repr(known) == repr(value)


OPERANDS = st.sampled_from(["a", "b", "2", "0.5"])
FORMS = ["({0} {op} {1})", "(-{0})", "max({0}, {1})", "({0} {op} (-{1}))"]


@given(
    st.recursive(
        OPERANDS,
        lambda inner: st.builds(
            lambda form, op, x, y: form.format(x, y, op=op),
            st.sampled_from(FORMS),
            st.sampled_from(["+", "-", "*", "/", "^", "%%", "%/%"]),
            inner,
            inner,
        ),
        max_leaves=12,
    )
)
def test_parentheses_are_where_they_must_be(expression: str) -> None:
    script = f"a = 3.5\nif (a > 1) {{\n  b = -2.5\n}} else {{\n  b = 1.5\n}}\nc = {expression}\nprint(c)\n"
    program = compiled(script)
    again = compiled(plan_text(program))
    first, second = (p.main.body[-1].statements[-2].value for p in (program, again))  # type: ignore[union-attr]
    assert first is second


def test_arguments_go_by_name_where_scripts_do_that() -> None:
    same(
        """
        X = matrix(seq(1, 6), rows=3, cols=2)
        Y = order(target=X, by=2, decreasing=TRUE)
        Z = removeEmpty(target=X, margin="rows", empty.return=FALSE)
        p = cdf(target=1, dist="normal", mean=2, lower.tail=FALSE)
        T = table(seq(1, 3), seq(2, 4), 7, 7)
        R = rand(rows=2, cols=3, seed=7)
        s = log(8, 2) + quantile(seq(1, 5), 0.5)
        print(toString(target=Y, decimal=1))
        """
    )


def test_defaults_are_left_out() -> None:
    assert plan("A = matrix(0, 2, 2, TRUE)\nB = rand(rows=1, cols=1, min=0, seed=3)\nC = order(target=A, by=1)") == (
        "A = matrix(0, rows=2, cols=2)\nB = rand(seed=3)\nC = order(A)"
    )


def test_indices() -> None:
    same(
        """
        X = matrix(seq(1, 12), rows=3, cols=4)
        n = nrow(X) - 1
        a = X[1, 2]
        b = X[, n + 1]
        c = X[n, ]
        d = X[1:n, 2:(n + 2)]
        e = (X + 1)[1, ]
        f = t(X)[1, ]
        g = X[, ]
        X[1, ] = X[2, ]
        X[1:2, 3:4] = X[2:3, 1:2]
        X[n, 1] = 5
        print(sum(X))
        """
    )


def test_lists() -> None:
    same(
        """
        l = list(a=1, 2, b="x")
        l["a"] = 5
        l[2:3] = list(7, 8)
        print(as.scalar(l["a"]) + length(l[1:2]))
        e = list()
        print(length(e))
        """
    )


def test_internal_operators_print_as_what_they_mean() -> None:
    same(
        """
        X = matrix(1, rows=2, cols=2)
        for (i in 1:2) {
          X[i, 1] = i
          print(as.scalar(X[i, 1]) + 1)
        }
        """,
        after="remove_dead_code",
    )


# -- blocks ------------------------------------------------------------------------------------------------------------


def test_shared_values_have_names() -> None:
    assert plan("X = rand(rows=2, cols=2, seed=1)\ny = sum(exp(X) * exp(X))\nz = sum(exp(X))\nprint(y - z)") == (
        "X = rand(rows=2, cols=2, seed=1)\nt1 = exp(X)\ny = sum(t1 * t1)\nz = sum(t1)\nprint(y - z)"
    )


def test_new_names_are_not_taken() -> None:
    assert plan("t1 = matrix(4, 1, 1)\nt2 = sum(sqrt(t1) + sqrt(t1))\nprint(t2)") == (
        "t1 = matrix(4, rows=1, cols=1)\nt3 = sqrt(t1)\nt2 = sum(t3 + t3)\nprint(t2)"
    )


def test_known_numbers_stay_numbers() -> None:
    same("x = 5\ny = 2\nprint(5 + 2)")


def test_values_stay_in_their_variables() -> None:
    same(
        """
        a = matrix(1, rows=1, cols=1)
        b = matrix(2, rows=1, cols=1)
        t = a
        a = b
        b = t
        print(sum(t) + sum(a))
        """
    )


def test_values_whose_variable_is_overwritten_move_away() -> None:
    assert plan("A = matrix(4, 1, 1)\nc = sqrt(A)\nprint(sum(c))\nc = 2\nd = sqrt(A) + c\nprint(sum(d))") == (
        "A = matrix(4, rows=1, cols=1)\nc = sqrt(A)\nprint(sum(c))\nt1 = c\nc = 2\nd = t1 + 2\nprint(sum(d))"
    )


def test_swapping_needs_the_old_value() -> None:
    program = compiled("if (1 > 0) {\n  a = 1\n  b = 2\n}\nt = a\na = b\nb = t\nprint(a + b * 10)")
    block = program.main.body[-1]
    assert isinstance(block, Block)
    # As if a pass had found that nobody reads t.
    swapped = Block(tuple(s for s in block.statements if not isinstance(s, Assign) or s.target != "t"), block.spans)
    text = plan_text(with_body(program, *program.main.body[:-1], swapped))
    assert text.splitlines()[4:] == ["t1 = a", "a = b", "b = t1", "print(a + t1 * 10)"]
    assert printed(compiled(text)) == printed(program)


def test_updates_without_their_variable() -> None:
    X = var("X", matrix(2, 2))
    changed = build("leftIndex", [X, literal(5), literal(1), absent(), literal(1), absent()])
    program = compiled('X = matrix(1, 2, 2)\nif (sum(X) > 0) {\n  print("")\n}\nY = X\nprint(sum(X) + " " + sum(Y))')
    span = program.main.span
    use = build("+", [build("sum", [X]), build("sum", [changed])])
    block = Block((Assign("Y", changed, span), Assign("s", use, span)), {})
    text = plan_text(with_body(program, *program.main.body[:-1], block))
    assert text.splitlines()[4:] == ["Y = X", "Y[1, 1] = 5", "s = sum(X) + sum(Y)"]
    assert plan_text(compiled(text)) == text


def test_deep_expressions_are_cut() -> None:
    script = "x = 1\nif (x > 0) {\n  x = 2\n}\ny = " + " + ".join(["x"] * 300) + "\nprint(y)"
    assert len(plan(script).splitlines()) > 8


# -- calls -------------------------------------------------------------------------------------------------------------

NOISY = """
f = function(double x) return (double y, double z) {
  print("f " + x)
  y = x + 1
  z = x * 2
}

g = function(double x) return (double y) {
  print("g " + x)
  y = x + 1
}

nothing = function(double x) {
  print("nothing " + x)
}

"""


def calls(script: str) -> str:
    return plan(NOISY + dedent(script)).partition('nothing " + x)\n}\n')[2].strip()


@pytest.mark.parametrize(
    "script",
    [
        "y = g(g(2.0)) + g(1.0) * 2",
        "[a, b] = f(3.0)\nprint(a + b)",
        "nothing(g(7.0))\ng(8.0)\nnothing(1.0)",
        "a = g(1.0)\nb = a\na = g(2.0)\nprint(b + a)",
        "f(1.0)",
        "[a] = f(1.0)\nprint(a)",
        "X = matrix(0, rows=2, cols=1)\nX[1, 1] = g(1.0)\nprint(sum(X))",
        "l = list(1, 2)\nl[1] = g(1.0)\nprint(length(l))",
        "a = g(1.0) + sum(exp(matrix(g(2.0), rows=1, cols=1)))",
        "s = g(1.0) * 2\nt = s + s\nprint(g(3.0) - t)",
        "a = g(1.0)\nprint(g(2.0) + a)",
    ],
)
def test_calls_stay_where_they_are(script: str) -> None:
    assert calls(script) == script


def test_calls_whose_order_no_expression_has() -> None:
    assert calls("t = g(1.0)\ny = g(2.0) - t * t") == "t = g(1.0)\ny = g(2.0) - t * t"
    program = compiled(NOISY + "t = g(1.0)\ny = g(2.0) - t")
    block = program.main.body[0]
    assert isinstance(block, Block)
    merged = Block(tuple(s for s in block.statements if not isinstance(s, Assign) or s.target != "t"), block.spans)
    text = plan_text(with_body(program, merged))
    assert text.endswith("t1 = g(1.0)\nt2 = g(2.0)\ny = t2 - t1\n")
    assert printed(compiled(text)) == ("g 1.0\ng 2.0\n", "")


def test_results_that_are_stored_by_index() -> None:
    assert calls("X = matrix(0, rows=2, cols=1)\n[X[1, 1], b] = f(1.0)\nprint(sum(X) + b)") == (
        "X = matrix(0, rows=2, cols=1)\n[t1, t2] = f(1.0)\nX[1, 1] = t1\nb = t2\nprint(sum(X) + t2)"
    )


def test_operators_with_several_results() -> None:
    same(
        """
        A = matrix("2 0 0 3", rows=2, cols=2)
        [values, vectors] = eigen(A)
        print(sum(values) + sum(abs(vectors)))
        [a, b, c] = svd(A)
        print(sum(b))
        """
    )


def test_unused_results_get_names_too() -> None:
    script = 'A = matrix("2 0 0 3", rows=2, cols=2)\n[a, b, c] = svd(A)\nprint(sum(b))'
    assert plan(script, "remove_dead_code").splitlines()[1] == "[t1, b] = svd(A)"


def test_effects_with_results() -> None:
    same("a = time()\nb = time() - a\nprint(b >= 0)\ntime()")


# -- control flow ------------------------------------------------------------------------------------------------------


def test_control_flow() -> None:
    same(
        """
        x = 3
        if (x > 2) {
          y = 1
        } else if (x > 1) {
          y = 2
        } else {
          y = 3
        }
        while (y < 4 & x > 0) {
          y = y + 1
        }
        for (i in 1:(x - 1)) {
          for (j in seq(5, 1, -2)) {
            y = y + i * j
          }
        }
        if (y > 1000) {
        }
        print(y)
        """
    )


def test_loops_whose_test_calls() -> None:
    text = calls('i = 0.0\nwhile (g(i) < 3) {\n  i = i + 1\n}\nprint("done")')
    test = text.partition("while (")[2].partition(")")[0]
    assert text.replace(test, "T") == (
        'i = 0.0\nT = g(0.0) < 3\nwhile (T) {\n  i = i + 1\n  T = g(i) < 3\n}\nprint("done")'
    )


def test_short_circuits() -> None:
    text = calls('x = 1.0\nif (x > 2 && g(x) > 1) {\n  print("no")\n}\nprint("yes")')
    assert "if" in text
    assert "&&" not in text


def test_random_numbers_in_tests_are_drawn_once() -> None:
    script = "i = 0\nwhile (sum(rand(rows=2, cols=2, seed=3) ^ 2) < 0) {\n  i = 1\n}\nprint(i)"
    text = plan(script, "remove_dead_code")
    assert text.count("rand(") == 2  # before the loop and at the end of its body
    assert "while (t1)" in text


def test_parfor() -> None:
    same(
        """
        R = matrix(0, rows=2, cols=2)
        S = matrix(0, rows=3, cols=2)
        u = 0.0
        parfor (i in 1:4, check=0, par=2) {
          R += matrix(i, rows=2, cols=2)
          u = sum(R) * 0
          v = matrix(i, rows=1, cols=1)
          v[1, 1] = v[1, 1] * 2
          S[1, 1] = as.scalar(v[1, 1])
        }
        print(sum(R) + " " + sum(S) + " " + u)
        """
    )


def test_accumulation_stays_one_when_rules_change_it() -> None:
    script = """
        R = matrix(0, rows=2, cols=2)
        Z = rand(rows=2, cols=2, seed=1)
        parfor (i in 1:3) {
          R += -Z
        }
        print(sum(R))
    """
    assert "R += -Z" in plan(script, "remove_dead_code")


def test_loops_over_lists() -> None:
    text = plan('for (x in ["a", "b"]) print(x)')
    assert text.splitlines()[0].endswith('= list("a", "b")')


# -- functions ---------------------------------------------------------------------------------------------------------


def test_functions() -> None:
    params = (
        'matrix[double] X, double s = 1.5, int n = 2, boolean b = TRUE, string t = "x", unknown u = 3, '
        "list[unknown] l = list(), frame[unknown] F = as.frame(1)"
    )
    same(f"f = function({params}) return (matrix[double] Y, double z) {{\n  Y = X * s\n  z = sum(Y)\n}}\n\nprint(1)")


def test_functions_of_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("geometry.dml").write_text("area = function(double r) return (double a) { print(r)\n a = pi * r ^ 2 }\n")
    text = plan('source("geometry.dml") as g\nprint(g::area(2))\nprint(as.scalar(eval("g::area", 2.0)))')
    assert "geometry__area = function(double r) return (double a) {" in text
    assert "print(geometry__area(as.double(2)))" in text
    assert 'eval("geometry__area", 2.0)' in text


def test_functions_that_hide_builtins() -> None:
    text = plan("sum = function(matrix[double] X) return (double s) { s = 42 + nrow(X) }\nprint(sum(matrix(1, 2, 2)))")
    assert "plan__sum = function" in text


def test_names_of_files_that_are_no_names() -> None:
    program = compiled("f = function(double x) return (double y) { y = x }\nprint(2)")
    odd = replace(program, functions={"2-d__f": replace(program.functions["f"], name="2-d__f")})
    assert plan_text(odd).startswith("f_2_d__f = function(double x)")


def test_functions_without_statements() -> None:
    script = "f = function() { if (FALSE) print(1) }\nf()"
    assert plan(script, "remove_branches").startswith("f = function() {\n  if (FALSE) {\n  }\n}\n")


def test_external_functions() -> None:
    same(
        """
        f = externalFunction(matrix[double] X) return (matrix[double] Y) implemented in (classname = "")

        print(1)
        """
    )


def test_variables_whose_assignment_was_removed() -> None:
    script = 'if (FALSE) {\n  x = matrix(1, 2, 2)\n}\nif (2 > 1) {\n  print("before")\n  print(sum(x))\n}'
    assert plan(script, "remove_branches") == (
        "if (FALSE) {\n  x = matrix(0, rows=0, cols=0)\n}\n" + 'print("before")\nprint(sum(x))'
    )


def test_existence() -> None:
    same("x = 2\nif (x > 1) {\n  y = 1\n}\nprint(exists(y))")


# -- types -------------------------------------------------------------------------------------------------------------


def test_types_in_comments() -> None:
    program = compiled(
        'X = matrix(0, 2, 3)\nn = nrow(X)\ns = sum(X)\nt = "a" + s\n[v, w] = eigen(X %*% t(X))\nprint(t)'
    )
    assert plan_text(program, types=True).splitlines() == [
        "X = matrix(0, rows=2, cols=3)  # matrix 2x3",
        "n = nrow(X)  # int = 2",
        "s = sum(X)  # double",
        't = "a" + s  # string',
        "[v, w] = eigen(X %*% t(X))  # matrix 2x1, matrix 2x2",
        "print(t)",
    ]


def test_syntax_writes_whole_expressions() -> None:
    node = build("!", [build("&", [var("a", scalar(BOOLEAN)), literal(True)])])
    assert Syntax({}, {}).inline(node).text == "!(a & TRUE)"
