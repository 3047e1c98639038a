"""The rules, in files of one subject each."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import gramian.ops  # the rules name operators
from gramian.rewrite.driver import RuleIndex
from gramian.rewrite.rule import Rule, read_rules
from gramian.source import Source

_ = gramian.ops


def rule_files() -> list[Source]:
    """The files of rules, by name."""
    paths = sorted(Path(__file__).parent.glob("*.rules"))
    return [Source(path.name, path.read_text(encoding="utf-8")) for path in paths]


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule, file by file."""
    return tuple(rule for source in rule_files() for rule in read_rules(source))


@cache
def rule_index() -> RuleIndex:
    """All rules, ready for drivers."""
    return RuleIndex(all_rules())
