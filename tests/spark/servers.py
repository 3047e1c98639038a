"""Servers of Spark on the loopback address, as processes that end with the tests, even if those are killed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gramian.backends.spark.java import java_home

LOOPBACK = "127.0.0.1"
START, STOP = 120, 30  # seconds
# The shell ends its server when the pipe to the tests closes.
WATCH = 'nice -n 19 "$@" & server=$!; read gone; kill $server; wait $server'


@dataclass(frozen=True)
class Cluster:
    """A standalone cluster and the folders in which its workers start executors."""

    url: str
    folders: tuple[Path, ...]


@contextmanager
def connect_server(folder: Path, cores: int = 2) -> Iterator[str]:
    """A Spark Connect server; its URL."""
    name = "org.apache.spark.sql.connect.service.SparkConnectService"
    configuration = {
        "spark.master": f"local[{cores}]",
        "spark.connect.grpc.binding.address": LOOPBACK,
        "spark.connect.grpc.binding.port": "0",
        "spark.driver.memory": "1g",
        "spark.local.dir": str(folder),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.enabled": "false",
    }
    options = [word for item in configuration.items() for word in ("--conf", "=".join(item))]
    server = "org.apache.spark.sql.connect.service.SparkConnectServer"
    command = [_program("spark-submit"), "--class", server, *options, "spark-internal"]
    with _server(command, folder / "connect.log", rf"'{re.escape(name)}' on port (\d+)") as port:
        yield f"sc://{LOOPBACK}:{port}"


@contextmanager
def standalone_cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """A master and workers of one core each."""
    master = ["org.apache.spark.deploy.master.Master", "--host", LOOPBACK, "--port", "0", "--webui-port", "0"]
    with ExitStack() as stack:
        started = _server([_program("spark-class"), *master], folder / "master.log", r"master at (spark://\S+)")
        url = stack.enter_context(started)
        folders = []
        for number in range(workers):
            own = folder / f"worker{number}"
            own.mkdir()
            options = [
                "--host",
                LOOPBACK,
                "--webui-port",
                "0",
                "--cores",
                "1",
                "--memory",
                "2g",
                "--work-dir",
                str(own),
            ]
            command = [_program("spark-class"), "org.apache.spark.deploy.worker.Worker", *options, url]
            stack.enter_context(_server(command, own / "worker.log", r"(registered with master)"))
            folders.append(own)
        yield Cluster(url, tuple(folders))


@contextmanager
def _server(command: Sequence[str], log: Path, ready: str) -> Iterator[str]:
    """Starts a server and waits until its log says that it is there; what the first group of `ready` finds."""
    environment = os.environ | {"JAVA_HOME": java_home(), "SPARK_LOCAL_IP": LOOPBACK, "PYSPARK_PYTHON": sys.executable}
    with log.open("w") as file:
        shell = ["sh", "-c", WATCH, "sh", *command]
        process = subprocess.Popen(shell, stdin=subprocess.PIPE, stdout=file, stderr=file, env=environment)
    assert process.stdin is not None
    try:
        yield _wait_for(process, log, re.compile(ready))
    finally:
        process.stdin.close()
        try:
            process.wait(STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def _wait_for(process: subprocess.Popen[bytes], log: Path, ready: re.Pattern[str]) -> str:
    end = time.monotonic() + START
    while time.monotonic() < end and process.poll() is None:
        found = ready.search(log.read_text(errors="replace"))
        if found:
            return found[1]
        time.sleep(0.1)
    raise RuntimeError(f"a server of Spark did not start: {log.read_text(errors='replace')[-2000:]}")


def _program(name: str) -> str:
    import pyspark

    return str(Path(pyspark.__file__).parent / "bin" / name)
