"""Operators on matrices that are somewhere else than in memory, beside those that are: what tests of both share."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from samples import all_samples

import gramian.ops  # noqa: F401  registers the operators
from gramian.backends.local import LocalBackend
from gramian.backends.spark import SparkBackend
from gramian.backends.spark.blocks import Cut, Recipe
from gramian.backends.spark.frame import SparkFrame
from gramian.backends.spark.ways.recipes import Pieces
from gramian.backends.spark.work import Given
from gramian.ir import sparse
from gramian.ir.disk import is_on_disk
from gramian.ir.frame import FP64, Frame
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
    return sparse.densify(value.load() if is_on_disk(value) or isinstance(value, SparkFrame) else value)


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
    elif isinstance(expected, Frame):
        assert (found.names, found.types) == (expected.names, expected.types)
        for j, kind in enumerate(expected.types):
            one, other = found.table.column(j).to_pylist(), expected.table.column(j).to_pylist()
            if kind == FP64:
                assert [cell is None for cell in one] == [cell is None for cell in other]
                np.testing.assert_allclose(np.array(one, float), np.array(other, float), rtol=1e-12)
            else:
                assert one == other
    elif isinstance(expected, np.ndarray | float):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
        assert np.shape(found) == np.shape(expected)


def in_forms(
    values: list[Any], places: list[int], forms: Mapping[str, Callable[[Any, int], Any]], here: set[str]
) -> Iterator[list[Any]]:
    """Every choice of forms for the matrices at these places, but for those in which all of them are `here`."""
    for chosen in itertools.product(forms, repeat=len(places)):
        if set(chosen) - here:
            made = list(values)
            for at, form in zip(places, chosen, strict=True):
                made[at] = forms[form](made[at], at)
            yield made


def sent_frame(backend: SparkBackend, frame: Frame, step: int) -> SparkFrame:
    """A distributed frame whose cells come from the driver."""
    pieces = ((Given(frame, True), 0, frame.shape[0]),)
    recipe = Pieces(backend.cluster.fresh(), Cut(frame.shape[0], step), len(frame.types), "frame", pieces)
    return SparkFrame(recipe, frame.names, frame.types, 16, backend.cluster, backend.budget.scratch)


def sent(name: str, cut: Cut, cells: Any) -> Recipe:
    """The recipe of a distributed matrix whose cells come from the driver."""
    given = Given(np.ascontiguousarray(cells), True)
    return Pieces(name, cut, cells.shape[1], str(cells.dtype), ((given, 0, len(cells)),))
