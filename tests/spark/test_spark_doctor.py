"""`gramian doctor --master`: the workers answer, and are as the driver."""

from __future__ import annotations

from typing import Any

from gramian import doctor
from gramian.backends.spark import probe
from gramian.settings import Settings


def test_workers_are_as_the_driver(spark: Any, master: str, way: str) -> None:
    found = list(doctor.cluster(master, Settings()))
    assert [finding.status for finding in found] == ["good"] * len(found)
    assert len(found) == (3 if way == "cluster" else 2)
    assert f"Spark {spark.version}" in found[0].found


def test_workers_say_what_they_are(spark: Any) -> None:
    (first, *_) = probe.workers(spark)
    here = probe.driver()
    assert (first.python, first.versions, first.cores) == (here.python, here.versions, here.cores)
