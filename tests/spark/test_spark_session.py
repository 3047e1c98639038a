"""Sessions: started on each kind of master, taken if they are there, and clear about what is missing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from gramian.backends.spark import session as sessions
from gramian.backends.spark.master import parse
from gramian.errors import SetupError, UsageError


def test_a_job_runs_python_on_arrow_batches(spark: Any) -> None:
    import pyarrow as pa

    def squares(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        import pyarrow.compute as pc

        for batch in batches:
            yield pa.RecordBatch.from_arrays([pc.multiply(batch.column(0), batch.column(0))], names=["square"])

    found = spark.range(0, 10, 1, 2).mapInArrow(squares, "square long").toArrow()
    assert sorted(found.column("square").to_pylist()) == [n * n for n in range(10)]


def test_the_session_that_is_there_is_taken(spark: Any, master: str) -> None:
    assert sessions.active() is spark
    assert sessions.connect() is spark
    assert sessions.connect(master) is spark


def test_no_second_master_beside_it(spark: Any, way: str) -> None:
    other = "local[7]" if way == "connect" else "sc://localhost"
    with pytest.raises(UsageError, match="cannot be started while one"):
        sessions.connect(other)


def test_the_session_is_of_the_kind_that_was_asked_for(spark: Any, way: str, master: str) -> None:
    assert sessions.is_connect(spark) == (way == "connect")
    assert way == "connect" or sessions.master_of(spark) == master


def test_python_of_the_workers_is_ours(spark: Any) -> None:
    import sys

    import pyarrow as pa

    def version(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import sys

        import pyarrow as pa

        list(batches)
        yield pa.RecordBatch.from_arrays([pa.array([sys.executable])], names=["python"])

    found = spark.range(0, 2, 1, 2).mapInArrow(version, "python string").toArrow()
    assert set(found.column("python").to_pylist()) == {sys.executable}


# -- without a session -------------------------------------------------------------------------------------------------


@pytest.fixture
def none_running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "active", lambda: None)


@pytest.mark.parametrize("url", ["spark://127.0.0.1:1", "sc://127.0.0.1:1", "spark://127.0.0.1:1,127.0.0.1:2"])
def test_nobody_listens(url: str, none_running: None) -> None:
    with pytest.raises(SetupError, match=r"answers at .*refused") as caught:
        sessions.connect(url)
    assert caught.value.hint is not None


def test_somebody_listens_and_says_nothing(none_running: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"sc://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(SetupError, match="did not answer within 1 s"):
            sessions.connect(url)


@pytest.mark.parametrize(
    "url", ["bogus", "spark://host", "sc://", "sc://host:x", "local[]", "local[two]", "http://x:1"]
)
def test_what_is_no_master(url: str) -> None:
    with pytest.raises(UsageError, match="is no Spark master"):
        parse(url)


@pytest.mark.parametrize(
    ("url", "connect", "here", "addresses"),
    [
        (None, False, True, ()),
        ("local", False, True, ()),
        ("local[4]", False, True, ()),
        ("local[4,2]", False, True, ()),
        ("local-cluster[2,1,1024]", False, True, ()),
        ("yarn", False, False, ()),
        ("k8s://https://host:443", False, False, ()),
        ("spark://a:7077,b:7077", False, False, (("a", 7077), ("b", 7077))),
        ("sc://localhost", True, True, (("localhost", 15002),)),
        ("sc://host:444/;use_ssl=true;token=x", True, False, (("host", 444),)),
    ],
)
def test_masters(url: str | None, connect: bool, here: bool, addresses: tuple[tuple[str, int], ...]) -> None:
    found = parse(url)
    assert (found.connect, found.here, found.addresses) == (connect, here, addresses)


@pytest.mark.parametrize(
    ("client", "server", "good"),
    [("4.3.0", "4.3.1", True), ("4.1.2", "4.3.0", True), ("4.3.0", "4.1.0", False), ("4.3.0", "5.0.0", False)],
)
def test_versions_that_fit(client: str, server: str, good: bool) -> None:
    assert sessions.fits(client, server) == good


def test_pyspark_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'gramian\[spark\]'"):
        sessions.connect()
