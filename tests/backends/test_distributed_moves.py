"""What moves between the machines of a cluster: no block that is somewhere is made a second time."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from here import backend_here
from placements import check, loaded, run
from scipy.sparse import csr_array

from gramian.api.script import Script
from gramian.backends.local import LocalBackend
from gramian.backends.spark import SparkBackend, given, matrix, moves, pipelines
from gramian.backends.spark.blocks import Store
from gramian.backends.spark.ways import making
from gramian.ir.disk import DiskMatrix
from gramian.ir.op import REGISTRY
from gramian.ops.text import out
from gramian.runtime.run import Execution
from gramian.settings import Settings
from gramian.source import Source

ROWS, COLS = 61, 7


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, int]]:
    """How often each block was made, on all machines together."""
    found: Counter[tuple[str, int]] = Counter()
    write = Store.write

    def counted(store: Store, name: str, panel: int, cells: Any) -> None:
        found[name, panel] += 1
        write(store, name, panel, cells)

    monkeypatch.setattr(Store, "write", counted)
    return found


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[SparkBackend]:
    monkeypatch.setattr(moves, "WORTH", 0)
    monkeypatch.setattr(matrix, "PANEL_BYTES", 300)
    with backend_here(3) as found:
        yield found


def scripts() -> dict[str, str]:
    start = f"X = rand(rows={ROWS}, cols={COLS}, seed=3) * 2 + 1\n"
    wide = f"W = rand(rows={COLS}, cols={ROWS}, seed=4) - 0.5\n"
    tests = {
        "order": "Z = order(target=X, by=2)",
        "transposed": f"{wide}Z = (t(X) + W)[2:5, ]",
        "removeEmpty": "Z = removeEmpty(target=X * (X[, 1] > 2), margin='rows')",
        "rbind": "Z = rbind(X, X[5:40, ], X)",
        "rev": "Z = rev(X) - X",
        "roll": "Z = roll(X, 11) - X",
        "matrix": f"Z = matrix(X, rows={COLS}, cols={ROWS})",
        "product": f"{wide}Z = X %*% (W * 2)",
        "crossed": "Z = t(X) %*% X",
        "other cut": "Y = cbind(X, X, X) + 1\nZ = Y[, 1:7] * X + Y[, 8]",
        "cumsum": "Z = cumsum(X)",
    }
    return {name: start + text + "\nprint(toString(Z, rows=100, cols=100, decimal=9))" for name, text in tests.items()}


def printed(text: str, backend: Any) -> str:
    lines: list[str] = []
    program = Script.compile(Source("test.dml", text)).program
    with out.to(lines.append):
        Execution(program, backend, Settings()).run()
    return "".join(lines)


@pytest.mark.parametrize("name", scripts())
def test_blocks_are_made_once(name: str, backend: SparkBackend, made: Counter[tuple[str, int]]) -> None:
    text = scripts()[name]
    assert printed(text, backend) == printed(text, LocalBackend())
    again = {block: times for block, times in made.items() if times > 1}
    assert made
    assert not again


def test_arrays_are_sent_once(backend: SparkBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the driver that are large, and those that are needed again: to each machine once, whoever holds them."""
    monkeypatch.setattr(given, "LEAST", 64)
    monkeypatch.setattr(given, "ALWAYS", 256)
    files: Counter[tuple[str, int]] = Counter()
    write = Store.write_file

    def counted(store: Store, name: str, panel: int, parts: Any) -> None:
        files[str(store.folder), panel] += 1
        write(store, name, panel, parts)

    monkeypatch.setattr(Store, "write_file", counted)
    x = run(REGISTRY["rand"], [ROWS, COLS, 0.0, 1.0, 1.0, 7, "uniform", None], backend)
    right = np.arange(COLS * 9, dtype=np.float64).reshape(COLS, 9)  # 504 bytes
    for _ in range(3):
        check(run(REGISTRY["%*%"], [x, right.copy()], backend), loaded(x) @ right)
    assert set(files.values()) == {1}
    assert len(files) == 3
    right[0, 0] = 5  # another array now
    check(run(REGISTRY["%*%"], [x, right], backend), loaded(x) @ right)
    assert set(files.values()) == {2}


def test_an_array_that_a_machine_lost_is_sent_again(backend: SparkBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "LEAST", 64)
    monkeypatch.setattr(given, "ALWAYS", 64)
    x = run(REGISTRY["rand"], [ROWS, COLS, 0.0, 1.0, 1.0, 7, "uniform", None], backend)
    right = np.arange(COLS * 9, dtype=np.float64).reshape(COLS, 9)
    expected = loaded(x) @ right
    check(run(REGISTRY["%*%"], [x, right], backend), expected)
    cluster: Any = backend.cluster
    for path in cluster.stores[1].folder.rglob("*.block"):
        path.unlink()
    check(run(REGISTRY["%*%"], [x, right], backend), expected)


def test_a_machine_that_loses_everything(backend: SparkBackend) -> None:
    cluster: Any = backend.cluster
    x = run(REGISTRY["rand"], [ROWS, COLS, 0.0, 1.0, 1.0, 7, "uniform", None], backend)
    z = run(REGISTRY["order"], [x, 2, False, False], backend)
    expected = loaded(z)
    for path in cluster.stores[2].folder.rglob("*.block"):
        path.unlink()
    check(z, expected)


@pytest.mark.parametrize("form", ["memory", "disk", "sparse"])
def test_a_large_matrix_of_the_driver_goes_to_the_cluster(
    form: str, backend: SparkBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "LARGEST_GIVEN", 1000)
    monkeypatch.setattr(pipelines, "LARGEST_GIVEN", 1000)
    spread: list[tuple[int, int]] = []
    really = backend.cluster.spread
    monkeypatch.setattr(backend.cluster, "spread", lambda v, *more: (spread.append(v.shape), really(v, *more))[1])
    x = run(REGISTRY["rand"], [ROWS, COLS, 0.0, 1.0, 1.0, 7, "uniform", None], backend)
    cells = np.arange(ROWS * COLS, dtype=np.float64).reshape(ROWS, COLS) * (np.arange(COLS) < 3)
    value = {"memory": cells.copy, "disk": lambda: on_disk(cells), "sparse": lambda: csr_array(cells)}[form]()
    plus = run(REGISTRY["+"], [x, value], backend)
    check(plus, loaded(x) + cells)
    check(run(REGISTRY["rbind"], [x, value], backend), np.concatenate([loaded(x), cells]))
    check(run(REGISTRY["%*%"], [run(REGISTRY["t"], [x], backend), value], backend), loaded(x).T @ cells)
    assert spread == [(ROWS, COLS)] * 3
    if form == "memory":
        value[:] = 0  # what was made of it does not change, even if it has to be made again
        for store in everything(backend):
            for path in store.folder.rglob("*.*"):
                path.unlink()
        check(plus, loaded(x) + cells)


def everything(backend: SparkBackend) -> list[Store]:
    cluster: Any = backend.cluster
    return list(cluster.stores)


def on_disk(cells: Any) -> DiskMatrix:
    found = DiskMatrix.new(cells.shape, tempfile.gettempdir(), cells.dtype)
    found.write(0, cells)
    return found
