"""Lineage: recipes rest on recipes, and a loop that replaces a matrix makes them rest on one another ever deeper.

A job carries recipes for blocks that nearly always are there. So those that weigh much with all that they rest on, the
landmarks, are left out of it: a reference stands for each. A worker that misses the block of a reference says so, and the
job is run again for those panels: with that recipe, and if this is not enough, with all of them, down to the data that
they began with. What a job carries has
a bound; what a lost block costs grows with the number of steps that led to it.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from gramian.backends.spark.blocks import Array, Recipe, Store


class MissingBlockError(BaseException):
    """The block of a reference is not there, and somebody has to make it first.

    Nobody between may take it for an error of what is running: functions of a script run between, too.
    """

    def __init__(self, name: str, panel: int) -> None:
        super().__init__(name, panel)
        self.name = name
        self.panel = panel


@dataclass(frozen=True)
class Reference(Recipe):
    """Stands for a recipe that was left out."""

    def make(self, panel: int, store: Store) -> Array:
        first, last = self.cut.limits(panel)
        found = store.read(self.name, panel, (last - first, self.cols), self.dtype)
        if found is None:
            raise MissingBlockError(self.name, panel)
        return found


def pickled(thing: Any) -> bytes:
    """A recipe or a step with references instead of the landmarks that it rests on."""
    from pyspark.cloudpickle import CloudPickler

    top = thing.recipe if getattr(thing, "makes", False) else thing

    class Shallow(CloudPickler):  # type: ignore[misc]
        def reducer_override(self, value: Any) -> Any:
            if isinstance(value, Recipe) and value is not top and value.is_landmark:
                return Reference, (value.name, value.cut, value.cols, value.dtype)
            return super().reducer_override(value)

    out = io.BytesIO()
    Shallow(out, protocol=pickle.HIGHEST_PROTOCOL).dump(thing)
    return out.getvalue()


def landmarks(step: Any, names: Collection[str] | None = None) -> dict[str, bytes]:
    """The landmarks of these names that a step rests on, pickled; without names, all of them."""
    found: dict[str, bytes] = {}
    left = list(recipes_in(step))
    seen: set[int] = set()
    while left:
        recipe = left.pop()
        if id(recipe) in seen:
            continue
        seen.add(id(recipe))
        if recipe.is_landmark and (names is None or recipe.name in names):
            found[recipe.name] = pickled(recipe)
        for field in fields(recipe):
            left += recipes_in(getattr(recipe, field.name))
    return found


def recipes_in(part: Any) -> Iterator[Recipe]:
    """The recipes that a part of a step or of a recipe is, or has."""
    if isinstance(part, Recipe):
        yield part
    elif isinstance(part, tuple | list):
        for item in part:
            yield from recipes_in(item)
    elif is_dataclass(part):
        for field in fields(part):
            yield from recipes_in(getattr(part, field.name))


def answered(step: Any, panel: int, store: Store) -> Any:
    """The answer of a step. Blocks of references that are missing are made first, one after the other, not in the depth
    of one another.

    Raises:
        MissingBlockError: there is no recipe for such a block.
    """
    missing: list[MissingBlockError] = []
    try:
        while True:
            try:
                if not missing:
                    return step.answer(panel, store)
                recipe = pickle.loads(store.recipes[missing[-1].name])
                recipe.block(missing[-1].panel, store)
                missing.pop()
            except MissingBlockError as error:
                if error.name not in store.recipes:
                    raise
                missing.append(error)
    finally:
        store.unwritten.clear()
