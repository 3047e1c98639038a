"""What a job reads on another machine than where it is: those blocks are copied there first.

Rows of matrices that are cut alike lie side by side, so that most jobs need none of this, and on one machine nobody does.
A block that is missing all the same is made again from its recipe.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeVar

from gramian.backends.spark.anchors import Anchors, anchor_of
from gramian.backends.spark.blocks import Cut, Recipe, recipes_in
from gramian.backends.spark.exchange import ROUND

WORTH = 1 << 20  # bytes of blocks for which a job of their own is worth while

AnyTargets = TypeVar("AnyTargets")
Blocks = tuple[str, int]  # of a matrix, by name and panel


class Moves:
    """The copies of blocks that a step needs: for each matrix its panels, each with the machines that lack it."""

    def __init__(self, anchors: Anchors, copies: Collection[tuple[Blocks, int]]) -> None:
        self.anchors = anchors
        self.copies = copies
        self.needed: dict[str, tuple[Recipe, dict[int, set[int]]]] = {}
        self._seen: set[tuple[str, int, int, int]] = set()

    def add(self, step: Any, cut: Cut, wanted: Collection[int]) -> None:
        """What some panels of a step read."""
        for panel in wanted:
            machine = self._machine(panel, cut)
            limits = cut.limits(panel)
            for recipe, first, last in _reads(step, panel, cut):
                if (recipe.cut, first, last) != (cut, *limits):
                    self._rows(recipe, first, last, machine)

    def _machine(self, panel: int, cut: Cut) -> int:
        return self.anchors.machines[anchor_of(panel, len(self.anchors), cut)]

    def _rows(self, recipe: Recipe, first: int, last: int, machine: int) -> None:
        behind = list(recipe.behind(first, last))
        for other in behind:
            self._rows(*other, machine)
        if behind:
            return
        if recipe.is_quick or (recipe.name, first, last, machine) in self._seen:
            return
        self._seen.add((recipe.name, first, last, machine))
        step = recipe.cut.step
        for number in range(first // step, -(-last // step)):
            if self._machine(number, recipe.cut) != machine and ((recipe.name, number), machine) not in self.copies:
                self.needed.setdefault(recipe.name, (recipe, {}))[1].setdefault(number, set()).add(machine)

    def worth_while(self) -> Iterator[tuple[Recipe, dict[int, set[int]]]]:
        """The matrices of which much is needed."""
        for recipe, panels in self.needed.values():
            rows = sum(len(range(*recipe.cut.limits(panel))) for panel in panels)
            if rows * recipe.row_bytes >= WORTH:
                yield recipe, panels


def in_rounds(recipe: Recipe, panels: Mapping[int, AnyTargets]) -> Iterator[dict[int, AnyTargets]]:
    """Panels and where they go in parts, of which nobody gets more in a job than should be in Java's memory."""
    size = recipe.cut.step * recipe.row_bytes
    count = max(1, ROUND // max(1, size))
    numbers = sorted(panels)
    for start in range(0, len(numbers), count):
        yield {panel: panels[panel] for panel in numbers[start : start + count]}


def _reads(step: Any, panel: int, cut: Cut) -> Iterator[tuple[Recipe, int, int]]:
    if isinstance(step, Recipe):
        yield from step.reads(panel)
    elif getattr(step, "makes", False):
        yield from step.recipe.reads(panel)
    else:
        for recipe in recipes_in(step):
            if recipe.cut.rows == cut.rows:
                yield recipe, *cut.limits(panel)
