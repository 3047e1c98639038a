"""Lists: ordered values, each with a name or without. Indexing them is a matter of `index`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gramian.errors import OperationError
from gramian.ir import scalar as s
from gramian.ir.frame import Frame
from gramian.ir.node import check_arguments
from gramian.ir.op import REGISTRY, Trait, define
from gramian.ir.types import LIST, STRING, Kind, Type, results, scalar
from gramian.ir.values import ListValue


def _list_type(*entries: Type) -> Type:
    """The entries are known: the shape of images, say, or the parameters of a model."""
    return replace(LIST, items=entries)


define(
    "list(x: any... = missing)",
    _list_type,
    lambda *items: ListValue(items),
    "list of values",
    internal=True,
    traits=(Trait.SHARES,),
    samples=("1, 2.5, TRUE", 'matrix("1 2", 1, 2), list("a", b="b")', ""),
)


def append(x: Any, *values: Any) -> Any:
    """To a list, entries; to a matrix or frame, columns; to text, lines."""
    if isinstance(x, ListValue):
        for value in values:
            x = append_entry(x, value)
        return x
    if isinstance(x, np.ndarray | Frame):
        return REGISTRY["cbind"].kernel(x, *values)
    return "\n".join(_line(value) for value in (x, *values))


def append_entry(items: ListValue, value: Any) -> ListValue:
    """The list with one more entry. A list of one entry stands for that entry and its name."""
    name = None
    if isinstance(value, ListValue) and len(value) == 1:
        name, value = value.names[0], value.items[0]
    if name is None and items.is_named:
        raise OperationError(
            "append() to a list with names needs an entry with a name", "append a list of one entry: list(name=value)"
        )
    if name is not None and name in items.names:
        raise OperationError(f"the list has an entry named '{name}' already", f'assign it: l["{name}"] = value')
    return ListValue((*items.items, value), (*items.names, name))


def _line(value: Any) -> str:
    if isinstance(value, np.ndarray | Frame | ListValue):
        raise OperationError("append() joins text with scalars only", "use toString()")
    return s.text(value)


def _append_type(x: Type, *values: Type) -> Type:
    if x.kind is Kind.LIST:
        # What a list stands for when it is appended, itself or its entry, depends on how many it has.
        known = x.items and all(value.kind is not Kind.LIST for value in values)
        return replace(LIST, items=(*x.items, *values)) if known else LIST
    if x.kind in (Kind.MATRIX, Kind.FRAME):
        check_arguments(REGISTRY["cbind"], [x, *values])
        return REGISTRY["cbind"].infer(x, *values)
    for value in values:
        if not value.is_scalar:
            raise OperationError(f"append() joins text with scalars only, found {value.describe()}", "use toString()")
    return scalar(STRING)


define(
    "append(x: list|matrix|frame|string, y: any...)",
    _append_type,
    append,
    "list with more entries, matrix or frame with more columns, or text with more lines",
    traits=(Trait.SHARES,),
    samples=('matrix("1 2", 2, 1), matrix("3 4", 2, 1)', '"a", "b"', 'list(1, 2), "c"', "list(a=1), list(b=2)"),
)


def remove(target: ListValue, key: Any) -> tuple[ListValue, ListValue]:
    """The list without one entry, and a list of that entry."""
    at = target.position(key if isinstance(key, str) else s.as_int_argument(key))
    rest = ListValue(target.items[:at] + target.items[at + 1 :], target.names[:at] + target.names[at + 1 :])
    return rest, ListValue(target.items[at : at + 1], target.names[at : at + 1])


define(
    "remove(target: list, key: number|string)",
    lambda *_: results(LIST, LIST),
    remove,
    "list without the entry at a position or of a name, and a list of that entry",
    outputs=("rest", "removed"),
    traits=(Trait.SHARES,),
    samples=("list(1, 2, 3), 2", 'list(a=1, b="x"), "b"'),
)
