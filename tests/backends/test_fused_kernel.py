"""How pipelines choose between NumPy and compiled loops, what they make of odd operands, and where compiled loops stay."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numba  # noqa: F401  as long as it is not there, its import has a price of its own
import numpy as np
import pytest
from scipy.sparse import csr_array

import gramian.ops  # noqa: F401  registers the operators
from gramian.backends.local import LocalBackend
from gramian.backends.local.fused import compiled, kernel as module, ledger, panels
from gramian.backends.local.fused.kernel import PipelineKernel
from gramian.backends.local.fused.loops import Writer
from gramian.backends.local.fused.panels import Pass
from gramian.ir.fused import Pipeline, parameter
from gramian.ir.node import Node, build, literal
from gramian.ir.sparse import densify
from gramian.ir.types import DOUBLE, matrix, scalar
from gramian.runtime.backend import kernel_of, one_by_one

BACKEND = LocalBackend()
KERNELS = partial(kernel_of, backend=BACKEND)
Array = np.ndarray[Any, Any]


def pipeline(rows: int = 100) -> Pipeline:
    """sum((X * s) ^ 2) and its parts: a matrix and a number come out."""
    product = build("*", [parameter(0, matrix(rows, 3)), parameter(1, scalar(DOUBLE))])
    return Pipeline((product, build("sum", [build("*", [product, product])])), rows)


X = np.arange(300.0).reshape(100, 3)


def check(result: Any) -> None:
    np.testing.assert_array_equal(result[0], X * 2)
    assert result[1] == float(np.sum((X * 2) ** 2))


# -- the choice --------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def memories(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder where it is kept how long pipelines took; no test sees that of others."""
    monkeypatch.setattr(ledger, "folder", lambda: tmp_path)
    return tmp_path


class Watched(PipelineKernel):
    """Notes what runs; a run by NumPy takes `seconds`, and compiled loops are there after `costs`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float, costs: float) -> None:
        super().__init__(pipeline(), BACKEND)
        self.ran: list[str] = []
        ticks = itertools.count(0.0, seconds)
        monkeypatch.setattr(module, "perf_counter", lambda: next(ticks))
        monkeypatch.setattr(module, "price", lambda *_: costs)
        for name, whole in (("numpy", self.by_numpy), ("loops", self.by_loops)):
            monkeypatch.setattr(whole, "run", self.noting(name, whole.run))
        self.alone = self.noting("alone", self.alone)

    def noting(self, name: str, run: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*operands: Any) -> Any:
            self.ran.append(name)
            return run(*operands)

        return noted


def test_loops_are_compiled_when_numpy_has_taken_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Watched(monkeypatch, seconds=0.4, costs=1.5)
    for _ in range(6):
        check(kernel(X, 2.0))
    assert kernel.ran == ["numpy"] * 4 + ["loops"] * 2


def test_what_earlier_processes_took_counts(monkeypatch: pytest.MonkeyPatch, memories: Path) -> None:
    monkeypatch.setattr(module, "CELL", 2e-5)  # enough for a look
    ran = []
    for _ in range(6):
        kernel = Watched(monkeypatch, seconds=0.4, costs=1.5)
        check(kernel(X, 2.0))
        ran += kernel.ran
    assert ran == ["numpy"] * 4 + ["loops"] * 2
    (file,) = memories.iterdir()
    file.write_text("damaged", encoding="utf-8")
    kernel = Watched(monkeypatch, seconds=0.4, costs=1.5)
    check(kernel(X, 2.0))
    assert kernel.ran == ["numpy"]


def test_without_a_folder_each_process_counts_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "folder", lambda: None)
    for _ in range(2):
        kernel = Watched(monkeypatch, seconds=0.4, costs=1.5)
        for _ in range(5):
            check(kernel(X, 2.0))
        assert kernel.ran == ["numpy"] * 4 + ["loops"]


def test_quick_pipelines_are_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "function", None)
    kernel = Watched(monkeypatch, seconds=0.001, costs=0.5)
    for _ in range(99):
        check(kernel(X, 2.0))
    assert kernel.ran == ["numpy"] * 99


def test_what_is_on_disk_is_loaded_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Watched(monkeypatch, seconds=0.4 * compiled.LOAD, costs=compiled.LOAD)
    for _ in range(5):
        check(kernel(X, 2.0))
    assert kernel.ran == ["numpy"] * 3 + ["loops"] * 2


def test_a_long_first_run_is_worth_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CELL", 0.01)  # 300 cells and three operators: 9 seconds
    kernel = Watched(monkeypatch, seconds=0.4, costs=1.5)
    check(kernel(X, 2.0))
    assert kernel.ran == ["loops"]


def test_importing_the_compiler_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Watched(monkeypatch, seconds=0.4, costs=0.5)
    assert kernel.price((X, 2.0)) == 0.5
    monkeypatch.delitem(sys.modules, "numba")
    assert kernel.price((X, 2.0)) == 0.5 + module.LOAD_COMPILER


def test_compiled_loops_serve_small_operands_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Watched(monkeypatch, seconds=0.0, costs=1.5)
    kernel.by_loops.steps(kernel.by_loops.panel_types((X, 2.0)))
    check(kernel(X, 2.0))
    assert kernel.ran == ["loops"]
    single = X.astype(np.float32)
    assert kernel(single, 2.0)[0].dtype == np.float32
    assert kernel.ran == ["loops", "numpy"], "the loops for single precision are others"


def test_time_counts_even_if_an_operator_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Any) -> None:
        raise ValueError("no such probability")

    kernel = Watched(monkeypatch, seconds=0.4, costs=1.5)
    monkeypatch.setattr(kernel.by_numpy, "run", fail)
    with pytest.raises(ValueError, match="no such probability"):
        kernel(X, 2.0)
    assert kernel.ledger.here == pytest.approx(0.4)


def test_sparse_operands_go_operator_by_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Watched(monkeypatch, seconds=9.0, costs=0.0)
    found = kernel(csr_array(X), 2.0)
    check((densify(found[0]), found[1]))
    assert kernel.ran == ["alone"]


def test_pipelines_without_any_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the price is nothing, and both ways are the same."""
    x = parameter(0, matrix(100, 3))
    kernel = PipelineKernel(Pipeline((build("%%", [x, literal(7)]),), 100), BACKEND)
    monkeypatch.setattr(compiled, "function", None)
    monkeypatch.setattr(module, "CELL", 1.0)
    np.testing.assert_array_equal(kernel(X), X % 7)
    np.testing.assert_array_equal(kernel.by_loops.run((X,)), X % 7)


# -- operands ----------------------------------------------------------------------------------------------------------


def mixed(rows: int, widest: int = 40) -> Pipeline:
    """Loops, products by the library, and operators that have no loop, with all kinds of operands."""
    x, y, v = parameter(0, matrix(rows, widest)), parameter(1, matrix(rows, widest)), parameter(2, matrix(rows, 1))
    right, row, one = parameter(3, matrix(widest, 12)), parameter(4, matrix(1, widest)), parameter(5, matrix(1, 1))
    cells = build("+", [build("*", [x, row]), build("%%", [build("-", [y, v]), row])])
    wide = build("+", [build("tanh", [build("%*%", [cells, right])]), one])
    crossed = build("%*%", [build("t", [wide]), cells])
    return Pipeline((wide, crossed, build("colMaxs", [cells]), build("rowSums", [wide]), build("sum", [v])), rows)


def operands(pipeline: Pipeline, dtype: str = "float64") -> list[Array]:
    noise = np.random.default_rng(1)
    params = {n.name: n.type for node in pipeline.nodes for n in node.args if n.is_var}
    return [noise.uniform(0.5, 2, (t.rows or 1, t.cols or 1)).astype(dtype) for _, t in sorted(params.items())]


FORMS: dict[str, Callable[[Array], Array]] = {
    "by rows": np.ascontiguousarray,
    "by columns": np.asfortranarray,
    "every other row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "every other column": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "backwards": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "read only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
    "one cell": lambda x: np.broadcast_to(x[:1, :1], x.shape),
}


@pytest.fixture
def ragged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "CHUNK", 40 * 24)
    monkeypatch.setattr(panels, "PANEL", 40 * 7)
    monkeypatch.setattr(panels, "TILE", 40 * 5)


@pytest.mark.usefixtures("ragged")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_all_forms_of_operands(dtype: str) -> None:
    backend = LocalBackend("single" if dtype == "float32" else "double")
    whole = mixed(67)
    ways = [Pass(whole, partial(kernel_of, backend=backend), compiled=way) for way in (False, True)]
    for name, form in FORMS.items():
        given = [form(x) for x in operands(whole, dtype)]
        before = [x.copy() for x in given]
        expected = one_by_one(whole, BACKEND)(*(x.astype(np.float64) for x in given))
        for way in ways:
            for a, b in zip(expected, way.run(given), strict=True):
                tolerance = 1e-13 if dtype == "float64" else 3e-5
                np.testing.assert_allclose(b, a, rtol=tolerance, atol=0, err_msg=name)
                assert isinstance(b, float) or b.dtype == dtype
        assert all((x == y).all() for x, y in zip(given, before, strict=True))


@pytest.mark.usefixtures("ragged")
@pytest.mark.parametrize("rows", [1, 2, 24, 25, 48])
def test_chunks_that_fit_and_rows_that_are_few(rows: int) -> None:
    whole = Pipeline(mixed(48).roots, rows)  # sizes of rows are no part of the loops
    given = [x[:rows] if len(x) == 48 else x for x in operands(mixed(48))]
    expected = one_by_one(whole, BACKEND)(*given)
    for way in (False, True):
        for a, b in zip(expected, Pass(whole, KERNELS, compiled=way).run(given), strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-13)


def test_numbers_have_the_precision_of_matrices() -> None:
    x = np.array([[0.1, 0.2, 0.3]] * 20, np.float32)
    p, n = parameter(0, matrix(20, 3)), parameter(1, scalar(DOUBLE))
    whole = Pipeline((build("==", [p, n]), build("<", [p, literal(0.3)])), 20)
    for way in (False, True):
        found, smaller = Pass(whole, KERNELS, compiled=way).run((x, 0.2))
        np.testing.assert_array_equal(found, x == np.float32(0.2))
        np.testing.assert_array_equal(smaller, x < np.float32(0.3))


def test_results_are_new_each_time() -> None:
    for way in (False, True):
        run = Pass(pipeline(), KERNELS, compiled=way).run
        first, second = run((X, 2.0)), run((X, 3.0))
        check(first)
        assert not np.shares_memory(first[0], second[0])
        assert not np.shares_memory(first[0], X)


# -- compiled functions ------------------------------------------------------------------------------------------------


def loops_for(rows: int, cols: int, factor: float) -> tuple[str, str]:
    x = parameter(0, matrix(rows, cols))
    (function,) = Pass(
        Pipeline((build("exp", [build("*", [x, literal(factor)])]),), rows), KERNELS, compiled=True
    ).functions((np.zeros((rows, cols)),))
    return function


def test_one_function_serves_matrices_of_many_sizes() -> None:
    assert loops_for(100, 90, 0.1) == loops_for(5000, 120, 0.7)
    assert loops_for(100, 90, 0.1) != loops_for(100, 90, 2.0), "the compiler knows what to make of 2"
    assert loops_for(100, 90, 0.1) != loops_for(100, 3, 0.1), "short rows are unrolled"


SOURCE = """\
def kernel(rows, tile, p0_all, o0_all, s0):
    for first in range(0, rows, tile):
        for i in range(min(tile, rows - first)):
            o0_all[first + i] = p0_all[first + i] * s0 + {number}
"""
SIGNATURE = "void(int64, int64, float64[::1], float64[::1], float64)"


def works(function: Callable[..., Any], number: float) -> bool:
    x, out = np.arange(5.0), np.empty(5)
    function(5, 2, x, out, 2.0)
    return bool((out == x * 2 + number).all())


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder of its own, and no function known to this process."""
    monkeypatch.setenv("GRAMIAN_CACHE", str(tmp_path / "new" / "cache"))
    monkeypatch.setattr(compiled, "_functions", {})
    compiled.folder.cache_clear()
    found = compiled.folder()
    assert found is not None
    yield found
    compiled.folder.cache_clear()


def files(place: Path) -> dict[str, Path]:
    """The source, index and machine code of the one function in a folder."""
    found = {path.suffix: path for path in (*place.glob("*.py"), *(place / "__pycache__").iterdir())}
    assert set(found) == {".py", ".nbi", ".nbc"}
    return found


def test_compiled_functions_stay_on_disk(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = SOURCE.format(number=1)
    assert compiled.price(source, SIGNATURE) == compiled.compiling(source)
    assert works(compiled.function(source, SIGNATURE), 1)
    assert compiled.price(source, SIGNATURE) == 0.0
    stamp = files(place)[".nbc"].stat().st_mtime_ns
    monkeypatch.setattr(compiled, "_functions", {})
    assert compiled.price(source, SIGNATURE) == compiled.LOAD
    assert compiled.price(SOURCE.format(number=2), SIGNATURE) == compiled.compiling(source)
    function = compiled.function(source, SIGNATURE)
    assert works(function, 1)
    assert sum(function.stats.cache_hits.values()) == 1  # type: ignore[attr-defined]
    assert files(place)[".nbc"].stat().st_mtime_ns == stamp


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "garbage": lambda content: bytes(range(256)) * 9,
}


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [(".py", "cut"), (".nbi", "empty"), (".nbi", "garbage"), (".nbc", "cut"), (".nbc", "garbage")],
)
def test_damaged_files_are_made_anew(place: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, damage: str) -> None:
    source = SOURCE.format(number=3)
    assert works(compiled.function(source, SIGNATURE), 3)
    for _ in range(2):
        file = files(place)[suffix]
        file.write_bytes(DAMAGES[damage](file.read_bytes()))
        monkeypatch.setattr(compiled, "_functions", {})
        assert works(compiled.function(source, SIGNATURE), 3)
    monkeypatch.setattr(compiled, "_functions", {})
    function = compiled.function(source, SIGNATURE)
    assert sum(function.stats.cache_hits.values()) == 1, "what was made anew is found again"  # type: ignore[attr-defined]


def test_long_sources_take_longer() -> None:
    assert compiled.compiling(SOURCE * 20) > 2 * compiled.compiling(SOURCE) > 2 * compiled.LOAD


def test_a_source_of_another_version_is_not_used(place: Path) -> None:
    source = SOURCE.format(number=4)
    name = compiled.name_of(source, SIGNATURE)
    (place / f"{name}.py").write_text("def kernel(*_): raise AssertionError\n")
    assert works(compiled.function(source, SIGNATURE), 4)


@pytest.mark.parametrize("lost", ["folder", "machine code"])
def test_a_cache_that_cannot_be_written(
    place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lost: str
) -> None:
    """From the start, or all of a sudden."""
    source = SOURCE.format(number=5)
    if lost == "folder":
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("GRAMIAN_CACHE", str(tmp_path / "file" / "cache"))
        compiled.folder.cache_clear()
        assert compiled.folder() is None
        assert compiled.price(source, SIGNATURE) == compiled.compiling(source)
    else:
        (place / "__pycache__").write_text("where the folder should be")
    assert works(compiled.function(source, SIGNATURE), 5)
    assert not list(place.glob("*.tmp"))
    monkeypatch.setattr(compiled, "_functions", {})
    assert works(compiled.function(source, SIGNATURE), 5)


def test_what_does_not_compile_says_so(place: Path) -> None:
    with pytest.raises(Exception, match="nowhere"):
        compiled.function("def kernel(x):\n    nowhere(x)\n", "void(float64)")
    assert not list((place / "__pycache__").glob("*.nbc"))


TWO = """
import sys
import numpy as np
from gramian.backends.local.fused import compiled
for number in range(2):
    x, out = np.arange(5.0), np.empty(5)
    compiled.function(sys.argv[1].format(number=number), sys.argv[2])(5, 2, x, out, 2.0)
    assert (out == x * 2 + number).all()
print("well")
"""


def test_two_processes_compile_at_once(place: Path) -> None:
    command = [sys.executable, "-c", TWO, SOURCE, SIGNATURE]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) for _ in range(2)]
    assert [process.communicate()[0] for process in running] == ["well\n"] * 2
    assert len(list(place.glob("*.py"))) == 2
    assert not list(place.glob("*.tmp"))


def test_threads_compile_a_function_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: compiled.function(SOURCE.format(number=6), SIGNATURE), range(8)))
    assert all(function is found[0] for function in found)
    assert works(found[0], 6)


def test_sources_are_what_a_writer_makes() -> None:
    """Nothing in them depends on the process: they are the key under which machine code is found."""
    nodes: list[Node] = mixed(67).nodes[:1]
    assert Writer(nodes, nodes).write().source == Writer(nodes, nodes).write().source
