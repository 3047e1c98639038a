"""A peer in Python in a process of its own: each line on standard input has it compute once, with its inputs in memory.

python -m suite.serve_peer '{"script": "peer_numpy.py", "values": {...}, "out": ...}'
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
from scipy import sparse

from suite.protocol import serve

Run = Callable[[], dict[str, Any]]


def runner(told: dict[str, Any]) -> Run:
    """What has a peer compute once and returns the seconds that this took.

    A peer is a module with a function `compute`, whose parameters are the inputs and numbers that the script takes, and, if
    its result is not what the script writes, a function `outcome(result, **parameters)` that makes it so, untimed.
    """
    peer = _module(told["script"])
    values = {name: _read(value) for name, value in told["values"].items()}
    outcome = getattr(peer, "outcome", lambda result, **_: result)

    def run() -> dict[str, Any]:
        start = perf_counter()
        result = peer.compute(**values)
        seconds = perf_counter() - start
        np.savetxt(told["out"], np.atleast_2d(outcome(result, **values)), "%.17g", delimiter=",")
        return {"seconds": seconds}

    return run


def _module(path: str) -> Any:
    spec = importlib.util.spec_from_file_location("peer", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _read(value: str | int) -> Any:
    if isinstance(value, int):
        return value
    return sparse.load_npz(value) if value.endswith(".npz") else np.load(value)


if __name__ == "__main__":
    serve(runner(json.loads(sys.argv[1])))
