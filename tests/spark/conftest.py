"""A Spark session for the tests of this folder, in the way that GRAMIAN_TEST_SPARK names.

A process holds either classic sessions or those of Spark Connect, so each way is a run of its own: `make test-spark`
makes all of them. The tests are the same in each.

    local     classic, in one Java process with two cores (the default)
    connect   Spark Connect, to a server on this machine
    cluster   classic, to a master with two workers on this machine
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

WAYS = ("local", "connect", "cluster")
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mine = [item for item in items if HERE in item.path.parents]
    for item in mine:
        item.add_marker("spark")
        if find_spec("pyspark") is None:
            item.add_marker(pytest.mark.skip(reason="pyspark is not installed: pip install 'gramian[spark]'"))


@pytest.fixture(scope="session")
def way() -> str:
    found = os.environ.get("GRAMIAN_TEST_SPARK", "local")
    assert found in WAYS, f"GRAMIAN_TEST_SPARK is one of {', '.join(WAYS)}, found '{found}'"
    return found


@pytest.fixture(scope="session")
def cluster(way: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The standalone cluster; tests that kill executors ask for it."""
    if way != "cluster":
        pytest.skip("needs GRAMIAN_TEST_SPARK=cluster")
    from servers import standalone_cluster

    with standalone_cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture(scope="session")
def master(way: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL to give to `--master`."""
    from servers import connect_server

    with ExitStack() as stack:
        if way == "cluster":
            yield request.getfixturevalue("cluster").url
        elif way == "connect":
            yield stack.enter_context(connect_server(tmp_path_factory.mktemp("connect")))
        else:
            yield "local[2]"


@pytest.fixture(scope="session")
def spark(master: str) -> Iterator[Any]:
    """The session."""
    from gramian.backends.spark import session
    from gramian.settings import Settings

    yield session.connect(master, Settings(memory=4_000_000_000))
    session.stop()
