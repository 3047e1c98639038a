"""The catalogue of SystemML 1.2 and SystemDS 3.4 is complete, but for what is left out on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

import gramian.ops
from gramian.api.script import Script
from gramian.errors import ScriptError
from gramian.ir.op import REGISTRY
from gramian.lang.lower.calls import SPECIAL
from gramian.source import Source

_ = gramian.ops
NAMES = (Path(__file__).parent / "builtin_names.txt").read_text(encoding="utf-8").split()

STATEMENTS = {"source", "setwd"}
LEFT_OUT = {
    "federated": "low priority: there are no federated computations",
    "tensor": "low priority: there are no tensors",
    "sql": "low priority: needs a database",
    "autoDiff": "low priority: gradients come from records, not from traces",
    "interQuantile": "never worked upstream",
    "range": "never worked upstream",
}


@pytest.mark.parametrize("name", NAMES)
def test_the_catalogue_is_complete(name: str) -> None:
    known = (name in REGISTRY and not REGISTRY[name].internal) or name in SPECIAL or name in STATEMENTS
    assert known != (name in LEFT_OUT)


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_is_left_out_says_so(name: str) -> None:
    with pytest.raises(ScriptError) as caught:
        Script.compile(Source("test.dml", f"x = {name}(matrix(1, 2, 2))"))
    assert caught.value.diagnostics[0].hint


def test_the_list_of_names_is_the_whole_index() -> None:
    assert len(NAMES) == len(set(NAMES)) > 180
