"""Encoding a frame: learning from it, or applying what was learned before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from gramian.errors import OperationError, SizeError
from gramian.ir import imputed
from gramian.ir.cores import cores
from gramian.ir.frame import Frame
from gramian.ir.scalar import double_text
from gramian.ops.rules import Matrix
from gramian.ops.transform import metadata
from gramian.ops.transform.assembly import Block, Indicators, Part, Values, as_values, assemble
from gramian.ops.transform.cells import (
    Categories,
    Mask,
    Vector,
    as_category,
    categories,
    missing,
    most_frequent,
    numbers,
)
from gramian.ops.transform.encoders import Bins, Hash, Recode, Words
from gramian.ops.transform.specification import (
    CONSTANT,
    MEAN,
    MODE,
    Coding,
    ColumnPlan,
    Imputation,
    Plan,
    parse,
)
from gramian.ops.transform.udf import call_function

_SMALL = 1 << 16  # cells, below which threads cost more than they save
T = TypeVar("T")
Coder = Recode | Bins | Hash | Words | None


@dataclass(frozen=True, slots=True)
class Column:
    """What is known of a column: its plan, what its coding has learned, and what fills its missing cells."""

    plan: ColumnPlan
    coder: Coder
    filling: str | None = None

    @property
    def width(self) -> int:
        """How many columns of the matrix come from it, for all codings but word embeddings."""
        several = self.plan.dummy or self.plan.coding is Coding.WORDS
        return self.coder.width if several and self.coder is not None else 1

    def block(self, source: Categories | Vector, keep: Mask | None, embedding: Matrix | None) -> Block:
        """The encoded cells of the rows that are kept."""
        if isinstance(source, Categories):
            return self._of_categories(source.kept(keep), embedding)
        values = source if keep is None else source[keep]
        if self.filling is not None:
            values = np.where(np.isnan(values), float(self.filling), values)
        return self._of_codes(self.coder.codes(values)) if isinstance(self.coder, Bins) else Values(values)

    def _of_categories(self, source: Categories, embedding: Matrix | None) -> Block:
        if self.filling is not None:
            source = source.filled(self.filling)
        match self.coder:
            case Words():
                return Part(self.coder.counts(source))
            case Recode() if self.plan.coding is Coding.EMBEDDING:
                assert embedding is not None
                return Part(_embedded(self.coder, source, embedding))
            case Recode() | Hash():
                return self._of_codes(self.coder.codes(source))
        raise AssertionError(self.coder)

    def _of_codes(self, codes: Any) -> Block:
        return Indicators(codes, self.width) if self.plan.dummy else as_values(codes)


def _embedded(coder: Recode, source: Categories, embedding: Matrix) -> Matrix:
    """For each row the row of the embedding with the number of its word, zeros for words that are not known."""
    if coder.width > len(embedding):
        raise SizeError(
            f"argument 'embedding' of transformapply() has {len(embedding)} rows, but there are {coder.width} words",
            "it needs one row for each word of the metadata frame",
        )
    return np.vstack([np.zeros((1, embedding.shape[1])), embedding])[coder.codes(source)]


def encode(target: Frame, spec: str) -> tuple[Any, Frame]:
    """The encoded matrix, and the metadata frame."""
    plan = plan_to_learn(spec, target)
    keep = kept_rows(target, plan)

    def one(j: int) -> tuple[Column, Block]:
        source = cells_of(target, j, plan.columns[j], keep)
        column = _learn(target, j, plan, source, keep)
        return column, column.block(source, keep, None)

    done = in_parallel(one, target.shape)
    matrix = _matrix(plan, [block for _, block in done], _rows(target, keep))
    return matrix, metadata_of(target.names, [column for column, _ in done])


def plan_to_learn(spec: str, target: Frame) -> Plan:
    plan = parse(spec).resolve(target.names)
    if plan.having(Coding.EMBEDDING):
        raise OperationError(
            "transformencode() cannot learn a word_embedding",
            'encode the words with "recode", and give its metadata frame and the embedding to transformapply()',
        )
    return plan


def metadata_of(names: Sequence[str], columns: Sequence[Column]) -> Frame:
    """What was learned, as a metadata frame."""
    learned = [_entries(column.coder) for column in columns]
    return metadata.build(names, learned, [column.filling for column in columns])


def apply(target: Frame, spec: str, meta: Frame, embedding: Matrix | None = None) -> Any:
    """The encoded matrix, with what the metadata frame knows."""
    return apply_known(target, *known(target, spec, meta, embedding), embedding)


def known(target: Frame, spec: str, meta: Frame, embedding: Matrix | None) -> tuple[Plan, list[Column]]:
    """The plan for a frame, and what a metadata frame knows of its columns."""
    plan = resolved(spec, target, meta)
    if bool(plan.having(Coding.EMBEDDING)) != (embedding is not None):
        raise OperationError(
            "transformapply() needs its argument 'embedding' if the specification has a word_embedding, and only then"
        )
    columns = known_columns(plan, meta)
    _check_fillings(columns, meta)
    return plan, columns


def apply_known(target: Frame, plan: Plan, columns: Sequence[Column], embedding: Matrix | None) -> Any:
    keep = kept_rows(target, plan)

    def one(j: int) -> Block:
        return columns[j].block(cells_of(target, j, plan.columns[j], keep), keep, embedding)

    return _matrix(plan, in_parallel(one, target.shape), _rows(target, keep))


def resolved(spec: str, target: Frame, meta: Frame) -> Plan:
    """The plan for a frame that has the columns of the metadata frame, in their order."""
    cols, expected = target.shape[1], meta.shape[1]
    if cols != expected:
        raise SizeError(
            f"transformapply() gets a frame of {cols} columns and a metadata frame of {expected}",
            "both have the columns of the frame that was encoded",
        )
    if not (target.has_default_names or meta.has_default_names):
        for name in target.names:
            if name in meta.names and target.names.index(name) != meta.names.index(name):
                raise OperationError(
                    f"column '{name}' has number {target.names.index(name) + 1} in the frame, but "
                    f"{meta.names.index(name) + 1} in the metadata frame",
                    "put the columns into the order of the frame that was encoded",
                )
    return parse(spec).resolve(target.names, meta.names)


def known_columns(plan: Plan, meta: Frame) -> list[Column]:
    """What a metadata frame knows of all columns."""
    return [
        Column(column, _read(meta, j, column, plan.buckets), _known_filling(meta, j, column.imputation))
        for j, column in enumerate(plan.columns)
    ]


def _read(meta: Frame, j: int, plan: ColumnPlan, count: int) -> Coder:
    match plan.coding:
        case Coding.RECODE | Coding.EMBEDDING:
            return Recode.read(meta, j)
        case Coding.BIN:
            return Bins.read(meta, j, plan.binning)
        case Coding.HASH:
            return Hash.read(meta, j, count)
        case Coding.WORDS:
            return Words.read(meta, j)
        case Coding.PASS:
            return None


def _known_filling(meta: Frame, j: int, imputation: Imputation | None) -> str | None:
    if imputation is None:
        return None
    return imputed.imputed(meta, j) or imputation.value


def _check_fillings(columns: Sequence[Column], meta: Frame) -> None:
    for name, column in zip(meta.names, columns, strict=True):
        if column.plan.imputation is not None and column.filling is None:
            raise OperationError(
                f"the metadata frame has no value that imputes column '{name}'",
                "it comes from transformencode() with the same specification; frames made of its cells lack the value",
            )


def kept_rows(target: Frame, plan: Plan) -> Mask | None:
    """The rows that `omit` leaves, or None for all."""
    gone = [
        missing(target, j, is_categorical=column.coding.is_categorical)
        for j, column in enumerate(plan.columns)
        if column.omit
    ]
    return ~np.logical_or.reduce(gone) if gone else None


def _rows(target: Frame, keep: Mask | None) -> int:
    return target.shape[0] if keep is None else int(np.count_nonzero(keep))


def cells_of(target: Frame, j: int, plan: ColumnPlan, keep: Mask | None) -> Categories | Vector:
    return categories(target, j) if plan.coding.is_categorical else numbers(target, j, keep)


def _learn(target: Frame, j: int, plan: Plan, source: Categories | Vector, keep: Mask | None) -> Column:
    """Codes are learned from all cells, also in rows that `omit` leaves out, as SystemDS numbers them."""
    column = plan.columns[j]
    coder: Coder = None
    match column.coding:
        case Coding.RECODE if isinstance(source, Categories):
            coder = Recode.learn(source)
        case Coding.WORDS if isinstance(source, Categories):
            coder = Words.learn(source)
        case Coding.HASH:
            coder = Hash(plan.buckets)
        case Coding.BIN if isinstance(source, np.ndarray):
            coder = Bins.learn(source, column.binning)
    return Column(column, coder, _filling(target.names[j], column, source, keep))


def _filling(name: str, plan: ColumnPlan, source: Categories | Vector, keep: Mask | None) -> str | None:
    """What fills the missing cells of a column, from the rows that are kept."""
    if plan.imputation is None:
        return None
    if isinstance(source, Categories):
        return filling_text(name, plan, source.texts, source.kind, source.counts(keep), source.kept(keep).codes.size)
    values = source if keep is None else source[keep]
    there = values[~np.isnan(values)]
    found = None
    if plan.imputation.method == MEAN and there.size:
        found = float(np.mean(there))
    elif plan.imputation.method == MODE and there.size:
        found = smallest_of_most(*np.unique(there, return_counts=True))
    return filling_number(name, plan.imputation, found, values.size)


def filling_text(
    name: str, plan: ColumnPlan, texts: Any, kind: str, counts: npt.NDArray[np.int64], rows: int
) -> str | None:
    """What fills the missing cells of a column of texts, of which so many are in so many rows that are kept."""
    assert plan.imputation is not None
    if plan.imputation.method != CONSTANT:
        return _found(name, plan.imputation, most_frequent(texts, counts), rows)
    found = as_category(plan.imputation.value or "", kind)
    _check_category(name, plan, found, texts)
    return found


def filling_number(name: str, imputation: Imputation, typical: float | None, rows: int) -> str | None:
    """The same of a column of numbers, whose mean or mode is `typical`."""
    found = None if typical is None else double_text(typical)
    return _found(name, imputation, imputation.value if imputation.method == CONSTANT else found, rows)


def _found(name: str, imputation: Imputation, found: str | None, rows: int) -> str | None:
    if found is None and rows:
        raise OperationError(f"column '{name}' has no cells from which {imputation.method} could impute the others")
    return found


def _check_category(name: str, plan: ColumnPlan, value: str, texts: Any) -> None:
    import pyarrow.compute as pc

    if plan.coding is Coding.RECODE and pc.index(texts, value).as_py() < 0:
        listed = ", ".join(texts[:20].to_pylist()) + (", ..." if len(texts) > 20 else "")
        raise OperationError(
            f"the specification imputes column '{name}' with '{value}', which is none of its categories",
            f"its categories are {listed}" if listed else None,
        )


def smallest_of_most(distinct: Vector, counts: npt.NDArray[np.int64]) -> float:
    """The smallest of the most frequent numbers, which ascend."""
    return float(distinct[np.argmax(counts)])


def _entries(coder: Coder) -> Any:
    import pyarrow as pa

    return pa.array([], pa.string()) if coder is None else coder.entries()


def _matrix(plan: Plan, encoded: Sequence[Block], rows: int) -> Any:
    """All blocks side by side, those of the specification's function replaced by its result."""
    blocks = list(encoded)
    if plan.function is not None:
        chosen = [blocks[j] for j in plan.function_columns]
        result = call_function(plan.function, assemble(chosen, rows))
        ends = np.cumsum([block.width for block in chosen])
        for j, end, block in zip(plan.function_columns, ends.tolist(), chosen, strict=True):
            blocks[j] = Part(result[:, end - block.width : end])
    return assemble(blocks, rows)


def in_parallel(work: Callable[[int], T], shape: tuple[int, int]) -> Sequence[T]:
    """The results for each column of a frame, by several threads if it is large."""
    rows, cols = shape
    if rows * cols < _SMALL or min(cols, cores()) < 2:
        return [work(j) for j in range(cols)]
    with ThreadPoolExecutor(min(cols, cores())) as pool:
        return list(
            pool.map(lambda context, j: context.run(work, j), [copy_context() for _ in range(cols)], range(cols))
        )
