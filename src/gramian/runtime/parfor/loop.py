"""A parfor of the program: what it is, and what its runs have shown."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from textwrap import dedent
from time import perf_counter, thread_time
from typing import Any

import numpy as np

from gramian.ir.disk import is_on_disk
from gramian.ir.program import For, Parallel
from gramian.ir.sparse import is_sparse
from gramian.ir.values import ListValue
from gramian.ops.index import DENSE_UP_TO
from gramian.runtime.parfor.body import CHUNKS, Task, Variables, chunks_of
from gramian.runtime.parfor.cost import Pace, loops_inside

LOOK = 0.005  # seconds that iterations run one after the other before the way is chosen anew
TINY = 0.0005  # seconds; shorter loops must not lose time with choosing


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
        return self.pace.seconds is not None and self.pace.seconds * iterations < TINY and iterations <= CHUNKS

    def run_briefly(self, step: Callable[[int], None], over: range) -> range:
        """Run iterations one after the other, and return those for which this turns out to take too long."""
        start, limit = thread_time(), perf_counter() + LOOK
        for at, value in enumerate(over, 1):
            step(value)
            if perf_counter() > limit:
                worked = thread_time() - start
                if worked > TINY:
                    self.pace.seconds = worked / at
                    return over[at:]
                limit += LOOK  # others had the core
        return over[:0]

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


def matrices_in(values: Iterable[Any]) -> Iterator[Any]:
    """The matrices among values, and in lists among them."""
    for value in values:
        if isinstance(value, ListValue):
            yield from matrices_in(value.items)
        elif isinstance(value, np.ndarray) or is_sparse(value) or is_on_disk(value):
            yield value
