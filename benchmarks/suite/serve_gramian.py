"""gramian's side in a process of its own: each line on standard input runs a workload's script once.

python -m suite.serve_gramian '{"script": ..., "arguments": {...}}'
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from gramian.api.script import Script
from gramian.ops.text import out
from gramian.settings import Settings
from suite.protocol import seconds_printed, serve

Run = Callable[[], dict[str, Any]]


def runner(told: dict[str, Any]) -> Run:
    """What runs a script, compiled once, and returns the seconds that it says its computation took."""
    script = Script.compile_file(told["script"], Settings(parameters=told["arguments"]))

    def run() -> dict[str, Any]:
        printed: list[str] = []
        with out.to(printed.append):
            script.run()
        return {"seconds": seconds_printed("".join(printed))}

    return run


if __name__ == "__main__":
    serve(runner(json.loads(sys.argv[1])))
