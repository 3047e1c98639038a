"""Learning from a frame part by part: what each part tells of its columns, and what is learned from all of them.

Codings are learned as `encode` learns them from the whole frame: categories in the order of their first appearance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gramian.ir.frame import Frame
from gramian.ops.transform.cells import Categories, Mask, Vector
from gramian.ops.transform.encode import (
    Coder,
    Column,
    cells_of,
    filling_number,
    filling_text,
    kept_rows,
    smallest_of_most,
)
from gramian.ops.transform.encoders import Bins, Hash, Recode, Words, split_words
from gramian.ops.transform.specification import EQUI_WIDTH, MEAN, MODE, Coding, ColumnPlan, Plan

Counts = npt.NDArray[np.int64]
Elements = Callable[[int, Counts], Vector]  # of the finite numbers of a column, sorted, those at some places from 0


@dataclass(frozen=True, slots=True)
class Texts:
    """The different texts of a categorical column, in how many rows that are kept each is, and how many of these there are.

    `words` are those of a bag of words.
    """

    texts: Any
    counts: Counts
    kind: str
    rows: int
    words: Any = None

    @classmethod
    def of(cls, found: Categories, keep: Mask | None, plan: ColumnPlan) -> Texts:
        words = split_words(found.texts)[0].unique() if plan.coding is Coding.WORDS else None
        return cls(found.texts, found.counts(keep), found.kind, found.kept(keep).codes.size, words)

    @classmethod
    def together(cls, parts: Sequence[Texts]) -> Texts:
        texts, places = _unique([part.texts for part in parts])
        counts = np.bincount(places, np.concatenate([part.counts for part in parts]), len(texts)).astype(np.int64)
        words = None if parts[0].words is None else _unique([part.words for part in parts])[0]
        return cls(texts, counts, parts[0].kind, sum(part.rows for part in parts), words)


def _unique(parts: Sequence[Any]) -> tuple[Any, Counts]:
    """The different texts of some arrays in the order of their first appearance, and the number of each text's from 0."""
    import pyarrow as pa

    found = pa.concat_arrays(parts).dictionary_encode()
    return found.dictionary, found.indices.to_numpy(zero_copy_only=False).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Of a column of numbers the rows that are kept, those with a number and the sum of these, the finite numbers and their
    limits. `distinct` are the different numbers with how often each is there, if that matters.
    """

    rows: int
    there: int
    total: float
    finite: int
    low: float
    high: float
    distinct: Vector
    counts: Counts

    @classmethod
    def of(cls, values: Vector, keep: Mask | None, plan: ColumnPlan) -> Numbers:
        finite = values[np.isfinite(values)]
        kept = values if keep is None else values[keep]
        there = kept[~np.isnan(kept)]
        by_mode = plan.imputation is not None and plan.imputation.method == MODE
        distinct, counts = np.unique(there if by_mode else there[:0], return_counts=True)
        low, high = finite.min(initial=np.inf), finite.max(initial=-np.inf)
        total = float(np.sum(there))
        return cls(kept.size, there.size, total, finite.size, float(low), float(high), distinct, counts)

    @classmethod
    def together(cls, parts: Sequence[Numbers]) -> Numbers:
        distinct, places = np.unique(np.concatenate([part.distinct for part in parts]), return_inverse=True)
        counts = np.bincount(places, np.concatenate([part.counts for part in parts]), len(distinct)).astype(np.int64)
        rows, there, finite = (sum(getattr(part, name) for part in parts) for name in ("rows", "there", "finite"))
        low, high = min(part.low for part in parts), max(part.high for part in parts)
        return cls(rows, there, float(np.sum([p.total for p in parts])), finite, low, high, distinct, counts)

    def typical(self, method: str) -> float | None:
        if not self.there:
            return None
        if method == MEAN:
            return self.total / self.there
        return smallest_of_most(self.distinct, self.counts) if method == MODE else None


Told = Texts | Numbers | None


def learns(plan: ColumnPlan) -> bool:
    """Is there anything to learn from the cells of a column?"""
    return plan.imputation is not None or plan.coding not in (Coding.PASS, Coding.HASH)


@dataclass(frozen=True)
class Tell:
    """What a part of a frame tells of its columns."""

    plan: Plan

    def __call__(self, part: Frame) -> list[Told]:
        keep = kept_rows(part, self.plan)
        return [self._of(part, j, plan, keep) if learns(plan) else None for j, plan in enumerate(self.plan.columns)]

    def _of(self, part: Frame, j: int, plan: ColumnPlan, keep: Mask | None) -> Told:
        cells = cells_of(part, j, plan, keep)
        return Texts.of(cells, keep, plan) if isinstance(cells, Categories) else Numbers.of(cells, keep, plan)


@dataclass(frozen=True)
class Finite:
    """The finite numbers of a column, of which bins of equal height are made."""

    plan: Plan
    column: int

    def __call__(self, part: Frame) -> Vector:
        cells = cells_of(part, self.column, self.plan.columns[self.column], kept_rows(part, self.plan))
        assert isinstance(cells, np.ndarray)
        return cells[np.isfinite(cells)]


def learned(plan: Plan, names: Sequence[str], told: Sequence[Sequence[Told]], elements: Elements) -> list[Column]:
    """What is learned of all columns from what the parts have told, in their order."""
    columns = []
    for j, (name, column) in enumerate(zip(names, plan.columns, strict=True)):
        parts = [part[j] for part in told]
        columns.append(_learned(name, j, plan, column, parts, elements))
    return columns


def _learned(name: str, j: int, plan: Plan, column: ColumnPlan, parts: Sequence[Any], elements: Elements) -> Column:
    coder: Coder = Hash(plan.buckets) if column.coding is Coding.HASH else None
    if not learns(column):
        return Column(column, coder)
    if isinstance(parts[0], Texts):
        texts = Texts.together(parts)
        if column.coding is Coding.RECODE:
            coder = Recode.of(texts.texts)
        elif column.coding is Coding.WORDS:
            coder = Words.of(texts.words)
        if column.imputation is None:
            return Column(column, coder)
        return Column(column, coder, filling_text(name, column, texts.texts, texts.kind, texts.counts, texts.rows))
    numbers = Numbers.together(parts)
    if column.coding is Coding.BIN:
        coder = _bins(j, column, numbers, elements)
    if column.imputation is None:
        return Column(column, coder)
    typical = numbers.typical(column.imputation.method)
    return Column(column, coder, filling_number(name, column.imputation, typical, numbers.rows))


def _bins(j: int, plan: ColumnPlan, numbers: Numbers, elements: Elements) -> Bins:
    if not numbers.finite:
        return Bins.none(plan.binning)
    if plan.binning.method == EQUI_WIDTH:
        return Bins.between(numbers.low, numbers.high, plan.binning)
    return Bins.at(elements(j, Bins.ranks(numbers.finite, plan.binning)), plan.binning)
