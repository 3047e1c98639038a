"""The parfor loops of a compiled program: each run starts some way, and goes over to another one where that pays."""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from textwrap import dedent
from time import perf_counter, process_time, thread_time
from types import FunctionType
from typing import Any

import numpy as np

from gramian.errors import GramianError
from gramian.ir.cores import cores
from gramian.ir.program import For, Parallel
from gramian.ir.sparse import densify, is_sparse
from gramian.ops.generate import fresh_seeds
from gramian.ops.index import DENSE_UP_TO, writable
from gramian.runtime.codegen import Generated
from gramian.runtime.parfor.body import Task, Variables, chunks_of
from gramian.runtime.parfor.cost import Outlook, Pace, Way, can_fork, loops_inside, surely_short
from gramian.runtime.parfor.libraries import one_thread_each
from gramian.runtime.parfor.schedule import Chunks, Crew, Merge, Schedule, Tally
from gramian.runtime.parfor.threads import Threads
from gramian.runtime.statistics import Statistics

LOOK = 0.005  # seconds that iterations run one after the other before the way is chosen anew
TINY = 0.0005  # seconds; shorter loops must not lose time with choosing
FEW = 16  # iterations for each worker; of fewer, none can be run only to see how long it takes

Explain = Callable[[Exception], GramianError]


# -- what belongs to the script that is running -----------------------------------------------------------------------


@dataclass
class RunningScript:
    """Only its own thread starts workers, and only one loop at a time has them: the outermost."""

    explain: Explain
    thread: int = field(default_factory=threading.get_ident)
    has_workers: bool = False

    @contextmanager
    def working(self) -> Iterator[None]:
        """Meanwhile no other loop gets workers."""
        self.has_workers = True
        try:
            yield
        finally:
            self.has_workers = False


_script: ContextVar[RunningScript | None] = ContextVar("running script", default=None)
_forced: ContextVar[Way | None] = ContextVar("way of all loops", default=None)
under_way: list[tuple[str, Tally, str]] = []  # loops that workers run: variable, how it goes, who they are


@contextmanager
def running_script(explain: Explain) -> Iterator[None]:
    """Meanwhile this thread runs a script; `explain` makes errors of it such that the user sees."""
    before = _script.set(RunningScript(explain))
    try:
        yield
    finally:
        _script.reset(before)


@contextmanager
def forced(way: Way) -> Iterator[None]:
    """Meanwhile all outermost loops run this way, whatever it costs. For tests."""
    before = _forced.set(way)
    try:
        yield
    finally:
        _forced.reset(before)


# -- loops ------------------------------------------------------------------------------------------------------------


@dataclass
class Loop:
    """A parfor of the program: what it is, the generated source of its body, and what its runs have shown."""

    item: For
    source: str
    pace: Pace = field(default_factory=Pace)

    @property
    def parallel(self) -> Parallel:
        assert self.item.parallel is not None
        return self.item.parallel

    @cached_property
    def in_place(self) -> frozenset[str]:
        """The results that iterations change in no other way than by writing cells of the matrix itself."""
        return frozenset(self.parallel.results) - rebound(self.source, self.parallel.results)

    @cached_property
    def loops_inside(self) -> bool:
        return loops_inside(self.item)

    def is_tiny(self, iterations: int) -> bool:
        """Does it take too little time to think about it?"""
        return self.pace.seconds is not None and self.pace.seconds * iterations < TINY

    def run_plainly(self, body: FunctionType, over: range) -> None:
        start = thread_time()
        for value in over:
            body(value)
        if over:
            self.pace.seconds = (thread_time() - start) / len(over)

    def run_here(self, task: Task, variables: Variables) -> None:
        """Run all iterations one after the other."""
        start = thread_time()
        for chunk in chunks_of(len(task.over)):
            task.run_here(chunk, variables)
        if task.over:
            self.pace.seconds = (thread_time() - start) / len(task.over)


def rebound(source: str, names: Collection[str]) -> set[str]:
    """The variables among `names` that get another matrix, or of whose matrix somebody else gets hold."""
    prefixed = {f"{kind}_{name}": name for name in names for kind in "vo"}
    tree = ast.parse(dedent(source))
    ignored: set[ast.AST] = set()
    for node in ast.walk(tree):
        match node:
            case ast.If(test=ast.Constant(value=False)):  # only says that variables are bound somewhere
                ignored.update(inner for line in node.body for inner in ast.walk(line))
            case ast.Assign(targets=[target], value=ast.Call(func=ast.Name(id="writable")) | ast.Constant(value=True)):
                ignored.add(target)
    return {
        prefixed[node.id]
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
        if node not in ignored and node.id in prefixed
    }


class ParallelLoops:
    """The loops of a program. Generated code calls this with a body, the values of its variable, and its number."""

    def __init__(self, generated: Generated, plus: Callable[[Any, Any], Any], statistics: Statistics | None) -> None:
        self.generated = generated
        self.plus = plus
        self.statistics = statistics
        self.loops = [Loop(item, "\n".join(generated.lines[lines])) for item, lines in generated.parfors]

    def __call__(self, body: FunctionType, over: range, number: int) -> None:
        loop = self.loops[number]
        parallel = loop.parallel
        tiny = loop.is_tiny(len(over)) and not fresh_seeds.are_fixed and _forced.get() is None
        if tiny and not parallel.accumulators:
            loop.run_plainly(body, over)
            return
        variables = Variables(body)
        if parallel.ordered or not all(variables.has(name) for name in parallel.results):
            loop.run_plainly(body, over)
            return
        if tiny:
            loop.run_here(Task(body, over, parallel.accumulators, (), (), None, self.plus), variables)
            return
        seed = fresh_seeds.branch(1)[0]
        task = Task(body, over, parallel.accumulators, (), (), seed, self.plus)
        with fresh_seeds.fixed_by(seed):
            self._run(Run(self, loop, task, variables))

    def _run(self, run: Run) -> None:
        script = _script.get()
        if script is None or not run.may_have_workers(script):
            run.loop.run_here(run.task, run.variables)
            return
        with script.working():
            run.go(script)


@dataclass
class Run:
    """One run of a loop."""

    loops: ParallelLoops
    loop: Loop
    task: Task
    variables: Variables

    @cached_property
    def workers(self) -> int:
        return self.loop.parallel.workers or cores()

    def may_have_workers(self, script: RunningScript) -> bool:
        free = not script.has_workers and script.thread == threading.get_ident()
        return free and len(self.task.over) > 1 and self.workers > 1

    def go(self, script: RunningScript) -> None:
        chunks: Chunks = chunks_of(len(self.task.over))
        way = self.first_way()
        while chunks:
            if way is Way.SEQUENTIAL:
                chunks, way = self.here(chunks)
            else:
                chunks, way = self.apart(way, chunks, script)

    # -- choosing a way ---------------------------------------------------------------------------------------------

    def first_way(self) -> Way:
        forced = _forced.get()
        if forced is not None:
            return forced
        iterations = len(self.task.over)
        if self.loop.pace.seconds is not None:
            return self.outlook(self.loop.pace.seconds * iterations).best()
        if iterations >= FEW * self.workers or surely_short(self.loop.item, iterations):
            return Way.SEQUENTIAL
        return Way.PROCESSES if self.loop.loops_inside and can_fork() else Way.THREADS

    def outlook(self, seconds: float) -> Outlook:
        parallel = self.loop.parallel
        sizes = {name: size_in_memory(self.variables[name]) for name in parallel.results}
        sums = sum(sizes[name] for name in parallel.accumulators)
        chunks = len(chunks_of(len(self.task.over)))
        workers = min(self.workers, chunks)
        written = sum(sizes.values()) - sums
        return Outlook(seconds, workers, self.loop.pace.speedup, can_fork(), written, sums * chunks)

    # -- the ways ---------------------------------------------------------------------------------------------------

    def here(self, chunks: Chunks) -> tuple[Chunks, Way]:
        """Run chunks one after the other, until there are none or another way pays."""
        # This thread's own work counts, not the time that others have the cores.
        start = last = thread_time()
        iterations, left = 0, sum(map(len, chunks))
        for at, chunk in enumerate(chunks, 1):
            self.task.run_here(chunk, self.variables)
            iterations += len(chunk)
            now = thread_time()
            if now - last > LOOK and _forced.get() is None:
                last = now
                self.loop.pace.seconds = (now - start) / iterations
                way = self.outlook(self.loop.pace.seconds * (left - iterations)).best()
                if way is not Way.SEQUENTIAL:
                    return chunks[at:], way
        self.loop.pace.seconds = (thread_time() - start) / iterations
        return (), Way.SEQUENTIAL

    def apart(self, way: Way, chunks: Chunks, script: RunningScript) -> tuple[Chunks, Way]:
        """Have workers run chunks, until there are none or another way pays."""
        size = min(self.workers, len(chunks))
        with one_thread_each(self.loops.generated.kernels.values()):
            task = self.with_places_for_results(way)
            crew: Crew
            if way is Way.PROCESSES:
                from gramian.runtime.parfor.processes import Processes

                try:
                    crew = Processes(task, size, self.loops.statistics, script.explain)
                except OSError:  # the system has no room for more processes
                    return chunks, Way.THREADS
            else:
                crew = Threads(task, size)
            watch = Watch(self, way, chunks)
            shown = (self.loop.item.variable, watch.tally, f"{size} {way.name.lower()}")
            under_way.append(shown)
            try:
                rest = Schedule(crew, chunks, Merge(task), watch.tally, watch.enough).run()
            finally:
                under_way.remove(shown)
        self.loop.pace.seconds = watch.tally.pace
        return rest, watch.way

    def with_places_for_results(self, way: Way) -> Task:
        """The task with its results sorted, and those that workers share in memory that all of them can write."""
        shared, compared = [], []
        for name in self.loop.parallel.results:
            if name in self.task.added:
                continue
            if name not in self.loop.in_place or not fits(self.variables[name]):
                compared.append(name)
                continue
            value, owned = self.variables[name], self.variables.owns(name)
            if way is Way.PROCESSES:
                from gramian.runtime.parfor.processes import is_shared, shared_copy

                value = value if owned and is_shared(value) else shared_copy(densify(value))
            elif is_sparse(value) or not owned:
                value = writable(value)
            self.variables.set(name, value, owned=True)
            shared.append(name)
        task = self.task
        return Task(task.body, task.over, task.added, shared, compared, task.seed, task.plus)


def fits(value: Any) -> bool:
    """Can the matrix be stored cell by cell, as one that several workers write into must be?"""
    if is_sparse(value):
        return bool(value.shape[0] * value.shape[1] <= DENSE_UP_TO)
    return isinstance(value, np.ndarray)


def size_in_memory(value: Any) -> int:
    """The bytes of a matrix."""
    if is_sparse(value):
        return int(value.data.nbytes + value.indices.nbytes)
    return int(value.nbytes) if isinstance(value, np.ndarray) else 0


class Watch:
    """Looks at how workers get on, and whether another way would be quicker."""

    def __init__(self, run: Run, way: Way, chunks: Chunks) -> None:
        self.run = run
        self.way = way
        total = len(run.task.over)
        self.left = sum(map(len, chunks))
        self.tally = Tally(total, total - self.left)
        self.start = perf_counter()
        self.cpu = process_time()

    def enough(self, more: bool) -> bool:
        """Should another way take over? To be asked while all workers are busy, and if there is `more` to give out."""
        if self.way is not Way.THREADS or not more:
            return False
        elapsed, worked = perf_counter() - self.start, process_time() - self.cpu
        self.run.loop.pace.speedup = max(1.0, worked / elapsed)
        if _forced.get() is not None:
            return False
        self.way = self.run.outlook(self.seconds_left(worked)).best(self.way)
        return self.way is not Way.THREADS

    def seconds_left(self, worked: float) -> float:
        """What is not done takes on one core, or is known to take at least."""
        iterations = self.tally.total - self.tally.done
        if self.tally.pace is not None:
            return self.tally.pace * iterations
        return worked / self.run.workers * max(0, self.left - self.run.workers)
