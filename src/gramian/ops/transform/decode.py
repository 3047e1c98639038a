"""From an encoded matrix back to a frame, and where the columns of the frame are in the matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from gramian.errors import OperationError, SizeError
from gramian.ir.frame import FP64, STRING, Frame
from gramian.ops.rules import Matrix
from gramian.ops.transform.cells import Vector
from gramian.ops.transform.encode import Column, known_columns
from gramian.ops.transform.encoders import Bins, Recode
from gramian.ops.transform.specification import Coding, Plan, parse


def decode(target: Matrix, spec: str, meta: Frame) -> Frame:
    """Categories from recoded columns, the middle of bins, the numbers themselves from all others."""
    plan = parse(spec).resolve(meta.names)
    _check_reversible(plan, meta)
    columns = known_columns(plan, meta)
    ends = np.cumsum([0, *(column.width for column in columns)]).tolist()
    if target.shape[1] != ends[-1]:
        raise SizeError(
            f"transformdecode() gets a matrix of {target.shape[1]} columns, but the specification encodes "
            f"{meta.shape[1]} columns as {ends[-1]}"
        )
    if not columns:
        return Frame.from_matrix(target)
    decoded = [_decoded(column, target[:, a:b]) for column, a, b in zip(columns, ends, ends[1:], strict=False)]
    types = [STRING if isinstance(column.coder, Recode) else FP64 for column in columns]
    return Frame.of(decoded, types, meta.names)


def _check_reversible(plan: Plan, meta: Frame) -> None:
    for j, column in enumerate(plan.columns):
        if column.coding in (Coding.WORDS, Coding.EMBEDDING):
            raise OperationError(
                f"transformdecode() cannot reverse the {column.coding.value} of column {j + 1} ({meta.names[j]})"
            )
    if plan.function is not None:
        raise OperationError(
            f"transformdecode() cannot reverse the function '{plan.function}' of the specification",
            'leave "udf" out of the specification to keep its values as they are',
        )


def _decoded(column: Column, cells: Matrix) -> Any:
    import pyarrow as pa

    codes = _codes(cells) if column.plan.dummy else cells[:, 0].copy()  # Arrow arrays would share the memory
    match column.coder:
        case Recode():
            return column.coder.texts_of(codes)
        case Bins():
            return column.coder.centres(codes)
    return pa.array(codes, mask=codes == 0) if column.plan.dummy else pa.array(codes)


def _codes(indicators: Matrix) -> Vector:
    """The place of the largest cell of each row if that is above 0, else 0."""
    if not indicators.shape[1]:
        return np.zeros(len(indicators))
    return np.where(indicators.max(axis=1) > 0, indicators.argmax(axis=1) + 1.0, 0.0)


def column_map(meta: Frame, spec: str) -> Matrix:
    """For each column of the frame its number, and its first and last column in the encoded matrix."""
    widths = [column.width for column in _columns(meta, spec, "transformcolmap")]
    ends = np.cumsum(widths, dtype=np.float64)
    return np.column_stack([np.arange(1.0, len(widths) + 1), ends - widths + 1, ends])


def categorical_mask(meta: Frame, spec: str) -> Matrix:
    """1 for columns of the encoded matrix that hold codes of categories or stand for them, else 0."""
    columns = _columns(meta, spec, "getCategoricalMask")
    marks = [float(c.plan.dummy or c.plan.coding in (Coding.RECODE, Coding.HASH)) for c in columns]
    return np.repeat(np.array(marks), [column.width for column in columns]).reshape(1, -1)


def _columns(meta: Frame, spec: str, name: str) -> list[Column]:
    plan = parse(spec).resolve(meta.names)
    for j in plan.having(Coding.EMBEDDING):
        raise OperationError(
            f"{name}() does not know how many columns the word_embedding of column {j + 1} ({meta.names[j]}) has"
        )
    return known_columns(plan, meta)
