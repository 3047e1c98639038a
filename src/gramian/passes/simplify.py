"""Expressions become cheaper ones that mean the same, by the rules in `gramian/rewrite/rules`.

>>> Y = t(t(X))          # Y = X
"""

from __future__ import annotations

from gramian.ir.mapping import map_nodes
from gramian.ir.program import Program
from gramian.passes.facts import Facts
from gramian.rewrite.driver import Driver
from gramian.rewrite.rules import all_rules


def simplify(program: Program, facts: Facts) -> Program:
    return map_nodes(program, Driver(all_rules()).simplify)
