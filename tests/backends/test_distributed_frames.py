"""Distributed frames give what frames in memory give, on the samples of all records and for every encoder.

As in test_distributed.py, the cluster is this process.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from here import Here, backend_here
from hypothesis import given, settings, strategies as st
from placements import SAMPLES, check, run, sent_frame
from samples import Sample, convert
from test_distributed import distributed, small_panels

from gramian.api.script import Script
from gramian.backends.local import LocalBackend
from gramian.backends.spark import SparkBackend
from gramian.backends.spark.frame import SparkFrame
from gramian.backends.spark.matrix import SparkMatrix
from gramian.budget import Budget
from gramian.errors import OperationError
from gramian.io import read_value, write_value
from gramian.ir.frame import Frame
from gramian.ir.op import REGISTRY
from gramian.ir.sparse import is_sparse
from gramian.ir.values import ListValue
from gramian.runtime.run import Execution
from gramian.settings import Settings
from gramian.source import Source

__all__ = ["small_panels"]
OF_FRAMES = [sample for sample in SAMPLES if any({"frame", "any"} & param.accepts for param in sample.op.params)]


@pytest.fixture(scope="module")
def backend() -> Iterator[SparkBackend]:
    with backend_here() as found:
        yield found


def variants(backend: SparkBackend, values: list[Any]) -> Iterator[list[Any]]:
    """Every choice of frames to be distributed."""
    frames = [at for at, v in enumerate(values) if isinstance(v, Frame) and all(v.shape)]
    for chosen in itertools.product((False, True), repeat=len(frames)):
        if any(chosen):
            made = list(values)
            for at, there in zip(frames, chosen, strict=True):
                made[at] = sent_frame(backend, made[at], 2) if there else made[at]
            yield made


@pytest.mark.parametrize("sample", OF_FRAMES, ids=str)
def test_samples(sample: Sample, backend: SparkBackend) -> None:
    values = convert(sample.op, sample.values())
    expected = run(sample.op, values, LocalBackend())
    for made in variants(backend, values):
        check(run(sample.op, made, backend), expected)


RNG = np.random.default_rng(5)
ROWS = 61


def some(values: list[Any], missing: float = 0.1) -> list[Any]:
    return [None if RNG.random() < missing else values[RNG.integers(len(values))] for _ in range(ROWS)]


F = Frame.of(
    [
        some(["red", "green", "blue", "", "dark red"]),
        RNG.normal(size=ROWS).round(2).tolist(),
        some([3, 1, 4, 1, 5, 9, 2, 6]),
        some([True, False]),
        some(["a b", "b c c", "D! a", "e"]),
        some([0.5, 2.25, -1.0, float("nan"), 1e10, 0.0]),
        some(["1", " 2 ", "3.5", "TRUE", ""], 0.0),
    ],
    ["STRING", "FP64", "INT64", "BOOLEAN", "STRING", "FP64", "STRING"],
    ["color", "x", "k", "flag", "words", "y", "text"],
)
SPECS = {
    "recode": "recode: [color, k, flag, y, words]",
    "dummycode": "recode: [words], dummycode: [color, words, flag], hash: [k], K: 3",
    "sparse": "dummycode: [color, words, k, y, x]",
    "equi-width": "recode: [color, words], bin: [{name: x, method: equi-width, numbins: 4}, {name: k, numbins: 3}]",
    "equi-height": "recode: [color, words], bin: [{name: x, method: equi-height, numbins: 5}, "
    "{name: y, method: equi-height, numbins: 3}], dummycode: [y]",
    "mean": "recode: [color, words], impute: [{name: k, method: global_mean}, {name: text, method: global_mean}]",
    "mode": "recode: [color, words, flag], impute: [{name: color, method: global_mode}, "
    "{name: k, method: global_mode}, {name: flag, method: global_mode}, {name: y, method: global_mode}]",
    "constant": "recode: [color, words], impute: [{name: color, method: constant, value: blue}, "
    "{name: k, method: constant, value: 7}]",
    "omit": "recode: [color, words], omit: [color, k, y]",
    "omit and impute": "recode: [color, words], omit: [color], bin: [{name: x, numbins: 3}], "
    "impute: [{name: k, method: global_mean}, {name: words, method: global_mode}]",
    "hash": "hash: [color, words, flag, y], K: 7, dummycode: [color]",
    "words": "recode: [color], bag_of_words: [words]",
    "all kinds": "dummycode: [color, k], bag_of_words: [words], recode: [k], omit: [y], "
    "bin: [{name: x, method: equi-height, numbins: 4}], impute: [{name: text, method: global_mode}]",
}


def spec(content: str) -> str:
    return "{" + content + "}"


@pytest.mark.parametrize("step", [7, 20, 100])
@pytest.mark.parametrize("kind", SPECS)
def test_encoders(kind: str, step: int, backend: SparkBackend) -> None:
    encode, apply, decode = (REGISTRY[f"transform{name}"] for name in ("encode", "apply", "decode"))
    there = sent_frame(backend, F, step)
    matrix, meta = run(encode, [there, spec(SPECS[kind])], backend)
    wanted, wanted_meta = run(encode, [F, spec(SPECS[kind])], LocalBackend())
    check(meta, wanted_meta)
    assert meta.table.schema.equals(wanted_meta.table.schema, check_metadata=True)
    check(matrix, wanted)
    assert isinstance(matrix, SparkMatrix)
    other = Frame(F.table.slice(10, 30))
    applied = run(apply, [sent_frame(backend, other, 4), spec(SPECS[kind]), meta, None], backend)
    expected = run(apply, [other, spec(SPECS[kind]), wanted_meta, None], LocalBackend())
    check(applied, expected)
    if kind != "words" and kind != "all kinds":
        found = run(decode, [matrix, spec(SPECS[kind]), meta], backend)
        assert isinstance(found, SparkFrame)
        check(found, run(decode, [wanted, spec(SPECS[kind]), wanted_meta], LocalBackend()))


@pytest.mark.parametrize("content", ["dummycode: [word]", "dummycode: [word], omit: [x]", "bag_of_words: [word]"])
def test_mostly_zeros_stay_on_the_cluster_in_compressed_rows(content: str, backend: SparkBackend) -> None:
    encode, apply, decode = (REGISTRY[f"transform{name}"] for name in ("encode", "apply", "decode"))
    words = [chr(97 + number % 20) + chr(97 + number * 7 % 23) for number in range(4000)]
    frame = Frame.of([words, [None if n % 9 == 0 else n + 0.5 for n in range(4000)]], ["STRING", "FP64"], ["word", "x"])
    there = sent_frame(backend, frame, 600)
    wanted, meta = run(encode, [frame, spec(content)], LocalBackend())
    assert is_sparse(wanted)
    matrix, found_meta = run(encode, [there, spec(content)], backend)
    check(found_meta, meta)
    for found in (matrix, run(apply, [there, spec(content), meta, None], backend)):
        assert isinstance(found, SparkMatrix)
        assert found.sparsity == wanted.nnz / (wanted.shape[0] * wanted.shape[1])
        assert is_sparse(found.fetched((0, 600)))
        check(found, wanted)
    if "bag" not in content:
        check(
            run(decode, [matrix, spec(content), meta], backend),
            run(decode, [wanted, spec(content), meta], LocalBackend()),
        )


TEXT = st.sampled_from([None, "", "a", "b", "a b", "B", "12", "é"])
NUMBER = st.sampled_from([None, 0.0, -1.5, 2.0, float("nan"), 7.25])


@given(
    st.lists(st.tuples(TEXT, TEXT, NUMBER), min_size=1, max_size=30),
    st.integers(1, 9),
    st.sampled_from(["recode: [C1], dummycode: [C2]", "hash: [C1], K: 4, recode: [C2], omit: [C3]",
        "dummycode: [C1], bag_of_words: [C2], bin: [{name: C3, method: equi-height, numbins: 3}]",
        "recode: [C2], bag_of_words: [C1], omit: [C2], bin: [{name: C3, numbins: 2}], dummycode: [C3]"]),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_any_frame(backend: SparkBackend, rows: list[tuple[Any, ...]], step: int, content: str) -> None:
    frame = Frame.of(list(zip(*rows, strict=True)), ["STRING", "STRING", "FP64"])
    encode = REGISTRY["transformencode"]
    check(
        run(encode, [sent_frame(backend, frame, step), spec(content)], backend),
        run(encode, [frame, spec(content)], LocalBackend()),
    )


CASES: dict[str, list[tuple[str, list[Any]]]] = {
    "index": [
        ("rightIndex", [F, 3, 40, 2, 4]),
        ("rightIndex", [F, 3, 40, None, None]),
        ("rightIndex", [F, None, None, 4, None]),
        ("rightIndex", [F, 5, None, None, None]),
    ],
    "binding": [
        ("cbind", [F, F]),
        ("rbind", [F, F, F.select(slice(3), slice(None))]),
        ("rbind", [F.select(slice(None), slice(1, 3)), F.select(slice(None), slice(2, 4))]),
    ],
    "rows": [
        ("map", [F, "x -> x.toUpperCase()", 0]),
        ("map", [F, "py: sorted(x, key=str)", 1]),
        ("replace", [F, "red", "RED"]),
        ("replace", [F.select(slice(None), slice(1, 3)), 1, 2]),
        ("contains", [F, "dark red"]),
        ("contains", [F, "purple"]),
        ("frameCompare", [F, F, "=="]),
        ("removeEmpty", [F, "rows", None, True]),
        ("removeEmpty", [F, "rows", (np.arange(ROWS) % 3 > 0).reshape(-1, 1) * 1.0, True]),
        ("removeEmpty", [F, "rows", np.zeros((1, ROWS)), True]),
        ("as.matrix", [F.select(slice(None), slice(1, 4))]),
        ("as.frame", [F.select(slice(None), slice(1, 3)), ListValue(["a", "b"])]),
        ("dropInvalidLength", [F, np.array([[3.0, -1, -1, -1, 3, -1, -1]])]),
    ],
    "driver": [
        ("toString", [F, 5, 3, 2, False, " ", "\n"]),
        ("colnames", [F]),
        ("typeof", [F]),
        ("nrow", [F]),
        ("detectSchema", [F]),
        ("detectSchema", [Frame.of([["1"] * 30 + ["t"] + ["7"] * (ROWS - 31)], ["STRING"])]),
        ("detectSchema", [Frame.of([["1"] * 30 + ["true", " "] + ["7"] * (ROWS - 32)], ["STRING"])]),
        ("map", [F, "x -> x", 2]),
        ("leftIndex", [F, 7, 3, 4, 3, None]),
    ],
}


@pytest.mark.parametrize("family", CASES)
def test_many_panels(family: str, backend: SparkBackend) -> None:
    for name, values in CASES[family]:
        made = [sent_frame(backend, v, 7) if isinstance(v, Frame) and v.shape[0] == ROWS else v for v in values]
        check(run(REGISTRY[name], made, backend), run(REGISTRY[name], values, LocalBackend()))


def test_frames_of_matrices(backend: SparkBackend) -> None:
    cells = RNG.normal(size=(23, 3))
    found = run(REGISTRY["as.frame"], [distributed(backend, cells, 5), None], backend)
    assert isinstance(found, SparkFrame)
    check(found, Frame.from_matrix(cells))


def test_messages_number_rows_of_the_whole_frame(backend: SparkBackend) -> None:
    frame = Frame.of([["1"] * 30 + ["one"] + ["2"] * 30], ["STRING"])
    there = sent_frame(backend, frame, 7)
    for name, values in (
        ("as.matrix", []),
        ("transformencode", ["{}"]),
        ("transformencode", ["{impute: [{name: C1, method: global_mean}]}"]),
        ("applySchema", [Frame.of([["INT64"]], ["STRING"])]),
    ):
        with pytest.raises(OperationError) as local:
            run(REGISTRY[name], [frame, *values], LocalBackend())
        with pytest.raises(OperationError) as here:
            run(REGISTRY[name], [there, *values], backend)
        assert here.value.message == local.value.message
        assert "row 31" in here.value.message


SCRIPT = """
f = function(frame[unknown] A, int k) return (frame[unknown] B, double s) {
  B = A[, k:(k + 1)]
  s = nrow(B) + sum(as.matrix(A[, 3]) > 2)
}
F = read($in, data_type="frame", format="csv", header=TRUE, schema="STRING,FP64,INT64,BOOLEAN,STRING,FP64,STRING")
[G, s] = f(F, 1)
L = list(F, G)
H = as.frame(L[2])
H[2, 1] = "changed"
for (i in 1:3) { H = rbind(H, F[i:(i + 20), 1:2]) }
while (nrow(H) > 100) { H = H[1:(nrow(H) - 11), ] }
R = matrix(0, 3, 1)
parfor (i in 1:3) { R[i, 1] = nrow(F) + as.double(as.scalar(F[i + 5, 2])) }
print(sum(R))
print(toString(F, rows=3))
print(toString(H, rows=4) + s + nrow(H) + ncol(F) + length(F))
print(as.scalar(F[40, 5]))
[X, M] = transformencode(target=H, spec="{ids: true, recode: [1]}")
print(sum(X) + " " + nrow(M))
write(H, $out, format="csv", header=TRUE)
"""


def test_a_script(backend: SparkBackend, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_value(F, str(tmp_path / "f.csv"), {"format": "csv", "header": True})
    said = []
    for runner, out in ((backend, tmp_path / "here"), (LocalBackend(), tmp_path / "local")):
        settings = Settings(parameters={"in": str(tmp_path / "f.csv"), "out": str(out)})
        script = Script.compile(Source("s.dml", SCRIPT), settings)
        Execution(script.program, runner, settings).run()
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert said[0].count("FRAME") == 2
    check(read_value(str(tmp_path / "here"), {}), read_value(str(tmp_path / "local"), {}))


def test_a_frame_that_does_not_fit_the_driver() -> None:
    backend = SparkBackend(lambda: None, budget=Budget(1 << 20), least=1)
    backend.cluster = Here()
    frame = sent_frame(backend, F, 7)
    frame.row_bytes = 1 << 30
    with pytest.raises(OperationError, match=r"map\(\) needs 65.* in memory") as found:
        run(REGISTRY["map"], [frame, "x -> x", 2], backend)
    assert "needs its input on the driver, not on the cluster" in (found.value.hint or "")
