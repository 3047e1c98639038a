"""Generated code lets go of matrices at their last use, and programs print the same for it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from cases import compiled, printed
from programs import program
from test_differential import SHARING, Thrown, check

from gramian.backends.local import LocalBackend
from gramian.ir.op import Op
from gramian.passes.facts import Facts
from gramian.passes.pipeline import run_passes
from gramian.runtime import release
from gramian.runtime.backend import Kernel
from gramian.runtime.run import Execution
from gramian.settings import Settings


@pytest.mark.parametrize("start", range(0, 60, 10))
def test_random_programs_that_let_go_of_everything(monkeypatch, start):
    monkeypatch.setattr(release, "SMALLEST", 0)
    for offset in range(10):
        check(program(Thrown(9000 + start + offset), 4 + offset))


@pytest.mark.parametrize("what", SHARING)
def test_sharing_where_everything_is_let_go_of(monkeypatch, what):
    monkeypatch.setattr(release, "SMALLEST", 0)
    check(SHARING[what].lstrip())


class Counting(LocalBackend):
    """Counts the large matrices that are alive while a kernel runs, without its result; `most` is the peak."""

    def __init__(self) -> None:
        super().__init__()
        self.alive: list[weakref.ref[Any]] = []
        self.most = 0
        self.at: dict[str, int] = {}

    def kernel(self, op: Op) -> Kernel | None:
        return self.counted(op.name, super().kernel(op) or op.kernel)

    def pipeline(self, pipeline: Any) -> None:
        return None

    def counted(self, name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def run(*values: Any) -> Any:
            result = kernel(*values)
            self.alive = [ref for ref in self.alive if ref() is not None]
            self.most = max(self.most, len(self.alive))
            self.at[name] = len(self.alive)
            if isinstance(result, np.ndarray) and result.size >= 10_000 and result.base is None:
                self.alive.append(weakref.ref(result))
            return result

        return run


def counted(text: str) -> Counting:
    backend = Counting()
    gc.disable()  # what only a garbage collection frees counts
    try:
        program = run_passes(compiled(dedent(text)), Facts())
        Execution(program, backend, Settings()).run()
    finally:
        gc.enable()
    return backend


def test_a_chain_of_operators_holds_one_matrix() -> None:
    assert (
        counted("""
        X = rand(rows=100, cols=100, seed=1)
        Y = cumsum(cumsum(cumsum(X)))
        Z = cumsum(Y)
        print(sum(cumsum(Z)))
    """).most
        == 1
    )


def test_a_variable_goes_at_its_last_use() -> None:
    found = counted("""
        X = rand(rows=100, cols=100, seed=1)
        s = sum(cumsum(X))
        Y = rand(rows=100, cols=100, seed=2)
        t = sum(cumprod(Y))
        print(s + t)
    """)
    assert found.at["cumprod"] == 1


def test_a_variable_of_one_branch_goes_in_the_other() -> None:
    found = counted("""
        X = rand(rows=100, cols=100, seed=1)
        if (sum(X) < 0) {
          print(sum(cumsum(X)))
        } else {
          Y = rand(rows=100, cols=100, seed=2)
          print(sum(cumprod(Y)))
        }
    """)
    assert found.at["cumprod"] == 1


def test_what_a_loop_reads_goes_behind_it() -> None:
    found = counted("""
        X = rand(rows=100, cols=100, seed=1)
        s = 0
        i = 0
        while (i < sum(X) / 1000) {
          i = i + 1
          s = s + sum(cumsum(X))
        }
        Y = rand(rows=100, cols=100, seed=2)
        print(s + sum(cumprod(Y)))
    """)
    assert found.at["cumsum"] == 1
    assert found.at["cumprod"] == 1


def test_what_a_test_computes_goes_before_the_branch() -> None:
    found = counted("""
        X = rand(rows=100, cols=100, seed=1)
        if (sum(cumsum(X)) > 0) {
          print(sum(cumprod(X)))
        }
    """)
    assert found.at["cumprod"] == 1


LARGE = """
    f = function(matrix[double] A) return (double r) {
      r = 0
      while (r < 2) {
        r = r + 1
      }
      A = cumsum(A)
      r = r + sum(cumprod(A))
    }
"""


def test_a_function_takes_over_an_argument_that_the_caller_does_not_need() -> None:
    found = counted(f"""{LARGE}
        print(f(rand(rows=100, cols=100, seed=1)))
    """)
    assert found.at["cumprod"] == 1


def test_a_caller_keeps_what_it_needs() -> None:
    found = counted(f"""{LARGE}
        X = rand(rows=100, cols=100, seed=1)
        print(f(X))
        print(sum(X))
    """)
    assert found.at["cumprod"] == 2


def test_the_iterations_of_a_parfor_let_go_of_their_own() -> None:
    found = counted("""
        X = rand(rows=100, cols=100, seed=1)
        R = matrix(0, 3, 1)
        parfor (i in 1:3) {
          A = X + i
          B = cumsum(A)
          R[i, 1] = sum(cumprod(B))
        }
        print(sum(R) + sum(X))
    """)
    assert found.at["cumprod"] == 2


def test_no_value_is_let_go_of_twice_in_texts() -> None:
    """Names of generated variables in literal texts stay what they are."""
    text = """
    f = function(string s, matrix[double] A) return (double r) {
      print(s)
      r = 0
      while (r < 2) { r = r + 1 }
      r = r + sum(A)
    }
    X = rand(rows=100, cols=100, seed=1)
    print("v_X and t1 " + f("v_X", X))
    """
    assert printed(run_passes(compiled(dedent(text)), Facts()))[0].startswith("v_X\nv_X and t1 ")
