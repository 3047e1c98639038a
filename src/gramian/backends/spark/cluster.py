"""The driver's side of a cluster: jobs over the panels of matrices, and what is to be cleaned up."""

from __future__ import annotations

import pickle
import uuid
import weakref
from collections.abc import Sequence
from typing import Any

from gramian.backends.spark.blocks import Cut, Store
from gramian.backends.spark.work import SCHEMA, Refusal, Step, Task
from gramian.errors import OperationError

Table = Any  # a pyspark DataFrame
TASKS_PER_CORE = 2


class Cluster:
    """A Spark session that computes matrices.

    Panels of the same cut come from one cached DataFrame of their numbers, whose partitions stay where they are: so a
    panel's task goes to the executor that has the blocks of that panel, as long as it lives.
    """

    def __init__(self, session: Any) -> None:
        self.session = session
        self.name = uuid.uuid4().hex[:12]
        self.jobs = 0
        self._names = 0
        self._dead: list[str] = []
        self._homes: dict[Cut, Table] = {}
        self._end = weakref.finalize(self, _clean, session, self.name)

    def fresh(self) -> str:
        """A name for the blocks of a new matrix."""
        self._names += 1
        return f"m{self._names}"

    def forget(self, name: str) -> None:
        """Nobody holds the matrix of that name any more: its blocks go with the next job."""
        self._dead.append(name)

    def close(self) -> None:
        """Removes all blocks."""
        self._end()

    def home(self, cut: Cut) -> Table:
        """The numbers of the panels, where they live."""
        if cut not in self._homes:
            parts = min(cut.panels, max(2, TASKS_PER_CORE * self.parallelism))
            home = self.session.range(0, cut.panels, 1, parts).toDF("panel").persist()
            home.count()
            self._homes[cut] = home
        return self._homes[cut]

    @property
    def parallelism(self) -> int:
        """How many tasks run at a time, as far as the session tells."""
        found = self.session.conf.get("spark.default.parallelism", None)
        if found is None and hasattr(self.session, "sparkContext"):
            try:
                return int(self.session.sparkContext.defaultParallelism)
            except Exception:
                return 4
        return int(found or 4)

    def run(self, step: Step, cut: Cut, panels: tuple[int, int] | None = None) -> list[Any]:
        """The answers of a step, panel by panel; `panels` are the first, and the first one after those that are needed.

        Raises:
            OperationError: an operator refused its input.
        """
        home = self.home(cut)
        if panels is not None:
            home = home.where(f"panel >= {panels[0]} and panel < {panels[1]}")
        dead, self._dead = tuple(self._dead), []
        self.jobs += 1
        table = home.mapInArrow(Task(self.name, step, dead), SCHEMA).toArrow()
        answers = dict(zip(table["panel"].to_pylist(), table["answer"].to_pylist(), strict=True))
        return _checked([pickle.loads(answers[panel]) for panel in sorted(answers)])


def _checked(answers: Sequence[Any]) -> list[Any]:
    for answer in answers:
        if isinstance(answer, Refusal):
            raise OperationError(answer.message, answer.hint)
    return list(answers)


def _clean(session: Any, name: str) -> None:
    from gramian.backends.spark.session import quiet

    with quiet():
        session.range(0, 64, 1, 16).mapInArrow(Sweep(name), "panel long").count()


class Sweep:
    """Removes all blocks of a session, on every machine that a task comes to."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, batches: Any) -> Any:
        for batch in batches:
            Store(self.name).remove_all()
            yield batch
