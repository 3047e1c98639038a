"""Frames on a cluster: read, encoded with dictionaries that all partitions together make, and written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gramian
from gramian.backends.spark import SparkBackend
from gramian.backends.spark.frame import SparkFrame
from gramian.backends.spark.matrix import SparkMatrix
from gramian.errors import ScriptError
from gramian.io import read_value

ROWS = 3000
SPEC = "{recode: [name], dummycode: [color], bin: [{name: x, method: equi-height, numbins: 4}], omit: [color], \
impute: [{name: k, method: global_mean}]}"
READ = 'F = read($in, data_type="frame", format="csv", header=TRUE, schema="STRING,STRING,FP64,INT64");\n'
ENCODE = f"""{READ}
    [X, M] = transformencode(target=F, spec="{SPEC}")
    Y = transformapply(target=F[1001:2000,], spec="{SPEC}", meta=M)
    D = transformdecode(target=X, spec="{SPEC}", meta=M)
    G = removeEmpty(target=F, margin="rows", select=as.matrix(F[, 3]) > 0)
    U = map(F[, 1], "x -> x.toUpperCase()")
    B = rbind(cbind(F[, 1], U), cbind(F[, 2], F[, 2]))
    q = quantile(as.matrix(F[, 3]), 0.9)
    text = toString(F, rows=2)
"""
OUTPUTS = ["F", "X", "M", "Y", "D", "G", "U", "B", "q", "text"]


@pytest.fixture
def session(spark: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[gramian.Session]:
    monkeypatch.setattr("gramian.backends.spark.matrix.PANEL_BYTES", 1 << 15)
    monkeypatch.setattr("gramian.io.chunks.CHUNK_BYTES", 1 << 13)
    with gramian.Session(spark=spark) as found:
        assert isinstance(found.backend, SparkBackend)
        found.backend.placement = replace(found.backend.placement, least=1 << 12)
        yield found


@pytest.fixture
def path(tmp_path: Path) -> str:
    rng = np.random.default_rng(4)
    colors = ["red", '"light ""blue"""', '"green,\nyellow"', ""]
    lines = [
        f"n{rng.integers(5000)},{colors[rng.integers(4)]},{rng.normal():.4f},{rng.integers(9) if i % 8 else ''}"
        for i in range(ROWS)
    ]
    tmp_path.chmod(0o755)
    (tmp_path / "f.csv").write_text("name,color,x,k\n" + "\n".join(lines) + "\n")
    return str(tmp_path / "f.csv")


def test_encoding_is_that_of_one_machine(session: gramian.Session, path: str) -> None:
    found = session.run(ENCODE, outputs=OUTPUTS, parameters={"in": path})
    with gramian.Session() as local:
        expected = local.run(ENCODE, outputs=OUTPUTS, parameters={"in": path})
    for name in ("F", "D", "G", "U", "B"):
        assert type(found._values[name]) is SparkFrame, name
        assert found[name].equals(expected[name]), name
    for name in ("X", "Y"):
        assert type(found._values[name]) is SparkMatrix
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12)
    assert found["M"].equals(expected["M"])
    assert (found["q"], found["text"]) == (expected["q"], expected["text"])


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_folders_of_parts(session: gramian.Session, path: str, tmp_path: Path, format: str) -> None:
    header = ", header=TRUE" if format == "csv" else ""
    out = tmp_path / "out"
    session.run(f'{READ} write(F, "{out}", format="{format}"{header})', parameters={"in": path})
    assert out.is_dir()
    again = session.run(f'F = read("{out}", data_type="frame")', outputs=["F"])
    assert type(again._values["F"]) is SparkFrame
    with gramian.Session() as local:
        expected = local.run(READ, outputs=["F"], parameters={"in": path})["F"]
    assert again["F"].equals(expected)
    assert read_value(str(out), {"data_type": "frame"}).table.equals(expected)


def test_lost_blocks_are_made_again_with_their_dictionaries(session: gramian.Session, path: str) -> None:
    script = f'{READ} [X, M] = transformencode(target=F, spec="{{recode: [name, color]}}"); Y = X[, 1] * 2'
    found = session.run(script, outputs=["X", "Y"], parameters={"in": path})
    recipe = found._values["X"].recipe
    assert recipe.is_landmark  # the dictionary does not go with every job
    cells = found["X"]
    assert isinstance(session.backend, SparkBackend)
    session.backend.cluster.close()
    np.testing.assert_array_equal(found["X"], cells)
    np.testing.assert_array_equal(found["Y"][:, 0], cells[:, 0] * 2)


def test_what_is_wrong_is_told_as_on_one_machine(session: gramian.Session, path: str) -> None:
    with pytest.raises(ScriptError) as found:
        session.run(f'{READ} [X, M] = transformencode(target=F, spec="{{}}")', outputs=["X"], parameters={"in": path})
    with gramian.Session() as local, pytest.raises(ScriptError) as expected:
        local.run(f'{READ} [X, M] = transformencode(target=F, spec="{{}}")', outputs=["X"], parameters={"in": path})
    assert str(found.value) == str(expected.value)
