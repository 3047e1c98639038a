"""lineage(x) names the operations that make x."""

from __future__ import annotations

from gramian.api.script import Script
from gramian.ops.text import out
from gramian.source import Source


def printed(text: str) -> str:
    found: list[str] = []
    with out.to(found.append):
        Script.compile(Source("test.dml", text)).run()
    return "".join(found)


def test_lineage_lists_each_operation_once() -> None:
    text = 'X = matrix("1 2 3 4", 2, 2)\nY = t(X) %*% X + t(X)\nprint(lineage(Y))'
    assert printed(text).splitlines() == [
        't1 = matrix("1 2 3 4", rows=2, cols=2)',
        "t2 = t(t1)",
        "t3 = t2 %*% t1",
        "t4 = t3 + t2",
    ]


def test_lineage_names_variables_from_before() -> None:
    text = "X = matrix(1, 2, 2)\nfor (i in 1:2) X = X * i\nprint(lineage(X + 1))\nprint(lineage(X))"
    assert printed(text).splitlines() == ["t1 = X + 1", "X"]
