"""Texts of a frame cut into words or n-grams, as a specification in JSON says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gramian.errors import OperationError, SizeError, did_you_mean
from gramian.ir.frame import INT64, STRING, Frame
from gramian.ir.op import define
from gramian.ir.scalar import text as scalar_text
from gramian.ir.types import Type, frame as frame_type
from gramian.ops.transform.hashing import bucket_numbers, text_hashes
from gramian.ops.transform.lenient_json import read_object, shown
from gramian.ops.transform.specification import flag, known_keys, whole

WHAT = "the specification of tokenize()"
COUNT, POSITION, HASH = "count", "position", "hash"
_KEYS = ("algo", "algo_params", "out", "out_params", "id_cols", "tokenize_col", "format_wide", "apply_padding")
_SPLIT_PARAMS = ("regex",)
_NGRAM_PARAMS = ("regex", "min_gram", "max_gram", "ngram_type")
_OUT_PARAMS: Mapping[str, tuple[str, ...]] = {COUNT: ("sort_alpha",), POSITION: (), HASH: ("num_features",)}

Token = tuple[str, int]  # a text, and the number of its first character in the document from 1
Row = tuple[Any, Any]  # what stands behind the ids


@dataclass(frozen=True, slots=True)
class Plan:
    """A specification of tokenize(). Columns count from 0; `lengths` are those of n-grams, or None for words."""

    separator: re.Pattern[str]
    lengths: range | None
    of_characters: bool
    out: str
    sorted: bool
    features: int
    ids: tuple[int, ...]
    column: int
    wide: bool
    padded: bool

    def check_cols(self, cols: int | None) -> None:
        largest = max(self.column, *self.ids, 0) + 1
        if cols is not None and largest > cols:
            raise SizeError(f"{WHAT} names column {largest}, but the frame has {cols} column{'s' * (cols != 1)}")


def parse(text: str) -> Plan:
    """The plan in a text.

    Raises:
        OperationError: it is no JSON, or has unknown keys or values.
    """
    content = read_object(text, WHAT)
    known_keys(content, _KEYS, WHAT)
    algo = _choice(content, "algo", ("split", "ngram"))
    params = _params(content, "algo_params", _NGRAM_PARAMS if algo == "ngram" else _SPLIT_PARAMS)
    out = _choice(content, "out", (COUNT, POSITION, HASH))
    out_params = _params(content, "out_params", _OUT_PARAMS[out])
    wide = flag(content, "format_wide", WHAT)
    if wide and out == COUNT:
        raise OperationError(f"{WHAT} cannot write counts in the wide format", f'use "{POSITION}" or "{HASH}"')
    return Plan(
        separator=_pattern(params.get("regex", r"\s+")),
        lengths=_lengths(params) if algo == "ngram" else None,
        of_characters=_choice(params, "ngram_type", ("document", "token"), "document") == "token",
        out=out,
        sorted=flag(out_params, "sort_alpha", f"'out_params' of {WHAT}"),
        features=whole(out_params.get("num_features", 1 << 20), f"'num_features' of {WHAT}"),
        ids=_id_columns(content),
        column=_column(_required(content, "tokenize_col", "the number of the column with the texts"), "tokenize_col"),
        wide=wide,
        padded=flag(content, "apply_padding", WHAT),
    )


def _required(content: Mapping[str, Any], key: str, meaning: str) -> Any:
    if key not in content:
        raise OperationError(f"{WHAT} lacks its key '{key}'", f"it holds {meaning}")
    return content[key]


def _choice(content: Mapping[str, Any], key: str, known: tuple[str, ...], default: str | None = None) -> str:
    value = content.get(key, default)
    if value is None:
        raise OperationError(f"{WHAT} lacks its key '{key}'", f"it is one of {', '.join(known)}")
    if not isinstance(value, str) or value not in known:
        close = did_you_mean(value, known) if isinstance(value, str) else None
        raise OperationError(
            f"key '{key}' of {WHAT} is {shown(value)}, which is not known", close or f"it is one of {', '.join(known)}"
        )
    return value


def _params(content: Mapping[str, Any], key: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    params = content.get(key, {})
    if not isinstance(params, dict):
        raise OperationError(f"key '{key}' of {WHAT} must be an object, found {shown(params)}")
    if params and not known:
        raise OperationError(f"'{key}' of {WHAT} must be empty for this output, found {shown(params)}")
    known_keys(params, known, f"'{key}' of {WHAT}")
    return params


def _pattern(regex: Any) -> re.Pattern[str]:
    if not isinstance(regex, str):
        raise OperationError(f"'regex' of {WHAT} must be text, found {shown(regex)}")
    try:
        return re.compile(regex)
    except re.error as problem:
        raise OperationError(f"'regex' of {WHAT} is no regular expression: {regex}", str(problem)) from None


def _lengths(params: Mapping[str, Any]) -> range:
    least = whole(params.get("min_gram", 1), f"'min_gram' of {WHAT}")
    most = whole(params.get("max_gram", 2), f"'max_gram' of {WHAT}")
    if least > most:
        raise OperationError(f"{WHAT} has min_gram {least}, which is more than max_gram {most}")
    return range(least, most + 1)


def _column(value: Any, key: str) -> int:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return whole(value, f"'{key}' of {WHAT}") - 1


def _id_columns(content: Mapping[str, Any]) -> tuple[int, ...]:
    value = _required(content, "id_cols", "a list of the numbers of columns to repeat beside the tokens")
    return tuple(_column(item, "id_cols") for item in (value if isinstance(value, list) else [value]))


# tokens


def words(text: str, plan: Plan) -> Iterator[Token]:
    """The texts between the separators, without empty ones."""
    start = 0
    for found in plan.separator.finditer(text):
        if found.start() > start:
            yield text[start : found.start()], start + 1
        start = found.end()
    if start < len(text):
        yield text[start:], start + 1


def tokens(text: str, plan: Plan) -> Iterable[Token]:
    found = words(text, plan)
    if plan.lengths is None:
        return found
    return _character_grams(found, plan.lengths) if plan.of_characters else _word_grams(list(found), plan.lengths)


def _word_grams(found: list[Token], lengths: range) -> Iterator[Token]:
    for length in lengths:
        for at in range(len(found) - length + 1):
            group = found[at : at + length]
            yield "('" + "', '".join(word for word, _ in group) + "')", group[0][1]


def _character_grams(found: Iterable[Token], lengths: range) -> Iterator[Token]:
    for word, start in found:
        for length in lengths:
            for at in range(len(word) - length + 1):
                yield word[at : at + length], start + at


# output: what stands behind the ids of each document


def _positions(documents: list[list[Token]], plan: Plan) -> list[list[Row]]:
    return [[(position, word) for word, position in document] for document in documents]


def _counts(documents: list[list[Token]], plan: Plan) -> list[list[Row]]:
    counts = [Counter(word for word, _ in document) for document in documents]
    return [sorted(count.items()) if plan.sorted else list(count.items()) for count in counts]


def _buckets(documents: list[list[Token]], plan: Plan) -> list[list[Row]]:
    import pyarrow as pa

    distinct = list({word for document in documents for word, _ in document})
    hashes = text_hashes(pa.array(distinct, pa.string()))
    numbers = dict(zip(distinct, bucket_numbers(hashes, plan.features).tolist(), strict=True))
    return [sorted(Counter(numbers[word] for word, _ in document).items()) for document in documents]


@dataclass(frozen=True, slots=True)
class Output:
    """A form of output: its rows for all documents, the types of their two cells, and a row that fills up."""

    rows: Callable[[list[list[Token]], Plan], list[list[Row]]]
    types: tuple[str, str]
    padding: Row


OUTPUTS: Mapping[str, Output] = {
    COUNT: Output(_counts, (STRING, INT64), ("", -1)),
    POSITION: Output(_positions, (INT64, STRING), (-1, "")),
    HASH: Output(_buckets, (INT64, INT64), (None, 0)),
}


def tokenize(target: Frame, spec: str, max_tokens: int) -> Frame:
    plan = parse(spec)
    _check_most(max_tokens)
    plan.check_cols(target.shape[1])
    texts = target.column(plan.column)
    found = [list(tokens(scalar_text(cell), plan)) if cell is not None else [] for cell in texts]
    documents = OUTPUTS[plan.out].rows(found, plan)
    return _wide(target, documents, plan, max_tokens) if plan.wide else _long(target, documents, plan, max_tokens)


def _check_most(max_tokens: int | None) -> None:
    if max_tokens is not None and max_tokens < 1:
        raise OperationError(f"argument 'max_tokens' of tokenize() must be at least 1, found {max_tokens}")


def _id_cells(target: Frame, plan: Plan, rows: list[int]) -> list[Any]:
    import pyarrow as pa

    at = pa.array(rows, pa.int64())
    return [target.table.column(j).take(at) for j in plan.ids]


def _long(target: Frame, documents: list[list[Row]], plan: Plan, most: int) -> Frame:
    """A row for each token."""
    output = OUTPUTS[plan.out]
    cut = [document[:most] for document in documents]
    if plan.padded:
        cut = [document + [output.padding] * (most - len(document)) for document in cut]
    rows = [row for row, document in enumerate(cut) for _ in document]
    cells = [row for document in cut for row in document]
    columns = [*_id_cells(target, plan, rows), [first for first, _ in cells], [second for _, second in cells]]
    return Frame.of(columns, [*(target.types[j] for j in plan.ids), *output.types])


def _wide(target: Frame, documents: list[list[Row]], plan: Plan, most: int) -> Frame:
    """A row for each document: its tokens in order, or its counts of the first buckets."""
    if plan.out == HASH:
        counts = [dict(document) for document in documents]
        columns: list[list[Any]] = [[count.get(j, 0) for count in counts] for j in range(1, most + 1)]
        kind = INT64
    else:
        filler = "" if plan.padded else None
        columns = [[document[j][1] if j < len(document) else filler for document in documents] for j in range(most)]
        kind = STRING
    ids = _id_cells(target, plan, list(range(target.shape[0])))
    return Frame.of([*ids, *columns], [*(target.types[j] for j in plan.ids), *[kind] * most])


def _tokenize_type(target: Type, spec: Type, max_tokens: Type) -> Type:
    most = max_tokens.int_value()
    _check_most(most)
    if not isinstance(spec.value, str):
        return frame_type()
    plan = parse(spec.value)
    plan.check_cols(target.cols)
    if not plan.wide:
        rows = target.rows * most if plan.padded and target.rows is not None and most is not None else None
        return frame_type(rows, len(plan.ids) + 2)
    return frame_type(target.rows, None if most is None else len(plan.ids) + most)


_TEXTS = 'cbind(rbind(frame(1, 1, 1), frame(2, 1, 1)), rbind(frame("hello big world hello", 1, 1), frame("", 1, 1)))'
_COLUMNS = "id_cols: [1], tokenize_col: 2"
define(
    "tokenize(target: frame, spec: string, max_tokens: int)",
    _tokenize_type,
    tokenize,
    "the words or n-grams of the texts in a column, as a specification in JSON says: counts, positions or hash codes",
    samples=(
        f'{_TEXTS}, "{{algo: split, out: position, {_COLUMNS}}}", 10',
        f'{_TEXTS}, "{{algo: split, out: count, apply_padding: true, {_COLUMNS}}}", 4',
        f'{_TEXTS}, "{{algo: ngram, out: position, {_COLUMNS}, format_wide: true}}", 3',
        f'{_TEXTS}, "{{algo: split, out: hash, out_params: {{num_features: 4}}, {_COLUMNS}, format_wide: true}}", 4',
        f'{_TEXTS}, "{{algo: ngram, algo_params: {{ngram_type: token}}, out: hash, {_COLUMNS}}}", 3',
    ),
)
