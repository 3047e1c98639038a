"""Workers of a parameter server on other machines: each push is a task, on rows that its machine keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

from gramian.errors import ScriptError
from gramian.ir.cores import one_core
from gramian.ir.values import ListValue
from gramian.ops.generate import fresh_seeds
from gramian.ops.text import out
from gramian.runtime.failure import NOWHERE, diagnosis, open_call, points
from gramian.runtime.parfor.reports import Report, explained
from gramian.runtime.remote import Code, Codes, loaded

if TYPE_CHECKING:
    from gramian.runtime.paramserv import Worker
    from gramian.runtime.statistics import Counts


@dataclass(frozen=True)
class Push:
    """Some batches of a worker's rows, and where its random numbers go on."""

    features: Any
    labels: Any
    batches: Sequence[slice]
    seeds: Any

    @classmethod
    def of(cls, worker: Worker, batches: Sequence[slice]) -> Push:
        """To be called in the context of the worker."""
        return cls(worker.features, worker.labels, batches, fresh_seeds.state)


@dataclass
class Pushed:
    """What came of it: a result or an error; what was printed; and where the random numbers are now."""

    printed: list[str] = field(default_factory=list)
    result: ListValue | None = None
    report: Report | None = None
    refusal: Exception | None = None  # of what is no function of the script
    seeds: Any = None
    counted: Counts = field(default_factory=lambda: ({}, {}))


@dataclass(frozen=True)
class Pushes:
    """The work on a push, from a model. This runs in a worker."""

    code: Code
    upd: str
    agg: str
    hyperparams: ListValue
    average: bool
    model: ListValue

    def __call__(self, push: Push) -> Pushed:
        from gramian.runtime.paramserv import Called, Training, Worker

        unit = loaded(self.code)
        table = unit.execution.table
        upd, agg = Called.of(table, "upd", self.upd), Called.of(table, "agg", self.agg)
        training = Training(upd, agg, self.hyperparams, lambda model, epoch: None)
        worker = Worker(0, push.features, push.labels, [])
        work = worker.trained if self.average else worker.gradients
        found = Pushed()
        with unit.execution.environment(), fresh_seeds.going_on(push.seeds), one_core():
            try:
                with out.here(found.printed.append):
                    found.result = work(list(push.batches), self.model, training)
            except Exception as error:
                running = points(error.__traceback__, unit.execution.units)
                if running or isinstance(error, ScriptError):
                    explain = explained(error, partial(diagnosis, error, [NOWHERE, *running]))
                    found.report = Report.of(explain, error)
                else:
                    found.refusal = error
            found.seeds = fresh_seeds.state
        found.counted = unit.counted()
        return found


class Elsewhere:
    """Has other machines compute pushes. `frame` is where paramserv() was called."""

    def __init__(self, codes: Codes, count: int, frame: FrameType) -> None:
        assert codes.remote is not None
        self.codes = codes
        self.remote = codes.remote
        self.count = count
        self.place, self.above = open_call(frame, codes.execution.units)

    def run(self, work: Pushes, pushes: dict[int, Push]) -> dict[int, Pushed]:
        """What comes of pushes, by the numbers of their workers."""
        parts = [pushes.get(number) for number in range(self.count)]
        found = self.remote.run(work, parts)
        return {number: pushed for number, pushed in enumerate(found) if pushed is not None}

    def result(self, found: Pushed) -> ListValue:
        """To be called in the context of the worker.

        Raises:
            GramianError: the push failed.
        """
        for text in found.printed:
            out.write(text)
        if self.codes.execution.statistics is not None:
            self.codes.execution.statistics.add(found.counted)
        if found.report is not None:
            raise found.report.error(self.above, self.place)
        if found.refusal is not None:
            raise found.refusal
        fresh_seeds.go_on(found.seeds)
        assert found.result is not None
        return found.result
