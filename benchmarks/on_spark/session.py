"""The Spark session of peers, with as much memory for Java as their data need."""

from __future__ import annotations

import os
import sys
from typing import Any

from on_spark.sides import JAVA_MEMORY

PART_BYTES = 1 << 25  # of X in a partition, as gramian's panels


def started(master: str) -> Any:
    """A session whose workers talk over Unix sockets, as gramian's do."""
    from pyspark.sql import SparkSession

    from gramian.backends.spark.java import java_home

    os.environ |= {"JAVA_HOME": java_home(), "PYSPARK_PYTHON": sys.executable}
    return (
        SparkSession.builder.master(master)
        .config("spark.driver.memory", JAVA_MEMORY)
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.maxResultSize", "0")
        .config("spark.log.level", "ERROR")
        .config("spark.python.unix.domain.socket.enabled", "true")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .getOrCreate()
    )


def parts_of(rows: int, cols: int) -> list[tuple[int, int]]:
    """The first row of each partition, and the first one after it."""
    step = max(1, PART_BYTES // (8 * cols))
    return [(first, min(rows, first + step)) for first in range(0, rows, step)]
