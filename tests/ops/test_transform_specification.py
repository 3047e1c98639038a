"""The transform specification: the JSON that is read, and what is refused with which words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from gramian.errors import OperationError, SizeError
from gramian.ops.transform.lenient_json import _Reader, read_object
from gramian.ops.transform.specification import (
    EQUI_HEIGHT,
    EQUI_WIDTH,
    Binning,
    Coding,
    Imputation,
    output_cols,
    parse,
)

NAMES = ["city", "price", "size", "view"]


def refusal(text: str, names: list[str] | None = None) -> str:
    with pytest.raises(OperationError) as raised:
        parse(text).resolve(NAMES if names is None else names)
    return f"{raised.value.message}; {raised.value.hint}"


# --- JSON ---


@pytest.mark.parametrize(
    "text",
    [
        '{"ids": true, "recode": [1, 2], "name": "a b"}',
        "{ids: true, recode: [1, 2], name: 'a b'}",
        "{ 'ids' :TRUE,recode:[ 1,2 ],\n\tname:\"a b\" }",
    ],
)
def test_quotes_may_be_left_out(text: str) -> None:
    assert read_object(text, "x") == {"ids": True, "recode": [1, 2], "name": "a b"}


def test_bare_values() -> None:
    text = '{a: null, b: false, c: -1.5e3, d: 007, e: x-y.z, f: {}, g: [], h: \'it\\\'s "so"\', i: "\\u0041\\n"}'
    expected = {"a": None, "b": False, "c": -1500.0, "d": "007", "e": "x-y.z", "f": {}, "g": [], "h": 'it\'s "so"'}
    assert read_object(text, "x") == expected | {"i": "A\n"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(JSON)
def test_the_lenient_reader_reads_all_json(value: object) -> None:
    assert _Reader(json.dumps(value), "x").document() == value
    assert _Reader(json.dumps(value, ensure_ascii=False, indent=1), "x").document() == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a value, found its end"),
        ("{ids: true, recode: [1, 2", "expected ',' or ']', found its end"),
        ("{ids: true,, recode: [1]}", "expected a key, found ',' at character 12"),
        ("{ids true}", "expected ':', found 'true' at character 6"),
        ("{ids: }", "expected a value, found '}' at character 7"),
        ("{ids: true} x", "expected the end, found 'x' at character 13"),
        ('{ids: "tru}', 'the quotes of "tru} never end'),
        ('{ids: "\\x"}', "is no JSON"),
        ("[1, 2]", "must be a JSON object, found [1, 2]"),
        ("recode", 'must be a JSON object, found "recode"'),
        ('{"ids": true, "ids": false}', "has the key 'ids' twice"),
        ("{recode: [a], recode: [b]}", "has the key 'recode' twice"),
        ("[" * 100_000, "nested more than 50 levels deep"),
    ],
)
def test_what_is_no_json(text: str, words: str) -> None:
    found = refusal(text)
    assert words in found
    assert "the transform specification" in found


# --- meaning ---


def test_all_keys() -> None:
    plan = parse(
        """{"ids": true, "recode": [1], "dummycode": [1, 5], "bin": [{"id": 2, "method": "Equi-Height", "numbins": 4}],
        "hash": [3], "K": 7, "impute": [{"id": 2, "method": "global_mean"},
        {"id": 6, "method": "constant", "value": 9}],
        "omit": [1, 3], "word_embedding": [7], "bag_of_words": [8], "udf": {"name": "scale", "ids": [6, 2]}}"""
    ).resolve([f"C{j}" for j in range(1, 9)])
    codings = [Coding.RECODE, Coding.BIN, Coding.HASH, Coding.PASS, Coding.RECODE, Coding.PASS]
    assert [c.coding for c in plan.columns] == [*codings, Coding.EMBEDDING, Coding.WORDS]
    assert [c.dummy for c in plan.columns] == [j in (0, 4) for j in range(8)]
    assert [c.omit for c in plan.columns] == [j in (0, 2) for j in range(8)]
    assert plan.columns[1].binning == Binning(EQUI_HEIGHT, 4)
    assert plan.columns[1].imputation == Imputation("global_mean")
    assert plan.columns[5].imputation == Imputation("constant", "9")
    assert (plan.buckets, plan.function, plan.function_columns) == (7, "scale", (1, 5))


def test_names_and_numbers_mean_the_same() -> None:
    by_name = parse("{recode: [city, view], bin: [{name: size}], impute: [{name: view, method: GLOBAL_MODE}]}")
    by_id = parse("{ids: true, recode: [4, 1], bin: [{id: 3}], impute: [{id: 4, method: global_mode}]}")
    assert by_name.resolve(NAMES) == by_id.resolve(NAMES)
    assert by_name.resolve(NAMES).columns[2].binning == Binning(EQUI_WIDTH, 1)


def test_attributes_form() -> None:
    assert parse('{"ids": true, "recode": {"attributes": [1, 4]}}') == parse("{ids: true, recode: [1, 4]}")


def test_approximate_bins_are_exact() -> None:
    plan = parse("{ids: true, bin: [{id: 1, method: equi-height-approx, numbins: 3}]}").resolve(["a"])
    assert plan.columns[0].binning == Binning(EQUI_HEIGHT, 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{recod: [city]}", "has no key 'recod'; did you mean 'recode'?"),
        ("{scale: [city]}", "has no key 'scale'; the keys are K, bag_of_words, bin, dummycode,"),
        ("{recode: [citty]}", "column 'citty', which does not exist; did you mean 'city'?"),
        ("{recode: [colour]}", "column 'colour', which does not exist; the columns are city, price, size, view"),
        ("{ids: true, recode: [5]}", "names column 5, but there are only 4 columns"),
        ("{ids: true, recode: [0]}", "must be a whole number from 1 on, found 0"),
        ("{ids: true, recode: [1.5]}", "must be a whole number from 1 on, found 1.5"),
        ("{ids: true, recode: [city]}", 'with "ids": true columns are given by numbers'),
        ("{recode: [1]}", 'add "ids": true'),
        ("{recode: [[city]]}", 'must hold names of columns, found ["city"]'),
        ("{recode: city}", 'must be a list of columns, found "city"; as in'),
        ("{ids: 3}", "key 'ids' of the transform specification must be true or false, found 3"),
        ("{recode: [city, city]}", "key 'recode' of the transform specification names column 'city' twice"),
        ("{recode: {columns: [city]}}", "has no key 'columns'"),
        # codings
        ("{ids: true, recode: [1], hash: [1], K: 3}", "asks for both recode and hash of column 1"),
        ("{recode: [size], bin: [{name: size}]}", "asks for both recode and bin of column 'size'"),
        ("{bag_of_words: [city], dummycode: [city]}", "asks for both bag_of_words and dummycode of column 'city'"),
        ("{word_embedding: [city], dummycode: [city]}", "asks for both word_embedding and dummycode"),
        ("{omit: [city], impute: [{name: city, method: global_mode}]}", "asks for both omit and impute"),
        # bin
        ("{bin: [price]}", "must be a list of objects"),
        ("{bin: {name: price}}", "must be a list of objects"),
        ("{bin: [{name: price, bins: 3}]}", "has no key 'bins'; did you mean 'numbins'?"),
        ("{bin: [{numbins: 3}]}", "has no 'name'"),
        ("{bin: [{id: 1}]}", 'has no \'name\': {"id": 1}; add "ids": true'),
        ("{ids: true, bin: [{name: price}]}", "has no 'id'"),
        ("{bin: [{name: price, numbins: 0}]}", "'numbins' of column 'price'"),
        (
            "{bin: [{name: price, method: equi-wide}]}",
            "unknown method \"equi-wide\" to bin column 'price'; did you mean",
        ),
        ("{bin: [{name: price, method: 3}]}", "the methods are equi-width, equi-height, equi-height-approx"),
        # impute
        (
            "{impute: [{name: price}]}",
            "no method to impute column 'price'; the methods are global_mean, global_mode, con",
        ),
        ("{impute: [{name: price, method: constant}]}", "lacks the value to impute column 'price'"),
        ("{impute: [{name: price, method: global_mean, value: 3}]}", "has a value to impute column 'price'"),
        ("{impute: [{name: price, method: constant, value: [3]}]}", "with [3], which is no text or number"),
        ("{impute: [{name: price, method: constant, value: x}]}", "column 'price' with 'x', which is no number"),
        (
            "{recode: [city], impute: [{name: city, method: global_mean}]}",
            "both recode and global_mean of column 'city'",
        ),
        # hash
        ("{hash: [city]}", "lacks K"),
        ("{K: 3}", "has K, but no column to hash"),
        ("{hash: [city], K: 0}", "'K' of the transform specification must be a whole number from 1 on, found 0"),
        ("{hash: [city], K: many}", "must be a whole number"),
        # udf
        ("{udf: scale}", "key 'udf' of the transform specification must be an object"),
        ("{udf: {name: scale}}", 'must list columns under "ids"'),
        ("{udf: {ids: [price]}}", "must have the name of a function"),
        ("{udf: {name: scale, cols: [price]}}", "has no key 'cols'"),
    ],
)
def test_refusals(text: str, words: str) -> None:
    assert words in refusal(text)


def test_names_that_several_columns_have() -> None:
    assert "several columns have that name" in refusal("{recode: [a]}", ["a", "b", "a"])
    assert parse("{recode: [b]}").resolve(["a", "b", "a"]).having(Coding.RECODE) == [1]


def test_numbers_of_columns_are_sizes() -> None:
    with pytest.raises(SizeError, match="names column 3, but there is only 1 column"):
        parse("{ids: true, udf: {name: scale, ids: [3]}}").check_cols(1)
    parse("{ids: true, recode: [3]}").check_cols(None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", 4),
        ("{ids: true, recode: [1], bin: [{id: 2, numbins: 3}], omit: [3]}", 4),
        ("{ids: true, hash: [1, 2], K: 5, dummycode: [2]}", 8),
        ("{ids: true, word_embedding: [1]}", 13),
        ("{ids: true, dummycode: [1]}", None),
        ("{ids: true, bag_of_words: [1]}", None),
        ("{ids: true, recode: [1], udf: {name: scale, ids: [2]}}", 4),
    ],
)
def test_columns_of_the_matrix(text: str, expected: int | None) -> None:
    assert output_cols(parse(text), 4, 10) == expected
    assert output_cols(parse(text), None, 10) is None
