"""The driver's side of a cluster: jobs over the panels of matrices, and what is to be cleaned up."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from threading import Lock
from time import perf_counter
from typing import Any, TypeVar

from gramian.backends.spark import session as sessions
from gramian.backends.spark.anchors import Anchors, anchor_of, on_machine
from gramian.backends.spark.blocks import Cut, Recipe, Store
from gramian.backends.spark.exchange import (
    PIECES,
    ROUND,
    Piece,
    ReceiveFiles,
    ReceiveParts,
    Receiver,
    Scattered,
    SendBlocks,
    Sender,
    SendParts,
    SendTask,
    piece_batch,
)
from gramian.backends.spark.given import Arrays, pieces_of
from gramian.backends.spark.lineage import landmarks, pickled
from gramian.backends.spark.moves import Blocks, Moves, in_rounds
from gramian.backends.spark.work import SCHEMA, Keep, Missed, Refusal, Step, Task
from gramian.cost.placement import MOST_BACK
from gramian.runtime.statistics import JOB_TIME, MADE_AGAIN, RECEIVED, SENT, SHUFFLED, SPARK_JOBS, Count, uncounted

Table = Any  # a pyspark DataFrame
T = TypeVar("T")
AnyTask = TypeVar("AnyTask", bound=Task)
SMALL = MOST_BACK  # bytes of a partial result that the driver takes
LARGEST_GIVEN = 1 << 28  # bytes of the driver's operands of one job
CANCEL = 30.0  # seconds that a job has to end when it is told to


class Cluster:
    """A Spark session that computes matrices.

    A job is a function of its anchors, which stay where they are (`anchors`): so what a panel needs is done in the executor
    that has the blocks of that panel, as long as it lives.
    """

    def __init__(self, session: Any, count: Count = uncounted) -> None:
        self.session = session
        self.count = count
        self.name = uuid.uuid4().hex[:12]
        self.jobs = 0
        self._names = 0
        self._naming = Lock()
        self._live: set[str] = set()
        self._dirty = False  # may there be blocks?
        self._copies: set[tuple[Blocks, int]] = set()  # of blocks, on other machines than where they are
        self._arrays = Arrays(self.fresh, self.forget)
        sessions.before_stop(self)

    def fresh(self) -> str:
        """A name for the blocks of a new matrix."""
        with self._naming:
            self._names += 1
            name = f"m{self._names}"
            self._live.add(name)
        return name

    def forget(self, name: str) -> None:
        """Nobody holds the matrix of that name any more: its blocks go with the next job."""
        self._live.discard(name)
        self._copies = {copy for copy in self._copies if copy[0][0] != name}

    def close(self) -> None:
        """Removes all blocks. Matrices that are still there have theirs made again if somebody asks for them."""
        if not self._dirty:
            return
        self._dirty = False
        with sessions.quiet():
            parts = max(16, 2 * len(self.anchors))
            sweep = self.session.range(0, parts, 1, parts).mapInArrow(Sweep(self.name), "id long")
            self._call(sweep.count)
            self.anchors.table.unpersist()
        del self.anchors
        self._copies.clear()
        self._arrays = Arrays(self.fresh, self.forget)

    @cached_property
    def anchors(self) -> Anchors:
        """Where the blocks live."""
        return self._call(lambda: Anchors(self.session))

    def run(self, step: Step, cut: Cut, panels: tuple[int, int] | None = None) -> list[Any]:
        """The answers of a step, panel by panel; `panels` are the first, and the first one after those that are needed.

        Raises:
            OperationError: an operator refused its input.
        """
        wanted = range(*panels) if panels is not None else range(cut.panels)
        self._bring(step, cut, wanted)
        answers = self._until_all_is_there(step, wanted, partial(self._answers, step, cut))
        return [answers[panel] for panel in sorted(answers)]

    def make(self, recipe: Recipe) -> int | None:
        """Have the blocks of a matrix made; the number of cells that they store, if they say so."""
        cut = recipe.cut
        if not isinstance(recipe, Scattered) or not self._has_several_machines:
            return int(sum(self.run(Keep(recipe), cut)))
        rounds = -(-cut.rows * recipe.row_bytes // (ROUND * len(self.anchors)))
        for number in range(rounds):
            to = {panel: anchor_of(panel, len(self.anchors), cut) for panel in range(number, cut.panels, rounds)}
            receiver = ReceiveParts(*self._now(), recipe.name, pickled(recipe, self._arrays))
            self._move(SendParts(recipe, to), recipe.base.cut, range(recipe.base.cut.panels), receiver)
            self.count(SHUFFLED, sum(recipe.bytes_of(panel) for panel in to))
        return None

    def spread(self, value: Any, cut: Cut, own: Callable[[], Any]) -> Recipe:
        """The recipe of a large matrix of the driver's, whose blocks are sent when they are needed; `own` copies it."""
        return self._arrays.large(value, cut, own)

    def _until_all_is_there(
        self, step: Step, wanted: Collection[int], job: Callable[[Collection[int], Mapping[str, bytes]], dict[int, Any]]
    ) -> dict[int, Any]:
        """The answers of a job over some panels, which gets the recipes that its workers miss."""
        answers = job(wanted, {})
        tried: set[str] = set()
        everything = False
        while missed := {panel: answer.name for panel, answer in answers.items() if isinstance(answer, Missed)}:
            assert not everything, "a block is missing, and so is its recipe"
            # First with those that were missed, which may be all; then with whatever there is.
            names = set(missed.values())
            everything = names <= tried
            tried |= names
            again = names - self._arrays.missed(names)
            self.count(MADE_AGAIN, sum(name in again for name in missed.values()))
            if again and self._has_several_machines:  # perhaps one of them is gone
                self.anchors.look()
                self._copies.clear()
            used: set[str] = set()
            recipes = landmarks(step, None if everything else tried, self._arrays, used)
            self._send(used)
            answers = {panel: answer for panel, answer in answers.items() if panel not in missed}
            answers |= job(frozenset(missed), recipes)
        return _checked(answers)

    def _answers(self, step: Step, cut: Cut, wanted: Collection[int], recipes: Mapping[str, bytes]) -> dict[int, Any]:
        task = self._task(Task, step, cut, wanted, recipes)
        return self._counted(lambda: self._execute(task), task.size)

    def _counted(self, job: Callable[[], Iterable[tuple[int, bytes]]], sent: int) -> dict[int, Any]:
        """The answers of a job that carries so many bytes."""
        start = perf_counter()
        found = dict(job())
        self.count(SPARK_JOBS, 1)
        self.count(JOB_TIME, round(1e6 * (perf_counter() - start)))
        self.count(SENT, sent)
        self.count(RECEIVED, sum(map(len, found.values())))
        return {panel: pickle.loads(answer) for panel, answer in found.items()}

    def _task(
        self, kind: type[AnyTask], step: Step, cut: Cut, wanted: Collection[int], recipes: Mapping[str, bytes]
    ) -> AnyTask:
        """A task over some panels, which brings these recipes beside those of the step. Its arrays are there."""
        self.jobs += 1
        self._dirty = True
        names: set[str] = set()
        text = pickled(step, self._arrays, names)
        self._send(names)
        return kind(self.name, text, recipes, frozenset(self._live), self._names, self.anchors.keys, cut, wanted)

    def _now(self) -> tuple[str, frozenset[str], int]:
        """For workers: whose blocks they are, and which matrices somebody holds of those up to a number."""
        return self.name, frozenset(self._live), self._names

    # -- between machines ----------------------------------------------------------------------------------------------

    @property
    def _has_several_machines(self) -> bool:
        return len(set(self.anchors.machines)) > 1

    def _bring(self, step: Step, cut: Cut, wanted: Collection[int]) -> None:
        """Copies of the blocks that are read on other machines than where they are."""
        if not self._has_several_machines:
            return
        moves = Moves(self.anchors, self._copies)
        moves.add(step, cut, wanted)
        for recipe, panels in list(moves.worth_while()):
            for some in in_rounds(recipe, panels):
                to = {panel: [self._anchor_on(machine, panel) for machine in some[panel]] for panel in some}
                receiver = ReceiveFiles(*self._now(), {panel: (recipe.name, panel) for panel in to})
                self._move(SendBlocks(recipe, to), recipe.cut, to, receiver)
                self.count(SHUFFLED, sum(recipe.bytes_of(panel) * len(machines) for panel, machines in some.items()))
                self._copies |= {((recipe.name, panel), machine) for panel in some for machine in some[panel]}

    def _anchor_on(self, machine: int, number: int) -> int:
        """An anchor of a machine, for number after number a different one."""
        found = on_machine(self.anchors.machines, machine)
        return found[number % len(found)]

    def _move(self, sender: Sender, cut: Cut, wanted: Collection[int], receiver: Receiver) -> None:
        def job(again: Collection[int], recipes: Mapping[str, bytes]) -> dict[int, Any]:
            task = self._task(SendTask, sender, cut, wanted, recipes)
            return self._counted(lambda: self._exchange(task, receiver), task.size)

        self._until_all_is_there(sender, wanted, job)

    def _send(self, names: Collection[str]) -> None:
        """The driver's matrices among these to where they are needed: large ones block by block, others to every machine."""
        for recipe, machines in self._arrays.lacking(names, set(self.anchors.machines)):
            to = {0: [self._anchor_on(machine, 0) for machine in machines]}
            if recipe.cut.panels > 1:
                to = {n: [anchor_of(n, len(self.anchors), recipe.cut)] for n in range(recipe.cut.panels)}
            for some in in_rounds(recipe, to):
                pieces = [piece for panel in some for piece in pieces_of(recipe, panel, some[panel])]
                self.jobs += 1
                receiver = ReceiveFiles(*self._now(), {panel: (recipe.name, panel) for panel in some})
                size = sum(len(piece.cells) for piece in pieces)
                _checked(self._counted(partial(self._exchange, pieces, receiver), size))
            self._arrays.arrived(recipe, machines)

    # -- Spark ---------------------------------------------------------------------------------------------------------

    def _execute(self, task: Task) -> Iterable[tuple[int, bytes]]:
        """The answers of a task of all anchors."""
        return self._collected(lambda: self.anchors.table.mapInArrow(task, SCHEMA))

    def _exchange(self, pieces: SendTask | Sequence[Piece], receiver: Receiver) -> Iterable[tuple[int, bytes]]:
        """What receivers answer to pieces: those of a task, or some of the driver's."""

        def job() -> Table:
            import pyarrow

            anchors = self.anchors.table
            if isinstance(pieces, SendTask):
                sent = anchors.mapInArrow(pieces, PIECES)
            else:
                batches = [piece_batch([piece], self.anchors.keys) for piece in pieces]
                sent = self.session.createDataFrame(pyarrow.Table.from_batches(batches))
            # The anchors come first: where they are cached decides where the join runs.
            joined = anchors.join(sent.hint("merge"), anchors["anchor"] == sent["to"])
            return joined.sortWithinPartitions("item", "part").mapInArrow(receiver, SCHEMA)

        return self._collected(job)

    def _collected(self, job: Callable[[], Table]) -> Iterable[tuple[int, bytes]]:
        found = self._call(lambda: job().toArrow())
        return zip(found["panel"].to_pylist(), found["answer"].to_pylist(), strict=True)

    @cached_property
    def _callers(self) -> ThreadPoolExecutor:
        """Threads that wait for jobs. An interrupt meets the thread that waits for them, and not the talk with Spark."""
        return ThreadPoolExecutor(64, "gramian spark", initializer=partial(sessions.tag, self.session, self.tag))

    @property
    def tag(self) -> str:
        return f"gramian-{self.name}"

    def _call(self, work: Callable[[], T]) -> T:
        """What Spark says.

        Raises:
            OperationError: a job failed.
        """
        sessions.say_nothing_of_pandas()
        try:
            future = self._callers.submit(work)
        except RuntimeError:  # when Python ends, no thread starts any more
            return work()
        try:
            return future.result()
        except KeyboardInterrupt:
            with sessions.quiet():
                sessions.cancel(self.session, self.tag)
                future.exception(CANCEL)
            raise
        except Exception as error:
            raise sessions.failed(error) from error


def _checked(answers: dict[int, Any]) -> dict[int, Any]:
    for _, answer in sorted(answers.items()):
        if isinstance(answer, Refusal):
            raise answer.kind(answer.message, answer.hint)
    return answers


class Sweep:
    """Removes all blocks of a session, on every machine that a task comes to."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, batches: Any) -> Any:
        for batch in batches:
            Store(self.name).remove_all()
            yield batch
