"""Batch normalisation of images by channel, and its gradient."""

from __future__ import annotations

import numpy as np

from gramian.errors import OperationError, SizeError
from gramian.ir.op import define
from gramian.ir.types import Type, matrix, results
from gramian.ops.nn_state import Size, expect, first, shape_of
from gramian.ops.rules import Matrix, Shape, same_size, shape, shape_text
from gramian.ops.windows import Array

NORM, NORM_BACKWARD = "batch_norm2d()", "batch_norm2d_backward()"
MODES = ("train", "test")


def _check_norm(what: str, x: Shape, columns: dict[str, Shape]) -> Size:
    """The number of channels, as far as it is known."""
    channels = first(*(size[0] for size in columns.values()))
    if channels == 0 or (channels is not None and x[1] is not None and x[1] % channels):
        raise SizeError(
            f"argument 'X' of {what} must have the same number of columns for each of the {channels} channels "
            f"in 'gamma', found {shape_text(x)}"
        )
    for name, size in columns.items():
        expect(what, name, size, (channels, 1), "one cell a channel")
    return channels


def _channels(x: Matrix, count: int) -> Array:
    return x.reshape(x.shape[0], count, x.shape[1] // count)


def _flat(x: Array) -> Matrix:
    return x.reshape(x.shape[0], x.shape[1] * x.shape[2])


def _check_eps(what: str, eps: float) -> None:
    if not eps >= 0:
        raise OperationError(f"argument 'eps' of {what} must not be negative, found {eps:g}")


def batch_norm2d(
    x: Matrix,
    gamma: Matrix,
    beta: Matrix,
    run_mean: Matrix,
    run_var: Matrix,
    mode: str,
    eps: float,
    mu: float,
) -> tuple[Matrix, Matrix, Matrix, Matrix, Matrix]:
    given = {"gamma": gamma, "beta": beta, "run_mean": run_mean, "run_var": run_var}
    _check_norm(NORM, shape_of(x), {name: shape_of(a) for name, a in given.items()})
    _check_mode(mode)
    _check_eps(NORM, eps)
    cells = _channels(x, len(gamma))
    if mode == "train":
        mean, var = _statistics(cells)
        run_mean, run_var = mu * run_mean + (1 - mu) * mean, mu * run_var + (1 - mu) * var
    else:
        mean, var = run_mean.copy(), run_var
        run_mean, run_var = run_mean.copy(), run_var.copy()
    scale = 1 / np.sqrt(var + eps)
    y = (cells - mean) * (gamma * scale)
    y += beta
    return _flat(y), run_mean, run_var, mean, scale


def _statistics(cells: Array) -> tuple[Matrix, Matrix]:
    """Mean and variance, with divisor K, of each channel; NaN without cells."""
    count = cells.shape[0] * cells.shape[2]
    mean: Matrix = _over_channels(cells) / count
    return mean, _over_channels((cells - mean) ** 2) / count


def _over_channels(cells: Array) -> Matrix:
    """The sum over each channel, as a column."""
    total: Matrix = cells.sum(axis=2).sum(axis=0, dtype=np.float64)[:, np.newaxis]
    return total.astype(cells.dtype, copy=False)


def batch_norm2d_backward(
    x: Matrix, dout: Matrix, gamma: Matrix, eps: float, sm: Matrix, sv: Matrix
) -> tuple[Matrix, Matrix, Matrix]:
    columns = {"gamma": shape_of(gamma), "sm": shape_of(sm), "sv": shape_of(sv)}
    _check_norm(NORM_BACKWARD, shape_of(x), columns)
    expect(NORM_BACKWARD, "dout", shape_of(dout), shape_of(x), "the size of 'X'")
    _check_eps(NORM_BACKWARD, eps)
    cells, grown = _channels(x, len(gamma)), _channels(dout, len(gamma))
    normal = (cells - sm) * sv
    dgamma, dbeta = _over_channels(grown * normal), _over_channels(grown)
    count = cells.shape[0] * cells.shape[2]
    normal *= dgamma / count
    dx = grown - dbeta / count
    dx -= normal
    dx *= gamma * sv
    return _flat(dx), dgamma, dbeta


def _check_mode(mode: str) -> None:
    if mode not in MODES:
        raise OperationError(f'argument \'mode\' of {NORM} must be "train" or "test", found "{mode}"')


def _check_known_eps(what: str, eps: Type) -> None:
    if isinstance(eps.value, int | float):
        _check_eps(what, eps.value)


def _norm_type(
    x: Type, gamma: Type, beta: Type, run_mean: Type, run_var: Type, mode: Type, eps: Type, mu: Type
) -> Type:
    columns = {"gamma": gamma, "beta": beta, "run_mean": run_mean, "run_var": run_var}
    channels = _check_norm(NORM, shape(x), {name: shape(t) for name, t in columns.items()})
    if isinstance(mode.value, str):
        _check_mode(mode.value)
    _check_known_eps(NORM, eps)
    return results(same_size(x), *[matrix(channels, 1)] * 4)


def _norm_backward_type(x: Type, dout: Type, gamma: Type, eps: Type, sm: Type, sv: Type) -> Type:
    channels = _check_norm(NORM_BACKWARD, shape(x), {"gamma": shape(gamma), "sm": shape(sm), "sv": shape(sv)})
    expect(NORM_BACKWARD, "dout", shape(dout), shape(x), "the size of 'X'")
    _check_known_eps(NORM_BACKWARD, eps)
    size = matrix(first(x.rows, dout.rows), first(x.cols, dout.cols))
    return results(size, *[matrix(channels, 1)] * 2)


_COLUMN = "matrix({}, 2, 1)"
_PARAMETERS = ", ".join(_COLUMN.format(cells) for cells in ('"1 2"', '"0.5 -1"', '"3 4"', '"1 2"'))
_IMAGES = "matrix(seq(1, 16) ^ 2 / 10, 2, 8)"

define(
    "batch_norm2d(X: matrix, gamma: matrix, beta: matrix, run_mean: matrix, run_var: matrix, mode: string, "
    "eps: double, mu: double)",
    _norm_type,
    batch_norm2d,
    "channels of images brought to variance gamma^2 and mean beta, by their own statistics (mode train) or the running "
    "ones (test); the running ones updated, mu for the old; mean and 1 / deviation used",
    outputs=("Y", "run_mean", "run_var", "sm", "sv"),
    gradient={
        "X, gamma, beta": lambda *types: (
            "batch_norm2d_backward(X, dout, gamma, eps, sm, sv)" if types[5].value == "train" else None
        ),
    },
    samples=(
        f'{_IMAGES}, {_PARAMETERS}, "train", 0.00001, 0.9',
        f'{_IMAGES}, {_PARAMETERS}, "test", 0.00001, 0.9',
        f'matrix("1 NaN 3 4", 1, 4), {_PARAMETERS}, "train", 0, 0.5',
        f'matrix(0, 0, 8), {_PARAMETERS}, "train", 0.1, 1',
        f'matrix(0, 2, 0), {_PARAMETERS}, "test", 0.1, 1',
    ),
)
define(
    "batch_norm2d_backward(X: matrix, dout: matrix, gamma: matrix, eps: double, sm: matrix, sv: matrix)",
    _norm_backward_type,
    batch_norm2d_backward,
    "gradients of batch_norm2d() in mode train by X, gamma and beta; sm and sv are what it returned, eps is part of sv",
    outputs=("dX", "dgamma", "dbeta"),
    samples=(
        f'{_IMAGES}, matrix(seq(1, 16), 2, 8), matrix("1 2", 2, 1), 0.1, matrix("5 9", 2, 1), matrix("0.2 0.1", 2, 1)',
        'matrix(0, 0, 8), matrix(0, 0, 8), matrix("1 2", 2, 1), 0.1, matrix(0, 2, 1), matrix(1, 2, 1)',
    ),
)
