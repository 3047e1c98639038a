"""Discrete Fourier transforms, of any length. Complex numbers are two matrices: real and imaginary parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from gramian.errors import OperationError, SizeError
from gramian.ir.op import define, missing
from gramian.ir.scalar import as_int_argument
from gramian.ir.types import Type, matrix, results
from gramian.ops.rules import Matrix, shape, shape_text

Complex = npt.NDArray[np.complex128]
Parts = tuple[Matrix, Matrix]


def _check_parts(what: str, real: str, x: Type | Matrix, y: Type | Matrix) -> None:
    a, b = (shape(v) if isinstance(v, Type) else v.shape for v in (x, y))
    if any(n is not None and m is not None and n != m for n, m in zip(a, b, strict=True)):
        raise SizeError(
            f"argument 'I' of {what}, the imaginary part, must have the size of '{real}', "
            f"found {shape_text((b[0], b[1]))} and {shape_text((a[0], a[1]))}"
        )


def _joined(what: str, real: str, x: Matrix, y: Matrix | None) -> Any:
    """One array, complex if there is an imaginary part; by rows, since the transforms run along them."""
    if y is None:
        return np.ascontiguousarray(x)
    _check_parts(what, real, x, y)
    z = np.empty(x.shape, dtype=np.complex128)
    z.real, z.imag = x, y
    return z


def _parts(z: Complex) -> Parts:
    return z.real.copy(), z.imag.copy()


def _transform(name: str, real: str, apply: str) -> Callable[[Matrix, Matrix | None], Parts]:
    """The kernel of a function of SciPy that works on all cells or along the rows."""

    def kernel(x: Matrix, imaginary: Matrix | None = None) -> Parts:
        from scipy import fft

        z = _joined(f"{name}()", real, x, imaginary)
        if z.size == 0:
            return np.zeros(x.shape), np.zeros(x.shape)
        return _parts(getattr(fft, apply)(z))

    return kernel


def _transform_type(name: str, real: str) -> Callable[[Type, Type], Type]:
    def infer(x: Type, imaginary: Type) -> Type:
        size = matrix(x.rows, x.cols)
        if not missing(imaginary):
            _check_parts(f"{name}()", real, x, imaginary)
            rows, cols = (a if a is not None else b for a, b in zip(shape(x), shape(imaginary), strict=True))
            size = matrix(rows, cols)
        return results(size, size)

    return infer


_SAMPLES = (
    'matrix("1 2 3 4", 1, 4)',
    'matrix("1 2 3 4", 4, 1)',
    'matrix("1 2 3 4", 2, 2)',
    'matrix("1 -2 3 0.5 7 1", 2, 3), matrix("0 1 0 -1 2 2", 2, 3)',
    "matrix(3, 1, 1)",
    'matrix("1 NaN 2", 1, 3)',
    "matrix(0, 0, 3)",
    "matrix(0, 2, 0), matrix(0, 2, 0)",
)
for _name, _real, _apply, _doc in (
    ("fft", "X", "fft2", "Fourier transform in both directions, not scaled; of a vector, that along it"),
    ("ifft", "R", "ifft2", "inverse of fft(), from real and imaginary part"),
    ("fft_linearized", "X", "fft", "Fourier transform of each row, not scaled"),
    ("ifft_linearized", "R", "ifft", "inverse of fft_linearized(), from real and imaginary part"),
):
    define(
        f"{_name}({_real}: matrix, I: matrix = missing)",
        _transform_type(_name, _real),
        _transform(_name, _real, _apply),
        _doc,
        outputs=("re", "im"),
        samples=_SAMPLES,
    )


# ---- short-time transform -------------------------------------------------------------------------------------------

STFT = "stft()"
USAGE = "usage: stft(X, window, overlap) or stft(R, I, window, overlap)"


def _placed(second: Any, third: Any, fourth: Any, given: Callable[[Any], bool], scalar: bool) -> tuple[Any, Any, Any]:
    """Imaginary part, window and overlap. Where the second argument is a `scalar`, there is no imaginary part.

    Raises:
        OperationError: one is missing, or there is one too many.
    """
    if scalar and given(fourth):
        raise OperationError(f"argument 'I' of {STFT} must be a matrix", USAGE)
    imaginary, window, overlap = (None, second, third) if scalar else (second, third, fourth)
    for name, value in (("window", window), ("overlap", overlap)):
        if not given(value):
            raise OperationError(f"{STFT} misses its argument '{name}'", USAGE)
    return imaginary, window, overlap


def _check_window(cols: int | None, window: int | None, overlap: int | None) -> None:
    if window is not None and window < 1:
        raise OperationError(f"argument 'window' of {STFT} must be at least 1, found {window}")
    if overlap is not None and (overlap < 0 or (window is not None and overlap >= window)):
        less = f"less than the window, {window}" if window is not None else "less than the window"
        raise OperationError(f"argument 'overlap' of {STFT} must be at least 0 and {less}, found {overlap}")
    if cols is not None and window is not None and cols < window:
        raise SizeError(f"argument 'window' of {STFT} must not exceed the {cols} columns of 'X', found {window}")


def _frames(cols: int, window: int, overlap: int) -> int:
    """How many whole windows there are in a row."""
    return (cols - overlap) // (window - overlap)


def stft(x: Matrix, second: Any = None, third: Any = None, fourth: Any = None) -> Parts:
    from scipy import fft

    scalar = second is not None and not isinstance(second, np.ndarray)
    imaginary, *numbers = _placed(second, third, fourth, lambda value: value is not None, scalar)
    window, overlap = map(as_int_argument, numbers)
    _check_window(x.shape[1], window, overlap)
    z = _joined(STFT, "X", x, imaginary)
    pieces = np.lib.stride_tricks.sliding_window_view(z, window, axis=1)[:, :: window - overlap]
    size = len(x), pieces.shape[1] * window
    if len(x) == 0:
        return np.zeros(size), np.zeros(size)
    return _parts(fft.fft(pieces).reshape(size))


def _stft_type(x: Type, second: Type, third: Type, fourth: Type) -> Type:
    imaginary, *numbers = _placed(second, third, fourth, lambda type: not missing(type), second.is_scalar)
    rows, cols = x.rows, x.cols
    if imaginary is not None and not missing(imaginary):
        _check_parts(STFT, "X", x, imaginary)
        rows, cols = (a if a is not None else b for a, b in zip(shape(x), shape(imaginary), strict=True))
    window, overlap = (n.int_value() for n in numbers)
    _check_window(cols, window, overlap)
    width = None
    if cols is not None and window is not None and overlap is not None:
        width = _frames(cols, window, overlap) * window
    return results(matrix(rows, width), matrix(rows, width))


define(
    "stft(X: matrix, I: matrix|number = missing, window: number = missing, overlap: number = missing)",
    _stft_type,
    stft,
    "Fourier transforms of the whole windows of each row, side by side; each window begins with the end of the one "
    "before, `overlap` cells",
    outputs=("re", "im"),
    samples=(
        "matrix(seq(1, 16), 2, 8), 4, 2",
        "matrix(seq(1, 16), 2, 8), matrix(seq(16, 1), 2, 8), 4, 1",
        "matrix(seq(1, 7), 1, 7), window=3, overlap=0",
        "matrix(0, 0, 4), 2, 0",
    ),
)
