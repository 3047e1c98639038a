"""Distributed frames: what each panel gives for itself, parts of frames, and frames put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from gramian.backends.local.disk.index import flattened
from gramian.backends.local.disk.pipelines import NO, is_matrix
from gramian.backends.spark.blocks import Array, Cut, Recipe
from gramian.backends.spark.cells import dense
from gramian.backends.spark.cluster import LARGEST_GIVEN
from gramian.backends.spark.formats import FRAME
from gramian.backends.spark.frame import SparkFrame, bytes_of_types, empty_like
from gramian.backends.spark.matrix import OnCluster, SparkMatrix, in_panels
from gramian.backends.spark.ways.making import Way, by_rows, first_distributed, made, make_blocks, parts, source
from gramian.backends.spark.ways.recipes import Answer, Kept, Panels, Pieces, View
from gramian.backends.spark.work import kept
from gramian.ir.frame import Frame, common_types, default_names
from gramian.ir.op import REGISTRY, Op
from gramian.ops import frame_select
from gramian.ops.frame import Guess, guesses, row_of_texts
from gramian.ops.index import bounds

if TYPE_CHECKING:
    from gramian.backends.spark import SparkBackend


# -- operands and results ----------------------------------------------------------------------------------------------


def as_operand(value: Any) -> Any:
    """A frame or matrix that can go with a job by its rows; else NO."""
    if isinstance(value, Frame):
        return value if isinstance(value, SparkFrame) or value.nbytes <= LARGEST_GIVEN else NO
    return by_rows(value) if is_matrix(value) else NO


def operands(values: Sequence[Any]) -> Any:
    """The values as operands, if they have equally many rows; else NO."""
    if len({value.shape[0] for value in values}) > 1:
        return NO
    found = [as_operand(value) for value in values]
    return NO if any(value is NO for value in found) else found


def without_rows(value: Any) -> Any:
    return empty_like(value) if isinstance(value, Frame) else np.empty((0, value.shape[1]), value.dtype)


def by_panels(backend: SparkBackend, values: Sequence[Any], function: Callable[..., Any], *, view: bool = False) -> Any:
    """A function of the rows of some operands. That of no rows tells what kind of columns it makes."""
    base = first_distributed(values)
    like = function(*map(without_rows, values))
    cols, sources = like.shape[1], tuple(map(source, values))
    if view:
        recipe = View(base.cluster.fresh(), base.recipe.cut, cols, FRAME, function, sources)
        found = SparkFrame(recipe, like.names, like.types, _row_bytes(values, like), base.cluster, base.folder)
        found.base = list(values)
        return found

    def panels(cut: Cut) -> Any:
        name = base.cluster.fresh()
        if not isinstance(like, Frame):
            return made(backend, base, Panels(name, cut, cols, str(backend.home.dtype), function, sources))
        recipe = Panels(name, cut, cols, FRAME, function, sources)
        return made_frame(backend, base, recipe, like, _row_bytes(values, like))

    return in_panels(values, panels)


def _row_bytes(values: Sequence[Any], like: Frame) -> float:
    frames = [value for value in values if isinstance(value, SparkFrame)]
    width = sum(len(frame.types) for frame in frames)
    known = sum(frame.row_bytes for frame in frames) * len(like.types) / width if width else 0
    return max(known, bytes_of_types(like.types))


def made_frame(backend: SparkBackend, base: Any, recipe: Recipe, like: Frame, row_bytes: float) -> Frame:
    """The frame of a recipe, in one job; `like` has its names and types."""
    cluster, cut = base.cluster, recipe.cut
    if backend.comes_back(int(cut.rows * row_bytes), beside=cut == base.recipe.cut):
        cluster.forget(recipe.name)
        found: Frame = recipe.format.joined(cluster.run(Answer(recipe), cut), recipe.cols)
        return found
    make_blocks(cluster, recipe)
    return SparkFrame(recipe, like.names, like.types, row_bytes, cluster, base.folder)


# -- rows for themselves -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FrameKernel:
    """An operator of which each row of the result is made of the same row of the operands at `places`."""

    op: str
    values: tuple[Any, ...]
    places: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(map(kept, self.values)))

    def __call__(self, *panels: Any) -> Any:
        import gramian.ops  # noqa: F401  registers the operators

        values = list(self.values)
        for place, panel in zip(self.places, panels, strict=True):
            values[place] = panel if isinstance(panel, Frame) else dense(panel)
        return REGISTRY[self.op].kernel(*values)


@dataclass(frozen=True)
class EachRow:
    """An operator that looks at each row for itself: of all its frames, or of those at `places`."""

    places: tuple[int, ...] | None = None

    def __call__(self, backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
        every = tuple(at for at, value in enumerate(values) if isinstance(value, Frame))
        places = every if self.places is None else self.places
        if any(isinstance(values[at], SparkFrame) for at in set(every) - set(places)):
            return NO
        found = operands([values[at] for at in places])
        if found is NO or not any(isinstance(value, SparkFrame) for value in found):
            return NO
        rest = tuple(None if at in places else value for at, value in enumerate(values))
        return by_panels(backend, found, FrameKernel(op.name, rest, places))


def mapped(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    """map() of cells and rows; arrays of columns, and pairs of cells, are beyond a panel."""
    from gramian.ops.frame_map import translate

    if values[2] == 2 or translate(values[1]).params != 1:
        return NO
    return EachRow((0,))(backend, op, values)


def contains(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    target, pattern = values
    if isinstance(pattern, OnCluster) or not isinstance(target, SparkFrame):
        return NO
    return any(parts([target], FrameKernel(op.name, (None, pattern), (0,))))


def detect_schema(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    columns = zip(*parts(values, guesses), strict=True)
    return row_of_texts([str(Guess.together(column)) for column in columns])


def on_the_driver(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    """What asks a frame for no more than its sizes, names and types, or the first rows."""
    return op.kernel(*values)


# -- parts, and frames put together ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Region:
    """Some columns, under these names."""

    columns: slice
    names: tuple[str, ...]

    def __call__(self, panel: Frame) -> Frame:
        return panel.select(slice(None), self.columns).with_names(self.names)


def right_index(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    target, row, row_end, column, column_end = values
    if not isinstance(target, SparkFrame):
        return NO
    rows, cols = bounds(target, 0, row, row_end), bounds(target, 1, column, column_end)
    count, wide = rows.stop - rows.start, cols.stop - cols.start
    if (count, wide) == target.shape:
        return target
    if backend.comes_back(int(count * target.row_bytes * wide / len(target.types))):
        part = target.select(rows, cols)
        return part.with_names(default_names(wide)) if target.has_default_names else part
    if wide < len(target.types):
        names = default_names(wide) if target.has_default_names else target.names[cols]
        target = by_panels(backend, [target], Region(cols, tuple(names)), view=True)
    return target if count == target.shape[0] else target.rows(rows.start, rows.stop)


@dataclass(frozen=True)
class Conformed:
    """The same columns with other types and names."""

    types: tuple[str, ...]
    names: tuple[str, ...]

    def __call__(self, panel: Frame) -> Frame:
        return panel.with_types(self.types).with_names(self.names)


def bind_rows(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    """With the names of the first, and types that hold the cells of all."""
    frames = list(flattened(values))
    if not all(isinstance(f, Frame) for f in frames) or len({len(f.types) for f in frames}) > 1:
        return NO
    conform = Conformed(common_types(frames), tuple(frames[0].names))
    found = [as_operand(f) for f in frames if f.shape[0]]
    if any(f is NO for f in found):
        return NO
    base = first_distributed(found)
    pieces = tuple((source(conformed(backend, f, conform)), 0, f.shape[0]) for f in found)
    rows = sum(f.shape[0] for f in found)
    recipe = Pieces(base.cluster.fresh(), Cut(rows, base.recipe.cut.step), len(conform.types), FRAME, pieces)
    return made_frame(backend, base, recipe, conform(empty_like(frames[0])), base.row_bytes)


def conformed(backend: SparkBackend, frame: Frame, conform: Conformed) -> Frame:
    if frame.types == conform.types and tuple(frame.names) == conform.names:
        return frame
    if not isinstance(frame, SparkFrame):
        return conform(frame)
    found: Frame = by_panels(backend, [frame], conform, view=True)
    return found


@dataclass(frozen=True)
class Filled:
    """Marks the rows with a cell that is not empty."""

    def __call__(self, panel: Frame) -> Array:
        return frame_select.filled(panel, 0).reshape(-1, 1)


def counted(panel: Frame, marks: Array) -> int:
    return int(np.count_nonzero(dense(marks)))


def remove_empty(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    target, margin, select, empty_return = values
    if margin != "rows" or not isinstance(target, SparkFrame):
        return NO
    cluster, cut = target.cluster, target.recipe.cut
    marks: Any = NO
    if select is None:
        marks = SparkMatrix(Panels(cluster.fresh(), cut, 1, "bool", Filled(), (target.recipe,)), cluster, target.folder)
    elif select.shape == (1, target.shape[0]) or select.shape == (target.shape[0], 1):
        marks = by_rows(select if select.shape[1] == 1 else select.T)
    if marks is NO:
        return NO
    ends = tuple(accumulate(parts([target, marks], counted, cut)))
    if not ends[-1]:
        return frame_select.kept(empty_like(target), 0, np.zeros(0, np.bool_), empty_return)
    recipe = Kept(
        cluster.fresh(), Cut(ends[-1], cut.step), len(target.types), FRAME, target.recipe, source(marks), ends
    )
    return made_frame(backend, target, recipe, empty_like(target), target.row_bytes)


def same_frame(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    """as.frame() of a frame, perhaps with other names; of a list, of the frame in it."""
    (target, names) = values if len(values) > 1 else (values[0], None)
    if not isinstance(target, SparkFrame):
        return NO
    if names is None:
        return target
    return by_panels(backend, [target], FrameKernel(op.name, (None, names), (0,)), view=True)


def frame_of_matrix(backend: SparkBackend, op: Op, values: tuple[Any, ...]) -> Any:
    target: Any = by_rows(values[0]) if is_matrix(values[0]) else NO
    if target is NO or 0 in target.shape:
        return NO
    return by_panels(backend, [target], FrameKernel(op.name, (None, *values[1:]), (0,)))


OF_MATRICES: Mapping[str, Way] = {"as.frame": frame_of_matrix}
WAYS: Mapping[str, Way] = {
    "rightIndex": right_index,
    "cbind": EachRow(),
    "rbind": bind_rows,
    "removeEmpty": remove_empty,
    "as.frame": same_frame,
    "as.matrix": EachRow((0,)),
    "map": mapped,
    "applySchema": EachRow((0,)),
    "dropInvalidType": EachRow((0,)),
    "dropInvalidLength": EachRow((0,)),
    "valueSwap": EachRow((0,)),
    "freplicate": EachRow((0,)),
    "replace": EachRow((0,)),
    "frameCompare": EachRow((0, 1)),
    "contains": contains,
    "detectSchema": detect_schema,
    "colnames": on_the_driver,
    "typeof": on_the_driver,
    "toString": on_the_driver,
}
