"""Operators that select, replace or look for cells, and those that take an operator's name as text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

import gramian.ops.elementwise  # noqa: F401  (outer and ppred call its kernels)
from gramian.errors import OperationError, SizeError, did_you_mean
from gramian.ir.estimate import of_first
from gramian.ir.frame import Frame
from gramian.ir.op import REGISTRY, Trait, define, missing
from gramian.ir.scalar import as_double_argument
from gramian.ir.types import BOOLEAN, Kind, ScalarValue, Type, frame, matrix, scalar
from gramian.ops import frame_select
from gramian.ops.rules import Matrix, cellwise_result, same_size, shape_text

MARGINS = {"rows": 0, "cols": 1}


def remove_empty(target: Any, margin: str, select: Matrix | None, empty_return: bool) -> Any:
    axis = _axis(margin)
    if select is not None:
        keep = _selected(select, target.shape[axis], margin)
    else:
        keep = frame_select.filled(target, axis) if isinstance(target, Frame) else np.any(target != 0, axis=1 - axis)
    if isinstance(target, Frame):
        return frame_select.kept(target, axis, keep, empty_return)
    if empty_return and not keep.any():
        return np.zeros((1, target.shape[1]) if axis == 0 else (target.shape[0], 1), target.dtype)
    return np.compress(keep, target, axis=axis)


def _axis(margin: str) -> int:
    if margin not in MARGINS:
        raise OperationError(f"""argument 'margin' of removeEmpty() must be "rows" or "cols", found "{margin}\"""")
    return MARGINS[margin]


def _selected(select: Matrix, count: int, margin: str) -> npt.NDArray[np.bool_]:
    _check_select(select.shape[0], select.shape[1], count, margin)
    marks: npt.NDArray[np.bool_] = select.ravel() != 0
    return marks


def _check_select(rows: int, cols: int, count: int, margin: str) -> None:
    if rows * cols != count or (count and 1 not in (rows, cols)):
        raise SizeError(
            f"argument 'select' of removeEmpty() must be a vector of {count} cells, one for each of the {margin} "
            f"of the target, found a {shape_text((rows, cols))} matrix"
        )


def _remove_empty_type(target: Type, margin: Type, select: Type, empty_return: Type) -> Type:
    result = frame if target.kind is Kind.FRAME else matrix
    if not isinstance(margin.value, str):
        return result()
    axis = _axis(margin.value)
    count = (target.rows, target.cols)[axis]
    if not missing(select) and select.rows is not None and select.cols is not None and count is not None:
        _check_select(select.rows, select.cols, count, margin.value)
    return result(None, target.cols) if axis == 0 else result(target.rows, None)


def _put_back(target: Type, margin: Type, select: Type, empty_return: Type) -> str | None:
    """The gradient: what was kept goes back to its place, by a matrix that selects."""
    if not target.is_matrix or margin.value not in MARGINS or empty_return.value is not True:
        return None
    of = {"rows": "rowSums(target != 0)", "cols": "t(colSums(target != 0))"}[str(margin.value)]
    marks = of if missing(select) else "matrix(select, length(select), 1)"
    put = f'removeEmpty(target=diag({marks} != 0), margin="rows", select={marks})'
    return f"t({put}) %*% dout" if margin.value == "rows" else f"dout %*% {put}"


define(
    "removeEmpty(target: matrix|frame, margin: string, select: matrix = missing, empty.return: boolean = TRUE)",
    _remove_empty_type,
    remove_empty,
    'the "rows" or "cols" that hold a cell other than zero, or that `select` marks; if there are none, one of zeros '
    "(of a frame, of missing cells), or nothing with empty.return=FALSE",
    family="select",
    sparsity=of_first,
    gradient={
        "target": _put_back,
        "select": lambda target, margin, select, _: "0" if target.is_matrix and select.is_matrix else None,
    },
    samples=(
        'matrix("1 0 0 0 0 0 2 0 3", 3, 3), "rows"',
        'matrix("1 0 0 0 0 0 2 0 3", 3, 3), "cols"',
        'matrix("1 0 0 0 0 0 2 0 3", 3, 3), "rows", matrix("0 1 1", 1, 3)',
        'matrix("1 0 0 0 NaN 0", 2, 3), "cols", matrix("0 NaN 1", 3, 1)',
        'matrix(0, 3, 2), "rows"',
        'matrix(0, 3, 2), "cols", matrix(0, 2, 1), FALSE',
        'matrix(0, 0, 3), "rows"',
        'cbind(frame("a", 2, 1), frame("", 2, 1)), "cols"',
        'frame("a", 2, 3), "rows", matrix(0, 2, 1)',
    ),
)


def replace(target: Any, pattern: ScalarValue, replacement: ScalarValue) -> Any:
    if isinstance(target, Frame):
        return frame_select.replace(target, pattern, replacement)
    return np.where(_equal(target, as_double_argument(pattern)), as_double_argument(replacement), target)


def _equal(x: Matrix, pattern: Any) -> Any:
    """Equality in which NaN equals NaN."""
    return (x == pattern) | (np.isnan(x) & np.isnan(pattern))


def _replace_type(target: Type, pattern: Type, replacement: Type) -> Type:
    if target.kind is Kind.FRAME:
        return frame(target.rows, target.cols)
    _check_number("replace()", "pattern", pattern)
    _check_number("replace()", "replacement", replacement)
    return matrix(target.rows, target.cols)


def _check_number(what: str, name: str, type: Type) -> None:
    """Only frames have cells that are no numbers."""
    if not (type.is_numeric or type.is_matrix):
        raise OperationError(f"argument '{name}' of {what} must be a number for a matrix, found {type.describe()}")


define(
    "replace(target: matrix|frame, pattern: scalar, replacement: scalar)",
    _replace_type,
    replace,
    "matrix or frame with each cell that equals `pattern` replaced; NaN finds NaN",
    family="select",
    traits=(Trait.CELLWISE,),
    gradient={"target": "dout * (out == target)"},
    samples=(
        'matrix("1 NaN 3 NaN", 2, 2), NaN, 0',
        'matrix("1 0 -3 0", 2, 2), 0, NaN',
        'matrix("1 Infinity -Infinity 0", 2, 2), Inf, 9.5',
        'matrix("1 2 3 4", 2, 2), 7, 0',
        "matrix(0, 0, 3), 0, 1",
        'frame("a", 2, 2), "a", "b"',
        'as.frame(matrix("1 2 NaN 4", 2, 2)), "1", 5',
    ),
)


def contains(target: Any, pattern: Any) -> bool:
    if isinstance(target, Frame):
        return _frame_contains(target, pattern)
    if not isinstance(pattern, np.ndarray):
        return bool(np.any(_equal(target, as_double_argument(pattern))))
    _check_pattern(pattern.shape[0], pattern.shape[1], target.shape[1])
    return bool(np.any(np.all(_equal(target, pattern), axis=1)))


def _frame_contains(target: Frame, pattern: Any) -> bool:
    if isinstance(pattern, np.ndarray):
        pattern = Frame.from_matrix(pattern)
    if not isinstance(pattern, Frame):
        return frame_select.contains(target, pattern)
    _check_pattern(pattern.shape[0], pattern.shape[1], target.shape[1])
    return frame_select.contains_row(target, pattern)


def _check_pattern(rows: int | None, cols: int | None, target_cols: int | None) -> None:
    wrong_cols = cols is not None and target_cols is not None and cols != target_cols
    if wrong_cols or rows not in (1, None):
        raise SizeError(
            f"argument 'pattern' of contains() must be a scalar or one row as wide as the target, "
            f"1x{'?' if target_cols is None else target_cols}, found a {shape_text((rows, cols))} one",
            "turn the 1x1 matrix into a number with as.scalar()" if (rows, cols) == (1, 1) else None,
        )


def _contains_type(target: Type, pattern: Type) -> Type:
    if pattern.is_matrix or pattern.kind is Kind.FRAME:
        _check_pattern(pattern.rows, pattern.cols, target.cols)
    if target.is_matrix:
        _check_number("contains()", "pattern", pattern)
    return scalar(BOOLEAN)


define(
    "contains(target: matrix|frame, pattern: scalar|matrix|frame)",
    _contains_type,
    contains,
    "is there a cell equal to the scalar `pattern`, or a row equal to the row `pattern`? NaN finds NaN",
    family="select",
    samples=(
        'matrix("1 2 NaN 4", 2, 2), 2',
        'matrix("1 2 NaN 4", 2, 2), NaN',
        'matrix("1 2 NaN 4", 2, 2), 3.5',
        'matrix("1 2 3 4", 2, 2), matrix("3 4", 1, 2)',
        'matrix("1 2 3 4", 2, 2), matrix("1 4", 1, 2)',
        "matrix(0, 0, 3), 0",
        'frame("a", 2, 2), "a"',
        'as.frame(matrix("1 2 3 4", 2, 2)), matrix("3 4", 1, 2)',
    ),
)


def lower_triangle(target: Matrix, diag: bool, values: bool) -> Matrix:
    return np.tril(target if values else np.ones(target.shape, target.dtype), 0 if diag else -1)


def upper_triangle(target: Matrix, diag: bool, values: bool) -> Matrix:
    return np.triu(target if values else np.ones(target.shape, target.dtype), 0 if diag else 1)


for _name, _kernel, _where in (("lower.tri", lower_triangle, "below"), ("upper.tri", upper_triangle, "above")):
    define(
        f"{_name}(target: matrix, diag: boolean = FALSE, values: boolean = FALSE)",
        same_size,
        _kernel,
        f"1, or with values=TRUE the cell itself, {_where} the diagonal and with diag=TRUE on it; 0 elsewhere",
        family="select",
        gradient={"target": f"ifelse(values, {_name}(dout, diag, TRUE), 0 * dout)"},
        samples=(
            'matrix("1 2 3 4 NaN 6 7 8 9", 3, 3)',
            'matrix("1 2 3 4 NaN 6 7 8 9", 3, 3), TRUE, TRUE',
            'matrix("1 2 3 4 5 6", 2, 3), FALSE, TRUE',
            'matrix("1 2 3 4 5 6", 3, 2), TRUE',
            "matrix(0, 0, 3)",
        ),
    )


COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_BITWISE = ("bitwAnd", "bitwOr", "bitwXor", "bitwShiftL", "bitwShiftR")
OUTER = {
    **{name: name for name in ("+", "-", "*", "/", "^", "%%", "%/%", *COMPARISONS)},
    **{name: name for name in ("min", "max", "&", "|", "log", "xor", *_BITWISE)},
    "&&": "&",
    "||": "|",
}


def _cell_kernel(what: str, name: str, allowed: dict[str, str]) -> Callable[..., Any]:
    """The kernel of a cell-by-cell operator from its name in a script."""
    if name not in allowed:
        hint = did_you_mean(name, allowed) or f"it can be one of {' '.join(allowed)}"
        raise OperationError(f"""{what} does not know the operator "{name}\"""", hint)
    return REGISTRY[allowed[name]].kernel


def outer(u: Matrix, v: Matrix, op: str) -> Matrix:
    combine = _cell_kernel("outer()", op, OUTER)
    _check_outer(u.shape[1], v.shape[0])
    size = (u.shape[0], v.shape[1])
    result: Matrix = combine(np.broadcast_to(u, size), np.broadcast_to(v, size))
    return result


def _check_outer(cols: int | None, rows: int | None) -> None:
    for name, wanted, count, what in (("u", "column", cols, "columns"), ("v", "row", rows, "rows")):
        if count not in (1, None):
            raise SizeError(
                f"argument '{name}' of outer() must be one {wanted}, found {count} {what}",
                f"transpose '{name}' with t() if it is a vector",
            )


def _outer_type(u: Type, v: Type, op: Type) -> Type:
    if isinstance(op.value, str):
        _cell_kernel("outer()", op.value, OUTER)
    _check_outer(u.cols, v.rows)
    return matrix(u.rows, v.cols)


define(
    "outer(u: matrix, v: matrix, op: string)",
    _outer_type,
    outer,
    'each cell of a column combined with each cell of a row by an operator, such as outer(u, v, "<"); op is one of '
    + " ".join(OUTER),
    family="select",
    samples=(
        'matrix("1 4", 2, 1), matrix("3 6 1", 1, 3), "<"',
        'matrix("1 -4 NaN", 3, 1), matrix("3 0", 1, 2), "*"',
        'matrix("5 -5", 2, 1), matrix("3 -3 0", 1, 3), "%%"',
        'matrix("1 4", 2, 1), matrix("3 6", 1, 2), "max"',
        'matrix("0 4", 2, 1), matrix("0 6", 1, 2), "&&"',
        'matrix("8 4", 2, 1), matrix("2 4", 1, 2), "log"',
        'matrix("1 4", 2, 1), matrix(2, 1, 1), "^"',
        'matrix(0, 0, 1), matrix("2 4", 1, 2), "+"',
    ),
)

_PPRED = {name: name for name in COMPARISONS}


def ppred(a: Any, b: Any, op: str) -> Any:
    return _cell_kernel("ppred()", op, _PPRED)(a, b)


def _ppred_type(a: Type, b: Type, op: Type) -> Type:
    if isinstance(op.value, str):
        _cell_kernel("ppred()", op.value, _PPRED)
    if not (a.is_matrix or b.is_matrix):
        raise OperationError("ppred() needs at least one matrix", "compare numbers with the operator itself")
    return cellwise_result("ppred()", (a, b), BOOLEAN)


define(
    "ppred(a: number|matrix, b: number|matrix, op: string)",
    _ppred_type,
    ppred,
    "1 where the comparison op holds, one of == != < <= > >=, else 0; write a op b instead",
    family="select",
    traits=(Trait.CELLWISE, Trait.STEPS),
    samples=(
        'matrix("1 2 NaN 4", 2, 2), 2, ">="',
        '2, matrix("1 2 NaN 4", 2, 2), "!="',
        'matrix("1 2 3 4", 2, 2), matrix("3 2", 2, 1), "=="',
    ),
)
