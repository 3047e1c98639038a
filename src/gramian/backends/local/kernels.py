"""Kernels of the local backend that are faster than the meaning of their operators."""

from __future__ import annotations

from collections.abc import Mapping

from gramian.runtime.backend import Kernel

KERNELS: Mapping[str, Kernel] = {}
