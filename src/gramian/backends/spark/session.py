"""Spark sessions: taking the one that is there, or starting one that suits gramian and ends with the process."""

from __future__ import annotations

import atexit
import os
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, TypeVar
from weakref import WeakSet

from gramian.backends.spark.java import java_home
from gramian.backends.spark.master import SECONDS, Master, parse
from gramian.budget import default_size, scratch_folder
from gramian.errors import GramianError, OperationError, SetupError, UsageError
from gramian.settings import Settings

MISSING = "Spark needs its Python package: pip install 'gramian[spark]'"
# Blocks of matrices live in files of the Python workers: what Java needs is for shuffles and plans.
JAVA_SHARE, JAVA_LEAST, JAVA_MOST = 4, 1 << 30, 16 << 30
LOOPBACK = "127.0.0.1"
START = 120.0  # seconds for Java and the libraries, on a slow disk
FIRST_JOB = 90.0  # seconds in which a cluster has to spare a worker
LAST_LINES = 5  # of Java's messages, if it does not start

# Its library prints to the terminal when a process is made by fork.
GRPC: Mapping[str, str] = {"GRPC_VERBOSITY": "NONE", "GRPC_ENABLE_FORK_SUPPORT": "0"}

CONNECTED = "SPARK_CONNECT_MODE_ENABLED"
RETRIES, LONGEST_WAIT = 6, 5000  # milliseconds; about 15 s in all for a server that has gone away

T = TypeVar("T")
Session = Any  # a pyspark.sql.SparkSession, classic or Connect

LONGEST = 400  # characters of what Spark says about a failure
JAVA_ERROR = re.compile(r"(?:\w+\.)+\w+(?:Exception|Error): ")
NO_NEWS = ("JVM stacktrace", "at ", "Traceback", "File ", "Driver stacktrace")
DOCTOR = "`gramian doctor --master URL` looks for what is wrong with a cluster"

_started: list[Session] = []
_guests: WeakSet[Guest] = WeakSet()
_lock = threading.Lock()


def connect(master: str | None = None, settings: Settings | None = None) -> Session:
    """A Spark session on a master; None is all cores of this machine.

    A session on it that is already there is taken, and left alone at the end; one that is started here is stopped by
    `stop`, or else when the process ends.

    Raises:
        UsageError: pyspark is not installed, or the master is none, or another one than that of a session which is running.
        SetupError: no Java, nobody answers at the master, or versions do not fit.
    """
    check_pyspark()
    place = parse(master)
    settings = settings or Settings()
    say_nothing_of_pandas()
    with _lock:
        running = active()
        if running is not None:
            return _same(running, place, named=master is not None)
        place.check()
        session = _connected(place) if place.connect else _launched(place, settings)
        _started.append(session)
        if len(_started) == 1:
            at_exit(stop)
        return session


def check_pyspark() -> None:
    """
    Raises:
        UsageError: pyspark is not installed.
    """
    if find_spec("pyspark") is None:
        raise UsageError(MISSING)


def say_nothing_of_pandas() -> None:
    """What gramian gives to Spark and takes from it is Arrow. To be said before each job: filters end with runs."""
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)


def active() -> Session | None:
    """The session that is running in this process, if any: one of ours, or that of the thread that asks."""
    if _started:
        return _started[-1]
    if "pyspark" not in sys.modules:
        return None
    from pyspark.sql import SparkSession

    found = SparkSession.getActiveSession()
    if found is None and "pyspark.sql.connect.session" in sys.modules:
        from pyspark.sql.connect.session import SparkSession as Connected

        found = Connected.getActiveSession()
    return found


def at_exit(work: Callable[[], None]) -> None:
    """Have some work done when the process ends, as long as threads can still be started: Connect needs some to say goodbye.

    Python offers that only to its own thread pools; without it, what is left goes with the server's session.
    """
    getattr(threading, "_register_atexit", atexit.register)(work)


def stop() -> None:
    """Ends the sessions that `connect` has started."""
    for guest in list(_guests):
        guest.close()
    while _started:
        session = _started.pop()
        with quiet():
            session.stop()


class Guest(Protocol):
    """Who has left something on a cluster that has to go before the session ends."""

    def close(self) -> None:
        """Take it away."""


def before_stop(guest: Guest) -> None:
    """Have a guest take away what it left, if it is still there when the sessions of `connect` end."""
    _guests.add(guest)


def failed(error: Exception) -> OperationError:
    """What to tell of a job that failed: what happened, without the traces of Java and Python."""
    from pyspark.errors import PySparkException

    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(NO_NEWS)] or [type(error).__name__]
    what = told[-1] if isinstance(error, PySparkException) and "Traceback" in str(error) else told[0]
    what = JAVA_ERROR.split(what)[-1]  # what comes before tells of stages, tasks and attempts
    return OperationError(f"a job of the cluster failed: {what[:LONGEST]}", DOCTOR)


def is_connect(session: Session) -> bool:
    return "connect" in type(session).__module__


def master_of(session: Session) -> str:
    """The URL of a session's master; of a Connect session, that of the server's."""
    return str(session.conf.get("spark.master", ""))


def _same(session: Session, place: Master, *, named: bool) -> Session:
    """The running session, if it will do for a master that may have been named."""
    if not named or (is_connect(session) == place.connect and (place.connect or master_of(session) == place.url)):
        return session
    there = "one of Spark Connect" if is_connect(session) else f"one on {master_of(session)}"
    raise UsageError(f"a Spark session on {place.url} cannot be started while {there} is running in this process")


# -- classic -----------------------------------------------------------------------------------------------------------


def configuration(place: Master, settings: Settings) -> dict[str, str]:
    """What a session that is started here is told."""
    memory = (settings.memory or default_size()) // JAVA_SHARE
    found = {
        "spark.app.name": "gramian",
        "spark.master": place.url,
        "spark.driver.memory": f"{min(max(memory, JAVA_LEAST), JAVA_MOST) >> 20}m",
        "spark.driver.maxResultSize": "0",  # cost decides what comes back
        "spark.locality.wait": "30s",  # for the executor that has a block: another one would have to make it again
        "spark.log.level": "ERROR",
        "spark.python.worker.reuse": "true",
        "spark.python.unix.domain.socket.enabled": "true" if os.name == "posix" else "false",  # TCP: 40 ms more a task
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    if place.here:
        scratch = settings.scratch or scratch_folder()
        found |= {
            "spark.driver.bindAddress": LOOPBACK,
            "spark.driver.host": LOOPBACK,
            "spark.local.dir": scratch,
            "spark.sql.warehouse.dir": os.path.join(scratch, "gramian-warehouse"),
        }
    return found


def environment(place: Master) -> dict[str, str]:
    """Variables for the processes of Spark. Workers on this machine run this Python; elsewhere the user's choice holds."""
    found = {"JAVA_HOME": java_home()}
    if place.here:
        found |= {"SPARK_LOCAL_IP": LOOPBACK, "PYSPARK_PYTHON": sys.executable}
    elif "PYSPARK_PYTHON" not in os.environ:
        found["PYSPARK_PYTHON"] = sys.executable
    return found


def _launched(place: Master, settings: Settings) -> Session:
    from py4j.protocol import Py4JError
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkException
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    conf = SparkConf(loadDefaults=False).setAll(list(configuration(place, settings).items()))
    # Java's messages go to a file: what they say to a user of scripts, we say.
    os.environ.update(environment(place))  # for good: Spark asks for them again when it starts workers
    with tempfile.NamedTemporaryFile("w+", prefix="gramian-spark-") as log:
        try:
            gateway = launch_gateway(conf, {"stdout": log, "stderr": log})
            context = within(START, lambda: SparkContext(conf=conf, gateway=gateway), place)
        except (PySparkException, Py4JError) as error:
            raise SetupError(f"Spark does not start: {_last_lines(log.name) or error}", _doctor(place)) from None
    session = SparkSession(context)
    if place.addresses:
        _first_job(session, place)
    return session


def _first_job(session: Session, place: Master) -> None:
    """A cluster whose master answers may still have no worker to spare."""
    try:
        within(FIRST_JOB, lambda: session.range(1).count(), place)
    except SetupError:
        session.sparkContext.cancelAllJobs()
        session.stop()
        raise


def _last_lines(path: str) -> str:
    lines = Path(path).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return "\n  ".join(lines[-LAST_LINES:])


# -- Connect -----------------------------------------------------------------------------------------------------------


def _connected(place: Master) -> Session:
    for name, value in GRPC.items():
        os.environ.setdefault(name, value)
    from pyspark import __version__
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    try:
        with _forgotten_if_it_fails(CONNECTED):
            session = SparkSession.builder.remote(place.url).create()
            version = _version(session, place)
    except ImportError as error:
        raise UsageError(f"{MISSING} ({error})") from None
    except PySparkException as error:
        raise SetupError(f"no Spark Connect server answers at {place.url}: {_brief(error)}", _doctor(place)) from None
    if not fits(__version__, version):
        with quiet():
            session.stop()
        raise SetupError(
            f"the Spark Connect server at {place.url} is Spark {version}, which pyspark {__version__} here cannot talk to",
            f"pip install 'pyspark[connect]=={version}'",
        )
    return session


@contextmanager
def _forgotten_if_it_fails(variable: str) -> Iterator[None]:
    """By a variable pyspark knows what kind of sessions a process has, from the first attempt on."""
    before = os.environ.get(variable)
    try:
        yield
    except BaseException:
        if before is None:
            os.environ.pop(variable, None)
        raise


def _version(session: Session, place: Master) -> str:
    """The server's version. Without an answer nothing more is said to it: pyspark would go on trying for ten minutes."""
    from pyspark.sql.connect.client.retries import DefaultPolicy

    session.client.set_retry_policies([DefaultPolicy(max_retries=RETRIES, max_backoff=LONGEST_WAIT)])
    try:
        return str(within(SECONDS, lambda: session.version, place))
    except Exception:
        session.client.close()
        raise


def fits(client: str, server: str) -> bool:
    """Can a client talk to a server? One of the same Spark line or older, which servers understand."""
    ours, theirs = (tuple(int(part) for part in text.split(".")[:2]) for text in (client, server))
    return ours[0] == theirs[0] and ours <= theirs


# -- what both share ---------------------------------------------------------------------------------------------------


def within(seconds: float, work: Callable[[], T], place: Master) -> T:
    """The result of some work that may wait for a cluster for ever.

    Raises:
        SetupError: it took longer.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # raised again below, where somebody waits for it
            errors.append(error)

    thread = threading.Thread(target=run, name="gramian-spark", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise SetupError(f"Spark at {place.url} did not answer within {seconds:.0f} s", _doctor(place))
    return results[0]


def _doctor(place: Master) -> str:
    return f"`gramian doctor --master {place.url}` looks for the reason"


def _brief(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]


def tag(session: Session, name: str) -> None:
    """The jobs of this thread can be cancelled by that name.

    A tag of a classic session is lost on the way to the thread in which Java collects a table; one of its context is not.
    """
    if hasattr(session, "sparkContext"):
        session.sparkContext.addJobTag(name)
    else:
        session.addTag(name)


def cancel(session: Session, name: str) -> None:
    if hasattr(session, "sparkContext"):
        session.sparkContext.cancelJobsWithTag(name)
    else:
        session.interruptTag(name)


@contextmanager
def quiet() -> Iterator[None]:
    """A server that is gone already cannot be told that we leave."""
    from pyspark.errors import PySparkException

    with warnings.catch_warnings(), suppress(PySparkException, GramianError, OSError):
        warnings.simplefilter("ignore")
        yield
