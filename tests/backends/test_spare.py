"""Memory that is used again."""

from __future__ import annotations

import gc
import multiprocessing

import numpy as np

from gramian.budget import Budget
from gramian.spare import SMALLEST, Spare

ROWS = SMALLEST // 80 + 1


def address(cells: np.ndarray) -> int:
    return int(cells.__array_interface__["data"][0])


def test_memory_is_used_again() -> None:
    spare = Spare(1 << 30)
    first = spare.empty((ROWS, 10), "f8")
    first[...] = 1.0
    place = address(first)
    del first
    gc.collect()
    assert address(spare.empty((ROWS, 10), "f8")) == place


def test_views_keep_it() -> None:
    spare = Spare(1 << 30)
    first = spare.empty((ROWS, 10), "f8")
    first[...] = 1.0
    views = [first[5:], first.T, first.reshape(10, ROWS)[3:, 1:], memoryview(first)]
    del first
    for view in list(views):
        others = [spare.empty((ROWS, 10), "f8") for _ in range(2)]
        for other in others:
            other[...] = 2.0
        assert (np.asarray(view) == 1.0).all()
        views.remove(view)
        del view, others, other


def test_no_more_than_the_limit_is_kept() -> None:
    spare = Spare(3 * SMALLEST)
    made = [spare.empty((SMALLEST,), "u1") for _ in range(5)]
    del made
    assert len(spare._blocks) == 3
    spare.clear()
    assert not spare._blocks


def test_other_sizes_and_small_matrices_get_their_own() -> None:
    spare = Spare(1 << 30)
    assert spare.empty((3, 4), "f4").shape == (3, 4)
    del_me = spare.empty((SMALLEST,), "u1")
    place = address(del_me)
    del del_me
    other = spare.empty((SMALLEST + 8,), "u1")
    assert address(other) != place


def test_a_budget_gives_spare_memory_up() -> None:
    budget = Budget()
    made = budget.spare.empty((SMALLEST,), "u1")
    made[...] = 1
    del made
    assert budget.spare._blocks
    assert not budget.keeps(1 << 60)
    assert not budget.spare._blocks


def _write(cells: np.ndarray) -> None:
    cells[...] = 2.0


def test_processes_made_by_fork_write_to_their_own() -> None:
    cells = Spare(1 << 30).empty((ROWS, 10), "f8")
    cells[...] = 1.0
    child = multiprocessing.get_context("fork").Process(target=_write, args=(cells,))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert (cells == 1.0).all()
