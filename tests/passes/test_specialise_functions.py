"""What golden plans do not show of copies of functions: messages, names, and that their number stays small."""

from __future__ import annotations

from textwrap import dedent

import pytest
from cases import compiled, printed

from gramian.api.script import Script
from gramian.errors import ScriptError
from gramian.ir.program import Program
from gramian.passes.facts import Facts
from gramian.passes.pipeline import run_passes
from gramian.settings import Settings


def specialised(text: str) -> Program:
    return run_passes(compiled(dedent(text)), Facts(), "specialise_functions")


def test_messages_speak_of_the_function_that_was_written() -> None:
    program = specialised(
        """
        f = function(matrix[double] X, boolean loud) return (double y) {
          if (loud) {
            print("loud")
          }
          while (sum(X) > 100) {
            X = X / 2
          }
          y = 0.0
          if (sum(X) > 3) {
            y = det(X)
          }
        }
        a = f(matrix(1, 2, 2), TRUE)
        if (a < 5) {
          a = f(matrix(1, 2, 3), FALSE)
        }
        print(a)
        """
    )
    assert list(program.functions) == ["f", "f_2"]
    with pytest.raises(ScriptError) as found:
        Script(run_passes(program, Facts()), Settings()).run()
    (wrong,) = found.value.diagnostics
    assert [(text, str(place)) for text, place in wrong.notes][-1:] == [("in f(), called at", "plan:16:7")]


def test_names_that_exist_are_not_taken() -> None:
    program = specialised(
        """
        f = function(double x, boolean b) return (double y) {
          y = x
          if (b) { print(x) }
          while (y > 1) { y = y / 2 }
        }
        f_2 = function(double x) return (double y) {
          print("own " + x)
          y = x
        }
        print(f(1, TRUE) + f(2, FALSE) + f_2(3))
        """
    )
    assert list(program.functions) == ["f", "f_2", "f_3"]
    assert [f.title for f in program.functions.values()] == ["f", "f_2", "f"]


@pytest.mark.parametrize(("flags", "most"), [(1, 2), (2, 4), (3, 7), (6, 7)])
def test_copies_are_few(flags: int, most: int) -> None:
    names = [f"b{n}" for n in range(flags)]
    tests = "\n".join(f'if ({n}) {{ print("{n}") }}' for n in names)
    loops = "while (y > 1) { y = y / 2 }"
    calls = []
    for number in range(2**flags):
        given = ["TRUE" if number >> bit & 1 else "FALSE" for bit in range(flags)]
        calls.append(f"s = s + f({', '.join(given)}, {number})")
    params = ", ".join(f"boolean {n}" for n in names)
    text = f"f = function({params}, double y) return (double z) {{\n{tests}\n{loops}\nz = y\n}}\n"
    program = specialised(text + "s = 0.0\n" + "\n".join(calls) + "\nprint(s)\n")
    assert 1 <= len(program.functions) <= most
    whole = compiled(text + "s = 0.0\n" + "\n".join(calls) + "\nprint(s)\n")
    assert printed(run_passes(whole, Facts())) == printed(whole)


def test_chains_of_calls_come_to_an_end() -> None:
    functions = [
        "f0 = function(int n, boolean b) return (int m) {\n m = n\n while (m > 9) { m = m - 1 }\n if (b) { print(n) }\n}"
    ]
    for depth in range(1, 6):
        body = f"m = f{depth - 1}(n, TRUE) + f{depth - 1}(n + 1, FALSE)\n if (b) {{ print({depth}) }}"
        loop = "while (m > 99) { m = m - 1 }"
        functions.append(f"f{depth} = function(int n, boolean b) return (int m) {{\n {body}\n {loop}\n}}")
    text = "\n".join(functions) + "\nprint(f5(1, TRUE) + f5(2, FALSE))\n"
    program = run_passes(compiled(text), Facts())
    assert len(program.functions) <= 12
    assert printed(program) == printed(compiled(text))
