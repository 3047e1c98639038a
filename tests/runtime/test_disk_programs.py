"""Programs print the same when their matrices are on disk."""

from __future__ import annotations

import pytest
from programs import program
from test_differential import CONTROL, SHARING, Thrown, check

from gramian.api import script
from gramian.budget import Budget


class Tiny(Budget):
    """Keeps next to nothing in memory, but lets operators load what they need."""

    def keeps(self, size: int) -> bool:
        return size <= 8

    def loads(self, size: int) -> bool:
        return True


@pytest.fixture(autouse=True)
def on_disk(monkeypatch):
    monkeypatch.setattr(script, "Budget", lambda *_: Tiny(large=1))


@pytest.mark.parametrize("start", range(0, 40, 10))
def test_random_programs(start):
    for offset in range(10):
        check(program(Thrown(17_000 + start + offset), 4 + offset))


@pytest.mark.parametrize("what", SHARING)
def test_writing_into_shared_matrices(what):
    check(SHARING[what].lstrip())


@pytest.mark.parametrize("what", CONTROL)
def test_control_flow(what):
    check(CONTROL[what].lstrip())
