"""The transform specification: what is to be done with each column, as a JSON object says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from gramian.errors import OperationError, SizeError, did_you_mean
from gramian.ir.scalar import text as scalar_text
from gramian.ops.transform.lenient_json import read_object, shown

WHAT = "the transform specification"
Ref = int | str  # a column as the specification names it: by its number from 1, or by its name


class Coding(Enum):
    """What becomes of the cells of a column."""

    PASS = "pass through"
    RECODE = "recode"
    BIN = "bin"
    HASH = "hash"
    EMBEDDING = "word_embedding"
    WORDS = "bag_of_words"

    @property
    def is_categorical(self) -> bool:
        """Are cells texts to this coding? Otherwise they are numbers."""
        return self not in (Coding.PASS, Coding.BIN)


EQUI_WIDTH, EQUI_HEIGHT = "equi-width", "equi-height"
BINNINGS = {EQUI_WIDTH: EQUI_WIDTH, EQUI_HEIGHT: EQUI_HEIGHT, "equi-height-approx": EQUI_HEIGHT}
MEAN, MODE, CONSTANT = "global_mean", "global_mode", "constant"
_KEYS = (*(c.value for c in Coding if c is not Coding.PASS), "ids", "dummycode", "K", "impute", "omit", "udf")


@dataclass(frozen=True, slots=True)
class Binning:
    method: str = EQUI_WIDTH
    count: int = 1


@dataclass(frozen=True, slots=True)
class Imputation:
    method: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """What is to be done with one column."""

    coding: Coding = Coding.PASS
    binning: Binning = Binning()
    dummy: bool = False
    imputation: Imputation | None = None
    omit: bool = False


@dataclass(frozen=True, slots=True)
class Udf:
    """A function, and the columns to which it is applied after they are encoded."""

    name: str
    columns: tuple[Ref, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A specification for the columns of an actual frame; positions count from 0."""

    columns: tuple[ColumnPlan, ...]
    buckets: int
    function: str | None = None
    function_columns: tuple[int, ...] = ()

    def having(self, coding: Coding) -> list[int]:
        return [j for j, column in enumerate(self.columns) if column.coding is coding]


@dataclass(frozen=True, slots=True)
class Specification:
    """A specification as it is written, before anything is known of the frame.

    `columns` holds those that are mentioned; `buckets` is K, the number of hash codes.
    """

    by_id: bool
    columns: Mapping[Ref, ColumnPlan]
    buckets: int = 0
    udf: Udf | None = None

    @property
    def omits(self) -> bool:
        return any(c.omit for c in self.columns.values())

    def check_cols(self, cols: int | None) -> None:
        """Refuse numbers of columns that a frame of that width does not have."""
        mentioned = [*self.columns, *(self.udf.columns if self.udf else ())]
        largest = max((ref for ref in mentioned if isinstance(ref, int)), default=0)
        if cols is not None and largest > cols:
            raise SizeError(f"{WHAT} names column {largest}, but there {_columns_text(cols)}")

    def resolve(self, names: Sequence[str], instead: Sequence[str] = ()) -> Plan:
        """The plan for a frame with these names of columns; names that it lacks are looked up in `instead`.

        Raises:
            OperationError: there is no such column, or more than one.
        """
        self.check_cols(len(names))
        plans = [ColumnPlan()] * len(names)
        for ref, plan in self.columns.items():
            plans[_position(ref, names, instead)] = plan
        if self.udf is None:
            return Plan(tuple(plans), self.buckets)
        positions = sorted(_position(ref, names, instead) for ref in self.udf.columns)
        return Plan(tuple(plans), self.buckets, self.udf.name, tuple(positions))


def _columns_text(cols: int) -> str:
    return "is only 1 column" if cols == 1 else f"are only {cols} columns"


def _position(ref: Ref, names: Sequence[str], instead: Sequence[str]) -> int:
    if isinstance(ref, int):
        return ref - 1
    for known in (names, instead):
        if ref in known:
            if list(known).count(ref) > 1:
                raise OperationError(
                    f"{WHAT} names column '{ref}', but several columns have that name",
                    'say which by numbers, with "ids": true',
                )
            return list(known).index(ref)
    listed = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    hint = did_you_mean(ref, names) or f"the columns are {listed}"
    raise OperationError(f"{WHAT} names column '{ref}', which does not exist", hint)


def parse(text: str) -> Specification:
    """The specification in a text.

    Raises:
        OperationError: it is no JSON, has unknown keys or values, or asks for what does not go together.
    """
    content = read_object(text, WHAT)
    known_keys(content, _KEYS, WHAT)
    by_id = flag(content, "ids", WHAT)
    writer = _Writer(by_id)
    for coding in Coding:
        if coding not in (Coding.PASS, Coding.BIN):
            for ref in column_list(content, coding.value, by_id):
                writer.code(ref, coding)
    for ref, entry in _entries(content, "bin", ("method", "numbins"), by_id):
        writer.code(ref, Coding.BIN, binning=_binning(entry, ref))
    for ref in column_list(content, "dummycode", by_id):
        writer.dummy(ref)
    for ref in column_list(content, "omit", by_id):
        writer.set(ref, omit=True)
    for ref, entry in _entries(content, "impute", ("method", "value"), by_id):
        writer.impute(ref, _imputation(entry, ref))
    return Specification(by_id, writer.columns, _buckets(content), _udf(content, by_id))


class _Writer:
    """Collects the plans of columns, and refuses what does not go together."""

    def __init__(self, by_id: bool) -> None:
        self.by_id = by_id
        self.columns: dict[Ref, ColumnPlan] = {}

    def set(self, ref: Ref, **changes: Any) -> None:
        self.columns[ref] = replace(self.columns.get(ref, ColumnPlan()), **changes)

    def code(self, ref: Ref, coding: Coding, **changes: Any) -> None:
        before = self.columns.get(ref, ColumnPlan()).coding
        if before is not Coding.PASS:
            raise _clash(ref, before.value, coding.value, "a column gets one coding at most; dummycode may follow it")
        self.set(ref, coding=coding, **changes)

    def dummy(self, ref: Ref) -> None:
        coding = self.columns.get(ref, ColumnPlan()).coding
        if coding in (Coding.EMBEDDING, Coding.WORDS):
            raise _clash(ref, coding.value, "dummycode", "dummycode goes with recode, bin and hash")
        self.set(ref, dummy=True, coding=Coding.RECODE if coding is Coding.PASS else coding)

    def impute(self, ref: Ref, imputation: Imputation) -> None:
        plan = self.columns.get(ref, ColumnPlan())
        if plan.omit:
            raise _clash(ref, "omit", "impute", "rows with missing cells are left out, or the cells filled, not both")
        if imputation.method == MEAN and plan.coding.is_categorical:
            raise _clash(ref, plan.coding.value, MEAN, f"categories have no mean; use {MODE}")
        if imputation.method == CONSTANT and not plan.coding.is_categorical and not _is_number(imputation.value):
            raise OperationError(
                f"{WHAT} imputes {column_text(ref)} with '{imputation.value}', which is no number",
                'the column is not recoded; list it under "recode" if it holds categories',
            )
        self.set(ref, imputation=imputation)


def _is_number(value: str | None) -> bool:
    try:
        float(value or "")
    except ValueError:
        return False
    return True


def _clash(ref: Ref, one: str, other: str, hint: str) -> OperationError:
    return OperationError(f"{WHAT} asks for both {one} and {other} of {column_text(ref)}", hint)


def column_text(ref: Ref) -> str:
    return f"column {ref}" if isinstance(ref, int) else f"column '{ref}'"


def known_keys(content: Mapping[str, Any], known: Sequence[str], what: str) -> None:
    for key in content:
        if key not in known:
            hint = did_you_mean(key, known) or f"the keys are {', '.join(sorted(known))}"
            raise OperationError(f"{what} has no key '{key}'", hint)


def flag(content: Mapping[str, Any], key: str, what: str) -> bool:
    value = content.get(key, False)
    if not isinstance(value, bool):
        raise OperationError(f"key '{key}' of {what} must be true or false, found {shown(value)}")
    return value


def whole(value: Any, what: str, least: int = 1) -> int:
    """A whole number from `least` on, also when it is written as 3.0 or in quotes."""
    number = value
    if (isinstance(value, str) and value.strip().isdecimal()) or (isinstance(value, float) and value.is_integer()):
        number = int(value)
    if isinstance(number, bool) or not isinstance(number, int) or number < least:
        raise OperationError(f"{what} must be a whole number from {least} on, found {shown(value)}")
    return number


def column_list(content: Mapping[str, Any], key: str, by_id: bool) -> tuple[Ref, ...]:
    """The columns under a key; besides a list, `{"attributes": [...]}` stands for the list inside it."""
    value = content.get(key, [])
    if isinstance(value, dict):
        known_keys(value, ("attributes",), f"'{key}' of {WHAT}")
        value = value.get("attributes", [])
    if not isinstance(value, list):
        raise OperationError(
            f"key '{key}' of {WHAT} must be a list of columns, found {shown(value)}", _list_hint(key, by_id)
        )
    return _without_repeats([_ref(item, key, by_id) for item in value], key)


def _without_repeats(refs: list[Ref], key: str) -> tuple[Ref, ...]:
    for at, ref in enumerate(refs):
        if ref in refs[:at]:
            raise OperationError(f"key '{key}' of {WHAT} names {column_text(ref)} twice")
    return tuple(refs)


def _list_hint(key: str, by_id: bool) -> str:
    return f'as in "{key}": [1, 2]' if by_id else f'as in "{key}": ["city", "street"]'


def _ref(value: Any, key: str, by_id: bool) -> Ref:
    if by_id:
        if isinstance(value, str) and not value.strip().isdecimal():
            raise OperationError(
                f"key '{key}' of {WHAT} names column '{value}', but with \"ids\": true columns are given by numbers",
                'leave "ids" out to name columns',
            )
        return whole(value, f"a column under key '{key}' of {WHAT}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise OperationError(
            f"key '{key}' of {WHAT} gives column {value} by its number, but columns are given by names",
            'add "ids": true to give columns by numbers, or quote the name',
        )
    if not isinstance(value, str):
        raise OperationError(
            f"key '{key}' of {WHAT} must hold names of columns, found {shown(value)}", _list_hint(key, by_id)
        )
    return value


def _entries(
    content: Mapping[str, Any], key: str, fields: tuple[str, ...], by_id: bool
) -> Iterator[tuple[Ref, Mapping[str, Any]]]:
    """The objects under a key, each about one column."""
    entries, name = content.get(key, []), "id" if by_id else "name"
    form = f'as in "{key}": [{{"{name}": {"1" if by_id else chr(34) + "price" + chr(34)}, "{fields[0]}": ...}}]'
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise OperationError(f"key '{key}' of {WHAT} must be a list of objects, found {shown(entries)}", form)
    for entry in entries:
        if name not in entry and {"id", "name"} & set(entry):
            other = 'with "ids": true columns have an "id"' if by_id else 'add "ids": true to give columns by "id"'
            raise OperationError(f"an entry of '{key}' in {WHAT} has no '{name}': {shown(entry)}", other)
        known_keys(entry, (name, *fields), f"an entry of '{key}' in {WHAT}")
        if name not in entry:
            raise OperationError(f"an entry of '{key}' in {WHAT} has no '{name}': {shown(entry)}", form)
    refs = _without_repeats([_ref(entry[name], key, by_id) for entry in entries], key)
    yield from zip(refs, entries, strict=True)


def _choice(entry: Mapping[str, Any], of: str, known: Sequence[str], default: str | None) -> str:
    """The method that an entry names, in upper or lower case."""
    value = entry.get("method", default)
    if isinstance(value, str) and value.lower() in known:
        return value.lower()
    found = "no method" if value is None else f"the unknown method {shown(value)}"
    close = did_you_mean(value, known) if isinstance(value, str) else None
    raise OperationError(f"{WHAT} has {found} {of}", close or f"the methods are {', '.join(known)}")


def _binning(entry: Mapping[str, Any], ref: Ref) -> Binning:
    method = _choice(entry, f"to bin {column_text(ref)}", tuple(BINNINGS), EQUI_WIDTH)
    return Binning(BINNINGS[method], whole(entry.get("numbins", 1), f"'numbins' of {column_text(ref)} in {WHAT}"))


def _imputation(entry: Mapping[str, Any], ref: Ref) -> Imputation:
    method = _choice(entry, f"to impute {column_text(ref)}", (MEAN, MODE, CONSTANT), None)
    value = entry.get("value")
    if (value is None) == (method == CONSTANT):
        problem = "lacks the value" if value is None else "has a value"
        raise OperationError(
            f"{WHAT} {problem} to impute {column_text(ref)} by method {method}",
            f'method {CONSTANT} takes a "value", the others find it',
        )
    if value is None:
        return Imputation(method)
    if isinstance(value, list | dict):
        raise OperationError(f"{WHAT} imputes {column_text(ref)} with {shown(value)}, which is no text or number")
    return Imputation(method, scalar_text(value))


def _buckets(content: Mapping[str, Any]) -> int:
    if "K" in content:
        if "hash" not in content:
            raise OperationError(f"{WHAT} has K, but no column to hash", 'list the columns under "hash"')
        return whole(content["K"], f"'K' of {WHAT}")
    if "hash" in content:
        raise OperationError(f"{WHAT} lacks K, the number of codes for hashed columns", 'as in "K": 100')
    return 0


def _udf(content: Mapping[str, Any], by_id: bool) -> Udf | None:
    udf = content.get("udf")
    if udf is None:
        return None
    form = f'as in "udf": {{"name": "scale", "ids": {"[1, 2]" if by_id else "[" + chr(34) + "price" + chr(34) + "]"}}}'
    if not isinstance(udf, dict):
        raise OperationError(f"key 'udf' of {WHAT} must be an object, found {shown(udf)}", form)
    known_keys(udf, ("name", "ids"), f"'udf' of {WHAT}")
    if not isinstance(udf.get("name"), str) or not udf["name"]:
        raise OperationError(f"'udf' of {WHAT} must have the name of a function", form)
    columns = column_list(udf, "ids", by_id)
    if not columns:
        raise OperationError(f"'udf' of {WHAT} must list columns under \"ids\"", form)
    return Udf(udf["name"], columns)


def output_cols(spec: Specification, cols: int | None, embedding_cols: int | None) -> int | None:
    """The number of columns of the encoded matrix, if the specification alone tells."""
    if cols is None:
        return None
    total = cols
    for plan in spec.columns.values():
        width: int | None = 1
        if plan.coding is Coding.EMBEDDING:
            width = embedding_cols
        elif plan.coding is Coding.WORDS or plan.dummy:
            width = spec.buckets if plan.coding is Coding.HASH else None
        if width is None:
            return None
        total += width - 1
    return total
