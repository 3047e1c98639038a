"""The rules, in files of one subject each."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import gramian.ops  # the rules name operators
from gramian.rewrite.rule import Rule, read_rules
from gramian.source import Source

_ = gramian.ops


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule, file by file."""
    rules: list[Rule] = []
    for path in sorted(Path(__file__).parent.glob("*.rules")):
        rules += read_rules(Source(path.name, path.read_text(encoding="utf-8")))
    return tuple(rules)
