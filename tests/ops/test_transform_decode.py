"""Back from encoded matrices: frames, maps of columns, and metadata in the folders of old."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calls import call, infer
from hypothesis import given, strategies as st

import gramian.ops.transform  # noqa: F401
from gramian.errors import OperationError, SizeError
from gramian.ir import imputed
from gramian.ir.frame import FP64, INT64, STRING, Frame
from gramian.ir.sparse import densify
from gramian.ir.types import STRING as STRING_TYPE, frame, matrix, scalar

NAN = math.nan
GOODS = Frame.of(
    [["red", "blue", "red", None, "green"], [1, None, 3, 4, 2], [10.0, 20.0, None, 40.0, 50.0]],
    [STRING, INT64, FP64],
    ["color", "size", "price"],
)


def cells(value: Frame) -> list[list[Any]]:
    return [value.column(j) for j in range(value.shape[1])]


def decode(X: Any, spec: str, M: Frame) -> Frame:
    return call("transformdecode", np.array(densify(X), dtype=np.float64), spec, M)


def there_and_back(target: Frame, spec: str) -> Frame:
    X, M = call("transformencode", target, spec)
    return decode(X, spec, M)


def refusal(work: Any, *args: Any) -> str:
    with pytest.raises(OperationError) as raised:
        work(*args)
    return f"{raised.value.message}; {raised.value.hint}"


# --- decode ---


@pytest.mark.parametrize("key", ["recode", "dummycode"])
def test_categories(key: str) -> None:
    found = there_and_back(GOODS, f"{{{key}: [color]}}")
    assert found.names == GOODS.names
    assert found.types == (STRING, FP64, FP64)
    assert cells(found)[0] == GOODS.column(0)
    np.testing.assert_array_equal(cells(found)[1], [1, NAN, 3, 4, 2])


def test_recoded_columns_behind_dummycoded_ones() -> None:
    target = Frame.of([["a", "b", "a"], ["x", None, "y"], ["k", "l", "m"], [1.0, 2.0, 3.0]], [STRING] * 3 + [FP64])
    found = there_and_back(target, "{ids: true, recode: [2, 3], dummycode: [1, 3]}")
    assert cells(found) == cells(target)


def test_codes_of_no_category() -> None:
    _, M = call("transformencode", GOODS, "{recode: [color]}")
    X = np.array([[c, 0, 0] for c in (1, 3, 0, 4, -1, 1.5, NAN, math.inf)])
    assert cells(decode(X, "{recode: [color]}", M))[0] == ["red", "green"] + [None] * 6
    X = np.array([[0, 1, 0], [0, 0, 0], [0.2, 0.1, 0.7], [NAN, 1, 0], [-1, -2, -3]])
    assert cells(decode(np.c_[X, X[:, :2]], "{dummycode: [color]}", M))[0] == ["blue", None, "green", None, None]


@pytest.mark.parametrize("dummy", ["", "dummycode: [1],"])
def test_bins(dummy: str) -> None:
    target = Frame.from_matrix(np.array([[*range(1, 11), NAN]]).T)
    spec = f"{{ids: true, {dummy} bin: [{{id: 1, method: equi-width, numbins: 3}}]}}"
    found = there_and_back(target, spec)
    assert found.types == (FP64,)
    assert cells(found) == [[2.5] * 4 + [5.5] * 3 + [8.5] * 3 + [None]]


def test_hash_codes_stay() -> None:
    target = Frame.of([["red", "blue", None]], [STRING])
    assert cells(there_and_back(target, "{ids: true, hash: [1], K: 3, dummycode: [1]}")) == [[1.0, 2.0, None]]
    found = cells(there_and_back(target, "{ids: true, hash: [1], K: 3}"))[0]
    np.testing.assert_array_equal(found, [1.0, 2.0, NAN])


def test_what_cannot_be_reversed() -> None:
    for spec in ("{ids: true, bag_of_words: [1]}", "{ids: true, dummycode: [1], udf: {name: exp, ids: [2]}}"):
        X, M = call("transformencode", GOODS, spec)
        assert "transformdecode() cannot reverse" in refusal(decode, X, spec, M)


def test_sizes() -> None:
    X, M = call("transformencode", GOODS, "{dummycode: [color]}")
    with pytest.raises(SizeError, match="a matrix of 4 columns, but the specification encodes 3 columns as 5"):
        decode(X[:, :4], "{dummycode: [color]}", M)
    assert decode(np.zeros((0, 5)), "{dummycode: [color]}", M).shape == (0, 3)
    assert decode(np.zeros((0, 0)), "{}", Frame.from_matrix(np.zeros((0, 0)))).shape == (0, 0)


def test_the_frame_does_not_share_memory_with_the_matrix() -> None:
    X = np.array([[1.0], [2.0]])
    _, M = call("transformencode", Frame.from_matrix(X), "{}")
    found = call("transformdecode", X, "{}", M)
    X[0, 0] = 9
    assert cells(found) == [[1.0, 2.0]]


WORDS = st.none() | st.sampled_from(["a", "b", "a·1", "·", "x y", "2"])


@given(st.lists(st.tuples(WORDS, WORDS, st.floats(allow_nan=False)), min_size=1, max_size=12))
def test_decoding_undoes_encoding(rows: list[tuple[str | None, str | None, float]]) -> None:
    target = Frame.of([list(column) for column in zip(*rows, strict=True)], [STRING, STRING, FP64])
    assert cells(there_and_back(target, "{ids: true, recode: [1], dummycode: [2]}")) == cells(target)


# --- where columns are ---


def test_column_map() -> None:
    spec = "{dummycode: [color, size], bin: [{name: size, numbins: 3}]}"
    _, M = call("transformencode", GOODS, spec)
    np.testing.assert_array_equal(call("transformcolmap", M, spec), [[1, 1, 3], [2, 4, 6], [3, 7, 7]])
    np.testing.assert_array_equal(call("getCategoricalMask", M, spec), [[1, 1, 1, 1, 1, 1, 0]])


def test_column_map_of_words_and_hash_codes() -> None:
    spec = "{ids: true, bag_of_words: [1], hash: [2, 3], K: 4, dummycode: [2]}"
    X, M = call("transformencode", GOODS, spec)
    found = call("transformcolmap", M, spec)
    np.testing.assert_array_equal(found, [[1, 1, 3], [2, 4, 7], [3, 8, 8]])
    assert found[-1, 2] == X.shape[1]
    np.testing.assert_array_equal(call("getCategoricalMask", M, spec), [[0, 0, 0, 1, 1, 1, 1, 1]])


def test_mask_of_plain_columns() -> None:
    spec = "{bin: [{name: size}], recode: [color]}"
    _, M = call("transformencode", GOODS, spec)
    np.testing.assert_array_equal(call("getCategoricalMask", M, spec), [[1, 0, 0]])


def test_width_of_embeddings_is_not_known() -> None:
    _, M = call("transformencode", GOODS, "{recode: [color]}")
    found = refusal(call, "transformcolmap", M, "{word_embedding: [color]}")
    assert "does not know how many columns the word_embedding of column 1 (color) has" in found


def test_types() -> None:
    assert infer("transformdecode", matrix(5, 9), "{}", frame(None, 3)) == frame(5, 3)
    assert infer("transformcolmap", frame(2, 3), scalar(STRING_TYPE)) == matrix(3, 3)
    assert infer("getCategoricalMask", frame(2, 3), "{ids: true, hash: [1], K: 4, dummycode: [1]}") == matrix(1, 6)
    assert infer("getCategoricalMask", frame(2, 3), scalar(STRING_TYPE)) == matrix(1, None)
    assert infer("transformmeta", "{}", scalar(STRING_TYPE)) == frame()
    with pytest.raises(OperationError, match="has no key 'recod'"):
        infer("transformmeta", "{recod: [1]}", scalar(STRING_TYPE))


# --- folders ---

SPEC = """{recode: [color], bin: [{name: size, numbins: 3}], hash: [kind], K: 4,
           impute: [{name: price, method: global_mean}]}"""


def stored(folder: Path, files: dict[str, str]) -> str:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    return str(folder)


FILES = {
    "column.names": "color,size,price,kind\n",
    "Recode/color.map": 'green,3\n"dark, red",1\nblue,2\n',
    "Recode/color.ndistinct": "3\n",
    "Bin/size.bin": "2,1,10,3,3\n",
    "Impute/price.impute": "3,30.5\n",
}


def test_stored_metadata(tmp_path: Path) -> None:
    M = call("transformmeta", SPEC, stored(tmp_path, FILES))
    assert M.names == ["color", "size", "price", "kind"]
    expected = [["dark, red·1", "blue·2", "green·3"], ["1.0·4.0", "4.0·7.0", "7.0·10.0"]]
    assert cells(M) == [*expected, [None] * 3, ["4", None, None]]
    assert imputed.imputed(M, 2) == "30.5"
    target = Frame.of(
        [["green", "dark, red"], [5.0, NAN], [NAN, 1.0], ["red", ""]], [STRING, FP64, FP64, STRING], M.names
    )
    X = call("transformapply", target, SPEC, M)
    np.testing.assert_array_equal(X, [[3, 2, 30.5, 112785 % 4 + 1], [1, NAN, 1, NAN]])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("column.names", None, "cannot find the file"),
        ("column.names", "", "is empty"),
        ("Recode/color.map", None, "color.map"),
        ("Recode/color.map", "red\n", "expected token,code, found 'red'"),
        ("Recode/color.map", "red,x\n", "expected token,code, found 'red,x'"),
        ("Bin/size.bin", "2,1,10\n", "expected at least 4 fields, found '2,1,10'"),
        ("Bin/size.bin", "2,low,10,3,3\n", "expected a number in field 2"),
        ("Bin/size.bin", "2,1,10,3,0\n", "does not describe bins"),
        ("Impute/price.impute", "", "expected at least 2 fields"),
    ],
)
def test_stored_metadata_of_another_form(tmp_path: Path, name: str, content: str | None, words: str) -> None:
    files = {key: text for key, text in FILES.items() if key != name} | ({} if content is None else {name: content})
    assert words in refusal(call, "transformmeta", SPEC, stored(tmp_path, files))


def test_stored_metadata_has_no_words(tmp_path: Path) -> None:
    assert "no bag_of_words" in refusal(call, "transformmeta", "{bag_of_words: [color]}", stored(tmp_path, FILES))
