"""Products of which an operand is on the cluster, where they are no pipelines.

X %*% B          B goes with the job, if it is on the driver or fits there: each panel for itself
t(X) %*% Y       a small result is a sum over the panels; a large one is made by columns of X, from all panels
A %*% X          likewise: a sum over the panels
X %*% Y          both large: each panel of X meets all panels of Y, which go to every machine
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gramian.backends.local.disk.pipelines import NO
from gramian.backends.local.fused.loops import NARROW
from gramian.backends.spark.blocks import Cut
from gramian.backends.spark.cluster import LARGEST_GIVEN, SMALL
from gramian.backends.spark.matrix import SparkMatrix, cut_of
from gramian.backends.spark.ways.making import (
    Way,
    by_panels,
    by_rows,
    is_distributed,
    made,
    parts,
    source,
)
from gramian.backends.spark.ways.recipes import Crossed, Kernel, Product, crossed, gram
from gramian.ir.disk import DiskTranspose
from gramian.ir.op import Op
from gramian.ir.sparse import is_sparse

if TYPE_CHECKING:
    from gramian.backends.spark import SparkBackend


def product(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    a, b = values
    if a.shape[1] != b.shape[0] or 0 in (*a.shape, *b.shape):
        return NO  # the operator's own kernel has the words for it
    if is_transpose(b) and (is_transpose(a) or not is_distributed(a)):
        return backend.home.run("%*%", b.T, a.T).T
    if is_transpose(a):
        return NO if is_narrow(a, b) else cross(backend, a.T, b)
    if is_distributed(a):
        return NO if is_narrow(a, b) else ahead(backend, a, b)
    turned = cross(backend, b, a.T)
    return NO if turned is NO else turned.T


def is_transpose(value: Any) -> bool:
    return type(value) is DiskTranspose and is_distributed(value)


def is_narrow(a: Any, b: Any) -> bool:
    """Does a pipeline multiply them?"""
    if is_transpose(a):
        return isinstance(b, SparkMatrix | np.ndarray) and min(a.shape[0], b.shape[1]) <= NARROW
    return type(b) is np.ndarray and min(b.shape) <= NARROW


def cross(backend: SparkBackend, left: SparkMatrix, right: Any) -> Any:
    """t(left) %*% right."""
    rows, cols = left.shape[1], right.shape[1]
    right = by_rows(right)
    if right is NO:
        return NO
    if rows * cols * 8 <= SMALL:
        found = parts([left], gram) if right is left else parts([left, right], crossed)
        return np.asarray(np.sum(np.stack(found), axis=0), backend.home.dtype)
    cut = cut_of(rows, cols, left.dtype.itemsize)
    name, dtype = left.cluster.fresh(), str(backend.home.dtype)
    return made(backend, left, Crossed(name, cut, cols, dtype, left.recipe, source(right)))


def ahead(backend: SparkBackend, a: SparkMatrix, b: Any) -> Any:
    """a %*% b for a left side by rows."""
    cols = b.shape[1]
    if is_distributed(b):
        size = b.nbytes
        if size > LARGEST_GIVEN // 4 or not backend.home.budget.loads(size):
            right, turned = (b.T, True) if is_transpose(b) else (b, False)
            name, dtype = a.cluster.fresh(), str(backend.home.dtype)
            return made(backend, a, Product(name, dense_result(a, cols), cols, dtype, a.recipe, right.recipe, turned))
        b = b.load()
    right = by_rows(b)
    if right is NO:
        return NO
    # Of two sparse matrices the product may be sparse; else it is dense, and perhaps much larger than the left side.
    cut = None if is_sparse(right) else dense_result(a, cols)
    return by_panels(backend, [a], cols, Kernel("%*%", (None, right), (0,), None, backend.precision), cut=cut)


def dense_result(a: SparkMatrix, cols: int) -> Cut:
    """The cut of a dense result of so many columns, a row for each of `a`."""
    small = cut_of(a.shape[0], cols, a.dtype.itemsize)
    return min(a.recipe.cut, small, key=lambda cut: cut.step) if a.loads_sparse else a.recipe.cut


WAYS: Mapping[str, Way] = {"%*%": product}
