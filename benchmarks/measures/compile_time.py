"""How long the compiler takes for a script of 1,000 lines, pass by pass."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter

from gramian.api.script import deep_recursion
from gramian.backends.local import LocalBackend
from gramian.lang.dml import parse
from gramian.lang.lower import lower
from gramian.passes.facts import Facts
from gramian.passes.pipeline import PIPELINE
from gramian.runtime.run import Execution
from gramian.settings import Settings
from gramian.source import Source

LINES = 1000


def script(lines: int = LINES) -> str:
    """A script like those that people write: aggregates, products, branches in loops, calls of functions."""
    out = [
        "f = function(matrix[double] X, double s = 2) return (matrix[double] Y, double n) {",
        "  Y = X * s + rowSums(X)",
        "  n = sum(Y)",
        "}",
        "A = rand(rows=50, cols=20, seed=1)",
        "acc = 0.0",
    ]
    number = 0
    while len(out) < lines - 1:
        number += 1
        out += [
            f"B{number} = (A * {number} - colMeans(A)) / (colSds(A) + 0.1)",
            f"w{number} = t(B{number}) %*% (B{number} %*% matrix(1, rows=20, cols=1))",
            "for (k in 1:3) {",
            f"  if (k > 1 & sum(w{number}) > {number}) {{ acc = acc + as.scalar(w{number}[k, 1]) * k }}",
            "}",
            f"[Y{number}, n{number}] = f(A[1:{number % 40 + 2}, ], s={number}.5)",
            f"acc = acc + n{number} + sum(Y{number} > 0.5)",
            f'if (acc < -1e300) print("never " + {number} + " " + acc)',
        ]
    return "\n".join([*out[: lines - 1], "print(acc)"])


def report(repeat: int) -> None:
    times: dict[str, list[float]] = {}
    with deep_recursion():
        for number in range(repeat):
            _compile(Source(f"long{number}.dml", script()), times)
    print(f"\ncompiling {LINES} lines (limit 1000 ms)")
    for name, seconds in times.items():
        print(f"  {name:<24} {median(seconds) * 1e3:>7.1f} ms")
    print(f"  {'in all':<24} {sum(median(s) for s in times.values()) * 1e3:>7.1f} ms")


def _compile(source: Source, times: dict[str, list[float]]) -> None:
    def timed(name: str, work: Callable[[], object]) -> object:
        start = perf_counter()
        result = work()
        times.setdefault(name, []).append(perf_counter() - start)
        return result

    tree = timed("parse", lambda: parse(source))
    program = timed("lower", lambda: lower(source, lambda _: tree, Settings()))  # type: ignore[arg-type, return-value]
    for step in PIPELINE:
        program = timed(step.__name__, lambda step=step, program=program: step(program, Facts()))  # type: ignore[misc]
    timed("generate and load", lambda: Execution(program, LocalBackend(), Settings()))  # type: ignore[arg-type]
