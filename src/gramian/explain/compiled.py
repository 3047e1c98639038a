"""Compiling a script with a record of what each pass did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gramian.ir.node import Node, walk
from gramian.ir.program import Program, item_roots, items
from gramian.lang.dml import parse
from gramian.lang.lower import lower
from gramian.passes.facts import Facts
from gramian.passes.pipeline import PIPELINE
from gramian.passes.simplify import simplify, simplify_with
from gramian.rewrite.driver import Driver
from gramian.rewrite.rules import rule_index
from gramian.runtime.run import deep_recursion
from gramian.settings import Settings
from gramian.source import Source, Span

Rules = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PassRecord:
    """What a pass did: the operators of the program after it, how many of them are new, and how many went."""

    name: str
    operators: int
    made: int
    removed: int


@dataclass(frozen=True)
class Compiled:
    """A program and how it came about.

    `fired` says how often each rule was applied, `made_by` which rules made a node, the last one at the end, and `made_at`
    which made an operator at a place: later passes may change what its operands are.
    """

    program: Program
    settings: Settings
    passes: tuple[PassRecord, ...] = ()
    fired: Mapping[str, int] = field(default_factory=dict)
    made_by: Mapping[Node, Rules] = field(default_factory=dict)
    made_at: Mapping[tuple[str, Span], Rules] = field(default_factory=dict)

    def rules_of(self, node: Node, place: Span | None) -> Rules:
        """The rules that made an operator, as far as that is known."""
        found = self.made_by.get(node, ())
        return found if found or place is None else self.made_at.get((node.op.name, place), ())


def compile_recorded(source: Source, settings: Settings) -> Compiled:
    """Compile a script as `Script.compile` does.

    Raises:
        ScriptError: with every error that was found.
    """
    with deep_recursion(), np.errstate(all="ignore"):
        return _compile(source, settings)


def _compile(source: Source, settings: Settings) -> Compiled:
    program = lower(source, parse, settings)
    before = _operators(program)
    records = [PassRecord("lower", before.total(), before.total(), 0)]
    driver = Driver(rule_index())
    made_at: dict[tuple[str, Span], Rules] = {}
    for step in PIPELINE:
        if records[-1].name == settings.until:
            break
        if step is simplify:
            program = simplify_with(program, driver)
            made_at = _places(program, driver)
        else:
            program = step(program, Facts())
        after = _operators(program)
        made, removed = (after - before).total(), (before - after).total()
        records.append(PassRecord(step.__name__, after.total(), made, removed))
        before = after
    made_by = {node: tuple(dict.fromkeys(rule.text for rule in rules)) for node, rules in driver.made.items()}
    return Compiled(program, settings, tuple(records), driver.fired, made_by, made_at)


def _places(program: Program, driver: Driver) -> dict[tuple[str, Span], Rules]:
    found: dict[tuple[str, Span], Rules] = {}
    for function in program.all_functions:
        for item in items(function.body):
            for node in walk(item_roots(item)):
                if node in driver.made and node in item.spans:
                    found[node.op.name, item.spans[node]] = tuple(dict.fromkeys(r.text for r in driver.made[node]))
    return found


def _operators(program: Program) -> Counter[Node]:
    """How many items of the program compute each node that is more than a variable or a literal."""
    found: Counter[Node] = Counter()
    for function in program.all_functions:
        for item in items(function.body):
            found.update(node for node in walk(item_roots(item)) if node.args)
    return found
