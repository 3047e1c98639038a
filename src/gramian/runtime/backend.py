"""The protocol of a backend, and how an operator finds its kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from gramian.ir.fused import Pipeline
from gramian.ir.node import Node, literal_value, walk
from gramian.ir.op import Op
from gramian.runtime.remote import Remote

Kernel = Callable[..., Any]


class Backend(Protocol):
    """Where operators run. A backend without a kernel for an operator leaves it to the operator's own meaning."""

    name: str

    @property
    def remote(self) -> Remote | None:
        """Other machines that run parts of a program beside this one."""

    def kernel(self, op: Op) -> Kernel | None:
        """The backend's kernel of an operator, or None."""

    def pipeline(self, pipeline: Pipeline) -> Kernel | None:
        """The backend's way to run a pipeline, a function of its operands; or None."""

    def writable(self, target: Any) -> Any:
        """A copy of a matrix to write into by index."""

    def end(self) -> None:
        """A run is over: what it left in other places goes."""


def kernel_of(op: Op, backend: Backend) -> Kernel:
    return backend.kernel(op) or op.kernel


def pipeline_kernel(pipeline: Pipeline, backend: Backend) -> Kernel:
    return backend.pipeline(pipeline) or one_by_one(pipeline, backend)


def one_by_one(pipeline: Pipeline, backend: Backend) -> Kernel:
    """What a pipeline means: its operators one after the other, each on whole matrices."""
    steps = list(walk(pipeline.roots))
    kernels = {node: kernel_of(node.op, backend) for node in steps if node.args}
    last = {arg: node for node in steps for arg in node.args}

    def run(*operands: Any) -> Any:
        values: dict[Node, Any] = {}
        for node in steps:
            if node.is_var:
                values[node] = operands[int(node.name[1:])]
            elif not node.args:
                values[node] = literal_value(node) if node.is_literal else None
            else:
                values[node] = kernels[node](*(values[arg] for arg in node.args))
                for arg in {a for a in node.args if last[a] is node and a not in pipeline.roots}:
                    del values[arg]
        results = tuple(values[root] for root in pipeline.roots)
        return results if len(results) > 1 else results[0]

    return run
