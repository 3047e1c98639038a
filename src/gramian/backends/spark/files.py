"""Reading and writing on the cluster: large matrices come from files, and go into folders of parts, without the driver.

The driver looks at the beginnings of files, and says which panel is where. Workers count the lines of text files, parse
them with the readers that serve on one machine, and write with the writers of that. What suits none of this is read on
the driver: URLs, HDF5, text files whose cells are in no order, a sparse matrix in one file of format binary.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from gramian.backends.spark.blocks import Cut
from gramian.backends.spark.cells import row_bytes
from gramian.backends.spark.frame import SparkFrame, frame_bytes, frames_in_memory
from gramian.backends.spark.frame_files import read_frame
from gramian.backends.spark.matrix import SparkMatrix, cut_of
from gramian.backends.spark.parts import (
    SHARED,
    Cells,
    CountLines,
    Extent,
    Extents,
    FromCells,
    FromPieces,
    FromSparsePieces,
    Group,
    InPlace,
    Lines,
    Piece,
    Seen,
    Unit,
    WritePart,
    cut_up,
)
from gramian.errors import OperationError
from gramian.io import binary, csv, mm, parquet, remote, resolve
from gramian.io.chunks import Place, places, places_in
from gramian.io.files import missing_file, total_bytes
from gramian.io.plan import ReadPlan
from gramian.io.reading import check_size
from gramian.io.replacement import delete, temporary_name
from gramian.io.writing import write_elsewhere
from gramian.ir.disk import DiskTranspose
from gramian.ir.op import Op
from gramian.ir.sparse import LARGEST_ZERO, worth
from gramian.ir.values import ListValue
from gramian.ops.io import read_options, write_options
from gramian.runtime.backend import Kernel

if TYPE_CHECKING:
    from gramian.backends.spark import SparkBackend

FRAMES_IN_PARTS = ("csv", "parquet", "jsonl")  # formats of frames that may come in parts
MOST_OVERLAP = 3  # times that workers may read cells that are not in order; then the driver does that once
GROUP_BYTES = 1 << 27  # of the largest group of rows that a panel takes whole


# -- reading -------------------------------------------------------------------------------------------------------------


def reader(backend: SparkBackend, op: Op, local: Kernel) -> Kernel:
    """The kernel of read() or readMM(): `local` is that of one machine."""

    def read(path: str, *values: Any) -> Any:
        options = read_options(values) if op.name == "read" else {"format": "mm"}
        found = _distributed(backend, path, options)
        return local(path, *values) if found is None else found

    return read


def _distributed(backend: SparkBackend, path: str, options: Mapping[str, Any]) -> SparkMatrix | SparkFrame | None:
    """The value on the cluster; None if it belongs on the driver, whose reader also says what is wrong with the file."""
    if remote.is_url(path) or options.get("data_type", "matrix") not in ("matrix", "frame"):
        return None
    path = remote.local(path)
    if missing_file(path) or _is_small(backend, path):
        return None
    plan = resolve(path, options)
    if plan.data_type == "frame":
        return read_frame(backend, replace(plan, path=os.path.abspath(plan.path)))
    if plan.data_type != "matrix" or plan.nnz is not None or plan.format not in _READERS:
        return None
    plan = replace(plan, path=os.path.abspath(plan.path))
    if plan.rows and plan.cols and backend.stays(plan.rows * plan.cols * backend.cell_bytes):
        return None
    found = _READERS[plan.format](backend, plan)
    if found is not None:
        check_size(plan, found)
    return found


def _is_small(backend: SparkBackend, path: str) -> bool:
    """A file too small to be looked at twice; compressed ones may hold a hundred times as much."""
    try:
        return backend.stays(total_bytes(path) * 100)
    except (OSError, OperationError):
        return True


def _read_npy(backend: SparkBackend, plan: ReadPlan) -> SparkMatrix | None:
    parts = binary.parts(plan.path)
    units = [(rows, partial(Cells, Seen.now(path))) for path, rows in parts]
    if not any(map(binary.is_sparse_file, (path for path, _ in parts))):
        cut = cut_of(plan.rows or 0, plan.cols or 0, backend.cell_bytes)
        return matrix_of(backend, InPlace, plan, cut, units)
    if len(parts) == 1:
        return None  # a worker would have to read all of it for each panel
    cut = Cut(plan.rows or 0, max(rows for _, rows in parts))
    return matrix_of(backend, FromPieces, plan, cut, units)


def _read_parquet(backend: SparkBackend, plan: ReadPlan) -> SparkMatrix | None:
    groups = parquet.row_groups(plan.path)
    seen = {path: Seen.now(path) for path, _, _ in groups}
    units = [(rows, partial(_group, seen[path], number)) for path, number, rows in groups]
    cut = cut_of(plan.rows or 0, plan.cols or 0, backend.cell_bytes)
    # A group is unpacked as a whole, so that a panel had best be one.
    bytes_of_group = groups[0][2] * (plan.cols or 0) * backend.cell_bytes
    if len(groups) > 1 and GROUP_BYTES // 64 <= bytes_of_group <= GROUP_BYTES:
        cut = Cut(cut.rows, groups[0][2])
    return matrix_of(backend, FromPieces, plan, cut, units)


def _group(file: Seen, number: int, first: int, last: int) -> Piece:
    return Group(file, first, last, number)


def _read_lines(backend: SparkBackend, plan: ReadPlan) -> SparkMatrix | None:
    """csv and libsvm: a line is a row."""
    if backend.stays(total_bytes(plan.path) // 2 * backend.cell_bytes):  # a cell takes two bytes or more
        return None
    chunks = _seen(places(plan.path, skip_header=plan.header))
    if not chunks:
        return None
    cols = plan.cols or _columns(plan, chunks[0][1])
    cluster = backend.cluster
    counts = cluster.run(CountLines(plan, chunks), Cut(len(chunks), 1))
    if None in counts:
        return None
    rows, stored = (sum(numbers) for numbers in zip(*counts, strict=True))
    sparsity = _sparsity(plan, chunks, rows, cols, stored)
    if backend.stays(rows * row_bytes(cols, backend.cell_bytes, sparsity)):
        return None
    units: list[Unit] = [
        (count, partial(_lines, file, place)) for (file, place), (count, _) in zip(chunks, counts, strict=True)
    ]
    plan = replace(plan, rows=plan.rows or rows, cols=cols)
    cut = cut_of(rows, cols, backend.cell_bytes, sparsity=sparsity)
    return matrix_of(backend, FromPieces if sparsity == 1 else FromSparsePieces, plan, cut, units)


def _lines(file: Seen, place: Place, first: int, last: int) -> Piece:
    return Lines(file, first, last, place.start, place.stop)


def _columns(plan: ReadPlan, place: Place) -> int:
    return place.read().text.partition(b"\n")[0].count(plan.sep.encode()) + 1


def _sparsity(plan: ReadPlan, chunks: Sequence[tuple[Seen, Place]], rows: int, cols: int, stored: int) -> float:
    """About the share of the cells that is not zero; 1 if the matrix is to be dense, as the driver's reader has it."""
    if plan.format == "libsvm":
        return _if_worth(rows * cols, stored + rows)
    if rows * cols < LARGEST_ZERO:
        return 1.0
    import numpy as np

    cells = csv.parse_chunk(chunks[0][1].read(), cols, plan)
    return _if_worth(cells.size, int(np.count_nonzero(cells)))


def _if_worth(cells: int, stored: int) -> float:
    return stored / cells if worth(cells, stored) else 1.0


def _read_cells(backend: SparkBackend, plan: ReadPlan) -> SparkMatrix | None:
    """Formats text and mm: a line is a cell."""
    rows, cols = plan.rows or 0, plan.cols or 0
    if backend.stays(rows * cols * backend.cell_bytes):
        return None
    if plan.format == "mm":
        start = mm.first_cell(plan.path)
        if start is None:
            return None
        chunks = _seen(places_in(plan.path, start))
    else:
        chunks = _seen(places(plan.path))
    if not chunks:
        return None
    extents = backend.cluster.run(Extents(plan, chunks), Cut(len(chunks), 1))
    # Of cells that occur twice, format text takes the last one, and mm the sum.
    if plan.format == "mm" and not _ascending(extents):
        return None
    sparsity = _if_worth(rows * cols, sum(extent.count for extent in extents))
    if backend.stays(rows * row_bytes(cols, backend.cell_bytes, sparsity)):
        return None
    cut = cut_of(rows, cols, backend.cell_bytes, sparsity=sparsity)
    by_panel: list[list[tuple[Seen, Place]]] = [[] for _ in range(cut.panels)]
    for chunk, extent in zip(chunks, extents, strict=True):
        if extent.count:
            for panel in range(extent.first // cut.step, extent.last // cut.step + 1):
                by_panel[panel].append(chunk)
    reads = sum(map(len, by_panel))
    if reads > cut.panels + MOST_OVERLAP * len(chunks):
        return None
    return _placed(backend, lambda name, dtype: FromCells(name, cut, cols, dtype, plan, tuple(map(tuple, by_panel))))


def _ascending(extents: Sequence[Extent]) -> bool:
    """Are the cells in order, none of them twice?"""
    kept = [extent for extent in extents if extent.count]
    return all(extent.ascending for extent in kept) and all(
        before.end < after.begin for before, after in pairwise(kept)
    )


def _seen(found: Iterator[Place]) -> tuple[tuple[Seen, Place], ...]:
    files: dict[str, Seen] = {}
    return tuple((files.setdefault(place.path, Seen.now(place.path)), place) for place in found)


def matrix_of(
    backend: SparkBackend, kind: type[FromPieces], plan: ReadPlan, cut: Cut, units: Sequence[Unit]
) -> SparkMatrix:
    """The matrix in these files, of each of which some rows are a piece."""
    pieces = tuple(map(tuple, cut_up(units, cut)))
    return _placed(backend, lambda name, dtype: kind(name, cut, plan.cols or 0, dtype, plan, pieces))


def _placed(backend: SparkBackend, recipe: Callable[[str, str], Any]) -> SparkMatrix:
    from gramian.backends.spark.make import placed

    found = placed(backend, recipe)
    stored = backend.cluster.make(found.recipe)  # at once, so that what is wrong is said here
    found.sparsity = found.sparsity if stored is None else stored / max(1, found.size)
    return found


_READERS: Mapping[str, Callable[[SparkBackend, ReadPlan], SparkMatrix | None]] = {
    "npy": _read_npy,
    "binary": _read_npy,
    "parquet": _read_parquet,
    "csv": _read_lines,
    "libsvm": _read_lines,
    "text": _read_cells,
    "mm": _read_cells,
}


# -- writing -------------------------------------------------------------------------------------------------------------


def writer(backend: SparkBackend, local: Kernel) -> Kernel:
    """The kernel of write()."""

    def write(x: Any, path: str, *values: Any) -> Any:
        options = write_options(values)
        by_workers = type(x) is SparkMatrix or (isinstance(x, SparkFrame) and _format(options) in FRAMES_IN_PARTS)
        if not by_workers or x.recipe.cut.panels == 1 or remote.is_url(path) or _format(options) == "hdf5":
            backend.home.require(frame_bytes(x), f"write() of a frame in format {_format(options)}")
            return local(on_driver(x), path, *values)
        by_parts = _joined_parts if _format(options) == "mm" else _folder_of_parts
        write_elsewhere(x, path, options, partial(by_parts, x))
        return ()

    return write


def _format(options: Mapping[str, Any]) -> str:
    return str(options.get("format", "text")).strip().lower()


def on_driver(value: Any) -> Any:
    """A value for whoever knows nothing of clusters."""
    if isinstance(value, SparkFrame):
        return frames_in_memory(value)
    if isinstance(value, ListValue):
        return ListValue([on_driver(item) for item in value.items], value.names)
    if isinstance(value, DiskTranspose) and type(value.base) is SparkMatrix:
        return DiskTranspose(on_driver(value.base))
    if type(value) is not SparkMatrix:
        return value
    return value.load() if value.loads_sparse or value.recipe.cut.panels == 1 else value.on_disk


def _folder_of_parts(matrix: Any, target: str, options: Mapping[str, Any]) -> int:
    """Writes one file a panel; the number of nonzeros."""
    os.mkdir(target)
    suffix = {"npy": ".npy", "binary": ".npy", "parquet": ".parquet", "jsonl": ".jsonl"}.get(
        options.get("format", "text"), ""
    )
    panels = matrix.recipe.cut.panels
    names = [f"part-{panel:0{max(5, len(str(panels)))}d}{suffix}" for panel in range(panels)]
    answers = matrix.cluster.run(WritePart(matrix.recipe, target, names, options), matrix.recipe.cut)
    for name, (_, size) in zip(names, answers, strict=True):
        _check_part(os.path.join(target, name), size)
    for name in set(os.listdir(target)) - set(names):  # of attempts that were lost
        os.unlink(os.path.join(target, name))
    return sum(count for count, _ in answers)


def _check_part(path: str, size: int) -> None:
    if not os.path.exists(path) or os.path.getsize(path) != size:
        raise OperationError(f"a worker has written '{os.path.basename(path)}', which the driver does not see", SHARED)


def _joined_parts(matrix: SparkMatrix, target: str, options: Mapping[str, Any]) -> int:
    """A Matrix Market file is always one file: its cells are written by the workers, and joined here."""
    folder = temporary_name(os.path.dirname(target))
    try:
        count = _folder_of_parts(matrix, folder, {"format": "text"})
        with open(target, "xb") as out:
            out.write(mm.header(matrix.shape, count))
            for name in sorted(os.listdir(folder)):
                with open(os.path.join(folder, name), "rb") as part:
                    shutil.copyfileobj(part, out, 1 << 22)
        return count
    finally:
        delete(folder)
