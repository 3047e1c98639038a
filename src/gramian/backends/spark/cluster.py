"""The driver's side of a cluster: jobs over the panels of matrices, and what is to be cleaned up."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from threading import Lock
from typing import Any, TypeVar

from gramian.backends.spark import session as sessions
from gramian.backends.spark.anchors import Anchors
from gramian.backends.spark.blocks import Cut, Store
from gramian.backends.spark.lineage import landmarks, pickled
from gramian.backends.spark.work import SCHEMA, Missed, Refusal, Step, Task
from gramian.errors import OperationError, SizeError

T = TypeVar("T")
SMALL = 1 << 25  # bytes of a result that comes back to the driver
LARGEST_GIVEN = 1 << 28  # bytes of the driver's operands of one job
CANCEL = 30.0  # seconds that a job has to end when it is told to


class Cluster:
    """A Spark session that computes matrices.

    A job is a function of its anchors, which stay where they are (`anchors`): so what a panel needs is done in the executor
    that has the blocks of that panel, as long as it lives.
    """

    def __init__(self, session: Any) -> None:
        self.session = session
        self.name = uuid.uuid4().hex[:12]
        self.jobs = 0
        self._names = 0
        self._naming = Lock()
        self._live: set[str] = set()
        self._dirty = False  # may there be blocks?
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

    @cached_property
    def anchors(self) -> Anchors:
        """Where the blocks live."""
        return self._call(lambda: Anchors(self.session))

    def run(self, step: Step, cut: Cut, panels: tuple[int, int] | None = None, new: Collection[str] = ()) -> list[Any]:
        """The answers of a step, panel by panel; `panels` are the first, and the first one after those that are needed.

        The first job brings recipes of matrices that are `new`, since every worker misses those.

        Raises:
            OperationError: an operator refused its input.
        """
        wanted = range(*panels) if panels is not None else range(cut.panels)
        answers = self._answers(step, cut, wanted, landmarks(step, new) if new else {})
        # First with the recipes that were missed, which may be all; then with whatever there is.
        for everything in (False, True):
            missed = {panel: answer.name for panel, answer in answers.items() if isinstance(answer, Missed)}
            if missed:
                recipes = landmarks(step, None if everything else set(missed.values()))
                answers |= self._answers(step, cut, frozenset(missed), recipes)
        return _checked([answers[panel] for panel in sorted(answers)])

    def _answers(self, step: Step, cut: Cut, wanted: Collection[int], recipes: Mapping[str, bytes]) -> dict[int, Any]:
        """The answers of a job over some panels, which brings these recipes beside those of the step."""
        self.jobs += 1
        self._dirty = True
        names = self.anchors.keys
        task = Task(self.name, pickled(step), recipes, frozenset(self._live), self._names, names, cut, wanted)
        return {panel: pickle.loads(answer) for panel, answer in self._execute(task)}

    def _execute(self, task: Task) -> Iterable[tuple[int, bytes]]:
        """The answers of a task of all anchors."""
        found = self._call(lambda: self.anchors.table.mapInArrow(task, SCHEMA).toArrow())
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
        future = self._callers.submit(work)
        try:
            return future.result()
        except KeyboardInterrupt:
            with sessions.quiet():
                sessions.cancel(self.session, self.tag)
                future.exception(CANCEL)
            raise
        except Exception as error:
            raise sessions.failed(error) from error


def _checked(answers: Sequence[Any]) -> list[Any]:
    for answer in answers:
        assert not isinstance(answer, Missed), "a block is missing, and so is its recipe"
        if isinstance(answer, Refusal):
            raise (SizeError if answer.of_sizes else OperationError)(answer.message, answer.hint)
    return list(answers)


class Sweep:
    """Removes all blocks of a session, on every machine that a task comes to."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, batches: Any) -> Any:
        for batch in batches:
            Store(self.name).remove_all()
            yield batch
