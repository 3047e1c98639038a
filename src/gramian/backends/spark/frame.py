"""A distributed frame: rows in panels, as blocks of the machines of a cluster. Names, types and sizes are known here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gramian.backends.spark import matrix
from gramian.backends.spark.blocks import Cut, Recipe
from gramian.backends.spark.cluster import Cluster
from gramian.backends.spark.formats import FRAME
from gramian.backends.spark.matrix import OnCluster, rows_recipe
from gramian.ir.frame import STRING, Frame
from gramian.ir.values import ListValue


class SparkFrame(OnCluster, Frame):
    """A frame on a cluster. Whoever asks for its table has it brought to the driver, and kept there.

    `row_bytes` is about what a row takes in memory.
    """

    def __init__(
        self,
        recipe: Recipe,
        names: Sequence[str],
        types: Sequence[str],
        row_bytes: float,
        cluster: Cluster,
        folder: str,
    ) -> None:
        OnCluster.__init__(self, recipe, cluster, folder)
        assert recipe.dtype == FRAME
        self._names = list(names)
        self.types = tuple(types)
        self.row_bytes = row_bytes

    def __getattr__(self, name: str) -> Any:
        if name != "table":
            raise AttributeError(name)
        table = self.load().table
        object.__setattr__(self, "table", table)
        return table

    def __reduce__(self) -> Any:
        return self.load().__reduce__()

    @property
    def shape(self) -> tuple[int, int]:
        return self.recipe.cut.rows, len(self.types)

    @property
    def names(self) -> list[str]:
        return list(self._names)

    @property
    def nbytes(self) -> int:
        return int(self.shape[0] * self.row_bytes)

    def load(self) -> Frame:
        """The whole frame in the driver's memory."""
        found: Frame = self.fetched((0, self.shape[0]))
        return found

    def select(self, rows: slice, cols: slice) -> Frame:
        """A region on the driver."""
        start, stop, _ = rows.indices(self.shape[0])
        left, right, _ = cols.indices(len(self.types))
        if start == stop or left == right:
            return empty_like(self).select(slice(0), cols)
        found: Frame = self.fetched((start, stop), (left, right))
        return found

    def rows(self, first: int, last: int) -> SparkFrame:
        """Some rows, as a distributed frame."""
        recipe = rows_recipe(self.recipe, self.cluster.fresh(), first, last)
        found = SparkFrame(recipe, self.names, self.types, self.row_bytes, self.cluster, self.folder)
        found.base = [self]
        return found


def empty_like(frame: Frame) -> Frame:
    """The same columns without rows."""
    return Frame.of([[] for _ in frame.types], frame.types, frame.names) if frame.types else Frame.without_columns(0)


def frame_cut(rows: int, row_bytes: float) -> Cut:
    return Cut(rows, max(1, int(matrix.PANEL_BYTES // max(1.0, row_bytes))))


def is_distributed_frame(value: Any) -> bool:
    """Is it a frame on the cluster, or is there one in a list?"""
    if isinstance(value, ListValue):
        return any(map(is_distributed_frame, value.items))
    return isinstance(value, SparkFrame)


def frames_in_memory(value: Any) -> Any:
    """A value with its frames on the driver."""
    if isinstance(value, ListValue) and is_distributed_frame(value):
        return ListValue([frames_in_memory(item) for item in value.items], value.names)
    return value.load() if isinstance(value, SparkFrame) else value


def frame_bytes(value: Any) -> int:
    """What the distributed frames in a value take on the driver."""
    if isinstance(value, ListValue):
        return sum(map(frame_bytes, value.items))
    return value.nbytes if isinstance(value, SparkFrame) else 0


def bytes_of_types(types: Sequence[str]) -> int:
    """About what a row of such cells takes, where nothing else tells."""
    return sum(16 if kind == STRING else 8 for kind in types)
