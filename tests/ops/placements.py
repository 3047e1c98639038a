"""Operators on matrices that are somewhere else than in memory, beside those that are: what tests of both share."""

from __future__ import annotations

from typing import Any

import numpy as np
from samples import all_samples

import gramian.ops  # noqa: F401  registers the operators
from gramian.backends.local import LocalBackend
from gramian.backends.spark.blocks import Cut, Recipe
from gramian.backends.spark.ways.recipes import Pieces
from gramian.backends.spark.work import Given
from gramian.ir import sparse
from gramian.ir.disk import is_on_disk
from gramian.ir.op import Effect, Op
from gramian.ir.values import ListValue
from gramian.runtime.backend import kernel_of

SAMPLES = [sample for sample in all_samples() if sample.op.effect is Effect.PURE]


def loaded(value: Any) -> Any:
    """The value with all of its matrices dense and in memory."""
    if isinstance(value, tuple):
        return tuple(map(loaded, value))
    if isinstance(value, ListValue):
        return [loaded(v) for v in value.items]
    return sparse.densify(value.load() if is_on_disk(value) else value)


def run(op: Op, values: list[Any], backend: LocalBackend) -> Any:
    with np.errstate(all="ignore"):
        return kernel_of(op, backend)(*values)


def check(found: Any, expected: Any) -> None:
    found, expected = loaded(found), loaded(expected)
    assert type(found) is type(expected)
    if isinstance(expected, str | bool | int):
        assert found == expected
    elif isinstance(expected, tuple | list):
        for one, other in zip(found, expected, strict=True):
            check(one, other)
    elif isinstance(expected, np.ndarray | float):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
        assert np.shape(found) == np.shape(expected)


def sent(name: str, cut: Cut, cells: Any) -> Recipe:
    """The recipe of a distributed matrix whose cells come from the driver."""
    given = Given(np.ascontiguousarray(cells), True)
    return Pieces(name, cut, cells.shape[1], str(cells.dtype), ((given, 0, len(cells)),))
