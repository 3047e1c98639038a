"""The parfor loops of a compiled program: each run starts some way, and goes over to another one where that pays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from time import perf_counter, process_time, thread_time
from types import FunctionType
from typing import Any

from gramian.errors import GramianError
from gramian.ir.cores import cores
from gramian.ir.disk import is_on_disk
from gramian.ir.sparse import densify, is_sparse
from gramian.ops.generate import fresh_seeds
from gramian.ops.index import writable
from gramian.runtime.parfor.body import Task, Variables, chunks_of, values_of
from gramian.runtime.parfor.cost import Outlook, Way, can_fork, surely_short
from gramian.runtime.parfor.files import touches_files
from gramian.runtime.parfor.libraries import one_thread_each
from gramian.runtime.parfor.loop import LOOK, Loop, fits, matrices_in, size_in_memory
from gramian.runtime.parfor.schedule import Chunks, Crew, Merge, NoRoomError, Schedule, Tally
from gramian.runtime.parfor.threads import Threads
from gramian.runtime.remote import Codes, Remote
from gramian.runtime.statistics import Statistics

FEW = 16  # iterations for each worker; of fewer, none can be run only to see how long it takes

TASKS_PER_CORE = 2  # of a cluster, so that cores with quicker iterations get more of them
RESIDENT = 1 << 28  # bytes of distributed matrices that each machine may need, unless the script wants it so

INTERPRETED = 1.3  # times that threads are probably faster for a body with loops inside, until that is known
INSTEAD = {Way.PROCESSES: Way.THREADS, Way.THREADS: Way.SEQUENTIAL}  # where there is no room for more workers

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
def shown(variable: str, tally: Tally, who: str) -> Iterator[None]:
    """Meanwhile workers run a loop, as whoever shows the progress may tell."""
    entry = (variable, tally, who)
    under_way.append(entry)
    try:
        yield
    finally:
        under_way.remove(entry)


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


# -- loops -------------------------------------------------------------------------------------------------------------


class ParallelLoops:
    """The loops of a program. Generated code calls this with a body, the values of its variable, and its number."""

    def __init__(self, codes: Codes, plus: Callable[[Any, Any], Any], statistics: Statistics | None) -> None:
        generated = codes.unit.generated
        self.codes = codes
        self.plus = plus
        self.statistics = statistics
        self.loops = [Loop(item, "\n".join(generated.lines[lines])) for item, lines in generated.parfors]

    def __call__(self, body: FunctionType, over: range, number: int) -> None:
        loop = self.loops[number]
        parallel = loop.parallel
        tiny = loop.is_tiny(len(over)) and not fresh_seeds.are_fixed and _forced.get() is None
        if tiny and not parallel.accumulators and not (over := loop.run_briefly(body, over)):
            return
        variables = Variables(body)
        if parallel.ordered or not all(map(variables.has, parallel.results)):
            for value in over:
                body(value)
            return
        if tiny and parallel.accumulators:
            task = Task(body, over, parallel.accumulators, (), (), None, self.plus)
            if not (over := loop.run_briefly(task.step(variables), over)):
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
        several = self.workers > 1 or self.loop.parallel.mode == "REMOTE"
        if any(is_on_disk(self.variables[name]) for name in self.loop.parallel.results):
            return False  # writing to one file from several places would have to be ordered
        return free and len(self.task.over) > 1 and several

    def go(self, script: RunningScript) -> None:
        chunks: Chunks = chunks_of(len(self.task.over))
        way = self.first_way()
        while chunks:
            if way is Way.SEQUENTIAL:
                chunks, way = self.here(chunks)
            elif way is Way.CLUSTER:
                self.there(chunks)
                return
            else:
                chunks, way = self.apart(way, chunks, script)

    # -- other machines ---------------------------------------------------------------------------------------------

    @cached_property
    def values(self) -> list[Any]:
        """Those of the variables that the body shares with the function around it."""
        return list(values_of(self.task.body).values())

    @cached_property
    def distributed(self) -> int:
        """The bytes of matrices that live on other machines."""
        remote = self.loops.codes.remote
        return 0 if remote is None else sum(m.nbytes for m in matrices_in(self.values) if remote.holds(m))

    @cached_property
    def remote(self) -> Remote | None:
        """Other machines that the loop may go to, with all that it reads."""
        remote, mode = self.loops.codes.remote, self.loop.parallel.mode
        if remote is None or mode == "LOCAL" or not (mode == "REMOTE" or remote.is_near):
            return None
        stays = any(is_on_disk(matrix) and not remote.holds(matrix) for matrix in matrices_in(self.values))
        return None if stays or touches_files(self.loop.item, self.loops.codes.unit.program) else remote

    @property
    def can_fork(self) -> bool:
        """May processes run the body? They cannot talk with a cluster."""
        return not self.distributed and can_fork()

    def there(self, chunks: Chunks) -> None:
        """Have other machines run all chunks."""
        from gramian.runtime.parfor.cluster import There

        assert self.remote is not None
        task = self.with_results()
        there = There(self.loops.codes, task)
        self.make_places(task, Way.CLUSTER)
        size = self.loop.parallel.workers or TASKS_PER_CORE * self.remote.cores
        tally = Tally(len(self.task.over), len(self.task.over) - sum(map(len, chunks)))
        with shown(self.loop.item.variable, tally, "other machines"):
            for found in there.run(task, chunks, size):
                if self.loops.statistics is not None:
                    self.loops.statistics.add(found.counted)
                for done in found.done:
                    tally.add(len(done.chunk), done.seconds)
        self.loop.pace.seconds = tally.pace

    # -- choosing a way ---------------------------------------------------------------------------------------------

    def first_way(self) -> Way:
        forced = _forced.get()
        if forced is not None:
            return Way.SEQUENTIAL if forced is Way.CLUSTER and self.remote is None else forced
        if self.remote is not None and (self.loop.parallel.mode == "REMOTE" or self.distributed):
            here = self.loop.parallel.mode is None and self.distributed > RESIDENT
            return Way.SEQUENTIAL if here else Way.CLUSTER
        iterations = len(self.task.over)
        if self.loop.is_tiny(iterations):
            return Way.SEQUENTIAL
        if self.loop.pace.seconds is not None:
            return self.outlook(self.loop.pace.seconds * iterations).best()
        if iterations >= FEW * self.workers or surely_short(self.loop.item, iterations):
            return Way.SEQUENTIAL
        return Way.PROCESSES if self.loop.loops_inside and self.can_fork else Way.THREADS

    def outlook(self, seconds: float) -> Outlook:
        parallel = self.loop.parallel
        sizes = {name: size_in_memory(self.variables[name]) for name in parallel.results}
        sums = sum(sizes[name] for name in parallel.accumulators)
        chunks = len(chunks_of(len(self.task.over)))
        workers = min(self.workers, chunks)
        written = sum(sizes.values()) - sums
        speedup = self.loop.pace.speedup or (INTERPRETED if self.loop.loops_inside else None)
        elsewhere = self.remote.cores if self.remote is not None else 0
        carried = sum(map(size_in_memory, self.values)) if elsewhere else 0
        return Outlook(seconds, workers, speedup, self.can_fork, written, sums * chunks, elsewhere, carried)

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
        with one_thread_each(self.loops.codes.unit.generated.kernels.values()):
            task = self.with_results()
            self.make_places(task, way)
            try:
                crew = self.crew(way, task, size, script)
            except NoRoomError:
                return chunks, INSTEAD[way]
            watch = Watch(self, way, chunks)
            with shown(self.loop.item.variable, watch.tally, f"{size} {way.name.lower()}"):
                rest = Schedule(crew, chunks, Merge(task), watch.tally, watch.enough).run()
        self.loop.pace.seconds = watch.tally.pace
        return rest, watch.way

    def crew(self, way: Way, task: Task, size: int, script: RunningScript) -> Crew:
        """Workers, started.

        Raises:
            NoRoomError: the system allows no more threads or processes.
        """
        if way is Way.THREADS:
            return Threads(task, size)
        from gramian.runtime.parfor.processes import Processes

        return Processes(task, size, self.loops.statistics, script.explain)

    def with_results(self) -> Task:
        """The task with its results sorted: those that workers may write in place, and others."""
        shared: list[str] = []
        compared: list[str] = []
        for name in self.loop.parallel.results:
            if name not in self.task.added:
                in_place = name in self.loop.in_place and fits(self.variables[name])
                (shared if in_place else compared).append(name)
        task = self.task
        return Task(task.body, task.over, task.added, shared, compared, task.seed, task.plus)

    def make_places(self, task: Task, way: Way) -> None:
        """Put results that are written in place into memory that all who write them can write."""
        for name in task.shared:
            value, owned = self.variables[name], self.variables.owns(name)
            if way is Way.PROCESSES:
                from gramian.runtime.parfor.processes import is_shared, shared_copy

                value = value if owned and is_shared(value) else shared_copy(densify(value))
            elif is_sparse(value) or not owned:
                value = writable(value)
            self.variables.set(name, value, owned=True)


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
        processes = self.way is Way.PROCESSES
        if not more or (processes and self.run.remote is None):
            return False
        elapsed, worked = perf_counter() - self.start, process_time() - self.cpu
        if processes:
            worked = elapsed * self.run.workers
        else:
            self.run.loop.pace.speedup = max(1.0, worked / elapsed)
        best = self.run.outlook(self.seconds_left(worked)).best(self.way)
        if _forced.get() is not None or best is self.way or (processes and best is not Way.CLUSTER):
            return False
        self.way = best
        return True

    def seconds_left(self, worked: float) -> float:
        """What is not done takes on one core, or is known to take at least."""
        iterations = self.tally.total - self.tally.done
        if self.tally.pace is not None:
            return self.tally.pace * iterations
        return worked / self.run.workers * max(0, self.left - self.run.workers)
