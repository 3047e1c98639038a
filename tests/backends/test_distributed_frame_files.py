"""Files of frames read and written by workers, which here are this process: the same as on one machine."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from here import backend_here
from hypothesis import given, settings, strategies as st
from placements import check, sent_frame
from test_distributed_frames import F

from gramian.backends.spark import SparkBackend
from gramian.backends.spark.frame import SparkFrame
from gramian.errors import OperationError
from gramian.io import chunks, read_value
from gramian.io.records import ends_in, record_ends
from gramian.ir.frame import Frame
from gramian.ir.op import REGISTRY
from gramian.ops.io import _READ, _WRITE


@pytest.fixture(scope="module")
def backend() -> Iterator[SparkBackend]:
    with backend_here() as found:
        yield found


@pytest.fixture(autouse=True, scope="module")
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gramian.backends.spark.matrix.PANEL_BYTES", 64)
        patch.setattr(chunks, "CHUNK_BYTES", 7)
        yield


def read(backend: SparkBackend, path: Path, **options: Any) -> Any:
    options = {"data_type": "frame", **options}
    kernel = backend.kernel(REGISTRY["read"])
    assert kernel is not None
    return kernel(str(path), *(options.get(name) for name, _ in _READ))


def write(backend: SparkBackend, value: Any, path: Path, **options: Any) -> None:
    kernel = backend.kernel(REGISTRY["write"])
    assert kernel is not None
    kernel(value, str(path), *(options.get(name) for name, _ in _WRITE))


def local(path: Path, **options: Any) -> Any:
    return read_value(str(path), {"data_type": "frame", **options})


CELL = st.text(alphabet='ab",\n1 é', max_size=5)


@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=3, max_size=12), st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_quoted_texts(
    backend: SparkBackend, tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], header: bool, all: bool
) -> None:
    path = tmp_path_factory.mktemp("csv") / "f.csv"
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL if all else csv.QUOTE_MINIMAL, lineterminator="\n")
    writer.writerows([["x", "y", "z"]] * header + rows)
    path.write_text(out.getvalue())
    found = read(backend, path, format="csv", header=header)
    assert isinstance(found, SparkFrame)
    check(found, local(path, format="csv", header=header))


@given(st.text(alphabet='ab",\n', min_size=1, max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text(backend: SparkBackend, tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("csv") / "f.csv"
    path.write_text(text)
    try:
        expected = local(path, format="csv")
    except OperationError:
        with pytest.raises(OperationError):
            read(backend, path, format="csv")
    else:
        check(read(backend, path, format="csv"), expected)


@given(st.text(alphabet='a",\n', max_size=40), st.integers(1, 39))
@settings(max_examples=300, deadline=None)
def test_chunks_tell_what_the_whole_does(text: str, at: int) -> None:
    whole = text.encode() + b"\n"
    cut = whole.find(b"\n", at) + 1
    places, still_open = record_ends(whole, ",")
    if cut:
        _, within = record_ends(whole[:cut], ",")
        first, second = ends_in(whole[:cut], ",", False), ends_in(whole[cut:], ",", within)
        assert first.count + second.count == len(places)
        assert second.open == still_open
        later = places[places > cut]
        assert second.first == (later[0] - cut if len(later) else -1)


def test_short_lines_names_and_types(backend: SparkBackend, tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("a,b,c\n" + "".join(f"{i},{i / 2}\nx{i}" + ",1,TRUE\n" for i in range(30)))
    for options in ({}, {"schema": "STRING,FP64,BOOLEAN"}, {"naStrings": "7"}):
        check(read(backend, path, header=True, **options), local(path, header=True, **options))
    (tmp_path / "f.csv.mtd").write_text('{"data_type": "frame", "header": true, "schema": "STRING,FP64,BOOLEAN"}')
    found = read(backend, path)
    assert isinstance(found, SparkFrame)
    assert found.types == ("STRING", "FP64", "BOOLEAN")
    check(found, local(path))


def test_folders_of_parts(backend: SparkBackend, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for part, repeats in enumerate([True, False, True]):
        (folder / f"part-{part}").write_bytes(
            b"\xef\xbb\xbf" * (part == 2) + b"k,v\r\n" * repeats + b'1,"two\r\nlines"\r\n3,4\r\n' * 5
        )
    (folder / "part-3").write_bytes(b"")
    found = read(backend, folder, format="csv", header=True)
    assert isinstance(found, SparkFrame)
    check(found, local(folder, format="csv", header=True))


def test_mistakes_have_lines(backend: SparkBackend, tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    for wrong in ("1,2,3\n", "\n"):
        path.write_text('1,"2\n2"\n' * 20 + wrong + '1,"2\n2"\n' * 5)
        with pytest.raises(OperationError) as expected:
            local(path, format="csv")
        with pytest.raises(OperationError) as found:
            read(backend, path, format="csv")
        assert found.value.message == expected.value.message
        assert "line 41" in found.value.message
    path.write_text("1,2\n" * 20 + "1,two\n" + "1,2\n" * 20)
    with pytest.raises(OperationError, match=r"'two' in row 21, column 2 \(C2\)"):
        read(backend, path, format="csv", schema="INT64,INT64")


@pytest.mark.parametrize("format", ["csv", "parquet", "jsonl", "binary"])
def test_what_is_written_comes_back(format: str, backend: SparkBackend, tmp_path: Path) -> None:
    path = tmp_path / f"f.{format}"
    frame = F if format != "jsonl" else F.select(slice(None), slice(0, 4))
    options = {"format": format} | ({"header": True} if format == "csv" else {})
    write(backend, sent_frame(backend, frame, 9), path, **options)
    assert path.is_dir() is (format != "binary")
    check(local(path), frame)
    found = read(backend, path)
    assert isinstance(found, SparkFrame) is (format in ("csv", "parquet"))
    check(found, frame)
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_parquet_of_other_types(backend: SparkBackend, tmp_path: Path) -> None:
    import datetime

    import pyarrow as pa
    from pyarrow import parquet

    dates = [datetime.date(2020, 1, day) for day in range(1, 21)]
    table = pa.table({"d": dates, "c": pa.array(["x", "y"] * 10).dictionary_encode(), "i": pa.array(range(20), "int8")})
    parquet.write_table(table, tmp_path / "f.parquet", row_group_size=6)
    found = read(backend, tmp_path / "f.parquet")
    assert isinstance(found, SparkFrame)
    assert found.recipe.cut.panels > 1
    check(found, Frame(table))


def test_metadata_frames_stay_on_the_driver(backend: SparkBackend, tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("a,b\n#Meta·MV,1,2\n#Meta·ND,1,1\n" + "x·1,y·1\n" * 9)
    found = read(backend, path, header=True)
    assert type(found) is Frame
    assert found.shape == (9, 2)
