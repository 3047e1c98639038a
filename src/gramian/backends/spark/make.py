"""Matrices that begin on the cluster: random numbers, the same ones as on one machine, sequences, and equal cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gramian.backends.spark.blocks import Recipe
from gramian.backends.spark.cells import row_bytes
from gramian.backends.spark.matrix import SparkMatrix, cut_of
from gramian.backends.spark.work import Filled, Random, Steps
from gramian.ops.generate import RandomCells, actual_seed, check_distribution, default_step, sequence_length

if TYPE_CHECKING:
    from gramian.backends.spark import SparkBackend


def placed(backend: SparkBackend, recipe: Callable[[str, str], Recipe], sparsity: float = 1.0) -> SparkMatrix:
    """A distributed matrix of a recipe with this name and type of cells: its blocks are made when somebody asks for them."""
    made = recipe(backend.cluster.fresh(), str(backend.home.dtype))
    return SparkMatrix(made, backend.cluster, backend.budget.scratch, sparsity)


def rand(backend: SparkBackend, values: tuple[Any, ...]) -> SparkMatrix | None:
    """Each block of rows has random numbers of its own, whoever draws it. None: it belongs on the driver."""
    rows, cols, low, high, sparsity, seed, pdf, rate = values
    check_distribution(pdf, sparsity, rate)
    if backend.stays(rows * row_bytes(cols, backend.cell_bytes, sparsity)):
        return None
    cells = RandomCells(cols, low, high, sparsity, actual_seed(seed), pdf, rate)
    cut = cut_of(rows, cols, backend.cell_bytes, cells.block_rows, sparsity)
    return placed(backend, lambda name, dtype: Random(name, cut, cols, dtype, cells), sparsity)


def seq(backend: SparkBackend, values: tuple[Any, ...]) -> SparkMatrix | None:
    start, stop, step = values
    by = default_step(start, stop) if step is None else step
    rows = sequence_length(start, stop, by)
    if backend.stays(rows * backend.cell_bytes):
        return None
    cut = cut_of(rows, 1, backend.cell_bytes)
    return placed(backend, lambda name, dtype: Steps(name, cut, 1, dtype, float(start), float(by)))


def filled(backend: SparkBackend, values: tuple[Any, ...]) -> SparkMatrix | None:
    """matrix() of one number. Zeros stay on the driver: they are there to be written into, and may take no memory."""
    data, rows, cols = values[:3]
    if type(data) not in (int, float) or data == 0 or backend.stays(rows * cols * backend.cell_bytes):
        return None
    cut = cut_of(rows, cols, backend.cell_bytes)
    return placed(backend, lambda name, dtype: Filled(name, cut, cols, dtype, float(data)))


MAKERS: Mapping[str, Callable[[SparkBackend, tuple[Any, ...]], SparkMatrix | None]] = {
    "rand": rand,
    "seq": seq,
    "matrix": filled,
}
