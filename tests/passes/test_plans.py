"""Golden plans: `tests/plans/<pass>/*.dml` hold a script, a line `#----`, and its plan after that pass.

The plan is a script itself and does the same. GRAMIAN_BLESS=1 writes the plans as they are now.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cases import printed

from gramian.ir.program import Program
from gramian.ir.text import plan_text
from gramian.ir.verify import verify
from gramian.lang.dml import parse
from gramian.lang.lower import lower
from gramian.passes.facts import Facts
from gramian.passes.pipeline import pass_names, run_passes
from gramian.settings import Settings
from gramian.source import Source

FOLDER = Path(__file__).parents[1] / "plans"
PLANS = sorted(FOLDER.rglob("*.dml"))
SEPARATOR = "#----\n"
WITH_TYPES = ("propagate_sizes",)


def compiled(text: str) -> Program:
    return lower(Source("plan", text), parse, Settings())


@pytest.mark.parametrize("path", PLANS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_plan(path: Path) -> None:
    script, _, expected = path.read_text(encoding="utf-8").partition(SEPARATOR)
    program = compiled(script)
    changed = run_passes(program, Facts(), path.parent.name)
    verify(changed)
    plan = plan_text(changed, types=path.parent.name in WITH_TYPES)
    if os.environ.get("GRAMIAN_BLESS"):
        path.write_text(script + SEPARATOR + plan, encoding="utf-8")
        expected = plan
    assert plan == expected
    again = compiled(plan)
    assert plan_text(again) == plan_text(changed)
    assert printed(again) == printed(run_passes(program, Facts(), "differentiate"))  # grad() itself does not run


def test_every_pass_has_plans() -> None:
    folders = [path.parent.name for path in PLANS]
    assert set(folders) == set(pass_names()) - {"lower"}
    assert all(folders.count(name) >= 4 for name in folders)
