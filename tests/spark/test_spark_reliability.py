"""What can go wrong: blocks that are lost or damaged, disks without room, executors that die, work that fails."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gramian.api.script import Script
from gramian.backends.spark import SparkBackend, blocks, matrix
from gramian.backends.spark.blocks import Cut, Recipe, Store
from gramian.backends.spark.work import Fetch, Step
from gramian.errors import OperationError, ScriptError, SizeError
from gramian.ir.op import Op
from gramian.ops.text import out
from gramian.runtime.backend import Kernel
from gramian.runtime.run import Execution
from gramian.settings import Settings
from gramian.source import Source

ITERATIVE = """
    X = rand(rows=20000, cols=20, seed=7, min=-1, max=1)
    i = 0
    while (i < 5) {
      X = X * 0.9 + 0.001 * i
      s = sum(X * X)
      print("step " + i)
      i = i + 1
    }
    print("sums " + s + " " + min(X) + " " + sum(X[19990:20000, ]))
"""


def execute(text: str, backend: Any, at_steps: Callable[[str], None] = lambda text: None) -> list[str]:
    """What a script prints; `at_steps` is told each time."""
    printed: list[str] = []

    def write(text: str) -> None:
        printed.append(text)
        at_steps(text)

    program = Script.compile(Source("test.dml", text)).program
    with out.to(write):
        Execution(program, backend, Settings()).run()
    return "".join(printed).splitlines()


def sums(lines: list[str]) -> list[float]:
    return [float(word) for line in lines if line.startswith("sums") for word in line.split()[1:]]


@pytest.fixture(scope="module")
def expected() -> list[float]:
    from gramian.backends.local import LocalBackend

    return sums(execute(ITERATIVE, LocalBackend()))


@pytest.fixture
def backend(spark: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[SparkBackend]:
    monkeypatch.setattr(matrix, "PANEL_BYTES", 1 << 19)  # seven panels
    found = SparkBackend(lambda: spark, least=1 << 14)
    yield found
    found.end()


def told(spark: Any, ask: Callable[[], str]) -> set[str]:
    """What the workers answer."""

    def work(batches: Iterator[Any]) -> Iterator[Any]:
        import time

        import pyarrow as pa

        list(batches)
        time.sleep(0.1)  # so that every executor gets some
        yield pa.RecordBatch.from_arrays([pa.array([ask()])], names=["told"])

    return set(spark.range(0, 8, 1, 8).mapInArrow(work, "told string").toArrow().column("told").to_pylist())


def folders(spark: Any, name: str) -> list[Path]:
    """Where workers have the blocks of a cluster."""

    def ask() -> str:
        from gramian.backends.spark.blocks import Store

        return str(Store(name).folder)

    return sorted(map(Path, told(spark, ask)))


def block_files(spark: Any, name: str) -> list[Path]:
    return [path for folder in folders(spark, name) for path in folder.rglob("*.block")]


# -- blocks ------------------------------------------------------------------------------------------------------------


def delete(path: Path) -> None:
    path.unlink()


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def other_shape(path: Path) -> None:
    path.unlink()
    np.save(path, np.zeros((3, 3)))


@pytest.mark.parametrize("damage", [delete, cut_short, empty, other_shape])
def test_damaged_blocks_are_made_again(
    damage: Callable[[Path], None], spark: Any, backend: SparkBackend, expected: list[float]
) -> None:
    damaged: list[Path] = []

    def at_steps(text: str) -> None:
        if text.strip() in ("step 1", "step 3"):
            found = block_files(spark, backend.cluster.name)
            damaged.extend(found)
            for path in found:
                damage(path)

    assert sums(execute(ITERATIVE, backend, at_steps)) == pytest.approx(expected, rel=1e-12)
    assert len(damaged) >= 8


def test_a_disk_without_room_costs_time_alone(spark: Any, backend: SparkBackend, expected: list[float]) -> None:
    closed: list[Path] = []

    def at_steps(text: str) -> None:
        if text.strip() == "step 1":
            for folder in folders(spark, backend.cluster.name):
                shutil.rmtree(folder)
                folder.write_text("no folder: nothing can be written here")
                closed.append(folder)

    assert sums(execute(ITERATIVE, backend, at_steps)) == pytest.approx(expected, rel=1e-12)
    assert closed
    for folder in closed:
        folder.unlink()


def workers(spark: Any) -> set[int]:
    """The processes that Python's workers are, and those that start them."""
    return {int(pid) for pids in told(spark, lambda: f"{os.getpid()} {os.getppid()}") for pid in pids.split()}


HALF_A_BLOCK = 1 << 18


def only_small_blocks(places: list[Path]) -> bool:
    """The last panel has so few rows that there is room for its blocks; of others not even a part is left."""
    blocks = [path for folder in places for path in folder.glob("m*/*")]
    return all(path.suffix == ".block" and path.stat().st_size < HALF_A_BLOCK for path in blocks)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux")
def test_writes_that_break_off_cost_time_alone(spark: Any, backend: SparkBackend, expected: list[float]) -> None:
    before: dict[int, tuple[int, int]] = {}

    def at_steps(text: str) -> None:
        if text.strip() == "step 1":
            for pid in workers(spark):
                before[pid] = resource.prlimit(pid, resource.RLIMIT_FSIZE)
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (HALF_A_BLOCK, before[pid][1]))

    try:
        assert sums(execute(ITERATIVE, backend, at_steps)) == pytest.approx(expected, rel=1e-12)
        assert before
        assert only_small_blocks(folders(spark, backend.cluster.name))
    finally:
        for pid, limits in before.items():
            with suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_costs_time_alone(spark: Any, backend: SparkBackend, expected: list[float]) -> None:
    """A file system of its own for blocks, which has no room for one. Only root may make one."""
    full: list[Path] = []

    def at_steps(text: str) -> None:
        if text.strip() == "step 1":
            for folder in folders(spark, backend.cluster.name):
                done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=False)
                if done.returncode == 0:
                    full.append(folder)

    try:
        found = sums(execute(ITERATIVE, backend, at_steps))
        if not full:
            pytest.skip("no file system can be mounted here")
        assert found == pytest.approx(expected, rel=1e-12)
        assert only_small_blocks(full)
    finally:
        for folder in full:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_blocks_are_made_once(spark: Any, backend: SparkBackend, tmp_path: Path) -> None:
    """Tasks come to the executor that has their blocks."""
    tmp_path.chmod(0o777)
    cut = Cut(7000, 1000)
    recipe = noted(backend.cluster.fresh(), cut, str(tmp_path))
    for _ in range(6):
        backend.cluster.run(Fetch(recipe, 0, cut.rows), cut)
    made = [path.name.split("-")[0] for path in tmp_path.iterdir()]
    assert sorted(made) == [str(panel) for panel in range(cut.panels)]


def noted(name: str, cut: Cut, folder: str) -> Recipe:
    """A recipe that leaves a file for each block that it makes; its class is defined here, so that it travels with jobs."""
    import tempfile

    @dataclass(frozen=True)
    class Noted(Recipe):
        notes: str

        def make(self, panel: int, store: Store) -> Any:
            tempfile.NamedTemporaryFile(prefix=f"{panel}-", dir=self.notes, delete=False).close()
            first, last = self.cut.limits(panel)
            return np.ones((last - first, 1))

    return Noted(name, cut, 1, "float64", folder)


def test_long_lineage_is_sent_only_when_it_is_missed(
    spark: Any, backend: SparkBackend, expected: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "LANDMARK", 1)  # every recipe is left out of jobs

    def at_steps(text: str) -> None:
        if text.strip() == "step 3":
            for path in block_files(spark, backend.cluster.name):
                path.unlink()

    assert sums(execute(ITERATIVE, backend, at_steps)) == pytest.approx(expected, rel=1e-12)


def test_blocks_go_with_their_matrix_and_with_the_run(spark: Any, backend: SparkBackend) -> None:
    most: list[int] = []

    def at_steps(text: str) -> None:
        if text.startswith("step"):
            found = {path.parent.name for path in block_files(spark, backend.cluster.name)}
            most.append(len(found))

    execute(ITERATIVE, backend, at_steps)
    assert 1 <= max(most) <= 3  # not one for each iteration
    backend.end()
    assert not any(folder.exists() for folder in folders(spark, backend.cluster.name))


# -- executors ---------------------------------------------------------------------------------------------------------


def test_an_executor_killed_in_the_middle(
    cluster: Any, spark: Any, backend: SparkBackend, expected: list[float]
) -> None:
    def java() -> str:
        daemon = os.getppid()
        stat = Path(f"/proc/{daemon}/stat").read_text()
        return stat.rpartition(")")[2].split()[1]

    killed: list[int] = []

    def at_steps(text: str) -> None:
        if text.strip() == "step 2":
            killed.append(int(min(told(spark, java))))
            # while the next job is running
            threading.Timer(0.05, lambda: os.kill(killed[0], signal.SIGKILL)).start()

    assert sums(execute(ITERATIVE, backend, at_steps)) == pytest.approx(expected, rel=1e-12)
    assert killed
    assert killed[0] not in map(int, told(spark, java))


# -- work that fails ---------------------------------------------------------------------------------------------------


def failing(what: Callable[[], Any]) -> Step:
    """A step that fails; its class is defined here, so that it travels with the job."""

    class Failing(Step):
        def answer(self, panel: int, store: Store) -> Any:
            return what()

    return Failing()


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        ("from gramian.errors import SizeError; raise SizeError('a 3x4 matrix', 'turn it')", SizeError, "a 3x4 matrix"),
        ("[][1]", OperationError, "a worker of the cluster failed: IndexError: list index out of range"),
        ("raise MemoryError", OperationError, "a worker of the cluster has not enough memory"),
        ("import os; os._exit(3)", OperationError, "a job of the cluster failed: .*"),
    ],
)
def test_what_fails_in_a_worker(backend: SparkBackend, code: str, kind: type[OperationError], says: str) -> None:
    class Failing(SparkBackend):
        def kernel(self, op: Op) -> Kernel | None:
            if op.name != "cumsum":
                return super().kernel(op)
            return lambda x: self.cluster.run(failing(lambda: exec(code)), Cut(4, 2))

    text = "X = rand(rows=20000, cols=20, seed=7)\nprint(1)\nprint(sum(cumsum(X)))"
    spark = backend.start
    mine = Failing(spark, least=1 << 14)
    with pytest.raises(ScriptError) as caught:
        execute(text, mine)
    assert type(caught.value.__cause__) is kind
    assert caught.value.__cause__ is not None
    shown = caught.value.render()
    assert "print(sum(cumsum(X)))" in shown
    assert "^" in shown
    assert "test.dml:3" in shown
    caught.match(says)
    for word in ("Traceback", "org.apache", "\tat ", "py4j", "JVM"):
        assert word not in shown, shown
    mine.end()


@pytest.mark.parametrize("call", ["f(X)", 'eval("f", X)', 'as.scalar(eval("f", X + 1))'])
def test_a_function_that_fails_shows_its_line(backend: SparkBackend, call: str) -> None:
    text = f"""
        f = function(matrix[double] A) return (double s) {{
          s = sum(A * 2)
          if (s > 0) stop("a sum of " + as.integer(nrow(A)) + " rows")
        }}
        X = rand(rows=20000, cols=20, seed=7)
        print({call})
    """
    with pytest.raises(ScriptError) as caught:
        execute(text, backend)
    shown = caught.value.render()
    assert "a sum of 20000 rows" in shown
    assert "test.dml:4" in shown
    assert "test.dml:7" in shown
    assert "org.apache" not in shown


def test_an_interrupt_cancels_a_long_job(spark: Any, backend: SparkBackend) -> None:
    seconds = 120
    cluster = backend.cluster
    cluster.run(failing(lambda: None), Cut(4, 1))
    threading.Timer(1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        cluster.run(failing(lambda: time.sleep(seconds)), Cut(4, 1))
    assert cluster.run(failing(lambda: 5), Cut(4, 1)) == [5] * 4  # there are cores again
    assert time.monotonic() - start < seconds / 2


# -- the command -------------------------------------------------------------------------------------------------------

ENDLESS = """
X = rand(rows=20000, cols=20, seed=7)
i = 0
while (i < 100000) { X = X * 0.9 + 0.1; print("step " + i + " " + sum(X)); i = i + 1 }
"""


def command(text: str, master: str, scratch: Path) -> subprocess.Popen[str]:
    words = ["-m", "gramian", "run", "-s", text, "-exec", "spark", "--master", master, "--scratch", str(scratch)]
    return subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )


def left(spark: Any, scratch: Path) -> set[str]:
    """Folders of blocks that are there."""
    parents = {folder.parent for folder in folders(spark, "any")}
    return {str(path) for place in (*parents, scratch) for path in place.rglob("gramian-*/m*")}


def test_an_interrupt_leaves_nothing(way: str, spark: Any, master: str, tmp_path: Path) -> None:
    if way == "cluster":
        pytest.skip("its cores belong to the session of the tests")
    before = left(spark, tmp_path)
    process = command(ENDLESS, master, tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("step 2"):
            break
    assert left(spark, tmp_path) > before
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does it, to all processes
    _, said = process.communicate(timeout=120)
    assert (process.returncode, said.strip()) == (130, "error: interrupted")
    assert left(spark, tmp_path) == before


def test_a_run_leaves_nothing(way: str, spark: Any, master: str, tmp_path: Path) -> None:
    if way == "cluster":
        pytest.skip("its cores belong to the session of the tests")
    before = left(spark, tmp_path)
    process = command(ENDLESS.replace("100000", "2"), master, tmp_path)
    printed, said = process.communicate(timeout=300)
    assert (process.returncode, said) == (0, "")
    assert printed.startswith("step 0")
    assert left(spark, tmp_path) == before


NEVER_CLOSED = """
import sys
import gramian
from gramian.settings import Settings
session = gramian.Session(settings=Settings(mode="spark", master=sys.argv[1], scratch=sys.argv[2]))
found = session.run("X = rand(rows=20000, cols=20, seed=7) * 2", outputs=["X"])
print(found["X"].shape)
"""


def test_a_session_that_nobody_closes_leaves_nothing(way: str, spark: Any, master: str, tmp_path: Path) -> None:
    if way == "cluster":
        pytest.skip("its cores belong to the session of the tests")
    before = left(spark, tmp_path)
    command = [sys.executable, "-c", NEVER_CLOSED, master, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "(20000, 20)\n", "")
    assert left(spark, tmp_path) == before
