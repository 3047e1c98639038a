"""The sides of a comparison, each in processes of its own, so that none has another's memory, threads or caches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

from suite import systemds
from suite.protocol import seconds_printed
from suite.workload import SYSTEMDS, Workload

GRAMIAN = "gramian"
BENCHMARKS = Path(__file__).parents[1]


class SideError(Exception):
    """A side could not do its work; the message says what it said."""


class Side(Protocol):
    """Does a workload once per turn and writes the result to `out`."""

    out: Path
    warm_up: int

    def turn(self) -> float: ...

    def close(self) -> None: ...


class Server:
    """A process that stays, with code compiled and caches warm; what it times excludes reading."""

    def __init__(self, command: Sequence[str], request: str, out: Path, warm_up: int, cwd: Path = BENCHMARKS) -> None:
        self.out = out
        self.warm_up = warm_up
        self._request = request
        paths = [str(BENCHMARKS), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        )

    def turn(self) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(self._request + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            status = self._process.wait()
            raise SideError(
                f"its process ended with status {status}, by a signal if that is negative (-9: memory ran out?)"
            )
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise SideError(answer["error"])
        return float(answer["seconds"]) if "seconds" in answer else seconds_printed(answer["printed"])

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class Fresh:
    """A new process for each turn, from its start to its end."""

    warm_up = 1  # files in the page cache

    def __init__(self, command: Sequence[str], out: Path) -> None:
        self.out = out
        self._command = command

    def turn(self) -> float:
        start = perf_counter()
        done = subprocess.run(self._command, cwd=self.out.parent, capture_output=True, text=True, check=False)
        seconds = perf_counter() - start
        if done.returncode:
            raise SideError(done.stdout + done.stderr)
        return seconds

    def close(self) -> None:
        pass


def side(name: str, workload: Workload, quick: bool, folder: Path) -> Side:
    """Start a side: gramian or a peer."""
    out = folder / f"{workload.name}_{name}.csv"
    files = workload.files(quick)
    values: dict[str, Any] = workload.arguments(quick)
    if name == SYSTEMDS:
        files = {key: systemds.converted(file) for key, file in files.items()}
    told = {key: str(file) for key, file in files.items()} | values | {"out": str(out)}
    if name == SYSTEMDS and workload.process:
        return Fresh(systemds.process(workload.script, told), out)
    if name == SYSTEMDS:
        # Java compiles what has run often; the third run is about as fast as it gets.
        return Server(systemds.server(), json.dumps(systemds.arguments(workload.script, told)), out, 2, systemds.HOME)
    if name == GRAMIAN and workload.process:
        parameters = [f"{key}={value}" for key, value in told.items()]
        return Fresh([sys.executable, "-m", "gramian", "run", str(workload.script), "-nvargs", *parameters], out)
    if name == GRAMIAN:
        request = json.dumps({"script": str(workload.script), "arguments": told})
        return Server([sys.executable, "-m", "suite.serve_gramian", request], "", out, 1)
    inputs = {key: str(file) for key, file in files.items()}
    peer = {"script": str(workload.peer_file(name)), "values": inputs | values, "out": str(out)}
    return Server([sys.executable, "-m", "suite.serve_peer", json.dumps(peer)], "", out, 1)
