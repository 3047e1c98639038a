"""The parameter server: a model in one place, and workers that train it in threads, or on other machines.

A worker computes on its part of the rows, batch after batch, and after some of them pushes to the server: the sum of
its gradients or, with modelAvg, the model that it has come to. How pushes meet is the schedule:

    BSP   in steps: the server waits for all workers, and updates the model once with the sum of what they push
    SBP   in steps, but without waiting for the slowest workers; what these push too late is dropped
    ASP   each push updates the model at once
    SSP   as ASP, but no worker may be more than `staleness` pushes ahead of the slowest

In steps the workers' results are combined in the order of the workers, so that the threads' timing has no influence.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import reduce
from threading import Condition
from typing import Any

import numpy as np

from gramian.errors import OperationError, SizeError
from gramian.ir.disk import is_on_disk
from gramian.ir.op import REGISTRY
from gramian.ir.scalar import describe, text
from gramian.ir.sparse import by_rows, is_sparse, settle
from gramian.ir.values import ListValue
from gramian.ops.generate import actual_seed, fresh_seeds
from gramian.ops.paramserv import (
    CONTIGUOUS,
    NAMES,
    RANDOM,
    RESHUFFLE,
    ROUND_ROBIN,
    Options,
    check_data,
    check_validation,
)
from gramian.runtime.functions import FunctionTable
from gramian.runtime.pushes import Elsewhere, Push, Pushed, Pushes

# What the functions of the script are given, by name.
GIVEN: Mapping[str, tuple[str, ...]] = {
    "upd": ("model", "hyperparams", "features", "labels"),
    "agg": ("model", "hyperparams", "gradients"),
    "val": ("val_features", "val_labels", "model", "hyperparams"),
}


def paramserv(table: FunctionTable, *values: Any) -> ListValue:
    """The kernel of paramserv(); `values` are its arguments in the order of the parameters."""
    given = dict(zip(NAMES, values, strict=True))
    options = Options.of(given)
    options.check()
    check_data(given["features"].shape, given["labels"].shape)
    check_validation({name: given[name] is not None for name in ("val", "val_features", "val_labels")})
    training = Training.of(table, given)
    workers = _workers(given["features"], given["labels"], options)
    if workers:
        elsewhere = None
        if options.mode == "REMOTE_SPARK" and table.code is not None and table.code.remote is not None:
            elsewhere = Elsewhere(table.code, len(workers), sys._getframe(1))
        server = Server(given["model"], training, options, workers, elsewhere)
        schedule = {"BSP": _in_steps, "SBP": _in_steps, "ASP": _at_once, "SSP": _at_once}[str(options.utype)]
        with ThreadPoolExecutor(len(workers), "gramian worker") as threads:
            schedule(server, threads)
        return server.model
    model: ListValue = given["model"]
    return model


# -- the functions of the script --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Called:
    """A function of the script, called with arguments by name; `called` is what the script calls it, `name` its title."""

    role: str
    name: str
    run: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    outputs: tuple[str, ...]
    called: str = ""

    @classmethod
    def of(cls, table: FunctionTable, role: str, name: str) -> Called:
        function, run = table.function("paramserv", name)
        params = {p.name for p in function.params}
        absent = next((wanted for wanted in GIVEN[role] if wanted not in params), None)
        if absent is not None:
            raise OperationError(
                f"function '{function.title}' cannot be the {role} of paramserv(): it has no parameter '{absent}'",
                f"paramserv() gives it {', '.join(GIVEN[role])} by these names",
            )

        def call(values: Mapping[str, Any]) -> tuple[Any, ...]:
            result = run(*table.bind(function, list(values.values()), list(values)))
            return result if len(function.outputs) > 1 else (result,) if function.outputs else ()

        return cls(role, function.title, call, tuple(o.name for o in function.outputs), name)

    def result(self, **values: Any) -> ListValue:
        """The first result, which must be a list."""
        results = self.run(values)
        if results and isinstance(results[0], ListValue):
            return results[0]
        found = describe(results[0]) if results else "no result"
        raise OperationError(
            f"function '{self.name}', the {self.role} of paramserv(), must return a list, found {found}"
        )


@dataclass(frozen=True, slots=True)
class Training:
    """What one step of training is: gradients of a batch, a new model, a measurement."""

    upd: Called
    agg: Called
    hyperparams: ListValue
    validate: Callable[[ListValue, int], None]

    @classmethod
    def of(cls, table: FunctionTable, given: Mapping[str, Any]) -> Training:
        hyperparams = given["hyperparams"] if given["hyperparams"] is not None else ListValue(())
        upd, agg = (Called.of(table, role, given[role]) for role in ("upd", "agg"))
        if given["val"] is None:
            return cls(upd, agg, hyperparams, lambda model, epoch: None)
        check_data(given["val_features"].shape, given["val_labels"].shape, "val_")
        val = Called.of(table, "val", given["val"])

        def validate(model: ListValue, epoch: int) -> None:
            data = {name: given[name] for name in ("val_features", "val_labels")}
            results = val.run({**data, "model": model, "hyperparams": hyperparams})
            shown = [f"{n} {_number(r, val)}" for n, r in zip(val.outputs, results, strict=True)]
            REGISTRY["print"].kernel(f"paramserv: epoch {epoch}: {', '.join(shown)}")

        return cls(upd, agg, hyperparams, validate)

    def gradients(self, model: ListValue, features: Any, labels: Any) -> ListValue:
        return self.upd.result(model=model, hyperparams=self.hyperparams, features=features, labels=labels)

    def updated(self, model: ListValue, gradients: ListValue) -> ListValue:
        return self.agg.result(model=model, hyperparams=self.hyperparams, gradients=gradients)


def _number(value: Any, function: Called) -> str:
    if isinstance(value, np.ndarray) and value.shape == (1, 1):
        value = float(value[0, 0])
    if isinstance(value, bool | int | float | str):
        return text(value)
    raise OperationError(
        f"function '{function.name}', the val of paramserv(), must return scalars, found {describe(value)}"
    )


# -- sums of lists ----------------------------------------------------------------------------------------------------


def _added(a: Any, b: Any) -> Any:
    """Two lists of gradients or parameters, entry by entry."""
    if isinstance(a, ListValue) and isinstance(b, ListValue):
        if len(a) != len(b):
            raise OperationError(f"paramserv() cannot add lists of {len(a)} and {len(b)} entries")
        return ListValue([_added(x, y) for x, y in zip(a, b, strict=True)], a.names)
    if (
        isinstance(a, int | float)
        and isinstance(b, int | float)
        and not isinstance(a, bool)
        and not isinstance(b, bool)
    ):
        return a + b
    if not all(isinstance(x, np.ndarray) or is_sparse(x) for x in (a, b)):
        odd = next(x for x in (a, b) if not (isinstance(x, np.ndarray) or is_sparse(x)))
        raise OperationError(f"paramserv() can add matrices and numbers only, found {describe(odd)} in a list")
    if a.shape != b.shape:
        raise SizeError(f"paramserv() cannot add a {_size(a)} and a {_size(b)} matrix of two workers or batches")
    total = a + b
    return settle(total) if is_sparse(total) else total


def _divided(a: Any, count: int) -> Any:
    if isinstance(a, ListValue):
        return ListValue([_divided(x, count) for x in a], a.names)
    return a / count


def _size(x: Any) -> str:
    return f"{x.shape[0]}x{x.shape[1]}"


# -- workers ----------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Worker:
    """A part of the rows, in batches; `pushes` are the batches between two messages to the server, for each epoch.

    A worker has its own context, with its own random numbers, whatever thread it runs in.
    """

    number: int
    features: Any
    labels: Any
    pushes: list[list[slice]]
    context: Context = field(default_factory=copy_context)

    def batch(self, rows: slice) -> tuple[Any, Any]:
        return tuple(x[rows, :] if is_on_disk(x) else x[rows] for x in (self.features, self.labels))

    def gradients(self, push: list[slice], model: ListValue, training: Training) -> ListValue:
        """The sum of the gradients of some batches; the model moves on from one to the next."""
        total: ListValue | None = None
        for at, rows in enumerate(push):
            found = training.gradients(model, *self.batch(rows))
            total = found if total is None else _added(total, found)
            if at < len(push) - 1:
                model = training.updated(model, found)
        assert total is not None
        return total

    def trained(self, push: list[slice], model: ListValue, training: Training) -> ListValue:
        """The model after some batches."""
        for rows in push:
            found = training.gradients(model, *self.batch(rows))
            model = training.updated(model, found)
        return model


def _workers(features: Any, labels: Any, options: Options) -> list[Worker]:
    features, labels = (by_rows(x) if is_sparse(x) else x for x in (features, labels))
    workers: list[Worker] = []
    size = options.batchsize or 1
    for part in _parts(features.shape[0], options):
        mine = _rows(features, part), _rows(labels, part)
        batches = [slice(at, at + size) for at in range(0, mine[0].shape[0], size)]
        step = options.batches_per_push(len(batches))
        pushes = [batches[at : at + step] for at in range(0, len(batches), step)]
        if pushes:
            workers.append(Worker(len(workers), *mine, pushes))
    for worker, seed in zip(workers, fresh_seeds.branch(len(workers)), strict=True):
        worker.context.run(fresh_seeds.start, seed)
    return workers


def _rows(x: Any, part: Any) -> Any:
    """Some rows of a matrix in memory, on disk or on a cluster."""
    if not is_on_disk(x):
        return x[part]
    if isinstance(part, slice) and part.step is None and hasattr(x, "rows"):
        first, last, _ = part.indices(x.shape[0])
        return x.rows(first, max(first, last))
    whole = x.load()
    return (by_rows(whole) if is_sparse(whole) else whole)[part]


def _parts(rows: int, options: Options) -> list[Any]:
    """The rows of each worker."""
    k = options.workers
    share = max(math.ceil(rows / k), 1)
    if options.scheme == ROUND_ROBIN:
        return [slice(i, rows, k) for i in range(k)]
    if options.scheme == CONTIGUOUS:
        return [slice(i * share, (i + 1) * share) for i in range(k)]
    draw = np.random.Generator(np.random.Philox(key=actual_seed(options.seed) % 2**64))
    if options.scheme == RESHUFFLE:
        return [draw.permutation(rows) for _ in range(k)]
    assert options.scheme == RANDOM
    order = draw.permutation(rows)
    return [order[i * share : (i + 1) * share] for i in range(k)]


# -- the server -------------------------------------------------------------------------------------------------------


class Server:
    """Holds the model. The schedules see to it that one thread at a time updates it."""

    def __init__(
        self,
        model: ListValue,
        training: Training,
        options: Options,
        workers: list[Worker],
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self.elsewhere = elsewhere
        self.model = model
        self.training = training
        self.options = options
        self.workers = workers
        self.average = bool(options.average)
        self.epochs = options.epochs or 1

    def update(self, pushed: list[ListValue]) -> None:
        """A new model of what one or more workers pushed."""
        total = reduce(_added, pushed)
        self.model = _divided(total, len(pushed)) if self.average else self.training.updated(self.model, total)

    def start(self, worker: Worker, push: int, threads: ThreadPoolExecutor) -> Future[ListValue]:
        """Have a worker compute its push on the present model."""
        return threads.submit(worker.context.run, self.pushed, worker, worker.pushes[push], self.model)

    def pushed(self, worker: Worker, push: list[slice], model: ListValue) -> ListValue:
        """What a worker finds for some batches; this runs in its thread."""
        if self.elsewhere is not None:
            found = self.elsewhere.run(self._pushes(model), {worker.number: Push.of(worker, push)})
            return self.elsewhere.result(found[worker.number])
        work = worker.trained if self.average else worker.gradients
        return work(push, model, self.training)

    def start_all(
        self, workers: list[Worker], push: int, threads: ThreadPoolExecutor
    ) -> dict[Worker, Future[ListValue]]:
        """Have workers compute their pushes on the present model; other machines do them together, if all are waited for."""
        if self.elsewhere is None or self.options.utype == "SBP":
            return {w: self.start(w, push, threads) for w in workers}
        given = {w.number: w.context.run(Push.of, w, w.pushes[push]) for w in workers}
        together = threads.submit(self.elsewhere.run, self._pushes(self.model), given)
        futures: dict[Worker, Future[ListValue]] = {w: Future() for w in workers}
        together.add_done_callback(lambda done: self._hand_out(done, futures))
        return futures

    def _hand_out(self, together: Future[dict[int, Pushed]], futures: dict[Worker, Future[ListValue]]) -> None:
        for worker, future in futures.items():
            try:
                assert self.elsewhere is not None
                future.set_result(worker.context.run(self.elsewhere.result, together.result()[worker.number]))
            except BaseException as error:
                future.set_exception(error)

    def _pushes(self, model: ListValue) -> Pushes:
        assert self.elsewhere is not None
        training = self.training
        names = training.upd.called, training.agg.called
        return Pushes(self.elsewhere.codes.code, *names, training.hyperparams, self.average, model)


# -- in steps ---------------------------------------------------------------------------------------------------------


def _in_steps(server: Server, threads: ThreadPoolExecutor) -> None:
    backups = (server.options.num_backup_workers or 0) if server.options.utype == "SBP" else 0
    late: dict[Worker, Future[ListValue]] = {}  # what came too late for its step
    for epoch in range(1, server.epochs + 1):
        for step in range(max(len(w.pushes) for w in server.workers)):
            _step(server, threads, step, backups, late)
        server.training.validate(server.model, epoch)
    for future in late.values():
        future.result()  # its error counts, if nothing else of it does


def _step(
    server: Server, threads: ThreadPoolExecutor, step: int, backups: int, late: dict[Worker, Future[ListValue]]
) -> None:
    due = [w for w in server.workers if step < len(w.pushes)]
    if late and all(w in late for w in due):
        wait([late[w] for w in due], return_when=FIRST_COMPLETED)
    for worker in [w for w, future in late.items() if future.done()]:
        late.pop(worker).result()
    running = server.start_all([w for w in due if w not in late], step, threads)
    needed = min(max(len(due) - backups, 1), len(running))
    while sum(future.done() for future in running.values()) < needed:
        wait([f for f in running.values() if not f.done()], return_when=FIRST_COMPLETED)
    finished = [w for w, future in running.items() if future.done()]
    late.update((w, future) for w, future in running.items() if w not in finished)
    server.update([running[w].result() for w in finished])


# -- at once ----------------------------------------------------------------------------------------------------------


class Clock:
    """Lets one worker at a time push, and in SSP lets none run ahead too far."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.changed = Condition()
        self.ahead = (server.options.staleness or 0) if server.options.utype == "SSP" else math.inf
        self.pushed = dict.fromkeys(server.workers, 0)
        self.running = set(server.workers)
        self.latest: dict[Worker, ListValue] = {}
        self.failed = False
        self.per_epoch = sum(len(w.pushes) for w in server.workers)

    def run(self, worker: Worker) -> None:
        """All epochs of one worker."""
        try:
            for _ in range(self.server.epochs):
                for push in worker.pushes:
                    model = self.pull(worker)
                    if model is None:
                        return
                    self.push(worker, self.server.pushed(worker, push, model))
        except BaseException:
            self.stop()
            raise
        finally:
            with self.changed:
                self.running.discard(worker)
                self.changed.notify_all()

    def stop(self) -> None:
        """Let all workers end after what they are at."""
        with self.changed:
            self.failed = True
            self.changed.notify_all()

    def pull(self, worker: Worker) -> ListValue | None:
        """The present model as soon as the worker may go on; None if another one failed."""
        with self.changed:
            self.changed.wait_for(lambda: self.failed or self._may_go_on(worker))
            return None if self.failed else self.server.model

    def _may_go_on(self, worker: Worker) -> bool:
        slowest = min(self.pushed[w] for w in self.running)
        return self.pushed[worker] - slowest <= self.ahead

    def push(self, worker: Worker, pushed: ListValue) -> None:
        with self.changed:
            if self.server.average:
                self.latest[worker] = pushed
                self.server.update([self.latest[w] for w in self.server.workers if w in self.latest])
            else:
                self.server.update([pushed])
            self.pushed[worker] += 1
            done = sum(self.pushed.values())
            if done % self.per_epoch == 0:
                self.server.training.validate(self.server.model, done // self.per_epoch)
            self.changed.notify_all()


def _at_once(server: Server, threads: ThreadPoolExecutor) -> None:
    clock = Clock(server)
    futures = [threads.submit(worker.context.run, clock.run, worker) for worker in server.workers]
    try:
        wait(futures)
    except BaseException:  # the user interrupts the run
        clock.stop()
        raise
    for future in futures:
        future.result()
