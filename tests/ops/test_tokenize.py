"""Texts cut into words and n-grams, against values computed by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from calls import call, infer

import gramian.ops.tokenize  # noqa: F401
from gramian.errors import OperationError, SizeError
from gramian.ir.frame import INT64, STRING, Frame
from gramian.ir.types import STRING as STRING_TYPE, frame, scalar

DOCUMENTS = Frame.of([[7, 8, 9], ["hello world hello", None, "  big  apple"]], [INT64, STRING], ["id", "text"])


def rows(spec: dict[str, Any], most: int = 100, target: Frame = DOCUMENTS) -> list[tuple[Any, ...]]:
    full = {"algo": "split", "id_cols": [1], "tokenize_col": 2} | spec
    found = call("tokenize", target, json.dumps(full), most)
    return list(zip(*(found.column(j) for j in range(found.shape[1])), strict=True))


def refusal(text: str, *args: Any) -> str:
    with pytest.raises(OperationError) as raised:
        call("tokenize", DOCUMENTS, text, *(args or (5,)))
    return f"{raised.value.message}; {raised.value.hint}"


def test_positions() -> None:
    found = call("tokenize", DOCUMENTS, "{algo: split, out: position, id_cols: [1], tokenize_col: 2}", 10)
    assert found.types == (INT64, INT64, STRING)
    assert found.names == ["C1", "C2", "C3"]
    expected = [(7, 1, "hello"), (7, 7, "world"), (7, 13, "hello"), (9, 3, "big"), (9, 8, "apple")]
    assert rows({"out": "position"}) == expected
    assert rows({"out": "position"}, 1) == [(7, 1, "hello"), (9, 3, "big")]


def test_counts() -> None:
    assert rows({"out": "count"}) == [(7, "hello", 2), (7, "world", 1), (9, "big", 1), (9, "apple", 1)]
    assert rows({"out": "count"}, 1) == [(7, "hello", 2), (9, "big", 1)]
    alphabetic = {"out": "count", "out_params": {"sort_alpha": True}}
    assert rows(alphabetic)[2:] == [(9, "apple", 1), (9, "big", 1)]


def test_hash() -> None:
    # Java: "hello" 99162322, "world" 113318802, "big" 97536, "apple" 93029210
    assert rows({"out": "hash", "out_params": {"num_features": 5}}) == [(7, 3, 3), (9, 1, 1), (9, 2, 1)]
    assert rows({"out": "hash"})[0] == (7, 113318802 % 2**20 + 1, 1)


def test_padding() -> None:
    padded = {"apply_padding": True}
    assert rows({"out": "position"} | padded, 2) == [
        (7, 1, "hello"),
        (7, 7, "world"),
        (8, -1, ""),
        (8, -1, ""),
        (9, 3, "big"),
        (9, 8, "apple"),
    ]
    assert rows({"out": "count"} | padded, 3)[3:6] == [(8, "", -1)] * 3
    assert rows({"out": "hash", "out_params": {"num_features": 5}} | padded, 2)[1:4] == [
        (7, None, 0),
        (8, None, 0),
        (8, None, 0),
    ]


def test_wide() -> None:
    wide = {"format_wide": True}
    assert rows({"out": "position"} | wide, 2) == [(7, "hello", "world"), (8, None, None), (9, "big", "apple")]
    assert rows({"out": "position", "apply_padding": True} | wide, 2)[1] == (8, "", "")
    found = rows({"out": "hash", "out_params": {"num_features": 5}} | wide, 3)
    assert found == [(7, 0, 0, 3), (8, 0, 0, 0), (9, 1, 1, 0)]


def test_separator() -> None:
    target = Frame.of([[1], ["a, b,c"]], [INT64, STRING])
    spec = {"out": "position", "algo_params": {"regex": ",\\s*"}}
    assert rows(spec, 9, target) == [(1, 1, "a"), (1, 4, "b"), (1, 6, "c")]
    assert [r[2] for r in rows({"out": "position", "algo_params": {"regex": ""}}, 9, target)] == list("a, b,c")


def test_groups_of_words() -> None:
    spec = {"algo": "ngram", "out": "position", "algo_params": {"min_gram": 2, "max_gram": 3}}
    expected = [(7, 1, "('hello', 'world')"), (7, 7, "('world', 'hello')"), (7, 1, "('hello', 'world', 'hello')")]
    assert rows(spec) == [*expected, (9, 3, "('big', 'apple')")]
    assert [r[1] for r in rows({"algo": "ngram", "out": "count"})][:4] == [
        "('hello')",
        "('world')",
        "('hello', 'world')",
        "('world', 'hello')",
    ]


def test_parts_of_words() -> None:
    target = Frame.of([[1], ["abc de"]], [INT64, STRING])
    spec = {"algo": "ngram", "out": "position", "algo_params": {"min_gram": 2, "max_gram": 3, "ngram_type": "token"}}
    assert rows(spec, 9, target) == [(1, 1, "ab"), (1, 2, "bc"), (1, 1, "abc"), (1, 5, "de")]


def test_columns() -> None:
    target = Frame.of([[12, 34], ["a", "b"], ["x", "y"]], [INT64, STRING, STRING])
    spec = {"out": "position", "id_cols": [3, 2], "tokenize_col": 1}
    assert rows(spec, 9, target) == [("x", "a", 1, "12"), ("y", "b", 1, "34")]
    assert rows(spec | {"id_cols": []}, 9, target) == [(1, "12"), (1, "34")]
    assert rows({"out": "count"}, 9, Frame.of([[], []], [INT64, STRING])) == []


GOOD = "algo: split, out: count, id_cols: [1], tokenize_col: 2"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{algo: split", "specification of tokenize() is no JSON"),
        (f"{{{GOOD}, format_wid: true}}", "has no key 'format_wid'; did you mean 'format_wide'?"),
        (f"{{{GOOD}, format_wide: true}}", "cannot write counts in the wide format"),
        ("{out: count, id_cols: [1], tokenize_col: 2}", "lacks its key 'algo'; it is one of split, ngram"),
        ("{algo: whitespace, out: count}", "'algo' of the specification of tokenize() is \"whitespace\", which is not"),
        ("{algo: split, id_cols: [1], tokenize_col: 2}", "lacks its key 'out'"),
        ("{algo: split, out: count, tokenize_col: 2}", "lacks its key 'id_cols'"),
        ("{algo: split, out: count, id_cols: [1]}", "lacks its key 'tokenize_col'"),
        ("{algo: split, out: count, id_cols: [0], tokenize_col: 2}", "'id_cols'"),
        ("{algo: split, out: count, id_cols: [1], tokenize_col: 3}", "names column 3, but the frame has 2 columns"),
        (f"{{{GOOD}, algo_params: {{min_gram: 2}}}}", "has no key 'min_gram'"),
        (f"{{{GOOD}, algo_params: 3}}", "'algo_params' of the specification of tokenize() must be an object, found 3"),
        (f"{{{GOOD}, algo_params: {{regex: '('}}}}", "is no regular expression: ("),
        (f"{{{GOOD}, algo_params: {{regex: 1}}}}", "'regex' of the specification of tokenize() must be text"),
        (f"{{{GOOD}, out_params: {{num_features: 2}}}}", "has no key 'num_features'"),
        (f"{{{GOOD.replace('count', 'position')}, out_params: {{x: 2}}}}", "must be empty for this output"),
        (
            f"{{{GOOD.replace('split', 'ngram')}, algo_params: {{min_gram: 3}}}}",
            "min_gram 3, which is more than max_gram 2",
        ),
        (f"{{{GOOD.replace('split', 'ngram')}, algo_params: {{ngram_type: word}}}}", "it is one of document, token"),
    ],
)
def test_refusals(text: str, words: str) -> None:
    assert words in refusal(text)


def test_limit() -> None:
    assert "argument 'max_tokens' of tokenize() must be at least 1, found 0" in refusal(f"{{{GOOD}}}", 0)


def test_types() -> None:
    position = f"{{{GOOD.replace('count', 'position')}"
    assert infer("tokenize", frame(3, 2), f"{position}}}", 4) == frame(None, 3)
    assert infer("tokenize", frame(3, 2), f"{position}, apply_padding: true}}", 4) == frame(12, 3)
    assert infer("tokenize", frame(3, 2), f"{position}, format_wide: true}}", 4) == frame(3, 5)
    assert infer("tokenize", frame(3, 2), scalar(STRING_TYPE), 4) == frame()
    with pytest.raises(SizeError, match=r"names column 2, but the frame has 1 column$"):
        infer("tokenize", frame(3, 1), f"{position}}}", 4)
