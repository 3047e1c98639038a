"""Encoding frames, and applying what was learned: against pandas, scikit-learn, NumPy and values computed by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from calls import call, infer
from hypothesis import given, strategies as st
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.preprocessing import OneHotEncoder

import gramian.ops.transform  # noqa: F401
from gramian.errors import OperationError, SizeError
from gramian.ir import imputed
from gramian.ir.frame import BOOLEAN, FP64, INT64, STRING, Frame
from gramian.ir.sparse import is_sparse
from gramian.ir.types import DOUBLE, STRING as STRING_TYPE, frame, matrix, results, scalar
from gramian.ops.transform.udf import functions_called_by

NAN = math.nan
GOODS = Frame.of(
    [["red", "blue", "red", None, "green"], [1, None, 3, 4, 2], [10.0, 20.0, None, 40.0, 50.0]],
    [STRING, INT64, FP64],
    ["color", "size", "price"],
)


def texts(*columns: Sequence[str | None], names: list[str] | None = None) -> Frame:
    return Frame.of(columns, [STRING] * len(columns), names)


def doubles(*values: float) -> Frame:
    return Frame.from_matrix(np.array(values, dtype=np.float64).reshape(-1, 1))


def encode(target: Frame, spec: str) -> tuple[Any, Frame]:
    X, M = call("transformencode", target, spec)
    return X.toarray() if is_sparse(X) else X, M


def apply(target: Frame, spec: str, meta: Frame, *embedding: Any) -> Any:
    X = call("transformapply", target, spec, meta, *embedding)
    return X.toarray() if is_sparse(X) else X


def cells(meta: Frame) -> list[list[Any]]:
    return [meta.column(j) for j in range(meta.shape[1])]


def same(found: Any, expected: Any) -> None:
    np.testing.assert_array_equal(found, np.array(expected, dtype=np.float64))


def refusal(work: Any, *args: Any) -> str:
    with pytest.raises(OperationError) as raised:
        work(*args)
    return f"{raised.value.message}; {raised.value.hint}"


# --- recode and pass through ---


def test_recode() -> None:
    X, M = encode(GOODS, '{"ids":true,"recode":[1]}')
    same(X, [[1, 1, 10], [2, NAN, 20], [1, 3, NAN], [NAN, 4, 40], [3, 2, 50]])
    assert M.names == GOODS.names
    assert cells(M) == [["red·1", "blue·2", "green·3"], [None] * 3, [None] * 3]


def test_empty_text_is_missing() -> None:
    X, M = encode(texts(["", "b", None, "", "a", "b"]), "{ids: true, recode: [1]}")
    same(X.T, [[NAN, 1, NAN, NAN, 2, 1]])
    assert cells(M) == [["b·1", "a·2"]]


def test_categories_of_other_types() -> None:
    columns = [[7, None, -1, 7], [1.5, NAN, 1e7, None], [True, None, False, True]]
    X, M = encode(Frame.of(columns, [INT64, FP64, BOOLEAN]), "{ids: true, recode: [1, 2, 3]}")
    same(X, [[1, 1, 1], [NAN, NAN, NAN], [2, 2, 2], [1, NAN, 1]])
    assert cells(M) == [["7·1", "-1·2"], ["1.5·1", "1.0E7·2"], ["TRUE·1", "FALSE·2"]]


def test_columns_in_pieces() -> None:
    pieces = pa.chunked_array([["a", "b"], [], ["c", None, "a"]], pa.string())
    X, _ = encode(Frame(pa.table({"x": pieces, "y": pa.chunked_array([[1.0], [2.0, 3.0, 4.0, 5.0]])})), "{recode: [x]}")
    same(X, [[1, 1], [2, 2], [3, 3], [NAN, 4], [1, 5]])


@given(st.lists(st.none() | st.text(max_size=2), max_size=20))
def test_recode_numbers_like_factorize(column: list[str | None]) -> None:
    target = texts(column)
    X, M = encode(target, "{ids: true, recode: [1]}")
    codes, distinct = pd.factorize(np.array([c or None for c in column], dtype=object))
    same(X[:, 0], np.where(codes < 0, NAN, codes + 1))
    assert [entry.rpartition("·")[0] for entry in cells(M)[0]] == list(distinct)
    same(apply(target, "{ids: true, recode: [1]}", M), X)


def test_numbers_in_text() -> None:
    column = ["1", " 2.5 ", "", None, "  ", "1e3", "-inf", "NaN", "TRUE", "false", "+4"]
    X, _ = encode(texts(column), "{}")
    same(X[:, 0], [1, 2.5, NAN, NAN, NAN, 1000, -math.inf, NAN, 1, 0, 4])


def test_text_that_is_no_number() -> None:
    found = refusal(encode, texts(["1", "2"], ["1", "x7"], names=["a", "b"]), "{}")
    assert found.startswith("'x7' in row 2, column 2 (b) of the frame is not a number; columns of text need a coding")


def test_empty_frames() -> None:
    X, M = encode(texts([], []), "{ids: true, dummycode: [1], bin: [{id: 2, numbins: 3}]}")
    assert X.shape == (0, 1)
    assert M.shape == (0, 2)
    X, M = encode(Frame.from_matrix(np.empty((3, 0))), "{}")
    assert (X.shape, M.shape) == ((3, 0), (0, 0))


# --- dummycode ---


def test_dummycode() -> None:
    X, M = encode(GOODS, '{"ids":true,"recode":[1],"dummycode":[1]}')
    same(X, [[1, 0, 0, 1, 10], [0, 1, 0, NAN, 20], [1, 0, 0, 3, NAN], [0, 0, 0, 4, 40], [0, 0, 1, 2, 50]])
    same(encode(GOODS, "{dummycode: [color]}")[0], X)
    other = texts(["green", "black", "", "red"], ["1"] * 4, ["2"] * 4)
    same(apply(other, "{ids: true, dummycode: [1]}", M)[:, :3], [[0, 0, 1], [0, 0, 0], [0, 0, 0], [1, 0, 0]])


def test_dummycode_of_bins_and_hash_codes() -> None:
    spec = "{ids: true, bin: [{id: 1, numbins: 3}], hash: [2], K: 4, dummycode: [1, 2]}"
    target = Frame.of([[1.0, 9.0, None, 10.0], ["a", "b", None, "c"]], [FP64, STRING])
    X, M = encode(target, spec)
    same(X, [[1, 0, 0, 0, 1, 0, 0], [0, 0, 1, 0, 0, 1, 0], [0] * 7, [0, 0, 1, 0, 0, 0, 1]])
    same(apply(target, spec, M), X)


@pytest.mark.parametrize("rows", [50, 5000])
def test_dummycode_agrees_with_scikit_learn(rows: int) -> None:
    rng = np.random.default_rng(rows)
    columns = [
        [f"k{v:02d}" for v in sorted(set(values))] + [f"k{v:02d}" for v in values]
        for values in rng.integers(0, 30, (3, rows)).tolist()
    ]
    columns = [column[:rows] for column in columns]
    X, M = call("transformencode", texts(*columns), "{ids: true, dummycode: [1, 2, 3]}")
    assert is_sparse(X) == (rows == 5000)
    dense = X.toarray() if is_sparse(X) else X
    categories = [list(dict.fromkeys(column)) for column in columns]
    encoder = OneHotEncoder(categories=categories, sparse_output=False).fit(np.array(columns, object).T)
    same(dense, encoder.transform(np.array(columns, object).T))
    same(apply(texts(*columns), "{ids: true, dummycode: [1, 2, 3]}", M), dense)


def test_sparse_and_dense_results_agree() -> None:
    rng = np.random.default_rng(3)
    rows = 6000
    target = Frame.of(
        [
            [None if v == 3 else f"k{v}" for v in rng.integers(0, 40, rows).tolist()],
            [None if v < 0.1 else 0.0 if v < 0.6 else v for v in rng.random(rows).tolist()],
            rng.standard_normal(rows).tolist(),
            [" ".join(["one", "two", "three"][: v + 1]) for v in rng.integers(0, 3, rows).tolist()],
        ],
        [STRING, FP64, FP64, STRING],
    )
    spec = "{ids: true, dummycode: [1, 3], bin: [{id: 3, numbins: 9}], bag_of_words: [4]}"
    X, M = call("transformencode", target, spec)
    assert is_sparse(X)
    assert X.format == "csr"
    assert X.has_canonical_format
    X.check_format(full_check=True)
    assert X.data.all()
    assert not X.nnz - np.count_nonzero(X.toarray())
    for start in (0, 100):  # parts that are small enough to be dense
        part = Frame(target.table.slice(start, 100))
        same(apply(part, spec, M), X.toarray()[start : start + 100])


# --- bin ---


def test_bins_of_equal_width() -> None:
    spec = "{ids: true, bin: [{id: 1, method: equi-width, numbins: 3}]}"
    X, M = encode(doubles(*range(1, 11)), spec)
    same(X[:, 0], [1, 1, 1, 1, 2, 2, 2, 3, 3, 3])
    assert cells(M) == [["1.0·4.0", "4.0·7.0", "7.0·10.0"]]
    same(apply(doubles(0, 1, 4, 4.001, 11, -5, NAN, math.inf, -math.inf), spec, M)[:, 0], [1, 1, 1, 2, 3, 1, NAN, 3, 1])


def test_bins_of_equal_height() -> None:
    spec = "{ids: true, bin: [{id: 1, method: equi-height, numbins: 4}]}"
    X, M = encode(doubles(*range(1, 11)), spec)
    same(X[:, 0], [1, 1, 1, 2, 2, 3, 3, 3, 4, 4])
    assert cells(M) == [["1.0·3.0", "3.0·5.0", "5.0·8.0", "8.0·10.0"]]
    same(apply(doubles(-9, 3, 3.5, 8, 9, 99, NAN), spec, M)[:, 0], [1, 1, 2, 3, 4, 4, NAN])


@pytest.mark.parametrize("method", ["equi-width", "equi-height"])
def test_bins_of_odd_columns(method: str) -> None:
    spec = f"{{ids: true, bin: [{{id: 1, method: {method}, numbins: 3}}], dummycode: [1]}}"
    assert encode(doubles(NAN, NAN), spec)[0].shape == (2, 0)
    X, M = encode(doubles(NAN, 5, 5), spec)
    same(X[:, 0], [0, 1, 1])
    same(apply(doubles(4, 5), spec, M)[:, 0], [1, 1])
    X, M = encode(doubles(-math.inf, 1, 2, 3, math.inf, NAN), spec)
    same(X, [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0]])


FINITE = st.floats(-1e6, 1e6)


@given(st.lists(FINITE, min_size=1, max_size=30), st.integers(1, 6), st.sampled_from(["equi-width", "equi-height"]))
def test_bins_follow_their_definition(values: list[float], count: int, method: str) -> None:
    spec = f"{{ids: true, bin: [{{id: 1, method: {method}, numbins: {count}}}]}}"
    X, M = encode(doubles(*values), spec)
    ordered, low, high = sorted(values), min(values), max(values)
    edges = [ordered[math.ceil(len(values) * i / count) - 1] for i in range(1, count + 1)]
    for value, code in zip(values, X[:, 0], strict=True):
        if method == "equi-height":
            expected = next(i for i, edge in enumerate(edges, 1) if value <= edge)
        else:
            expected = 1 if high == low else min(max(math.ceil((value - low) / (high - low) * count), 1), count)
        assert code == expected
    same(apply(doubles(*values), spec, M), X)


# --- hash ---


def java_hash(text: str) -> int:
    units = text.encode("utf-16-be")
    result = 0
    for at in range(0, len(units), 2):
        result = (31 * result + int.from_bytes(units[at : at + 2])) & 0xFFFFFFFF
    return result - (result >> 31 << 32)


def test_hash() -> None:
    spec = "{ids: true, hash: [1], K: 3}"
    X, M = encode(GOODS, spec)
    same(X[:, 0], [1, 2, 1, NAN, 2])
    assert cells(M)[0] == ["3"]
    same(apply(GOODS, spec, M), X)
    assert "K = 4, but column 1 (color) was encoded with K = 3" in refusal(
        apply, GOODS, "{ids: true, hash: [1], K: 4}", M
    )


@given(st.lists(st.text(max_size=6), min_size=1, max_size=8), st.integers(1, 1000))
def test_hash_is_that_of_java(column: list[str], count: int) -> None:
    X, _ = encode(texts(column), f"{{ids: true, hash: [1], K: {count}}}")
    same(X[:, 0], [abs(java_hash(text)) % count + 1 if text else NAN for text in column])


def test_hash_of_numbers() -> None:
    spec = "{ids: true, hash: [1, 2], K: 1000}"
    numbers = [5, -7, 2**53 + 1, -(2**63), None]
    X, _ = encode(Frame.of([numbers, [5.0, -7.0, 1e7, 0.5, NAN]], [INT64, FP64]), spec)
    same(X[:, 0], [6, 8, (2**53 + 1) % 1000 + 1, abs(java_hash(str(-(2**63)))) % 1000 + 1, NAN])
    same(X[:, 1], [6, 8, 1, abs(java_hash("0.5")) % 1000 + 1, NAN])


# --- impute and omit ---


def test_impute() -> None:
    spec = """{"ids": true, "recode": [1], "impute": [{"id": 3, "method": "constant", "value": "99"},
              {"id": 1, "method": "global_mode"}, {"id": 2, "method": "global_mean"}]}"""
    X, M = encode(GOODS, spec)
    same(X, [[1, 1, 10], [2, 2.5, 20], [1, 3, 99], [1, 4, 40], [3, 2, 50]])
    assert [imputed.imputed(M, j) for j in range(3)] == ["red", "2.5", "99"]
    other = texts(["", "black", "green"], ["", "7", None], [None, "1", "2"], names=GOODS.names)
    same(apply(other, spec, M), [[1, 2.5, 99], [NAN, 7, 1], [3, 2.5, 2]])


def test_imputed_cells_are_coded_like_others() -> None:
    spec = """{ids: true, dummycode: [1], bin: [{id: 2, numbins: 3}],
              impute: [{id: 1, method: constant, value: green}, {id: 2, method: global_mean}]}"""
    X, _ = encode(GOODS, spec)
    same(X[:, :3], [[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 1]])
    same(X[:, 3], [1, 2, 2, 3, 1])


def test_modes() -> None:
    target = texts(["b", "", "a", "a", "b", "c"], ["10", "9", "", "9", "10", "1"])
    modes = "impute: [{id: 1, method: global_mode}, {id: 2, method: global_mode}]"
    X, M = encode(target, f"{{ids: true, recode: [1], {modes}}}")
    same(X, [[1, 10], [2, 9], [2, 9], [2, 9], [1, 10], [3, 1]])
    assert [imputed.imputed(M, j) for j in range(2)] == ["a", "9.0"]


def test_codes_do_not_depend_on_what_is_imputed() -> None:
    X, _ = encode(texts(["", "b", "a", "a"]), "{ids: true, recode: [1], impute: [{id: 1, method: global_mode}]}")
    same(X.T, [[2, 1, 2, 2]])


def test_impute_with_no_category() -> None:
    spec = "{recode: [color], impute: [{name: color, method: constant, value: black}]}"
    found = refusal(encode, GOODS, spec)
    assert "imputes column 'color' with 'black', which is none of its categories; its categories are red, blue" in found
    number = Frame.of([[3.0, None]], [FP64])
    same(encode(number, "{ids: true, recode: [1], impute: [{id: 1, method: constant, value: 3}]}")[0], [[1], [1]])


@pytest.mark.parametrize("method", ["global_mean", "global_mode"])
def test_impute_from_nothing(method: str) -> None:
    spec = f"{{ids: true, impute: [{{id: 1, method: {method}}}]}}"
    assert "column 'C1' has no cells from which" in refusal(encode, doubles(NAN, NAN), spec)
    assert encode(doubles(), spec)[0].shape == (0, 1)


def test_lost_metadata_of_imputation() -> None:
    spec = "{ids: true, impute: [{id: 1, method: global_mean}]}"
    _, M = encode(doubles(1, NAN), spec)
    lost = Frame.of([M.column(0)], [STRING])
    assert "no value" in refusal(apply, doubles(NAN), spec, lost)
    constant = "{ids: true, impute: [{id: 1, method: constant, value: 4}]}"
    same(apply(doubles(NAN), constant, lost), [[4]])


def test_omit() -> None:
    target = texts(["a", "b", "a", None, "a", "c"], ["1", "", "3", "4", "nan", "6"], ["10", "x", "", "y", "50", "20"])
    X, M = encode(target, "{ids: true, omit: [1, 2], recode: [1]}")
    same(X, [[1, 1, 10], [1, 3, NAN], [3, 6, 20]])
    same(apply(target, "{ids: true, omit: [1, 2], recode: [1]}", M), X)
    assert "'y' in row 4, column 3" in refusal(encode, target, "{ids: true, omit: [2], recode: [1]}")


def test_omit_before_impute() -> None:
    target = texts(["a", "", "b"], ["1", "100", ""])
    X, _ = encode(target, "{ids: true, recode: [1], omit: [1], impute: [{id: 2, method: global_mean}]}")
    same(X, [[1, 1], [2, 1]])


# --- words ---


def test_bag_of_words() -> None:
    spec = "{ids: true, bag_of_words: [1]}"
    target = texts(["The cat, the DOG!", None, "dog-2-dog", "", "Ärger im Büro", "The cat, the DOG!"])
    X, M = encode(target, spec)
    assert cells(M) == [[f"{w}·{i}" for i, w in enumerate(["the", "cat", "dog", "ärger", "im", "büro"], 1)]]
    same(X, [[2, 1, 1, 0, 0, 0], [0] * 6, [0, 0, 2, 0, 0, 0], [0] * 6, [0, 0, 0, 1, 1, 1], [2, 1, 1, 0, 0, 0]])
    same(apply(texts(["a dog", "!"]), spec, M), [[0, 0, 1, 0, 0, 0], [0] * 6])


def test_bag_of_words_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    words = [f"word{chr(97 + a)}{chr(97 + b)}" for a in range(12) for b in range(12)]
    documents = [" ".join(rng.choice(words, rng.integers(0, 9))) for _ in range(500)]
    X, M = call("transformencode", texts(documents), "{ids: true, bag_of_words: [1]}")
    assert is_sparse(X)
    order = [entry.rpartition("·")[0] for entry in cells(M)[0]]
    same(X.toarray(), CountVectorizer(vocabulary=order).fit_transform(documents).toarray())


def test_word_embedding() -> None:
    words = texts(["cat", "dog", "cow"])
    _, M = encode(words, "{ids: true, recode: [1]}")
    E = np.arange(1.0, 7.0).reshape(3, 2)
    spec = "{ids: true, word_embedding: [1]}"
    same(apply(texts(["cow", "bird", None, "cat"]), spec, M, E), [[5, 6], [0, 0], [0, 0], [1, 2]])
    assert "has 2 rows, but there are 3 words" in refusal(apply, words, spec, M, E[:2])
    assert "needs its argument 'embedding'" in refusal(apply, words, spec, M)
    assert "and only then" in refusal(apply, words, "{ids: true, recode: [1]}", M, E)
    assert "cannot learn a word_embedding" in refusal(encode, words, spec)


# --- functions ---


def test_function_of_the_specification() -> None:
    spec = "{ids: true, dummycode: [1], udf: {name: exp, ids: [3, 1]}}"
    X, M = encode(GOODS, spec)
    plain, _ = encode(GOODS, "{ids: true, dummycode: [1]}")
    np.testing.assert_allclose(X[:, [0, 1, 2, 4]], np.exp(plain[:, [0, 1, 2, 4]]))
    same(X[:, 3], plain[:, 3])
    same(apply(GOODS, spec, M), X)


def test_functions_of_the_program() -> None:
    def caller(name: str, args: Sequence[Any]) -> tuple[Any, ...]:
        return {"double": (args[0] * 2, 1.0), "narrow": (args[0][:, :1],), "sum": (1.0,), "none": ()}[name]

    def spec(name: str) -> str:
        return f"{{ids: true, recode: [1], udf: {{name: {name}, ids: [2, 3]}}}}"

    with functions_called_by(caller):
        same(encode(GOODS, spec("double"))[0][0], [1, 2, 20])
        assert "must keep the size of its argument: it gets a 5x2" in refusal(encode, GOODS, spec("narrow"))
        assert "must give a matrix, found a double" in refusal(encode, GOODS, spec("sum"))
        assert "must give a matrix, found nothing" in refusal(encode, GOODS, spec("none"))
    assert "names the function 'double', which does not exist" in refusal(encode, GOODS, spec("double"))


# --- apply ---


def test_unknown_categories() -> None:
    _, M = encode(GOODS, "{recode: [color]}")
    other = texts(["black", "green", None], ["1"] * 3, ["2"] * 3, names=GOODS.names)
    same(apply(other, "{recode: [color]}", M)[:, 0], [NAN, 3, NAN])


def test_metadata_in_any_order_with_dots_in_tokens() -> None:
    M = texts(["a·b·3", None, "x·1", "", "·2"])
    same(apply(texts(["a·b", "x", "a", "·"]), "{ids: true, recode: [1]}", M).T, [[3, 1, NAN, NAN]])


@pytest.mark.parametrize("cell", ["red", "red·", "red·0", "red·x", "red·-1"])
def test_metadata_of_another_form(cell: str) -> None:
    found = refusal(apply, texts(["red"]), "{ids: true, recode: [1]}", texts([cell]))
    assert f"column 1 (C1) of the metadata frame holds '{cell}', expected token·code" in found
    found = refusal(apply, doubles(1), "{ids: true, bin: [{id: 1}]}", texts([cell]))
    assert "expected lower·upper" in found


def test_columns_have_to_be_those_of_the_metadata() -> None:
    _, M = encode(GOODS, "{recode: [color]}")
    with pytest.raises(SizeError, match="a frame of 1 columns and a metadata frame of 3"):
        apply(texts(["red"]), "{recode: [color]}", M)
    moved = GOODS.table.select(["size", "color", "price"])
    assert "column 'size' has number 1 in the frame, but 2 in the metadata" in refusal(
        apply, Frame(moved), "{recode: [color]}", M
    )
    unnamed = GOODS.with_names(["C1", "C2", "C3"])
    same(apply(unnamed, "{recode: [color]}", M), encode(GOODS, "{recode: [color]}")[0])
    same(apply(GOODS, "{recode: [color]}", M.with_names(["C1", "C2", "C3"])), encode(GOODS, "{recode: [color]}")[0])


def test_lines_of_csv_files() -> None:
    _, M = encode(GOODS, "{recode: [color], impute: [{name: price, method: global_mean}]}")
    lines = imputed.csv_lines(M, ",")
    assert lines == ["#Meta·MV,null,null,30.0", "#Meta·ND,3,-1,-1"]
    plain = texts(*cells(M), names=M.names)
    assert imputed.csv_lines(plain, ",") == []
    read = imputed.with_csv_line(plain, lines[0].split(","))
    assert [imputed.imputed(read, j) for j in range(3)] == [None, None, "30.0"]
    assert "has 1 values in its line" in refusal(imputed.with_csv_line, plain, ["#Meta·MV", "1"])


def test_large_frames_are_encoded_by_threads() -> None:
    rng = np.random.default_rng(5)
    rows = 30_000
    columns = [pa.array([f"c{v}" for v in rng.integers(0, 9, rows).tolist()]) for _ in range(4)]
    target = Frame.of(columns, [STRING] * 4)
    X, M = encode(target, "{ids: true, recode: [1, 2, 3, 4]}")
    for j, column in enumerate(columns):
        same(X[:, j], pd.factorize(column.to_pandas())[0] + 1)
    same(apply(target, "{ids: true, recode: [1, 2, 3, 4]}", M), X)


# --- types ---


def test_types() -> None:
    def typed(spec: Any, *size: int) -> Any:
        return infer("transformencode", frame(*size), spec)

    assert typed("{ids: true, recode: [1]}", 5, 3) == results(matrix(5, 3), frame(None, 3))
    assert typed("{ids: true, omit: [1]}", 5, 3) == results(matrix(None, 3), frame(None, 3))
    assert typed("{ids: true, dummycode: [1]}", 5, 3) == results(matrix(5, None), frame(None, 3))
    assert typed(scalar(STRING_TYPE), 5, 3) == results(matrix(), frame(None, 3))
    assert typed("{recode: [a]}") == results(matrix(), frame())
    embedding = infer("transformapply", frame(5, 3), "{ids: true, word_embedding: [2]}", frame(None, 3), matrix(9, 4))
    assert embedding == matrix(5, 6)
    assert infer("transformapply", frame(5, 3), "{}", frame()) == matrix(5, 3)


def test_what_is_wrong_shows_in_types() -> None:
    assert "is no JSON" in refusal(infer, "transformencode", frame(), "{ids: true")
    with pytest.raises(SizeError, match="names column 4"):
        infer("transformencode", frame(5, 3), "{ids: true, recode: [4]}")
    with pytest.raises(SizeError, match="transformapply"):
        infer("transformapply", frame(5, 3), scalar(STRING_TYPE), frame(None, 4))
    assert infer("transformencode", frame(5, 3), scalar(STRING_TYPE)).items[0].value_type is DOUBLE
