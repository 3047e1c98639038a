"""What the measuring process and those that work say to each other: a line asks for a run, a line of JSON answers."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from typing import Any


def serve(run: Callable[[], dict[str, Any]]) -> None:
    """Answer each line on standard input with a run, until there are no more."""
    for _ in sys.stdin:
        print(json.dumps(run()), flush=True)


def seconds_printed(text: str) -> float:
    """What a script says that its computation took, in a line `nanoseconds N`."""
    found = re.search(r"^nanoseconds (\d+)$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"the script does not say how long it took:\n{text}")
    return int(found[1]) / 1e9
