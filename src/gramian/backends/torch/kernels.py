"""PyTorch's kernels on NumPy arrays; what they mean is said where the operators are defined."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from gramian.ir.cores import cores
from gramian.ir.op import Op
from gramian.ir.values import ListValue
from gramian.ops.windows import Windows, of_filters
from gramian.runtime.backend import Kernel

Array = Any
Tensor = Any

HEAVY = 1 << 27  # flops from which on copying to a GPU and back pays


class Place:
    """Where a kernel computes: on the CPU, or on a GPU if there is one and enough to do; in bfloat16 if so wanted."""

    def __init__(self, flops: float, brief: bool) -> None:
        self.device = "cuda" if flops >= HEAVY and has_gpu() else "cpu"
        self.brief = brief and (self.device == "cuda" or has_bfloat16())
        if torch.get_num_threads() != cores():
            torch.set_num_threads(cores())

    def tensor(self, array: Array, shape: tuple[int, ...]) -> Tensor:
        array = np.ascontiguousarray(array)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nothing writes to operands, also if they could not be written
            found = torch.from_numpy(array)
        found = found.reshape(shape).to(self.device)
        return found.to(torch.bfloat16) if self.brief else found

    def array(self, tensor: Tensor, dtype: Any) -> Array:
        rows = tensor.shape[0]
        found = tensor.detach().to("cpu")
        if self.brief:
            found = found.to(torch.float32)
        found = found.contiguous().numpy()
        return found.reshape(rows, found.size // rows if rows else 0).astype(dtype, copy=False)


@cache
def has_gpu() -> bool:
    return bool(torch.cuda.device_count())


@cache
def has_bfloat16() -> bool:
    """Has the processor instructions for it? Without them bfloat16 would be slower than float32."""
    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return bool(available and torch.ops.mkldnn._is_mkldnn_bf16_supported())


# -- products ----------------------------------------------------------------------------------------------------------


def matrix_product(own: Kernel, brief: bool, a: Array, b: Array) -> Array:
    if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)) or a.shape[1] != b.shape[0]:
        return own(a, b)  # which says what is wrong
    flops = 2.0 * a.shape[0] * a.shape[1] * b.shape[1]
    place = Place(flops, brief)
    if flops < SMALL or not (place.brief or place.device == "cuda"):
        return own(a, b)  # on the CPU, NumPy's library is as good
    found = torch.mm(place.tensor(a, a.shape), place.tensor(b, b.shape))
    return place.array(found, a.dtype).reshape(a.shape[0], b.shape[1])


SMALL = 1 << 16  # flops below which calling another library costs more than it saves


# -- convolution -------------------------------------------------------------------------------------------------------


def _shapes(windows: Windows) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Of images, filters and results."""
    return (
        (windows.images, windows.channels, *windows.image),
        (windows.filters, windows.channels, *windows.size),
        (windows.images, windows.filters, *windows.result),
    )


def _place(windows: Windows, brief: bool) -> Place:
    return Place(2.0 * windows.images * windows.filters * windows.depth * windows.result[0] * windows.result[1], brief)


def conv2d(own: Kernel, brief: bool, x: Array, w: Array, *shapes: ListValue) -> Array:
    windows = of_filters("conv2d()", *shapes)
    windows.check_batch("X", x)
    windows.check_filter(w)
    if not windows.images:
        return own(x, w, *shapes)
    place = _place(windows, brief)
    images, filters, _ = _shapes(windows)
    found = functional.conv2d(
        _by_channels_last(place.tensor(x, images)),
        _by_channels_last(place.tensor(w, filters)),
        stride=windows.stride,
        padding=windows.padding,
    )
    return place.array(found, x.dtype)


def _by_channels_last(tensor: Tensor) -> Tensor:
    """The order that PyTorch's convolutions are quickest with."""
    return tensor.contiguous(memory_format=torch.channels_last)


def _convolution_backward(
    windows: Windows, place: Place, dout: Array, x: Array | None, w: Array | None
) -> tuple[Tensor, Tensor]:
    images, filters, results = _shapes(windows)
    grown = _by_channels_last(place.tensor(dout, results))
    # Of what is not needed for the wanted gradient only the shape counts.
    left = torch.empty(images, dtype=grown.dtype, device=grown.device) if x is None else place.tensor(x, images)
    right = torch.empty(filters, dtype=grown.dtype, device=grown.device) if w is None else place.tensor(w, filters)
    found = torch.ops.aten.convolution_backward(
        grown,
        _by_channels_last(left),
        _by_channels_last(right),
        None,
        windows.stride,
        windows.padding,
        (1, 1),
        False,
        (0, 0),
        1,
        (x is None, w is None, False),
    )
    return found[0], found[1]


def conv2d_backward_filter(own: Kernel, brief: bool, x: Array, dout: Array, *shapes: ListValue) -> Array:
    windows = of_filters("conv2d_backward_filter()", *shapes)
    windows.check_batch("X", x)
    windows.check_results("dout", dout, windows.filters)
    if not windows.images:
        return own(x, dout, *shapes)
    place = _place(windows, brief)
    _, found = _convolution_backward(windows, place, dout, x, None)
    return place.array(found, x.dtype)


def conv2d_backward_data(own: Kernel, brief: bool, w: Array, dout: Array, *shapes: ListValue) -> Array:
    windows = of_filters("conv2d_backward_data()", *shapes)
    windows.check_filter(w)
    windows.check_results("dout", dout, windows.filters)
    if not windows.images:
        return own(w, dout, *shapes)
    place = _place(windows, brief)
    found, _ = _convolution_backward(windows, place, dout, None, w)
    return place.array(found, w.dtype)


KERNELS: Mapping[str, Callable[..., Array]] = {
    "%*%": matrix_product,
    "conv2d": conv2d,
    "conv2d_backward_filter": conv2d_backward_filter,
    "conv2d_backward_data": conv2d_backward_data,
}


def kernel_of(op: Op, brief: bool) -> Kernel | None:
    """The kernel of an operator, if PyTorch has one; `brief`: products and convolutions in bfloat16."""
    found = KERNELS.get(op.name)
    return None if found is None else partial(found, op.kernel, brief)
