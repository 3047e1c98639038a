"""The commands of all sides. Each prints `nanoseconds N`, the time of its computation after loading."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from suite import systemds

WORKLOADS = Path(__file__).parents[1] / "workloads"
JAVA_MEMORY = "10g"  # of peers whose data live in Java
LOCAL = ("-exec", "local")


def spark(master: str) -> tuple[str, ...]:
    return ("-exec", "spark", "--master", master)


def gramian(workload: str, values: Mapping[str, object], options: Sequence[str] = ()) -> list[str]:
    """`gramian run` of a workload's script."""
    script = str(WORKLOADS / workload / f"{workload}.dml")
    return [sys.executable, "-m", "gramian", "run", script, *options, "-nvargs", *_words(values)]


def peer(module: str, master: str, values: Mapping[str, object]) -> list[str]:
    """A program of this folder."""
    return [sys.executable, "-m", f"on_spark.{module}", f"master={master}", *_words(values)]


def _words(values: Mapping[str, object]) -> list[str]:
    return [f"{name}={value}" for name, value in values.items()]


def told() -> dict[str, str]:
    """What a peer was told: the words after its name."""
    return dict(word.split("=", 1) for word in sys.argv[1:])


# SystemDS's package lacks some of the jar files of its Spark: they come from this version of pyspark.
SPARK_VERSION = "3.5.7"
SPARK_HOME = Path(__file__).parents[1] / "data" / f".spark-{SPARK_VERSION}"
CONFIGURATION = """<root>
  <sysds.local.spark>true</sysds.local.spark>
  <sysds.local.spark.number.threads>{threads}</sysds.local.spark.number.threads>
</root>
"""
# What Spark 3.5 needs of Java 17.
OPENED = (
    *(
        "java.base/java.lang",
        "java.base/java.lang.ref",
        "java.base/java.lang.invoke",
        "java.base/java.lang.reflect",
        "java.base/java.io",
    ),
    *("java.base/java.net", "java.base/java.nio", "java.base/java.util", "java.base/java.util.concurrent"),
    *("java.base/java.util.concurrent.atomic", "java.base/sun.nio.ch", "java.base/sun.nio.cs"),
    *("java.base/sun.security.action", "java.base/sun.util.calendar", "java.base/jdk.internal.ref"),
)


def install_spark() -> Path:
    """The folder with the jar files of SystemDS's Spark; they are installed if they are not there."""
    if not SPARK_HOME.exists():
        print(f"Installing Spark {SPARK_VERSION} under {SPARK_HOME}", flush=True)
        unfinished = SPARK_HOME.with_suffix(".tmp")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(unfinished)]
        subprocess.run([*command, f"pyspark=={SPARK_VERSION}"], check=True)
        unfinished.rename(SPARK_HOME)
    return SPARK_HOME / "pyspark" / "jars"


def systemds_spark(workload: str, values: Mapping[str, object], threads: int, folder: Path) -> list[str]:
    """A script with all operators of SystemDS on its Spark, which runs in its process."""
    configuration = folder / "systemds.xml"
    configuration.write_text(CONFIGURATION.format(threads=threads))
    home = systemds.folder()
    return [
        "java",
        f"-Xmx{JAVA_MEMORY}",
        "--add-modules=jdk.incubator.vector",
        *(f"--add-opens={package}=ALL-UNNAMED" for package in OPENED),
        f"-Dlog4j.configuration=file:{home}/conf/log4j.properties",
        "-cp",
        f"{home}/SystemDS.jar:{home}/lib/*:{install_spark()}/*",
        "org.apache.sysds.api.DMLScript",
        "-f",
        str(WORKLOADS / workload / f"{workload}.dml"),
        "-exec",
        "spark",
        "-config",
        str(configuration),
        "-nvargs",
        *_words(values),
    ]
