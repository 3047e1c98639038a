"""Calls of operators as a script makes them: arguments by position and name, defaults, conversions, and types."""

from __future__ import annotations

from typing import Any

import numpy as np

from gramian.ir import scalar as s
from gramian.ir.op import REGISTRY, Op
from gramian.ir.types import MISSING, Type, matrix, type_of

FORMS = {"int": s.as_int_argument, "double": s.as_double_argument, "boolean": s.truth}


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64).reshape(-1, 1)


def rows(*values: list[float]) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def call(name: str, *values: Any, **named: Any) -> Any:
    """The result of a kernel, without NumPy's warnings, as in production."""
    op = REGISTRY[name]
    with np.errstate(all="ignore"):
        return op.kernel(*[_convert(op, at, v) for at, v in enumerate(_bind(op, values, named))])


def infer(name: str, *types: Any, **named: Any) -> Type:
    """The type of a call; plain values stand for constants."""
    op = REGISTRY[name]
    return op.infer(*[_type(v) for v in _bind(op, types, named)])


def fits(found: Any, type: Type) -> bool:
    """Does a value agree with the type that was inferred?"""
    if not type.is_matrix:
        return type.is_scalar and type_of(found).value_type is type.value_type
    return (
        found.ndim == 2
        and found.dtype == np.float64
        and all(known in (None, n) for known, n in zip((type.rows, type.cols), found.shape, strict=True))
    )


def check(name: str, *values: Any, **named: Any) -> Any:
    """The result, compared with the types that follow from full and from no knowledge of the sizes."""
    found = call(name, *values, **named)
    for sizes in (lambda v: matrix(*v.shape), lambda v: matrix()):
        known = [sizes(v) if isinstance(v, np.ndarray) else v for v in values]
        known_named = {n: sizes(v) if isinstance(v, np.ndarray) else v for n, v in named.items()}
        assert fits(found, infer(name, *known, **known_named))
    return found


def _bind(op: Op, values: tuple[Any, ...], named: dict[str, Any]) -> list[Any]:
    given = [*values, *named.values()]
    slots = op.bind([None] * len(values) + list(named))
    return [op.params[at].default if slot is None else given[slot] for at, slot in enumerate(slots)]


def _convert(op: Op, at: int, value: Any) -> Any:
    form = op.params[at].scalar_form
    return value if form is None or value is None or isinstance(value, np.ndarray) else FORMS[form](value)


def _type(value: Any) -> Type:
    if isinstance(value, Type):
        return value
    return MISSING if value is None else type_of(value)
