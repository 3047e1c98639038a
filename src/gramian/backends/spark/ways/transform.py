"""Encoding distributed frames. One job has each panel tell what is in its columns, from which the driver learns the
dictionaries; the next one encodes the panels with them.

Where the encoded matrix is mostly zeros, its blocks are in compressed rows, as on one machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from gramian.backends.local.disk.pipelines import NO
from gramian.backends.spark.blocks import Array, Cut, Recipe, Store
from gramian.backends.spark.cells import row_bytes
from gramian.backends.spark.cluster import LARGEST_GIVEN
from gramian.backends.spark.frame import SparkFrame
from gramian.backends.spark.matrix import PANEL_BYTES
from gramian.backends.spark.ways.frames import FrameKernel, by_panels
from gramian.backends.spark.ways.making import Way, by_rows, is_distributed, made, parts
from gramian.backends.spark.ways.ranks import Column as Ranked
from gramian.backends.spark.ways.recipes import Panels, overlapping
from gramian.backends.spark.work import kept, rows_of
from gramian.ir.cores import limited
from gramian.ir.frame import Frame, after_rows
from gramian.ir.op import Op
from gramian.ir.sparse import densify
from gramian.ops.transform.encode import Column, apply_known, kept_rows, known, metadata_of, plan_to_learn
from gramian.ops.transform.partial import Finite, Tell, learned, learns
from gramian.ops.transform.specification import Coding, Plan

if TYPE_CHECKING:
    from gramian.backends.spark import SparkBackend

WORDS = 32  # different words that a text has at most, as far as anybody can tell beforehand


def encode(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    target, spec = values
    plan = plan_to_learn(spec, target)
    if plan.function is not None:
        return NO  # it needs whole columns
    told = parts([target], Tell(plan)) if any(map(learns, plan.columns)) else [[None] * len(plan.columns)]

    def elements(column: int, places: Array) -> Array:
        function = Finite(plan, column)
        return Ranked("", lambda step: parts([target], Then(function, step))).elements(places + 1)

    columns = learned(plan, target.names, told, elements)
    matrix = encoded(backend, target, Encode(plan, tuple(columns), None))
    return NO if matrix is NO else (matrix, metadata_of(target.names, columns))


def apply(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    target, spec, meta, embedding = values
    if not isinstance(target, SparkFrame) or isinstance(meta, SparkFrame) or is_distributed(embedding):
        return NO
    embedding = None if embedding is None else densify(embedding)
    plan, columns = known(target, spec, meta, embedding)
    return NO if plan.function is not None else encoded(backend, target, Encode(plan, tuple(columns), embedding))


def decode(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    target, spec, meta = values
    if not is_distributed(target) or isinstance(meta, SparkFrame) or 0 in target.shape:
        return NO
    return by_panels(backend, [by_rows(target)], FrameKernel(op.name, (None, spec, meta), (0,)))


# -- what the workers do -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Then:
    """One function, and another one of a column of what it gives."""

    first: Finite
    second: Any

    def __call__(self, part: Frame) -> Any:
        return self.second(self.first(part).reshape(-1, 1))


@dataclass(frozen=True)
class Encode:
    """The rows of a frame that are kept, encoded."""

    plan: Plan
    columns: tuple[Column, ...]
    embedding: Array | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "embedding", kept(self.embedding))

    def __call__(self, part: Frame) -> Any:
        with limited(1):
            return apply_known(part, self.plan, self.columns, self.embedding)

    @property
    def width(self) -> int:
        return sum(self._width(column) for column in self.columns)

    def _width(self, column: Column) -> int:
        if column.plan.coding is not Coding.EMBEDDING:
            return column.width
        assert self.embedding is not None
        return int(self.embedding.shape[1])

    @property
    def stored(self) -> int:
        """At most how many cells of a row are not zero."""
        several = {Coding.WORDS: WORDS, Coding.EMBEDDING: self.width}
        return sum(min(several.get(c.plan.coding, 1), self._width(c)) for c in self.columns)


@dataclass(frozen=True)
class CountKept:
    plan: Plan

    def __call__(self, part: Frame) -> int:
        keep = kept_rows(part, self.plan)
        return part.shape[0] if keep is None else int(np.count_nonzero(keep))


@dataclass(frozen=True)
class EncodedKept(Recipe):
    """The encoded rows that `omit` leaves; `ends` counts those up to the end of each panel of the frame."""

    base: Recipe
    function: Encode
    ends: tuple[int, ...]

    def make(self, panel: int, store: Store) -> Array:
        first, last = self.cut.limits(panel)
        found = []
        for number, start, end in overlapping(self.ends, first, last):
            limits = self.base.cut.limits(number)
            with after_rows(limits[0]):
                rows = self.function(rows_of(self.base, *limits, store))
            found.append(rows[max(first - start, 0) : min(last, end) - start])
        return self.format.joined(found, self.cols)

    def reads(self, panel: int) -> Iterator[tuple[Recipe, int, int]]:
        for number, _, _ in overlapping(self.ends, *self.cut.limits(panel)):
            yield self.base, *self.base.cut.limits(number)


# -- the matrix --------------------------------------------------------------------------------------------------------


def encoded(backend: SparkBackend, target: SparkFrame, encode: Encode) -> Any:
    """The encoded matrix; NO if the dictionaries are too large to go with a job."""
    if dictionary_bytes(encode) > LARGEST_GIVEN:
        return NO
    width = encode.width
    omits = any(column.omit for column in encode.plan.columns)
    ends = tuple(accumulate(parts([target], CountKept(encode.plan)))) if omits else (target.shape[0],)
    rows = ends[-1]
    if not rows or not width:
        return NO
    cut, dtype, name = wide_cut(target, encode, backend), str(backend.home.dtype), target.cluster.fresh()
    if not omits:
        return made(backend, target, Panels(name, cut, width, dtype, encode, (target.recipe,)))
    recipe = EncodedKept(name, Cut(rows, cut.step), width, dtype, target.recipe, encode, ends)
    return made(backend, target, recipe)


def dictionary_bytes(encode: Encode) -> int:
    coders = [getattr(column.coder, "vocabulary", column.coder) for column in encode.columns]
    found = sum(getattr(getattr(coder, "texts", None), "nbytes", 0) for coder in coders)
    return int(found) + (0 if encode.embedding is None else int(encode.embedding.nbytes))


def wide_cut(target: SparkFrame, encode: Encode, backend: SparkBackend) -> Cut:
    """The frame's own cut, in which blocks of both are on the same machine, or a part of it where rows become wide."""
    cut = target.recipe.cut
    most = max(1, 4 * PANEL_BYTES // row_bytes(encode.width, backend.cell_bytes, encode.stored / encode.width))
    return cut if cut.step <= most else Cut(cut.rows, -(-cut.step // -(-cut.step // most)))


FRAME_WAYS: Mapping[str, Way] = {"transformencode": encode, "transformapply": apply}
WAYS: Mapping[str, Way] = {"transformdecode": decode}
