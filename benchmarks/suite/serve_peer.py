"""A peer in Python in a process of its own: each line on standard input has it compute once, with its inputs in memory.

    python -m suite.serve_peer '{"script": "peer_numpy.py", "inputs": {...}, "arguments": {...}, "out": ...}'
"""

from __future__ import annotations

import importlib.util
import json
import sys
from time import perf_counter
from typing import Any

import numpy as np
from scipy import sparse

from suite.protocol import serve


def main() -> None:
    told = json.loads(sys.argv[1])
    peer = _module(told["script"])
    values = {name: _read(path) for name, path in told["inputs"].items()} | told["arguments"]
    outcome = getattr(peer, "outcome", lambda result, **_: result)

    def run() -> dict[str, Any]:
        start = perf_counter()
        result = peer.compute(**values)
        seconds = perf_counter() - start
        np.savetxt(told["out"], np.atleast_2d(outcome(result, **values)), "%.17g", delimiter=",")
        return {"seconds": seconds}

    serve(run)


def _module(path: str) -> Any:
    spec = importlib.util.spec_from_file_location("peer", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _read(path: str) -> Any:
    return sparse.load_npz(path) if path.endswith(".npz") else np.load(path)


if __name__ == "__main__":
    main()
