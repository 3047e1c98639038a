"""What a job carries of recipes that rest on one another has a bound, and long ones are made again step by step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from placements import sent

from gramian.backends.spark.blocks import LANDMARK, Array, Cut, Recipe, Store
from gramian.backends.spark.lineage import MissingBlockError, answered, landmarks, pickled
from gramian.backends.spark.work import Fetch, Rows

pytest.importorskip("pyspark")
LONG = 1500


@dataclass(frozen=True)
class Next(Recipe):
    """The sum of two recipes, plus one."""

    one: Recipe
    other: Recipe

    def make(self, panel: int, store: Store) -> Array:
        return self.one.block(panel, store) + self.other.block(panel, store) - self.one.block(panel, store) + 1


def chain(count: int) -> Recipe:
    """Each rests twice on the one before it: without what is kept, making the last would take 2 ** count steps."""
    cut = Cut(6, 2)
    found: Recipe = sent("m0", cut, np.arange(12.0).reshape(6, 2))
    for number in range(1, count):
        found = Next(f"m{number}", cut, 2, "float64", found, found)
        found.weight  # noqa: B018  as a matrix asks when it is made
    return found


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Store:
    monkeypatch.setenv("SPARK_EXECUTOR_DIRS", str(tmp_path))
    found = Store("test")
    found.open(frozenset(), 0)
    return found


def test_what_a_job_carries_has_a_bound() -> None:
    last = chain(LONG)
    sizes = [len(pickled(Fetch(last, 0, 6)))] + [len(found) for found in landmarks(Fetch(last, 0, 6)).values()]
    assert max(sizes) < 2 * LANDMARK
    assert len(sizes) > LONG * 1024 // LANDMARK


@pytest.mark.parametrize("writable", [True, False])
def test_a_long_lineage_from_its_beginning(store: Store, writable: bool) -> None:
    if not writable:
        store.remove_all()
    step = Fetch(chain(LONG), 0, 6)
    with pytest.raises(MissingBlockError):
        answered(lambda: step_of(pickled(step)), 1, store)
    store.recipes = landmarks(step)
    found = answered(lambda: step_of(pickled(step)), 1, store)
    assert found.tolist() == (np.arange(4.0, 8.0).reshape(2, 2) + LONG - 1).tolist()
    assert not store.unwritten
    assert store.folder.exists() == writable


def step_of(text: bytes) -> Fetch:
    import pickle

    found = pickle.loads(text)
    assert isinstance(found, Fetch)
    return found


def test_large_cells_of_the_driver_travel_once() -> None:
    cut = Cut(10_000, 100)
    found = sent("m1", cut, np.zeros((10_000, 1)))
    assert found.is_landmark
    assert len(pickled(Fetch(found, 0, 9))) < 5_000


def test_rows_have_no_files(store: Store) -> None:
    base = chain(2)
    view = Rows("m9", Cut(3, 2), 2, "float64", base, 1)
    assert view.block(0, store).tolist() == [[3.0, 4.0], [5.0, 6.0]]
    assert sorted(path.name for path in store.folder.iterdir()) == ["m0", "m1"]


def test_blocks_of_matrices_that_nobody_holds_go(store: Store) -> None:
    for name in ("m1", "m2", "m3"):
        store.write(name, 0, np.zeros((1, 1)))
    store.open(frozenset({"m2"}), 2)
    assert sorted(path.name for path in store.folder.iterdir()) == ["m2", "m3"]
    store.remove_all()
    store.write("m4", 0, np.zeros((1, 1)))  # too late
    assert not store.folder.exists()


def test_half_a_block_is_none(store: Store) -> None:
    store.write("m1", 0, np.ones((100, 4)))
    place = store.place("m1", 0)
    found = store.read("m1", 0, (100, 4), "float64")
    assert found is not None
    assert found.sum() == 400
    assert store.read("m1", 0, (100, 5), "float64") is None
    assert store.read("m1", 0, (100, 4), "float32") is None
    place.write_bytes(place.read_bytes()[:-1])
    assert store.read("m1", 0, (100, 4), "float64") is None


def test_a_full_disk_keeps_no_part_of_a_block(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    def full(file: object, cells: Array) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    store.write("m1", 0, np.ones((2, 2)))
    assert list((store.folder / "m1").iterdir()) == []
    assert store.read("m1", 0, (2, 2), "float64") is not None
