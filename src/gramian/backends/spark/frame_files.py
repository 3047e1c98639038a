"""Reading frames on the cluster: csv files, Parquet files and folders of their parts.

As with matrices, the driver looks at the beginnings of files and says which panel is where. In csv, a record may go on over
several lines within quotes, so that the workers first tell how many records end in each chunk, whether it begins within
quotes or not; which of the two it is, the driver knows from the chunks before it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from gramian.backends.spark.blocks import OWN_BYTES, Cut, Store
from gramian.backends.spark.formats import FRAME
from gramian.backends.spark.frame import SparkFrame, frame_cut
from gramian.backends.spark.parts import PIECE_BYTES, FromPieces, Piece, Seen, Unit, cut_up
from gramian.backends.spark.work import Step
from gramian.io import csv_frame, parquet
from gramian.io.chunks import Place, places_in
from gramian.io.files import BOM, part_files, total_bytes
from gramian.io.plan import ReadPlan
from gramian.io.reading import check_size
from gramian.io.records import Ends, ends_in, record_ends
from gramian.ir.frame import STRING, Frame, after_rows

if TYPE_CHECKING:
    from gramian.backends.spark import SparkBackend

GROUP_BYTES = 1 << 27  # of the largest group of rows that a panel takes whole
CELL_BYTES = 8  # about what a text cell takes in memory besides its characters


def read_frame(backend: SparkBackend, plan: ReadPlan) -> SparkFrame | None:
    """The frame on the cluster; None if it belongs on the driver, whose reader also says what is wrong with the files."""
    found = _READERS[plan.format](backend, plan) if plan.format in _READERS else None
    if found is not None:
        check_size(plan, found)
    return found


# -- what the workers do -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Records(Piece):
    """Records of a csv file, counted from a byte at which one begins."""

    start: int
    stop: int
    names: tuple[str, ...]

    def rows(self, plan: ReadPlan, cols: int) -> Frame:
        data = read_bytes(Place(self.file.path, self.start, self.stop))
        ends, _ = record_ends(data, plan.sep)
        first = int(ends[self.first - 1]) if self.first else 0
        exact = data[first : int(ends[self.last - 1])]
        before = csv_frame.Lines(0, self.file.path, self.start + first)
        return csv_frame.records(exact, self.names, plan, before)

    def joined(self, other: Piece) -> Piece | None:
        if not isinstance(other, Records) or other.file != self.file or other.start != self.stop or other.first:
            return None
        return replace(self, last=self.last + other.last, stop=other.stop)


@dataclass(frozen=True)
class GroupOfFrame(Piece):
    """Rows of a group of a Parquet file."""

    number: int

    def rows(self, plan: ReadPlan, cols: int) -> Frame:
        return parquet.frame_rows_of(self.file.path, self.number, self.first, self.last, plan)


@dataclass(frozen=True)
class FrameFromPieces(FromPieces):
    """A frame in files that have it row by row."""

    @cached_property
    def weight(self) -> int:
        names = sum(len(name) for piece in self.pieces[0][:1] for name in getattr(piece, "names", ()))
        return OWN_BYTES + names + PIECE_BYTES * sum(map(len, self.pieces))

    def make(self, panel: int, store: Store) -> Frame:
        row, _ = self.cut.limits(panel)
        found = []
        for piece in self.pieces[panel]:
            piece.file.check()
            with after_rows(row):
                found.append(piece.rows(self.plan, self.cols))
            row += piece.last - piece.first
        joined: Frame = self.format.joined(found, self.cols)
        return joined


@dataclass(frozen=True)
class Scanned:
    """The records that end in a chunk of a file if it begins outside of quotes, or within them."""

    outside: Ends
    within: Ends | None  # if there are no quotes, none ends


@dataclass(frozen=True)
class Scan(Step):
    """Where records end in each chunk of csv files; None where lines do not end with a line feed."""

    sep: str
    places: tuple[tuple[Seen, Place], ...]

    def answer(self, panel: int, store: Store) -> Scanned | None:
        file, place = self.places[panel]
        file.check()
        text = read_bytes(place)
        if b"\r" in text and text.count(b"\r") != text.count(b"\r\n"):
            return None
        return Scanned(ends_in(text, self.sep, False), ends_in(text, self.sep, True) if b'"' in text else None)


def read_bytes(place: Place) -> bytes:
    """The text of a chunk as it is, ended by a line feed."""
    with open(place.path, "rb") as file:
        file.seek(place.start)
        text = file.read(place.stop - place.start)
    return text if text.endswith(b"\n") else text + b"\n"


# -- what the driver plans ---------------------------------------------------------------------------------------------


def _read_csv(backend: SparkBackend, plan: ReadPlan) -> SparkFrame | None:
    size = total_bytes(plan.path)
    found = None if backend.stays(size) else _chunks(plan)
    if found is None:
        return None
    names, chunks = found
    if not chunks:
        return None
    answers = backend.cluster.run(Scan(plan.sep, chunks), Cut(len(chunks), 1))
    units = _units(chunks, answers, tuple(names))
    if not units:
        return None
    rows = sum(count for count, _ in units)
    like = csv_frame.typed(Frame.of([[] for _ in names], [STRING] * len(names), names), plan)
    return frame_of(backend, plan, like, units, size / rows + CELL_BYTES * len(names))


def _chunks(plan: ReadPlan) -> tuple[list[str], tuple[tuple[Seen, Place], ...]] | None:
    """The names of the columns and the chunks of the files behind their headers; None for a metadata frame."""
    header: list[str] | None = None
    first: list[str] | None = None
    chunks: list[tuple[Seen, Place]] = []
    for part in part_files(plan.path):
        if not os.path.getsize(part):
            continue
        seen, start = Seen.now(part), len(BOM) if first_bytes_of(part).startswith(BOM) else 0
        found = csv_frame.first_record(part, plan)
        if found is None:
            return None
        if plan.header and header in (None, found[1]):
            start, header = found[0], found[1]
        else:
            first = first or found[1]
        chunks += ((seen, place) for place in places_in(part, start))
    return csv_frame.names_of(header, first or header or [""], plan), tuple(chunks)


def first_bytes_of(part: str) -> bytes:
    with open(part, "rb") as file:
        return file.read(len(BOM))


def _units(
    chunks: Sequence[tuple[Seen, Place]], answers: Sequence[Scanned | None], names: tuple[str, ...]
) -> list[Unit] | None:
    """The records that begin in each chunk; None if a file ends within quotes, or has odd line ends."""
    units: list[Unit] = []
    start, count, within = 0, 0, False
    for at, ((file, place), answer) in enumerate(zip(chunks, answers, strict=True)):
        if answer is None:
            return None
        ends = (answer.within or Ends(0, -1, open=True)) if within else answer.outside
        if not within:
            start, count = place.start, 0
        elif ends.count:  # the record that began before ends here
            units.append((count + 1, partial(_records, file, start, place.start + ends.first, names)))
            start, count = place.start + ends.first, -1
        count += ends.count
        within = ends.open
        last = at + 1 == len(chunks) or chunks[at + 1][0] != file
        if within and last:
            return None
        if not within and count:
            units.append((count, partial(_records, file, start, place.stop, names)))
    return units


def _records(file: Seen, start: int, stop: int, names: tuple[str, ...], first: int, last: int) -> Piece:
    return Records(file, first, last, start, stop, names)


def _read_parquet(backend: SparkBackend, plan: ReadPlan) -> SparkFrame | None:
    groups, size, columns = parquet.frame_groups(plan.path)
    rows = sum(count for _, _, count in groups)
    if backend.stays(size) or not rows:
        return None
    seen = {path: Seen.now(path) for path, _, _ in groups}
    units: list[Unit] = [(count, partial(_group, seen[path], number)) for path, number, count in groups]
    row_bytes = size / rows
    # A group is unpacked as a whole, so that a panel had best be one.
    whole = len(groups) > 1 and GROUP_BYTES // 64 <= groups[0][2] * row_bytes <= GROUP_BYTES
    cut = Cut(rows, groups[0][2]) if whole else None
    return frame_of(backend, plan, csv_frame.typed(columns, plan), units, row_bytes, cut=cut)


def _group(file: Seen, number: int, first: int, last: int) -> Piece:
    return GroupOfFrame(file, first, last, number)


def frame_of(
    backend: SparkBackend,
    plan: ReadPlan,
    like: Frame,
    units: Sequence[Unit],
    row_bytes: float,
    *,
    kind: type[FrameFromPieces] = FrameFromPieces,
    cut: Cut | None = None,
) -> SparkFrame:
    """The frame in these files, of each of which some rows are a piece; `like` has its columns."""
    rows = sum(count for count, _ in units)
    cut = cut or frame_cut(rows, row_bytes)
    pieces = tuple(map(tuple, cut_up(units, cut)))
    cluster = backend.cluster
    recipe = kind(cluster.fresh(), cut, len(like.types), FRAME, plan, pieces)
    found = SparkFrame(recipe, like.names, like.types, row_bytes, cluster, backend.budget.scratch)
    cluster.make(recipe)
    return found


_READERS: Mapping[str, Callable[[Any, ReadPlan], SparkFrame | None]] = {"csv": _read_csv, "parquet": _read_parquet}
