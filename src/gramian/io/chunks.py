"""Text files in chunks of whole lines, which several threads work on at the same time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from dataclasses import dataclass
from itertools import chain, islice
from typing import TypeVar

from gramian.io.files import BOM, failing_as, part_files
from gramian.ir.cores import cores

CHUNK_BYTES = 8 << 20
_AHEAD = 2  # results that may wait for their turn, beyond one for each thread

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some whole lines of a file, each ended by a line feed."""

    text: bytes
    path: str
    start: int

    @property
    def line(self) -> int:
        """The number of the first line, from 1. Only messages want it, so that it is counted when asked for."""
        lines, left = 1, self.start
        with open(self.path, "rb") as file:
            while left and (text := file.read(min(left, CHUNK_BYTES))):
                lines += text.count(b"\n")
                left -= len(text)
        return lines


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chunk stands in its file; whoever works on it reads it."""

    path: str
    start: int
    stop: int

    def read(self) -> Chunk:
        with failing_as("read", self.path), open(self.path, "rb") as file:
            file.seek(self.start)
            text = file.read(self.stop - self.start)
        if self.start == 0:
            text = text.removeprefix(BOM)
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n")
        return Chunk(text if text.endswith(b"\n") or not text else text + b"\n", self.path, self.start)


def places(path: str, *, skip_header: bool = False) -> Iterator[Place]:
    """The chunks of a file, or of all its parts in order.

    A header belongs to the first part. Later parts that repeat it, as some systems write them, lose it too.
    """
    header: bytes | None = None
    for part in part_files(path):
        start = 0
        if skip_header:
            with failing_as("read", part), open(part, "rb") as file:
                line = file.readline()
            first = line.removeprefix(BOM).rstrip(b"\r\n")
            if line and header in (None, first):
                header, start = first, len(line)
        yield from places_in(part, start)


def places_in(path: str, start: int) -> Iterator[Place]:
    """The chunks of one file from some byte on, at which a line begins."""
    with failing_as("read", path), open(path, "rb") as file:
        end = os.fstat(file.fileno()).st_size
        if file.read(len(BOM) + 1) == BOM:
            return
        while start < end:
            file.seek(min(start + CHUNK_BYTES, end) - 1)
            file.readline()
            yield Place(path, start, file.tell())
            start = file.tell()


def in_order(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """`function` of each item, in their order, by as many threads as there are cores."""
    rest = iter(items)
    first = list(islice(rest, 2))
    if len(first) < 2 or cores() == 1:
        yield from map(function, chain(first, rest))
        return
    from concurrent.futures import Future, ThreadPoolExecutor

    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(cores(), "gramian io") as threads:
        try:
            for item in chain(first, rest):
                waiting.append(threads.submit(copy_context().run, function, item))
                if len(waiting) > cores() + _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
