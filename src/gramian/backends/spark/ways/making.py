"""Distributed operands of operators, and their results: on the cluster, or on the driver if they are small."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gramian.backends.local.disk.pipelines import NO, is_matrix
from gramian.backends.spark.blocks import Array, Cut, Recipe
from gramian.backends.spark.cluster import LARGEST_GIVEN
from gramian.backends.spark.matrix import OnCluster, SparkMatrix
from gramian.backends.spark.ways.recipes import Answer, Panels, Parts
from gramian.backends.spark.work import Given, Source
from gramian.ir.disk import DiskTranspose, is_on_disk
from gramian.ir.op import Op
from gramian.ir.sparse import is_sparse
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
    if not is_matrix(value) or value.shape[0] * value.shape[1] * value.dtype.itemsize > LARGEST_GIVEN:
        return NO
    if is_on_disk(value):
        return value.load()
    return value.toarray() if is_sparse(value) else np.ascontiguousarray(value)


def source(value: Any) -> Source:
    """A matrix `by_rows`, of which a job needs some rows."""
    return value.recipe if isinstance(value, SparkMatrix) else Given(value, True)


def first_distributed(values: Sequence[Any]) -> SparkMatrix:
    """The matrix whose panels the others follow."""
    return next(v for v in values if isinstance(v, SparkMatrix))


def made(backend: SparkBackend, base: OnCluster, recipe: Recipe) -> Any:
    """The matrix of a recipe, in one job."""
    cluster, cut = base.cluster, recipe.cut
    if backend.comes_back(cut.rows * recipe.cols * np.dtype(recipe.dtype).itemsize):
        cluster.forget(recipe.name)
        return np.concatenate(cluster.run(Answer(recipe), cut))
    cluster.make(recipe)
    return SparkMatrix(recipe, cluster, base.folder)


def by_panels(
    backend: SparkBackend,
    operands: Sequence[Any],
    cols: int,
    function: Callable[..., Array],
    wholes: Sequence[Any] = (),
) -> Any:
    """A function of the rows of some matrices `by_rows`, at least one of which is distributed; after them come `wholes`."""
    base = first_distributed(operands)
    sources = (*map(source, operands), *(Given(whole, False) for whole in wholes))
    name, dtype = base.cluster.fresh(), str(backend.home.dtype)
    return made(backend, base, Panels(name, base.recipe.cut, cols, dtype, function, sources))


def parts(operands: Sequence[Any], function: Callable[..., Any]) -> list[Any]:
    """What a function makes of each panel of some matrices `by_rows`."""
    base = first_distributed(operands)
    cut: Cut = base.recipe.cut
    return base.cluster.run(Parts(function, tuple(map(source, operands)), cut), cut)
