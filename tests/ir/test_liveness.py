"""Which variables are live around the items of a function."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent

import pytest
from cases import compiled

from gramian.ir.liveness import live_after, liveness
from gramian.ir.node import var
from gramian.ir.program import Assign, Block, For, Function, If, Item, While, items
from gramian.ir.types import INT, scalar


def function(body: str, outputs: str = "int r") -> Function:
    """A function with parameters p and q, called once."""
    text = f"f = function(int p, int q) return ({outputs}) {{\n{dedent(body)}\n}}\nx = f(1, 2)\nprint(x)\n"
    return next(iter(compiled(text).functions.values()))


def after(body: str, kind: type[Item], at: int = 0) -> set[str]:
    found = function(body)
    return set(live_after(found)[[item for item in items(found.body) if isinstance(item, kind)][at]])


def test_blocks_and_outputs() -> None:
    body = "a = p + 1\nb = q\nif (a > 0) {\n r = a\n} else {\n r = 2\n}"
    assert after(body, Block, 0) == {"a"}
    assert after(body, Block, 1) == {"r"}
    assert after(body, If) == {"r"}


def test_a_variable_that_one_branch_reads_is_live_before_it() -> None:
    found = function("a = p\nif (p > 0) {\n r = a\n} else {\n r = q\n}")
    branch = next(item for item in found.body if isinstance(item, If))
    live = liveness(found)
    assert live.before[branch] == {"a", "p", "q"}
    assert live.before[branch.then[0]] == {"a"}
    assert live.before[branch.orelse[0]] == {"q"}


def test_a_loop_keeps_what_its_next_iteration_reads() -> None:
    body = "r = 0\ns = p\nwhile (r < q) {\n t = s * 2\n r = r + t\n}"
    found = function(body)
    live = liveness(found)
    loop = next(item for item in found.body if isinstance(item, While))
    assert live.before[loop] == {"r", "s", "q"}
    assert live.after[loop] == {"r"}
    assert live.after[loop.body[-1]] == {"r", "s", "q"}


def test_the_head_of_a_while_is_run_before_each_test() -> None:
    text = """
    g = function(int k) return (int n) {
      print("g " + k)
      n = k
    }
    i = 0
    while (g(i) < 3) {
      i = i + 1
    }
    """
    main = compiled(dedent(text)).main
    loop = next(item for item in main.body if isinstance(item, While))
    live = liveness(main)
    assert loop.head
    assert live.after[loop.head[-1]] == {loop.test.name, "i"}
    assert live.before[loop.body[0]] == {"i"}
    assert live.before[loop] == {"i"}
    assert live.after[loop] == frozenset()


@pytest.mark.parametrize(("over", "live"), [("1:q", {"q"}), ("seq(1, q, 1)", {"q", "r"})])
def test_only_a_loop_without_step_surely_runs(over: str, live: set[str]) -> None:
    assert after(f"r = 7\nif (p > 0) {{\n print(p)\n}}\nfor (i in {over}) {{\n r = i\n}}", If) == live


def test_the_variable_of_a_loop_is_assigned_by_it() -> None:
    found = function("i = p\nif (p > 0) {\n print(p)\n}\nfor (i in 1:q) {\n print(i)\n}\nr = i")
    loop = next(item for item in found.body if isinstance(item, For))
    live = liveness(found)
    assert live.before[loop] == {"q"}
    assert live.after[loop] == {"i"}
    assert live.after[loop.body[-1]] == {"i"}


def test_iterations_of_a_parfor_have_variables_of_their_own() -> None:
    text = """
    R = matrix(0, 3, 1)
    a = 1
    b = 2
    c = 3
    if (b > 1) print(b)
    parfor (i in 1:3, check=0) {
      print(a)
      a = b + i
      if (a > 2) print(a)
      R[i, 1] = a
    }
    print(sum(R) + a)
    """
    main = compiled(dedent(text)).main
    loop = next(item for item in main.body if isinstance(item, For))
    live = liveness(main)
    assert live.before[loop] == {"R", "a", "b"}
    assert live.after[loop] == {"R", "a"}
    assert live.after[loop.body[0]] == {"R", "a", "b", "i"}
    assert live.after[loop.body[-1]] == {"R", "b"}


def test_asking_whether_a_variable_exists_keeps_it() -> None:
    text = 'b = 2\nif (b > 0) a = 1\nif (b > 1) print(b)\nif (exists("a")) print(b)\n'
    main = compiled(text).main
    assert live_after(main)[main.body[2]] == {"a", "b"}


def test_an_item_in_two_places_keeps_what_either_needs() -> None:
    found = function("a = p\nif (p > 0) {\n r = 1\n} else {\n r = 2\n}")
    block = found.body[0]
    read = Block((Assign("r", var("a", scalar(INT)), found.span),), {})
    assert isinstance(block, Block)
    doubled = replace(found, body=(block, read, block))
    assert live_after(doubled)[block] == {"a", "p", "r"}
