"""Where matrices begin, operators run and results stay: the rule itself, without any cluster."""

from __future__ import annotations

import pytest

from gramian.cost.placement import (
    BACK_SHARE,
    CLUSTER,
    DRIVER,
    FORCED,
    LATER,
    MOST_BACK,
    UNKNOWN_SIZE,
    Placement,
    beside,
    placement_for,
    tasks_of,
)
from gramian.settings import Settings

GB = 10**9
ROOM = Placement(4 * GB, tasks=8)


def test_what_fits_stays_on_the_driver() -> None:
    place = ROOM.new(80_000)
    assert (place.where, place.reason) == (DRIVER, "80 KB fit into the driver's 4.0 GB")
    assert not ROOM.new(2 * GB).on_cluster


def test_what_does_not_fit_goes_to_the_cluster() -> None:
    place = ROOM.new(2 * GB + 1)
    assert place.on_cluster
    assert place.reason == "2.0 GB and a result like it do not fit into the driver's 4.0 GB"
    assert ROOM.new(100 * GB).on_cluster


def test_a_little_on_the_drivers_disk_is_cheaper_than_jobs() -> None:
    tight = Placement(10_000_000, tasks=8)
    place = tight.new(20_000_000)
    assert place.where == DRIVER
    assert "on disk" in place.reason
    assert tight.new(1 * GB).on_cluster


def test_one_task_is_no_faster_than_the_drivers_disk() -> None:
    assert not Placement(0, tasks=1).new(100 * GB).on_cluster
    assert Placement(0, tasks=2).new(100 * GB).on_cluster


def test_many_tasks_win_over_memory() -> None:
    large = 50 * GB
    assert not Placement(1000 * GB, tasks=16).new(large).on_cluster
    place = Placement(1000 * GB, tasks=100).new(large)
    assert place.on_cluster
    assert place.reason == "50 GB: a pass takes 0.6 s there, 5 s on the driver"


def test_memory_that_others_have_taken_counts() -> None:
    busy = Placement(4 * GB, tasks=8, keeps=lambda size: size <= GB)
    assert busy.new(400_000_000).where == DRIVER
    assert busy.new(600_000_000).where == CLUSTER
    assert ROOM.new(600_000_000).where == DRIVER


@pytest.mark.parametrize(("size", "where"), [(FORCED - 1, DRIVER), (FORCED, CLUSTER), (100 * GB, CLUSTER), (0, DRIVER)])
def test_a_number_of_bytes_may_decide(size: int, where: str) -> None:
    place = Placement(1000 * GB, least=FORCED).new(size)
    assert place.where == where
    assert "with -exec spark" in place.reason


def test_unknown_sizes_are_decided_later() -> None:
    for placement in (ROOM, Placement(GB, least=64)):
        place = placement.new(None)
        assert (place.where, place.reason) == (LATER, UNKNOWN_SIZE)
        assert placement.result(None) == LATER


def test_small_results_come_back() -> None:
    assert ROOM.result(80_000) == DRIVER
    assert ROOM.result(1 * GB) == CLUSTER
    assert ROOM.back() <= MOST_BACK
    small = Placement(8_000_000, tasks=8)
    assert small.back() == 8_000_000 // BACK_SHARE
    assert Placement(GB, least=64).back() == 64
    assert Placement(GB, least=10 * GB).back() == MOST_BACK


def test_what_has_the_rows_of_an_operand_stays_beside_it() -> None:
    column = 3_200_000
    assert ROOM.result(column) == DRIVER
    assert ROOM.result(column, beside=True) == CLUSTER
    assert ROOM.result(80_000, beside=True) == DRIVER


def test_sums_over_panels_come_back_as_long_as_they_are_not_huge() -> None:
    forced = Placement(GB, least=FORCED)
    assert forced.result(8_000_000) == CLUSTER
    assert forced.result(8_000_000, added_up=True) == DRIVER
    assert forced.result(1 * GB, added_up=True) == CLUSTER


def test_reasons_name_operand_and_results() -> None:
    assert beside("X", []).reason == "X is on the cluster"
    assert beside("X", [(80_000, DRIVER), (800, DRIVER)]).reason == "X is on the cluster; 81 KB come back"
    both = beside("X", [(80_000, DRIVER), (GB, CLUSTER)])
    assert both.on_cluster
    assert both.reason == "X is on the cluster; 80 KB come back; 1.0 GB stay there"
    assert UNKNOWN_SIZE in beside("X", [(None, LATER)]).reason


def test_the_master_tells_how_many_tasks_run() -> None:
    assert tasks_of("local[3]") == 3
    assert tasks_of("local") == 1
    assert tasks_of("local-cluster[2, 4, 1024]") == 8
    assert tasks_of("local[*]") == tasks_of(None) >= 1
    assert tasks_of("spark://host:7077") == tasks_of("sc://host") > 1


def test_settings_choose_the_rule() -> None:
    mixed = placement_for(Settings(mode="auto", master="local[2]", memory=2 * GB))
    assert (mixed.least, mixed.tasks) == (None, 2)
    assert GB < mixed.room < 2 * GB
    assert placement_for(Settings(mode="hybrid", master="local[2]", memory=2 * GB)) == mixed
    assert placement_for(Settings(mode="spark", memory=2 * GB)).least == FORCED
