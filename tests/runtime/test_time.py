"""time() is a barrier: what is assigned before it is complete, and what comes after has not begun."""

from __future__ import annotations

from gramian.api.script import Script
from gramian.ir.op import REGISTRY
from gramian.ops.index import writable
from gramian.ops.text import out
from gramian.runtime.run import Execution
from gramian.settings import Settings
from gramian.source import Source

SCRIPT = """
X = matrix(2, rows=3, cols=3)
t0 = time()
A = X %*% X
t1 = time()
B = X %*% X
t2 = time()
print(sum(A) + sum(B))
"""


def test_time_is_a_barrier() -> None:
    events: list[str] = []

    class Watched:
        name = "watched"
        writable = staticmethod(writable)

        def kernel(self, op: object) -> object:
            name = getattr(op, "name", "")

            def run(*values: object) -> object:
                events.append(name)
                return REGISTRY[name].kernel(*values)

            return run

    program = Script.compile(Source("time.dml", SCRIPT)).program
    with out.to(lambda text: None):
        Execution(program, Watched(), Settings()).run()  # type: ignore[arg-type]
    assert [e for e in events if e in ("time", "%*%")] == ["time", "%*%", "time", "%*%", "time"]


def test_time_goes_forward() -> None:
    first, second = REGISTRY["time"].kernel(), REGISTRY["time"].kernel()
    assert isinstance(first, int)
    assert second >= first
