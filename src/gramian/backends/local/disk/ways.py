"""What can be done with matrices on disk, operator by operator. A way that does not apply says NO."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gramian.backends.local.disk import aggregates, index, make, products, rows
from gramian.backends.local.disk.home import Home
from gramian.backends.local.disk.pipelines import NO, by_pipeline
from gramian.ir.op import Op

Way = Callable[[Home, Op, tuple[Any, ...]], Any]

WAYS: Mapping[str, Way] = {
    **aggregates.WAYS,
    **index.WAYS,
    **make.WAYS,
    **products.WAYS,
    **rows.WAYS,
}


def way_of(op: Op) -> Way:
    """The way of an operator; a pipeline of one node unless it has one of its own."""
    return WAYS.get(op.name, by_pipeline)


__all__ = ["NO", "WAYS", "way_of"]
