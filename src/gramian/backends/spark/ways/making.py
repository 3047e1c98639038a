"""Distributed operands of operators, and their results: on the cluster, or on the driver if they are small."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gramian.backends.local.disk.pipelines import NO, is_matrix
from gramian.backends.local.dispatch import TooDenseError
from gramian.backends.spark.blocks import Array, Cut, Recipe
from gramian.backends.spark.cells import settled, stacked
from gramian.backends.spark.cluster import LARGEST_GIVEN, Cluster
from gramian.backends.spark.matrix import OnCluster, SparkMatrix, distributed, in_panels
from gramian.backends.spark.ways.recipes import Answer, Panels, Parts
from gramian.backends.spark.work import Given, Source
from gramian.ir.disk import DiskTranspose, is_on_disk
from gramian.ir.op import Op
from gramian.ir.sparse import array_bytes, by_rows as compressed_rows, is_sparse
from gramian.ir.values import ListValue

if TYPE_CHECKING:
    from gramian.backends.spark import SparkBackend

Way = Callable[["SparkBackend", Op, tuple[Any, ...]], Any]


def is_distributed(value: Any) -> bool:
    """Is it on the cluster, as it is or as a transpose, or is there such a matrix in a list?"""
    if isinstance(value, ListValue):
        return any(map(is_distributed, value.items))
    return isinstance(value, SparkMatrix) or (type(value) is DiskTranspose and isinstance(value.base, SparkMatrix))


def by_rows(value: Any) -> Any:
    """A distributed matrix, or one of the driver's that may go with a job; NO if it is too large for that.

    A transpose is made on the cluster.
    """
    if is_on_disk(value) and is_distributed(value):
        return value if isinstance(value, SparkMatrix) else value.written
    if not is_matrix(value) or not travels(value):
        return NO
    if is_on_disk(value):
        return value.load()
    return compressed_rows(value) if is_sparse(value) else np.ascontiguousarray(value)


def travels(value: Any) -> bool:
    """Is it none of the driver's matrices that are too large to go with a job?"""
    return not is_matrix(value) or array_bytes(value) <= LARGEST_GIVEN


def source(value: Any) -> Source:
    """A matrix `by_rows`, or a frame, of which a job needs some rows."""
    return value.recipe if isinstance(value, OnCluster) else Given(value, True)


def first_distributed(values: Sequence[Any]) -> Any:
    """The matrix or frame whose panels the others follow."""
    return next(v for v in values if isinstance(v, OnCluster))


def made(backend: SparkBackend, base: OnCluster, recipe: Recipe) -> Any:
    """The matrix of a recipe, in one job."""
    cluster, cut = base.cluster, recipe.cut
    if backend.comes_back(cut.rows * recipe.cols * np.dtype(recipe.dtype).itemsize, beside=cut == base.recipe.cut):
        cluster.forget(recipe.name)
        return settled(stacked(cluster.run(Answer(recipe), cut)), recipe.dtype)
    return distributed(recipe, base, make_blocks(cluster, recipe))


def make_blocks(cluster: Cluster, recipe: Recipe) -> int | None:
    """Has the blocks of a recipe made; if panels are too large for it, there are none."""
    try:
        return cluster.make(recipe)
    except TooDenseError:
        cluster.forget(recipe.name)
        raise


def by_panels(
    backend: SparkBackend,
    operands: Sequence[Any],
    cols: int,
    function: Callable[..., Array],
    wholes: Sequence[Any] = (),
    cut: Cut | None = None,
) -> Any:
    """A function of the rows of some matrices `by_rows`, at least one of which is distributed; after them come `wholes`.

    `cut` is where the result, and the rows for the function, are cut, if that is not up to the matrices.
    """
    base = first_distributed(operands)
    sources = (*map(source, operands), *(Given(whole, False) for whole in wholes))

    def panels(cut: Cut) -> Any:
        return made(backend, base, Panels(base.cluster.fresh(), cut, cols, str(backend.home.dtype), function, sources))

    return in_panels(operands, panels) if cut is None else panels(cut)


def parts(operands: Sequence[Any], function: Callable[..., Any], cut: Cut | None = None) -> list[Any]:
    """What a function makes of each panel of some matrices `by_rows`, or frames."""
    cluster: Cluster
    cluster, sources = first_distributed(operands).cluster, tuple(map(source, operands))

    def panels(cut: Cut) -> list[Any]:
        return cluster.run(Parts(function, sources, cut), cut)

    return in_panels(operands, panels) if cut is None else panels(cut)
