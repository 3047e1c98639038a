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
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from gramian.backends.spark.blocks import Array, Recipe, Store, recipes_in

if TYPE_CHECKING:
    from gramian.backends.spark.given import Arrays


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


def pickled(thing: Any, arrays: Arrays | None = None, used: set[str] | None = None) -> bytes:
    """A recipe or a step with references instead of the landmarks that it rests on.

    Large arrays become blocks of `arrays`, whose names come into `used`.
    """
    out = io.BytesIO()
    _shallow()(out, thing.recipe if getattr(thing, "makes", False) else thing, arrays, used).dump(thing)
    return out.getvalue()


@cache
def _shallow() -> Callable[..., pickle.Pickler]:
    """The class of picklers: one for all, since a class is in cycles, and would hold for long what its functions know."""
    from pyspark.cloudpickle import CloudPickler

    class Shallow(CloudPickler):  # type: ignore[misc]
        def __init__(self, out: io.BytesIO, top: Any, arrays: Arrays | None, used: set[str] | None) -> None:
            super().__init__(out, protocol=pickle.HIGHEST_PROTOCOL)
            self.top = top
            self.arrays = arrays
            self.used = used

        def reducer_override(self, value: Any) -> Any:
            if not isinstance(value, Recipe) or not value.is_landmark or (value is self.top and value.travels):
                return super().reducer_override(value)
            if self.used is not None:
                self.used.add(value.name)
            return Reference, (value.name, value.cut, value.cols, value.dtype)

        def persistent_id(self, value: Any) -> Any:
            if self.arrays is None or not isinstance(value, np.ndarray):
                return None
            block = self.arrays.block_of(value)
            return None if block is None else (block, value.shape)

    return Shallow


def loaded(text: bytes, store: Store) -> Any:
    """What was pickled. Arrays that have become blocks are mapped into memory, and cannot be written.

    Raises:
        MissingBlockError: such a block is not there.
    """
    return _Unpickler(text, store).load()


class _Unpickler(pickle.Unpickler):
    def __init__(self, text: bytes, store: Store) -> None:
        super().__init__(io.BytesIO(text))
        self.store = store

    def persistent_load(self, pid: Any) -> Any:
        block, shape = pid
        return np.asarray(block.block(0, self.store)).reshape(shape)


def landmarks(
    step: Any, names: Collection[str] | None = None, arrays: Arrays | None = None, used: set[str] | None = None
) -> dict[str, bytes]:
    """The landmarks of these names that a step rests on, pickled; without names, all of them."""
    found: dict[str, bytes] = {}
    left = list(recipes_in(step))
    seen: set[int] = set()
    while left:
        recipe = left.pop()
        if id(recipe) in seen:
            continue
        seen.add(id(recipe))
        if recipe.is_landmark and recipe.travels and (names is None or recipe.name in names):
            found[recipe.name] = pickled(recipe, arrays, used)
        for field in fields(recipe):
            left += recipes_in(getattr(recipe, field.name))
    return found


def answered(load: Callable[[], Any], panel: int, store: Store) -> Any:
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
                    return load().answer(panel, store)
                recipe = loaded(store.recipes[missing[-1].name], store)
                recipe.block(missing[-1].panel, store)
                missing.pop()
            except MissingBlockError as error:
                if error.name not in store.recipes:
                    raise
                missing.append(error)
    finally:
        store.unwritten.clear()
