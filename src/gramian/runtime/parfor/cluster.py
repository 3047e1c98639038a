"""Iterations on other machines: tasks of some chunks each, whose results come back together."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from types import CellType, CodeType, FunctionType
from typing import Any

import numpy as np

from gramian.ir.cores import one_core
from gramian.ir.sparse import densify, is_sparse
from gramian.ops.generate import fresh_seeds
from gramian.runtime.failure import calls_above, diagnosis, enclosing, points
from gramian.runtime.parfor.body import Done, Task, Variables, Worker, values_of
from gramian.runtime.parfor.loop import size_in_memory
from gramian.runtime.parfor.reports import Report, explained
from gramian.runtime.parfor.schedule import Chunks, Merge
from gramian.runtime.parfor.threads import run_all
from gramian.runtime.remote import Code, Codes, Loaded, loaded
from gramian.runtime.statistics import Counts

MOST_BACK = 1 << 28  # bytes that may come back together

LOCALS = ".<locals>."


@dataclass(frozen=True)
class Zeros:
    """A matrix of zeros, on its way."""

    shape: tuple[int, int]
    dtype: str
    stored: type | None  # the class of a sparse one

    @classmethod
    def like(cls, value: Any) -> Zeros:
        return cls(value.shape, str(value.dtype), type(value) if is_sparse(value) else None)

    def made(self) -> Any:
        return np.zeros(self.shape, self.dtype) if self.stored is None else self.stored(self.shape, dtype=self.dtype)


@dataclass(frozen=True)
class Body:
    """The body of a loop for another process: where its code is, and the values of its variables that have one.

    Of variables that are added to, only zeros travel; those that are `written` cell by cell are dense there.
    """

    code: Code
    path: str
    values: Mapping[str, Any]
    defaults: tuple[Any, ...] | None
    written: Sequence[str]

    @classmethod
    def of(cls, code: Code, task: Task) -> Body:
        """From now on nobody writes into the values of the variables: whoever does, makes a copy first."""
        body, variables = task.body, Variables(task.body)
        values = values_of(body)
        for name, value in values.items():
            variables.set(name, value)
        values |= {name: Zeros.like(values[name]) for name in task.added}
        return cls(code, body.__qualname__, values, body.__defaults__, task.shared)

    def function(self, unit: Loaded) -> FunctionType:
        """The body, with variables of its own."""
        top, *inside = self.path.split(LOCALS)
        code = unit.namespace[top].__code__
        for name in inside:
            code = next(c for c in code.co_consts if isinstance(c, CodeType) and c.co_name == name)
        cells = [self._cell(name) for name in code.co_freevars]
        return FunctionType(code, unit.namespace, code.co_name, self.defaults, tuple(cells))

    def _cell(self, name: str) -> CellType:
        if name.startswith("o_"):
            return CellType(False)
        if name[2:] not in self.values:
            return CellType()
        value = self.values[name[2:]]
        if isinstance(value, Zeros):
            return CellType(value.made())
        return CellType(densify(value) if name[2:] in self.written else value)


@dataclass(frozen=True)
class Found:
    """What a task found: chunk by chunk, why it ended early, and what it spent its time on."""

    done: Sequence[Done]
    report: Report | None
    counted: Counts


@dataclass(frozen=True)
class Iterations:
    """A loop as a function of chunks. This runs in a worker."""

    body: Body
    over: range
    added: Sequence[str]
    compared: Sequence[str]
    seed: int | None

    def __call__(self, chunks: Chunks) -> Found:
        unit = loaded(self.body.code)
        task = Task(self.body.function(unit), self.over, self.added, (), self.compared, self.seed, _no_sum)
        with unit.execution.environment(), fresh_seeds.fixed_by(self.seed), one_core():
            done = run_all(Worker(task), chunks)
        error, report = done[-1].error, None
        if error is not None:
            done[-1].error = None
            above = enclosing(self.body.path.split(LOCALS)[0], unit.unit.generated)
            running = [above, *points(error.__traceback__, unit.execution.units)]
            report = Report.of(explained(error, partial(diagnosis, error, running)), error)
        return Found(done, report, unit.counted())


def _no_sum(a: Any, b: Any) -> Any:
    raise AssertionError("sums of chunks are added where the script runs")


# -- in the script's process ------------------------------------------------------------------------------------------


class There:
    """A run of a loop on other machines. The results of `task` that are shared are those written cell by cell."""

    def __init__(self, codes: Codes, task: Task) -> None:
        assert codes.remote is not None
        self.remote = codes.remote
        self.units = codes.execution.units
        compared = (*task.shared, *task.compared)
        self.work = Iterations(Body.of(codes.code, task), task.over, task.added, compared, task.seed)

    def run(self, task: Task, chunks: Chunks, size: int) -> Iterator[Found]:
        """What is found for chunks, in about so many tasks, in their order; it is put into the variables of `task`.

        Raises:
            GramianError: that of the first iteration that fails.
        """
        merge = Merge(task)
        for wave in waves(chunks, sum(size_in_memory(merge.variables[name]) for name in task.added)):
            for found in self.remote.run(self.work, spread(wave, size)):
                yield found
                for done in found.done:
                    merge(done)
                if found.report is not None:
                    raise found.report.error(calls_above(sys._getframe(1), self.units))


def waves(chunks: Chunks, size: int) -> Iterator[Chunks]:
    """Chunks of which each brings back so many bytes, as many at a time as there is room for."""
    count = max(1, MOST_BACK // max(1, size))
    for start in range(0, len(chunks), count):
        yield chunks[start : start + count]


def spread(chunks: Chunks, parts: int) -> list[Chunks]:
    """The same chunks in so many parts, or fewer, of neighbours."""
    count = min(parts, len(chunks))
    limits = [len(chunks) * at // count for at in range(count + 1)]
    return [chunks[start:stop] for start, stop in pairwise(limits)]
