"""What a coding has learned of a column, and the codes that it gives to cells.

Every coding learns from a column or from the metadata frame that an earlier run left, writes itself into such a frame,
and turns cells into codes from 1 (0: missing or not known).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gramian.errors import OperationError
from gramian.ir.frame import Frame
from gramian.ops.transform import metadata
from gramian.ops.transform.cells import Categories, Codes, Vector
from gramian.ops.transform.hashing import buckets
from gramian.ops.transform.specification import EQUI_WIDTH, Binning


@dataclass(frozen=True, slots=True)
class Recode:
    """Categories, numbered in order of their first appearance. `numbers` are the codes of the texts."""

    texts: Any
    numbers: npt.NDArray[np.int64]

    @classmethod
    def learn(cls, found: Categories) -> Recode:
        return cls.of(found.texts)

    @classmethod
    def of(cls, texts: Any) -> Recode:
        return cls(texts, np.arange(1, len(texts) + 1))

    @classmethod
    def read(cls, meta: Frame, position: int) -> Recode:
        return cls(*metadata.tokens(meta, position))

    def entries(self) -> Any:
        return metadata.joined(self.texts, self.numbers)

    @property
    def width(self) -> int:
        return int(self.numbers.max(initial=0))

    def codes(self, found: Categories) -> Codes:
        if found.texts is self.texts:
            return found.codes
        return found.translated(self.numbers_of(found.texts))

    def numbers_of(self, texts: Any) -> Codes:
        """The code of each text, 0 for those that are not known."""
        import pyarrow.compute as pc

        at = pc.index_in(texts, self.texts).fill_null(-1).to_numpy(zero_copy_only=False)
        codes: Codes = np.append(self.numbers, 0)[at].astype(np.int32)
        return codes

    def texts_of(self, codes: Vector) -> Any:
        """The texts of codes, missing where there is none."""
        import pyarrow as pa

        places = np.full(self.width + 2, -1, np.int64)
        places[self.numbers] = np.arange(len(self.numbers))
        valid = (codes >= 1) & (codes <= self.width) & (codes == np.floor(codes))
        at = places[np.where(valid, codes, 0).astype(np.int64)]
        return self.texts.take(pa.array(at, mask=at < 0))


@dataclass(frozen=True, slots=True)
class Bins:
    """Intervals of numbers: `edges` has a row of lower and upper bound for each."""

    method: str
    edges: Vector

    @classmethod
    def learn(cls, values: Vector, binning: Binning) -> Bins:
        there = values[np.isfinite(values)]
        if not len(there):
            return cls.none(binning)
        if binning.method == EQUI_WIDTH:
            return cls.between(there.min(), there.max(), binning)
        ranks = cls.ranks(len(there), binning)
        return cls.at(np.partition(there, np.unique(ranks))[ranks], binning)

    @classmethod
    def none(cls, binning: Binning) -> Bins:
        return cls(binning.method, np.empty((0, 2)))

    @classmethod
    def between(cls, low: float, high: float, binning: Binning) -> Bins:
        """Bins of equal width."""
        count = binning.count if high > low else 1
        edges = low + np.arange(count + 1) * ((high - low) / count)
        edges[-1] = high
        return cls.at(np.asarray(edges, np.float64), binning)

    @staticmethod
    def ranks(rows: int, binning: Binning) -> npt.NDArray[np.int64]:
        """The places, in so many ascending numbers, of the bounds of bins of equal height."""
        ends: npt.NDArray[np.int64] = np.append(0, -(-rows * np.arange(1, binning.count + 1) // binning.count) - 1)
        return ends

    @classmethod
    def at(cls, edges: Vector, binning: Binning) -> Bins:
        return cls(binning.method, np.column_stack([edges[:-1], edges[1:]]))

    @classmethod
    def read(cls, meta: Frame, position: int, binning: Binning) -> Bins:
        return cls(binning.method, metadata.intervals(meta, position))

    def entries(self) -> Any:
        return metadata.interval_entries(self.edges)

    @property
    def width(self) -> int:
        return len(self.edges)

    def codes(self, values: Vector) -> Codes:
        """NaN has code 0; what lies outside belongs to the first or last bin."""
        if not self.width:
            return np.zeros(len(values), np.int32)
        if self.method == EQUI_WIDTH:
            low, high = self.edges[0, 0], self.edges[-1, 1]
            with np.errstate(invalid="ignore", over="ignore"):
                codes = np.ceil((values - low) / (high - low) * self.width) if high > low else np.ones_like(values)
        else:
            codes = np.searchsorted(self.edges[:, 1], values) + 1.0
        there = ~np.isnan(values)
        return np.where(there, np.clip(np.where(there, codes, 0), 1, self.width), 0).astype(np.int32)

    def centres(self, codes: Vector) -> Any:
        """The middle of the bins of codes, missing where there is none."""
        import pyarrow as pa

        valid = (codes >= 1) & (codes <= self.width) & (codes == np.floor(codes))
        middle = np.append(self.edges.mean(axis=1), np.nan)
        return pa.array(middle[np.where(valid, codes - 1, -1).astype(np.int64)], mask=~valid)


@dataclass(frozen=True, slots=True)
class Hash:
    """Nothing is learned but the number of codes."""

    width: int

    @classmethod
    def read(cls, meta: Frame, position: int, count: int) -> Hash:
        found = metadata.whole(meta, position)
        if found is not None and found != count:
            raise OperationError(
                f"the specification has K = {count}, but column {position + 1} ({meta.names[position]}) "
                f"was encoded with K = {found}"
            )
        return cls(count)

    def entries(self) -> Any:
        import pyarrow as pa

        return pa.array([str(self.width)])

    def codes(self, found: Categories) -> Codes:
        return found.translated(buckets(found.texts, found.kind, self.width))


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a column of texts: runs of letters, in lower case, in order of first appearance."""

    vocabulary: Recode

    @classmethod
    def learn(cls, found: Categories) -> Words:
        return cls.of(split_words(found.texts)[0].unique())

    @classmethod
    def of(cls, words: Any) -> Words:
        return cls(Recode.of(words))

    @classmethod
    def read(cls, meta: Frame, position: int) -> Words:
        return cls(Recode.read(meta, position))

    def entries(self) -> Any:
        return self.vocabulary.entries()

    @property
    def width(self) -> int:
        return self.vocabulary.width

    def counts(self, found: Categories) -> Any:
        """How often each row has each word: a sparse matrix. Words that are not known do not count."""
        from scipy.sparse import coo_array

        words, texts = split_words(found.texts)
        codes = self.vocabulary.numbers_of(words)
        known = codes > 0
        places = texts[known] + 1, codes[known] - 1
        shape = len(found.texts) + 1, self.width
        by_text = coo_array((np.ones(len(places[0])), places), shape=shape).tocsr()
        return by_text[found.codes]


def split_words(texts: Any) -> tuple[Any, npt.NDArray[np.int64]]:
    """The words of all texts one after the other, and for each of them the number of its text from 0."""
    import pyarrow.compute as pc

    lists = pc.split_pattern_regex(pc.utf8_lower(texts), r"[^\pL]+")
    words = pc.list_flatten(lists)
    there = pc.not_equal(words, "")
    rows = pc.list_parent_indices(lists).filter(there).to_numpy(zero_copy_only=False)
    return words.filter(there), rows.astype(np.int64)
