"""The body of a parfor as one worker runs it: its variables, chunks of iterations, and what comes out of a chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import thread_time
from types import CellType, FunctionType
from typing import Any

import numpy as np

from gramian.ir.disk import is_on_disk
from gramian.ir.sparse import is_sparse
from gramian.ops.generate import fresh_seeds
from gramian.ops.text import out
from gramian.runtime.parfor.changes import Change, difference

CHUNKS = 256  # at most; more would cost more than they help to spread the work


def chunks_of(count: int) -> list[range]:
    """The numbers of the iterations, from 0, in chunks that depend on nothing but how many there are."""
    size = max(1, -(-count // CHUNKS))
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


class Variables:
    """Variables that a body shares with the function around it, by name.

    Generated code keeps a second variable for a matrix that is written by index: whether it alone holds its memory.
    """

    def __init__(self, body: FunctionType) -> None:
        self._cells = _cells_of(body)

    def __getitem__(self, name: str) -> Any:
        return self._cells[f"v_{name}"].cell_contents

    def owns(self, name: str) -> bool:
        cell = self._cells.get(f"o_{name}")
        return cell is not None and bool(cell.cell_contents)

    def has(self, name: str) -> bool:
        try:
            self[name]
        except ValueError:  # how Python says that the variable has no value
            return False
        return True

    def set(self, name: str, value: Any, *, owned: bool = False) -> None:
        self._cells[f"v_{name}"].cell_contents = value
        if f"o_{name}" in self._cells:
            self._cells[f"o_{name}"].cell_contents = owned


def _cells_of(body: FunctionType) -> dict[str, CellType]:
    return dict(zip(body.__code__.co_freevars, body.__closure__ or (), strict=True))


def values_of(body: FunctionType) -> dict[str, Any]:
    """The values of the variables that a body shares with the function around it, of those that have one."""
    variables = Variables(body)
    names = [name[2:] for name in body.__code__.co_freevars if name.startswith("v_")]
    return {name: variables[name] for name in names if variables.has(name)}


def with_own(body: FunctionType, names: Iterable[str]) -> FunctionType:
    """A copy of a body which has these variables for itself, with their present values."""
    own = {prefix + name for name in names for prefix in ("v_", "o_")}
    cells = [CellType(cell.cell_contents) if name in own else cell for name, cell in _cells_of(body).items()]
    return FunctionType(body.__code__, body.__globals__, body.__name__, body.__defaults__, tuple(cells))


@dataclass(slots=True)
class Task:
    """A run of a parfor: its body, the values of its variable, and its results by how they come about.

    `added` are added to, `shared` are matrices that workers write in place, `compared` all others. `seed` starts the
    random numbers of the iterations, if the run has a seed.
    """

    body: FunctionType
    over: range
    added: Sequence[str]
    shared: Sequence[str]
    compared: Sequence[str]
    seed: int | None
    plus: Callable[[Any, Any], Any]

    @property
    def results(self) -> tuple[str, ...]:
        return (*self.added, *self.shared, *self.compared)

    def iterate(self, body: FunctionType, chunk: range) -> None:
        if self.seed is None:
            for value in self.over[chunk.start : chunk.stop]:
                body(value)
            return
        for number, value in zip(chunk, self.over[chunk.start : chunk.stop], strict=True):
            fresh_seeds.start(self.seed, number + 1)
            body(value)

    def start_sums(self, variables: Variables) -> None:
        for name in self.added:
            variables.set(name, zero(variables[name]))

    def run_here(self, chunk: range, variables: Variables) -> None:
        """Run a chunk in the function that the loop stands in."""
        sums = [variables[name] for name in self.added]
        self.start_sums(variables)
        self.iterate(self.body, chunk)
        for name, so_far in zip(self.added, sums, strict=True):
            variables.set(name, self.plus(so_far, variables[name]))

    def step(self, variables: Variables) -> Callable[[int], None]:
        """What runs a chunk of one iteration in the function that the loop stands in, without seeds."""
        if not self.added:
            return self.body

        def step(value: int) -> None:
            sums = [variables[name] for name in self.added]
            self.start_sums(variables)
            self.body(value)
            for name, so_far in zip(self.added, sums, strict=True):
                variables.set(name, self.plus(so_far, variables[name]))

        return step


def zero(value: Any) -> Any:
    """A matrix of zeros of the same size, stored in the same way."""
    if is_sparse(value):
        return type(value)(value.shape, dtype=value.dtype)
    if is_on_disk(value):
        return value.zeros()
    return np.zeros(value.shape, value.dtype)


@dataclass(slots=True)
class Done:
    """What a worker found for a chunk: sums and changes by variable, what was printed, and the error that ended it."""

    chunk: range
    seconds: float = 0.0
    printed: list[str] = field(default_factory=list)
    sums: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, Change] = field(default_factory=dict)
    error: Exception | None = None


class Worker:
    """Runs chunks apart from the function that the loop stands in."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.body = with_own(task.body, task.results)
        self.variables = Variables(self.body)

    def run(self, chunk: range) -> Done:
        """Run a chunk; an error ends it, and is part of what comes out."""
        done = Done(chunk)
        start = thread_time()
        try:
            with out.here(done.printed.append):
                self._run(done)
        except Exception as error:
            done.error = error
        done.seconds = thread_time() - start
        return done

    def _run(self, done: Done) -> None:
        task, variables = self.task, self.variables
        before = {}
        for name in task.compared:
            before[name] = variables[name]
            variables.set(name, before[name])  # whoever writes into it makes a copy, so that it can be compared
        task.start_sums(variables)
        task.iterate(self.body, done.chunk)
        done.sums = {name: variables[name] for name in task.added}
        found = {name: difference(old, variables[name]) for name, old in before.items()}
        done.changes = {name: change for name, change in found.items() if change is not None}
